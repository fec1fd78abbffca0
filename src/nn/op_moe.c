/* op_moe.c - routed experts.
 *
 * (row, rank) pairs are sorted by expert, the rows of each expert are gathered side by side, and
 * one small product per chosen expert runs over them. An expert's weights are read once per step
 * however many rows chose it. Results are added per row in router-rank order, so a row's sum does
 * not depend on its neighbours.
 *
 * Source: models.md 6.4; DeepSeek-V3 inference/model.py, class MoE.
 */
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "kernel/route.h"
#include "nn/op_int.h"
#include "nn/split.h"

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
    unsigned char *h8;
    size_t h8_row;
    float *o; /* (N*K, C) */
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
    for (size_t r = 0; r < logits->n; r++)
        route_row(&o, st->k, logits->v + r * logits->c, g->expert + r * (size_t)m->n_used,
                  g->weight + r * (size_t)m->n_used);
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

static void gate_up_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    const struct moe_slice *s = &j->slice[i];
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
    float *h = j->h + first * j->f, *u = j->u + first * j->f;
    const float *x = j->xs8 ? NULL : j->xs + first * j->c;
    const unsigned char *x8 = j->xs8 ? j->xs8 + first * j->x8_row : NULL;
    expert_product(j, j->m->gate, s->expert, h, x, x8, n, s->begin, s->end);
    expert_product(j, j->m->up, s->expert, u, x, x8, n, s->begin, s->end);
    size_t from = s->begin * PACK_OUT, to = size_min(s->end * PACK_OUT, j->f);
    for (size_t r = 0; r < n; r++)
        j->st->k->elem.swiglu(h + r * j->f + from, h + r * j->f + from, u + r * j->f + from,
                              to - from);
}

static void down_slice(void *ctx, size_t i)
{
    struct moe_job *j = ctx;
    const struct moe_slice *s = &j->slice[i];
    size_t first = (size_t)j->g.first[s->expert];
    size_t n = (size_t)j->g.first[s->expert + 1] - first;
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
    size_t want = (size_t)pool_threads(st->pool) * 8;
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

    if (linear_uses_q8(st, m->gate)) {
        j.x8 = linear_quantize(st, m->gate->dt, x->v, x->c, n, x->c, &j.x8_row);
        j.xs8 = step_alloc(st, items * j.x8_row);
    } else {
        j.xs = step_alloc(st, items * x->c * sizeof(float));
    }
    j.h = step_alloc(st, items * f * sizeof(float));
    j.u = step_alloc(st, items * f * sizeof(float));
    j.o = step_alloc(st, items * x->c * sizeof(float));
    if (st->failed) return NULL;
    size_t count = 0;
    if (!st->dry) {
        j.parts = split_count(st, items, 4);
        pool_run(st->pool, gather_slice, &j, j.parts);
        j.slice = make_slices(st, &j, f, &count);
        if (!j.slice) return NULL;
        if (j.xs) observe(&j, m->gate, j.xs, x->c);
        if (j.xs) observe(&j, m->up, j.xs, x->c);
        pool_run(st->pool, gate_up_slice, &j, count);
        observe(&j, m->down, j.h, f);
    }
    if (linear_uses_q8(st, m->down))
        j.h8 = linear_quantize(st, m->down->dt, j.h, f, items, f, &j.h8_row);
    if (st->failed) return NULL;
    if (!st->dry) {
        j.slice = make_slices(st, &j, x->c, &count);
        if (!j.slice) return NULL;
        pool_run(st->pool, down_slice, &j, count);
        j.parts = split_count(st, n, 4);
        pool_run(st->pool, combine_slice, &j, j.parts);
    }
    step_rewind(st, mark);
    return y;
}
