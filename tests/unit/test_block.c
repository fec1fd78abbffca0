/* test_block.c - block formats: decoding, encoding, tables.
 *
 * Decoding is checked twice: blocks put together by hand, with the answer worked out in the
 * comment, and random blocks of every type against a second implementation that computes one
 * element at a time from the formulas of models.md 13 and shares nothing with src/tensor but
 * the lattice codes, whose MD5 sums are checked here. Encoding is checked by its properties:
 * the code chosen is the nearest one for the scales that were stored, the error of normal
 * numbers is what the format's step allows, blocks do not depend on their neighbours,
 * importance lowers the error it weighs. Bytes are compared with the reference quantiser's in
 * tests/golden.
 */
#include "../test.h"

#include <inttypes.h>
#include <openssl/evp.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/size.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"
#include "tensor/dtype.h"

enum { MAX_BYTES = 210 };

/* ---- by hand ------------------------------------------------------------------------------ */

static void decode_one(enum dtype dt, const void *block, float *y)
{
    dtype_row_to_f32(dt, block, y, dtype_block_len(dt));
}

static void hand_small(void **state)
{
    (void)state;
    float y[32];
    /* Q4_0: d = 0.5 (0x3800); byte 0 = 0xf0: element 0 has code 0, element 16 code 15. */
    uint8_t q4_0[18] = {0x00, 0x38, 0xf0, 0x88};
    decode_one(DT_Q4_0, q4_0, y);
    assert_true(y[0] == 0.5f * (0 - 8) && y[16] == 0.5f * (15 - 8));
    assert_true(y[1] == 0 && y[17] == 0 && y[2] == -4); /* 8 is zero; a zero byte is -8 twice */

    /* Q5_1: d = 2 (0x4000), m = -1 (0xbc00); bits 0 and 31 of qh raise elements 0 and 31 by 16;
     * byte 15 = 0x21: element 15 code 1, element 31 code 2 + 16. */
    uint8_t q5_1[24] = {0x00, 0x40, 0x00, 0xbc, 0x01, 0x00, 0x00, 0x80};
    q5_1[8 + 15] = 0x21;
    decode_one(DT_Q5_1, q5_1, y);
    assert_true(y[0] == 2 * 16 - 1 && y[1] == -1 && y[15] == 2 * 1 - 1 && y[31] == 2 * 18 - 1);

    /* Q8_0: d = 2^-24, the smallest half (0x0001). */
    uint8_t q8_0[34] = {0x01, 0x00, 0x80, 0x7f};
    decode_one(DT_Q8_0, q8_0, y);
    assert_true(y[0] == -128 * 0x1p-24f && y[1] == 127 * 0x1p-24f);

    /* MXFP4: e = 127 is 2^0; 0x7f: low nibble 15 = -6, high nibble 7 = +6; 0x91: +-0.5 */
    uint8_t fp4[17] = {127, 0x7f, 0x91};
    decode_one(DT_MXFP4, fp4, y);
    assert_true(y[0] == -6 && y[16] == 6 && y[1] == 0.5f && y[17] == -0.5f && y[2] == 0);
    fp4[0] = 0; /* 2^-127: a denormal, and half of it for the code 1 */
    decode_one(DT_MXFP4, fp4, y);
    assert_true(y[16] == 6 * 0x1p-127f && y[1] == 0x1p-128f);

    /* IQ4_NL: d = 1; codes 0 and 15 are the ends of the table. */
    uint8_t nl[18] = {0x00, 0x3c, 0xf0};
    decode_one(DT_IQ4_NL, nl, y);
    assert_true(y[0] == -127 && y[16] == 113 && y[1] == -127);
}

static void hand_super(void **state)
{
    (void)state;
    float y[256];
    /* Q2_K: d = 1, dmin = 0.5; sub-block 3 (elements 48..63) has scale 5, minimum 2. Element
     * 50 is l = 18 of j = 1: bits 2..3 of qs[18]. */
    uint8_t q2[84] = {0};
    q2[3] = 0x25;
    q2[16 + 18] = 3 << 2;
    q2[81] = 0x3c;
    q2[83] = 0x38;
    decode_one(DT_Q2_K, q2, y);
    assert_true(y[50] == 5 * 3 - 0.5f * 2 && y[49] == -1 && y[0] == 0);

    /* Q3_K: d = 1; sub-block 9 (elements 144..159): low bits in the high nibble of sc[1], high
     * bits at 2 (9/4) = 4 of sc[9]. 0x5 and 2: 0x25 - 32 = 5. Element 145 is n = 1, j = 0, l =
     * 17: qs[49] bits 0..1 = 2, hmask[17] bit 4 set: 2; element 146 without the bit: 0 - 4. */
    uint8_t q3[110] = {0};
    q3[96 + 1] = 0x50;
    q3[96 + 9] = 2 << 4;
    q3[32 + 49] = 2;
    q3[17] = 1 << 4;
    q3[109] = 0x3c;
    decode_one(DT_Q3_K, q3, y);
    assert_true(y[145] == 5 * 2 && y[146] == 5 * -4);
    assert_true(y[0] == -32 * -4); /* sub-block 0 has scale bits 0: -32 */

    /* Q4_K: d = 1, dmin = 1; sub-block 5: scale (s[9] & 15) | s[1] >> 6 << 4 = 3 | 1 << 4 = 19,
     * minimum s[9] >> 4 | s[5] >> 6 << 4 = 2 | 2 << 4 = 34. Element 160 is the high nibble of
     * qs[64]: 7. */
    uint8_t q4[144] = {0x00, 0x3c, 0x00, 0x3c};
    q4[4 + 9] = 0x23;
    q4[4 + 1] = 1 << 6;
    q4[4 + 5] = 2 << 6;
    q4[16 + 64] = 0x70;
    decode_one(DT_Q4_K, q4, y);
    assert_true(y[160] == 19 * 7 - 34 && y[161] == -34 && y[0] == 0);

    /* Q5_K: the same scales; bit 5 of qh[0] adds 16 to element 160. */
    uint8_t q5[176] = {0};
    memcpy(q5, q4, 16);
    q5[16] = 1 << 5;
    q5[48 + 64] = 0x70;
    decode_one(DT_Q5_K, q5, y);
    assert_true(y[160] == 19 * (7 + 16) - 34);

    /* Q6_K: d = 0.25; element 128 + 32 * 3 + 20 = 244: high nibble of ql[64 + 32 + 20], bits
     * 6..7 of qh[32 + 20], scale 8 + 6 + 1 = 15. 0xa | 2 << 4 = 42, 42 - 32 = 10, scale -3. */
    uint8_t q6[210] = {0};
    q6[116] = 0xa0;
    q6[128 + 52] = 2 << 6;
    q6[192 + 15] = (uint8_t)-3;
    q6[209] = 0x34;
    decode_one(DT_Q6_K, q6, y);
    assert_true(y[244] == 0.25f * -3 * 10 && y[245] == 0.25f * -3 * -32);

    /* IQ4_XS: d = 1; sub-block 7: low nibble 0xe from sl[3] >> 4, high bits sh >> 14 = 2:
     * 0x2e - 32 = 14. Element 224 + 16 + 1: high nibble of qs[113] = 8 -> 1. */
    uint8_t xs[136] = {0x00, 0x3c, 0x00, 0x80, 0, 0, 0, 0xe0};
    xs[8 + 113] = 0x80;
    decode_one(DT_IQ4_XS, xs, y);
    assert_true(y[241] == 14 * 1 && y[240] == 14 * -127 && y[0] == -32 * -127);

    /* IQ2_XXS: d = 1; group 0: point 1 of part 0 is code 0x0002: 43 in element 0, else 8.
     * Signs index 1 in part 0: bit 0, and bit 7 for even parity. Scale nibble 3: (0.5 + 3) /
     * 4. */
    uint8_t x2[66] = {0x00, 0x3c, 1, 0, 0, 0, 1, 0, 0, 0x30};
    decode_one(DT_IQ2_XXS, x2, y);
    assert_true(y[0] == -43 * 0.875f && y[1] == 8 * 0.875f && y[7] == -8 * 0.875f);
    assert_true(y[32] == 8 * 0.125f);

    /* IQ1_S: d = 1; group 1: bit 15 set, scale bits 2: 5, high bits 0. Point 1 is code 0x0002:
     * element 8 of the group (part 1) is 1 - 0.125, the others -1 - 0.125. */
    uint8_t x1[50] = {0x00, 0x3c};
    x1[2 + 5] = 1;
    x1[34 + 3] = 0x80 | 2 << 4;
    decode_one(DT_IQ1_S, x1, y);
    assert_true(y[40] == 5 * 0.875f && y[41] == 5 * -1.125f && y[0] == -0.875f);
}

/* ---- element by element ------------------------------------------------------------------- */

/* y = scale * value - min, as every format but the lattice ones has it; code is what value
 * comes from, 0..n_code - 1. */
struct part {
    float scale, min;
    int code, n_code;
};

static float half_at(const uint8_t *p)
{
    return f16_to_f32(load_le16(p));
}

static float code_value(enum dtype dt, int code)
{
    static const int k[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};
    static const float f[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    switch ((int)dt) {
    case DT_Q4_0: return (float)(code - 8);
    case DT_Q5_0: return (float)(code - 16);
    case DT_Q8_0: return (float)(code - 128);
    case DT_Q3_K: return (float)(code - 4);
    case DT_Q6_K: return (float)(code - 32);
    case DT_IQ4_NL:
    case DT_IQ4_XS: return (float)k[code];
    case DT_MXFP4: return code < 8 ? f[code] : -f[code - 8];
    default: return (float)code; /* Q4_1 Q5_1 Q2_K Q4_K Q5_K */
    }
}

static struct part part_small(enum dtype dt, const uint8_t *b, size_t i)
{
    struct part p = {half_at(b), 0, 0, 16};
    size_t head = dtype_block_bytes(dt) - 16, j = i % 16;
    int nib = i < 16 ? b[head + j] & 15 : b[head + j] >> 4;
    p.code = nib;
    if (dt == DT_Q8_0) {
        p.code = (int8_t)b[2 + i] + 128;
        p.n_code = 256;
    }
    if (dt == DT_MXFP4) p.scale = ldexpf(1, b[0] - 127);
    if (dt == DT_Q4_1 || dt == DT_Q5_1) p.min = -half_at(b + 2);
    if (dt == DT_Q5_0 || dt == DT_Q5_1) {
        p.code |= (int)(load_le32(b + head - 4) >> i & 1) << 4;
        p.n_code = 32;
    }
    return p;
}

static struct part part_super(enum dtype dt, const uint8_t *b, size_t i)
{
    struct part p = {0, 0, 0, 16};
    size_t n = i / 128, j = i % 128 / 32, l = i % 32, s = i / 16, sub = i / 32;
    if (dt == DT_Q2_K) {
        p.scale = half_at(b + 80) * (float)(b[s] & 15);
        p.min = half_at(b + 82) * (float)(b[s] >> 4);
        p.code = b[16 + 32 * n + l] >> (2 * j) & 3;
        p.n_code = 4;
    } else if (dt == DT_Q3_K) {
        const uint8_t *sc = b + 96;
        int low = s < 8 ? sc[s] & 15 : sc[s - 8] >> 4;
        int high = sc[8 + (s & 3)] >> (2 * (s >> 2)) & 3;
        p.scale = half_at(b + 108) * (float)((low | high << 4) - 32);
        p.code = (b[32 + 32 * n + l] >> (2 * j) & 3) + (b[l] >> (4 * n + j) & 1) * 4;
        p.n_code = 8;
    } else if (dt == DT_Q4_K || dt == DT_Q5_K) {
        const uint8_t *k = b + 4, *qs = b + (dt == DT_Q4_K ? 16 : 48);
        int sc = sub < 4 ? k[sub] & 63 : (k[sub + 4] & 15) | (k[sub - 4] >> 6) << 4;
        int m = sub < 4 ? k[sub + 4] & 63 : (k[sub + 4] >> 4) | (k[sub] >> 6) << 4;
        p.scale = half_at(b) * (float)sc;
        p.min = half_at(b + 2) * (float)m;
        p.code = qs[32 * (i / 64) + l] >> (sub % 2 * 4) & 15;
        if (dt == DT_Q5_K) {
            p.code |= (b[16 + l] >> sub & 1) << 4;
            p.n_code = 32;
        }
    } else if (dt == DT_Q6_K) {
        int byte = b[64 * n + 32 * (j & 1) + l];
        p.scale = half_at(b + 208) * (float)(int8_t)b[192 + 8 * n + 2 * j + l / 16];
        p.code = (j < 2 ? byte & 15 : byte >> 4) | (b[128 + 32 * n + l] >> (2 * j) & 3) << 4;
        p.n_code = 64;
    } else { /* IQ4_XS */
        int ls = (b[4 + sub / 2] >> (4 * (sub & 1)) & 15) | (load_le16(b + 2) >> (2 * sub) & 3)
                                                                << 4;
        int byte = b[8 + 16 * sub + l % 16];
        p.scale = half_at(b) * (float)(ls - 32);
        p.code = l < 16 ? byte & 15 : byte >> 4;
    }
    return p;
}

static struct part part_of(enum dtype dt, const uint8_t *b, size_t i)
{
    return dtype_block_len(dt) == 32 ? part_small(dt, b, i) : part_super(dt, b, i);
}

static float part_value(enum dtype dt, const struct part *p, int code)
{
    return p->scale * code_value(dt, code) - p->min;
}

/* Coordinate j of a lattice code, by the table at the head of models.md, appendix A. */
static float grid_value(const uint16_t *table, size_t index, size_t j)
{
    static const float two[3] = {8, 25, 43}, three[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    unsigned code = table[index];
    if (table == block_grid1) return (float)(code >> (2 * j) & 3) - 1;
    if (table == block_grid3_xxs) return three[code >> (3 * j) & 7];
    if (table == block_grid3_s) return (float)(2 * (code >> (3 * j) & 7) + 1);
    return two[code >> (2 * j) & 3];
}

static float sign_of(unsigned bits, size_t j)
{
    return bits >> j & 1 ? -1.0f : 1.0f;
}

/* sigma(i) = i with the parity of its ones in bit 7 */
static unsigned sigma(unsigned i)
{
    return (i & 127) | (unsigned)(__builtin_popcount(i & 127) & 1) << 7;
}

static float lattice_value(enum dtype dt, const uint8_t *s, size_t i)
{
    size_t b = i / 32, l = i % 32 / 8, j = i % 8, g = 4 * b + l;
    float d = half_at(s);
    if (dt == DT_IQ2_XXS) {
        uint32_t a = load_le32(s + 2 + 8 * b + 4);
        float v = grid_value(block_grid2_xxs, s[2 + 8 * b + l], j);
        return d * (0.5f + (float)(a >> 28)) * 0.25f * v * sign_of(sigma(a >> (7 * l)), j);
    }
    if (dt == DT_IQ2_XS || dt == DT_IQ2_S) {
        const uint8_t *sc = s + (dt == DT_IQ2_XS ? 66 : 74);
        int nib = l < 2 ? sc[b] & 15 : sc[b] >> 4;
        float scale = d * (0.5f + (float)nib) * 0.25f;
        if (dt == DT_IQ2_XS) {
            unsigned q = load_le16(s + 2 + 2 * g);
            return scale * grid_value(block_grid2_xs, q & 511, j) * sign_of(sigma(q >> 9), j);
        }
        unsigned idx = s[2 + g] | (unsigned)((s[66 + b] << (8 - 2 * l)) & 0x300);
        return scale * grid_value(block_grid2_s, idx, j) * sign_of(s[34 + g], j);
    }
    if (dt == DT_IQ3_XXS) {
        uint32_t a = load_le32(s + 66 + 4 * b);
        float v = grid_value(block_grid3_xxs, s[2 + 8 * b + 2 * l + j / 4], j % 4);
        return d * (0.5f + (float)(a >> 28)) * 0.5f * v * sign_of(sigma(a >> (7 * l)), j);
    }
    if (dt == DT_IQ3_S) {
        unsigned idx = s[2 + 8 * b + 2 * l + j / 4];
        idx |= (unsigned)(s[66 + b] >> (2 * l + j / 4) & 1) << 8;
        int nib = b % 2 ? s[106 + b / 2] >> 4 : s[106 + b / 2] & 15;
        return d * (float)(1 + 2 * nib) * grid_value(block_grid3_s, idx, j % 4) *
               sign_of(s[74 + g], j);
    }
    if (dt == DT_IQ1_S) {
        unsigned qh = load_le16(s + 34 + 2 * b);
        float delta = qh & 0x8000 ? -0.125f : 0.125f;
        return d * (float)(2 * (qh >> 12 & 7) + 1) *
               (grid_value(block_grid1, s[2 + g] | (qh >> (3 * l) & 7) << 8, j) + delta);
    }
    unsigned sc[4], h = load_le16(s + 32 + 2 * b) >> (4 * l) & 15; /* IQ1_M */
    for (int k = 0; k < 4; k++) sc[k] = load_le16(s + 48 + 2 * k);
    d = f16_to_f32(
        (f16)((sc[0] >> 12) | (sc[1] >> 8 & 0xf0) | (sc[2] >> 4 & 0xf00) | (sc[3] & 0xf000)));
    unsigned three = sc[b / 2] >> (6 * (b & 1) + (l < 2 ? 0 : 3)) & 7;
    return d * (float)(2 * three + 1) *
           (grid_value(block_grid1, s[g] | (h & 7) << 8, j) + (h & 8 ? -0.125f : 0.125f));
}

static const enum dtype plain_types[] = {DT_Q4_0,   DT_Q4_1,   DT_Q5_0, DT_Q5_1, DT_Q8_0,
                                         DT_Q2_K,   DT_Q3_K,   DT_Q4_K, DT_Q5_K, DT_Q6_K,
                                         DT_IQ4_NL, DT_IQ4_XS, DT_MXFP4};
static const enum dtype lattice_types[] = {DT_IQ2_XXS, DT_IQ2_XS, DT_IQ2_S, DT_IQ3_XXS,
                                           DT_IQ3_S,   DT_IQ1_S,  DT_IQ1_M};

static void random_block(struct rng *r, uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) b[i] = (uint8_t)rng_u64(r);
}

static void assert_same(enum dtype dt, float got, float want, size_t i)
{
    if (f32_bits(got) != f32_bits(want) && !(isnan(got) && isnan(want)) &&
        !(got == 0 && want == 0))
        fail_msg("%s element %zu: %a, want %a", dtype_name(dt), i, (double)got, (double)want);
}

static void random_blocks_decode_as_written(void **state)
{
    (void)state;
    struct rng r = rng_init(5, 5);
    for (int round = 0; round < 200; round++) {
        uint8_t raw[MAX_BYTES + 1], *b = raw + 1; /* blocks in files lie anywhere */
        float y[256];
        for (size_t k = 0; k < countof(plain_types); k++) {
            enum dtype dt = plain_types[k];
            random_block(&r, b, dtype_block_bytes(dt));
            decode_one(dt, b, y);
            for (size_t i = 0; i < dtype_block_len(dt); i++) {
                struct part p = part_of(dt, b, i);
                assert_same(dt, y[i], part_value(dt, &p, p.code), i);
            }
        }
        for (size_t k = 0; k < countof(lattice_types); k++) {
            enum dtype dt = lattice_types[k];
            random_block(&r, b, dtype_block_bytes(dt));
            decode_one(dt, b, y);
            for (size_t i = 0; i < 256; i++) assert_same(dt, y[i], lattice_value(dt, b, i), i);
        }
    }
}

/* ---- tables ------------------------------------------------------------------------------- */

static void lattice_tables_have_their_sums(void **state)
{
    (void)state;
    static const struct {
        const uint16_t *table;
        size_t n;
        int digits;
        const char *md5;
    } all[] = {
        {block_grid2_xxs, 256, 4, "ffada58315cad090840bc090651c2094"},
        {block_grid3_xxs, 256, 3, "7bf4975f46fb0660d86038103463599a"},
        {block_grid2_xs, 512, 4, "5d084c70ae1a1dbfc871a431d2f6d352"},
        {block_grid3_s, 512, 3, "c46ae0ad623324b1b12436b0b6ea5278"},
        {block_grid2_s, 1024, 4, "5b69d3642ceb5ada2898a15ce7892c24"},
        {block_grid1, 2048, 4, "83a4ad2ca72ca541dc26577289b5f5dc"},
    };
    for (size_t k = 0; k < countof(all); k++) {
        static char text[2048 * 4 + 1];
        unsigned char sum[16];
        char hex[33];
        for (size_t i = 0; i < all[k].n; i++)
            snprintf(text + i * (size_t)all[k].digits, 5, "%0*x", all[k].digits,
                     all[k].table[i]);
        assert_int_equal(EVP_Digest(text, strlen(text), sum, NULL, EVP_md5(), NULL), 1);
        for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", sum[i]);
        assert_string_equal(hex, all[k].md5);
    }
}

/* ---- encoding ----------------------------------------------------------------------------- */

enum { N = 16 * 256 };

static void normal_row(float *x, uint64_t stream)
{
    struct rng r = rng_init(17, stream);
    rng_fill_normal(&r, x, N, 0.03f);
    for (size_t i = 0; i < N; i += 97) x[i] *= 4; /* some outliers */
}

/* No other code comes nearer to x than the one chosen, but for the rounding of d to a half,
 * which the 32-element formats and IQ4_XS do after they chose: it moves both candidates by
 * 2^-11 of themselves. */
static void codes_are_the_nearest(void **state)
{
    (void)state;
    static float x[N], y[N];
    static uint8_t q[N * 2];
    normal_row(x, 1);
    for (size_t k = 0; k < countof(plain_types); k++) {
        enum dtype dt = plain_types[k];
        size_t len = dtype_block_len(dt);
        dtype_row_from_f32(dt, x, q, N, NULL);
        dtype_row_to_f32(dt, q, y, N);
        for (size_t i = 0; i < N; i++) {
            struct part p = part_of(dt, q + i / len * dtype_block_bytes(dt), i % len);
            float best = INFINITY;
            for (int c = 0; c < p.n_code; c++)
                best = fminf(best, fabsf(x[i] - part_value(dt, &p, c)));
            float slack = (fabsf(x[i]) + fabsf(p.min) + fabsf(p.scale)) * 0x1p-9f;
            if (fabsf(x[i] - y[i]) > best + slack)
                fail_msg("%s element %zu: %g became %g", dtype_name(dt), i, (double)x[i],
                         (double)y[i]);
        }
    }
}

static double rms_error(enum dtype dt, const float *x, const float *importance)
{
    static float y[N];
    static uint8_t q[N * 2];
    double err = 0, power = 0;
    dtype_row_from_f32(dt, x, q, N, importance);
    dtype_row_to_f32(dt, q, y, N);
    for (size_t i = 0; i < N; i++) {
        double w = importance ? (double)importance[i] : 1, diff = (double)x[i] - (double)y[i];
        err += w * diff * diff;
        power += w * (double)x[i] * (double)x[i];
    }
    return sqrt(err / power);
}

/* A uniform step h has rms error h / sqrt(12). For normal numbers a block of 32 reaches about
 * +-2.1 sigma: Q8_0 2.1/127/3.46 = 0.5%, Q4_0 2.1/8/3.46 = 7.6% and more for the sign that is
 * short of a code; each further bit halves it. Limits are those figures and a fifth. */
static void errors_are_as_the_step_allows(void **state)
{
    (void)state;
    static const struct {
        enum dtype dt;
        double limit;
    } all[] = {{DT_Q8_0, 0.006}, {DT_Q6_K, 0.021},   {DT_Q5_K, 0.043},   {DT_Q5_1, 0.045},
               {DT_Q5_0, 0.051}, {DT_Q4_K, 0.085},   {DT_Q4_1, 0.094},   {DT_Q4_0, 0.104},
               {DT_Q3_K, 0.181}, {DT_IQ4_NL, 0.092}, {DT_IQ4_XS, 0.092}, {DT_MXFP4, 0.15},
               {DT_Q2_K, 0.36}};
    static float x[N];
    struct rng r = rng_init(2, 2);
    rng_fill_normal(&r, x, N, 1);
    for (size_t k = 0; k < countof(all); k++) {
        double e = rms_error(all[k].dt, x, NULL);
        if (e > all[k].limit || e < all[k].limit / 2)
            fail_msg("%s: rms error %.5f, limit %.5f", dtype_name(all[k].dt), e, all[k].limit);
    }
}

static void importance_lowers_the_error_it_weighs(void **state)
{
    (void)state;
    static float x[N], imp[N], y[N];
    static uint8_t q[N * 2];
    struct rng r = rng_init(23, 0);
    normal_row(x, 2);
    for (size_t i = 0; i < N; i++) imp[i] = expf(2 * (float)rng_normal(&r));
    for (size_t k = 0; k < countof(plain_types); k++) {
        enum dtype dt = plain_types[k];
        double with = rms_error(dt, x, imp), without = 0, power = 0;
        dtype_row_from_f32(dt, x, q, N, NULL);
        dtype_row_to_f32(dt, q, y, N);
        for (size_t i = 0; i < N; i++) {
            double diff = (double)x[i] - (double)y[i];
            without += (double)imp[i] * diff * diff;
            power += (double)imp[i] * (double)x[i] * (double)x[i];
        }
        without = sqrt(without / power);
        bool searches = dt != DT_Q8_0 && dt != DT_MXFP4;
        if (searches ? with >= 0.98 * without : with != without)
            fail_msg("%s: weighted error %.5f with importance, %.5f without", dtype_name(dt),
                     with, without);
    }
}

/* A row's bytes are its blocks' bytes, for rows of any number of blocks. */
static void blocks_are_independent(void **state)
{
    (void)state;
    static float x[N];
    uint8_t row[7 * MAX_BYTES], one[MAX_BYTES];
    normal_row(x, 3);
    for (size_t k = 0; k < countof(plain_types); k++) {
        enum dtype dt = plain_types[k];
        size_t len = dtype_block_len(dt), bytes = dtype_block_bytes(dt);
        for (size_t nb = 0; nb <= 7; nb++) {
            dtype_row_from_f32(dt, x, row, nb * len, NULL);
            for (size_t b = 0; b < nb; b++) {
                dtype_row_from_f32(dt, x + b * len, one, len, NULL);
                assert_memory_equal(one, row + b * bytes, bytes);
            }
        }
    }
}

static void special_rows(void **state)
{
    (void)state;
    float x[512], y[512];
    uint8_t q[512 * 2];
    for (size_t k = 0; k < countof(plain_types); k++) {
        enum dtype dt = plain_types[k];
        memset(x, 0, sizeof x);
        dtype_row_from_f32(dt, x, q, 512, NULL);
        dtype_row_to_f32(dt, q, y, 512);
        for (size_t i = 0; i < 512; i++) assert_true(y[i] == 0);

        /* equal numbers: one code and one scale suffice (MXFP4 has 1 as 4 * 2^-2) */
        for (int sign = -1; sign <= 1; sign += 2) {
            for (size_t i = 0; i < 512; i++) x[i] = (float)sign;
            dtype_row_from_f32(dt, x, q, 512, NULL);
            dtype_row_to_f32(dt, q, y, 512);
            for (size_t i = 0; i < 512; i++) assert_true(fabsf(y[i] - x[i]) < 0.02f);
        }
        /* denormals vanish, nothing becomes NaN */
        for (size_t i = 0; i < 512; i++) x[i] = (i % 3 ? 1e-40f : -1e-42f);
        dtype_row_from_f32(dt, x, q, 512, NULL);
        dtype_row_to_f32(dt, q, y, 512);
        for (size_t i = 0; i < 512; i++) assert_true(fabsf(y[i]) < 1e-38f);

        /* the largest magnitude promised */
        for (size_t i = 0; i < 512; i++) x[i] = i % 2 ? -65504.0f : 65504.0f / (float)(i + 1);
        dtype_row_from_f32(dt, x, q, 512, NULL);
        dtype_row_to_f32(dt, q, y, 512);
        for (size_t i = 0; i < 512; i++) assert_true(isfinite(y[i]));
    }
}

static void what_is_not_finite_spoils_its_block_only(void **state)
{
    (void)state;
    float x[512];
    uint8_t q[512 * 2], before[512 * 2];
    for (size_t k = 0; k < countof(plain_types); k++) {
        enum dtype dt = plain_types[k];
        size_t len = dtype_block_len(dt), bytes = dtype_block_bytes(dt);
        static const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f};
        struct rng r = rng_init(9, k);
        rng_fill_normal(&r, x, 512, 1);
        dtype_row_from_f32(dt, x, before, 512, NULL);
        for (size_t i = 0; i < countof(bad); i++) {
            x[3] = bad[i];
            dtype_row_from_f32(dt, x, q, 512, NULL);
            assert_memory_equal(q + bytes, before + bytes, (512 / len - 1) * bytes);
        }
    }
}

/* The bytes are part of the contract: any machine and compiler writes the same file. Sums made
 * on x86-64 by gcc, equal on aarch64 and with clang; the first is without, the second with
 * importance. */
static void bytes_are_the_same_everywhere(void **state)
{
    (void)state;
    static const struct {
        enum dtype dt;
        uint64_t plain, weighed;
    } all[] = {
        {DT_Q4_0, UINT64_C(0x4420f52e389651de), UINT64_C(0xc5f5a3beccd36abd)},
        {DT_Q4_1, UINT64_C(0x395e07a3eecde320), UINT64_C(0xacc11c5e1b758acc)},
        {DT_Q5_0, UINT64_C(0x9bc9acb397300d0a), UINT64_C(0x48ab027ef8681332)},
        {DT_Q5_1, UINT64_C(0x0ba5d8af670d5d15), UINT64_C(0x103bbf5e56e08241)},
        {DT_Q8_0, UINT64_C(0x303c784f2ea30444), UINT64_C(0x303c784f2ea30444)},
        {DT_Q2_K, UINT64_C(0xc3dc36d66a138db7), UINT64_C(0x3c48bf3950c1576a)},
        {DT_Q3_K, UINT64_C(0xd2117c95676b7142), UINT64_C(0xf940ec94ba7761c7)},
        {DT_Q4_K, UINT64_C(0x8dfb775dd7db8b1c), UINT64_C(0xffc34f916089574c)},
        {DT_Q5_K, UINT64_C(0x5f0654f25c148de6), UINT64_C(0x3c9b0690418f7ff6)},
        {DT_Q6_K, UINT64_C(0x965a66047f5a0598), UINT64_C(0x432ba481d4415853)},
        {DT_IQ4_NL, UINT64_C(0x81182ae841863646), UINT64_C(0xeba743d8e99dfc7a)},
        {DT_IQ4_XS, UINT64_C(0xb1ea315ea1556243), UINT64_C(0x7bad9ff67c8734fc)},
        {DT_MXFP4, UINT64_C(0xd5363527474c0823), UINT64_C(0xd5363527474c0823)},
    };
    static float x[N], imp[N];
    static uint8_t q[N * 2];
    for (size_t i = 0; i < N; i++) { /* whole numbers only: no libm in the inputs */
        uint64_t r = rng_at(31, 0, i);
        x[i] = (float)((int32_t)(r & 0xffff) - 0x8000) * (float)(1 + (r >> 16 & 15)) * 0x1p-22f;
        imp[i] = (float)(1 + (r >> 20 & 7));
    }
    for (size_t k = 0; k < countof(all); k++) {
        size_t bytes;
        assert_false(dtype_row_bytes(all[k].dt, N, &bytes));
        dtype_row_from_f32(all[k].dt, x, q, N, NULL);
        uint64_t plain = hash64(q, bytes, 0);
        dtype_row_from_f32(all[k].dt, x, q, N, imp);
        uint64_t weighed = hash64(q, bytes, 0);
        if (plain != all[k].plain || weighed != all[k].weighed)
            fail_msg("%s: sums %016" PRIx64 " %016" PRIx64, dtype_name(all[k].dt), plain,
                     weighed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_small),
        cmocka_unit_test(hand_super),
        cmocka_unit_test(random_blocks_decode_as_written),
        cmocka_unit_test(lattice_tables_have_their_sums),
        cmocka_unit_test(codes_are_the_nearest),
        cmocka_unit_test(errors_are_as_the_step_allows),
        cmocka_unit_test(importance_lowers_the_error_it_weighs),
        cmocka_unit_test(blocks_are_independent),
        cmocka_unit_test(special_rows),
        cmocka_unit_test(what_is_not_finite_spoils_its_block_only),
        cmocka_unit_test(bytes_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
