/* roof_neon.c - measuring loops with NEON; an 8-bit dot of 16 takes four instructions. */
#include <arm_neon.h>

#include "kernel/roof.h"

typedef float32x4_t vf;
typedef int8x16_t vi;

enum { N_ACC = 16 };

#define opaque(v)       __asm__ volatile("" : "+w"(v))
#define vf_set1(a)      vdupq_n_f32(a)
#define vf_fma(a, b, c) vfmaq_f32(c, a, b)
#define vi_set1(a)      vdupq_n_s8(a)
#define vi_or(a, b)     vorrq_s8(a, b)
#define vi_load(p)      vld1q_s8((const int8_t *)(const void *)(p))

static inline vi vi_dot(vi acc, vi a, vi b)
{
    int32x4_t s = vreinterpretq_s32_s8(acc);
    s = vpadalq_s16(s, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    s = vpadalq_s16(s, vmull_high_s8(a, b));
    return vreinterpretq_s8_s32(s);
}

#include "kernel/inc/roof.inc"

void roof_init_neon(struct roof_loops *l)
{
    *l = (struct roof_loops){run_fma, run_dot, run_read, N_ACC * 4 * 2, N_ACC * 16 * 2};
}
