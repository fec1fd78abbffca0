/* i8_avx2.c - products of quantised matrices by VPMADDUBSW: magnitudes of A without sign times
 * codes of B with A's sign. Codes are at most 127, so pairs fit 16 bits. A tile is 4 rows by a
 * quarter of a panel; results wait in memory between quarters. */
#include <immintrin.h>

#define ROWS            4
#define SPECIAL         0
#define vf_fma(a, b, c) fma_two(a, b, c)
#define vi_trunc(v)     __builtin_convertvector(v, vi)
#define v16b_low(v)     __builtin_convertvector(v, v16b)
#define vi_max(a, b)    (((a) & ((a) > (b))) | ((b) & ~((a) > (b))))
#define tile(...)       tile_avx2(__VA_ARGS__)

#include "base/attr.h"
#include "kernel/i8.h"

/* Two halves of a vector of 16; a macro, because such vectors have no place in arguments. */
#define fma_two(a, b, c)                              \
    __extension__({                                   \
        vf a_ = (a), b_ = (b), c_ = (c);              \
        __m256 x_[2], y_[2], z_[2];                   \
        __builtin_memcpy(x_, &a_, sizeof x_);         \
        __builtin_memcpy(y_, &b_, sizeof y_);         \
        __builtin_memcpy(z_, &c_, sizeof z_);         \
        z_[0] = _mm256_fmadd_ps(x_[0], y_[0], z_[0]); \
        z_[1] = _mm256_fmadd_ps(x_[1], y_[1], z_[1]); \
        __builtin_memcpy(&c_, z_, sizeof c_);         \
        c_;                                           \
    })

static force_inline void tile_avx2(int n_row, float *y, size_t ldy, const int8_t *a,
                                   const struct i8_scale *s, size_t lda, const uint8_t *b,
                                   const float *d, size_t n_block, bool first)
{
    const __m256i raise = _mm256_set1_epi8(-128), ones = _mm256_set1_epi16(1);
    for (size_t v = 0; v < I8_PANEL; v += 8) {
        __m256 sum[ROWS];
        unrolled for (int r = 0; r < n_row; r++) sum[r] =
            first ? _mm256_setzero_ps() : _mm256_loadu_ps(y + (size_t)r * ldy + v);
        for (size_t k = 0; k < n_block; k++) {
            const uint8_t *w = b + k * I8_BLOCK * I8_PANEL + 4 * v;
            __m256i acc[ROWS];
            unrolled for (int r = 0; r < n_row; r++) acc[r] = _mm256_setzero_si256();
            rolled for (size_t q = 0; q < I8_BLOCK / 4; q++, w += 4 * I8_PANEL)
            {
                __m256i wq = _mm256_xor_si256(_mm256_loadu_si256((const void *)w), raise);
                unrolled for (int r = 0; r < n_row; r++)
                {
                    int32_t four;
                    __builtin_memcpy(&four, a + ((size_t)r * lda + k) * I8_BLOCK + 4 * q, 4);
                    __m256i x = _mm256_set1_epi32(four);
                    __m256i two =
                        _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(wq, x));
                    acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(two, ones));
                }
            }
            __m256 bd = _mm256_loadu_ps(d + k * I8_PANEL + v);
            unrolled for (int r = 0; r < n_row; r++)
            {
                __m256 u = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[r]), bd);
                sum[r] = _mm256_fmadd_ps(u, _mm256_set1_ps(s[(size_t)r * lda + k].d), sum[r]);
            }
        }
        unrolled for (int r = 0; r < n_row; r++)
            _mm256_storeu_ps(y + (size_t)r * ldy + v, sum[r]);
    }
}

#include "kernel/inc/i8.inc"

void i8_init_avx2(struct i8_kernels *k)
{
    k->to_rows = to_rows;
    k->to_cols = to_cols;
    k->product = product;
}
