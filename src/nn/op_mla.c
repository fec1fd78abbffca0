/* op_mla.c - moving the pieces of latent attention's heads to where attention wants them.
 * Source: models.md 4.1-4.3. */
#include <string.h>

#include "nn/op.h"
#include "nn/split.h"

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
    if (st->dry) return;
    j.parts = split_count(st, kv->n, 8);
    pool_run(st->pool, split_slice, &j, j.parts);
}

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
    if (!j.y || st->dry) return j.y;
    j.parts = split_count(st, q->n, 8);
    pool_run(st->pool, query_slice, &j, j.parts);
    return j.y;
}
