/* block_iq.c - decoding of the IQ formats: lattice points, sign bytes and sub-block scales.
 *
 * A block is 256 numbers in 32 parts of 8 (`l` counts parts). Where two parts of four make up
 * the eight numbers, elements 0..3 come from the first point. Fields by byte offset:
 *
 *   IQ2_XXS 66   0 d, 2 eight groups of { 4 point numbers, u32: four 7-bit signs, 4-bit scale }
 *   IQ2_XS  74   0 d, 2 u16[32]: 9-bit point, 7-bit sign; 66 scales[8], a nibble for two parts
 *   IQ2_S   82   0 d, 2 points[32], 34 signs[32], 66 2 high bits of each point [8], 74 scales[8]
 *   IQ3_XXS 98   0 d, 2 points[64], 66 u32[8]: four 7-bit signs, 4-bit scale
 *   IQ3_S   110  0 d, 2 points[64], 66 high bit of each point [8], 74 signs[32], 106 scales[4]
 *   IQ1_S   50   0 d, 2 points[32], 34 u16[8]: 4 x 3 high bits, 3-bit scale, sign of the shift
 *   IQ1_M   56   0 points[32], 32 nibble a part: 3 high bits, sign of the shift; 48 u16[4]: 3-bit
 *                scale of two parts, and 4 bits each of the half d
 *
 * Source: models.md 13.7.
 */
#include "tensor/block_iq.h"

#include "base/size.h"
#include "tensor/block.h"
#include "tensor/dtype.h"

enum { N_PART = 32, PART = 8 };

static float half(const uint8_t *p)
{
    return f16_to_f32(load_le16(p));
}

void block_grid_2(uint16_t code, int8_t out[8])
{
    static const int8_t value[4] = {8, 25, 43, 0}; /* field 3 does not occur */
    for (int j = 0; j < 8; j++) out[j] = value[code >> (2 * j) & 3];
}

void block_grid_3_xxs(uint16_t code, int8_t out[4])
{
    static const int8_t value[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    for (int j = 0; j < 4; j++) out[j] = value[code >> (3 * j) & 7];
}

void block_grid_3_s(uint16_t code, int8_t out[4])
{
    for (int j = 0; j < 4; j++) out[j] = (int8_t)(2 * (code >> (3 * j) & 7) + 1);
}

void block_grid_1(uint16_t code, int8_t out[8])
{
    for (int j = 0; j < 8; j++) out[j] = (int8_t)((code >> (2 * j) & 3) - 1);
}

uint8_t block_grid_signs(unsigned index)
{
    unsigned i = index & 127, odd = i ^ i >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return (uint8_t)(i | (odd & 1) << 7);
}

/* Eight values: scale * magnitude, negated where the sign bit is set. */
static void put_signed(float *dst, float scale, const int8_t grid[8], uint8_t signs)
{
    for (int j = 0; j < PART; j++) {
        uint32_t sign = (uint32_t)(signs >> j & 1) << 31;
        dst[j] = f32_from_bits(f32_bits(scale * (float)grid[j]) ^ sign);
    }
}

/* Eight values: scale * (point + shift). */
static void put_shifted(float *dst, float scale, uint16_t code, float shift)
{
    int8_t grid[8];
    block_grid_1(code, grid);
    for (int j = 0; j < PART; j++) dst[j] = scale * ((float)grid[j] + shift);
}

/* The scale of the 2-bit formats from its nibble. */
static float scale_2(float d, unsigned nibble)
{
    return d * (0.5f + (float)nibble) * 0.25f;
}

void block_iq2_xxs_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 66) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            const uint8_t *group = b + 2 + 8 * (l / 4);
            uint32_t a = load_le32(group + 4);
            int8_t grid[8];
            block_grid_2(block_grid2_xxs[group[l % 4]], grid);
            put_signed(dst, scale_2(d, a >> 28), grid, block_grid_signs(a >> 7 * (l % 4)));
        }
    }
}

void block_iq2_xs_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 74) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            unsigned q = load_le16(b + 2 + 2 * l);
            unsigned nibble = b[66 + l / 4] >> (l % 4 / 2 * 4) & 15;
            int8_t grid[8];
            block_grid_2(block_grid2_xs[q & 511], grid);
            put_signed(dst, scale_2(d, nibble), grid, block_grid_signs(q >> 9));
        }
    }
}

void block_iq2_s_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 82) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            unsigned high = b[66 + l / 4] >> (l % 4 * 2) & 3;
            unsigned nibble = b[74 + l / 4] >> (l % 4 / 2 * 4) & 15;
            int8_t grid[8];
            block_grid_2(block_grid2_s[b[2 + l] | high << 8], grid);
            put_signed(dst, scale_2(d, nibble), grid, b[34 + l]);
        }
    }
}

void block_iq3_xxs_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 98) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            uint32_t a = load_le32(b + 66 + 4 * (l / 4));
            float scale = d * (0.5f + (float)(a >> 28)) * 0.5f;
            int8_t grid[8];
            block_grid_3_xxs(block_grid3_xxs[b[2 + 2 * l]], grid);
            block_grid_3_xxs(block_grid3_xxs[b[3 + 2 * l]], grid + 4);
            put_signed(dst, scale, grid, block_grid_signs(a >> 7 * (l % 4)));
        }
    }
}

void block_iq3_s_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 110) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            unsigned high = b[66 + l / 4] >> (l % 4 * 2);
            unsigned nibble = b[106 + l / 8] >> (l / 4 % 2 * 4) & 15;
            int8_t grid[8];
            block_grid_3_s(block_grid3_s[b[2 + 2 * l] | (high & 1) << 8], grid);
            block_grid_3_s(block_grid3_s[b[3 + 2 * l] | (high >> 1 & 1) << 8], grid + 4);
            put_signed(dst, d * (float)(1 + 2 * nibble), grid, b[74 + l]);
        }
    }
}

void block_iq1_s_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 50) {
        float d = half(b);
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            unsigned h = load_le16(b + 34 + 2 * (l / 4));
            unsigned point = b[2 + l] | (h >> 3 * (l % 4) & 7) << 8;
            float scale = d * (float)(2 * (h >> 12 & 7) + 1);
            put_shifted(dst, scale, block_grid1[point], h >> 15 ? -0.125f : 0.125f);
        }
    }
}

void block_iq1_m_to_f32(const void *src, float *dst, size_t n_block)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n_block; i++, b += 56) {
        unsigned s[4];
        for (int k = 0; k < 4; k++) s[k] = load_le16(b + 48 + 2 * k);
        float d = f16_to_f32(
            (f16)(s[0] >> 12 | (s[1] >> 8 & 0xf0) | (s[2] >> 4 & 0xf00) | (s[3] & 0xf000)));
        for (unsigned l = 0; l < N_PART; l++, dst += PART) {
            unsigned h = b[32 + l / 2] >> (l % 2 * 4) & 15;
            unsigned scale = s[l / 8] >> (l / 2 % 4 * 3) & 7;
            put_shifted(dst, d * (float)(2 * scale + 1), block_grid1[b[l] | (h & 7) << 8],
                        h >> 3 ? -0.125f : 0.125f);
        }
    }
}
