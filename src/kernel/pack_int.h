/* pack_int.h - how pack.c divides its types: plain floats, GGML block formats.
 *
 * pack.c looks the type up in a small table and calls one of the two families below. Each family
 * owns the layout of its panels. What both promise: panels of PACK_OUT outputs, missing rows are
 * zero weights, and `chunk_to_f32` yields exactly the values of `row_to_f32`.
 *
 * Private to kernel/.
 */
#ifndef KERNEL_PACK_INT_H
#define KERNEL_PACK_INT_H

#include "kernel/pack.h"

/* F32 F16 BF16 F8_E4M3 F8_E5M2. Layouts: kernel/pack_float.c. */
size_t pack_float_panel_bytes(enum dtype dt, size_t n_in);
void pack_float_panel(enum dtype dt, void *dst, const void *src, size_t row_stride,
                      size_t n_row, size_t n_in);
void pack_float_row_to_f32(const struct pack *w, size_t row, float *dst);
void pack_float_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k,
                             float *dst);

/* GGML block formats. Layouts: kernel/pack_block.c. */
size_t pack_block_panel_bytes(enum dtype dt, size_t n_in); /* 0: no packed form */
void pack_block_panel(enum dtype dt, void *dst, const void *src, size_t row_stride,
                      size_t n_row, size_t n_in);
void pack_block_row_to_f32(const struct pack *w, size_t row, float *dst);
void pack_block_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k,
                             float *dst);

/* pack_chunk_to_f32 - weights k0..k0+n_k-1 of one panel as f32, with any scale applied.
 *
 *   k0   a multiple of GEMM_CHUNK;  n_k 1..GEMM_CHUNK, inside n_in
 *   dst  (n_k, PACK_OUT), written; what stands for outputs past n_out is not defined
 */
void pack_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k, float *dst);

#endif
