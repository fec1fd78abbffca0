/* i8_bench.c - quantising and products of 8-bit training, at the shapes of linear layers. */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/bench_kernel.h"

struct i8_job {
    const struct kernels *k;
    struct i8_source s;
    struct i8_rows a;
    struct i8_cols b;
    float *y;
    size_t n_slice;
    bool to_cols;
};

static void product_slice(void *ctx, size_t i)
{
    const struct i8_job *j = ctx;
    j->k->i8.product(j->y, j->b.n, &j->a, &j->b, j->a.n * i / j->n_slice,
                     j->a.n * (i + 1) / j->n_slice, 0, (j->b.n + I8_PANEL - 1) / I8_PANEL,
                     false);
}

static void quantize_slice(void *ctx, size_t i)
{
    const struct i8_job *j = ctx;
    size_t n = j->to_cols ? i8_col_groups(j->s.n) : i8_row_groups(j->s.n);
    if (j->to_cols)
        j->k->i8.to_cols(&j->b, &j->s, n * i / j->n_slice, n * (i + 1) / j->n_slice);
    else
        j->k->i8.to_rows(&j->a, &j->s, n * i / j->n_slice, n * (i + 1) / j->n_slice);
}

static int product_shape(const struct bench_env *env, size_t m, size_t n, size_t k,
                         struct err *e)
{
    struct i8_job j = {.k = env->k, .n_slice = (size_t)pool_threads(env->pool)};
    size_t a = i8_rows_bytes(m, k), b = i8_cols_bytes(n, k), bytes = a + b + m * n * 4;
    unsigned char *p = mem_map(bytes);
    if (!p) return err_oom(e, "measuring i8.product", bytes);
    j.a = i8_rows_at(p, m, k);
    j.b = i8_cols_at(p + a, n, k);
    j.y = (float *)(void *)(p + a + b);
    double ns = bench_best_ns(env, product_slice, &j, j.n_slice);
    bench_emit(env, "i8.product", DT_Q8_0, "compute",
               2.0 * (double)m * (double)n * (double)k / ns, "Gop/s", env->roof->dot.all * 1e-9,
               "%zux%zux%zu", m, n, k);
    mem_unmap(p, bytes);
    return 0;
}

static int bench_product(const struct bench_env *env, struct err *e)
{
    static const size_t shape[][3] = {{2048, 384, 1536}, {2048, 1536, 384}, {4096, 512, 512},
                                      {384, 1536, 2048}, {512, 96, 192},    {96, 192, 1024}};
    for (size_t i = 0; i < countof(shape); i++)
        if (product_shape(env, shape[i][0], shape[i][1], shape[i][2], e)) return -1;
    return 0;
}

static int bench_quantize(const struct bench_env *env, struct err *e)
{
    enum { N = 2048, K = 384 };
    size_t a = i8_rows_bytes(N, N), b = i8_cols_bytes(N, N), bytes = a + b + N * K * 4;
    unsigned char *p = mem_map(bytes);
    if (!p) return err_oom(e, "measuring i8.quantize", bytes);
    float *x = (float *)(void *)(p + a + b);
    struct rng r = rng_init(1, 2);
    rng_fill_normal(&r, x, (size_t)N * K, 1);
    for (int way = 0; way < 8; way++) {
        struct i8_job j = {.k = env->k, .n_slice = (size_t)pool_threads(env->pool)};
        bool across = way & 1;
        j.s = (struct i8_source){x, K, across ? K : N, across ? N : K, across, way & 4, 7};
        j.to_cols = way & 2;
        j.a = i8_rows_at(p, j.s.n, j.s.k);
        j.b = i8_cols_at(p + a, j.s.n, j.s.k);
        double ns = bench_best_ns(env, quantize_slice, &j, j.n_slice);
        bench_emit(env, "i8.quantize", DT_F32, "read", 4.0 * N * K / ns, "GB/s",
                   env->roof->read.all * 1e-9, "%s%s%s", j.to_cols ? "cols" : "rows",
                   across ? " across" : "", j.s.random ? " random" : "");
    }
    mem_unmap(p, bytes);
    return 0;
}

static const struct kernel_bench benches[] = {{"i8.product", bench_product},
                                              {"i8.quantize", bench_quantize}};

const struct kernel_bench *i8_benches(size_t *n)
{
    *n = countof(benches);
    return benches;
}
