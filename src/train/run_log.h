/* run_log.h - the numbers of a run, read from RUN/metrics.jsonl while it is written or later.
 *
 * Any log of JSON lines with a "step" will do (train, sft, distill, rl): every member that is a
 * number becomes a series, in the order in which names turn up; a step without it has NAN there.
 * run_log_read takes what has been added since the last call. A log that was cut back (a run that went
 * on from a checkpoint) is read anew. An unfinished last line is left for the next call.
 *
 * Threads: one owner.
 */
#ifndef TRAIN_RUN_LOG_H
#define TRAIN_RUN_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

enum { RUN_LOG_SERIES = 96 };

struct run_series {
    char name[48];
    double *v; /* (n of the log) */
};

struct run_log {
    char path[1100];
    double *step; /* (n) */
    size_t n, room;
    struct run_series series[RUN_LOG_SERIES];
    size_t n_series;
    uint64_t offset, inode;
    char first_time[32], last_time[32]; /* as the log has them; empty when it has none */
};

void run_log_init(struct run_log *l, const char *run);
void run_log_release(struct run_log *l);
/* *grew (may be NULL): there are new numbers. Fails: ERR_NOT_FOUND when there is no log. */
int run_log_read(struct run_log *l, bool *grew, struct err *e) must_check;

/* NULL when there is none of this name. */
const double *run_log_find(const struct run_log *l, const char *name);
/* The last number of a series, NAN when it has none. */
double run_log_last(const struct run_log *l, const double *v);

/* Means over at most n_bin pieces of equal width in steps: x[i], y[i] for each piece that has
 * numbers; returns how many. */
size_t run_log_bins(const struct run_log *l, const double *v, size_t n_bin, double *x,
                    double *y);

/* The names worth showing first, those of this log, best first: indices of series; returns how many.
 * Constant and empty ones, and what is only bookkeeping, come last or not at all. */
size_t run_log_order(const struct run_log *l, size_t *index);

#endif
