/* schedule.h - the learning rate and other numbers as functions of the step.
 *
 *   warm-up     0 -> lr, linear over `warmup` steps (step 0 has lr / warmup)
 *   constant    lr
 *   cosine      lr -> lr_end over the steps after warm-up
 *   wsd         constant, then over the last `decay` share of all steps lr -> lr_end, by
 *               1 - sqrt of the way
 *
 * Source: training.md 1.3; warm-up, stable, decay: Hu et al., arXiv 2404.06395.
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_WSD };

struct schedule {
    enum schedule_kind kind;
    double lr, lr_end;
    int64_t warmup, steps;
    double decay; /* wsd: 0..1 */
};

/* Of step 0, 1, ...; past the end it stays at the last value. */
double schedule_at(const struct schedule *s, int64_t step);

/* Sequences (or rows) of a step: from `from` to `to`, linear over `steps` steps, whole multiples of
 * `unit`. Source: training.md 1.3 (the shape of V3's ramp is not published). */
int64_t schedule_ramp(int64_t from, int64_t to, int64_t steps, int64_t unit, int64_t step);

#endif
