/* kv_view.h - what an attention op sees of the paged cache.
 *
 * The cache is a pool of blocks of ATTN_BLOCK tokens. A block holds all layers; inside a layer the
 * rows of one key/value head lie together: [head][token][d]. So a (block, layer, head) is one
 * contiguous piece, and a block is one contiguous piece on disk. For latent (absorbed MLA) layers
 * there is one head, and the values are the first d_v numbers of the key rows.
 *
 * The engine owns the pool and the block tables; the step's rows say which sequence and position
 * they write and attend to.
 */
#ifndef NN_KV_VIEW_H
#define NN_KV_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

struct kv_layout {
    int32_t n_layer;
    int32_t n_head_kv;   /* 1 for latent layers */
    size_t d_k, d_v;     /* numbers per token and head; latent: d_k = rank + rope, d_v = rank */
    bool latent;         /* values are a part of the key row */
    enum dtype dt;       /* F32 F16 BF16 Q8_0 */
    size_t k_row, v_row; /* bytes of one token's row; v_row is 0 when latent */
    size_t layer_bytes;  /* of one layer in one block */
    size_t block_bytes;  /* of all layers */
};

/* Fills the derived sizes; d_k and d_v must be multiples of 32 for Q8_0. */
void kv_layout_finish(struct kv_layout *l);

struct kv_seq {
    const int32_t *block; /* physical block numbers by logical block */
    int32_t n_block;
};

struct kv_view {
    const struct kv_layout *layout;
    unsigned char *pool;
    const struct kv_seq *seq; /* the sequences of this step */
    const int32_t *row_seq;   /* (N) index into seq; rows of a sequence are consecutive */
    const int32_t *row_pos;   /* (N) absolute position, ascending inside a sequence */
};

static inline unsigned char *kv_rows(const struct kv_view *kv, int32_t block, int32_t layer,
                                     int32_t head, bool value)
{
    const struct kv_layout *l = kv->layout;
    size_t keys = 16 * l->k_row, values = 16 * l->v_row; /* ATTN_BLOCK */
    unsigned char *p = kv->pool + (size_t)block * l->block_bytes +
                       (size_t)layer * l->layer_bytes + (size_t)head * keys;
    if (!value || l->latent) return p;
    return p + ((size_t)l->n_head_kv - (size_t)head) * keys + (size_t)head * values;
}

#endif
