/* dtype.h - what a number is: bit types, sizes, conversions.
 *
 * The numeric values of the GGML types are those of the GGUF file format (models.md 11); types
 * that GGUF does not have sit above 1000. Scalar conversions round to nearest even; f32 -> FP8
 * saturates at the largest finite value; NaN stays NaN.
 */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

typedef uint16_t bf16;
typedef uint16_t f16;
typedef uint8_t f8e4m3;
typedef uint8_t f8e5m2;

/* clang-format off */
/*       name          id    text       elements and bytes of a block */
#define DTYPE_MAP(X)                                                                           \
    X(DT_F32,     0,    "F32",      1,   4)                                                    \
    X(DT_F16,     1,    "F16",      1,   2)                                                    \
    X(DT_Q4_0,    2,    "Q4_0",     32,  18)                                                   \
    X(DT_Q4_1,    3,    "Q4_1",     32,  20)                                                   \
    X(DT_Q5_0,    6,    "Q5_0",     32,  22)                                                   \
    X(DT_Q5_1,    7,    "Q5_1",     32,  24)                                                   \
    X(DT_Q8_0,    8,    "Q8_0",     32,  34)                                                   \
    X(DT_Q2_K,    10,   "Q2_K",     256, 84)                                                   \
    X(DT_Q3_K,    11,   "Q3_K",     256, 110)                                                  \
    X(DT_Q4_K,    12,   "Q4_K",     256, 144)                                                  \
    X(DT_Q5_K,    13,   "Q5_K",     256, 176)                                                  \
    X(DT_Q6_K,    14,   "Q6_K",     256, 210)                                                  \
    X(DT_IQ2_XXS, 16,   "IQ2_XXS",  256, 66)                                                   \
    X(DT_IQ2_XS,  17,   "IQ2_XS",   256, 74)                                                   \
    X(DT_IQ3_XXS, 18,   "IQ3_XXS",  256, 98)                                                   \
    X(DT_IQ1_S,   19,   "IQ1_S",    256, 50)                                                   \
    X(DT_IQ4_NL,  20,   "IQ4_NL",   32,  18)                                                   \
    X(DT_IQ3_S,   21,   "IQ3_S",    256, 110)                                                  \
    X(DT_IQ2_S,   22,   "IQ2_S",    256, 82)                                                   \
    X(DT_IQ4_XS,  23,   "IQ4_XS",   256, 136)                                                  \
    X(DT_I8,      24,   "I8",       1,   1)                                                    \
    X(DT_I16,     25,   "I16",      1,   2)                                                    \
    X(DT_I32,     26,   "I32",      1,   4)                                                    \
    X(DT_I64,     27,   "I64",      1,   8)                                                    \
    X(DT_F64,     28,   "F64",      1,   8)                                                    \
    X(DT_IQ1_M,   29,   "IQ1_M",    256, 56)                                                   \
    X(DT_BF16,    30,   "BF16",     1,   2)                                                    \
    X(DT_MXFP4,   39,   "MXFP4",    32,  17)                                                   \
    X(DT_F8_E4M3, 1000, "F8_E4M3",  1,   1)                                                    \
    X(DT_F8_E5M2, 1001, "F8_E5M2",  1,   1)                                                    \
    X(DT_F8_E8M0, 1002, "F8_E8M0",  1,   1)                                                    \
    X(DT_U8,      1003, "U8",       1,   1)                                                    \
    X(DT_BOOL,    1004, "BOOL",     1,   1)
/* clang-format on */

enum dtype {
#define X(name, id, text, len, bytes) name = (id),
    DTYPE_MAP(X)
#undef X
};

/* Facts about a type. dtype_known(id) must hold; ids from files are checked with it first. */
bool dtype_known(uint32_t id);
const char *dtype_name(enum dtype dt);
size_t dtype_block_len(enum dtype dt);   /* elements in a block, 1 for plain types */
size_t dtype_block_bytes(enum dtype dt); /* bytes of a block */
bool dtype_is_block(enum dtype dt);      /* a GGML block format */
bool dtype_is_float(enum dtype dt);      /* F32 F16 BF16 F8_E4M3 F8_E5M2 (F64 too) */
/* Case-insensitive "q4_k", "Q4_K", "bf16". False if there is no such type. */
bool dtype_parse(const char *name, enum dtype *out);
/* Bytes of a row of n elements; true (failure) if n is no multiple of the block or too large. */
bool dtype_row_bytes(enum dtype dt, size_t n, size_t *out) must_check;

/* ---- scalars ------------------------------------------------------------------------------ */

static inline uint32_t f32_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float f32_from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float bf16_to_f32(bf16 h)
{
    return f32_from_bits((uint32_t)h << 16);
}

static inline bf16 bf16_from_f32(float x)
{
    uint32_t u = f32_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (bf16)(u >> 16 | 0x40); /* NaN stays, quiet */
    return (bf16)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

float f16_to_f32(f16 h);
f16 f16_from_f32(float x);
float f8e4m3_to_f32(f8e4m3 h);
f8e4m3 f8e4m3_from_f32(float x);
float f8e5m2_to_f32(f8e5m2 h);
f8e5m2 f8e5m2_from_f32(float x);
/* 2^(e-127); 0xff is NaN. */
float e8m0_to_f32(uint8_t e);
/* The least power of two that is not below x, within 2^-127..2^127; NaN for x < 0. */
uint8_t e8m0_from_f32(float x);

/* ---- rows --------------------------------------------------------------------------------- */

/* n elements of any type to f32 and back; n is a multiple of the block length; files' bytes
 * need no alignment. to_f32 is exact: the values are those of models.md 13, evaluated in f32
 * as written there. from_f32 covers the types dtype_can_quantize allows: plain floats, and the
 * block formats but for the lattice ones (IQ1..IQ3). importance (n positive values, may be
 * NULL) weighs the squared error of each column for the types that search (Q2_K..Q6_K, IQ4_NL,
 * IQ4_XS, Q4_0 family). Block formats want finite numbers (tensor/block_quant.h). FP8 here has
 * no scale; with scales it is in tensor/scale.h. Threads: any. */
void dtype_row_to_f32(enum dtype dt, const void *src, float *dst, size_t n);
void dtype_row_from_f32(enum dtype dt, const float *src, void *dst, size_t n,
                        const float *importance);
bool dtype_can_quantize(enum dtype dt);

#endif
