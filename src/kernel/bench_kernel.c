/* bench_kernel.c - runs the families' measurements. */
#include "kernel/bench_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

typedef const struct kernel_bench *(*family_fn)(size_t *n);

static const family_fn families[] = {gemm_benches, q8_benches, attn_benches, elem_benches,
                                     i8_benches};

static const int64_t budget_ns = 300 * 1000 * 1000;

int kernel_bench_run(const char *filter, const struct kernels *k, const struct roof *roof,
                     struct pool *pool, kernel_bench_emit emit, void *ctx, struct err *e)
{
    struct bench_env env = {k, roof, pool, emit, ctx};
    size_t n_run = 0;
    for (size_t f = 0; f < countof(families); f++) {
        size_t n;
        const struct kernel_bench *list = families[f](&n);
        for (size_t i = 0; i < n; i++) {
            if (filter && !strstr(list[i].name, filter)) continue;
            if (list[i].run(&env, e)) return -1;
            n_run++;
        }
    }
    if (n_run) return 0;
    return err_set(e, ERR_NOT_FOUND, "no kernel measurement has '%s' in its name", filter);
}

double bench_best_ns(const struct bench_env *env, void (*fn)(void *ctx, size_t i), void *ctx,
                     size_t n)
{
    int64_t best = INT64_MAX, begin = clock_ns();
    for (int i = 0; i < 3 || clock_ns() - begin < budget_ns; i++) {
        int64_t start = clock_ns();
        pool_run(env->pool, fn, ctx, n);
        int64_t ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best > 0 ? (double)best : 1.0;
}

void bench_emit(const struct bench_env *env, const char *kernel, enum dtype dt,
                const char *metric, double value, const char *unit, double roof,
                const char *shape_fmt, ...)
{
    char shape[128];
    va_list ap;
    va_start(ap, shape_fmt);
    vsnprintf(shape, sizeof shape, shape_fmt, ap);
    va_end(ap);
    struct kernel_bench_row row = {.kernel = kernel,
                                   .isa = cpu_level_name(env->k->level),
                                   .dtype = dtype_name(dt),
                                   .shape = shape,
                                   .metric = metric,
                                   .unit = unit,
                                   .value = value,
                                   .share = value / roof};
    env->emit(env->emit_ctx, &row);
}
