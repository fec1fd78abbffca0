/* batch.h - the rows of one step. */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "nn/kv_view.h"

struct batch {
    size_t n;           /* rows */
    const int32_t *id;  /* (n) token ids */
    const int32_t *pos; /* (n) absolute positions; also kv->row_pos */
    const int32_t *out; /* (n_out) rows whose logits are wanted, ascending */
    size_t n_out;
    const struct kv_view *kv;
};

#endif
