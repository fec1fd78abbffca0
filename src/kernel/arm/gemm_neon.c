/* gemm_neon.c - f32 products with 4 lanes; the text is inc/gemm.inc.
 *
 * A tile is 8 rows by 8 outputs or 2 by a panel: 16 sums, some weights, one x of 32 registers.
 */
#include <arm_neon.h>

#include "kernel/gemm.h"

typedef float32x4_t vf;

#define VW              4
#define NV              2
#define MR              8
#define MR_WIDE         2
#define N_STREAM        1

#define vf_zero()       vdupq_n_f32(0)
#define vf_set1(a)      vdupq_n_f32(a)
#define vf_load(p)      vld1q_f32(p)
#define vf_store(p, v)  vst1q_f32(p, v)
#define vf_add(a, b)    vaddq_f32(a, b)
#define vf_mul(a, b)    vmulq_f32(a, b)
#define vf_fma(a, b, c) vfmaq_f32(c, a, b)

static inline void vf_transpose(vf r[VW])
{
    float32x4_t a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]);
    float32x4_t c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    r[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    r[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    r[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

static inline vf f16_load(const void *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline vf bf16_load(const void *p, bool odd)
{
    uint32x4_t v = vld1q_u32(p);
    return vreinterpretq_f32_u32(odd ? vandq_u32(v, vdupq_n_u32(0xffff0000))
                                     : vshlq_n_u32(v, 16));
}

/* A byte in the upper half of a lane is an e5m2 number's f16 form already. */
static inline vf e5m2_load(const void *p, bool odd)
{
    uint16x4_t v = vld1_u16(p);
    return vcvt_f32_f16(
        vreinterpret_f16_u16(odd ? vand_u16(v, vdup_n_u16(0xff00)) : vshl_n_u16(v, 8)));
}

/* As in gemm_avx512.c. */
static inline vf e4m3_load(const void *p, bool odd)
{
    const uint16x4_t ones = vdup_n_u16(0x3f80);
    uint16x4_t v = vld1_u16(p), h = odd ? v : vshl_n_u16(v, 8);
    h = vreinterpret_u16_s16(vshr_n_s16(vreinterpret_s16_u16(h), 1));
    h = vand_u16(h, vdup_n_u16(0xbf80));
    h = vorr_u16(h, vceq_u16(vand_u16(h, ones), ones));
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

#include "kernel/inc/gemm.inc"

void gemm_init_neon(struct gemm_kernels *k)
{
    k->rows = rows;
    k->nn = nn;
    k->nt = nt;
    k->tn = tn;
}
