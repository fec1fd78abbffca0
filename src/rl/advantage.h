/* advantage.h - from the rewards of a group of answers to one number for each.
 *
 *   group   (r - mean) / (std + 1e-6)      GRPO; std of the group, divided by its size
 *   mean    r - mean                       Dr. GRPO: no bias for easy and hard problems
 *   batch   (r - mean) / std of all r - mean in the batch      Lite PPO
 *   rloo    r - mean of the others         leave one out
 *
 * Answers that were not judged (the checker failed) take no part: they get 0 and do not enter any
 * mean. A group whose rewards are all equal is flat: nothing can be learned from it, all 0.
 *
 * Sources: training.md 9.1, 13; reasoning.md 2.3.
 */
#ifndef RL_ADVANTAGE_H
#define RL_ADVANTAGE_H

#include <stdbool.h>
#include <stddef.h>

enum advantage_kind { ADVANTAGE_GROUP, ADVANTAGE_MEAN, ADVANTAGE_BATCH, ADVANTAGE_RLOO };

/* reward, judged, adv: (n_group, n); flat: (n_group). */
void advantages(enum advantage_kind kind, const double *reward, const bool *judged,
                size_t n_group, size_t n, double *adv, bool *flat);

#endif
