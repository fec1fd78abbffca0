/* pack_block.c - packed panels of the GGML block formats (models.md 13).
 *
 * A panel holds exactly the bytes of its rows' file blocks in another order: block by block along
 * k, inside a block field by field, inside a field item by item, and of each item the PACK_OUT
 * outputs side by side. Nothing is widened, so reading a panel costs what reading the file costs.
 *
 *   W n   n words of 4 bytes: (n, PACK_OUT) u32. Codes lie in the file such that the 4 bytes of a
 *         word belong to 4 consecutive k; a SIMD lane of 32 bits is thus one output with 4 k.
 *         W2, W3: words of two or three places in turn, cache line by cache line (16 outputs),
 *         in the order in which the kernels read them: addresses that only ever rise are what
 *         keeps hardware prefetching at full speed (bench/NOTES.md).
 *   H     one half or u16 per output: (PACK_OUT) u16
 *   B     one byte per output: (PACK_OUT) u8
 *   F     the u32 of fifth bits of Q5_0 and Q5_1: (PACK_OUT) u32, where bit v of byte i is the
 *         bit of k = 4 v + i, in step with the words of codes
 *
 * Sixteen-bit fields and the few scale bytes stay as they are: unpacking them in 32-bit lanes
 * costs less than the 3% of bandwidth that expanded scales would.
 */
#include <string.h>

#include "base/attr.h"
#include "kernel/pack_int.h"
#include "kernel/q8_int.h"

enum field_kind { F_END, F_WORD, F_HALF, F_BYTE, F_FIFTH };
enum { NONE = 0xff, LINE = 16 /* words */ };

struct field {
    uint8_t kind, n, at[3]; /* what, how often, offsets in the file block (0xff: unused) */
};

/* clang-format off */
#define W(at, n)        {F_WORD, n, {at, NONE, NONE}}
#define W2(at, b, n)    {F_WORD, n, {at, b, NONE}}
#define W3(at, b, c, n) {F_WORD, n, {at, b, c}}
#define H(at)           {F_HALF, 1, {at, NONE, NONE}}
#define B(at)           {F_BYTE, 1, {at, NONE, NONE}}
#define F(at)           {F_FIFTH, 1, {at, NONE, NONE}}
/* clang-format on */

static const struct layout {
    enum dtype dt;
    struct field f[7];
} layouts[] = {
    {DT_Q4_0, {W(2, 4), H(0)}},
    {DT_Q4_1, {W(4, 4), H(0), H(2)}},
    {DT_Q5_0, {F(2), W(6, 4), H(0)}},
    {DT_Q5_1, {F(4), W(8, 4), H(0), H(2)}},
    {DT_Q8_0, {W(2, 8), H(0)}},
    {DT_IQ4_NL, {W(2, 4), H(0)}},
    {DT_MXFP4, {W(1, 4), B(0)}},
    {DT_Q2_K, {H(80), H(82), W(0, 4), W(16, 16)}},
    {DT_Q3_K, {H(108), W(96, 3), W2(0, 32, 8), W(64, 8)}},
    {DT_Q4_K, {H(0), H(2), W(4, 3), W(16, 32)}},
    {DT_Q5_K, {H(0), H(2), W(4, 3), W2(16, 48, 8), W(80, 24)}},
    {DT_Q6_K, {H(208), W(192, 4), W3(0, 32, 128, 8), W3(64, 96, 160, 8)}},
    {DT_IQ4_XS, {H(0), H(2), W(4, 1), W(8, 32)}},
    {DT_IQ2_XXS, {H(0), W(2, 16)}},
    {DT_IQ2_XS, {H(0), W(66, 2), W(2, 16)}},
    {DT_IQ2_S, {H(0), W(74, 2), W(66, 2), W2(2, 34, 8)}},
    {DT_IQ3_XXS, {H(0), W(66, 8), W(2, 16)}},
    {DT_IQ3_S, {H(0), W(106, 1), W(66, 2), W(74, 8), W(2, 16)}},
    {DT_IQ1_S, {H(0), W(34, 4), W(2, 8)}},
    {DT_IQ1_M, {W(48, 2), W(32, 4), W(0, 8)}},
};

static const struct layout *layout_of(enum dtype dt)
{
    for (size_t i = 0; i < countof(layouts); i++)
        if (layouts[i].dt == dt) return &layouts[i];
    return NULL;
}

/* Bit 4v+i of the word to bit v of byte i, and back. */
static uint32_t fifth_to_bytes(uint32_t h)
{
    uint32_t r = 0; /* the product puts a nibble's bits at the bottom of four bytes */
    for (unsigned v = 0; v < 8; v++) r |= ((h >> 4 * v & 15) * 0x204081u & 0x01010101u) << v;
    return r;
}

static uint32_t fifth_from_bytes(uint32_t b)
{
    uint32_t h = 0;
    for (unsigned j = 0; j < 32; j++) h |= (b >> (j % 4 * 8 + j / 4) & 1) << j;
    return h;
}

static size_t streams(const struct field *f)
{
    return f->at[1] == NONE ? 1 : f->at[2] == NONE ? 2 : 3;
}

/* Where word o of stream i stands in an item of m streams. */
static size_t place(size_t o, size_t i, size_t m)
{
    return (o / LINE * m + i) * 4 * LINE + o % LINE * 4;
}

static size_t field_bytes(const struct field *f)
{
    size_t each = f->kind == F_HALF ? 2 : f->kind == F_BYTE ? 1 : 4;
    return each * f->n * streams(f);
}

/* One field of one output's block into its places. */
static void scatter_one(const struct field *f, uint8_t *dst, const uint8_t *src, size_t o)
{
    const uint8_t *s = src + f->at[0];
    size_t m = streams(f);
    uint32_t h;
    switch (f->kind) {
    case F_WORD:
        for (size_t v = 0; v < f->n; v++, dst += m * 4 * PACK_OUT)
            for (size_t i = 0; i < m; i++)
                memcpy(dst + place(o, i, m), src + f->at[i] + 4 * v, 4);
        break;
    case F_HALF: memcpy(dst + 2 * o, s, 2); break;
    case F_BYTE: dst[o] = *s; break;
    case F_FIFTH:
        memcpy(&h, s, 4);
        h = fifth_to_bytes(h);
        memcpy(dst + 4 * o, &h, 4);
        break;
    }
}

/* One output's block into its places of a panel's block. */
static void scatter(const struct layout *l, uint8_t *dst, const uint8_t *src, size_t o)
{
    for (const struct field *f = l->f; f->kind; f++) {
        scatter_one(f, dst, src, o);
        dst += field_bytes(f) * PACK_OUT;
    }
}

static void gather(const struct layout *l, uint8_t *dst, const uint8_t *src, size_t o)
{
    for (const struct field *f = l->f; f->kind; f++) {
        uint8_t *d = dst + f->at[0];
        size_t m = streams(f);
        uint32_t h;
        switch (f->kind) {
        case F_WORD:
            for (size_t v = 0; v < f->n; v++, src += m * 4 * PACK_OUT)
                for (size_t i = 0; i < m; i++)
                    memcpy(dst + f->at[i] + 4 * v, src + place(o, i, m), 4);
            break;
        case F_HALF:
            memcpy(d, src + 2 * o, 2);
            src += 2 * PACK_OUT;
            break;
        case F_BYTE:
            *d = src[o];
            src += PACK_OUT;
            break;
        case F_FIFTH:
            memcpy(&h, src + 4 * o, 4);
            h = fifth_from_bytes(h);
            memcpy(d, &h, 4);
            src += 4 * PACK_OUT;
            break;
        }
    }
}

bool q8_has(enum dtype dt)
{
    return layout_of(dt) != NULL;
}

void pack_block_gather(enum dtype dt, uint8_t *dst, const uint8_t *block, size_t o)
{
    gather(layout_of(dt), dst, block, o);
}

size_t pack_block_panel_bytes(enum dtype dt, size_t n_in)
{
    if (!layout_of(dt)) return 0;
    return n_in / dtype_block_len(dt) * dtype_block_bytes(dt) * PACK_OUT;
}

/* Four outputs' words at once: 4 x 4 squares are turned in registers. */
typedef uint32_t quad vector_of(16);

static quad load_quad(const uint8_t *p)
{
    quad q;
    memcpy(&q, p, sizeof q);
    return q;
}

static void turn_square(uint8_t *dst, size_t dst_stride, const uint8_t *src, size_t src_stride)
{
    quad r[4], t[4];
    for (size_t i = 0; i < 4; i++) r[i] = load_quad(src + i * src_stride);
    t[0] = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    t[1] = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    t[2] = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    t[3] = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    r[0] = __builtin_shufflevector(t[0], t[2], 0, 1, 4, 5);
    r[1] = __builtin_shufflevector(t[0], t[2], 2, 3, 6, 7);
    r[2] = __builtin_shufflevector(t[1], t[3], 0, 1, 4, 5);
    r[3] = __builtin_shufflevector(t[1], t[3], 2, 3, 6, 7);
    for (size_t i = 0; i < 4; i++) memcpy(dst + i * dst_stride, &r[i], sizeof r[i]);
}

/* Field f of four outputs from o on; words in whole squares, what is left one by one. */
static void scatter_words(const struct field *f, uint8_t *dst, const uint8_t *src,
                          size_t row_stride, size_t o)
{
    size_t m = streams(f), stride = m * 4 * PACK_OUT;
    for (size_t i = 0; i < m; i++) {
        size_t v = 0;
        for (; v + 4 <= f->n; v += 4)
            turn_square(dst + v * stride + place(o, i, m), stride, src + f->at[i] + 4 * v,
                        row_stride);
        for (; v < f->n; v++)
            for (size_t j = 0; j < 4; j++)
                memcpy(dst + v * stride + place(o + j, i, m),
                       src + j * row_stride + f->at[i] + 4 * v, 4);
    }
}

static void scatter_four(const struct layout *l, uint8_t *dst, const uint8_t *src,
                         size_t row_stride, size_t o)
{
    for (const struct field *f = l->f; f->kind; f++) {
        if (f->kind == F_WORD)
            scatter_words(f, dst, src, row_stride, o);
        else
            for (size_t j = 0; j < 4; j++) scatter_one(f, dst, src + j * row_stride, o + j);
        dst += field_bytes(f) * PACK_OUT;
    }
}

void pack_block_panel(enum dtype dt, void *dst, const void *src, size_t row_stride,
                      size_t n_row, size_t n_in)
{
    const struct layout *l = layout_of(dt);
    size_t bytes = dtype_block_bytes(dt), n_block = n_in / dtype_block_len(dt);
    if (n_row < PACK_OUT)
        memset(dst, 0, n_block * bytes * PACK_OUT); /* zero bytes weigh zero */
    for (size_t o = 0; o < n_row; o += 4) {
        const uint8_t *from = (const uint8_t *)src + o * row_stride;
        uint8_t *to = dst;
        for (size_t b = 0; b < n_block; b++, to += bytes * PACK_OUT, from += bytes) {
            if (o + 4 <= n_row)
                scatter_four(l, to, from, row_stride, o);
            else
                for (size_t j = 0; o + j < n_row; j++)
                    scatter(l, to, from + j * row_stride, o + j);
        }
    }
}

void pack_block_row_to_f32(const struct pack *w, size_t row, float *dst)
{
    const struct layout *l = layout_of(w->dt);
    size_t bytes = dtype_block_bytes(w->dt), len = dtype_block_len(w->dt);
    const uint8_t *src = (const uint8_t *)w->data + row / PACK_OUT * w->panel_bytes;
    uint8_t block[Q8_MAX_BLOCK_BYTES];
    for (size_t k = 0; k < w->n_in; k += len, src += bytes * PACK_OUT) {
        gather(l, block, src, row % PACK_OUT);
        dtype_row_to_f32(w->dt, block, dst + k, len);
    }
}

void pack_block_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k,
                             float *dst)
{
    const struct layout *l = layout_of(w->dt);
    size_t bytes = dtype_block_bytes(w->dt), len = dtype_block_len(w->dt);
    const uint8_t *src = (const uint8_t *)w->data + panel * w->panel_bytes;
    src += k0 / len * bytes * PACK_OUT;
    uint8_t block[Q8_MAX_BLOCK_BYTES];
    float row[GEMM_CHUNK];
    for (size_t o = 0; o < PACK_OUT; o++) {
        for (size_t b = 0; b * len < n_k; b++) {
            gather(l, block, src + b * bytes * PACK_OUT, o);
            dtype_row_to_f32(w->dt, block, row + b * len, len);
        }
        for (size_t k = 0; k < n_k; k++) dst[k * PACK_OUT + o] = row[k];
    }
}
