/* q8_bench.c - the products with 8-bit activations by weight type and number of rows, and making
 * the 8-bit rows.
 *
 * A product stands under two limits, reading its weights and multiplying; the one that takes
 * longer here is what it is compared with. Few rows read a matrix larger than any cache.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/bench_kernel.h"

enum { N_IN = 4096, N_OUT = 32768, MAX_ROWS = 512, SLICE = 8, QUANT_ROWS = 16 };

struct rows_job {
    const struct kernels *k;
    struct pack w;
    float *x, *y;
    unsigned char *x8;
    size_t x8_row, n_row, n_panel;
};

static void rows_slice(void *ctx, size_t i)
{
    const struct rows_job *j = ctx;
    j->k->q8.rows(j->y, j->w.n_out, j->x8, j->n_row, &j->w, i * SLICE,
                  size_min((i + 1) * SLICE, j->n_panel));
}

static void quantize_slice(void *ctx, size_t i)
{
    const struct rows_job *j = ctx;
    for (size_t r = i * QUANT_ROWS; r < (i + 1) * QUANT_ROWS; r++)
        j->k->q8.quantize(j->w.dt, j->x8 + r * j->x8_row, j->x + r * N_IN, N_IN);
}

/* Whole matrices for few rows; a sixteenth of it where multiplying takes the time. */
static void rows_shape(const struct bench_env *env, struct rows_job *j, size_t n_row)
{
    j->n_row = n_row;
    j->w.n_out = n_row <= 32 ? N_OUT : N_OUT / 16;
    j->n_panel = pack_panels(j->w.n_out);
    double ns = bench_best_ns(env, rows_slice, j, (j->n_panel + SLICE - 1) / SLICE);
    double bytes = (double)(j->n_panel * j->w.panel_bytes);
    double ops = 2.0 * (double)n_row * (double)j->w.n_out * N_IN;
    if (bytes / env->roof->read.all >= ops / env->roof->dot.all)
        bench_emit(env, "q8.rows", j->w.dt, "read", bytes / ns, "GB/s",
                   env->roof->read.all * 1e-9, "%zux%zux%d", n_row, j->w.n_out, N_IN);
    else
        bench_emit(env, "q8.rows", j->w.dt, "compute", ops / ns, "Gop/s",
                   env->roof->dot.all * 1e-9, "%zux%zux%d", n_row, j->w.n_out, N_IN);
}

/* Bytes whose pairs are ordinary halves: scales are numbers like others, codes are codes. */
static void fill_bytes(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(0x30 + (i * 2654435761u >> 28));
}

static int rows_type(const struct bench_env *env, enum dtype dt, struct err *e)
{
    static const size_t rows[] = {1, 2, 4, 8, 16, 32, 512};
    struct rows_job j = {.k = env->k, .w = {.dt = dt, .n_in = N_IN}};
    j.w.panel_bytes = pack_panel_bytes(dt, N_IN);
    j.x8_row = env->k->q8.row_bytes(dt, N_IN);
    size_t w_bytes = pack_panels(N_OUT) * j.w.panel_bytes, x_bytes = MAX_ROWS * N_IN * 4;
    size_t x8_bytes = MAX_ROWS * j.x8_row, y_bytes = (size_t)MAX_ROWS * N_OUT * 4;
    unsigned char *w = mem_map(w_bytes);
    int rc = -1;
    j.x = mem_map(x_bytes);
    j.x8 = mem_map(x8_bytes);
    j.y = mem_map(y_bytes);
    if (!w || !j.x || !j.x8 || !j.y) {
        err_oom(e, "measuring q8.rows", w_bytes + x_bytes + x8_bytes + y_bytes);
        goto out;
    }
    fill_bytes(w, w_bytes);
    j.w.data = w;
    struct rng rng = rng_init(1, 2);
    for (size_t i = 0; i < x_bytes / 4; i++)
        j.x[i] = (float)((int)(rng_u64(&rng) >> 56) - 128) * 0x1p-7f;
    for (size_t i = 0; i < MAX_ROWS / QUANT_ROWS; i++) quantize_slice(&j, i);
    for (size_t i = 0; i < countof(rows); i++) rows_shape(env, &j, rows[i]);
    rc = 0;
out:
    if (w) mem_unmap(w, w_bytes);
    if (j.x) mem_unmap(j.x, x_bytes);
    if (j.x8) mem_unmap(j.x8, x8_bytes);
    if (j.y) mem_unmap(j.y, y_bytes);
    return rc;
}

#define TYPES(X) \
    X(Q4_0)      \
    X(Q4_1)      \
    X(Q5_0)      \
    X(Q5_1)      \
    X(Q8_0)      \
    X(IQ4_NL)    \
    X(MXFP4)     \
    X(Q2_K)      \
    X(Q3_K)      \
    X(Q4_K)      \
    X(Q5_K)      \
    X(Q6_K) X(IQ4_XS) X(IQ2_XXS) X(IQ2_XS) X(IQ2_S) X(IQ3_XXS) X(IQ3_S) X(IQ1_S) X(IQ1_M)

#define X(dt)                                                         \
    static int bench_##dt(const struct bench_env *env, struct err *e) \
    {                                                                 \
        return rows_type(env, DT_##dt, e);                            \
    }
TYPES(X)
#undef X

static int bench_quantize(const struct bench_env *env, struct err *e)
{
    struct rows_job j = {.k = env->k, .w = {.dt = DT_Q8_0}};
    enum { ROWS = 8192 };
    j.x8_row = env->k->q8.row_bytes(j.w.dt, N_IN);
    size_t x_bytes = (size_t)ROWS * N_IN * 4, x8_bytes = ROWS * j.x8_row;
    int rc = -1;
    j.x = mem_map(x_bytes);
    j.x8 = mem_map(x8_bytes);
    if (!j.x || !j.x8) {
        err_oom(e, "measuring q8.quantize", x_bytes + x8_bytes);
        goto out;
    }
    for (size_t i = 0; i < x_bytes / 4; i++) j.x[i] = (float)(i * 37 % 255) - 127;
    double ns = bench_best_ns(env, quantize_slice, &j, ROWS / QUANT_ROWS);
    bench_emit(env, "q8.quantize", DT_F32, "copy", (double)(x_bytes + x8_bytes) / ns, "GB/s",
               env->roof->copy.all * 1e-9, "%dx%d", ROWS, N_IN);
    rc = 0;
out:
    if (j.x) mem_unmap(j.x, x_bytes);
    if (j.x8) mem_unmap(j.x8, x8_bytes);
    return rc;
}

static const struct kernel_bench benches[] = {
#define X(dt) {"q8.rows." #dt, bench_##dt},
    TYPES(X)
#undef X
        {"q8.quantize", bench_quantize},
};

const struct kernel_bench *q8_benches(size_t *n)
{
    *n = countof(benches);
    return benches;
}
