/* i8.h - products of two matrices that are both quantised on the way: training in 8 bits.
 *
 *   y (m, n) = A (m, k) B (n, k)^T       every matrix product of a linear layer, forward and back
 *
 * k is cut into blocks of I8_BLOCK numbers. A block of one row of A or B has an f32 factor d and
 * signed codes -127..127; value = d * code. Blocks run along k in both operands, so the integer
 * dot of two blocks is exact and is brought back to f32 once per block and output:
 *
 *   y = fma(f32(dot) * b.d, a.d, y)      blocks in ascending k, from +0, or with `add` from y
 *
 * Quantising one block (docs/numerics.md), d = max|x| / 127:
 *
 *   to nearest    code + 128 = low byte of the bits of fma(x, 127 / max|x|, 1.5 * 2^23 + 128)
 *   at random     code + 128 = trunc(fma(x, I8_TOP_RANDOM / max|x|, 128 + r))
 *
 * with 0 <= r < 1 a hash of a seed and the element's place, so that the expectation is x / d (to
 * a millionth) and neither threads nor tiles change a bit. A block with a number that is not finite
 * has d = NaN and codes 0; one whose numbers are all below I8_TINY is 0.
 *
 * A matrix lies in memory in one of two forms. Both can be made from rows of numbers or from their
 * transpose, for some rows of the form at a time, so that a caller splits work as it likes.
 */
#ifndef KERNEL_I8_H
#define KERNEL_I8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    I8_BLOCK = 64, /* codes with one factor: one cache line */
    I8_PANEL = 32, /* rows of B side by side */
    I8_GROUP = 16  /* the forms are filled by whole groups of rows */
};

#define I8_TINY       0x1p-100f
#define I8_TOP_RANDOM (127.0f - 0x1p-13f) /* so that no code leaves -127..127 */

/* Of one block of A. `start` is -128 times the sum of its codes: what takes the offset off dots
 * with codes of B, which stand in memory raised by 128. */
struct i8_scale {
    float d;
    int32_t start;
};

/* A: n rows of n_block blocks. */
struct i8_rows {
    size_t n, n_block;
    int8_t *q;          /* (round_up(n, I8_GROUP), n_block, I8_BLOCK), 64-byte aligned */
    struct i8_scale *s; /* (round_up(n, I8_GROUP), n_block) */
};

/* B: panels of I8_PANEL rows; lanes run over rows, a lane of 32 bits holds four k. */
struct i8_cols {
    size_t n, n_block;
    uint8_t *q; /* (panels, n_block, I8_BLOCK / 4, I8_PANEL, 4), 64-byte aligned */
    float *d;   /* (panels, n_block, I8_PANEL) */
};

static inline size_t i8_blocks(size_t k)
{
    return (k + I8_BLOCK - 1) / I8_BLOCK;
}

/* Bytes of the two arrays together, each rounded to 64; the forms are laid over them. */
size_t i8_rows_bytes(size_t n, size_t k);
size_t i8_cols_bytes(size_t n, size_t k);
struct i8_rows i8_rows_at(void *mem, size_t n, size_t k);
struct i8_cols i8_cols_at(void *mem, size_t n, size_t k);

/* The matrix a form is made of. Element (row i, inner index j) of the form is x[i * ld + j], or
 * x[j * ld + i] when `across`. */
struct i8_source {
    const float *x;
    size_t ld, n, k;
    bool across;
    bool random;   /* rounding by chance */
    uint32_t seed; /* then: of this matrix in this step */
};

/* The bits of 128 + r, r in steps of 2^-16. Inner indices j and j + 16 of a block, where bit 4 of j is
 * clear, share a hash: place is that of j in x, and `upper` says that it is the other's half. */
static inline uint32_t i8_random(uint32_t seed, uint32_t place, bool upper)
{
    uint32_t h = place * 0x9e3779b9u + seed;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h ^= h >> 16;
    return 0x43000000u + (upper ? h >> 16 : h & 0xffff);
}

struct i8_kernels {
    /* Groups [group0, group1) of I8_GROUP rows of the form; rows past s->n become zeros. */
    void (*to_rows)(const struct i8_rows *a, const struct i8_source *s, size_t group0,
                    size_t group1);
    void (*to_cols)(const struct i8_cols *b, const struct i8_source *s, size_t group0,
                    size_t group1);
    /* y[i][j] for rows [i0, i1) of A and panels [panel0, panel1) of B, row stride ldy. Both have
     * the same n_block. */
    void (*product)(float *y, size_t ldy, const struct i8_rows *a, const struct i8_cols *b,
                    size_t i0, size_t i1, size_t panel0, size_t panel1, bool add);
};

/* Groups of a form with n rows. Those of cols are filled up to whole panels. */
static inline size_t i8_row_groups(size_t n)
{
    return (n + I8_GROUP - 1) / I8_GROUP;
}
static inline size_t i8_col_groups(size_t n)
{
    return (n + I8_PANEL - 1) / I8_PANEL * (I8_PANEL / I8_GROUP);
}

void i8_init_ref(struct i8_kernels *k);
void i8_init_avx2(struct i8_kernels *k);
void i8_init_vnni(struct i8_kernels *k);

#endif
