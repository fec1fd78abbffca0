/* attn.h - attention of some query rows of one key/value head against its paged cache, and its
 * backward pass for training.
 *
 * One kernel serves GQA (n_rep query heads share a key/value head), expanded MLA (n_rep = 1) and
 * absorbed MLA (all heads share the latent row: d_k = kv_lora_rank + rope dims, and the values are
 * the first d_v numbers of the same row).
 *
 * The cache comes in blocks of ATTN_BLOCK tokens; block b holds positions [b*ATTN_BLOCK,
 * (b+1)*ATTN_BLOCK). Row t of block b is k[b] + (t % ATTN_BLOCK) * k_stride bytes. Softmax runs
 * over tiles of ATTN_TILE positions. Blocks and tiles lie at absolute positions, so chunking and
 * prefix reuse change nothing; a row's bits depend on its own query, position and keys alone.
 *
 * Order (docs/numerics.md) for a query at position p:
 *   score(t) = fma chain over d ascending from 0, then * scale
 *   for each tile, ascending, over its positions t <= p:
 *     m' = max(m, scores of the tile), c = exp(m - m'), w(t) = exp(score(t) - m')
 *     lane[j] = lane[j] * c, then + w(t) for t = j mod 16 ascending
 *     o[i] = o[i] * c, then fma(w(t), v(t)[i], o[i]) for t ascending
 *   sum = tree of the 16 lanes; out = o * (1 / sum); lse = log(sum) + m
 * from m = -inf, lane = o = 0. exp and log are kernel/fmath.h's. Positions past p take no part:
 * their keys and values are not read unless another row of the job sees them.
 */
#ifndef KERNEL_ATTN_H
#define KERNEL_ATTN_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

enum { ATTN_BLOCK = 16, ATTN_TILE = 64 };

/* Where a row of its own sequence finds its blocks. */
struct attn_own {
    const void *const *k, *const *v; /* as in attn_job */
};

struct attn_job {
    float *out;        /* (n_row, n_rep, d_v) f32: row stride out_stride, head stride d_v */
    size_t out_stride; /* in floats */
    const float *q;    /* (n_row, n_rep, d_k) f32: row stride q_stride, head stride q_head */
    size_t q_stride, q_head;
    size_t n_row, n_rep, d_k, d_v;
    const int32_t
        *row; /* (n_row) the rows of out, q, pos and lse that are meant; NULL: 0, 1, ... */
    const int32_t *pos; /* (n_row) >= 0: row r sees positions 0..pos[r]; ascending is usual and
                         * fastest, not needed */
    const void *const *k, *const *v; /* block starts for this head, by block number */
    /* Rows of several sequences that begin alike: positions below `common`, a multiple of
     * ATTN_TILE, lie in k and v for all of them, which are read once; the i-th row finds the other
     * positions in own[i]. NULL: one sequence, and `common` does not count. */
    const struct attn_own *own; /* (n_row) */
    size_t common;
    size_t k_stride, v_stride; /* bytes between tokens */
    enum dtype k_dt, v_dt;     /* F32 F16 BF16 Q8_0 (Q8_0: blocks of 32 along d) */
    float scale;
    float *lse;    /* (n_row, n_rep) log-sum-exp of the scaled scores, or NULL; for backward */
    void *scratch; /* attn_scratch_bytes(d_k, d_v, n_rep), 64-byte aligned */
};

/* The backward pass of one sequence and one key/value head, all of it f32. Row r of the queries
 * sees keys 0..pos[r] < n_key.
 *
 * Order: rows are cut into query tiles of ATTN_TILE (row, head) pairs (flattened, heads fastest),
 * keys into tiles of ATTN_TILE positions. delta = dot of dout and out (16 lanes, tree). Per query i
 * and key t:
 *   s = fma chain over d, * scale; p = exp(s - lse); dp = fma chain over d_v of dout_i, v_t
 *   ds = (p * (dp - delta)) * scale; p = ds = 0 where t > pos
 * For each key tile ascending, for each query tile ascending that sees any of it, with all pairs of
 * the two tiles:
 *   dv_t = fma(p, dout_i, dv_t) and dk_t = fma(ds, q_i, dk_t) over i ascending
 *   dq_i = fma(ds, k_t, dq_i) over t ascending
 * from 0. */
struct attn_back_job {
    float *dq, *dk, *dv; /* written; same shapes and strides as q, k, v */
    const float *q, *k, *v, *out, *dout;
    const float *lse;            /* (n_row, n_rep), from the forward pass */
    size_t q_stride, q_head;     /* q, dq: (n_row, n_rep, d_k), strides in floats */
    size_t out_stride, out_head; /* out, dout: (n_row, n_rep, d_v) */
    size_t k_stride, v_stride;   /* k, dk: (n_key, d_k); v, dv: (n_key, d_v); floats */
    size_t n_row, n_rep, n_key, d_k, d_v;
    const int32_t *pos; /* (n_row) */
    float scale;
    void *scratch; /* attn_back_scratch_bytes(n_row * n_rep, d_k, d_v) */
};

struct attn_kernels {
    void (*run)(const struct attn_job *job);
    void (*back)(const struct attn_back_job *job);
};

/* Per thread; enough for any number of rows (rows are taken in tiles). */
size_t attn_scratch_bytes(size_t d_k, size_t d_v, size_t n_rep);
size_t attn_back_scratch_bytes(size_t n_query, size_t d_k, size_t d_v);

void attn_init_ref(struct attn_kernels *k);
void attn_init_avx2(struct attn_kernels *k);
void attn_init_avx512(struct attn_kernels *k);
void attn_init_neon(struct attn_kernels *k);

#endif
