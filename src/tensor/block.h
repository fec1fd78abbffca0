/* block.h - the quantised block formats of GGUF, byte by byte.
 *
 * A block holds 32 or 256 consecutive numbers of a row. All fields are byte arrays, so a struct
 * has the size of the file's block, no padding and no alignment: a pointer to file bytes may be
 * read through it (the tree is compiled without type-based aliasing rules). 16-bit fields are
 * little-endian, read with load_le16.
 *
 * In a 16-byte `qs` of a 32-element part, byte j holds element j in its low nibble and element
 * j+16 in its high nibble. The K formats cut 256 numbers into sub-blocks of 16 or 32 with small
 * integer scales, themselves scaled by one or two halves.
 *
 * Decoding follows docs/numerics.md: every product of scales is rounded to f32 where the
 * formula has a parenthesis. Source: models.md 13, which restates ggml.
 */
#ifndef TENSOR_BLOCK_H
#define TENSOR_BLOCK_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK_SMALL = 32, BLOCK_SUPER = 256 };

/* y = d (q - 8) */
struct block_q4_0 {
    uint8_t d[2], qs[16];
};
/* y = d q + m */
struct block_q4_1 {
    uint8_t d[2], m[2], qs[16];
};
/* y = d (q - 16); bit i of qh is bit 4 of element i */
struct block_q5_0 {
    uint8_t d[2], qh[4], qs[16];
};
/* y = d q + m */
struct block_q5_1 {
    uint8_t d[2], m[2], qh[4], qs[16];
};
/* y = d q */
struct block_q8_0 {
    uint8_t d[2];
    int8_t qs[32];
};
/* y = d block_iq4_value[q] */
struct block_iq4_nl {
    uint8_t d[2], qs[16];
};
/* y = 2^(e-128) block_fp4_value[q] */
struct block_mxfp4 {
    uint8_t e, qs[16];
};
/* 16 sub-blocks of 16; low nibble of scales: scale, high: minimum. y = (d s) q - (dmin m) */
struct block_q2_k {
    uint8_t scales[16], qs[64], d[2], dmin[2];
};
/* 16 sub-blocks of 16; y = (d s) q, q = -4..3, third bit in hmask (set: not lowered by 4) */
struct block_q3_k {
    uint8_t hmask[32], qs[64], scales[12], d[2];
};
/* 8 sub-blocks of 32; scales and minima of 6 bits. y = (d s) q - (dmin m) */
struct block_q4_k {
    uint8_t d[2], dmin[2], scales[12], qs[128];
};
struct block_q5_k {
    uint8_t d[2], dmin[2], scales[12], qh[32], qs[128];
};
/* 16 sub-blocks of 16; y = (d s) (q - 32) */
struct block_q6_k {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
};
/* 8 sub-blocks of 32; y = (d (s - 32)) block_iq4_value[q] */
struct block_iq4_xs {
    uint8_t d[2], scales_h[2], scales_l[4], qs[128];
};

extern const int8_t block_iq4_value[16]; /* ascending */
extern const int8_t block_fp4_value[16]; /* twice the e2m1 values: positive, then negative */

/* Sub-block scale i (0..15) of Q3_K, -32..31. */
static inline int block_q3_k_scale(const uint8_t sc[12], size_t i)
{
    int low = i < 8 ? sc[i] & 15 : sc[i - 8] >> 4;
    int high = sc[8 + (i & 3)] >> (2 * (i >> 2)) & 3;
    return (low | high << 4) - 32;
}

/* Sub-block j (0..7) of Q4_K and Q5_K: scale and minimum, 0..63. */
static inline void block_k4_scale(const uint8_t s[12], size_t j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* block_TYPE_to_f32 - n_block blocks to n_block * 32 or 256 values. Threads: any. */
void block_q4_0_to_f32(const void *src, float *dst, size_t n_block);
void block_q4_1_to_f32(const void *src, float *dst, size_t n_block);
void block_q5_0_to_f32(const void *src, float *dst, size_t n_block);
void block_q5_1_to_f32(const void *src, float *dst, size_t n_block);
void block_q8_0_to_f32(const void *src, float *dst, size_t n_block);
void block_iq4_nl_to_f32(const void *src, float *dst, size_t n_block);
void block_mxfp4_to_f32(const void *src, float *dst, size_t n_block);
void block_q2_k_to_f32(const void *src, float *dst, size_t n_block);
void block_q3_k_to_f32(const void *src, float *dst, size_t n_block);
void block_q4_k_to_f32(const void *src, float *dst, size_t n_block);
void block_q5_k_to_f32(const void *src, float *dst, size_t n_block);
void block_q6_k_to_f32(const void *src, float *dst, size_t n_block);
void block_iq4_xs_to_f32(const void *src, float *dst, size_t n_block);

#endif
