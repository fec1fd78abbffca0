/* block_quant.c - encoding of the 32-element formats.
 *
 * Q4_0 and Q5_0 take the number of largest magnitude to the lowest code, Q4_1 and Q5_1 span
 * minimum to maximum, Q8_0 divides by max/127; with an importance matrix the first four search
 * (block_fit.h). IQ4_NL always searches. MXFP4 takes the power of two under the largest number.
 */
#include "tensor/block_quant.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "tensor/block.h"
#include "tensor/block_fit.h"
#include "tensor/dtype.h"

enum { BATCH = 4 }; /* blocks searched at once, as many as block_fit.c has lanes */

static void put16(uint8_t p[2], uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

/* The bytes of 32 nibbles; higher bits of the codes are left out. */
static void pack4(uint8_t qs[16], const uint8_t codes[32])
{
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((codes[j] & 15) | codes[j + 16] << 4);
}

static void pack_high(uint8_t qh[4], const uint8_t codes[32])
{
    uint32_t bits = 0;
    for (int j = 0; j < 32; j++) bits |= (uint32_t)(codes[j] >> 4 & 1) << j;
    memcpy(qh, &bits, sizeof bits);
}

float block_sum_squares(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
}

void block_error_weights(float *w, const float *x, const float *importance, size_t n,
                         float power)
{
    for (size_t i = 0; i < n; i++) w[i] = importance[i] * sqrtf(power + x[i] * x[i]);
}

/* Codes of 32 numbers: the integer part of x * inverse + offset, within 0..top. */
static void truncate_codes(uint8_t codes[32], const float *x, float min, float inverse,
                           float offset, float top)
{
    for (int j = 0; j < BLOCK_SMALL; j++) {
        float v = (x[j] - min) * inverse + offset;
        v = v > 0 ? v : 0;
        v = v < top ? v : top;
        codes[j] = (uint8_t)(int32_t)v;
    }
}

/* ---- Q4_0, Q5_0 --------------------------------------------------------------------------- */

/* One block around zero with codes 0..2 top - 1; returns d. */
static float quant_signed(uint8_t codes[32], const float *x, int top)
{
    float extreme = 0;
    for (int j = 0; j < BLOCK_SMALL; j++) {
        if (fabsf(x[j]) > fabsf(extreme)) extreme = x[j];
    }
    float d = extreme / (float)-top, inverse = d != 0 ? 1.0f / d : 0;
    truncate_codes(codes, x, 0, inverse, (float)top + 0.5f, (float)(2 * top - 1));
    return d;
}

/* Scales and codes of up to BATCH blocks. */
static void quant_signed_batch(float *d, uint8_t *codes, const float *x, size_t n_block,
                               int top, const float *importance, float power)
{
    if (importance) {
        float w[BATCH * BLOCK_SMALL];
        block_error_weights(w, x, importance, n_block * BLOCK_SMALL, power);
        fit_signed(top, x, w, n_block, BLOCK_SMALL, d, codes);
        return;
    }
    for (size_t k = 0; k < n_block; k++)
        d[k] = quant_signed(codes + k * BLOCK_SMALL, x + k * BLOCK_SMALL, top);
}

/* The mean square of a row, wanted only for weights. */
static float row_power(const float *x, size_t n, const float *importance)
{
    return importance ? block_sum_squares(x, n) / (float)n : 0;
}

void block_q4_0_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q4_0 *b = dst;
    float power = row_power(src, n, importance);
    for (size_t at = 0; at < n; at += BATCH * BLOCK_SMALL) {
        float d[BATCH];
        uint8_t codes[BATCH * BLOCK_SMALL];
        size_t nb = size_min(BATCH, (n - at) / BLOCK_SMALL);
        quant_signed_batch(d, codes, src + at, nb, 8, importance ? importance + at : NULL,
                           power);
        for (size_t k = 0; k < nb; k++, b++) {
            put16(b->d, f16_from_f32(d[k]));
            pack4(b->qs, codes + k * BLOCK_SMALL);
        }
    }
}

void block_q5_0_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q5_0 *b = dst;
    float power = row_power(src, n, importance);
    for (size_t at = 0; at < n; at += BATCH * BLOCK_SMALL) {
        float d[BATCH];
        uint8_t codes[BATCH * BLOCK_SMALL];
        size_t nb = size_min(BATCH, (n - at) / BLOCK_SMALL);
        quant_signed_batch(d, codes, src + at, nb, 16, importance ? importance + at : NULL,
                           power);
        for (size_t k = 0; k < nb; k++, b++) {
            put16(b->d, f16_from_f32(d[k]));
            pack4(b->qs, codes + k * BLOCK_SMALL);
            pack_high(b->qh, codes + k * BLOCK_SMALL);
        }
    }
}

/* ---- Q4_1, Q5_1 --------------------------------------------------------------------------- */

/* One block from minimum to maximum with codes 0..top. */
static void quant_affine(float *d, float *m, uint8_t codes[32], const float *x, int top)
{
    float min = FLT_MAX, max = -FLT_MAX;
    for (int j = 0; j < BLOCK_SMALL; j++) {
        min = x[j] < min ? x[j] : min;
        max = x[j] > max ? x[j] : max;
    }
    *d = (max - min) / (float)top;
    *m = min;
    truncate_codes(codes, x, min, *d != 0 ? 1.0f / *d : 0, 0.5f, (float)top);
}

static void quant_affine_batch(float *d, float *m, uint8_t *codes, const float *x,
                               size_t n_block, int top, const float *importance, float power)
{
    if (importance) {
        const struct fit_affine fit = {(float)top, -0.9f, 0.05f, 36, false};
        float w[BATCH * BLOCK_SMALL];
        block_error_weights(w, x, importance, n_block * BLOCK_SMALL, power);
        fit_affine(&fit, x, w, n_block, BLOCK_SMALL, d, m, codes);
        for (size_t k = 0; k < n_block; k++) m[k] = -m[k];
        return;
    }
    for (size_t k = 0; k < n_block; k++)
        quant_affine(&d[k], &m[k], codes + k * BLOCK_SMALL, x + k * BLOCK_SMALL, top);
}

void block_q4_1_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q4_1 *b = dst;
    float power = row_power(src, n, importance);
    for (size_t at = 0; at < n; at += BATCH * BLOCK_SMALL) {
        float d[BATCH], m[BATCH];
        uint8_t codes[BATCH * BLOCK_SMALL];
        size_t nb = size_min(BATCH, (n - at) / BLOCK_SMALL);
        quant_affine_batch(d, m, codes, src + at, nb, 15, importance ? importance + at : NULL,
                           power);
        for (size_t k = 0; k < nb; k++, b++) {
            put16(b->d, f16_from_f32(d[k]));
            put16(b->m, f16_from_f32(m[k]));
            pack4(b->qs, codes + k * BLOCK_SMALL);
        }
    }
}

void block_q5_1_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_q5_1 *b = dst;
    float power = row_power(src, n, importance);
    for (size_t at = 0; at < n; at += BATCH * BLOCK_SMALL) {
        float d[BATCH], m[BATCH];
        uint8_t codes[BATCH * BLOCK_SMALL];
        size_t nb = size_min(BATCH, (n - at) / BLOCK_SMALL);
        quant_affine_batch(d, m, codes, src + at, nb, 31, importance ? importance + at : NULL,
                           power);
        for (size_t k = 0; k < nb; k++, b++) {
            put16(b->d, f16_from_f32(d[k]));
            put16(b->m, f16_from_f32(m[k]));
            pack4(b->qs, codes + k * BLOCK_SMALL);
            pack_high(b->qh, codes + k * BLOCK_SMALL);
        }
    }
}

/* ---- Q8_0, IQ4_NL, MXFP4 ------------------------------------------------------------------ */

/* Nearest integer, halves away from zero, in -127..127. Adding one half would be wrong for the
 * float just below it, so the fraction is looked at. */
static int8_t round_away(float v)
{
    v = v > -127 ? v : -127;
    v = v < 127 ? v : 127;
    int32_t whole = (int32_t)v;
    float rest = v - (float)whole;
    return (int8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
}

void block_q8_0_from_f32(const float *src, void *dst, size_t n)
{
    struct block_q8_0 *b = dst;
    for (size_t at = 0; at < n; at += BLOCK_SMALL, b++) {
        const float *x = src + at;
        float max = 0;
        for (int j = 0; j < BLOCK_SMALL; j++) max = fabsf(x[j]) > max ? fabsf(x[j]) : max;
        float d = max / 127, inverse = d != 0 ? 1.0f / d : 0;
        put16(b->d, f16_from_f32(d));
        for (int j = 0; j < BLOCK_SMALL; j++) b->qs[j] = round_away(x[j] * inverse);
    }
}

void block_iq4_nl_from_f32(const float *src, void *dst, size_t n, const float *importance)
{
    struct block_iq4_nl *b = dst;
    for (size_t at = 0; at < n; at += BATCH * BLOCK_SMALL) {
        float d[BATCH], w[BATCH * BLOCK_SMALL];
        size_t nb = size_min(BATCH, (n - at) / BLOCK_SMALL);
        for (size_t k = 0; k < nb; k++) {
            const float *x = src + at + k * BLOCK_SMALL;
            float *wk = w + k * BLOCK_SMALL;
            if (importance)
                block_error_weights(wk, x, importance + at + k * BLOCK_SMALL, BLOCK_SMALL,
                                    block_sum_squares(x, BLOCK_SMALL) * (2.0f / BLOCK_SMALL));
            else
                for (int j = 0; j < BLOCK_SMALL; j++) wk[j] = x[j] * x[j];
        }
        fit_iq4(src + at, w, nb, d);
        for (size_t k = 0; k < nb; k++, b++) {
            uint8_t codes[BLOCK_SMALL];
            put16(b->d, f16_from_f32(d[k]));
            fit_iq4_codes(src + at + k * BLOCK_SMALL, BLOCK_SMALL, d[k] != 0 ? 1.0f / d[k] : 0,
                          codes);
            pack4(b->qs, codes);
        }
    }
}

/* The code of v in units of half the block's scale: midpoints go to the smaller magnitude, and
 * what rounds to zero is +0. */
static uint8_t fp4_code(float v)
{
    static const float mid[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    int q = 0;
    for (int k = 0; k < 7; k++) q += fabsf(v) > mid[k];
    return (uint8_t)(v < 0 && q > 0 ? q + 8 : q);
}

void block_mxfp4_from_f32(const float *src, void *dst, size_t n)
{
    struct block_mxfp4 *b = dst;
    for (size_t at = 0; at < n; at += BLOCK_SMALL, b++) {
        const float *x = src + at;
        float max = 0;
        uint8_t codes[BLOCK_SMALL];
        for (int j = 0; j < BLOCK_SMALL; j++) max = fabsf(x[j]) > max ? fabsf(x[j]) : max;
        /* floor(log2(max)) is in the exponent field; 4 * 2^(e-127) is the block's top binade */
        int e = (int)(f32_bits(max) >> 23) - 2;
        b->e = (uint8_t)(e > 0 ? e : 0);
        for (int j = 0; j < BLOCK_SMALL; j++) codes[j] = fp4_code(ldexpf(x[j], 128 - b->e));
        pack4(b->qs, codes);
    }
}
