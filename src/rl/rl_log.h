/* rl_log.h - what a step was like: its numbers, warnings, and some of its thoughts.
 *
 *   RUN/metrics.jsonl   one line a step, all numbers
 *   RUN/samples.jsonl   a few answers a step, right and wrong ones, readable
 *
 * Numbers a reader should look at first: reward and accuracy, flat, length of right and wrong
 * answers, entropy. The surrogate's value says nothing: with one update of fresh answers it is
 * zero by construction.
 *
 * Alarms are sentences about numbers outside what is healthy (reasoning.md 2.7). They warn; what
 * makes a step meaningless (sampler and trainer differ, numbers not finite) stops the run itself.
 */
#ifndef RL_RL_LOG_H
#define RL_RL_LOG_H

#include <stdio.h>

#include "rl/learner.h"

struct rl_summary {
    size_t n, judged; /* answers of the step, all that were sampled */
    double reward, reward_std, accuracy, form, language;
    double flat, solve_all, solve_none;  /* shares of groups */
    double errored, truncated, answered; /* shares of answers */
    double length, length_right, length_wrong,
        think; /* tokens; right, wrong: 0 if there is none */
    size_t length_min, length_max;
};
void rl_summary(const struct learner *l, struct rl_summary *s);

/* Slow averages, so that a change can be told from noise. Zero at the beginning. */
struct rl_history {
    int64_t n;
    double reward, truncated, entropy, grad_norm, first_entropy;
};

struct rl_alarms {
    char text[12][160];
    int n;
};
/* Looks at a step and then takes it into the history. */
void rl_alarms(struct rl_history *h, const struct rl_summary *s, const struct step_result *r,
               struct rl_alarms *out);

struct rl_log {
    FILE *metrics, *samples;
    struct rl_history history;
};
int rl_log_open(struct rl_log *g, const char *run, int64_t from_step, struct err *e) must_check;
void rl_log_close(struct rl_log *g);
int rl_log_step(struct rl_log *g, const struct learner *l, const struct step_result *r,
                const struct rl_summary *s, const struct rl_alarms *a,
                struct err *e) must_check;

#endif
