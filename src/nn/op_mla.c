/* op_mla.c - moving the pieces of latent attention's heads to where attention wants them.
 * Source: models.md 4.1-4.3. */
#include <string.h>

#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/split.h"
#include "nn/tape.h"

struct mla_job {
    const struct tensor *kv, *kr, *qa, *q;
    struct tensor *k, *v, *y;
    size_t n_head, nope, dv, dr, rank, parts;
};

static void split_slice(void *ctx, size_t i)
{
    const struct mla_job *j = ctx;
    struct slice s = split_at(j->kv->n, j->parts, i);
    size_t dk = j->nope + j->dr;
    for (size_t r = s.begin; r < s.end; r++) {
        for (size_t h = 0; h < j->n_head; h++) {
            const float *kv = j->kv->v + r * j->kv->c + h * (j->nope + j->dv);
            float *k = j->k->v + r * j->k->c + h * dk;
            memcpy(k, kv, j->nope * sizeof *k);
            memcpy(k + j->nope, j->kr->v + r * j->kr->c, j->dr * sizeof *k);
            memcpy(j->v->v + r * j->v->c + h * j->dv, kv + j->nope, j->dv * sizeof *k);
        }
    }
}

/* ---- walk back ----------------------------------------------------------------------------- */

struct mla_node {
    struct tape_node n;
    struct mla_job j;
    struct tensor *kv, *kr, *qa, *q; /* inputs, to be given gradients */
};

struct mla_back_job {
    const struct step *st;
    const struct mla_job *j;
    float *da, *db;
    bool add_a, add_b;
    size_t parts;
};

static void give(const struct step *st, float *to, const float *from, size_t n, bool add)
{
    if (add)
        st->k->elem.add(to, from, n);
    else
        memcpy(to, from, n * sizeof *to);
}

static void split_back_slice(void *ctx, size_t i)
{
    const struct mla_back_job *b = ctx;
    const struct mla_job *j = b->j;
    struct slice s = split_at(j->kv->n, b->parts, i);
    size_t dk = j->nope + j->dr;
    for (size_t r = s.begin; r < s.end; r++) {
        for (size_t h = 0; h < j->n_head; h++) {
            float *kv = b->da + r * j->kv->c + h * (j->nope + j->dv);
            const float *k = j->k->g + r * j->k->c + h * dk;
            give(b->st, kv, k, j->nope, b->add_a);
            give(b->st, kv + j->nope, j->v->g + r * j->v->c + h * j->dv, j->dv, b->add_a);
            give(b->st, b->db + r * j->dr, k + j->nope, j->dr, b->add_b || h > 0);
        }
    }
}

static void split_back(struct step *st, struct tape_node *node)
{
    struct mla_node *n = (struct mla_node *)node;
    if (!n->j.k->g || !n->j.v->g) return;
    struct mla_back_job b = {.st = st, .j = &n->j, .parts = n->j.parts};
    b.da = tensor_grad(st, n->kv, &b.add_a);
    b.db = tensor_grad(st, n->kr, &b.add_b);
    if (!st->failed && !st->dry) pool_run(st->pool, split_back_slice, &b, b.parts);
}

static void query_back_slice(void *ctx, size_t i)
{
    const struct mla_back_job *b = ctx;
    const struct mla_job *j = b->j;
    struct slice s = split_at(j->q->n, b->parts, i);
    size_t head = j->q->c / j->n_head;
    for (size_t r = s.begin; r < s.end; r++) {
        for (size_t h = 0; h < j->n_head; h++) {
            const float *dy = j->y->g + r * j->y->c + h * (j->rank + j->dr);
            give(b->st, b->da + r * j->qa->c + h * j->rank, dy, j->rank, b->add_a);
            b->st->k->elem.add(b->db + r * j->q->c + (h + 1) * head - j->dr, dy + j->rank,
                               j->dr);
        }
    }
}

static void query_back(struct step *st, struct tape_node *node)
{
    struct mla_node *n = (struct mla_node *)node;
    if (!n->j.y->g) return;
    struct mla_back_job b = {.st = st, .j = &n->j, .parts = n->j.parts};
    b.da = tensor_grad(st, n->qa, &b.add_a);
    b.db = tensor_grad_zeroed(st, n->q);
    if (!st->failed && !st->dry) pool_run(st->pool, query_back_slice, &b, b.parts);
}

static void record(struct step *st, tape_fn back, const struct mla_node *what)
{
    if (!st->tape) return;
    struct mla_node *n = tape_record(st, sizeof *n, back);
    if (!n) return;
    struct tape_node head = n->n;
    *n = *what;
    n->n = head;
}

void op_mla_split(struct step *st, struct tensor *kv, struct tensor *kr, size_t n_head,
                  size_t nope, size_t dv, struct tensor **k, struct tensor **v)
{
    *k = *v = NULL;
    if (!kv || !kr) return;
    struct mla_job j = {
        .kv = kv, .kr = kr, .n_head = n_head, .nope = nope, .dv = dv, .dr = kr->c};
    j.k = step_tensor(st, kv->n, n_head * (nope + j.dr));
    j.v = step_tensor(st, kv->n, n_head * dv);
    if (!j.k || !j.v) return;
    *k = j.k;
    *v = j.v;
    j.parts = split_count(st, kv->n, 8);
    record(st, split_back, &(struct mla_node){.j = j, .kv = kv, .kr = kr});
    if (st->dry) return;
    pool_run(st->pool, split_slice, &j, j.parts);
}

/* ---- query --------------------------------------------------------------------------------- */

static void query_slice(void *ctx, size_t i)
{
    const struct mla_job *j = ctx;
    struct slice s = split_at(j->q->n, j->parts, i);
    size_t head = j->q->c / j->n_head;
    for (size_t r = s.begin; r < s.end; r++) {
        for (size_t h = 0; h < j->n_head; h++) {
            float *y = j->y->v + r * j->y->c + h * (j->rank + j->dr);
            memcpy(y, j->qa->v + r * j->qa->c + h * j->rank, j->rank * sizeof *y);
            memcpy(y + j->rank, j->q->v + r * j->q->c + (h + 1) * head - j->dr,
                   j->dr * sizeof *y);
        }
    }
}

struct tensor *op_mla_query(struct step *st, struct tensor *qa, struct tensor *q, size_t n_head,
                            size_t dr)
{
    if (!qa || !q) return NULL;
    struct mla_job j = {.qa = qa, .q = q, .n_head = n_head, .dr = dr, .rank = qa->c / n_head};
    j.y = step_tensor(st, q->n, n_head * (j.rank + dr));
    if (!j.y) return NULL;
    j.parts = split_count(st, q->n, 8);
    record(st, query_back, &(struct mla_node){.j = j, .qa = qa, .q = q});
    if (st->dry) return j.y;
    pool_run(st->pool, query_slice, &j, j.parts);
    return j.y;
}
