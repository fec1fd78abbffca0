/* op_linear.c - products of rows with a weight matrix.
 *
 * Rows meet a packed matrix as f32 or as 8-bit rows. The 8-bit form of a tensor is made once and
 * kept on it: q, k and v projections share one. Matrices that meet the same rows are one job of the
 * pool, and what follows element by element is done in the slice that made it: decoding has little
 * time between two products. In training the weights are plain f32 rows; the
 * order of arithmetic is the same (kernel/gemm.h), so both give the same bits.
 *
 * Back: dx = dy W is cut over rows, dW = dy^T x over its elements. Every number is one chain in the
 * kernel's order, whoever computes it.
 */
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/low.h"
#include "nn/op.h"
#include "nn/op_int.h"
#include "nn/split.h"
#include "nn/tape.h"

/* One matrix of a job: panels [first, first + panels) of it. */
struct linear_out {
    const struct weight *w;
    const float *bias;
    float *y; /* (n_row, w->n_out) */
    bool q8;
    size_t first, panels;
};

enum { MAX_OUT = 4 };

struct linear_job {
    const struct step *st;
    const float *x;
    size_t ldx, n_row;
    const unsigned char *x8; /* where one of the matrices wants it */
    size_t n_out;
    struct linear_out out[MAX_OUT];
};

static void add_bias(const struct linear_job *j, const struct linear_out *o, size_t from,
                     size_t to)
{
    if (to > o->w->n_out) to = o->w->n_out;
    if (!o->bias || from >= to) return;
    for (size_t r = 0; r < j->n_row; r++)
        j->st->k->elem.add(o->y + r * o->w->n_out + from, o->bias + from, to - from);
}

static void linear_panels(const struct linear_job *j, const struct linear_out *o, size_t begin,
                          size_t end)
{
    if (o->q8)
        j->st->k->q8.rows(o->y, o->w->n_out, j->x8, j->n_row, &o->w->pack, begin, end);
    else
        j->st->k->gemm.rows(o->y, o->w->n_out, j->x, j->ldx, j->n_row, &o->w->pack, begin, end);
    add_bias(j, o, begin * PACK_OUT, end * PACK_OUT);
}

static void linear_range(void *ctx, size_t begin, size_t end)
{
    const struct linear_job *j = ctx;
    for (const struct linear_out *o = j->out; o < j->out + j->n_out && begin < end; o++) {
        if (begin >= o->first + o->panels) continue;
        size_t to = size_min(end, o->first + o->panels);
        if (!step_stopped(j->st)) linear_panels(j, o, begin - o->first, to - o->first);
        begin = to;
    }
}

/* ---- the 8-bit form of rows ---------------------------------------------------------------- */

struct quant_job {
    const struct step *st;
    enum dtype dt;
    const float *x;
    size_t ldx, n, n_in, row_bytes, parts;
    unsigned char *out;
};

static void quant_slice(void *ctx, size_t i)
{
    const struct quant_job *j = ctx;
    struct slice s = split_at(j->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++)
        j->st->k->q8.quantize(j->dt, j->out + r * j->row_bytes, j->x + r * j->ldx, j->n_in);
}

bool linear_uses_q8(const struct step *st, const struct weight *w)
{
    return st->act == ACT_Q8 && !w->data && q8_has(w->dt);
}

unsigned char *linear_quantize(struct step *st, enum dtype dt, const float *x, size_t ldx,
                               size_t n, size_t n_in, size_t *row_bytes)
{
    *row_bytes = st->k->q8.row_bytes(dt, n_in);
    unsigned char *out = step_alloc(st, n * *row_bytes);
    if (!out || st->dry) return out;
    struct quant_job j = {st, dt, x, ldx, n, n_in, *row_bytes, split_count(st, n, 4), out};
    pool_run(st->pool, quant_slice, &j, j.parts);
    return out;
}

static const unsigned char *rows_q8(struct step *st, struct tensor *x, enum dtype dt)
{
    size_t row_bytes;
    if (!x->q8) x->q8 = linear_quantize(st, dt, x->v, x->c, x->n, x->c, &row_bytes);
    return x->q8;
}

/* ---- plain f32 weights --------------------------------------------------------------------- */

/* Slices of a product: rows by threads where there are enough of them, columns by COLUMNS, which is
 * what the kernels pack at a time: small slices cost nothing, and a thread that is late, because a
 * neighbour has its core, leaves the rest to the others. */
enum { COLUMNS = 256 };

static size_t cut_rows(size_t n_row, size_t threads)
{
    return n_row >= 4 * threads ? threads : 1;
}

static size_t cut_cols(size_t n_row, size_t n_col, size_t threads)
{
    size_t n = (n_col + COLUMNS - 1) / COLUMNS;
    return cut_rows(n_row, threads) == threads ? n : size_max(n, threads);
}

static size_t cut_count(size_t n_row, size_t n_col, size_t threads)
{
    return cut_rows(n_row, threads) * cut_cols(n_row, n_col, threads);
}

/* Slice i: rows r, columns c. */
static void cut_at(size_t n_row, size_t n_col, size_t threads, size_t i, struct slice *r,
                   struct slice *c)
{
    size_t cols = cut_cols(n_row, n_col, threads);
    *r = split_at(n_row, cut_rows(n_row, threads), i / cols);
    *c = split_at(n_col, cols, i % cols);
    if (cols > 1 && (n_col + COLUMNS - 1) / COLUMNS == cols)
        *c = (struct slice){i % cols * COLUMNS, size_min((i % cols + 1) * COLUMNS, n_col)};
}

struct plain_job {
    const struct step *st;
    const struct weight *w;
    const float *bias, *x;
    float *y;
    size_t ldx, ldy, n, threads;
};

static void plain_slice(void *ctx, size_t i)
{
    const struct plain_job *j = ctx;
    size_t n_out = j->w->n_out, n_in = j->w->n_in;
    struct slice r, o;
    cut_at(j->n, n_out, j->threads, i, &r, &o);
    void *scratch = step_scratch(j->st);
    if (r.end > r.begin && o.end > o.begin)
        j->st->k->gemm.nt(j->y + r.begin * j->ldy + o.begin, j->ldy, j->x + r.begin * j->ldx,
                          j->ldx, j->w->data + o.begin * n_in, n_in, r.end - r.begin,
                          o.end - o.begin, n_in, false, scratch);
    for (size_t row = r.begin; j->bias && row < r.end; row++)
        j->st->k->elem.add(j->y + row * j->ldy + o.begin, j->bias + o.begin, o.end - o.begin);
}

/* ---- few bits ------------------------------------------------------------------------------ */

struct bias_job {
    const struct step *st;
    const float *bias;
    struct tensor *y;
    size_t parts;
};

static void bias_slice(void *ctx, size_t i)
{
    const struct bias_job *j = ctx;
    struct slice r = split_at(j->y->n, j->parts, i);
    for (size_t row = r.begin; row < r.end; row++)
        j->st->k->elem.add(j->y->v + row * j->y->c, j->bias, j->y->c);
}

static void low_linear(struct step *st, struct tensor *x, struct weight *w,
                       const struct weight *bias, struct tensor *y)
{
    const struct low_form *a =
        low_form_of(st, &st->low->x, LOW_A, x->v, x->c, x->n, x->c, false, false, x);
    if (st->dry || st->failed) return;
    low_product(st, y->v, y->c, a, &w->low->y[0], false);
    struct bias_job j = {st, bias ? bias->data : NULL, y, split_count(st, y->n, 16)};
    if (bias) pool_run(st->pool, bias_slice, &j, j.parts);
}

/* ---- walk back ----------------------------------------------------------------------------- */

struct linear_node {
    struct tape_node n;
    struct tensor *x, *y;
    struct weight *w, *bias;
    size_t x_head, x_from; /* op_linear_heads */
};

struct linear_back_job {
    const struct step *st;
    const struct linear_node *n;
    float *dx;
    bool add_x;
    size_t parts;
};

/* dx = dy W */
static void back_x_slice(void *ctx, size_t i)
{
    const struct linear_back_job *j = ctx;
    const struct tensor *x = j->n->x, *y = j->n->y;
    struct slice r, c;
    cut_at(x->n, x->c, j->parts, i, &r, &c);
    if (r.end > r.begin && c.end > c.begin)
        j->st->k->gemm.nn(j->dx + r.begin * x->c + c.begin, x->c, y->g + r.begin * y->c, y->c,
                          j->n->w->data + c.begin, x->c, r.end - r.begin, c.end - c.begin, y->c,
                          j->add_x, step_scratch(j->st));
}

/* dW += dy^T x. */
static void back_w_slice(void *ctx, size_t i)
{
    const struct linear_back_job *j = ctx;
    const struct tensor *x = j->n->x, *y = j->n->y;
    struct slice o, c;
    cut_at(y->c, x->c, j->parts, i, &o, &c);
    if (o.end > o.begin && c.end > c.begin)
        j->st->k->gemm.tn(j->n->w->grad + o.begin * x->c + c.begin, x->c, y->g + o.begin, y->c,
                          x->v + c.begin, x->c, o.end - o.begin, c.end - c.begin, x->n, true,
                          step_scratch(j->st));
}

static void back_bias_slice(void *ctx, size_t i)
{
    const struct linear_back_job *j = ctx;
    const struct tensor *y = j->n->y;
    struct slice s = split_at(y->c, j->parts, i);
    for (size_t r = 0; r < y->n; r++)
        j->st->k->elem.add(j->n->bias->grad + s.begin, y->g + r * y->c + s.begin,
                           s.end - s.begin);
}

/* The three forms of dy and x are made one after the other: each is used while it is near. */
static void low_back(struct step *st, struct linear_back_job *j)
{
    const struct linear_node *n = j->n;
    struct low *l = st->low;
    struct tensor *x = n->x, *y = n->y;
    const struct low_form *a =
        low_form_of(st, &l->dy, LOW_A, y->g, y->c, y->n, y->c, false, l->random, NULL);
    if (a) low_product(st, j->dx, x->c, a, &n->w->low->x[0], j->add_x);
    if (!n->w->grad) return;
    a = low_form_of(st, &l->dy_across, LOW_A, y->g, y->c, y->n, y->c, true, l->random, NULL);
    const struct low_form *b =
        low_form_of(st, &l->x_across, LOW_B, x->v, x->c, x->n, x->c, true, false, x);
    low_product(st, n->w->grad, x->c, a, b, true);
}

static void linear_back(struct step *st, struct tape_node *node)
{
    struct linear_node *n = (struct linear_node *)node;
    if (!n->y->g) return;
    struct linear_back_job j = {.st = st, .n = n, .parts = (size_t)pool_threads(st->pool)};
    j.dx = tensor_grad(st, n->x, &j.add_x);
    if (n->w->low) low_back(st, &j);
    if (st->failed || st->dry) return;
    size_t rows = n->x->n, c = n->x->c;
    if (!n->w->low) pool_run(st->pool, back_x_slice, &j, cut_count(rows, c, j.parts));
    if (!n->w->low && n->w->grad)
        pool_run(st->pool, back_w_slice, &j, cut_count(n->y->c, c, j.parts));
    if (n->bias && n->bias->grad) pool_run(st->pool, back_bias_slice, &j, j.parts);
}

static void heads_back_slice(void *ctx, size_t h)
{
    const struct linear_back_job *j = ctx;
    const struct tensor *x = j->n->x, *y = j->n->y;
    const struct weight *w = j->n->w;
    size_t n_out = w->n_out, n_in = w->n_in, at = h * j->n->x_head + j->n->x_from;
    const float *dy = y->g + h * n_out;
    j->st->k->gemm.nn(j->dx + at, x->c, dy, y->c, w->data + h * n_out * n_in, n_in, x->n, n_in,
                      n_out, true, step_scratch(j->st));
    if (w->grad)
        j->st->k->gemm.tn(w->grad + h * n_out * n_in, n_in, dy, y->c, x->v + at, x->c, n_out,
                          n_in, x->n, true, step_scratch(j->st));
}

static void heads_back(struct step *st, struct tape_node *node)
{
    struct linear_node *n = (struct linear_node *)node;
    if (!n->y->g) return;
    struct linear_back_job j = {.st = st, .n = n, .dx = tensor_grad_zeroed(st, n->x)};
    if (!st->failed && !st->dry) pool_run(st->pool, heads_back_slice, &j, n->w->n_stack);
}

static void record(struct step *st, tape_fn back, const struct linear_node *what)
{
    if (!st->tape) return;
    if (!what->w->data) {
        step_fail(st, ERR_BUG, "%s: a packed matrix has no gradient", what->w->name);
        return;
    }
    struct linear_node *n = tape_record(st, sizeof *n, back);
    if (!n) return;
    tensor_keep(what->x, what->w->low ? KEEP_LOW : KEEP_BF16);
    struct tape_node head = n->n;
    *n = *what;
    n->n = head;
}

/* ---- ops ----------------------------------------------------------------------------------- */

/* What every product asks first. */
static bool may_multiply(struct step *st, const struct tensor *x, const struct weight *w)
{
    if (step_stopped(st))
        step_fail(st, ERR_CANCELLED, "interrupted");
    else if (x->c != w->n_in)
        step_fail(st, ERR_BUG, "%s: rows of %zu meet a matrix of %zu inputs", w->name, x->c,
                  w->n_in);
    return !st->failed;
}

static bool add_out(struct step *st, struct linear_job *j, struct tensor *x,
                    const struct weight *w, const struct weight *bias, struct tensor *y)
{
    struct linear_out *o = &j->out[j->n_out];
    size_t first = j->n_out ? o[-1].first + o[-1].panels : 0;
    *o = (struct linear_out){.w = w, .bias = bias ? bias->data : NULL, .y = y ? y->v : NULL};
    o->q8 = linear_uses_q8(st, w);
    o->first = first;
    o->panels = pack_panels(w->n_out);
    j->n_out++;
    if (y && o->q8) j->x8 = rows_q8(st, x, w->dt);
    if (st->failed) return false;
    if (st->observe && !st->dry) st->observe(st->observe_ctx, w, 0, x->v, x->c, x->n);
    return true;
}

static void run_job(struct step *st, struct linear_job *j)
{
    const struct linear_out *last = &j->out[j->n_out - 1];
    if (!st->dry) pool_run_ranges(st->pool, linear_range, j, last->first + last->panels);
}

struct tensor *op_linear(struct step *st, struct tensor *x, struct weight *w,
                         struct weight *bias)
{
    if (!x || !may_multiply(st, x, w)) return NULL;
    struct tensor *y = step_tensor(st, x->n, w->n_out);
    if (!y) return NULL;
    if (!w->data && !st->tape) {
        struct linear_job job = {.st = st, .x = x->v, .ldx = x->c, .n_row = x->n};
        if (!add_out(st, &job, x, w, bias, y)) return NULL;
        run_job(st, &job);
        return y;
    }
    record(st, linear_back, &(struct linear_node){.x = x, .y = y, .w = w, .bias = bias});
    if (st->failed) return NULL;
    if (w->low) {
        low_linear(st, x, w, bias, y);
        return st->failed ? NULL : y;
    }
    if (st->dry) return y;
    if (st->observe) st->observe(st->observe_ctx, w, 0, x->v, x->c, x->n);
    struct plain_job j = {st,   w,    bias ? bias->data : NULL,      x->v, y->v, x->c,
                          y->c, x->n, (size_t)pool_threads(st->pool)};
    pool_run(st->pool, plain_slice, &j, cut_count(x->n, w->n_out, j.threads));
    return y;
}

void op_linears(struct step *st, struct tensor *x, const struct linear *l, size_t n,
                struct tensor **y)
{
    bool apart = st->tape || n > MAX_OUT;
    for (size_t i = 0; i < n; i++) {
        y[i] = NULL;
        apart = apart || l[i].w->data;
    }
    if (!x || st->failed) return;
    struct linear_job j = {.st = st, .x = x->v, .ldx = x->c, .n_row = x->n};
    for (size_t i = 0; i < n; i++) {
        if (apart) {
            y[i] = op_linear(st, x, l[i].w, l[i].bias);
            continue;
        }
        if (may_multiply(st, x, l[i].w)) y[i] = step_tensor(st, x->n, l[i].w->n_out);
        if (!y[i] || !add_out(st, &j, x, l[i].w, l[i].bias, y[i])) return;
    }
    if (!apart) run_job(st, &j);
}

/* ---- feed forward -------------------------------------------------------------------------- */

struct ffn_job {
    struct linear_job in; /* gate, up */
    enum dtype dt;
    unsigned char *h8; /* the result in 8-bit form, or NULL */
    size_t h8_row;
};

/* Some panels of gate and up, and what follows for these columns alone. */
static void ffn_range(void *ctx, size_t begin, size_t end)
{
    const struct ffn_job *j = ctx;
    const struct linear_out *gate = &j->in.out[0], *up = &j->in.out[1];
    const struct kernels *k = j->in.st->k;
    size_t c = gate->w->n_out;
    if (step_stopped(j->in.st)) return;
    linear_panels(&j->in, gate, begin, end);
    linear_panels(&j->in, up, begin, end);
    size_t from = begin * PACK_OUT, n = size_min(end * PACK_OUT, c) - from;
    for (size_t r = 0; r < j->in.n_row; r++) {
        float *h = gate->y + r * c + from;
        k->elem.swiglu(h, h, up->y + r * c + from, n);
        if (j->h8)
            k->q8.quantize(j->dt, j->h8 + r * j->h8_row + k->q8.row_bytes(j->dt, from), h, n);
    }
}

struct tensor *op_ffn(struct step *st, struct tensor *x, struct weight *gate, struct weight *up,
                      struct weight *down)
{
    if (st->tape || gate->data || st->observe) {
        struct tensor *g = op_linear(st, x, gate, NULL), *u = op_linear(st, x, up, NULL);
        return op_linear(st, op_swiglu(st, g, u), down, NULL);
    }
    if (!x || !may_multiply(st, x, gate) || !may_multiply(st, x, up)) return NULL;
    if (gate->n_out != up->n_out)
        return step_fail(st, ERR_BUG, "%s and %s differ in size", gate->name, up->name);
    struct ffn_job j = {.in = {.st = st, .x = x->v, .ldx = x->c, .n_row = x->n},
                        .dt = down->dt};
    struct tensor *h = step_tensor(st, x->n, gate->n_out),
                  *u = step_tensor(st, x->n, up->n_out);
    if (!h || !u || !add_out(st, &j.in, x, gate, NULL, h) ||
        !add_out(st, &j.in, x, up, NULL, u))
        return NULL;
    if (linear_uses_q8(st, down)) {
        j.h8_row = st->k->q8.row_bytes(down->dt, h->c);
        h->q8 = j.h8 = step_alloc(st, h->n * j.h8_row);
        if (!j.h8) return NULL;
    }
    if (!st->dry) pool_run_ranges(st->pool, ffn_range, &j, j.in.out[0].panels);
    return op_linear(st, h, down, NULL);
}

/* ---- heads --------------------------------------------------------------------------------- */

struct heads_job {
    const struct step *st;
    const struct weight *w;
    const struct tensor *x;
    struct tensor *y;
    size_t x_head, x_from;
    unsigned char *x8; /* (head, row), made by the slices */
    size_t x8_row_bytes;
};

static void heads_slice(void *ctx, size_t h)
{
    const struct heads_job *j = ctx;
    size_t n_out = j->w->n_out, n_in = j->w->n_in;
    float *y = j->y->v + h * n_out;
    const float *x = j->x->v + h * j->x_head + j->x_from;
    if (j->w->data) {
        j->st->k->gemm.nt(y, j->y->c, x, j->x->c, j->w->data + h * n_out * n_in, n_in, j->x->n,
                          n_out, n_in, false, step_scratch(j->st));
        return;
    }
    struct pack w = weight_pack_at(j->w, h);
    unsigned char *x8 = j->x8 ? j->x8 + h * j->x->n * j->x8_row_bytes : NULL;
    for (size_t r = 0; x8 && r < j->x->n; r++)
        j->st->k->q8.quantize(w.dt, x8 + r * j->x8_row_bytes, x + r * j->x->c, n_in);
    if (x8)
        j->st->k->q8.rows(y, j->y->c, x8, j->x->n, &w, 0, pack_panels(n_out));
    else
        j->st->k->gemm.rows(y, j->y->c, x, j->x->c, j->x->n, &w, 0, pack_panels(n_out));
}

struct tensor *op_linear_heads(struct step *st, struct tensor *x, size_t x_head, size_t x_from,
                               struct weight *w)
{
    if (!x) return NULL;
    if (w->n_stack * x_head > x->c || x_from + w->n_in > x_head)
        return step_fail(st, ERR_BUG, "%s: %zu heads of %zu inputs do not fit rows of %zu",
                         w->name, w->n_stack, w->n_in, x->c);
    struct tensor *y = step_tensor(st, x->n, w->n_stack * w->n_out);
    if (!y) return NULL;
    record(st, heads_back,
           &(struct linear_node){.x = x, .y = y, .w = w, .x_head = x_head, .x_from = x_from});
    struct heads_job j = {.st = st, .w = w, .x = x, .y = y, .x_head = x_head, .x_from = x_from};
    if (linear_uses_q8(st, w)) {
        j.x8_row_bytes = st->k->q8.row_bytes(w->dt, w->n_in);
        j.x8 = step_alloc(st, w->n_stack * x->n * j.x8_row_bytes);
        if (!j.x8) return NULL;
    }
    for (size_t h = 0; st->observe && !st->dry && h < w->n_stack; h++)
        st->observe(st->observe_ctx, w, h, x->v + h * x_head + x_from, x->c, x->n);
    if (!st->dry) pool_run(st->pool, heads_slice, &j, w->n_stack);
    return y;
}
