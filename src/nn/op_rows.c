/* op_rows.c - ops that work row by row: embed, norm, add, columns, picking, SwiGLU, rope; and
 * their walk back. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/split.h"
#include "nn/tape.h"

struct rows_job {
    struct step *st;
    struct tensor *y;
    const struct tensor *a, *b;
    const struct weight *w;
    const int32_t *ids;
    const struct rope *rope;
    size_t from, stride, count, parts;
    float eps;
    float *inv; /* 1 / rms of each group, for the walk back; NULL without a tape */
};

/* What the walk back of a row op needs. */
struct rows_node {
    struct tape_node n;
    struct tensor *y, *a, *b;
    struct weight *w;
    const int32_t *ids;
    const struct rope *rope;
    size_t from, stride, count;
    float *inv;
};

static void record(struct step *st, tape_fn back, const struct rows_node *what)
{
    if (!st->tape) return;
    struct rows_node *n = tape_record(st, sizeof *n, back);
    if (!n) return;
    struct tape_node head = n->n;
    *n = *what;
    n->n = head;
}

/* The same on the way back: fn runs over slices of y's rows. */
struct back_job {
    struct step *st;
    const struct rows_node *n;
    float *da, *db;
    bool add_a, add_b;
    float *dw;
    size_t parts;
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

static void run_back(struct step *st, pool_fn fn, struct back_job *j, size_t width)
{
    if (st->dry || st->failed) return;
    j->st = st;
    j->parts = split_count(st, j->n->y->n, SLICE_ELEMS / (width ? width : 1) + 1);
    pool_run(st->pool, fn, j, j->parts);
}

/* to = or += from. */
static void give(const struct step *st, float *to, const float *from, size_t n, bool add)
{
    if (add)
        st->k->elem.add(to, from, n);
    else
        memcpy(to, from, n * sizeof *to);
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

/* Slices of columns, rows ascending: two rows may have the same id. */
static void embed_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    size_t c = j->n->y->c;
    struct slice s = split_at(c, j->parts, i);
    for (size_t r = 0; r < j->n->y->n; r++)
        j->st->k->elem.add(j->n->w->grad + (size_t)j->n->ids[r] * c + s.begin,
                           j->n->y->g + r * c + s.begin, s.end - s.begin);
}

static void embed_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g || !n->w->grad || st->dry) return;
    struct back_job j = {.st = st, .n = n, .parts = (size_t)pool_threads(st->pool)};
    pool_run(st->pool, embed_back_slice, &j, j.parts);
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
    record(st, embed_back, &(struct rows_node){.y = y, .w = w, .ids = ids});
    return y;
}

/* ---- norm ---------------------------------------------------------------------------------- */

static void norm_slice(void *ctx, size_t i)
{
    struct rows_job *j = ctx;
    struct slice s = split_at(j->y->n, j->parts, i);
    size_t c = j->y->c, d = j->w->n_in;
    for (size_t at = s.begin * c; at < s.end * c; at += d) {
        float inv = j->st->k->elem.rmsnorm(j->y->v + at, j->a->v + at, j->w->data, d, j->eps);
        if (j->inv) j->inv[at / d] = inv;
    }
}

/* Rows whose parts of dg are summed one after the other; then the parts, in order. */
enum { NORM_PART = 64 };

static void norm_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    const struct rows_node *n = j->n;
    size_t c = n->y->c, d = n->w->n_in, end = size_min((i + 1) * NORM_PART, n->y->n);
    float *dw = j->dw ? j->dw + i * d : NULL;
    if (dw) memset(dw, 0, d * sizeof *dw);
    for (size_t at = i * NORM_PART * c; at < end * c; at += d)
        j->st->k->elem.rmsnorm_back(j->da + at, dw, n->y->g + at, n->a->v + at, n->w->data,
                                    n->inv[at / d], d, j->add_a);
}

static void norm_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    size_t parts = (n->y->n + NORM_PART - 1) / NORM_PART, d = n->w->n_in;
    struct back_job j = {.st = st, .n = n};
    j.da = tensor_grad(st, n->a, &j.add_a);
    struct step_mark mark = step_mark(st);
    if (n->w->grad) j.dw = step_alloc(st, parts * d * sizeof *j.dw);
    if (!st->failed && !st->dry) {
        pool_run(st->pool, norm_back_slice, &j, parts);
        for (size_t p = 0; j.dw && p < parts; p++) st->k->elem.add(n->w->grad, j.dw + p * d, d);
    }
    step_rewind(st, mark);
}

struct tensor *op_rmsnorm(struct step *st, struct tensor *x, struct weight *g, float eps)
{
    if (!x) return NULL;
    if (x->c % g->n_in)
        return step_fail(st, ERR_BUG, "%s: norm of %zu over rows of %zu", g->name, g->n_in,
                         x->c);
    struct tensor *y = step_tensor(st, x->n, x->c);
    if (!y) return NULL;
    float *inv = st->tape ? step_keep(st, x->n * x->c / g->n_in * sizeof *inv) : NULL;
    tensor_keep(x, KEEP_BF16);
    run_rows(st, norm_slice, &(struct rows_job){.y = y, .a = x, .w = g, .eps = eps, .inv = inv},
             y->c);
    record(st, norm_back, &(struct rows_node){.y = y, .a = x, .w = g, .inv = inv});
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

static void add_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    struct slice s = split_at(j->n->y->n, j->parts, i);
    size_t at = s.begin * j->n->y->c, n = (s.end - s.begin) * j->n->y->c;
    give(j->st, j->db + at, j->n->y->g + at, n, j->add_b);
    if (j->da) j->st->k->elem.add(j->da + at, j->n->y->g + at, n);
}

static void add_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    struct back_job j = {.n = n, .da = n->a->g};
    j.db = tensor_grad(st, n->b, &j.add_b);
    run_back(st, add_back_slice, &j, n->y->c);
    if (!n->a->g) n->a->g = n->y->g; /* y's is not needed any more */
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
    record(st, add_back, &(struct rows_node){.y = y, .a = a, .b = b});
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

static void cols_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    const struct rows_node *n = j->n;
    struct slice s = split_at(n->y->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++)
        j->st->k->elem.add(j->da + r * n->a->c + n->from, n->y->g + r * n->y->c, n->y->c);
}

static void cols_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    struct back_job j = {.n = n, .da = tensor_grad_zeroed(st, n->a)};
    run_back(st, cols_back_slice, &j, n->y->c);
}

struct tensor *op_cols(struct step *st, struct tensor *x, size_t from, size_t c)
{
    if (!x) return NULL;
    if (from + c > x->c)
        return step_fail(st, ERR_BUG, "columns %zu + %zu of %zu", from, c, x->c);
    struct tensor *y = step_tensor(st, x->n, c);
    if (!y) return NULL;
    run_rows(st, cols_slice, &(struct rows_job){.y = y, .a = x, .from = from}, c);
    record(st, cols_back, &(struct rows_node){.y = y, .a = x, .from = from});
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

static void concat_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    const struct rows_node *n = j->n;
    struct slice s = split_at(n->y->n, j->parts, i);
    size_t ca = n->a->c, cb = n->b->c;
    for (size_t r = s.begin; r < s.end; r++) {
        give(j->st, j->da + r * ca, n->y->g + r * (ca + cb), ca, j->add_a);
        give(j->st, j->db + r * cb, n->y->g + r * (ca + cb) + ca, cb, j->add_b);
    }
}

static void concat_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    struct back_job j = {.n = n};
    j.da = tensor_grad(st, n->a, &j.add_a);
    j.db = tensor_grad(st, n->b, &j.add_b);
    run_back(st, concat_back_slice, &j, n->y->c);
}

struct tensor *op_concat(struct step *st, struct tensor *a, struct tensor *b)
{
    if (!a || !b) return NULL;
    if (a->n != b->n) return step_fail(st, ERR_BUG, "concat of %zu and %zu rows", a->n, b->n);
    struct tensor *y = step_tensor(st, a->n, a->c + b->c);
    if (!y) return NULL;
    run_rows(st, concat_slice, &(struct rows_job){.y = y, .a = a, .b = b}, y->c);
    record(st, concat_back, &(struct rows_node){.y = y, .a = a, .b = b});
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

/* Slices of columns: a row may be picked twice. */
static void pick_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    size_t c = j->n->y->c;
    struct slice s = split_at(c, j->parts, i);
    for (size_t r = 0; r < j->n->y->n; r++)
        j->st->k->elem.add(j->da + (size_t)j->n->ids[r] * c + s.begin,
                           j->n->y->g + r * c + s.begin, s.end - s.begin);
}

static void pick_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    struct back_job j = {.st = st, .n = n, .da = tensor_grad_zeroed(st, n->a)};
    j.parts = (size_t)pool_threads(st->pool);
    if (!st->failed && !st->dry) pool_run(st->pool, pick_back_slice, &j, j.parts);
}

struct tensor *op_pick_rows(struct step *st, struct tensor *x, const int32_t *idx, size_t n)
{
    if (!x) return NULL;
    struct tensor *y = step_tensor(st, n, x->c);
    if (!y) return NULL;
    run_rows(st, pick_slice, &(struct rows_job){.y = y, .a = x, .ids = idx}, y->c);
    record(st, pick_back, &(struct rows_node){.y = y, .a = x, .ids = idx});
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

static void swiglu_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    const struct rows_node *n = j->n;
    struct slice s = split_at(n->y->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++) {
        size_t at = r * n->y->c, c = n->y->c;
        float *dg = j->add_a ? j->dw + at : j->da + at;
        float *du = j->add_b ? n->y->g + at : j->db + at;
        j->st->k->elem.swiglu_back(dg, du, n->y->g + at, n->a->v + at, n->b->v + at, c);
        if (j->add_a) j->st->k->elem.add(j->da + at, dg, c);
        if (j->add_b) j->st->k->elem.add(j->db + at, du, c);
    }
}

static void swiglu_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    struct back_job j = {.n = n};
    j.db = tensor_grad(st, n->b, &j.add_b);
    j.da = tensor_grad(st, n->a, &j.add_a);
    struct step_mark mark = step_mark(st);
    if (j.add_a) j.dw = step_alloc(st, n->y->n * n->y->c * sizeof *j.dw);
    run_back(st, swiglu_back_slice, &j, n->y->c * 4);
    step_rewind(st, mark);
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
    if (st->tape) {
        tensor_keep(g, KEEP_LOW);
        tensor_keep(u, KEEP_LOW);
        y->gate = g;
        y->up = u;
    }
    run_rows(st, swiglu_slice, &(struct rows_job){.y = y, .a = g, .b = u}, y->c * 4);
    record(st, swiglu_back, &(struct rows_node){.y = y, .a = g, .b = u});
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
    if (st->tape) r->sin_back = step_alloc(st, bytes);
    if (st->failed) return NULL;
    for (size_t i = 0; i < n && !st->dry; i++) {
        for (size_t p = 0; p < f->n_pair; p++) {
            double angle = (double)pos[i] * (double)f->freq[p];
            r->cos[i * f->n_pair + p] = (float)(cos(angle) * (double)f->magnitude);
            r->sin[i * f->n_pair + p] = (float)(sin(angle) * (double)f->magnitude);
            if (r->sin_back) r->sin_back[i * f->n_pair + p] = -r->sin[i * f->n_pair + p];
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

/* The table with the sine's sign changed turns back. In place, like the op itself: whoever used x
 * after the rotation has added to its gradient, whoever made x is still to come. */
static void rope_back_slice(void *ctx, size_t i)
{
    const struct back_job *j = ctx;
    const struct rows_node *n = j->n;
    const struct rope *r = n->rope;
    struct slice s = split_at(n->y->n, j->parts, i);
    for (size_t row = s.begin; row < s.end; row++) {
        float *g = n->y->g + row * n->y->c + n->from;
        for (size_t h = 0; h < n->count; h++)
            j->st->k->elem.rope(g + h * n->stride, r->cos + row * r->n_pair,
                                r->sin_back + row * r->n_pair, r->n_pair, r->interleaved);
    }
}

static void rope_back(struct step *st, struct tape_node *node)
{
    struct rows_node *n = (struct rows_node *)node;
    if (!n->y->g) return;
    run_back(st, rope_back_slice, &(struct back_job){.n = n}, n->count * n->rope->n_pair * 2);
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
    record(
        st, rope_back,
        &(struct rows_node){.y = x, .rope = r, .from = from, .stride = stride, .count = count});
    return x;
}
