/* batch.h - the rows of one training pass: sequences packed one after the other.
 *
 * Rows of a sequence are consecutive, positions count from 0 in each. Attention never crosses
 * sequences. A row's target is the token that follows it, -1 where nothing is to be learned (the
 * last row of a text, a prompt in SFT or RL).
 */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct train_batch {
    size_t n;               /* rows */
    const int32_t *id;      /* (n) tokens */
    const int32_t *pos;     /* (n) position in its sequence */
    const int32_t *target;  /* (n) next token, or -1 */
    const float *weight;    /* (n) share of the row in the loss, NULL: 1 for every target */
    const int32_t *row_seq; /* (n) 0, 0, ..., 1, 1, ...: below n_seq */
    size_t n_seq;
};

#endif
