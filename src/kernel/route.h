/* route.h - which experts a token goes to, and with what weight: one row of router logits.
 *
 *   V3   s = sigmoid(l), chosen by s + bias, a group scored by the sum of its two largest
 *   V2   s = softmax(l), no bias, a group scored by its largest member
 *
 * Groups that are not among the group_used best take no part. Ties go to the lower index, for
 * groups and experts alike. With n_group = 1 there is no group step (greedy). Weights come from s,
 * never from the biased score: w = s, with `normalise` s / (sum over the chosen + 1e-20), then
 * * scale. The sum runs in rank order, from 0.
 *
 * Sources: models.md 6 (DeepSeek-V3 inference/model.py, class Gate; DeepSeek-V2 report 2.2).
 * s is elem's sigmoid or softmax; every other operation rounds by itself: the same on all ISAs.
 */
#ifndef KERNEL_ROUTE_H
#define KERNEL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elem_kernels;

enum { ROUTE_MAX_EXPERT = 512, ROUTE_MAX_USED = 32 };

enum route_score { ROUTE_SIGMOID, ROUTE_SOFTMAX };
enum route_group { ROUTE_GROUP_TOP2, ROUTE_GROUP_MAX };

struct route {
    size_t n_expert, n_used;    /* <= ROUTE_MAX_EXPERT, ROUTE_MAX_USED; n_used experts fit into
                                * group_used groups */
    size_t n_group, group_used; /* n_group divides n_expert; group_used <= n_group */
    enum route_score score;
    enum route_group group;
    const float *bias; /* (n_expert) added for choosing only, or NULL */
    bool normalise;
    float scale;
};

/* route_row - the experts of one row, best first.
 *
 *   expert  (n_used) indices in descending order of the score that chose them, written
 *   weight  (n_used) their weights, written
 *   logit   (n_expert)
 *
 * A NaN score loses against every number, so that the choice is defined; its weight is NaN.
 * Threads: any
 */
void route_row(const struct route *r, const struct elem_kernels *k, int32_t *expert,
               float *weight, const float *logit);

#endif
