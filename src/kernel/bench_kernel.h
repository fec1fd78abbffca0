/* bench_kernel.h - how fast each kernel is, beside what the machine could do.
 *
 * A family of kernels describes its measurements in <family>_bench.c as a list of struct
 * kernel_bench and is named once in bench_kernel.c. A measurement prepares its data, calls
 * bench_best_ns for each shape, and hands rows to bench_emit. `tarn bench kernel` prints them.
 */
#ifndef KERNEL_BENCH_KERNEL_H
#define KERNEL_BENCH_KERNEL_H

#include <stddef.h>

#include "base/attr.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"

struct err;
struct pool;

/* One line of the result. Texts live until the callback returns. */
struct kernel_bench_row {
    const char *kernel, *isa, *dtype, *shape;
    const char *metric, *unit; /* "read", "GB/s" or "compute", "GFLOP/s" ... */
    double value;
    double share; /* of the roof this kernel stands under, 0..1 */
};

typedef void (*kernel_bench_emit)(void *ctx, const struct kernel_bench_row *row);

struct bench_env {
    const struct kernels *k;
    const struct roof *roof;
    struct pool *pool;
    kernel_bench_emit emit;
    void *emit_ctx;
};

struct kernel_bench {
    const char *name; /* "gemm.rows": what the filter looks at */
    int (*run)(const struct bench_env *env, struct err *e);
};

/* kernel_bench_run - every measurement whose name contains `filter` (NULL: all).
 *
 *   roof  measured for this level and this pool (roof_measure)
 *
 * Fails:   ERR_MEMORY; ERR_NOT_FOUND when no name contains the filter
 * Threads: uses the pool; nothing else should run
 */
int kernel_bench_run(const char *filter, const struct kernels *k, const struct roof *roof,
                     struct pool *pool, kernel_bench_emit emit, void *ctx,
                     struct err *e) must_check;

/* ---- for the families ----------------------------------------------------------------------- */

/* Nanoseconds of the fastest call fn(ctx, i) for i in [0, n) on the pool; calls it for about a
 * third of a second, three times at least. */
double bench_best_ns(const struct bench_env *env, void (*fn)(void *ctx, size_t i), void *ctx,
                     size_t n);
/* Fills a row's texts from the parts and emits it. `roof` in the unit of value. */
void bench_emit(const struct bench_env *env, const char *kernel, enum dtype dt,
                const char *metric, double value, const char *unit, double roof,
                const char *shape_fmt, ...) printf_like(8, 9);

const struct kernel_bench *gemm_benches(size_t *n);
const struct kernel_bench *q8_benches(size_t *n);
const struct kernel_bench *attn_benches(size_t *n);
const struct kernel_bench *elem_benches(size_t *n);
const struct kernel_bench *i8_benches(size_t *n);

#endif
