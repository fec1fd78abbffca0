/* thread.h - a fixed pool of threads that run slices of one job.
 *
 * pool_run(p, fn, ctx, n) calls fn(ctx, i) for i in [0, n) on the pool's threads and the caller,
 * and returns when all are done. Each thread begins with a share of neighbouring slices and takes
 * them in order: what it reads lies in one run, and is what it read when the same job ran before.
 * A thread that is through takes over half of what another has left; so which thread runs which
 * slice is not defined, and fn must not let results depend on it.
 *
 * pool_run_ranges calls fn(ctx, begin, end) for pieces of [0, n) instead, each a quarter of what its
 * thread has left: few and long at first, single slices in the end. For work with a cost per call.
 *
 * Workers spin for a few tens of microseconds after a job before they sleep: decoding issues
 * hundreds of small jobs per token.
 *
 * Threads: one caller at a time. fn must not call pool_run.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stddef.h>

#include "base/attr.h"

struct err;
struct pool;

typedef void (*pool_fn)(void *ctx, size_t i);
typedef void (*pool_range_fn)(void *ctx, size_t begin, size_t end);

/* n_thread counts the caller: 1 means no further threads. */
int pool_create(struct pool **out, int n_thread, struct err *e) must_check;
void pool_free(struct pool *p); /* NULL is fine */
void pool_run(struct pool *p, pool_fn fn, void *ctx, size_t n);
void pool_run_ranges(struct pool *p, pool_range_fn fn, void *ctx, size_t n);
int pool_threads(const struct pool *p);
/* Inside fn: which of the pool's threads runs it, 0 (the caller) to n_thread - 1. For scratch. */
int pool_self(void);

/* Cores this process may run on. */
int thread_cores(void);

#endif
