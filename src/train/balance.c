#include "train/balance.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int balance_create(struct balance **out, struct params *p, struct err *e)
{
    *out = NULL;
    struct balance *b = mem_calloc(1, sizeof *b);
    if (!b) return err_oom(e, "expert loads", sizeof *b);
    b->p = p;
    b->n_expert = (size_t)p->m->c.n_expert;
    for (size_t i = 0; i < p->n; i++) b->n_router += p->param[i].role == ROLE_ROUTER;
    b->load = mem_calloc(p->n, sizeof *b->load);
    b->mem = mem_calloc(b->n_router * b->n_expert + 1, sizeof *b->mem);
    if (!b->load || !b->mem) {
        balance_free(b);
        return err_oom(e, "expert loads", p->n * sizeof *b->load);
    }
    size_t k = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->param[i].role == ROLE_ROUTER) b->load[i] = b->mem + b->n_expert * k++;
    *out = b;
    return 0;
}

void balance_free(struct balance *b)
{
    if (!b) return;
    mem_free(b->load);
    mem_free(b->mem);
    mem_free(b);
}

double balance_worst(const struct balance *b)
{
    double worst = 0;
    for (size_t r = 0; r < b->n_router; r++) {
        const int64_t *load = b->mem + r * b->n_expert;
        int64_t sum = 0, most = 0;
        for (size_t i = 0; i < b->n_expert; i++) {
            sum += load[i];
            if (load[i] > most) most = load[i];
        }
        double ratio = sum ? (double)most * (double)b->n_expert / (double)sum : 0;
        if (ratio > worst) worst = ratio;
    }
    return worst;
}

void balance_step(struct balance *b, double gamma)
{
    for (size_t i = 0; i < b->p->n; i++) {
        const struct param *a = &b->p->param[i];
        if (a->role != ROLE_ROUTER_BIAS || gamma == 0) continue;
        const struct weight *router = &b->p->m->layer[a->layer].w[ROLE_ROUTER];
        const int64_t *load = b->load[router->id];
        int64_t sum = 0, n = (int64_t)b->n_expert;
        for (size_t k = 0; k < b->n_expert; k++) sum += load[k];
        for (size_t k = 0; k < b->n_expert; k++) {
            if (load[k] * n < sum) a->w->data[k] += (float)gamma;
            if (load[k] * n > sum) a->w->data[k] -= (float)gamma;
        }
    }
    memset(b->mem, 0, b->n_router * b->n_expert * sizeof *b->mem);
}
