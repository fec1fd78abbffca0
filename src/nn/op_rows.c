/* op_rows.c - ops that work row by row: embed, norm, add, columns, picking, SwiGLU, rope. */
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/split.h"

struct rows_job {
    struct step *st;
    struct tensor *y;
    const struct tensor *a, *b;
    const struct weight *w;
    const int32_t *ids;
    const struct rope *rope;
    size_t from, stride, count, parts;
    float eps;
};

/* Elements a slice should have at least, so that waking a thread pays. */
enum { SLICE_ELEMS = 16384 };

static void run_rows(struct step *st, pool_fn fn, struct rows_job *j, size_t width)
{
    if (st->dry || st->failed) return;
    size_t least = SLICE_ELEMS / (width ? width : 1) + 1;
    j->st = st;
    j->parts = split_count(st, j->y->n, least);
    pool_run(st->pool, fn, j, j->parts);
}

/* ---- embed --------------------------------------------------------------------------------- */

static void row_of_weight(const struct weight *w, size_t row, float *dst)
{
    if (w->data) {
        memcpy(dst, w->data + row * w->n_in, w->n_in * sizeof *dst);
    } else if (w->raw) {
        dtype_row_to_f32(w->dt, (const unsigned char *)w->raw + row * w->raw_row_bytes, dst,
                         w->n_in);
        if (!w->raw_scale) return;
        const float *scale = w->raw_scale + row / 128 * ((w->n_in + 127) / 128);
        for (size_t i = 0; i < w->n_in; i++) dst[i] *= scale[i / 128];
    } else {
        pack_row_to_f32(&w->pack, row, dst);
    }
}

static void embed_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++)
        row_of_weight(j->w, (size_t)j->ids[r], j->y->v + r * j->y->c);
}

struct tensor *op_embed(struct step *st, struct weight *w, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n && !st->failed; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= w->n_out)
            return step_fail(st, ERR_FORMAT, "token id %d is outside the vocabulary of %zu",
                             ids[i], w->n_out);
    struct tensor *y = step_tensor(st, n, w->n_in);
    if (!y) return NULL;
    run_rows(st, embed_slice, &(struct rows_job){.y = y, .w = w, .ids = ids}, y->c);
    return y;
}

/* ---- norm ---------------------------------------------------------------------------------- */

static void norm_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t c = j->y->c, d = j->w->n_in;
    for (size_t at = s.begin * c; at < s.end * c; at += d)
        j->st->k->elem.rmsnorm(j->y->v + at, j->a->v + at, j->w->data, d, j->eps);
}

struct tensor *op_rmsnorm(struct step *st, struct tensor *x, struct weight *g, float eps)
{
    if (!x) return NULL;
    if (x->c % g->n_in)
        return step_fail(st, ERR_BUG, "%s: norm of %zu over rows of %zu", g->name, g->n_in,
                         x->c);
    struct tensor *y = step_tensor(st, x->n, x->c);
    if (!y) return NULL;
    run_rows(st, norm_slice, &(struct rows_job){.y = y, .a = x, .w = g, .eps = eps}, y->c);
    return y;
}

/* ---- add ----------------------------------------------------------------------------------- */

static void add_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t at = s.begin * j->y->c, n = (s.end - s.begin) * j->y->c;
    if (j->y != j->a) memcpy(j->y->v + at, j->a->v + at, n * sizeof(float));
    j->st->k->elem.add(j->y->v + at, j->b->v + at, n);
}

struct tensor *op_add(struct step *st, struct tensor *a, struct tensor *b)
{
    if (!a || !b) return NULL;
    if (a->n != b->n || a->c != b->c)
        return step_fail(st, ERR_BUG, "add of (%zu, %zu) and (%zu, %zu)", a->n, a->c, b->n,
                         b->c);
    struct tensor *y = st->tape ? step_tensor(st, a->n, a->c) : a;
    if (!y) return NULL;
    y->q8 = NULL; /* the 8-bit form of the old value */
    run_rows(st, add_slice, &(struct rows_job){.y = y, .a = a, .b = b}, y->c);
    return y;
}

/* ---- columns, concatenation, picking ------------------------------------------------------- */

static void cols_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++)
        memcpy(j->y->v + r * j->y->c, j->a->v + r * j->a->c + j->from, j->y->c * sizeof(float));
}

struct tensor *op_cols(struct step *st, struct tensor *x, size_t from, size_t c)
{
    if (!x) return NULL;
    if (from + c > x->c)
        return step_fail(st, ERR_BUG, "columns %zu + %zu of %zu", from, c, x->c);
    struct tensor *y = step_tensor(st, x->n, c);
    if (!y) return NULL;
    run_rows(st, cols_slice, &(struct rows_job){.y = y, .a = x, .from = from}, c);
    return y;
}

static void concat_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t ca = j->a->c, cb = j->b->c;
    for (size_t r = s.begin; r < s.end; r++) {
        memcpy(j->y->v + r * (ca + cb), j->a->v + r * ca, ca * sizeof(float));
        memcpy(j->y->v + r * (ca + cb) + ca, j->b->v + r * cb, cb * sizeof(float));
    }
}

struct tensor *op_concat(struct step *st, struct tensor *a, struct tensor *b)
{
    if (!a || !b) return NULL;
    if (a->n != b->n) return step_fail(st, ERR_BUG, "concat of %zu and %zu rows", a->n, b->n);
    struct tensor *y = step_tensor(st, a->n, a->c + b->c);
    if (!y) return NULL;
    run_rows(st, concat_slice, &(struct rows_job){.y = y, .a = a, .b = b}, y->c);
    return y;
}

static void pick_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t c = j->y->c;
    for (size_t r = s.begin; r < s.end; r++)
        memcpy(j->y->v + r * c, j->a->v + (size_t)j->ids[r] * c, c * sizeof(float));
}

struct tensor *op_pick_rows(struct step *st, struct tensor *x, const int32_t *idx, size_t n)
{
    if (!x) return NULL;
    struct tensor *y = step_tensor(st, n, x->c);
    if (!y) return NULL;
    run_rows(st, pick_slice, &(struct rows_job){.y = y, .a = x, .ids = idx}, y->c);
    return y;
}

/* ---- SwiGLU -------------------------------------------------------------------------------- */

static void swiglu_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t at = s.begin * j->y->c, n = (s.end - s.begin) * j->y->c;
    j->st->k->elem.swiglu(j->y->v + at, j->a->v + at, j->b->v + at, n);
}

struct tensor *op_swiglu(struct step *st, struct tensor *g, struct tensor *u)
{
    if (!g || !u) return NULL;
    if (g->n != u->n || g->c != u->c)
        return step_fail(st, ERR_BUG, "swiglu of (%zu, %zu) and (%zu, %zu)", g->n, g->c, u->n,
                         u->c);
    struct tensor *y = st->tape ? step_tensor(st, g->n, g->c) : g;
    if (!y) return NULL;
    y->q8 = NULL;
    run_rows(st, swiglu_slice, &(struct rows_job){.y = y, .a = g, .b = u}, y->c * 4);
    return y;
}

/* ---- rope ---------------------------------------------------------------------------------- */

struct rope *op_rope_table(struct step *st, const struct rope_freq *f, const int32_t *pos,
                           size_t n)
{
    struct rope *r = step_small(st, sizeof *r);
    if (!r) return NULL;
    size_t bytes = n * f->n_pair * sizeof(float);
    *r = (struct rope){.cos = step_alloc(st, bytes),
                       .sin = step_alloc(st, bytes),
                       .n_pair = f->n_pair,
                       .interleaved = f->interleaved};
    if (!r->cos || !r->sin) return NULL;
    for (size_t i = 0; i < n && !st->dry; i++) {
        for (size_t p = 0; p < f->n_pair; p++) {
            double angle = (double)pos[i] * (double)f->freq[p];
            r->cos[i * f->n_pair + p] = (float)(cos(angle) * (double)f->magnitude);
            r->sin[i * f->n_pair + p] = (float)(sin(angle) * (double)f->magnitude);
        }
    }
    return r;
}

static void rope_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    const struct rope *r = j->rope;
    struct slice s = split_at(j->y->n, j->parts, i);
    for (size_t row = s.begin; row < s.end; row++) {
        float *x = j->y->v + row * j->y->c + j->from;
        for (size_t h = 0; h < j->count; h++)
            j->st->k->elem.rope(x + h * j->stride, r->cos + row * r->n_pair,
                                r->sin + row * r->n_pair, r->n_pair, r->interleaved);
    }
}

struct tensor *op_rope(struct step *st, struct tensor *x, size_t from, size_t stride,
                       size_t count, const struct rope *r)
{
    if (!x || !r) return NULL;
    if (count && from + (count - 1) * stride + 2 * r->n_pair > x->c)
        return step_fail(st, ERR_BUG, "rope of %zu pairs does not fit a row of %zu", r->n_pair,
                         x->c);
    run_rows(
        st, rope_slice,
        &(struct rows_job){.y = x, .rope = r, .from = from, .stride = stride, .count = count},
        count * r->n_pair * 2);
    return x;
}
