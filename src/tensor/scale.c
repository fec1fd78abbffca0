/* scale.c - FP8 with block and tile scales; the rules are in scale.h. */
#include "tensor/scale.h"

#include <math.h>

#include "base/size.h"

#define E4M3_MAX 448.0f

/* The reference clamps a tile's maximum, so that a tile of zeros divides by something. */
#define TILE_FLOOR 1e-4f

static float max_magnitude(const float *x, size_t n)
{
    float max = 0;
    for (size_t i = 0; i < n; i++) max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    return max;
}

static float scale_for(float max, enum scale_format fmt)
{
    float s = max / E4M3_MAX;
    return fmt == SCALE_UE8M0 ? e8m0_to_f32(e8m0_from_f32(s)) : s;
}

/* At most SCALE_BLOCK numbers by one scale. */
static void encode(f8e4m3 *q, const float *x, size_t n, float scale)
{
    float t[SCALE_BLOCK];
    for (size_t i = 0; i < n; i++) t[i] = x[i] / scale;
    dtype_row_from_f32(DT_F8_E4M3, t, q, n, NULL);
}

void scale_tiles_from_f32(f8e4m3 *q, float *scale, const float *x, size_t n,
                          enum scale_format fmt)
{
    for (size_t at = 0; at < n; at += SCALE_BLOCK) {
        size_t len = size_min(SCALE_BLOCK, n - at);
        float max = max_magnitude(x + at, len);
        float s = scale_for(max > TILE_FLOOR ? max : TILE_FLOOR, fmt);
        scale[at / SCALE_BLOCK] = s;
        encode(q + at, x + at, len, s);
    }
}

void scale_band_from_f32(f8e4m3 *q, float *scale, const float *w, size_t n_row, size_t n_in,
                         enum scale_format fmt)
{
    for (size_t at = 0; at < n_in; at += SCALE_BLOCK) {
        size_t len = size_min(SCALE_BLOCK, n_in - at);
        float max = 0;
        for (size_t r = 0; r < n_row; r++) {
            float m = max_magnitude(w + r * n_in + at, len);
            max = m > max ? m : max;
        }
        float s = scale_for(max, fmt);
        if (max == 0 || s == 0) s = 1; /* zeros, and magnitudes that f32 cannot divide by 448 */
        scale[at / SCALE_BLOCK] = s;
        for (size_t r = 0; r < n_row; r++) encode(q + r * n_in + at, w + r * n_in + at, len, s);
    }
}

void scale_row_to_f32(float *x, const f8e4m3 *q, const float *scale, size_t n)
{
    dtype_row_to_f32(DT_F8_E4M3, q, x, n);
    for (size_t at = 0; at < n; at += SCALE_BLOCK) {
        float s = scale[at / SCALE_BLOCK];
        size_t end = size_min(at + SCALE_BLOCK, n);
        for (size_t i = at; i < end; i++) x[i] *= s;
    }
}

void scale_matrix_from_f32(f8e4m3 *q, float *scale, const float *w, size_t n_out, size_t n_in,
                           enum scale_format fmt)
{
    for (size_t r = 0; r < n_out; r += SCALE_BLOCK) {
        size_t n_row = size_min(SCALE_BLOCK, n_out - r);
        scale_band_from_f32(q + r * n_in, scale + r / SCALE_BLOCK * scale_count(n_in),
                            w + r * n_in, n_row, n_in, fmt);
    }
}

void scale_matrix_to_f32(float *w, const f8e4m3 *q, const float *scale, size_t n_out,
                         size_t n_in)
{
    for (size_t r = 0; r < n_out; r++)
        scale_row_to_f32(w + r * n_in, q + r * n_in,
                         scale + r / SCALE_BLOCK * scale_count(n_in), n_in);
}
