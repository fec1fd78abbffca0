/* low_float.c - operands of e4m3 with factors and of bf16, multiplied as f32.
 *
 * What DeepSeek-V3 trained with (training.md 3), in its numbers: e4m3 everywhere, a factor
 * max / 448 per 128 numbers along k (weights: per 128 x 128), sums of 128 products of plain e4m3
 * numbers in f32, then times both factors into an f32 sum. The factors are taken from the numbers
 * at hand; a tile of zeros has factor 1. The products of e4m3 numbers are exact in f32, so a
 * fused chain over 128 of them is at least as good as the 14 bits that its hardware keeps.
 *
 * Blocks of 256 rows by 256 columns are decoded part by part and go through gemm.nt.
 */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/low_int.h"

enum { TILE = 128, BAND_A = 16, SIDE = 256 };
#define E4M3_MAX 448.0f

static size_t elem_bytes(enum precision kind)
{
    return kind == PRECISION_FP8 ? 1 : 2;
}

static size_t tiles(size_t k)
{
    return (k + TILE - 1) / TILE;
}

size_t low_float_bytes(enum precision kind, enum low_side side, size_t n, size_t k)
{
    size_t rows = side == LOW_WEIGHT ? tiles(n) : n, q = round_up(n * k * elem_bytes(kind), 64);
    return kind == PRECISION_FP8 ? q + round_up(rows * tiles(k) * sizeof(float), 64) : q;
}

struct low_float low_float_at(enum precision kind, enum low_side side, void *mem, size_t n,
                              size_t k)
{
    struct low_float f = {.n = n, .k = k, .band = side == LOW_WEIGHT ? TILE : 1, .q = mem};
    unsigned char *p = mem;
    if (kind == PRECISION_FP8)
        f.d = (float *)(void *)(p + round_up(n * k * elem_bytes(kind), 64));
    return f;
}

static size_t unit_rows(const struct low_float *f)
{
    return f->band > 1 ? f->band : BAND_A;
}

size_t low_float_units(const struct low_float *f)
{
    return (f->n + unit_rows(f) - 1) / unit_rows(f);
}

/* ---- filling ------------------------------------------------------------------------------- */

/* Rows [i, i + n) by inner indices [j, j + n_k) of the source, TILE apart. */
static void gather(float *t, const struct i8_source *s, size_t i, size_t n, size_t j,
                   size_t n_k)
{
    for (size_t r = 0; r < n && !s->across; r++)
        memcpy(t + r * TILE, s->x + (i + r) * s->ld + j, n_k * sizeof *t);
    for (size_t c = 0; c < n_k && s->across; c++)
        for (size_t r = 0; r < n; r++) t[r * TILE + c] = s->x[(j + c) * s->ld + i + r];
}

/* The factor of n rows of n_k, TILE apart. */
static float factor(const float *t, size_t n, size_t n_k)
{
    float max = 0;
    for (size_t r = 0; r < n; r++) {
        for (size_t c = 0; c < n_k; c++) {
            float a = fabsf(t[r * TILE + c]);
            if (!isfinite(a)) return NAN;
            max = a > max ? a : max;
        }
    }
    float d = max / E4M3_MAX;
    return d > 0 ? d : 1;
}

/* One tile: rows [i, i + n) share factors by bands of f->band. */
static void fill_f8(const struct low_float *f, float *t, size_t i, size_t n, size_t j,
                    size_t n_k)
{
    uint8_t *q = f->q;
    for (size_t r = 0; r < n; r += f->band) {
        size_t m = size_min(f->band, n - r);
        float d = factor(t + r * TILE, m, n_k);
        f->d[(i + r) / f->band * tiles(f->k) + j / TILE] = d;
        for (size_t b = r; b < r + m; b++) {
            for (size_t c = 0; c < n_k; c++) t[b * TILE + c] /= d;
            dtype_row_from_f32(DT_F8_E4M3, t + b * TILE, q + (i + b) * f->k + j, n_k, NULL);
        }
    }
}

void low_float_fill(enum precision kind, const struct low_float *f, const struct i8_source *s,
                    size_t unit0, size_t unit1)
{
    float t[TILE * TILE];
    for (size_t i = unit0 * unit_rows(f); i < size_min(unit1 * unit_rows(f), f->n);
         i += unit_rows(f)) {
        size_t n = size_min(unit_rows(f), f->n - i);
        for (size_t j = 0; j < f->k; j += TILE) {
            size_t n_k = size_min(TILE, f->k - j);
            gather(t, s, i, n, j, n_k);
            if (kind == PRECISION_FP8) {
                fill_f8(f, t, i, n, j, n_k);
                continue;
            }
            for (size_t r = 0; r < n; r++)
                dtype_row_from_f32(DT_BF16, t + r * TILE, (bf16 *)f->q + (i + r) * f->k + j,
                                   n_k, NULL);
        }
    }
}

void low_float_values(enum precision kind, const struct low_float *f, float *x, size_t unit0,
                      size_t unit1)
{
    const unsigned char *q = f->q;
    for (size_t i = unit0 * unit_rows(f); i < size_min(unit1 * unit_rows(f), f->n); i++) {
        float *to = x + i * f->k;
        dtype_row_to_f32(kind == PRECISION_FP8 ? DT_F8_E4M3 : DT_BF16,
                         q + i * f->k * elem_bytes(kind), to, f->k);
        const float *d = f->d ? f->d + i / f->band * tiles(f->k) : NULL;
        for (size_t c = 0; d && c < f->k; c++) to[c] *= d[c / TILE];
    }
}

/* ---- products ------------------------------------------------------------------------------ */

/* Plain values of rows [i, i + n), inner indices [j, j + n_k), SIDE apart. */
static void decode(enum precision kind, float *t, const struct low_float *f, size_t i, size_t n,
                   size_t j, size_t n_k)
{
    enum dtype dt = kind == PRECISION_FP8 ? DT_F8_E4M3 : DT_BF16;
    const unsigned char *q = f->q;
    for (size_t r = 0; r < n; r++)
        dtype_row_to_f32(dt, q + ((i + r) * f->k + j) * elem_bytes(kind), t + r * SIDE, n_k);
}

struct work {
    float a[SIDE * SIDE], b[SIDE * SIDE], part[SIDE * SIDE], sum[SIDE * SIDE];
};

size_t low_float_scratch_bytes(void)
{
    return round_up(gemm_scratch_bytes(), 64) + sizeof(struct work);
}

/* sum = fma(part, a's factor * b's factor, sum) for a block of n by m. */
static void promote(struct work *w, const struct low_float *a, const struct low_float *b,
                    size_t i, size_t n, size_t o, size_t m, size_t tile)
{
    float db[SIDE];
    for (size_t c = 0; c < m; c++) db[c] = b->d[(o + c) / b->band * tiles(b->k) + tile];
    for (size_t r = 0; r < n; r++) {
        float da = a->d[(i + r) / a->band * tiles(a->k) + tile];
        float *sum = w->sum + r * SIDE, *part = w->part + r * SIDE;
        for (size_t c = 0; c < m; c++) sum[c] += part[c] * (da * db[c]);
    }
}

static void block(const struct kernels *k, enum precision kind, struct work *w, void *scratch,
                  const struct low_float *a, const struct low_float *b, size_t i, size_t n,
                  size_t o, size_t m)
{
    size_t step = kind == PRECISION_FP8 ? TILE : GEMM_CHUNK;
    for (size_t j = 0; j < a->k; j += step) {
        size_t n_k = size_min(step, a->k - j);
        decode(kind, w->a, a, i, n, j, n_k);
        decode(kind, w->b, b, o, m, j, n_k);
        if (kind == PRECISION_FP8) {
            k->gemm.nt(w->part, SIDE, w->a, SIDE, w->b, SIDE, n, m, n_k, false, scratch);
            for (size_t r = 0; r < n && j == 0; r++)
                memset(w->sum + r * SIDE, 0, m * sizeof *w->sum);
            promote(w, a, b, i, n, o, m, j / TILE);
        } else {
            k->gemm.nt(w->sum, SIDE, w->a, SIDE, w->b, SIDE, n, m, n_k, j > 0, scratch);
        }
    }
}

void low_float_multiply(const struct kernels *k, enum precision kind, float *y, size_t ldy,
                        const struct low_float *a, const struct low_float *b, size_t i0,
                        size_t i1, size_t j0, size_t j1, bool add, bool round, void *scratch)
{
    unsigned char *mem = scratch;
    struct work *w = (struct work *)(void *)(mem + round_up(gemm_scratch_bytes(), 64));
    for (size_t i = i0; i < i1; i += SIDE) {
        for (size_t o = j0; o < j1; o += SIDE) {
            size_t n = size_min(SIDE, i1 - i), m = size_min(SIDE, j1 - o);
            block(k, kind, w, scratch, a, b, i, n, o, m);
            for (size_t r = 0; r < n; r++) {
                float *to = y + (i + r) * ldy + o, *sum = w->sum + r * SIDE;
                for (size_t c = 0; c < m; c++) {
                    float v = round ? bf16_to_f32(bf16_from_f32(sum[c])) : sum[c];
                    to[c] = add ? to[c] + v : v;
                }
            }
        }
    }
}
