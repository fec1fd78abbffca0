/* i8_vnni.c - products of quantised matrices by VPDPBUSD: codes of B, raised by 128, are its
 * bytes without sign. A tile is 6 rows by a panel: 12 integer sums, 12 results, 2 vectors of codes. */
#include <immintrin.h>

#define ROWS            6
#define SPECIAL         1
#define vf_fma(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define vi_trunc(v)     ((vi)_mm512_cvttps_epi32((__m512)(v)))
#define v16b_low(v)     ((v16b)_mm512_cvtepi32_epi8((__m512i)(v)))
#define vi_max(a, b)    ((vi)_mm512_max_epi32((__m512i)(a), (__m512i)(b)))
#define tile(...)       tile_vnni(__VA_ARGS__)

#include "base/attr.h"
#include "kernel/i8.h"

static force_inline void tile_vnni(int n_row, float *y, size_t ldy, const int8_t *a,
                                   const struct i8_scale *s, size_t lda, const uint8_t *b,
                                   const float *d, size_t n_block, bool first)
{
    __m512 sum[ROWS][2];
    unrolled for (int r = 0; r < n_row; r++) unrolled for (int v = 0; v < 2; v++) sum[r][v] =
        first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + (size_t)r * ldy + 16 * v);
    for (size_t k = 0; k < n_block;
         k++, a += I8_BLOCK, s++, b += I8_BLOCK * I8_PANEL, d += I8_PANEL) {
        __m512i acc[ROWS][2];
        unrolled for (int r = 0; r < n_row; r++) acc[r][0] = acc[r][1] =
            _mm512_set1_epi32(s[(size_t)r * lda].start);
        unrolled for (int q = 0; q < I8_BLOCK / 4; q++)
        {
            __m512i w0 = _mm512_load_si512(b + q * 4 * I8_PANEL);
            __m512i w1 = _mm512_load_si512(b + q * 4 * I8_PANEL + 64);
            unrolled for (int r = 0; r < n_row; r++)
            {
                int32_t four;
                __builtin_memcpy(&four, a + (size_t)r * lda * I8_BLOCK + 4 * q, sizeof four);
                __m512i x = _mm512_set1_epi32(four);
                acc[r][0] = _mm512_dpbusd_epi32(acc[r][0], w0, x);
                acc[r][1] = _mm512_dpbusd_epi32(acc[r][1], w1, x);
            }
        }
        unrolled for (int r = 0; r < n_row; r++)
        {
            __m512 ad = _mm512_set1_ps(s[(size_t)r * lda].d);
            unrolled for (int v = 0; v < 2; v++)
            {
                __m512 u = _mm512_cvtepi32_ps(acc[r][v]);
                u = _mm512_mul_ps(u, _mm512_loadu_ps(d + 16 * v));
                sum[r][v] = _mm512_fmadd_ps(u, ad, sum[r][v]);
            }
        }
    }
    unrolled for (int r = 0; r < n_row; r++) unrolled for (int v = 0; v < 2; v++)
        _mm512_storeu_ps(y + (size_t)r * ldy + 16 * v, sum[r][v]);
}

#include "kernel/inc/i8.inc"

void i8_init_vnni(struct i8_kernels *k)
{
    k->to_rows = to_rows;
    k->to_cols = to_cols;
    k->product = product;
}
