/* gemm_avx2.c - f32 products with 8 lanes; the text is inc/gemm.inc.
 *
 * A tile is 6 rows by half a panel or 3 by a whole one: 12 sums, some weights, one x of 16
 * registers.
 */
#include <immintrin.h>

#include "kernel/gemm.h"

typedef __m256 vf;

#define VW              8
#define NV              2
#define MR              6
#define MR_WIDE         3
#define N_STREAM        2

#define vf_zero()       _mm256_setzero_ps()
#define vf_set1(a)      _mm256_set1_ps(a)
#define vf_load(p)      _mm256_loadu_ps(p)
#define vf_store(p, v)  _mm256_storeu_ps(p, v)
#define vf_add(a, b)    _mm256_add_ps(a, b)
#define vf_mul(a, b)    _mm256_mul_ps(a, b)
#define vf_fma(a, b, c) _mm256_fmadd_ps(a, b, c)

/* Pairs of lanes, of double lanes, of halves. */
static inline void vf_transpose(vf r[VW])
{
    vf t[VW];
    for (int i = 0; i < VW; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < VW; i += 4) {
        for (int h = 0; h < 2; h++) {
            __m256d a = _mm256_castps_pd(t[i + h]), b = _mm256_castps_pd(t[i + h + 2]);
            r[i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            r[i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < VW; i++) r[i] = t[i];
}

static inline vf f16_load(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

static inline vf bf16_load(const void *p, bool odd)
{
    __m256i v = _mm256_loadu_si256(p);
    if (odd) return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}

/* A byte in the upper half of a lane is an e5m2 number's f16 form already. */
static inline vf e5m2_load(const void *p, bool odd)
{
    __m128i v = _mm_loadu_si128(p);
    return _mm256_cvtph_ps(odd ? _mm_and_si128(v, _mm_set1_epi16(-256)) : _mm_slli_epi16(v, 8));
}

/* As in gemm_avx512.c. */
static inline vf e4m3_load(const void *p, bool odd)
{
    const __m128i ones = _mm_set1_epi16(0x3f80);
    __m128i v = _mm_loadu_si128(p), h = odd ? v : _mm_slli_epi16(v, 8);
    h = _mm_and_si128(_mm_srai_epi16(h, 1), _mm_set1_epi16((short)0xbf80));
    __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(h, ones), ones);
    return _mm256_cvtph_ps(_mm_or_si128(h, nan));
}

#include "kernel/inc/gemm.inc"

void gemm_init_avx2(struct gemm_kernels *k)
{
    k->rows = rows;
    k->nn = nn;
    k->nt = nt;
    k->tn = tn;
}
