/* op_moe.c - routed experts.
 *
 * (row, rank) pairs are sorted by expert, the rows of each expert are gathered side by side, and
 * one small product per chosen expert runs over them. An expert's weights are read once per step
 * however many rows chose it. Results are added per row in router-rank order, so a row's sum does
 * not depend on its neighbours.
 *
 * Back: the same groups the other way round. Which experts were chosen is a constant; the router
 * learns through the weights of the chosen and through the balance loss, the correction bias not
 * at all.
 *
 * Source: models.md 6.4; DeepSeek-V3 inference/model.py, class MoE.
 */
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "kernel/route.h"
#include "nn/low.h"
#include "nn/op_int.h"
#include "nn/split.h"
#include "nn/tape.h"

/* Who goes where: item = row * n_used + rank, in expert order from first[e] on. */
struct groups {
    int32_t *expert; /* (N, K) chosen experts by rank */
    float *weight;   /* (N, K) */
    int32_t *first;  /* (E + 1) */
    int32_t *item;   /* (N * K) sorted by expert, then row */
    int32_t *place;  /* (N, K): where an item lies in the sorted order */
};

struct moe_slice { /* one unit of work: some panels of one expert */
    int32_t expert;
    uint32_t begin, end;
};

struct moe_job {
    const struct step *st;
    const struct moe *m;
    struct groups g;
    size_t n_row, c, f;
    const struct tensor *x;
    const unsigned char *x8; /* (N) rows in 8-bit form */
    size_t x8_row;
    float *xs;          /* (N*K, C) gathered rows, or */
    unsigned char *xs8; /* the same in 8-bit form */
    float *h, *u;       /* (N*K, F) */
    float *gate;        /* (N*K, F): h itself, kept apart in a taped step */
    unsigned char *h8;
    size_t h8_row;
    float *o;                 /* (N*K, C) */
    const struct low_form *a; /* in few bits: xs, then h */
    struct tensor *y;
    const struct moe_slice *slice;
    size_t parts;
};

/* ---- routing ------------------------------------------------------------------------------- */

static bool groups_alloc(struct step *st, struct groups *g, size_t n, size_t n_used,
                         size_t n_expert)
{
    g->expert = step_small(st, n * n_used * sizeof *g->expert);
    g->weight = step_small(st, n * n_used * sizeof *g->weight);
    g->first = step_small(st, (n_expert + 1) * sizeof *g->first);
    g->item = step_small(st, n * n_used * sizeof *g->item);
    g->place = step_small(st, n * n_used * sizeof *g->place);
    return g->expert && g->weight && g->first && g->item && g->place;
}

static void sort_by_expert(struct groups *g, size_t n_item, size_t n_expert)
{
    for (size_t i = 0; i < n_item; i++) g->first[g->expert[i] + 1]++;
    for (size_t e = 0; e < n_expert; e++) g->first[e + 1] += g->first[e];
    for (size_t i = 0; i < n_item; i++) {
        int32_t at =
            g->first[g->expert[i]]++; /* becomes the next expert's start: undone below */
        g->item[at] = (int32_t)i;
        g->place[i] = at;
    }
    for (size_t e = n_expert; e > 0; e--) g->first[e] = g->first[e - 1];
    g->first[0] = 0;
}

struct route_job {
    const struct route_opts *o;
    const struct kernels *k;
    const struct tensor *logits;
    struct groups *g;
    size_t parts;
};

static void route_slice(void *ctx, size_t i)
{
    const struct route_job *j = ctx;
    struct slice s = split_at(j->logits->n, j->parts, i);
    size_t used = (size_t)j->o->n_used;
    for (size_t r = s.begin; r < s.end; r++)
        route_row(j->o, j->k, j->logits->v + r * j->logits->c, j->g->expert + r * used,
                  j->g->weight + r * used);
}

static void route_rows(struct step *st, const struct moe *m, const struct tensor *logits,
                       struct groups *g)
{
    struct route_opts o = {.n_expert = m->n_expert,
                           .n_used = m->n_used,
                           .n_group = m->n_group,
                           .topk_group = m->topk_group,
                           .sigmoid = m->sigmoid,
                           .group_max = m->group_max,
                           .normalise = m->normalise,
                           .scale = m->scale,
                           .bias = m->correction ? m->correction->data : NULL};
    struct route_job j = {&o, st->k, logits, g, split_count(st, logits->n, 16)};
    pool_run(st->pool, route_slice, &j, j.parts);
    sort_by_expert(g, logits->n * (size_t)m->n_used, (size_t)m->n_expert);
}

/* ---- products ------------------------------------------------------------------------------ */

static void gather_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    size_t used = (size_t)j->m->n_used;
    struct slice s = split_at(j->n_row * used, j->parts, i);
    for (size_t p = s.begin; p < s.end; p++) {
        size_t row = (size_t)j->g.item[p] / used;
        if (j->xs8)
            memcpy(j->xs8 + p * j->x8_row, j->x8 + row * j->x8_row, j->x8_row);
        else
            memcpy(j->xs + p * j->c, j->x->v + row * j->c, j->c * sizeof(float));
    }
}

/* y rows [0, n) of one expert, outputs of panels [begin, end). */
static void expert_product(const struct moe_job *j, const struct weight *w, int32_t e, float *y,
                           const float *x, const unsigned char *x8, size_t n, size_t begin,
                           size_t end)
{
    const struct kernels *k = j->st->k;
    if (step_stopped(j->st)) return;
    if (w->data) {
        size_t from = begin * PACK_OUT, to = size_min(end * PACK_OUT, w->n_out);
        k->gemm.nt(y + from, w->n_out, x, w->n_in,
                   w->data + ((size_t)e * w->n_out + from) * w->n_in, w->n_in, n, to - from,
                   w->n_in, false, step_scratch(j->st));
        return;
    }
    struct pack p = weight_pack_at(w, (size_t)e);
    if (x8)
        k->q8.rows(y, w->n_out, x8, n, &p, begin, end);
    else
        k->gemm.rows(y, w->n_out, x, w->n_in, n, &p, begin, end);
}

/* The same in few bits, all rows of j->a that chose the expert; y is that of all rows. */
static void expert_low(const struct moe_job *j, const struct weight *w,
                       const struct moe_slice *s, float *y)
{
    size_t first = (size_t)j->g.first[s->expert], last = (size_t)j->g.first[s->expert + 1];
    low_multiply(j->st->k, y, w->n_out, j->a, &w->low->y[s->expert], first, last, s->begin,
                 s->end, false, step_scratch(j->st));
}

static void gate_up_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    const struct moe_slice *s = &j->slice[i];
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
    float *h = j->h + first * j->f, *u = j->u + first * j->f, *gate = j->gate + first * j->f;
    const float *x = j->xs8 ? NULL : j->xs + first * j->c;
    const unsigned char *x8 = j->xs8 ? j->xs8 + first * j->x8_row : NULL;
    if (j->a) {
        expert_low(j, j->m->gate, s, j->gate);
        expert_low(j, j->m->up, s, j->u);
    } else {
        expert_product(j, j->m->gate, s->expert, gate, x, x8, n, s->begin, s->end);
        expert_product(j, j->m->up, s->expert, u, x, x8, n, s->begin, s->end);
    }
    size_t from = s->begin * PACK_OUT, to = size_min(s->end * PACK_OUT, j->f);
    const struct kernels *k = j->st->k;
    enum dtype dt = j->m->down->dt;
    for (size_t r = 0; r < n; r++) {
        float *at = h + r * j->f + from;
        k->elem.swiglu(at, gate + r * j->f + from, u + r * j->f + from, to - from);
        if (j->h8)
            k->q8.quantize(dt, j->h8 + (first + r) * j->h8_row + k->q8.row_bytes(dt, from), at,
                           to - from);
    }
}

static void down_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    const struct moe_slice *s = &j->slice[i];
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
    if (j->a) {
        expert_low(j, j->m->down, s, j->o);
        return;
    }
    expert_product(j, j->m->down, s->expert, j->o + first * j->c, j->h + first * j->f,
                   j->h8 ? j->h8 + first * j->h8_row : NULL, n, s->begin, s->end);
}

static void combine_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    size_t used = (size_t)j->m->n_used;
    struct slice s = split_at(j->n_row, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++) {
        float *y = j->y->v + r * j->c;
        for (size_t k = 0; k < used; k++) {
            const float *o = j->o + (size_t)j->g.place[r * used + k] * j->c;
            float w = j->g.weight[r * used + k];
            if (k == 0)
                j->st->k->elem.scale(y, o, w, j->c);
            else
                j->st->k->elem.axpy(y, w, o, j->c);
        }
    }
}

/* Importance: what each chosen expert's matrix is multiplied with; f32 steps only. */
static void observe(struct moe_job *j, const struct weight *w, const float *x, size_t c)
{
    for (size_t e = 0; j->st->observe && e < (size_t)j->m->n_expert; e++) {
        size_t first = (size_t)j->g.first[e], n = (size_t)j->g.first[e + 1] - first;
        if (n) j->st->observe(j->st->observe_ctx, w, e, x + first * c, c, n);
    }
}

/* Cuts the chosen experts' outputs into slices, several per thread. */
static const struct moe_slice *make_slices(struct step *st, const struct moe_job *j,
                                           size_t n_out, size_t *count)
{
    size_t n_expert = (size_t)j->m->n_expert, active = 0, panels = pack_panels(n_out);
    for (size_t e = 0; e < n_expert; e++) active += j->g.first[e + 1] > j->g.first[e];
    size_t want = (size_t)pool_threads(st->pool) * 32;
    size_t per = active ? (want + active - 1) / active : 1;
    per = size_max(1, size_min(per, panels / 4));
    struct moe_slice *s = step_small(st, size_max(active, 1) * per * sizeof *s);
    *count = 0;
    if (!s) return NULL;
    for (size_t e = 0; e < n_expert; e++) {
        if (j->g.first[e + 1] == j->g.first[e]) continue;
        for (size_t i = 0; i < per; i++) {
            struct slice cut = split_at(panels, per, i);
            s[(*count)++] =
                (struct moe_slice){(int32_t)e, (uint32_t)cut.begin, (uint32_t)cut.end};
        }
    }
    return s;
}

/* ---- walk back ----------------------------------------------------------------------------- */

struct moe_node {
    struct tape_node n;
    struct moe m;
    struct moe_job j; /* j.m is &m */
    struct tensor *x, *y, *logits;
    struct tensor *xs, *gate, *up, *h, *o; /* of the job's arrays */
    /* Balance loss: weight * frequency of an expert, over the rows of a group; NULL: none. */
    const float *balance; /* (groups, E) */
    const int32_t *group; /* (N), or NULL: one group */
};

struct moe_back {
    const struct moe_node *n;
    const struct moe_job *j;
    const struct moe_slice *slice;
    float *d_o; /* (N*K, C) gradient of the experts' results, then of their inputs */
    float *dh;  /* (N*K, F) of h, then of the gate's results */
    float *dw;  /* (N, K) of the weights */
    float *dx, *dl;
    bool add_x;
    size_t parts;
    /* In few bits: gradients as rows (the second: of up), then by expert across, inputs across. */
    const struct low_form *dy, *dy_up, *dy_across, *dy_up_across, *x_across;
};

static void combine_back_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    const struct moe_job *j = b->j;
    size_t used = (size_t)j->m->n_used;
    struct slice s = split_at(j->n_row, b->parts, i);
    for (size_t p = s.begin * used; p < s.end * used; p++) {
        const float *dy = b->n->y->g + p / used * j->c;
        size_t at = (size_t)j->g.place[p] * j->c;
        b->dw[p] = j->st->k->elem.dot(dy, j->o + at, j->c);
        j->st->k->elem.scale(b->d_o + at, dy, j->g.weight[p], j->c);
    }
}

/* dx (or +=) dy W for rows of one expert, inputs of panels [begin, end) of W. */
static void expert_back_x(const struct moe_back *b, const struct moe_slice *s,
                          const struct weight *w, float *dx, const float *dy,
                          const struct low_form *low, bool add)
{
    const struct moe_job *j = b->j;
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
    if (low) {
        low_multiply(j->st->k, dx, w->n_in, low, &w->low->x[s->expert], first, first + n,
                     s->begin, s->end, add, step_scratch(j->st));
        return;
    }
    size_t from = s->begin * PACK_OUT, to = size_min(s->end * PACK_OUT, w->n_in);
    if (from < to)
        j->st->k->gemm.nn(dx + first * w->n_in + from, w->n_in, dy + first * w->n_out, w->n_out,
                          w->data + (size_t)s->expert * w->n_out * w->n_in + from, w->n_in, n,
                          to - from, w->n_out, add, step_scratch(j->st));
}

/* dW += dy^T x, outputs of panels [begin, end). */
static void expert_back_w(const struct moe_back *b, const struct moe_slice *s,
                          const struct weight *w, const float *dy, const float *x,
                          const struct low_form *low)
{
    const struct moe_job *j = b->j;
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
    size_t from = s->begin * PACK_OUT, to = size_min(s->end * PACK_OUT, w->n_out);
    if (low) {
        if (w->grad)
            low_multiply(j->st->k, w->grad + (size_t)s->expert * w->n_out * w->n_in, w->n_in,
                         &low[s->expert], &b->x_across[s->expert], from, to, 0,
                         pack_panels(w->n_in), true, step_scratch(j->st));
        return;
    }
    if (w->grad && from < to)
        j->st->k->gemm.tn(w->grad + ((size_t)s->expert * w->n_out + from) * w->n_in, w->n_in,
                          dy + first * w->n_out + from, w->n_out, x + first * w->n_in, w->n_in,
                          to - from, w->n_in, n, true, step_scratch(j->st));
}

static void down_back_x_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    expert_back_x(b, &b->slice[i], b->j->m->down, b->dh, b->d_o, b->dy, false);
}

static void down_back_w_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    expert_back_w(b, &b->slice[i], b->j->m->down, b->d_o, b->j->h, b->dy_across);
}

/* dh becomes the gradient of the gate's results, u that of up's. */
static void act_back_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    const struct moe_job *j = b->j;
    struct slice s = split_at(j->n_row * (size_t)j->m->n_used, b->parts, i);
    for (size_t at = s.begin * j->f; at < s.end * j->f; at += j->f)
        j->st->k->elem.swiglu_back(b->dh + at, j->u + at, b->dh + at, j->gate + at, j->u + at,
                                   j->f);
}

static void gate_up_back_x_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    expert_back_x(b, &b->slice[i], b->j->m->gate, b->d_o, b->dh, b->dy, false);
    expert_back_x(b, &b->slice[i], b->j->m->up, b->d_o, b->j->u, b->dy_up, true);
}

static void gate_up_back_w_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    expert_back_w(b, &b->slice[i], b->j->m->gate, b->dh, b->j->xs, b->dy_across);
    expert_back_w(b, &b->slice[i], b->j->m->up, b->j->u, b->j->xs, b->dy_up_across);
}

/* A row's inputs went to K experts: their gradients are added in rank order. */
static void gather_back_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    const struct moe_job *j = b->j;
    size_t used = (size_t)j->m->n_used;
    struct slice s = split_at(j->n_row, b->parts, i);
    for (size_t p = s.begin * used; p < s.end * used; p++) {
        float *dx = b->dx + p / used * j->c;
        const float *from = b->d_o + (size_t)j->g.place[p] * j->c;
        if (b->add_x || p % used)
            j->st->k->elem.add(dx, from, j->c);
        else
            memcpy(dx, from, j->c * sizeof *dx);
    }
}

/* From the gradients of the weights (and the balance loss) to those of one row's logits:
 *   w_k = scale s_k / (T + 1e-20), T = sum over the chosen s   or   w_k = scale s_k
 *   balance: sum over e of a_e s_e / (sum of all s)
 *   s = sigmoid(l): dl = ds s (1 - s)          s = softmax(l): dl = s (ds - sum ds s) */
static void route_back_row(const struct moe_back *b, size_t r)
{
    const struct moe_job *j = b->j;
    const struct moe_node *n = b->n;
    const struct elem_kernels *k = &j->st->k->elem;
    size_t n_expert = (size_t)j->m->n_expert, used = (size_t)j->m->n_used;
    float s[ROUTE_MAX_EXPERT], ds[ROUTE_MAX_EXPERT];
    const float *dw = b->dw + r * used;
    const int32_t *chosen = j->g.expert + r * used;
    memcpy(s, n->logits->v + r * n_expert, n_expert * sizeof *s);
    if (j->m->sigmoid)
        k->sigmoid(s, s, n_expert);
    else
        (void)k->softmax(s, n_expert);
    memset(ds, 0, n_expert * sizeof *ds);
    float total = 0, dot = 0;
    for (size_t i = 0; i < used; i++) {
        total += s[chosen[i]];
        dot += dw[i] * s[chosen[i]];
    }
    total += 1e-20f;
    for (size_t i = 0; i < used; i++)
        ds[chosen[i]] =
            j->m->normalise ? j->m->scale * (dw[i] - dot / total) / total : j->m->scale * dw[i];
    if (n->balance) {
        const float *a = n->balance + (n->group ? (size_t)n->group[r] : 0) * n_expert;
        float all = k->sum(s, n_expert), mean = k->dot(a, s, n_expert) / all;
        for (size_t e = 0; e < n_expert; e++) ds[e] += (a[e] - mean) / all;
    }
    float *dl = b->dl + r * n_expert;
    float inner = j->m->sigmoid ? 0 : k->dot(ds, s, n_expert);
    for (size_t e = 0; e < n_expert; e++)
        dl[e] = j->m->sigmoid ? ds[e] * s[e] * (1 - s[e]) : s[e] * (ds[e] - inner);
}

static void route_back_slice(void *ctx, size_t i)
{
    const struct moe_back *b = ctx;
    struct slice s = split_at(b->j->n_row, b->parts, i);
    for (size_t r = s.begin; r < s.end; r++) route_back_row(b, r);
}

/* The operands of the four phases of the walk back, in few bits. */
enum phase { DOWN_X, DOWN_W, GATE_UP_X, GATE_UP_W };

static void low_operands(struct step *st, struct moe_back *b, enum phase phase)
{
    const struct moe_job *j = b->j;
    struct low *l = st->low;
    size_t n = j->n_row * (size_t)j->m->n_used, n_expert = (size_t)j->m->n_expert;
    size_t c = phase <= DOWN_W ? j->c : j->f;
    const float *dy = phase <= DOWN_W ? b->d_o : b->dh;
    if (!j->m->down->low) return;
    if (phase == DOWN_X || phase == GATE_UP_X) {
        b->dy = low_form_of(st, &l->dy, LOW_A, dy, c, n, c, false, l->random, NULL);
        if (phase == GATE_UP_X)
            b->dy_up =
                low_form_of(st, &l->dy_across, LOW_A, j->u, c, n, c, false, l->random, NULL);
        return;
    }
    bool down = phase == DOWN_W;
    const int32_t *first = j->g.first;
    b->dy_across = low_groups_of(st, &l->dy, LOW_A, dy, c, first, n_expert, n, l->random);
    if (!down)
        b->dy_up_across =
            low_groups_of(st, &l->dy_across, LOW_A, j->u, c, first, n_expert, n, l->random);
    b->x_across = low_groups_of(st, &l->x_across, LOW_B, down ? j->h : j->xs,
                                down ? j->f : j->c, first, n_expert, n, false);
}

static void moe_back(struct step *st, struct tape_node *node)
{
    struct moe_node *n = (struct moe_node *)node;
    struct moe_job *j = &n->j;
    if (!n->y->g) return;
    bool add;
    size_t items = j->n_row * (size_t)j->m->n_used, count;
    struct moe_back b = {.n = n, .j = j};
    b.dx = tensor_grad(st, n->x, &b.add_x);
    b.dl = tensor_grad(st, n->logits, &add); /* the router has no other reader */
    struct step_mark mark = step_mark(st);
    b.d_o = step_alloc(st, items * j->c * sizeof *b.d_o);
    b.dh = step_alloc(st, items * j->f * sizeof *b.dh);
    b.dw = step_alloc(st, items * sizeof *b.dw);
    for (enum phase p = DOWN_X; st->dry && p <= GATE_UP_W; p++) low_operands(st, &b, p);
    if (st->failed || st->dry) goto done;

    j->st = st;
    j->xs = n->xs->v, j->gate = n->gate->v, j->u = n->up->v, j->h = n->h->v, j->o = n->o->v;
    b.parts = split_count(st, j->n_row, 4);
    pool_run(st->pool, combine_back_slice, &b, b.parts);
    low_operands(st, &b, DOWN_X);
    if (!(b.slice = make_slices(st, j, j->f, &count))) goto done;
    pool_run(st->pool, down_back_x_slice, &b, count);
    low_operands(st, &b, DOWN_W);
    if (!(b.slice = make_slices(st, j, j->c, &count))) goto done;
    pool_run(st->pool, down_back_w_slice, &b, count);
    pool_run(st->pool, act_back_slice, &b, b.parts);
    low_operands(st, &b, GATE_UP_X);
    if (st->failed) goto done;
    pool_run(st->pool, gate_up_back_x_slice, &b, count);
    low_operands(st, &b, GATE_UP_W);
    if (!(b.slice = make_slices(st, j, j->f, &count))) goto done;
    pool_run(st->pool, gate_up_back_w_slice, &b, count);
    pool_run(st->pool, gather_back_slice, &b, b.parts);
    pool_run(st->pool, route_back_slice, &b, b.parts);
done:
    step_rewind(st, mark);
}

/* ---- balance ------------------------------------------------------------------------------- */

/* Counts loads and, with alpha, the balance loss: per group of rows (a sequence, or all rows)
 *   f_e = E / (K T) * tokens that chose e      P_e = mean over the rows of s_e / sum(s)
 *   loss = alpha * sum over e of f_e P_e
 * each group counting with row_weight * its rows. Source: training.md 2.4, 2.6. */
static void watch_rows(struct step *st, struct moe_node *n)
{
    const struct moe_watch *w = st->watch;
    const struct moe_job *j = &n->j;
    size_t n_expert = (size_t)j->m->n_expert, used = (size_t)j->m->n_used;
    size_t n_group = w->by_sequence ? w->n_seq : 1;
    if (!st->tape->replay && w->load)
        for (size_t e = 0; e < n_expert; e++)
            w->load[j->m->router->id][e] += j->g.first[e + 1] - j->g.first[e];
    if (w->alpha == 0) return;
    float *f = step_small(st, n_group * n_expert * sizeof *f);
    int32_t *rows = step_small(st, n_group * sizeof *rows);
    if (!f || !rows) return;
    n->group = w->by_sequence ? w->row_seq : NULL;
    n->balance = f;
    for (size_t r = 0; r < j->n_row; r++) {
        size_t g = n->group ? (size_t)n->group[r] : 0;
        rows[g]++;
        for (size_t i = 0; i < used; i++) f[g * n_expert + (size_t)j->g.expert[r * used + i]]++;
    }
    for (size_t g = 0; g < n_group; g++)
        for (size_t e = 0; e < n_expert && rows[g]; e++)
            f[g * n_expert + e] *= (float)n_expert / (float)used / (float)rows[g] *
                                   (float)(w->alpha * w->row_weight);
    if (st->tape->replay) return;
    for (size_t r = 0; r < j->n_row; r++) {
        const float *a = f + (n->group ? (size_t)n->group[r] : 0) * n_expert;
        float s[ROUTE_MAX_EXPERT];
        memcpy(s, n->logits->v + r * n_expert, n_expert * sizeof *s);
        if (j->m->sigmoid)
            st->k->elem.sigmoid(s, s, n_expert);
        else
            (void)st->k->elem.softmax(s, n_expert);
        st->watch->loss +=
            (double)st->k->elem.dot(a, s, n_expert) / (double)st->k->elem.sum(s, n_expert);
    }
}

static void record_moe(struct step *st, const struct moe_job *j, struct tensor *x,
                       struct tensor *logits, struct tensor *const made[5])
{
    struct moe_node *n = tape_record(st, sizeof *n, moe_back);
    if (!n) return;
    n->xs = made[0], n->h = made[1], n->up = made[2], n->gate = made[3], n->o = made[4];
    tensor_keep(logits, KEEP_F32);
    tensor_keep(n->o, KEEP_BF16);
    for (int i = 0; i < 4; i++) tensor_keep(made[i], j->m->down->low ? KEEP_LOW : KEEP_BF16);
    n->h->gate = n->gate;
    n->h->up = n->up;
    n->m = *j->m;
    n->j = *j;
    n->j.m = &n->m;
    n->x = x;
    n->y = j->y;
    n->logits = logits;
    if (!n->m.gate->data || !n->m.up->data || !n->m.down->data)
        step_fail(st, ERR_BUG, "%s: packed experts have no gradient", n->m.gate->name);
    else if (st->watch && !st->dry)
        watch_rows(st, n);
}

/* ---- op ------------------------------------------------------------------------------------ */

/* An array of rows; in a taped step it is a tensor, so that a segment can keep it in few bits. */
static float *rows_of(struct step *st, size_t n, size_t c, struct tensor **t)
{
    if (!st->tape) return step_alloc(st, n * c * sizeof(float));
    *t = step_tensor(st, n, c);
    return *t ? (*t)->v : NULL;
}

struct tensor *op_moe(struct step *st, struct tensor *x, const struct moe *m)
{
    if (!x) return NULL;
    size_t n = x->n, items = n * (size_t)m->n_used, f = m->gate->n_out;
    struct tensor *y = step_tensor(st, n, x->c);
    struct step_mark mark = step_mark(st);

    enum act_mode act = st->act;
    st->act = ACT_F32; /* a near tie must not be decided by rounding */
    struct tensor *logits = op_linear(st, x, m->router, NULL);
    st->act = act;

    struct moe_job j = {.st = st, .m = m, .n_row = n, .c = x->c, .f = f, .x = x, .y = y};
    if (!logits || !y || !groups_alloc(st, &j.g, n, (size_t)m->n_used, (size_t)m->n_expert))
        return NULL;
    if (!st->dry) route_rows(st, m, logits, &j.g);

    struct tensor *made[5] = {NULL};
    if (linear_uses_q8(st, m->gate)) {
        j.x8 = linear_quantize(st, m->gate->dt, x->v, x->c, n, x->c, &j.x8_row);
        j.xs8 = step_alloc(st, items * j.x8_row);
    } else {
        j.xs = rows_of(st, items, x->c, &made[0]);
    }
    j.h = rows_of(st, items, f, &made[1]);
    j.u = rows_of(st, items, f, &made[2]);
    j.gate = st->tape ? rows_of(st, items, f, &made[3]) : j.h;
    j.o = rows_of(st, items, x->c, &made[4]);
    if (linear_uses_q8(st, m->down)) {
        j.h8_row = st->k->q8.row_bytes(m->down->dt, f);
        j.h8 = step_alloc(st, items * j.h8_row);
    }
    if (st->failed) return NULL;
    size_t count = 0;
    j.parts = split_count(st, items, 4);
    if (!st->dry) pool_run(st->pool, gather_slice, &j, j.parts);
    if (m->down->low)
        j.a = low_form_of(st, &st->low->x, LOW_A, j.xs, x->c, items, x->c, false, false, NULL);
    if (!st->dry) {
        j.slice = make_slices(st, &j, f, &count);
        if (!j.slice) return NULL;
        if (j.xs) observe(&j, m->gate, j.xs, x->c);
        if (j.xs) observe(&j, m->up, j.xs, x->c);
        pool_run(st->pool, gate_up_slice, &j, count);
        observe(&j, m->down, j.h, f);
    }
    if (m->down->low)
        j.a = low_form_of(st, &st->low->x, LOW_A, j.h, f, items, f, false, false, NULL);
    if (st->failed) return NULL;
    if (!st->dry) {
        j.slice = make_slices(st, &j, x->c, &count);
        if (!j.slice) return NULL;
        pool_run(st->pool, down_slice, &j, count);
        j.parts = split_count(st, n, 4);
        pool_run(st->pool, combine_slice, &j, j.parts);
    }
    if (st->tape) record_moe(st, &j, x, logits, made);
    step_rewind(st, mark);
    return y;
}
