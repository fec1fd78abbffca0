/* roof_vnni.c - the 8-bit dot with VNNI: one instruction. */
#include <immintrin.h>

#include "base/attr.h"
#include "kernel/roof.h"

enum { N_ACC = 16 };

static void run_dot(size_t rounds)
{
    __m512i acc[N_ACC], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    unrolled for (int i = 0; i < N_ACC; i++) acc[i] = _mm512_setzero_si512();
    for (size_t r = 0; r < rounds; r++) {
        unrolled for (int i = 0; i < N_ACC; i++)
        {
            __asm__ volatile("" : "+v"(a)); /* or equal sums would be made once */
            acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
        }
    }
    unrolled for (int i = 0; i < N_ACC; i++) __asm__ volatile("" : "+v"(acc[i]));
}

void roof_init_vnni(struct roof_loops *l)
{
    l->dot = run_dot;
    l->dot_ops = N_ACC * 64 * 2;
}
