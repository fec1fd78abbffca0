/* fmath.h - exp, sigmoid, silu and log of one float: the definition that every kernel equals.
 *
 * exp(x): t = fma(x, log2 e, 1.5*2^23) rounds x*log2 e to the integer n in the low bits of t;
 * r = x - n ln 2 in two fused steps; a polynomial of degree 6 in Horner form with fused steps
 * (coefficients: minimax of the relative error on |r| <= ln 2 / 2 with the first two fixed at 1,
 * 3.1e-9 before rounding); n is added to the exponent. Results below the smallest normal number
 * are 0, results above the largest are inf, NaN stays NaN. At most 1 ulp off (tests/kernel).
 *
 * The constants are shared with kernel/inc/exp.inc; the order of operations must be the same.
 * Rounding to nearest even and full denormals are taken for granted, as everywhere.
 */
#ifndef KERNEL_FMATH_H
#define KERNEL_FMATH_H

#include <math.h>
#include <stdint.h>

#include "tensor/dtype.h"

#define FM_LOG2E  0x1.715476p+0f
#define FM_MAGIC  0x1.8p+23f
#define FM_LN2_HI 0x1.62e43p-1f
#define FM_LN2_LO (-0x1.05c61p-29f)
#define FM_EXP_C2 0x1.fffffcp-2f
#define FM_EXP_C3 0x1.55549p-3f
#define FM_EXP_C4 0x1.5558f4p-5f
#define FM_EXP_C5 0x1.123a6cp-7f
#define FM_EXP_C6 0x1.6a234ep-10f
#define FM_EXP_LO (-0x1.5d589ep+6f) /* exp of anything smaller is below 2^-126 */
#define FM_EXP_HI 0x1.62e42ep+6f    /* exp of anything larger overflows */

static inline float fm_exp(float x)
{
    if (x < FM_EXP_LO) return 0.0f;
    if (!(x <= FM_EXP_HI)) return x + INFINITY;
    float t = fmaf(x, FM_LOG2E, FM_MAGIC);
    float n = t - FM_MAGIC;
    float r = fmaf(n, -FM_LN2_HI, x);
    r = fmaf(n, -FM_LN2_LO, r);
    float p = fmaf(FM_EXP_C6, r, FM_EXP_C5);
    p = fmaf(p, r, FM_EXP_C4);
    p = fmaf(p, r, FM_EXP_C3);
    p = fmaf(p, r, FM_EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    return f32_from_bits(f32_bits(p) + (f32_bits(t) << 23));
}

static inline float fm_sigmoid(float x)
{
    return 1.0f / (1.0f + fm_exp(-x));
}

/* z * sigmoid(z), rounded once less: z / (1 + exp(-z)). */
static inline float fm_silu(float z)
{
    return z / (1.0f + fm_exp(-z));
}

/* Natural logarithm, in double with separate operations and rounded at the end, which is the
 * nearest float in all but a few cases: x = 2^e m with sqrt(1/2) <= m < sqrt(2), z = (m-1)/(m+1),
 * log m = 2 (z + z^3/3 + ... + z^15/15). log(0) = -inf, below 0 NaN. */
static inline float fm_log(float x)
{
    if (!(x > 0.0f) || x == INFINITY) return x == 0.0f ? -INFINITY : x < 0.0f ? NAN : x;
    double d = (double)x;
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    uint64_t half = 0x3fe6a09e667f3bcd; /* sqrt(1/2) */
    int64_t e = (int64_t)(u - half) >> 52;
    u -= (uint64_t)e << 52;
    double m;
    memcpy(&m, &u, sizeof m);
    double z = (m - 1.0) / (m + 1.0), w = z * z, s = 1.0 / 15;
    for (int i = 13; i >= 1; i -= 2) s = s * w + 1.0 / i;
    return (float)((double)e * 0.6931471805599453 + 2.0 * z * s);
}

#endif
