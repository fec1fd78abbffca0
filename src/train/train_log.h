/* train_log.h - RUN/metrics.jsonl: one line per optimizer step.
 *
 * When a run goes on from step n, the lines from n on are dropped: they come again. A line that a
 * kill cut short is dropped too. */
#ifndef TRAIN_TRAIN_LOG_H
#define TRAIN_TRAIN_LOG_H

#include <stdio.h>

#include "train/trainer.h"

/* RUN/name for appending lines of JSON with a "step", without those from from_step on. */
int train_log_file(FILE **out, const char *run, const char *name, int64_t from_step,
                   struct err *e) must_check;

struct train_log {
    FILE *f;
};

int train_log_open(struct train_log *l, const char *run, int64_t from_step,
                   struct err *e) must_check;
/* eval_loss: NAN when none was taken at this step. */
int train_log_step(struct train_log *l, const struct step_metrics *m, double eval_loss,
                   struct err *e) must_check;
void train_log_close(struct train_log *l);

#endif
