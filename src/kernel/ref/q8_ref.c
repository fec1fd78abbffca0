/* q8_ref.c - products with 8-bit activations in plain C: the definition.
 *
 * One output's block is put together from the panel, taken apart by the words of models.md 13 into
 * integer codes and f32 scales, multiplied exactly in integers and combined in the order that
 * kernel/q8_int.h states. Speed is not the point here.
 */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

/* 32 weights: w[k] = ws[k / 16] * q[k] + wm[k / 16]. Types with one scale use entry 0. */
struct part {
    int q[Q8_LEN];
    float ws[2], wm[2];
    bool has_halves, has_min;
};

static float half(const uint8_t *p)
{
    return f16_to_f32(load_le16(p));
}

/* ---- codes ------------------------------------------------------------------------------- */

/* Nibbles of 16 bytes, low ones first, and a fifth bit from h. */
static void nibbles(int *q, const uint8_t *qs, uint32_t h)
{
    for (int j = 0; j < 16; j++) {
        q[j] = (qs[j] & 15) | (int)(h >> j & 1) << 4;
        q[j + 16] = qs[j] >> 4 | (int)(h >> (j + 16) & 1) << 4;
    }
}

static void add(int *q, int offset)
{
    for (int j = 0; j < Q8_LEN; j++) q[j] += offset;
}

static void look_up(int *q, const int8_t table[16])
{
    for (int j = 0; j < Q8_LEN; j++) q[j] = table[q[j]];
}

/* Q4_K, Q5_K: 32 nibbles of one sub-block, its scale and minimum. */
static void k4(struct part *p, const uint8_t *b, const uint8_t *qs, size_t s)
{
    int scale, min;
    block_k4_scale(b + 4, s, &scale, &min);
    for (int l = 0; l < Q8_LEN; l++) p->q[l] = qs[s / 2 * 32 + (size_t)l] >> (s % 2 * 4) & 15;
    p->ws[0] = half(b) * (float)scale;
    p->wm[0] = -(half(b + 2) * (float)min);
    p->has_min = true;
}

/* Two bits of each of 32 bytes: Q2_K, Q3_K. */
static void pairs(int *q, const uint8_t *qs, size_t s)
{
    for (int l = 0; l < Q8_LEN; l++) q[l] = qs[s / 4 * 32 + (size_t)l] >> (s % 4 * 2) & 3;
}

static void q2_k(struct part *p, const uint8_t *b, size_t s)
{
    pairs(p->q, b + 16, s);
    for (size_t h = 0; h < 2; h++) {
        p->ws[h] = half(b + 80) * (float)(b[2 * s + h] & 15);
        p->wm[h] = -(half(b + 82) * (float)(b[2 * s + h] >> 4));
    }
    p->has_halves = p->has_min = true;
}

static void q3_k(struct part *p, const uint8_t *b, size_t s)
{
    pairs(p->q, b + 32, s);
    for (int l = 0; l < Q8_LEN; l++) p->q[l] -= b[l] >> s & 1 ? 0 : 4;
    for (size_t h = 0; h < 2; h++)
        p->ws[h] = half(b + 108) * (float)block_q3_k_scale(b + 96, 2 * s + h);
    p->has_halves = true;
}

static void q6_k(struct part *p, const uint8_t *b, size_t s)
{
    const uint8_t *ql = b + s / 4 * 64 + s % 2 * 32, *qh = b + 128 + s / 4 * 32;
    for (int l = 0; l < Q8_LEN; l++)
        p->q[l] = (ql[l] >> (s % 4 / 2 * 4) & 15) + (qh[l] >> (s % 4 * 2) & 3) * 16 - 32;
    for (size_t h = 0; h < 2; h++)
        p->ws[h] = half(b + 208) * (float)(int8_t)b[192 + 2 * s + h];
    p->has_halves = true;
}

static void iq4_xs(struct part *p, const uint8_t *b, size_t s)
{
    int scale = (b[4 + s / 2] >> (s % 2 * 4) & 15) | (load_le16(b + 2) >> 2 * s & 3) << 4;
    nibbles(p->q, b + 8 + 16 * s, 0);
    look_up(p->q, block_iq4_value);
    p->ws[0] = half(b) * (float)(scale - 32);
}

/* ---- lattice types ------------------------------------------------------------------------ */

static void put_signed(int *q, const int8_t grid[8], unsigned signs)
{
    for (int j = 0; j < 8; j++) q[j] = signs >> j & 1 ? -grid[j] : grid[j];
}

static float scale_2(float d, unsigned nibble)
{
    return d * (0.5f + (float)nibble) * 0.25f;
}

static void iq2_xxs(struct part *p, const uint8_t *b, size_t s)
{
    const uint8_t *g = b + 2 + 8 * s;
    uint32_t a = load_le32(g + 4);
    int8_t grid[8];
    for (unsigned l = 0; l < 4; l++) {
        block_grid_2(block_grid2_xxs[g[l]], grid);
        put_signed(p->q + 8 * l, grid, block_grid_signs(a >> 7 * l));
    }
    p->ws[0] = scale_2(half(b), a >> 28);
}

static void iq2_xs(struct part *p, const uint8_t *b, size_t s)
{
    int8_t grid[8];
    for (unsigned l = 0; l < 4; l++) {
        unsigned v = load_le16(b + 2 + 8 * s + (size_t)2 * l);
        block_grid_2(block_grid2_xs[v & 511], grid);
        put_signed(p->q + 8 * l, grid, block_grid_signs(v >> 9));
    }
    p->ws[0] = scale_2(half(b), b[66 + s] & 15);
    p->ws[1] = scale_2(half(b), b[66 + s] >> 4);
    p->has_halves = true;
}

static void iq2_s(struct part *p, const uint8_t *b, size_t s)
{
    int8_t grid[8];
    for (unsigned l = 0; l < 4; l++) {
        unsigned high = b[66 + s] >> 2 * l & 3;
        block_grid_2(block_grid2_s[b[2 + 4 * s + l] | high << 8], grid);
        put_signed(p->q + 8 * l, grid, b[34 + 4 * s + l]);
    }
    p->ws[0] = scale_2(half(b), b[74 + s] & 15);
    p->ws[1] = scale_2(half(b), b[74 + s] >> 4);
    p->has_halves = true;
}

static void iq3_xxs(struct part *p, const uint8_t *b, size_t s)
{
    uint32_t a = load_le32(b + 66 + 4 * s);
    int8_t grid[8];
    for (unsigned l = 0; l < 4; l++) {
        block_grid_3_xxs(block_grid3_xxs[b[2 + 8 * s + (size_t)2 * l]], grid);
        block_grid_3_xxs(block_grid3_xxs[b[3 + 8 * s + (size_t)2 * l]], grid + 4);
        put_signed(p->q + 8 * l, grid, block_grid_signs(a >> 7 * l));
    }
    p->ws[0] = half(b) * (0.5f + (float)(a >> 28)) * 0.5f;
}

static void iq3_s(struct part *p, const uint8_t *b, size_t s)
{
    int8_t grid[8];
    for (unsigned l = 0; l < 4; l++) {
        unsigned high = b[66 + s] >> 2 * l;
        block_grid_3_s(block_grid3_s[b[2 + 8 * s + (size_t)2 * l] | (high & 1) << 8], grid);
        block_grid_3_s(block_grid3_s[b[3 + 8 * s + (size_t)2 * l] | (high >> 1 & 1) << 8],
                       grid + 4);
        put_signed(p->q + 8 * l, grid, b[74 + 4 * s + l]);
    }
    p->ws[0] = half(b) * (float)(1 + 2 * (b[106 + s / 2] >> (s % 2 * 4) & 15));
}

/* Scale times (point +- 1/8) is an eighth of the scale times (8 point +- 1): exact integers. */
static void put_shifted(int *q, uint16_t code, bool down)
{
    int8_t grid[8];
    block_grid_1(code, grid);
    for (int j = 0; j < 8; j++) q[j] = 8 * grid[j] + (down ? -1 : 1);
}

static void iq1_s(struct part *p, const uint8_t *b, size_t s)
{
    unsigned h = load_le16(b + 34 + 2 * s);
    for (unsigned l = 0; l < 4; l++)
        put_shifted(p->q + 8 * l, block_grid1[b[2 + 4 * s + l] | (h >> 3 * l & 7) << 8], h >> 15);
    p->ws[0] = half(b) * (float)(2 * (h >> 12 & 7) + 1) * 0.125f;
}

static void iq1_m(struct part *p, const uint8_t *b, size_t s)
{
    uint64_t v = load_le64(b + 48); /* four words of 12 scale bits and 4 bits of d */
    f16 d = (f16)((v >> 12 & 15) | (v >> 24 & 0xf0) | (v >> 36 & 0xf00) | (v >> 48 & 0xf000));
    unsigned scales = (unsigned)(v >> (s / 2 * 16 + s % 2 * 6));
    for (unsigned l = 0; l < 4; l++) {
        unsigned h = b[32 + 2 * s + l / 2] >> (l % 2 * 4) & 15;
        put_shifted(p->q + 8 * l, block_grid1[b[4 * s + l] | (h & 7) << 8], h >> 3);
    }
    p->ws[0] = f16_to_f32(d) * (float)(2 * (scales & 7) + 1) * 0.125f;
    p->ws[1] = f16_to_f32(d) * (float)(2 * (scales >> 3 & 7) + 1) * 0.125f;
    p->has_halves = true;
}

/* ---- one part of any type ----------------------------------------------------------------- */

/* Part s (0.. block length / 32 - 1) of a file block. */
static void part_of(enum dtype dt, const uint8_t *b, size_t s, struct part *p)
{
    *p = (struct part){.ws = {half(b)}};
    switch ((int)dt) {
    case DT_Q4_0: nibbles(p->q, b + 2, 0), add(p->q, -8); break;
    case DT_Q5_0: nibbles(p->q, b + 6, load_le32(b + 2)), add(p->q, -16); break;
    case DT_Q4_1:
    case DT_Q5_1:
        nibbles(p->q, b + (dt == DT_Q4_1 ? 4 : 8), dt == DT_Q4_1 ? 0 : load_le32(b + 4));
        p->wm[0] = half(b + 2);
        p->has_min = true;
        break;
    case DT_Q8_0:
        for (int j = 0; j < Q8_LEN; j++) p->q[j] = (int8_t)b[2 + j];
        break;
    case DT_IQ4_NL: nibbles(p->q, b + 2, 0), look_up(p->q, block_iq4_value); break;
    case DT_MXFP4:
        nibbles(p->q, b + 1, 0), look_up(p->q, block_fp4_value);
        p->ws[0] = f32_from_bits(b[0] < 2 ? 0x200000u << b[0] : (uint32_t)(b[0] - 1) << 23);
        break;
    case DT_Q2_K: q2_k(p, b, s); break;
    case DT_Q3_K: q3_k(p, b, s); break;
    case DT_Q4_K: k4(p, b, b + 16, s); break;
    case DT_Q5_K:
        k4(p, b, b + 48, s);
        for (int l = 0; l < Q8_LEN; l++) p->q[l] |= (b[16 + l] >> s & 1) << 4;
        break;
    case DT_Q6_K: q6_k(p, b, s); break;
    case DT_IQ4_XS: iq4_xs(p, b, s); break;
    case DT_IQ2_XXS: iq2_xxs(p, b, s); break;
    case DT_IQ2_XS: iq2_xs(p, b, s); break;
    case DT_IQ2_S: iq2_s(p, b, s); break;
    case DT_IQ3_XXS: iq3_xxs(p, b, s); break;
    case DT_IQ3_S: iq3_s(p, b, s); break;
    case DT_IQ1_S: iq1_s(p, b, s); break;
    case DT_IQ1_M: iq1_m(p, b, s); break;
    }
}

static int dot(const int *w, const int8_t *x, int n)
{
    int sum = 0;
    for (int j = 0; j < n; j++) sum += w[j] * x[j];
    return sum;
}

static float combine(float y, const struct part *p, const struct q8_x *x)
{
    float u;
    if (p->has_halves) {
        u = (float)dot(p->q, x->q, 16) * p->ws[0];
        u = fmaf((float)dot(p->q + 16, x->q + 16, 16), p->ws[1], u);
        if (p->has_min) u = fmaf(x->s1, p->wm[1], fmaf(x->s0, p->wm[0], u));
    } else {
        u = (float)dot(p->q, x->q, 32) * p->ws[0];
        if (p->has_min) u = fmaf(x->s, p->wm[0], u);
    }
    return fmaf(u, x->d, y);
}

/* ---- the table's entries ------------------------------------------------------------------ */

static size_t row_bytes(enum dtype dt, size_t n_in)
{
    (void)dt; /* one form for all */
    return n_in / Q8_LEN * sizeof(struct q8_x);
}

static void quantize_block(struct q8_x *b, const float *x)
{
    float max = 0;
    bool finite = true;
    *b = (struct q8_x){0};
    for (int j = 0; j < Q8_LEN; j++) {
        finite = finite && isfinite(x[j]);
        max = fmaxf(max, fabsf(x[j]));
    }
    if (!finite) b->d = NAN; /* shows in every output of the row */
    if (!finite || max < Q8_TINY) return;
    float inv = 127.0f / max;
    for (int j = 0; j < Q8_LEN; j++) b->q[j] = (int8_t)rintf(x[j] * inv);
    int s0 = 0, s1 = 0;
    for (int j = 0; j < 16; j++) {
        s0 += b->q[j];
        s1 += b->q[j + 16];
    }
    q8_finish(b, max / 127.0f, s0, s1);
}

static void quantize(enum dtype dt, void *dst, const float *x, size_t n_in)
{
    (void)dt;
    struct q8_x *b = dst;
    for (size_t k = 0; k < n_in; k += Q8_LEN) quantize_block(b++, x + k);
}

static void rows(float *y, size_t ldy, const void *x, size_t n_row, const struct pack *w,
                 size_t panel0, size_t panel1)
{
    size_t n_part = dtype_block_len(w->dt) / Q8_LEN, n_x = w->n_in / Q8_LEN;
    size_t bytes = dtype_block_bytes(w->dt) * PACK_OUT;
    uint8_t block[Q8_MAX_BLOCK_BYTES];
    struct part part;
    size_t end = panel1 * PACK_OUT < w->n_out ? panel1 * PACK_OUT : w->n_out;
    for (size_t o = panel0 * PACK_OUT; o < end; o++) {
        const uint8_t *src = (const uint8_t *)w->data + o / PACK_OUT * w->panel_bytes;
        for (size_t r = 0; r < n_row; r++) y[r * ldy + o] = 0;
        for (size_t b = 0; b < n_x; b++) {
            if (b % n_part == 0)
                pack_block_gather(w->dt, block, src + b / n_part * bytes, o % PACK_OUT);
            part_of(w->dt, block, b % n_part, &part);
            for (size_t r = 0; r < n_row; r++)
                y[r * ldy + o] =
                    combine(y[r * ldy + o], &part, (const struct q8_x *)x + r * n_x + b);
        }
    }
}

void q8_init_ref(struct q8_kernels *k)
{
    *k = (struct q8_kernels){.row_bytes = row_bytes, .quantize = quantize, .rows = rows};
}
