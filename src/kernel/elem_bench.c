/* elem_bench.c - rows and vectors: bytes read and written per second against the machine's copy
 * rate, on arrays larger than any cache; exp and softmax in numbers per second on a row that stays
 * in the cache. */
#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/bench_kernel.h"

enum { ROW = 4096, N_ROW = 4096 };

struct elem_job {
    const struct kernels *k;
    void (*row)(const struct elem_job *j, float *x, float *y, float *z);
    float *x, *y, *z, *gain;
    bool one_row; /* always the slice's first: in the cache */
};

enum { ROWS_PER_SLICE = 128 };

static void slice(void *ctx, size_t i)
{
    const struct elem_job *j = ctx;
    for (size_t r = 0; r < ROWS_PER_SLICE; r++) {
        size_t at = (i * ROWS_PER_SLICE + (j->one_row ? 0 : r)) * ROW;
        j->row(j, j->x + at, j->y + at, j->z + at);
    }
}

static void row_rmsnorm(const struct elem_job *j, float *x, float *y, float *z)
{
    (void)z;
    j->k->elem.rmsnorm(y, x, j->gain, ROW, 1e-6f);
}

static void row_swiglu(const struct elem_job *j, float *x, float *y, float *z)
{
    j->k->elem.swiglu(z, x, y, ROW);
}

static void row_adamw(const struct elem_job *j, float *x, float *y, float *z)
{
    struct elem_adamw h = {1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1, 1, DT_BF16};
    j->k->elem.adamw(x, y, z, (bf16 *)z + ROW, ROW, &h);
}

static void row_exp(const struct elem_job *j, float *x, float *y, float *z)
{
    (void)z;
    j->k->elem.exp(y, x, ROW);
}

static void row_lse(const struct elem_job *j, float *x, float *y, float *z)
{
    (void)z;
    y[0] = j->k->elem.logsumexp(x, ROW);
}

static int bench_elem(const struct bench_env *env, struct err *e)
{
    static const struct {
        const char *name;
        void (*row)(const struct elem_job *j, float *x, float *y, float *z);
        size_t bytes; /* per number; 0: counts numbers */
    } what[] = {{"elem.rmsnorm", row_rmsnorm, 8},
                {"elem.swiglu", row_swiglu, 12},
                {"elem.adamw", row_adamw, 20},
                {"elem.exp", row_exp, 0},
                {"elem.logsumexp", row_lse, 0}};
    size_t n = (size_t)ROW * N_ROW, bytes = (3 * n + ROW) * sizeof(float);
    float *p = mem_map(bytes);
    if (!p) return err_oom(e, "measuring elem", bytes);
    struct elem_job j = {.k = env->k, .x = p, .y = p + n, .z = p + 2 * n, .gain = p + 3 * n};
    for (size_t i = 0; i < 2 * n; i++) p[i] = (float)(i & 255) * 0x1p-8f - 0.5f;
    for (size_t i = 0; i < countof(what); i++) {
        for (size_t k = 0; k < n; k++) j.z[k] = 0.0f; /* swiglu leaves what is no moment */
        j.row = what[i].row;
        j.one_row = what[i].bytes == 0;
        double ns = bench_best_ns(env, slice, &j, N_ROW / ROWS_PER_SLICE);
        if (what[i].bytes)
            bench_emit(env, what[i].name, DT_F32, "copy", (double)(n * what[i].bytes) / ns,
                       "GB/s", env->roof->copy.all * 1e-9, "%d rows of %d", N_ROW, ROW);
        else /* about 16 operations in 8 fused multiply-adds and others */
            bench_emit(env, what[i].name, DT_F32, "compute", (double)n / ns, "Gnumber/s",
                       env->roof->fma.all * 1e-9 / 32, "row of %d", ROW);
    }
    mem_unmap(p, bytes);
    return 0;
}

static const struct kernel_bench benches[] = {{"elem", bench_elem}};

const struct kernel_bench *elem_benches(size_t *n)
{
    *n = countof(benches);
    return benches;
}
