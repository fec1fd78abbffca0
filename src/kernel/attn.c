/* attn.c - sizes of the attention kernels' scratch memory, for the largest of all ISAs. */
#include "kernel/attn.h"

#include "kernel/attn_int.h"

size_t attn_scratch_bytes(size_t d_k, size_t d_v, size_t n_rep)
{
    (void)n_rep; /* heads and rows are both queries, taken attn_pass at a time */
    size_t pass = attn_pass(d_k, d_v), k = round_up(d_k, 16), v = round_up(d_v, ATTN_PAD);
    size_t per_query = k + v + ATTN_TILE + 16 + 4; /* query, output, scores, lanes, the rest */
    return (pass * per_query + ATTN_TILE * ATTN_PART) * sizeof(float);
}

size_t attn_back_scratch_bytes(size_t n_query, size_t d_k, size_t d_v)
{
    size_t k = round_up(d_k, ATTN_PAD), v = round_up(d_v, ATTN_PAD);
    /* delta per query; queries and douts in two layouts, keys in two, values in
     * one, the three gradients of a tile; p and ds of a pair of tiles */
    return (round_up(n_query, 16) + ATTN_TILE * (6 * k + 4 * v + 2 * ATTN_TILE)) *
           sizeof(float);
}
