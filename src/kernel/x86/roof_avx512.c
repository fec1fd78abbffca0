/* roof_avx512.c - measuring loops with AVX-512; an 8-bit dot takes three instructions. */
#include <immintrin.h>

#include "kernel/roof.h"

typedef __m512 vf;
typedef __m512i vi;

enum { N_ACC = 16 };

#define opaque(v)       __asm__ volatile("" : "+v"(v))
#define vf_set1(a)      _mm512_set1_ps(a)
#define vf_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vi_set1(a)      _mm512_set1_epi8(a)
#define vi_or(a, b)     _mm512_or_si512(a, b)
#define vi_load(p)      _mm512_loadu_si512(p)

static inline vi vi_dot(vi acc, vi a, vi b)
{
    vi pairs = _mm512_maddubs_epi16(a, b);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "kernel/inc/roof.inc"

void roof_init_avx512(struct roof_loops *l)
{
    *l = (struct roof_loops){run_fma, run_dot, run_read, N_ACC * 16 * 2, N_ACC * 64 * 2};
}
