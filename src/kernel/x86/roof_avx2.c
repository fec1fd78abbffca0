/* roof_avx2.c - measuring loops with AVX2; an 8-bit dot takes three instructions. */
#include <immintrin.h>

#include "kernel/roof.h"

typedef __m256 vf;
typedef __m256i vi;

enum { N_ACC = 12 };

#define opaque(v)       __asm__ volatile("" : "+x"(v))
#define vf_set1(a)      _mm256_set1_ps(a)
#define vf_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vi_set1(a)      _mm256_set1_epi8(a)
#define vi_or(a, b)     _mm256_or_si256(a, b)
#define vi_load(p)      _mm256_loadu_si256((const __m256i *)(const void *)(p))

static inline vi vi_dot(vi acc, vi a, vi b)
{
    vi pairs = _mm256_maddubs_epi16(a, b);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "kernel/inc/roof.inc"

void roof_init_avx2(struct roof_loops *l)
{
    *l = (struct roof_loops){run_fma, run_dot, run_read, N_ACC * 8 * 2, N_ACC * 32 * 2};
}
