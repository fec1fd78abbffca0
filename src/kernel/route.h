/* route.h - which experts a token goes to, and with what weight: one row of router logits.
 *
 *   V3   s = sigmoid(l), chosen by s + bias, a group scored by the sum of its two largest
 *   V2   s = softmax(l), no bias, a group scored by its largest member
 *
 * Whole groups of consecutive experts that are not among the topk_group best take no part. Ties go
 * to the lower index, for groups and experts alike. Weights come from s, never from the biased
 * score: w = s, with `normalise` s / (sum over the chosen + 1e-20), then times scale. The sum runs
 * in rank order, from 0.
 *
 * Sources: models.md 6 (DeepSeek-V3 inference/model.py, class Gate; DeepSeek-V2 report 2.2).
 * s is elem's sigmoid or softmax; every other operation rounds by itself: the same on all ISAs.
 */
#ifndef KERNEL_ROUTE_H
#define KERNEL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernels;

enum { ROUTE_MAX_EXPERT = 1024 };

struct route_opts {
    int32_t n_expert, n_used;    /* n_expert <= ROUTE_MAX_EXPERT; the groups kept hold n_used */
    int32_t n_group, topk_group; /* n_group divides n_expert; 1 and 1 without groups */
    bool sigmoid;                /* else softmax */
    bool group_max;              /* V2's score of a group, else V3's */
    bool normalise;
    float scale;
    const float *bias; /* (n_expert) added for choosing only, or NULL */
};

/* route_row - the experts of one row, best first.
 *
 *   logits  (n_expert)
 *   expert  (n_used) different indices in descending order of the score that chose them, written
 *   weight  (n_used) their weights, written
 *
 * A NaN score loses against every number, so that the choice is defined; its weight is NaN.
 * Threads: any
 */
void route_row(const struct route_opts *o, const struct kernels *k, const float *logits,
               int32_t *expert, float *weight);

#endif
