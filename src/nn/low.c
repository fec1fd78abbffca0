#include "nn/low.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/low_int.h"
#include "nn/split.h"

static const char *const names[] = {"fp32", "bf16", "fp8", "int8"};

const char *precision_name(enum precision p)
{
    return names[p];
}

bool precision_parse(const char *name, enum precision *out)
{
    for (size_t i = 0; i < countof(names); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum precision)i;
        return true;
    }
    return false;
}

/* ---- forms --------------------------------------------------------------------------------- */

size_t low_bytes(enum precision kind, enum low_side side, size_t n, size_t k)
{
    if (kind != PRECISION_INT8) return low_float_bytes(kind, side, n, k);
    return side == LOW_A ? i8_rows_bytes(n, k) : i8_cols_bytes(n, k);
}

struct low_form low_at(enum precision kind, enum low_side side, void *mem, size_t n, size_t k)
{
    struct low_form f = {.kind = kind, .side = side, .n = n, .k = k};
    if (kind != PRECISION_INT8)
        f.f = low_float_at(kind, side, mem, n, k);
    else if (side == LOW_A)
        f.a = i8_rows_at(mem, n, k);
    else
        f.b = i8_cols_at(mem, n, k);
    return f;
}

size_t low_units(const struct low_form *f)
{
    if (f->kind != PRECISION_INT8) return low_float_units(&f->f);
    return f->side == LOW_A ? i8_row_groups(f->n) : i8_col_groups(f->n);
}

void low_fill(const struct kernels *k, const struct low_form *f, const struct i8_source *s,
              size_t unit0, size_t unit1)
{
    if (f->kind != PRECISION_INT8)
        low_float_fill(f->kind, &f->f, s, unit0, unit1);
    else if (f->side == LOW_A)
        k->i8.to_rows(&f->a, s, unit0, unit1);
    else
        k->i8.to_cols(&f->b, s, unit0, unit1);
}

void low_values(const struct low_form *f, float *x, size_t unit0, size_t unit1)
{
    low_float_values(f->kind, &f->f, x, unit0, unit1);
}

size_t low_scratch_bytes(enum precision kind)
{
    return kind == PRECISION_FP8 || kind == PRECISION_BF16 ? low_float_scratch_bytes() : 0;
}

void low_multiply(const struct kernels *k, float *y, size_t ldy, const struct low_form *a,
                  const struct low_form *b, size_t i0, size_t i1, size_t p0, size_t p1,
                  bool add, void *scratch)
{
    if (i0 >= i1 || p0 >= p1) return;
    if (a->kind == PRECISION_INT8)
        k->i8.product(y, ldy, &a->a, &b->b, i0, i1, p0, p1, add);
    else
        low_float_multiply(k, a->kind, y, ldy, &a->f, &b->f, i0, i1, p0 * I8_PANEL,
                           size_min(p1 * I8_PANEL, b->n), add, b->side != LOW_B, scratch);
}

/* ---- buffers ------------------------------------------------------------------------------- */

static struct low_buf *buf_at(struct low *l, int i)
{
    return i == 0 ? &l->x : i == 1 ? &l->x_across : i == 2 ? &l->dy : &l->dy_across;
}

int low_take(struct low *l, struct err *e)
{
    for (int i = 0; i < 4; i++) {
        struct low_buf *b = buf_at(l, i);
        if (!b->bytes) continue;
        b->mem = mem_map(b->bytes);
        if (!b->mem) return err_oom(e, "operands in few bits", b->bytes);
    }
    return 0;
}

void low_release(struct low *l)
{
    for (int i = 0; i < 4; i++) {
        struct low_buf *b = buf_at(l, i);
        if (b->mem) mem_unmap(b->mem, b->bytes);
        b->mem = NULL;
    }
}

size_t low_taken_bytes(const struct low *l)
{
    return l->x.bytes + l->x_across.bytes + l->dy.bytes + l->dy_across.bytes;
}

void low_forget(struct low *l)
{
    for (int i = 0; i < 4; i++) buf_at(l, i)->of = NULL;
}

void low_begin(struct low *l, uint32_t seed)
{
    l->seed = seed;
    l->n_random = 0;
    low_forget(l);
}

struct fill_job {
    const struct kernels *k;
    const struct low_form *f;
    struct i8_source s;
    size_t units, parts;
};

static void fill_slice(void *ctx, size_t i)
{
    const struct fill_job *j = ctx;
    struct slice u = split_at(j->units, j->parts, i);
    low_fill(j->k, j->f, &j->s, u.begin, u.end);
}

const struct low_form *low_form_of(struct step *st, struct low_buf *b, enum low_side side,
                                   const float *x, size_t ld, size_t n, size_t c, bool across,
                                   bool random, const struct tensor *of)
{
    struct low *l = st->low;
    size_t rows = across ? c : n, k = across ? n : c;
    size_t bytes = low_bytes(l->kind, side, rows, k);
    if (st->dry) b->bytes = size_max(b->bytes, bytes);
    if (st->dry || st->failed) return NULL;
    if (of && b->of == of) return &b->form;
    if (bytes > b->bytes) {
        step_fail(st, ERR_BUG, "operands in few bits need %zu bytes, %zu were planned", bytes,
                  b->bytes);
        return NULL;
    }
    b->of = of;
    b->form = low_at(l->kind, side, b->mem, rows, k);
    struct fill_job j = {.k = st->k, .f = &b->form, .units = low_units(&b->form)};
    j.s = (struct i8_source){x, ld, rows, k, across, random, 0};
    if (random) j.s.seed = (l->seed + ++l->n_random * 0x9e3779b9u) * 0x85ebca6bu;
    j.parts = split_count(st, j.units, 4);
    pool_run(st->pool, fill_slice, &j, j.parts);
    return &b->form;
}

struct group_job {
    const struct kernels *k;
    const struct low_form *f;
    const struct i8_source *s;
};

static void group_slice(void *ctx, size_t i)
{
    const struct group_job *j = ctx;
    if (j->s[i].k > 0) low_fill(j->k, &j->f[i], &j->s[i], 0, low_units(&j->f[i]));
}

const struct low_form *low_groups_of(struct step *st, struct low_buf *b, enum low_side side,
                                     const float *x, size_t c, const int32_t *first,
                                     size_t n_group, size_t n, bool random)
{
    struct low *l = st->low;
    /* A group's inner length is rounded up to whole blocks. */
    size_t bytes = low_bytes(l->kind, side, c, n) + n_group * low_bytes(l->kind, side, c, 128);
    if (st->dry) b->bytes = size_max(b->bytes, bytes);
    if (st->dry || st->failed) return NULL;
    struct low_form *f = step_small(st, n_group * sizeof *f);
    struct i8_source *s = step_small(st, n_group * sizeof *s);
    if (!f || !s) return NULL;
    if (bytes > b->bytes) {
        step_fail(st, ERR_BUG, "operands in few bits need %zu bytes, %zu were planned", bytes,
                  b->bytes);
        return NULL;
    }
    unsigned char *at = b->mem;
    uint32_t seed = random ? (l->seed + ++l->n_random * 0x9e3779b9u) * 0x85ebca6bu : 0;
    b->of = NULL;
    for (size_t g = 0; g < n_group; g++) {
        size_t k = (size_t)(first[g + 1] - first[g]);
        f[g] = low_at(l->kind, side, at, c, k);
        s[g] = (struct i8_source){x + (size_t)first[g] * c,        c, c, k, true, random,
                                  seed + (uint32_t)g * 0x27d4eb2fu};
        at += low_bytes(l->kind, side, c, k);
    }
    struct group_job j = {st->k, f, s};
    pool_run(st->pool, group_slice, &j, n_group);
    return f;
}

struct product_job {
    const struct step *st;
    float *y;
    size_t ldy;
    const struct low_form *a, *b;
    bool add;
    size_t parts;
};

static void product_slice(void *ctx, size_t i)
{
    const struct product_job *j = ctx;
    struct slice r = split_at(j->a->n, j->parts, i);
    low_multiply(j->st->k, j->y, j->ldy, j->a, j->b, r.begin, r.end, 0,
                 (j->b->n + I8_PANEL - 1) / I8_PANEL, j->add, step_scratch(j->st));
}

void low_product(struct step *st, float *y, size_t ldy, const struct low_form *a,
                 const struct low_form *b, bool add)
{
    if (!a || !b) return;
    struct product_job j = {st, y, ldy, a, b, add, split_count(st, a->n, 48)};
    pool_run(st->pool, product_slice, &j, j.parts);
}
