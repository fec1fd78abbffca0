/* dtype.c - the type table, scalar conversions, and rows of any type to and from f32.
 *
 * Scalar conversions are written without branches, as selections between a normal, a denormal
 * and a special result, so that the row loops become vector code. Two facts carry them:
 *
 *   - Adding half of the dropped bits' range (plus the kept bit's parity) to the bit pattern of a
 *     float rounds it to nearest even, also across a carry into the exponent.
 *   - Adding a power of two whose last place equals the target's denormal step makes the adder
 *     round a small number to nearest even at exactly that place.
 *
 * Both rely on the default rounding mode and on denormals being honoured, as all of the tree
 * does.
 * Sources: IEEE 754 for f16; models.md 9.1 for FP8 and e8m0.
 */
#include "tensor/dtype.h"

#include <assert.h>
#include <strings.h>

#include "base/size.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"
#include "tensor/block_quant.h"

/* ---- table -------------------------------------------------------------------------------- */

struct info {
    const char *name;
    size_t len, bytes;
};

static const struct info *find(uint32_t id)
{
    switch (id) {
#define X(name, number, text, len, bytes)                \
    case (number): {                                     \
        static const struct info i = {text, len, bytes}; \
        return &i;                                       \
    }
        DTYPE_MAP(X)
#undef X
    }
    return NULL;
}

bool dtype_known(uint32_t id)
{
    return find(id) != NULL;
}

const char *dtype_name(enum dtype dt)
{
    const struct info *i = find(dt);
    assert(i);
    return i->name;
}

size_t dtype_block_len(enum dtype dt)
{
    const struct info *i = find(dt);
    assert(i);
    return i->len;
}

size_t dtype_block_bytes(enum dtype dt)
{
    const struct info *i = find(dt);
    assert(i);
    return i->bytes;
}

bool dtype_is_block(enum dtype dt)
{
    return dtype_block_len(dt) > 1;
}

bool dtype_is_float(enum dtype dt)
{
    return dt == DT_F32 || dt == DT_F16 || dt == DT_BF16 || dt == DT_F64 || dt == DT_F8_E4M3 ||
           dt == DT_F8_E5M2;
}

bool dtype_parse(const char *name, enum dtype *out)
{
    static const enum dtype all[] = {
#define X(name, number, text, len, bytes) name,
        DTYPE_MAP(X)
#undef X
    };
    for (size_t i = 0; i < countof(all); i++) {
        if (strcasecmp(name, dtype_name(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

bool dtype_row_bytes(enum dtype dt, size_t n, size_t *out)
{
    size_t len = dtype_block_len(dt);
    if (n % len != 0) return true;
    return size_mul(n / len, dtype_block_bytes(dt), out);
}

/* ---- scalars ------------------------------------------------------------------------------ */

static inline float decode_f16(f16 h)
{
    uint32_t em = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t normal = (em << 13) + (112u << 23);
    uint32_t denormal = f32_bits(f32_from_bits((em << 13) + 0x38800000u) - 0x1p-14f);
    uint32_t special = (em << 13) | 0x7f800000u;
    uint32_t r = em < 0x400u ? denormal : normal;
    return f32_from_bits(sign | (em >= 0x7c00u ? special : r));
}

static inline f16 encode_f16(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    uint32_t normal = ((a + 0xfffu + (a >> 13 & 1)) >> 13) - (112u << 10);
    uint32_t denormal = f32_bits(f32_from_bits(a) + 0.5f) - 0x3f000000u;
    uint32_t nan = 0x7e00u | (a >> 13 & 0x3ffu);
    uint32_t r = a < 0x38800000u ? denormal : normal; /* 2^-14 */
    r = a >= 0x477ff000u ? 0x7c00u : r;               /* 65520 and above round to infinity */
    r = a > 0x7f800000u ? nan : r;
    return (f16)(sign | r);
}

static inline float decode_f8e4m3(f8e4m3 h)
{
    uint32_t em = h & 0x7fu, sign = (uint32_t)(h & 0x80u) << 24;
    uint32_t normal = (em << 20) + (120u << 23);
    uint32_t denormal = f32_bits((float)(int32_t)em * 0x1p-9f);
    uint32_t r = em < 8 ? denormal : normal;
    return f32_from_bits(sign | (em == 0x7fu ? 0x7fc00000u : r));
}

static inline f8e4m3 encode_f8e4m3(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 24 & 0x80u, a = u & 0x7fffffffu;
    uint32_t normal = ((a + 0x7ffffu + (a >> 20 & 1)) >> 20) - (120u << 3);
    uint32_t denormal = f32_bits(f32_from_bits(a) + 0x1p14f) - 0x46800000u;
    uint32_t r = a < 0x3c800000u ? denormal : normal; /* 2^-6 */
    r = a > 0x43e00000u ? 0x7eu : r;                  /* 448 */
    r = a > 0x7f800000u ? 0x7fu : r;
    return (f8e4m3)(sign | r);
}

/* e5m2 is the upper byte of a half. */
static inline float decode_f8e5m2(f8e5m2 h)
{
    return decode_f16((f16)(h << 8));
}

static inline f8e5m2 encode_f8e5m2(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 24 & 0x80u, a = u & 0x7fffffffu;
    uint32_t normal = ((a + 0xfffffu + (a >> 21 & 1)) >> 21) - (112u << 2);
    uint32_t denormal = f32_bits(f32_from_bits(a) + 0x1p7f) - 0x43000000u;
    uint32_t r = a < 0x38800000u ? denormal : normal; /* 2^-14 */
    r = a > 0x47600000u ? 0x7bu : r;                  /* 57344 */
    r = a > 0x7f800000u ? 0x7fu : r;
    return (f8e5m2)(sign | r);
}

float f16_to_f32(f16 h)
{
    return decode_f16(h);
}

f16 f16_from_f32(float x)
{
    return encode_f16(x);
}

float f8e4m3_to_f32(f8e4m3 h)
{
    return decode_f8e4m3(h);
}

f8e4m3 f8e4m3_from_f32(float x)
{
    return encode_f8e4m3(x);
}

float f8e5m2_to_f32(f8e5m2 h)
{
    return decode_f8e5m2(h);
}

f8e5m2 f8e5m2_from_f32(float x)
{
    return encode_f8e5m2(x);
}

float e8m0_to_f32(uint8_t e)
{
    if (e == 0xff) return f32_from_bits(0x7fc00000u);
    return f32_from_bits(e == 0 ? 0x00400000u : (uint32_t)e << 23);
}

uint8_t e8m0_from_f32(float x)
{
    uint32_t u = f32_bits(x);
    if (u > 0x7f800000u) return 0xff; /* NaN and everything negative */
    if (u <= 0x00400000u) return 0;   /* 2^-127 and below */
    uint32_t e = (u >> 23) + ((u & 0x7fffffu) != 0);
    return (uint8_t)(e < 0xfe ? e : 0xfe);
}

/* ---- rows --------------------------------------------------------------------------------- */

/* Rows in files may start at any byte, so elements are copied out before they are used. */
#define ROW_TO_F32(type, value)                                     \
    do {                                                            \
        for (size_t i = 0; i < n; i++) {                            \
            type v;                                                 \
            memcpy(&v, (const char *)src + i * sizeof v, sizeof v); \
            dst[i] = (value);                                       \
        }                                                           \
    } while (0)

#define ROW_FROM_F32(type, value)                             \
    do {                                                      \
        for (size_t i = 0; i < n; i++) {                      \
            float x = src[i];                                 \
            type v = (value);                                 \
            memcpy((char *)dst + i * sizeof v, &v, sizeof v); \
        }                                                     \
    } while (0)

void dtype_row_to_f32(enum dtype dt, const void *src, float *dst, size_t n)
{
    size_t nb = n / dtype_block_len(dt);
    switch (dt) {
    case DT_F32: memcpy(dst, src, n * sizeof *dst); return;
    case DT_F16: ROW_TO_F32(f16, decode_f16(v)); return;
    case DT_BF16: ROW_TO_F32(bf16, bf16_to_f32(v)); return;
    case DT_F64: ROW_TO_F32(double, (float)v); return;
    case DT_F8_E4M3: ROW_TO_F32(f8e4m3, decode_f8e4m3(v)); return;
    case DT_F8_E5M2: ROW_TO_F32(f8e5m2, decode_f8e5m2(v)); return;
    case DT_F8_E8M0: ROW_TO_F32(uint8_t, e8m0_to_f32(v)); return;
    case DT_I8: ROW_TO_F32(int8_t, (float)v); return;
    case DT_I16: ROW_TO_F32(int16_t, (float)v); return;
    case DT_I32: ROW_TO_F32(int32_t, (float)v); return;
    case DT_I64: ROW_TO_F32(int64_t, (float)v); return;
    case DT_U8: ROW_TO_F32(uint8_t, (float)v); return;
    case DT_BOOL: ROW_TO_F32(uint8_t, (float)(v != 0)); return;
    case DT_Q4_0: block_q4_0_to_f32(src, dst, nb); return;
    case DT_Q4_1: block_q4_1_to_f32(src, dst, nb); return;
    case DT_Q5_0: block_q5_0_to_f32(src, dst, nb); return;
    case DT_Q5_1: block_q5_1_to_f32(src, dst, nb); return;
    case DT_Q8_0: block_q8_0_to_f32(src, dst, nb); return;
    case DT_Q2_K: block_q2_k_to_f32(src, dst, nb); return;
    case DT_Q3_K: block_q3_k_to_f32(src, dst, nb); return;
    case DT_Q4_K: block_q4_k_to_f32(src, dst, nb); return;
    case DT_Q5_K: block_q5_k_to_f32(src, dst, nb); return;
    case DT_Q6_K: block_q6_k_to_f32(src, dst, nb); return;
    case DT_IQ2_XXS: block_iq2_xxs_to_f32(src, dst, nb); return;
    case DT_IQ2_XS: block_iq2_xs_to_f32(src, dst, nb); return;
    case DT_IQ2_S: block_iq2_s_to_f32(src, dst, nb); return;
    case DT_IQ3_XXS: block_iq3_xxs_to_f32(src, dst, nb); return;
    case DT_IQ3_S: block_iq3_s_to_f32(src, dst, nb); return;
    case DT_IQ1_S: block_iq1_s_to_f32(src, dst, nb); return;
    case DT_IQ1_M: block_iq1_m_to_f32(src, dst, nb); return;
    case DT_IQ4_NL: block_iq4_nl_to_f32(src, dst, nb); return;
    case DT_IQ4_XS: block_iq4_xs_to_f32(src, dst, nb); return;
    case DT_MXFP4: block_mxfp4_to_f32(src, dst, nb); return;
    }
}

bool dtype_can_quantize(enum dtype dt)
{
    switch (dt) {
    case DT_F32:
    case DT_F16:
    case DT_BF16:
    case DT_F64:
    case DT_F8_E4M3:
    case DT_F8_E5M2:
    case DT_Q4_0:
    case DT_Q4_1:
    case DT_Q5_0:
    case DT_Q5_1:
    case DT_Q8_0:
    case DT_Q2_K:
    case DT_Q3_K:
    case DT_Q4_K:
    case DT_Q5_K:
    case DT_Q6_K:
    case DT_IQ4_NL:
    case DT_IQ4_XS:
    case DT_MXFP4: return true;
    case DT_IQ2_XXS:
    case DT_IQ2_XS:
    case DT_IQ2_S:
    case DT_IQ3_XXS:
    case DT_IQ3_S:
    case DT_IQ1_S:
    case DT_IQ1_M:
    case DT_F8_E8M0:
    case DT_I8:
    case DT_I16:
    case DT_I32:
    case DT_I64:
    case DT_U8:
    case DT_BOOL: return false;
    }
    return false;
}

void dtype_row_from_f32(enum dtype dt, const float *src, void *dst, size_t n,
                        const float *importance)
{
    assert(dtype_can_quantize(dt));
    switch (dt) {
    case DT_F32: memcpy(dst, src, n * sizeof *src); return;
    case DT_F16: ROW_FROM_F32(f16, encode_f16(x)); return;
    case DT_BF16: ROW_FROM_F32(bf16, bf16_from_f32(x)); return;
    case DT_F64: ROW_FROM_F32(double, (double)x); return;
    case DT_F8_E4M3: ROW_FROM_F32(f8e4m3, encode_f8e4m3(x)); return;
    case DT_F8_E5M2: ROW_FROM_F32(f8e5m2, encode_f8e5m2(x)); return;
    case DT_Q4_0: block_q4_0_from_f32(src, dst, n, importance); return;
    case DT_Q4_1: block_q4_1_from_f32(src, dst, n, importance); return;
    case DT_Q5_0: block_q5_0_from_f32(src, dst, n, importance); return;
    case DT_Q5_1: block_q5_1_from_f32(src, dst, n, importance); return;
    case DT_Q8_0: block_q8_0_from_f32(src, dst, n); return;
    case DT_MXFP4: block_mxfp4_from_f32(src, dst, n); return;
    case DT_Q2_K: block_q2_k_from_f32(src, dst, n, importance); return;
    case DT_Q3_K: block_q3_k_from_f32(src, dst, n, importance); return;
    case DT_Q4_K: block_q4_k_from_f32(src, dst, n, importance); return;
    case DT_Q5_K: block_q5_k_from_f32(src, dst, n, importance); return;
    case DT_Q6_K: block_q6_k_from_f32(src, dst, n, importance); return;
    case DT_IQ4_NL: block_iq4_nl_from_f32(src, dst, n, importance); return;
    case DT_IQ4_XS: block_iq4_xs_from_f32(src, dst, n, importance); return;
    case DT_IQ2_XXS:
    case DT_IQ2_XS:
    case DT_IQ2_S:
    case DT_IQ3_XXS:
    case DT_IQ3_S:
    case DT_IQ1_S:
    case DT_IQ1_M:
    case DT_F8_E8M0:
    case DT_I8:
    case DT_I16:
    case DT_I32:
    case DT_I64:
    case DT_U8:
    case DT_BOOL: return; /* dtype_can_quantize says no */
    }
}
