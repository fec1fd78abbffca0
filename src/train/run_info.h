/* run_info.h - what a run's directory says about it: for the table of runs and the curves' heads. */
#ifndef TRAIN_RUN_INFO_H
#define TRAIN_RUN_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

enum run_state { RUN_RUNNING, RUN_DONE, RUN_STOPPED };

struct run_info {
    char name[256]; /* last part of the path */
    char kind[16];  /* train, sft, distill, rl */
    int64_t steps;  /* the recipe's; 0: unknown */
    int64_t step, n_ckpt;
    double per_hour;
    int64_t age_s; /* since the log was written */
    enum run_state state;
};

/* True when the directory holds a run: run.yaml and a log. */
bool run_info_is(const char *dir);
/* step: steps done, from the log. A run whose log was written in the last two minutes and that is not
 * at its end counts as running. */
int run_info_read(struct run_info *r, const char *dir, int64_t step, struct err *e) must_check;
const char *run_state_name(enum run_state s);

#endif
