#include "train/optim.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "train/muon.h"

enum { PIECE = 16384 };

struct piece {
    uint32_t param;
    size_t at, n; /* in the arrays of all parameters */
};

struct optim_opts optim_default(void)
{
    return (struct optim_opts){.beta1 = 0.9,
                               .beta2 = 0.95,
                               .eps = 1e-8,
                               .decay = 0.1,
                               .clip = 1,
                               .moment = DT_F32,
                               .muon_beta = 0.95};
}

static void cut_pieces(struct optim *a)
{
    for (size_t i = 0; i < a->p->n; i++) {
        const struct param *q = &a->p->param[i];
        if (!q->by_gradient) continue;
        for (size_t at = 0; at < q->n; at += PIECE) {
            if (a->piece)
                a->piece[a->n_piece] =
                    (struct piece){(uint32_t)i, q->at + at, size_min(PIECE, q->n - at)};
            a->n_piece++;
        }
    }
}

int optim_create(struct optim **out, struct params *p, const struct optim_opts *o, int n_thread,
                 struct err *e)
{
    *out = NULL;
    if (o->moment != DT_F32 && o->moment != DT_BF16)
        return err_set(e, ERR_UNSUPPORTED, "moments of type %s, allowed are F32 and BF16",
                       dtype_name(o->moment));
    if (o->moment == DT_BF16 && o->beta2 > 0.99)
        return err_set(e, ERR_UNSUPPORTED,
                       "beta2 is %g: with bf16 moments, whose step is 2^-9, it may be 0.99 at "
                       "most",
                       o->beta2);
    if (o->muon && o->moment != DT_F32)
        return err_set(e, ERR_UNSUPPORTED, "Muon keeps f32 moments");
    struct optim *a = mem_calloc(1, sizeof *a);
    if (!a) return err_oom(e, "the optimizer", sizeof *a);
    a->p = p;
    a->o = *o;
    a->moment_bytes = o->moment == DT_F32 ? 4 : 2;
    cut_pieces(a);
    size_t n = a->n_piece, bytes = p->total * a->moment_bytes;
    a->n_piece = 0;
    a->piece = mem_alloc(n * sizeof *a->piece);
    a->sum = mem_alloc(n * sizeof *a->sum);
    a->m = mem_map(bytes);
    a->v = mem_map(bytes);
    if (!a->piece || !a->sum || !a->m || !a->v) {
        optim_free(a);
        return err_oom(e, "the optimizer's moments", 2 * bytes);
    }
    cut_pieces(a);
    if (o->muon && muon_create(&a->muon, p, n_thread, e)) {
        optim_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void optim_free(struct optim *a)
{
    if (!a) return;
    if (a->m) mem_unmap(a->m, a->p->total * a->moment_bytes);
    if (a->v) mem_unmap(a->v, a->p->total * a->moment_bytes);
    muon_free(a->muon);
    mem_free(a->piece);
    mem_free(a->sum);
    mem_free(a);
}

struct optim_job {
    struct optim *a;
    const struct kernels *k;
    struct elem_adamw h;
    float decay;
    size_t parts;
};

static void sum_slice(void *ctx, size_t i)
{
    const struct optim_job *j = ctx;
    struct optim *a = j->a;
    size_t end = a->n_piece * (i + 1) / j->parts;
    for (size_t k = a->n_piece * i / j->parts; k < end; k++)
        a->sum[k] = (double)j->k->elem.sumsq(a->p->grad + a->piece[k].at, a->piece[k].n);
}

int optim_norm(struct optim *a, struct pool *pool, double *norm, struct err *e)
{
    struct optim_job j = {.a = a, .k = kernels(), .parts = (size_t)pool_threads(pool) * 4};
    pool_run(pool, sum_slice, &j, j.parts);
    double sum = 0;
    for (size_t i = 0; i < a->n_piece; i++) {
        if (!isfinite(a->sum[i]))
            return err_set(e, ERR_NUMERIC, "the gradient of %s is not finite",
                           a->p->param[a->piece[i].param].w->name);
        sum += a->sum[i];
    }
    *norm = sqrt(sum);
    return 0;
}

static void step_slice(void *ctx, size_t i)
{
    const struct optim_job *j = ctx;
    struct optim *a = j->a;
    size_t end = a->n_piece * (i + 1) / j->parts;
    for (size_t k = a->n_piece * i / j->parts; k < end; k++) {
        const struct piece *q = &a->piece[k];
        struct elem_adamw h = j->h;
        if (a->muon && muon_takes(&a->p->param[q->param])) continue;
        h.decay = a->p->param[q->param].decays ? j->decay : 0;
        j->k->elem.adamw(a->p->data + q->at, a->p->grad + q->at, a->m + q->at * a->moment_bytes,
                         a->v + q->at * a->moment_bytes, q->n, &h);
        memset(a->p->grad + q->at, 0, q->n * sizeof(float));
    }
}

void optim_step(struct optim *a, struct pool *pool, double lr, double norm)
{
    a->t++;
    bool clips = a->o.clip > 0 && norm > a->o.clip;
    struct optim_job j = {
        .a = a,
        .k = kernels(),
        .h = {.lr = (float)lr,
              .beta1 = (float)a->o.beta1,
              .beta2 = (float)a->o.beta2,
              .eps = (float)a->o.eps,
              .inv_bias1 = (float)(1 / (1 - pow(a->o.beta1, (double)a->t))),
              .inv_bias2 = (float)(1 / (1 - pow(a->o.beta2, (double)a->t))),
              .grad_scale = clips ? (float)(a->o.clip / norm) : 1,
              .moment_dt = a->o.moment},
        .decay = (float)a->o.decay,
        .parts = (size_t)pool_threads(pool) * 4,
    };
    pool_run(pool, step_slice, &j, j.parts);
    if (a->muon)
        muon_step(a->muon, pool, (float *)(void *)a->m, lr, a->o.muon_beta, a->o.decay,
                  (double)j.h.grad_scale);
}
