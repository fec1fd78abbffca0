/* i8_ref.c - the definition of products of two quantised matrices (i8.h). */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/i8.h"

/* One block of one row of the form: raised codes and the factor. */
static float block(uint8_t q[I8_BLOCK], const struct i8_source *s, size_t i, size_t j0)
{
    size_t n = i < s->n && j0 < s->k ? size_min(s->k - j0, I8_BLOCK) : 0;
    size_t at = s->across ? j0 * s->ld + i : i * s->ld + j0, next = s->across ? s->ld : 1;
    float max = 0;
    memset(q, 128, I8_BLOCK);
    for (size_t j = 0; j < n; j++) {
        float a = fabsf(s->x[at + j * next]);
        if (!isfinite(a)) return NAN;
        max = a > max ? a : max;
    }
    if (max < I8_TINY) return 0;
    float f = (s->random ? I8_TOP_RANDOM : 127.0f) / max;
    for (size_t j = 0; j < n; j++) {
        size_t place = at + j * next;
        float raise = 0x1.8p23f + 128.0f, t;
        uint32_t bits;
        if (s->random) {
            bits = i8_random(s->seed, (uint32_t)(place - (j & 16) * next), j & 16);
            memcpy(&raise, &bits, sizeof raise);
        }
        t = fmaf(s->x[place], f, raise);
        memcpy(&bits, &t, sizeof bits);
        if (s->random) bits = (uint32_t)t;
        q[j] = (uint8_t)bits;
    }
    return max / 127.0f;
}

static void to_rows(const struct i8_rows *a, const struct i8_source *s, size_t group0,
                    size_t group1)
{
    for (size_t i = group0 * I8_GROUP; i < group1 * I8_GROUP; i++) {
        for (size_t b = 0; b < a->n_block; b++) {
            uint8_t q[I8_BLOCK];
            int sum = 0;
            float d = block(q, s, i, b * I8_BLOCK);
            int8_t *to = a->q + (i * a->n_block + b) * I8_BLOCK;
            for (size_t j = 0; j < I8_BLOCK; j++) sum += to[j] = (int8_t)(q[j] - 128);
            a->s[i * a->n_block + b] = (struct i8_scale){d, -128 * sum};
        }
    }
}

static void to_cols(const struct i8_cols *c, const struct i8_source *s, size_t group0,
                    size_t group1)
{
    for (size_t i = group0 * I8_GROUP; i < group1 * I8_GROUP; i++) {
        size_t panel = i / I8_PANEL, lane = i % I8_PANEL;
        for (size_t b = 0; b < c->n_block; b++) {
            uint8_t q[I8_BLOCK], *to = c->q + (panel * c->n_block + b) * I8_BLOCK * I8_PANEL;
            c->d[(panel * c->n_block + b) * I8_PANEL + lane] = block(q, s, i, b * I8_BLOCK);
            for (size_t j = 0; j < I8_BLOCK; j++)
                to[(j / 4 * I8_PANEL + lane) * 4 + j % 4] = q[j];
        }
    }
}

static void product(float *y, size_t ldy, const struct i8_rows *a, const struct i8_cols *b,
                    size_t i0, size_t i1, size_t panel0, size_t panel1, bool add)
{
    for (size_t i = i0; i < i1; i++) {
        for (size_t o = panel0 * I8_PANEL; o < size_min(panel1 * I8_PANEL, b->n); o++) {
            size_t lane = o % I8_PANEL;
            float sum = add ? y[i * ldy + o] : 0;
            for (size_t k = 0; k < a->n_block; k++) {
                const struct i8_scale *s = &a->s[i * a->n_block + k];
                const int8_t *x = a->q + (i * a->n_block + k) * I8_BLOCK;
                size_t at = o / I8_PANEL * b->n_block + k;
                const uint8_t *w = b->q + at * I8_BLOCK * I8_PANEL;
                int dot = s->start;
                for (size_t j = 0; j < I8_BLOCK; j++)
                    dot += x[j] * w[(j / 4 * I8_PANEL + lane) * 4 + j % 4];
                sum = fmaf((float)dot * b->d[at * I8_PANEL + lane], s->d, sum);
            }
            y[i * ldy + o] = sum;
        }
    }
}

void i8_init_ref(struct i8_kernels *k)
{
    k->to_rows = to_rows;
    k->to_cols = to_cols;
    k->product = product;
}
