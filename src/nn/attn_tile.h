/* attn_tile.h - which rows of a step go through the cache together.
 *
 * Tiles only spread and order the work: a row's bits are its own (kernel/attn.h).
 */
#ifndef NN_ATTN_TILE_H
#define NN_ATTN_TILE_H

#include "kernel/attn.h"
#include "nn/kv_view.h"
#include "nn/step.h"

struct attn_tile {
    size_t row, n;       /* rows row .. row + n - 1 of one sequence, or */
    const int32_t *list; /* (n) rows of as many sequences; then row is 0 */
    size_t common; /* of list: positions whose blocks all of them share, whole ATTN_TILEs */
    /* By attn_tile_blocks: lists for each key/value head of the cache; latent: v is k. */
    const void **k, **v;  /* (heads, n_block): of list, the shared blocks */
    struct attn_own *own; /* (heads, n), of list */
    size_t n_block;
};

/* Tiles of n rows, in the step's small memory; NULL after step_fail. n_rep queries a row and job,
 * `units` jobs a tile. With `gather` single rows of several sequences make tiles. */
struct attn_tile *attn_tiles(struct step *st, const struct kv_view *kv, size_t n, size_t n_rep,
                             size_t units, bool gather, size_t *n_tile);

/* Looks up the blocks of a layer in the cache. False after step_fail. */
bool attn_tile_blocks(struct step *st, const struct kv_view *kv, int32_t layer,
                      struct attn_tile *t);

#endif
