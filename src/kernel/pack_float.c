/* pack_float.c - packed panels of plain floats.
 *
 * The bits of the file stay; they only change places, so that 32 neighbouring outputs lie side by
 * side for one k. `o` is the output inside the panel:
 *
 *   F32       [k][o]              4 bytes each; one k is 128 bytes
 *   F16       [k][o]              2 bytes each; one k is 64 bytes
 *   BF16      [k / 2][o][k % 2]   2 bytes each; a 32-bit lane holds two k of one output, and
 *                                 either half becomes an f32 with one shift or one mask
 *   F8_*      [k / 2][o][k % 2]   1 byte each; a 16-bit lane holds two k of one output
 *
 * With an odd n_in the last pair's second half is zero and is never multiplied. Panels are
 * rounded up to 64 bytes.
 *
 * FP8 weights count as f8 * scale rounded to f32, scale by blocks of 128x128 (models.md 9.2); the
 * scales lie beside the panels. Scales are below 2^120 in magnitude: kernels may fold a factor of
 * 2^8 into them (inc/gemm.inc).
 */
#include <string.h>

#include "base/size.h"
#include "kernel/pack_int.h"

enum { SCALE_BLOCK = 128 };

static size_t elem_bytes(enum dtype dt)
{
    if (dt == DT_F32) return 4;
    if (dt == DT_F16 || dt == DT_BF16) return 2;
    if (dt == DT_F8_E4M3 || dt == DT_F8_E5M2) return 1;
    return 0;
}

/* Consecutive k of one output that lie side by side. */
static size_t group_of(enum dtype dt)
{
    return dt == DT_F32 || dt == DT_F16 ? 1 : 2;
}

size_t pack_float_panel_bytes(enum dtype dt, size_t n_in)
{
    return round_up(round_up(n_in, group_of(dt)) * PACK_OUT * elem_bytes(dt), 64);
}

/* Where element (k, o) of a panel lies, counted in elements. */
static inline size_t place(size_t group, size_t k, size_t o)
{
    return (k / group * PACK_OUT + o) * group + k % group;
}

void pack_float_panel(enum dtype dt, void *dst, const void *src, size_t row_stride,
                      size_t n_row, size_t n_in)
{
    enum { RUN = 64 }; /* k per pass: a strip of the panel stays in the first cache */
    size_t size = elem_bytes(dt), group = group_of(dt);
    memset(dst, 0, pack_float_panel_bytes(dt, n_in));
    for (size_t k0 = 0; k0 < n_in; k0 += RUN) {
        size_t k1 = size_min(k0 + RUN, n_in);
        for (size_t o = 0; o < n_row; o++) {
            const unsigned char *row = (const unsigned char *)src + o * row_stride;
            if (size == 4) {
                float *d = dst;
                for (size_t k = k0; k < k1; k++) memcpy(&d[place(1, k, o)], row + 4 * k, 4);
            } else if (size == 2) {
                uint16_t *d = dst;
                for (size_t k = k0; k < k1; k++) memcpy(&d[place(group, k, o)], row + 2 * k, 2);
            } else {
                uint8_t *d = dst;
                for (size_t k = k0; k < k1; k++) d[place(2, k, o)] = row[k];
            }
        }
    }
}

/* One weight, without its scale. */
static float value_at(enum dtype dt, const void *panel, size_t k, size_t o)
{
    if (dt == DT_F32) return ((const float *)panel)[place(1, k, o)];
    if (dt == DT_F16) return f16_to_f32(((const f16 *)panel)[place(1, k, o)]);
    if (dt == DT_BF16) return bf16_to_f32(((const bf16 *)panel)[place(2, k, o)]);
    if (dt == DT_F8_E4M3) return f8e4m3_to_f32(((const f8e4m3 *)panel)[place(2, k, o)]);
    return f8e5m2_to_f32(((const f8e5m2 *)panel)[place(2, k, o)]);
}

static float weight_at(const struct pack *w, const void *panel, size_t row, size_t k)
{
    float v = value_at(w->dt, panel, k, row % PACK_OUT);
    if (!w->scale) return v;
    size_t n_block = (w->n_in + SCALE_BLOCK - 1) / SCALE_BLOCK;
    return v * w->scale[row / SCALE_BLOCK * n_block + k / SCALE_BLOCK];
}

static const void *panel_at(const struct pack *w, size_t panel)
{
    return (const unsigned char *)w->data + panel * w->panel_bytes;
}

void pack_float_row_to_f32(const struct pack *w, size_t row, float *dst)
{
    const void *panel = panel_at(w, row / PACK_OUT);
    for (size_t k = 0; k < w->n_in; k++) dst[k] = weight_at(w, panel, row, k);
}

void pack_float_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k,
                             float *dst)
{
    const void *p = panel_at(w, panel);
    for (size_t k = 0; k < n_k; k++)
        for (size_t o = 0; o < PACK_OUT; o++)
            dst[k * PACK_OUT + o] = weight_at(w, p, panel * PACK_OUT + o, k0 + k);
}
