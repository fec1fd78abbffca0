#include "nn/kv_view.h"

#include "kernel/attn.h"

static size_t row_bytes(enum dtype dt, size_t d)
{
    return d / dtype_block_len(dt) * dtype_block_bytes(dt);
}

void kv_layout_finish(struct kv_layout *l)
{
    l->k_row = row_bytes(l->dt, l->d_k);
    l->v_row = l->latent ? 0 : row_bytes(l->dt, l->d_v);
    l->layer_bytes = (size_t)l->n_head_kv * ATTN_BLOCK * (l->k_row + l->v_row);
    l->layer_bytes = (l->layer_bytes + 63) / 64 * 64;
    l->block_bytes = l->layer_bytes * (size_t)l->n_layer;
}
