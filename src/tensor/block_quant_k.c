/* block_quant_k.c - encoding of the 256-element formats.
 *
 * Two levels. First each sub-block finds its best scale (and minimum) in full precision; then
 * those become small integers times one or two halves per block. Since that changes the scales,
 * the numbers are coded again with the scales a reader will see. Where such a scale is zero the
 * first codes stay: they decide nothing, but files then equal the reference quantiser's.
 *
 * With an importance matrix the first level weighs errors by it and searches more finely, and
 * the second level minimises the error of the scales, weighted by what each sub-block carries.
 */
#include "tensor/block_quant.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "tensor/block.h"
#include "tensor/block_fit.h"
#include "tensor/dtype.h"

enum { N = BLOCK_SUPER, TINY_SUBS = 16, WIDE_SUBS = 8 };

static float put_half(uint8_t p[2], float x)
{
    f16 h = f16_from_f32(x);
    memcpy(p, &h, sizeof h);
    return f16_to_f32(h);
}

/* Codes of a sub-block for its final scale and minimum: nearest (x + min) / scale in lo..hi,
 * counted from lo. A zero scale keeps what is there. */
static void recode(uint8_t *codes, const float *x, size_t n, float scale, float min, int lo,
                   int hi)
{
    if (scale == 0) return;
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)(fit_round((x[i] + min) / scale, lo, hi) - lo);
}

/* The first of largest magnitude, with its sign. */
static float extreme_of(const float *x, size_t n)
{
    float e = 0;
    for (size_t i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(e)) e = x[i];
    }
    return e;
}

static float max_of(const float *x, size_t n)
{
    float m = 0;
    for (size_t i = 0; i < n; i++) m = x[i] > m ? x[i] : m;
    return m;
}

/* Sums of each sub-block's weights. */
static void sum_weights(float *sum, const float *w, size_t n_sub, size_t len)
{
    for (size_t s = 0; s < n_sub; s++) {
        sum[s] = 0;
        for (size_t i = 0; i < len; i++) sum[s] += w[s * len + i];
    }
}

/* Non-negative scales to integers 0..top; returns the factor that undoes it. */
static float quant_scales(uint8_t *q, const float *x, size_t n, int top, const float *sums)
{
    if (sums) return fit_positive(top, x, sums, n, q);
    float max = max_of(x, n), inverse = max > 0 ? (float)top / max : 0;
    for (size_t i = 0; i < n; i++) q[i] = (uint8_t)fit_round(inverse * x[i], 0, top);
    return max / (float)top;
}

/* Four codes of 2 bits in a byte: elements l, l+32, l+64, l+96 of each half. */
static void pack2(uint8_t qs[64], const uint8_t codes[N])
{
    for (size_t l = 0; l < 64; l++) {
        const uint8_t *c = codes + l / 32 * 128 + l % 32;
        qs[l] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
}

/* Two codes of 4 bits in a byte: elements l and l+32 of each quarter. */
static void pack4(uint8_t qs[128], const uint8_t codes[N])
{
    for (size_t l = 0; l < 128; l++) {
        const uint8_t *c = codes + l / 32 * 64 + l % 32;
        qs[l] = (uint8_t)((c[0] & 15) | c[32] << 4);
    }
}

/* ---- Q2_K --------------------------------------------------------------------------------- */

static void quant_q2_k(struct block_q2_k *b, const float *x, const float *importance)
{
    static const struct fit_affine plain = {3, -0.5f, 0.1f, 15, true};
    static const struct fit_affine fine = {3, -0.9f, 0.05f, 36, false};
    float w[N], scale[TINY_SUBS], min[TINY_SUBS], sums[TINY_SUBS];
    uint8_t codes[N], qs[TINY_SUBS], qm[TINY_SUBS];
    if (importance)
        block_error_weights(w, x, importance, N, block_sum_squares(x, N) / N);
    else
        for (size_t i = 0; i < N; i++) w[i] = fabsf(x[i]);
    fit_affine(importance ? &fine : &plain, x, w, TINY_SUBS, 16, scale, min, codes);

    sum_weights(sums, w, TINY_SUBS, 16);
    float d = quant_scales(qs, scale, TINY_SUBS, 15, importance ? sums : NULL);
    float dmin = quant_scales(qm, min, TINY_SUBS, 15, importance ? sums : NULL);
    d = put_half(b->d, d);
    dmin = put_half(b->dmin, dmin);
    for (size_t s = 0; s < TINY_SUBS; s++) {
        b->scales[s] = (uint8_t)(qs[s] | qm[s] << 4);
        recode(codes + 16 * s, x + 16 * s, 16, d * (float)qs[s], dmin * (float)qm[s], 0, 3);
    }
    pack2(b->qs, codes);
}

void block_q2_k_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q2_k *b = dst;
    for (size_t at = 0; at < n; at += N)
        quant_q2_k(b++, src + at, importance ? importance + at : NULL);
}

/* ---- Q3_K --------------------------------------------------------------------------------- */

static void quant_q3_k(struct block_q3_k *b, const float *x, const float *importance)
{
    float scale[TINY_SUBS], d;
    uint8_t codes[N], qs[TINY_SUBS]; /* qs: 0..63, 32 stands for zero */
    if (importance) {
        float w[N], sums[TINY_SUBS];
        block_error_weights(w, x, importance, N, 2 * block_sum_squares(x, N) / N);
        fit_signed(4, x, w, TINY_SUBS, 16, scale, codes);
        sum_weights(sums, w, TINY_SUBS, 16);
        fit_signed(32, scale, sums, 1, TINY_SUBS, &d, qs);
    } else {
        fit_descent(4, x, TINY_SUBS, scale, codes);
        float extreme = extreme_of(scale, TINY_SUBS);
        float inverse = extreme != 0 ? -32.0f / extreme : 0;
        for (size_t s = 0; s < TINY_SUBS; s++)
            qs[s] = (uint8_t)(fit_round(inverse * scale[s], -32, 31) + 32);
        if (extreme == 0) memset(qs, 0, sizeof qs);
        d = extreme != 0 ? 1.0f / inverse : 0;
    }
    memset(b->scales, 0, sizeof b->scales);
    for (size_t s = 0; s < TINY_SUBS; s++) {
        b->scales[s % 8] |= (uint8_t)((qs[s] & 15) << (s / 8 * 4));
        b->scales[8 + s % 4] |= (uint8_t)(qs[s] >> 4 << (s / 4 * 2));
    }
    d = put_half(b->d, d);
    for (size_t s = 0; s < TINY_SUBS; s++)
        recode(codes + 16 * s, x + 16 * s, 16, d * (float)(qs[s] - 32), 0, -4, 3);
    memset(b->hmask, 0, sizeof b->hmask);
    for (size_t i = 0; i < N; i++) b->hmask[i % 32] |= (uint8_t)((codes[i] >> 2) << (i / 32));
    pack2(b->qs, codes);
}

void block_q3_k_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q3_k *b = dst;
    for (size_t at = 0; at < n; at += N)
        quant_q3_k(b++, src + at, importance ? importance + at : NULL);
}

/* ---- Q4_K, Q5_K --------------------------------------------------------------------------- */

/* What the two formats share: codes 0..top, packed scales, the two halves. */
static void quant_k4(uint8_t codes[N], uint8_t d_out[2], uint8_t dmin_out[2],
                     uint8_t packed[12], const float *x, int top, const float *importance)
{
    const struct fit_affine plain = {(float)top, top == 15 ? -1.0f : -0.5f, 0.1f,
                                     top == 15 ? 20 : 15, false};
    const struct fit_affine fine = {(float)top, -0.9f, 0.05f, 36, false};
    float w[N], scale[WIDE_SUBS], min[WIDE_SUBS], sums[WIDE_SUBS];
    uint8_t qs[WIDE_SUBS], qm[WIDE_SUBS];
    if (importance) {
        block_error_weights(w, x, importance, N, 2 * block_sum_squares(x, N) / N);
    } else {
        for (size_t s = 0; s < WIDE_SUBS; s++) {
            float mean = sqrtf(block_sum_squares(x + 32 * s, 32) / 32);
            for (size_t i = 32 * s; i < 32 * s + 32; i++) w[i] = mean + fabsf(x[i]);
        }
    }
    fit_affine(importance ? &fine : &plain, x, w, WIDE_SUBS, 32, scale, min, codes);

    sum_weights(sums, w, WIDE_SUBS, 32);
    float d = quant_scales(qs, scale, WIDE_SUBS, 63, importance ? sums : NULL);
    float dmin = quant_scales(qm, min, WIDE_SUBS, 63, importance ? sums : NULL);
    d = put_half(d_out, d);
    dmin = put_half(dmin_out, dmin);
    for (size_t s = 0; s < 4; s++) { /* the upper two bits of s+4 sit above the six of s */
        packed[s] = (uint8_t)(qs[s] | qs[s + 4] >> 4 << 6);
        packed[s + 4] = (uint8_t)(qm[s] | qm[s + 4] >> 4 << 6);
        packed[s + 8] = (uint8_t)((qs[s + 4] & 15) | (qm[s + 4] & 15) << 4);
    }
    for (size_t s = 0; s < WIDE_SUBS; s++)
        recode(codes + 32 * s, x + 32 * s, 32, d * (float)qs[s], dmin * (float)qm[s], 0, top);
}

void block_q4_k_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q4_k *b = dst;
    for (size_t at = 0; at < n; at += N, b++) {
        uint8_t codes[N];
        quant_k4(codes, b->d, b->dmin, b->scales, src + at, 15,
                 importance ? importance + at : NULL);
        pack4(b->qs, codes);
    }
}

void block_q5_k_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q5_k *b = dst;
    for (size_t at = 0; at < n; at += N, b++) {
        uint8_t codes[N];
        quant_k4(codes, b->d, b->dmin, b->scales, src + at, 31,
                 importance ? importance + at : NULL);
        pack4(b->qs, codes);
        memset(b->qh, 0, sizeof b->qh);
        for (size_t i = 0; i < N; i++) b->qh[i % 32] |= (uint8_t)((codes[i] >> 4) << (i / 32));
    }
}

/* ---- Q6_K --------------------------------------------------------------------------------- */

static void quant_q6_k(struct block_q6_k *b, const float *x, const float *importance)
{
    float w[N], scale[TINY_SUBS];
    uint8_t codes[N];
    for (size_t i = 0; i < N; i++) w[i] = importance ? importance[i] : x[i] * x[i];
    fit_signed(32, x, w, TINY_SUBS, 16, scale, codes);
    float extreme = extreme_of(scale, TINY_SUBS);
    if (!(fabsf(extreme) >= 1e-15f)) {
        memset(b, 0, sizeof *b);
        return;
    }
    float inverse = -128.0f / extreme, d = put_half(b->d, 1.0f / inverse);
    for (size_t s = 0; s < TINY_SUBS; s++) {
        b->scales[s] = (int8_t)fit_round(inverse * scale[s], -128, 127);
        recode(codes + 16 * s, x + 16 * s, 16, d * (float)b->scales[s], 0, -32, 31);
    }
    for (size_t l = 0; l < 64; l++) {
        const uint8_t *c = codes + l / 32 * 128 + l % 32;
        uint8_t *ql = b->ql + l / 32 * 64 + l % 32;
        ql[0] = (uint8_t)((c[0] & 15) | c[64] << 4);
        ql[32] = (uint8_t)((c[32] & 15) | c[96] << 4);
        b->qh[l] = (uint8_t)(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
}

void block_q6_k_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q6_k *b = dst;
    for (size_t at = 0; at < n; at += N)
        quant_q6_k(b++, src + at, importance ? importance + at : NULL);
}

/* ---- IQ4_XS ------------------------------------------------------------------------------- */

static void quant_iq4_xs(struct block_iq4_xs *b, const float *x, const float *importance)
{
    float w[N], scale[WIDE_SUBS];
    if (importance)
        block_error_weights(w, x, importance, N, block_sum_squares(x, N) * (2.0f / N));
    else
        for (size_t i = 0; i < N; i++) w[i] = x[i] * x[i];
    fit_iq4(x, w, WIDE_SUBS, scale);
    /* As in the reference, codes are chosen with d before it is rounded to a half. */
    float d = -extreme_of(scale, WIDE_SUBS) / 32, inverse = d != 0 ? 1.0f / d : 0;
    put_half(b->d, d);
    memset(b->scales_l, 0, sizeof b->scales_l);
    unsigned high = 0;
    for (unsigned s = 0; s < WIDE_SUBS; s++) {
        int l = fit_round(inverse * scale[s], -32, 31);
        unsigned bits = (unsigned)(l + 32);
        float ds = d * (float)l;
        uint8_t codes[32];
        fit_iq4_codes(x + 32 * s, 32, ds != 0 ? 1.0f / ds : 0, codes);
        for (size_t j = 0; j < 16; j++)
            b->qs[16 * s + j] = (uint8_t)(codes[j] | codes[j + 16] << 4);
        b->scales_l[s / 2] |= (uint8_t)((bits & 15) << (s % 2 * 4));
        high |= (bits >> 4) << (2 * s);
    }
    b->scales_h[0] = (uint8_t)high;
    b->scales_h[1] = (uint8_t)(high >> 8);
}

void block_iq4_xs_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_iq4_xs *b = dst;
    for (size_t at = 0; at < n; at += N)
        quant_iq4_xs(b++, src + at, importance ? importance + at : NULL);
}
