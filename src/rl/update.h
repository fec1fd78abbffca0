/* update.h - from judged answers to new weights: what the trainer does with a step's groups.
 *
 *   [answers that teach] -> shuffled -> `updates` parts -> each: micro-batches forward, compared
 *   with the sampler, weights on log-probabilities, back; norm, clip, AdamW
 *
 * Answers without anything to teach (flat groups, those not judged, masked ones) never reach the
 * trainer; the divisors count them all the same.
 *
 * In the first part the weights are still those that sampled, so the trainer's log-probabilities
 * must be the sampler's to the last bit. They are compared for every token; one that differs ends
 * the step before anything is changed. If a step has nothing to teach one answer is compared
 * nevertheless.
 *
 * Sources: training.md 9.4; reasoning.md 2.7, 2.8.
 */
#ifndef RL_UPDATE_H
#define RL_UPDATE_H

#include "rl/policy_loss.h"
#include "rl/rollout.h"
#include "train/trainer.h"

struct update_opts {
    struct policy_opts policy;
    int updates;
    bool mask_overlong;
    uint64_t seed;  /* of the order; with the step */
    bool any_model; /* replayed answers may come from other weights: nothing is compared */
};

struct update_stats {
    struct policy_stats policy;
    double entropy;             /* sum over policy.n tokens */
    int64_t compared;           /* tokens held against the sampler */
    int64_t updates;            /* optimizer updates done */
    int64_t rows, targets;      /* through the trainer */
    int64_t sequences, skipped; /* taught; of all */
    int64_t tokens, skipped_tokens;
    double grad_norm, lr, load_worst; /* of the last update; the norm: the largest */
    int64_t reference_ns, update_ns;
};

struct update; /* the memory of one trainer's updates */
int update_create(struct update **out, struct trainer *t, struct pass *reference,
                  struct err *e) must_check;
void update_free(struct update *u); /* NULL is fine */

/* update_run - one step over n groups. reference may be NULL in update_create when there is no KL.
 *
 * Fails: ERR_NUMERIC when the sampler and the trainer differ (the message names answer, token and
 * both numbers), or when a loss or gradient is not finite; the weights are then those of the last
 * good update. */
int update_run(struct update *u, const struct group *g, size_t n, const struct update_opts *o,
               int64_t step, struct update_stats *s, struct err *e) must_check;

#endif
