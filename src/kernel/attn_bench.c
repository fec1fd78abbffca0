/* attn_bench.c - attention by use: decoding, prefill, absorbed MLA, training.
 *
 * Decoding with grouped heads is measured in bytes of cache per second against the machine's read
 * bandwidth, on caches larger than any processor cache; the others in operations per second (2 per
 * multiply-add of visible pairs, d_k + d_v each; backward 3 d_k + 2 d_v) against the fused
 * multiply-add peak. Every slice is one key/value head.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/bench_kernel.h"

struct shape {
    size_t n_row, n_rep, d_k, d_v, n_key;
    enum dtype dt;
    bool latent; /* values are the first d_v of the keys */
};

struct run_job {
    const struct kernels *k;
    struct attn_job proto;
    const void **blocks; /* (slices, k then v, n_block) */
    unsigned char *scratch;
    float *out;
    size_t n_block, out_floats, scratch_bytes;
};

static void run_slice(void *ctx, size_t i)
{
    const struct run_job *j = ctx;
    struct attn_job job = j->proto;
    job.k = j->blocks + 2 * i * j->n_block;
    job.v = job.k + j->n_block;
    job.out = j->out + i * j->out_floats;
    job.scratch = j->scratch + i * j->scratch_bytes;
    j->k->attn.run(&job);
}

static double visible_pairs(const struct shape *s)
{
    double rows = (double)s->n_row;
    return (double)s->n_rep * rows * ((double)s->n_key - (rows - 1) / 2);
}

/* One allocation cut into parts; every part is a multiple of 64 bytes. */
static void *cut(unsigned char **at, size_t bytes)
{
    void *p = *at;
    *at += round_up(bytes, 64);
    return p;
}

/* Every byte pattern of these numbers is an ordinary number in all cache types. */
static void fill_bytes(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(0x30 + (i * 2654435761u >> 28));
}

static int run_shape(const struct bench_env *env, const struct shape *s, size_t n_slice,
                     bool by_bytes, struct err *e)
{
    size_t row_k = 0, row_v = 0, n_block = (s->n_key + ATTN_BLOCK - 1) / ATTN_BLOCK;
    if (dtype_row_bytes(s->dt, s->d_k, &row_k) || dtype_row_bytes(s->dt, s->d_v, &row_v))
        return err_set(e, ERR_USAGE, "attention shapes must be whole blocks");
    struct run_job j = {.k = env->k, .n_block = n_block};
    size_t k_bytes = n_block * ATTN_BLOCK * row_k, n_query = s->n_row * s->n_rep;
    size_t v_bytes = s->latent ? 0 : n_block * ATTN_BLOCK * row_v;
    j.out_floats = round_up(n_query * s->d_v, 16);
    j.scratch_bytes = round_up(attn_scratch_bytes(s->d_k, s->d_v, s->n_rep), 64);
    size_t bytes = n_slice * (k_bytes + v_bytes + 2 * n_block * sizeof(void *) +
                              j.out_floats * 4 + j.scratch_bytes) +
                   n_query * s->d_k * 4 + s->n_row * 4 + 8 * 64;
    unsigned char *all = mem_map(bytes), *at = all;
    if (!all) return err_oom(e, "measuring attention", bytes);
    unsigned char *cache = cut(&at, n_slice * (k_bytes + v_bytes));
    fill_bytes(cache, n_slice * (k_bytes + v_bytes));
    j.blocks = cut(&at, n_slice * 2 * n_block * sizeof(void *));
    for (size_t i = 0; i < n_slice; i++)
        for (size_t b = 0; b < n_block; b++) {
            const unsigned char *k = cache + i * (k_bytes + v_bytes);
            j.blocks[2 * i * n_block + b] = k + b * ATTN_BLOCK * row_k;
            j.blocks[(2 * i + 1) * n_block + b] =
                s->latent ? k + b * ATTN_BLOCK * row_k : k + k_bytes + b * ATTN_BLOCK * row_v;
        }
    j.out = cut(&at, n_slice * j.out_floats * 4);
    j.scratch = cut(&at, n_slice * j.scratch_bytes);
    float *q = cut(&at, n_query * s->d_k * 4);
    for (size_t i = 0; i < n_query * s->d_k; i++)
        q[i] = (float)(i * 2654435761u >> 24 & 255) / 256;
    int32_t *pos = cut(&at, s->n_row * 4);
    for (size_t r = 0; r < s->n_row; r++) pos[r] = (int32_t)(s->n_key - s->n_row + r);
    j.proto = (struct attn_job){.out_stride = s->n_rep * s->d_v,
                                .q = q,
                                .q_stride = s->n_rep * s->d_k,
                                .q_head = s->d_k,
                                .n_row = s->n_row,
                                .n_rep = s->n_rep,
                                .d_k = s->d_k,
                                .d_v = s->d_v,
                                .pos = pos,
                                .k_stride = row_k,
                                .v_stride = s->latent ? row_k : row_v,
                                .k_dt = s->dt,
                                .v_dt = s->dt,
                                .scale = 0.01f};
    double ns = bench_best_ns(env, run_slice, &j, n_slice);
    const char *name = s->n_row > 1 ? "attn.prefill"
                       : s->latent  ? "attn.latent"
                                    : "attn.decode";
    if (by_bytes)
        bench_emit(env, name, s->dt, "read", (double)(n_slice * (k_bytes + v_bytes)) / ns,
                   "GB/s", env->roof->read.all * 1e-9, "%zux%zu keys %zu d=%zu,%zu", s->n_row,
                   s->n_rep, s->n_key, s->d_k, s->d_v);
    else
        bench_emit(env, name, s->dt, "compute",
                   2 * (double)n_slice * visible_pairs(s) * (double)(s->d_k + s->d_v) / ns,
                   "GFLOP/s", env->roof->fma.all * 1e-9, "%zux%zu keys %zu d=%zu,%zu", s->n_row,
                   s->n_rep, s->n_key, s->d_k, s->d_v);
    mem_unmap(all, bytes);
    return 0;
}

static int bench_decode(const struct bench_env *env, struct err *e)
{
    static const size_t reps[] = {1, 4, 8};
    static const enum dtype types[] = {DT_F16, DT_BF16, DT_Q8_0, DT_F32};
    for (size_t t = 0; t < countof(types); t++)
        for (size_t r = 0; r < countof(reps); r++) {
            struct shape s = {1, reps[r], 128, 128, 8192, types[t], false};
            if (run_shape(env, &s, 32, true, e)) return -1;
        }
    return 0;
}

static int bench_latent(const struct bench_env *env, struct err *e)
{
    static const size_t reps[] = {16, 128};
    static const enum dtype types[] = {DT_F16, DT_Q8_0};
    for (size_t t = 0; t < countof(types); t++)
        for (size_t r = 0; r < countof(reps); r++) {
            struct shape s = {1, reps[r], 576, 512, 4096, types[t], true};
            if (run_shape(env, &s, 8, false, e)) return -1;
        }
    return 0;
}

/* Many sequences of a small model: short caches, a few heads, all together larger than the caches
 * of a core. */
static int bench_small(const struct bench_env *env, struct err *e)
{
    static const struct shape shapes[] = {{1, 4, 80, 64, 192, DT_F16, true},
                                          {1, 6, 128, 128, 192, DT_F16, false}};
    for (size_t i = 0; i < countof(shapes); i++)
        if (run_shape(env, &shapes[i], 384, false, e)) return -1;
    return 0;
}

static int bench_prefill(const struct bench_env *env, struct err *e)
{
    static const struct shape shapes[] = {
        {512, 1, 128, 128, 4096, DT_F16, false}, {512, 4, 128, 128, 4096, DT_F16, false},
        {512, 4, 64, 64, 512, DT_F16, false},    {512, 1, 192, 128, 4096, DT_F32, false},
        {16, 16, 576, 512, 4096, DT_F16, true},
    };
    for (size_t i = 0; i < countof(shapes); i++)
        if (run_shape(env, &shapes[i], 4, false, e)) return -1;
    return 0;
}

/* ---- backward ------------------------------------------------------------------------------ */

struct back_job {
    const struct kernels *k;
    struct attn_back_job proto;
    float *grad;            /* (slices, dq dk dv) */
    unsigned char *scratch; /* (slices) */
    size_t grad_floats, scratch_bytes;
};

static void back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    struct attn_back_job job = j->proto;
    job.dq = j->grad + i * j->grad_floats;
    job.dk = job.dq + job.n_row * job.n_rep * job.d_k;
    job.dv = job.dk + job.n_key * job.d_k;
    job.scratch = j->scratch + i * j->scratch_bytes;
    j->k->attn.back(&job);
}

static int back_shape(const struct bench_env *env, size_t t, size_t n_rep, size_t d,
                      struct err *e)
{
    size_t n_slice = 4, nq = t * n_rep * d, nk = t * d;
    struct back_job j = {.k = env->k, .grad_floats = round_up(nq + 2 * nk, 16)};
    j.scratch_bytes = round_up(attn_back_scratch_bytes(t * n_rep, d, d), 64);
    size_t bytes = (2 * nq + nq + 2 * nk + 2 * t * n_rep + n_slice * j.grad_floats) * 4 +
                   n_slice * j.scratch_bytes + 8 * 64;
    unsigned char *all = mem_map(bytes), *at = all;
    if (!all) return err_oom(e, "measuring attention", bytes);
    float *x = cut(&at, (3 * nq + 2 * nk) * 4), *lse = cut(&at, t * n_rep * 4);
    int32_t *pos = cut(&at, t * 4);
    for (size_t i = 0; i < 3 * nq + 2 * nk; i++)
        x[i] = (float)(i * 2654435761u >> 24 & 255) / 256 - 0.5f;
    for (size_t i = 0; i < t * n_rep; i++) lse[i] = 5;
    for (size_t i = 0; i < t; i++) pos[i] = (int32_t)i;
    j.grad = cut(&at, n_slice * j.grad_floats * 4);
    j.scratch = cut(&at, n_slice * j.scratch_bytes);
    j.proto = (struct attn_back_job){.q = x,
                                     .out = x + nq,
                                     .dout = x + 2 * nq,
                                     .k = x + 3 * nq,
                                     .v = x + 3 * nq + nk,
                                     .lse = lse,
                                     .q_stride = n_rep * d,
                                     .q_head = d,
                                     .out_stride = n_rep * d,
                                     .out_head = d,
                                     .k_stride = d,
                                     .v_stride = d,
                                     .n_row = t,
                                     .n_rep = n_rep,
                                     .n_key = t,
                                     .d_k = d,
                                     .d_v = d,
                                     .pos = pos,
                                     .scale = 0.1f};
    double ns = bench_best_ns(env, back_slice, &j, n_slice);
    double pairs = (double)(t * n_rep) * (double)(t + 1) / 2;
    bench_emit(env, "attn.back", DT_F32, "compute",
               10 * (double)n_slice * pairs * (double)d / ns, "GFLOP/s",
               env->roof->fma.all * 1e-9, "%zux%zu d=%zu", t, n_rep, d);
    mem_unmap(all, bytes);
    return 0;
}

static int bench_back(const struct bench_env *env, struct err *e)
{
    static const size_t shape[][3] = {
        {256, 1, 32}, {256, 4, 64}, {1024, 1, 64}, {1024, 2, 128}};
    for (size_t i = 0; i < countof(shape); i++)
        if (back_shape(env, shape[i][0], shape[i][1], shape[i][2], e)) return -1;
    return 0;
}

static const struct kernel_bench benches[] = {{"attn.decode", bench_decode},
                                              {"attn.latent", bench_latent},
                                              {"attn.small", bench_small},
                                              {"attn.prefill", bench_prefill},
                                              {"attn.back", bench_back}};

const struct kernel_bench *attn_benches(size_t *n)
{
    *n = countof(benches);
    return benches;
}
