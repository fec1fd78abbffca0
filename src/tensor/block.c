/* block.c - decoding of the 32-element formats and the K formats to f32.
 *
 * Every loop has a fixed length and no branch inside, so that the compiler can turn it into
 * vector code. The order of operations is part of the format's definition: scale products are
 * rounded first ((d s), (dmin m)), then multiplied by the small integer, then the minimum is
 * subtracted; nothing is fused. With that order the values are those of ggml's own expansion.
 */
#include "tensor/block.h"

#include "base/size.h"
#include "tensor/dtype.h"

const int8_t block_iq4_value[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};
const int8_t block_fp4_value[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q4_1) == 20, "layout");
_Static_assert(sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24, "layout");
_Static_assert(sizeof(struct block_q8_0) == 34 && sizeof(struct block_mxfp4) == 17, "layout");
_Static_assert(sizeof(struct block_q2_k) == 84 && sizeof(struct block_q3_k) == 110, "layout");
_Static_assert(sizeof(struct block_q4_k) == 144 && sizeof(struct block_q5_k) == 176, "layout");
_Static_assert(sizeof(struct block_q6_k) == 210 && sizeof(struct block_iq4_xs) == 136,
               "layout");

static float half(const uint8_t p[2])
{
    return f16_to_f32(load_le16(p));
}

/* ---- 32 elements -------------------------------------------------------------------------- */

void block_q4_0_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q4_0 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL) {
        float d = half(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((b->qs[j] & 15) - 8);
            dst[j + 16] = d * (float)((b->qs[j] >> 4) - 8);
        }
    }
}

void block_q4_1_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q4_1 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL) {
        float d = half(b->d), m = half(b->m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)(b->qs[j] & 15) + m;
            dst[j + 16] = d * (float)(b->qs[j] >> 4) + m;
        }
    }
}

/* The 32 five-bit codes of Q5_0 and Q5_1. */
static void codes5(int32_t out[32], const uint8_t qs[16], const uint8_t qh[4])
{
    uint32_t high = load_le32(qh);
    for (int j = 0; j < 16; j++) {
        out[j] = (int32_t)((uint32_t)(qs[j] & 15) | (high >> j & 1) << 4);
        out[j + 16] = (int32_t)((uint32_t)(qs[j] >> 4) | (high >> (j + 16) & 1) << 4);
    }
}

void block_q5_0_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q5_0 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL) {
        float d = half(b->d);
        int32_t q[32];
        codes5(q, b->qs, b->qh);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)(q[j] - 16);
    }
}

void block_q5_1_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q5_1 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL) {
        float d = half(b->d), m = half(b->m);
        int32_t q[32];
        codes5(q, b->qs, b->qh);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)q[j] + m;
    }
}

void block_q8_0_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q8_0 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL) {
        float d = half(b->d);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)b->qs[j];
    }
}

/* 32 values from a table of 16 by the nibbles of qs. */
static void lookup32(float *dst, const uint8_t qs[16], float scale, const int8_t table[16])
{
    for (int j = 0; j < 16; j++) {
        dst[j] = scale * (float)table[qs[j] & 15];
        dst[j + 16] = scale * (float)table[qs[j] >> 4];
    }
}

void block_iq4_nl_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_iq4_nl *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL)
        lookup32(dst, b->qs, half(b->d), block_iq4_value);
}

/* 2^(e-128), a denormal for e < 2. All 256 codes are finite: the format has no NaN. */
static float half_e8m0(uint8_t e)
{
    return f32_from_bits(e < 2 ? (uint32_t)0x200000 << e : (uint32_t)(e - 1) << 23);
}

void block_mxfp4_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_mxfp4 *b = src;
    for (size_t i = 0; i < n_block; i++, b++, dst += BLOCK_SMALL)
        lookup32(dst, b->qs, half_e8m0(b->e), block_fp4_value);
}

/* ---- 256 elements ------------------------------------------------------------------------- */

void block_q2_k_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q2_k *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (size_t s = 0; s < 16; s++, dst += 16) {
            const uint8_t *q = b->qs + s / 8 * 32 + s % 2 * 16;
            int shift = (int)(s / 2 % 4) * 2;
            float scale = d * (float)(b->scales[s] & 15);
            float min = dmin * (float)(b->scales[s] >> 4);
            for (int l = 0; l < 16; l++) dst[l] = scale * (float)(q[l] >> shift & 3) - min;
        }
    }
}

void block_q3_k_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q3_k *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d);
        for (size_t s = 0; s < 16; s++, dst += 16) {
            const uint8_t *q = b->qs + s / 8 * 32 + s % 2 * 16;
            const uint8_t *h = b->hmask + s % 2 * 16;
            int shift = (int)(s / 2 % 4) * 2, bit = (int)(s / 2);
            float scale = d * (float)block_q3_k_scale(b->scales, s);
            for (int l = 0; l < 16; l++) {
                int code = (q[l] >> shift & 3) | (h[l] >> bit & 1) << 2;
                dst[l] = scale * (float)(code - 4);
            }
        }
    }
}

void block_q4_k_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q4_k *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (size_t s = 0; s < 8; s++, dst += 32) {
            const uint8_t *q = b->qs + s / 2 * 32;
            int shift = (int)(s % 2) * 4, sc, m;
            block_k4_scale(b->scales, s, &sc, &m);
            float scale = d * (float)sc, min = dmin * (float)m;
            for (int l = 0; l < 32; l++) dst[l] = scale * (float)(q[l] >> shift & 15) - min;
        }
    }
}

void block_q5_k_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q5_k *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (size_t s = 0; s < 8; s++, dst += 32) {
            const uint8_t *q = b->qs + s / 2 * 32;
            int shift = (int)(s % 2) * 4, bit = (int)s, sc, m;
            block_k4_scale(b->scales, s, &sc, &m);
            float scale = d * (float)sc, min = dmin * (float)m;
            for (int l = 0; l < 32; l++) {
                int code = (q[l] >> shift & 15) | (b->qh[l] >> bit & 1) << 4;
                dst[l] = scale * (float)code - min;
            }
        }
    }
}

void block_q6_k_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_q6_k *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d);
        for (size_t s = 0; s < 16; s++, dst += 16) {
            size_t part = s / 8, k = s / 2 % 4, l0 = s % 2 * 16;
            const uint8_t *ql = b->ql + 64 * part + 32 * (k % 2) + l0;
            const uint8_t *qh = b->qh + 32 * part + l0;
            int shift_l = (int)(k / 2) * 4, shift_h = (int)k * 2;
            float scale = d * (float)b->scales[s];
            for (int l = 0; l < 16; l++) {
                int code = (ql[l] >> shift_l & 15) | (qh[l] >> shift_h & 3) << 4;
                dst[l] = scale * (float)(code - 32);
            }
        }
    }
}

void block_iq4_xs_to_f32(const void *src, float *dst, size_t n_block)
{
    const struct block_iq4_xs *b = src;
    for (size_t i = 0; i < n_block; i++, b++) {
        float d = half(b->d);
        unsigned high = load_le16(b->scales_h);
        for (unsigned s = 0; s < 8; s++, dst += 32) {
            unsigned low = b->scales_l[s / 2] >> (4 * (s % 2)) & 15;
            int scale = (int)(low | (high >> (2 * s) & 3) << 4) - 32;
            lookup32(dst, b->qs + 16 * s, d * (float)scale, block_iq4_value);
        }
    }
}
