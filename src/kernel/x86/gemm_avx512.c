/* gemm_avx512.c - f32 products with 16 lanes; the text is inc/gemm.inc.
 *
 * A tile is 12 rows by a whole panel: 24 sums, 2 weights, one x of 32 registers.
 */
#include <immintrin.h>

#include "kernel/gemm.h"

typedef __m512 vf;

#define VW              16
#define NV              2
#define MR              12
#define MR_WIDE         2
#define N_STREAM        2

#define vf_zero()       _mm512_setzero_ps()
#define vf_set1(a)      _mm512_set1_ps(a)
#define vf_load(p)      _mm512_loadu_ps(p)
#define vf_store(p, v)  _mm512_storeu_ps(p, v)
#define vf_add(a, b)    _mm512_add_ps(a, b)
#define vf_mul(a, b)    _mm512_mul_ps(a, b)
#define vf_fma(a, b, c) _mm512_fmadd_ps(a, b, c)

/* Pairs of lanes, of double lanes, of quarters, of halves. */
static inline void vf_transpose(vf r[VW])
{
    vf t[VW];
    for (int i = 0; i < VW; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < VW; i += 4) {
        for (int h = 0; h < 2; h++) {
            __m512d a = _mm512_castps_pd(t[i + h]), b = _mm512_castps_pd(t[i + h + 2]);
            r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    for (int i = 0; i < VW; i += 8) {
        for (int j = i; j < i + 4; j++) {
            t[j] = _mm512_shuffle_f32x4(r[j], r[j + 4], 0x88);
            t[j + 4] = _mm512_shuffle_f32x4(r[j], r[j + 4], 0xdd);
        }
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    }
}

static inline vf f16_load(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

static inline vf bf16_load(const void *p, bool odd)
{
    __m512i v = _mm512_loadu_si512(p);
    if (odd) return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(-65536)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}

/* A byte in the upper half of a lane is an e5m2 number's f16 form already. */
static inline vf e5m2_load(const void *p, bool odd)
{
    __m256i v = _mm256_loadu_si256(p);
    return _mm512_cvtph_ps(odd ? _mm256_and_si256(v, _mm256_set1_epi16(-256))
                               : _mm256_slli_epi16(v, 8));
}

/* seeeemmm in the upper byte becomes s0eeeemm m0000000: an f16 with a bias of 15 in place of 7.
 * All ones is NaN in e4m3 and a number in f16, hence the comparison. */
static inline vf e4m3_load(const void *p, bool odd)
{
    const __m256i ones = _mm256_set1_epi16(0x3f80);
    __m256i v = _mm256_loadu_si256(p), h = odd ? v : _mm256_slli_epi16(v, 8);
    h = _mm256_and_si256(_mm256_srai_epi16(h, 1), _mm256_set1_epi16((short)0xbf80));
    __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(h, ones), ones);
    return _mm512_cvtph_ps(_mm256_or_si256(h, nan));
}

#include "kernel/inc/gemm.inc"

void gemm_init_avx512(struct gemm_kernels *k)
{
    k->rows = rows;
    k->nn = nn;
    k->nt = nt;
    k->tn = tn;
}
