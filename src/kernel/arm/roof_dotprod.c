/* roof_dotprod.c - the 8-bit dot with the dot product extension: one instruction. */
#include <arm_neon.h>

#include "base/attr.h"
#include "kernel/roof.h"

enum { N_ACC = 16 };

static void run_dot(size_t rounds)
{
    int32x4_t acc[N_ACC];
    int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
    unrolled for (int i = 0; i < N_ACC; i++) acc[i] = vdupq_n_s32(0);
    for (size_t r = 0; r < rounds; r++) {
        unrolled for (int i = 0; i < N_ACC; i++)
        {
            __asm__ volatile("" : "+w"(a)); /* or equal sums would be made once */
            acc[i] = vdotq_s32(acc[i], a, b);
        }
    }
    unrolled for (int i = 0; i < N_ACC; i++) __asm__ volatile("" : "+w"(acc[i]));
}

void roof_init_dotprod(struct roof_loops *l)
{
    l->dot = run_dot;
    l->dot_ops = N_ACC * 16 * 2;
}
