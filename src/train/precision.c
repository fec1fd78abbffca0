#include "train/precision.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "train/params.h"

struct low_params {
    enum precision kind;
    bool head;
    unsigned char *mem; /* all forms */
    size_t bytes;
    struct low_weight *w; /* (parameters) */
    struct low_form *form;
    struct low_item { /* one form and what it is made of */
        struct low_form *f;
        struct i8_source s;
    } * item; /* (n) */
    size_t n;
};

bool precision_covers(const struct model_config *c, enum tensor_role r, bool head)
{
    if (r == (c->tie_embeddings ? ROLE_EMBD : ROLE_OUTPUT)) return head;
    switch ((int)r) {
    case ROLE_Q:
    case ROLE_K:
    case ROLE_V:
    case ROLE_ATTN_OUT:
    case ROLE_Q_MLA:
    case ROLE_Q_A:
    case ROLE_Q_B:
    case ROLE_KV_A:
    case ROLE_KV_B:
    case ROLE_FFN_GATE:
    case ROLE_FFN_UP:
    case ROLE_FFN_DOWN:
    case ROLE_EXP_GATE:
    case ROLE_EXP_UP:
    case ROLE_EXP_DOWN:
    case ROLE_SH_GATE:
    case ROLE_SH_UP:
    case ROLE_SH_DOWN:
    case ROLE_MTP_PROJ: return true;
    default: return false;
    }
}

/* Lays the forms of one matrix of a stack at `at`; returns their bytes. With mem NULL it only
 * counts. */
static size_t lay(struct low_params *l, const struct weight *w, size_t stack, size_t at)
{
    size_t y = low_bytes(l->kind, LOW_WEIGHT, w->n_out, w->n_in);
    size_t x = low_bytes(l->kind, LOW_WEIGHT, w->n_in, w->n_out);
    if (l->mem) {
        const float *data = w->data + stack * w->n_out * w->n_in;
        struct low_item *i = l->item + l->n;
        *i[0].f = low_at(l->kind, LOW_WEIGHT, l->mem + at, w->n_out, w->n_in);
        i[0].s = (struct i8_source){data, w->n_in, w->n_out, w->n_in, false, false, 0};
        *i[1].f = low_at(l->kind, LOW_WEIGHT, l->mem + at + y, w->n_in, w->n_out);
        i[1].s = (struct i8_source){data, w->n_in, w->n_in, w->n_out, true, false, 0};
    }
    l->n += 2;
    return y + x;
}

static size_t lay_all(struct low_params *l, const struct params *p)
{
    size_t at = 0;
    l->n = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct weight *w = p->param[i].w;
        if (!precision_covers(&p->m->c, p->param[i].role, l->head)) continue;
        for (size_t s = 0; s < w->n_stack; s++) {
            if (l->mem) {
                struct low_form *f = l->form + l->n - 2 * s;
                l->w[i] = (struct low_weight){f, f + w->n_stack};
                l->item[l->n].f = f + s;
                l->item[l->n + 1].f = f + w->n_stack + s;
            }
            at += lay(l, w, s, at);
        }
        if (l->mem) w->low = &l->w[i];
    }
    return at;
}

int low_params_create(struct low_params **out, struct params *p, enum precision kind, bool head,
                      struct err *e)
{
    *out = NULL;
    struct low_params *l = mem_calloc(1, sizeof *l);
    if (!l) return err_oom(e, "weights in few bits", sizeof *l);
    l->kind = kind;
    l->head = head;
    l->bytes = lay_all(l, p);
    l->w = mem_calloc(p->n, sizeof *l->w);
    l->form = mem_calloc(l->n + 1, sizeof *l->form);
    l->item = mem_calloc(l->n + 1, sizeof *l->item);
    l->mem = l->bytes ? mem_map(l->bytes) : NULL;
    if (!l->w || !l->form || !l->item || (l->bytes && !l->mem)) {
        err_oom(e, "weights in few bits", l->bytes);
        low_params_free(l, p);
        return -1;
    }
    if (l->mem) lay_all(l, p);
    *out = l;
    return 0;
}

void low_params_free(struct low_params *l, struct params *p)
{
    if (!l) return;
    for (size_t i = 0; i < p->n; i++) p->param[i].w->low = NULL;
    if (l->mem) mem_unmap(l->mem, l->bytes);
    mem_free(l->item);
    mem_free(l->form);
    mem_free(l->w);
    mem_free(l);
}

enum precision low_params_kind(const struct low_params *l)
{
    return l->kind;
}

size_t low_params_bytes(const struct low_params *l)
{
    return l->bytes;
}

struct fill_job {
    const struct kernels *k;
    const struct low_item *item;
    size_t parts;
};

static void fill_slice(void *ctx, size_t i)
{
    const struct fill_job *j = ctx;
    const struct low_item *it = &j->item[i / j->parts];
    size_t units = low_units(it->f), part = i % j->parts;
    low_fill(j->k, it->f, &it->s, units * part / j->parts, units * (part + 1) / j->parts);
}

void low_params_fill(struct low_params *l, struct pool *pool)
{
    struct fill_job j = {kernels(), l->item, (size_t)pool_threads(pool)};
    pool_run(pool, fill_slice, &j, l->n * j.parts);
}
