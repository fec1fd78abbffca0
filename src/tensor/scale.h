/* scale.h - FP8 numbers with scales: 128x128 blocks of weights, 1x128 tiles of activations.
 *
 * An e4m3 number spans 2^-9..448; a scale beside each block or tile moves that window to where
 * the numbers are. Scales are multipliers: value = e4m3 * scale. They are f32 always; with
 * SCALE_UE8M0 they are powers of two (rounded up, so nothing saturates), which 8-bit exponents
 * hold exactly.
 *
 *   weights      W (n_out, n_in): q (n_out, n_in) e4m3, scale (ceil(n_out/128), ceil(n_in/128))
 *                row-major; the last blocks of a row or column are smaller
 *   activations  x (N, n_in): q (N, n_in), scale (N, ceil(n_in/128)): a row is an activation's unit
 *
 * Rules of the numbers: scale = max|x| / 448, each number is divided by its scale (not
 * multiplied by an inverse) and rounded to nearest even. Activation maxima count as at least
 * 1e-4, as in the reference; a weight block of zeros gets scale 1. Inputs are finite.
 *
 * Everything works on one row or one band of 128 rows, so callers split work as they like.
 * Threads: any. Source: models.md 9.2, 9.3 (DeepSeek-V3 inference/kernel.py).
 */
#ifndef TENSOR_SCALE_H
#define TENSOR_SCALE_H

#include <stddef.h>

#include "tensor/dtype.h"

enum { SCALE_BLOCK = 128 };

enum scale_format {
    SCALE_F32,  /* max / 448 */
    SCALE_UE8M0 /* the power of two above it */
};

/* Blocks along n elements; scales of a row, rows of scales of a matrix. */
static inline size_t scale_count(size_t n)
{
    return (n + SCALE_BLOCK - 1) / SCALE_BLOCK;
}

/* scale_tiles_from_f32 - one row of activations.
 *
 *   q      (n)                 e4m3, written
 *   scale  (scale_count(n))    written
 *   x      (n)
 */
void scale_tiles_from_f32(f8e4m3 *q, float *scale, const float *x, size_t n,
                          enum scale_format fmt);

/* scale_band_from_f32 - 1..128 rows of weights that share one row of scales.
 *
 *   q      (n_row, n_in)         e4m3, written
 *   scale  (scale_count(n_in))   written: row `first row / 128` of the matrix's scales
 *   w      (n_row, n_in)
 */
void scale_band_from_f32(f8e4m3 *q, float *scale, const float *w, size_t n_row, size_t n_in,
                         enum scale_format fmt);

/* scale_row_to_f32 - one row of either back to f32: x[i] = q[i] * scale[i / 128]. x may not
 * overlap q. For row r of weights, scale is row r / 128 of the matrix's scales. */
void scale_row_to_f32(float *x, const f8e4m3 *q, const float *scale, size_t n);

/* A whole matrix, row-major, in one thread. */
void scale_matrix_from_f32(f8e4m3 *q, float *scale, const float *w, size_t n_out, size_t n_in,
                           enum scale_format fmt);
void scale_matrix_to_f32(float *w, const f8e4m3 *q, const float *scale, size_t n_out,
                         size_t n_in);

#endif
