/* q8_avx2.c - 8-bit products of 256 bits, and quantisation of activations for all of x86. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

#define V                        32
#define ROWS                     4
#define COLS                     2
#define TILES_ONE                TILES_4
#define TILES_TWO                TILES_4
#define TILES_8                  TILES_2
#define RAISED(offset)           ((offset) == 0 ? 128 : (offset) == 4 ? 32 : (offset))
#define vf_half(p)               ((vf)_mm256_cvtph_ps(_mm_loadu_si128((const void *)(p))))
#define vf_fma(a, b, c)          ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vu_look_up(table, index) ((vu)_mm256_shuffle_epi8(v_table(table), (__m256i)(index)))
#define vu_shuffle(v, index)     ((vu)_mm256_shuffle_epi8((__m256i)(v), v_table(index)))
#define vu_grid(table, n, index) ((vu)v_grid(table, n, (__m256i)(index)))

static inline __m256i v_table(const void *table)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(table));
}

/* Words of two entries, so that no lane reads past the table. */
static force_inline __m256i v_grid(const uint16_t *table, int n, __m256i index)
{
    (void)n;
    __m256i pair = _mm256_i32gather_epi32((const void *)table, _mm256_srli_epi32(index, 1), 4);
    __m256i odd = _mm256_and_si256(index, _mm256_set1_epi32(1));
    return _mm256_srlv_epi32(pair, _mm256_slli_epi32(odd, 4));
}

#include "kernel/inc/q8_codes.inc"

#define v_maddubs(w, x) ((vi)_mm256_maddubs_epi16((__m256i)(w), (__m256i)(x)))
#define v_maddwd(a, b)  ((vi)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#define v_set16(c)      _mm256_set1_epi16(c)
#include "kernel/inc/q8_madd.inc"

#define FEW    8
#define WIDTHS 1
#include "kernel/inc/q8_rows.inc"

/* ---- activations --------------------------------------------------------------------------- */

/* Largest of the magnitudes as bits: they order like the numbers, Inf and NaN above all. */
static uint32_t max_bits(const __m256 x[4])
{
    __m256i m = _mm256_setzero_si256(), size = _mm256_set1_epi32(0x7fffffff);
    for (int i = 0; i < 4; i++)
        m = _mm256_max_epu32(m, _mm256_and_si256(_mm256_castps_si256(x[i]), size));
    __m128i h = _mm_max_epu32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(h);
}

static int sum_of(__m128i q)
{
    __m128i s = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), q), _mm_set1_epi16(1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void quantize_block(struct q8_x *b, const float *x)
{
    __m256 v[4];
    __m256i q[4];
    for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(x + 8 * i);
    uint32_t bits = max_bits(v);
    float max = f32_from_bits(bits);
    *b = (struct q8_x){0};
    if (bits >= 0x7f800000) b->d = NAN;
    if (bits >= 0x7f800000 || max < Q8_TINY) return;
    __m256 inv = _mm256_set1_ps(127.0f / max);
    for (int i = 0; i < 4; i++) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inv));
    __m128i half[2];
    for (int i = 0; i < 2; i++) {
        __m256i w = _mm256_packs_epi32(q[2 * i], q[2 * i + 1]); /* quarters 0 2 1 3 */
        w = _mm256_permute4x64_epi64(w, 0xd8);
        half[i] = _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
        _mm_storeu_si128((void *)(b->q + 16 * i), half[i]);
    }
    q8_finish(b, max / 127.0f, sum_of(half[0]), sum_of(half[1]));
}

static void quantize(enum dtype dt, void *dst, const float *x, size_t n_in)
{
    (void)dt;
    struct q8_x *b = dst;
    for (size_t k = 0; k < n_in; k += Q8_LEN) quantize_block(b++, x + k);
}

void q8_init_avx2(struct q8_kernels *k)
{
    k->quantize = quantize;
    k->rows = multiply;
}
