/* block_quant.h - encoding rows of f32 into block formats.
 *
 * n is a multiple of the format's block length; dst has the row's bytes. `importance` holds n
 * positive weights, one per column (mean squared activations, as an importance matrix gives
 * them), or is NULL. Without it the bytes are those of ggml's quantiser; with it the method is
 * also the same, but there are no golden files for that.
 *
 * Numbers must be finite and at most 65504 in magnitude, which every format holds. Anything
 * else spoils its own block (with importance, its row) and nothing more.
 * Threads: any; a row depends on nothing but its arguments.
 */
#ifndef TENSOR_BLOCK_QUANT_H
#define TENSOR_BLOCK_QUANT_H

#include <stddef.h>

/* 32-element formats: block_quant.c */
void block_q4_0_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q4_1_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q5_0_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q5_1_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_iq4_nl_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q8_0_from_f32(const float *src, void *dst, size_t n);
void block_mxfp4_from_f32(const float *src, void *dst, size_t n);

/* 256-element formats: block_quant_k.c */
void block_q2_k_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q3_k_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q4_k_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q5_k_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_q6_k_from_f32(const float *src, void *dst, size_t n, const float *importance);
void block_iq4_xs_from_f32(const float *src, void *dst, size_t n, const float *importance);

/* The weight of each number's squared error: importance * sqrt(power + x^2), `power` being a
 * mean square of the neighbourhood: large numbers and important columns count more. */
void block_error_weights(float *w, const float *x, const float *importance, size_t n,
                         float power);
/* Sum of squares in ascending order. */
float block_sum_squares(const float *x, size_t n);

#endif
