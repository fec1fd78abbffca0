/* balance.h - keeping experts evenly used without a loss term: DeepSeek-V3's correction bias.
 *
 * Over all rows of an optimizer step the tokens of each expert are counted. After the step the
 * correction of an expert that got fewer than the mean goes up by gamma, of one that got more goes
 * down by gamma. The correction takes part in choosing only.
 *
 * Source: training.md 2.3.
 */
#ifndef TRAIN_BALANCE_H
#define TRAIN_BALANCE_H

#include "train/params.h"

struct balance {
    struct params *p;
    int64_t **load; /* by weight id: (E) for routers, NULL for the rest (moe_watch.load) */
    int64_t *mem;
    size_t n_router, n_expert;
};

int balance_create(struct balance **out, struct params *p, struct err *e) must_check;
void balance_free(struct balance *b); /* NULL is fine */

/* The largest load over the mean, of the worst layer: 1 is even. 0 without experts. */
double balance_worst(const struct balance *b);
/* Moves the corrections by gamma and forgets the loads. */
void balance_step(struct balance *b, double gamma);

#endif
