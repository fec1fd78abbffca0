/* gemm_bench.c - the f32 products by weight type, number of rows, and training shape.
 *
 * Few rows are measured in bytes of weights per second against the machine's read bandwidth, on
 * a matrix larger than any cache; many rows and the training products in operations per second
 * against the fused multiply-add peak.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/bench_kernel.h"

enum { N_IN = 4096, N_OUT = 4096, N_OUT_READ = 32768, MAX_ROWS = 512, SLICE = 8 };

/* Small numbers of either sign; the speed does not depend on them, but denormals would. */
static void fill(float *p, size_t n)
{
    struct rng r = rng_init(1, 2);
    for (size_t i = 0; i < n; i++) p[i] = (float)((int)(rng_u64(&r) >> 56) - 128) * 0x1p-7f;
}

/* ---- rows ----------------------------------------------------------------------------------- */

struct rows_job {
    const struct kernels *k;
    struct pack w;
    float *y, *x;
    size_t n_row, n_panel;
};

static void rows_slice(void *ctx, size_t i)
{
    const struct rows_job *j = ctx;
    j->k->gemm.rows(j->y, j->w.n_out, j->x, j->w.n_in, j->n_row, &j->w, i * SLICE,
                    size_min((i + 1) * SLICE, j->n_panel));
}

static void rows_shape(const struct bench_env *env, struct rows_job *j, size_t n_row,
                       size_t n_out)
{
    bool by_bytes = n_row <= 8;
    j->n_row = n_row;
    j->w.n_out = n_out;
    j->n_panel = pack_panels(n_out);
    double ns = bench_best_ns(env, rows_slice, j, (j->n_panel + SLICE - 1) / SLICE);
    if (by_bytes)
        bench_emit(env, "gemm.rows", j->w.dt, "read",
                   (double)(j->n_panel * j->w.panel_bytes) / ns, "GB/s",
                   env->roof->read.all * 1e-9, "%zux%zux%d", n_row, n_out, N_IN);
    else
        bench_emit(env, "gemm.rows", j->w.dt, "compute",
                   2.0 * (double)n_row * (double)n_out * N_IN / ns, "GFLOP/s",
                   env->roof->fma.all * 1e-9, "%zux%zux%d", n_row, n_out, N_IN);
}

/* Every byte pattern of these numbers is an ordinary number in all the float types. */
static void fill_bytes(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(0x30 + (i * 2654435761u >> 28));
}

static int rows_type(const struct bench_env *env, enum dtype dt, struct err *e)
{
    static const size_t few[] = {1, 2, 4, 8}, many[] = {16, 128, 512};
    struct rows_job j = {.k = env->k, .w = {.dt = dt, .n_in = N_IN}};
    j.w.panel_bytes = pack_panel_bytes(dt, N_IN);
    size_t w_bytes = pack_panels(N_OUT_READ) * j.w.panel_bytes, x_bytes = MAX_ROWS * N_IN * 4;
    size_t y_bytes = MAX_ROWS * N_OUT_READ * 4;
    unsigned char *w = mem_map(w_bytes);
    int rc = -1;
    j.x = mem_map(x_bytes);
    j.y = mem_map(y_bytes);
    if (!w || !j.x || !j.y) {
        err_oom(e, "measuring gemm.rows", w_bytes + x_bytes + y_bytes);
        goto out;
    }
    fill_bytes(w, w_bytes);
    fill(j.x, MAX_ROWS * N_IN);
    j.w.data = w;
    for (size_t i = 0; i < countof(few); i++) rows_shape(env, &j, few[i], N_OUT_READ);
    for (size_t i = 0; i < countof(many); i++) rows_shape(env, &j, many[i], N_OUT);
    rc = 0;
out:
    if (w) mem_unmap(w, w_bytes);
    if (j.x) mem_unmap(j.x, x_bytes);
    if (j.y) mem_unmap(j.y, y_bytes);
    return rc;
}

static int bench_rows(const struct bench_env *env, struct err *e)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_F8_E4M3, DT_F8_E5M2};
    for (size_t i = 0; i < countof(types); i++)
        if (rows_type(env, types[i], e)) return -1;
    return 0;
}

/* ---- nn, nt, tn ----------------------------------------------------------------------------- */

typedef void (*product_fn)(float *y, size_t ldy, const float *a, size_t lda, const float *b,
                           size_t ldb, size_t m, size_t n, size_t k, bool add, void *scratch);

struct product_job {
    product_fn fn;
    bool a_by_cols; /* a is (k, m) */
    float *y, *a, *b;
    unsigned char *scratch; /* one for each slice */
    size_t m, n, k, slice;
    size_t lda, ldb;
};

static void product_slice(void *ctx, size_t i)
{
    const struct product_job *j = ctx;
    size_t m0 = i * j->slice, m = size_min(j->slice, j->m - m0);
    j->fn(j->y + m0 * j->n, j->n, j->a + (j->a_by_cols ? m0 : m0 * j->lda), j->lda, j->b,
          j->ldb, m, j->n, j->k, true, j->scratch + i * gemm_scratch_bytes());
}

static int product_shape(const struct bench_env *env, const char *name, size_t m, size_t n,
                         size_t k, struct err *e)
{
    struct product_job j = {.m = m, .n = n, .k = k};
    size_t n_slice = (size_t)pool_threads(env->pool);
    size_t bytes = (m * n + m * k + n * k) * 4 + n_slice * gemm_scratch_bytes();
    float *p = mem_map(bytes);
    if (!p) return err_oom(e, "measuring gemm", bytes);
    fill(p, m * n + m * k + n * k);
    j.y = p;
    j.a = j.y + m * n;
    j.b = j.a + m * k;
    j.scratch = (unsigned char *)(j.b + n * k);
    j.fn = name[5] == 't'   ? env->k->gemm.tn
           : name[6] == 't' ? env->k->gemm.nt
                            : env->k->gemm.nn;
    j.a_by_cols = name[5] == 't';
    j.lda = j.a_by_cols ? m : k;
    j.ldb = name[6] == 't' ? k : n;
    j.slice = (m + n_slice - 1) / n_slice;
    double ns = bench_best_ns(env, product_slice, &j, n_slice);
    bench_emit(env, name, DT_F32, "compute", 2.0 * (double)m * (double)n * (double)k / ns,
               "GFLOP/s", env->roof->fma.all * 1e-9, "%zux%zux%zu", m, n, k);
    mem_unmap(p, bytes);
    return 0;
}

static int product(const struct bench_env *env, const char *name, struct err *e)
{
    static const size_t shape[][3] = {{2048, 384, 1536}, {2048, 1536, 384}, {4096, 512, 512},
                                      {384, 1536, 2048}, {64, 4096, 256},   {1024, 1024, 64}};
    for (size_t i = 0; i < countof(shape); i++)
        if (product_shape(env, name, shape[i][0], shape[i][1], shape[i][2], e)) return -1;
    return 0;
}

static int bench_nn(const struct bench_env *env, struct err *e)
{
    return product(env, "gemm.nn", e);
}

static int bench_nt(const struct bench_env *env, struct err *e)
{
    return product(env, "gemm.nt", e);
}

static int bench_tn(const struct bench_env *env, struct err *e)
{
    return product(env, "gemm.tn", e);
}

static const struct kernel_bench benches[] = {{"gemm.rows", bench_rows},
                                              {"gemm.nn", bench_nn},
                                              {"gemm.nt", bench_nt},
                                              {"gemm.tn", bench_tn}};

const struct kernel_bench *gemm_benches(size_t *n)
{
    *n = countof(benches);
    return benches;
}
