/* q8_neon.c - 8-bit products for every 64-bit Arm, and quantisation of activations. */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

#include "kernel/inc/q8_128.inc"

/* Sums of pairs of products: two of each output, of outputs 0 1 and of outputs 2 3. */
struct acc {
    int32x4_t low, high;
};

/* Codes are signed and without offset: nothing to take off. */
static force_inline struct acc acc_start(int32_t n)
{
    (void)n;
    return (struct acc){{0}, {0}};
}

static force_inline void acc_add(struct acc *a, vu w, vu x, int width)
{
    (void)width;
    int8x16_t p = (int8x16_t)w, q = (int8x16_t)x;
    a->low = vpadalq_s16(a->low, vmull_s8(vget_low_s8(p), vget_low_s8(q)));
    a->high = vpadalq_s16(a->high, vmull_high_s8(p, q));
}

static force_inline void acc_fold(struct acc *a, int width)
{
    (void)a, (void)width;
}

static force_inline vi acc_end(struct acc a, int32_t n, int width)
{
    (void)n, (void)width;
    return (vi)vpaddq_s32(a.low, a.high);
}

#define FEW    16
#define WIDTHS 0
#include "kernel/inc/q8_rows.inc"

/* ---- activations --------------------------------------------------------------------------- */

static void quantize_block(struct q8_x *b, const float *x)
{
    float32x4_t v[8];
    uint32x4_t m = vdupq_n_u32(0);
    for (int i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        m = vmaxq_u32(m, vreinterpretq_u32_f32(vabsq_f32(v[i])));
    }
    uint32_t bits = vmaxvq_u32(m); /* magnitudes as bits: Inf and NaN above all numbers */
    float max = f32_from_bits(bits);
    *b = (struct q8_x){0};
    if (bits >= 0x7f800000) b->d = NAN;
    if (bits >= 0x7f800000 || max < Q8_TINY) return;
    float inv = 127.0f / max;
    int sum[2];
    for (int h = 0; h < 2; h++) {
        int16x4_t q[4];
        for (int i = 0; i < 4; i++)
            q[i] = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(v[4 * h + i], inv)));
        int8x16_t c = vcombine_s8(vmovn_s16(vcombine_s16(q[0], q[1])),
                                  vmovn_s16(vcombine_s16(q[2], q[3])));
        vst1q_s8(b->q + 16 * h, c);
        sum[h] = vaddlvq_s8(c);
    }
    q8_finish(b, max / 127.0f, sum[0], sum[1]);
}

static void quantize(enum dtype dt, void *dst, const float *x, size_t n_in)
{
    (void)dt;
    struct q8_x *b = dst;
    for (size_t k = 0; k < n_in; k += Q8_LEN) quantize_block(b++, x + k);
}

void q8_init_neon(struct q8_kernels *k)
{
    k->quantize = quantize;
    k->rows = multiply;
}
