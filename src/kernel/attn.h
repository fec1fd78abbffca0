/* attn.h - attention of some query rows of one key/value head against its paged cache.
 *
 * One kernel serves GQA (n_rep query heads share a key/value head), expanded MLA (n_rep = 1) and
 * absorbed MLA (all heads share the latent row: d_k = kv_lora_rank + rope dims, and the values are
 * the first d_v numbers of the same row).
 *
 * The cache comes in blocks of ATTN_BLOCK tokens; block b holds positions [b*ATTN_BLOCK,
 * (b+1)*ATTN_BLOCK). Row t of block b is k[b] + (t % ATTN_BLOCK) * k_stride bytes. Blocks lie at
 * absolute positions, so chunking and prefix reuse change nothing.
 *
 * Order (docs/numerics.md): score(t) = fused multiply-add chain over d ascending, then * scale.
 * Blocks are taken in ascending order with the online softmax: m' = max(m, block max), the running
 * sum and output are multiplied by exp(m - m') once per block (also when it is 1), then keys are
 * added in ascending t. Positions past the row's own are not read. exp is elem's polynomial.
 */
#ifndef KERNEL_ATTN_H
#define KERNEL_ATTN_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

enum { ATTN_BLOCK = 16 };

struct attn_job {
    float *out;        /* (n_row, n_rep, d_v) f32: row stride out_stride, head stride d_v */
    size_t out_stride; /* in floats */
    const float *q;    /* (n_row, n_rep, d_k) f32: row stride q_stride, head stride q_head */
    size_t q_stride, q_head;
    size_t n_row, n_rep, d_k, d_v;
    const int32_t
        *pos; /* (n_row): row r sees positions 0..pos[r]; ascending is usual, not needed */
    const void *const *k, *const *v; /* block starts for this head, by block number */
    size_t k_stride, v_stride;       /* bytes between tokens */
    enum dtype k_dt, v_dt;           /* F32 F16 BF16 Q8_0 (Q8_0: blocks of 32 along d) */
    float scale;
    float *lse;    /* (n_row, n_rep) log-sum-exp of the scaled scores, or NULL; for backward */
    void *scratch; /* attn_scratch_bytes(d_k, d_v, n_rep) */
};

struct attn_kernels {
    void (*run)(const struct attn_job *job);
};

/* Per thread; enough for any number of rows (rows are taken in tiles). */
size_t attn_scratch_bytes(size_t d_k, size_t d_v, size_t n_rep);

void attn_init_ref(struct attn_kernels *k);
void attn_init_avx2(struct attn_kernels *k);
void attn_init_avx512(struct attn_kernels *k);
void attn_init_neon(struct attn_kernels *k);

#endif
