/* route.h - which experts a row goes to, from its router logits.
 *
 * Scores are softmax(logits) or sigmoid(logits). With groups, whole groups of consecutive experts
 * are kept or dropped first. V3 adds a correction bias for choosing only; the weights are always
 * made from the plain scores. Ties go to the lower index.
 *
 * Source: models.md 6; DeepSeek-V3 inference/model.py, class Gate.
 */
#ifndef KERNEL_ROUTE_H
#define KERNEL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernels;

enum { ROUTE_MAX_EXPERT = 1024 };

struct route_opts {
    int32_t n_expert, n_used;    /* at most ROUTE_MAX_EXPERT */
    int32_t n_group, topk_group; /* 1 and 1 without groups */
    bool sigmoid;
    bool
        group_max; /* a group's score is its best member (V2), else the sum of its two best (V3) */
    bool normalise; /* divide the chosen scores by their sum + 1e-20 */
    float scale;
    const float *bias; /* (n_expert) for choosing, or NULL */
};

/* logits (n_expert); expert and weight (n_used), best first. Any thread. */
void route_row(const struct route_opts *o, const struct kernels *k, const float *logits,
               int32_t *expert, float *weight);

#endif
