#include "train/params.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/thread.h"
#include "model/source.h"
#include "train/params_int.h"
#include "train/precision.h"

/* ---- which weights ------------------------------------------------------------------------- */

static bool is_trained(const struct model_config *c, const struct model_opts *o,
                       enum tensor_role r, int32_t layer)
{
    switch ((int)r) {
    case ROLE_ROPE_FREQS:
    case ROLE_EXP_GATE_UP:
    case ROLE_MTP_HEAD:
    case ROLE_MTP_EMBD: return false;
    case ROLE_KV_B:
        if (o->mla == MLA_ABSORBED) return false;
        break;
    case ROLE_K_B:
    case ROLE_V_B:
        if (o->mla == MLA_EXPANDED) return false;
        break;
    default: break;
    }
    if (r == ROLE_OUTPUT && c->tie_embeddings) return false;
    return role_need(c, r, layer) != ROLE_ABSENT;
}

static void shape_weight(const struct model_config *c, enum tensor_role r, struct weight *w)
{
    struct tensor_shape s;
    role_shape(c, r, &s);
    w->n_stack = role_is_expert(r) ? (size_t)role_parts(c, r)
                 : s.n_dim == 3    ? (size_t)s.dim[0]
                                   : 1;
    w->n_in = (size_t)s.dim[s.n_dim - 1];
    w->n_out = s.n_dim > 1 ? (size_t)s.dim[s.n_dim - 2] : 1;
    w->kind = s.n_dim == 1                           ? WEIGHT_VECTOR
              : r == ROLE_EMBD && !c->tie_embeddings ? WEIGHT_LOOKUP
                                                     : WEIGHT_MATRIX;
    w->dt = DT_F32;
}

/* The parameters of a config in order; fn may be NULL. Returns how many numbers they are. */
static size_t for_roles(const struct model_config *c, const struct model_opts *o, void *ctx,
                        void (*fn)(void *ctx, enum tensor_role r, int32_t layer, size_t n))
{
    int32_t n_layer = c->n_layer + (o->with_mtp ? c->n_layer_mtp : 0);
    size_t total = 0;
    for (int32_t l = -1; l < n_layer; l++) {
        for (int r = 0; r < ROLE_COUNT; r++) {
            enum tensor_role role = (enum tensor_role)r;
            if (!is_trained(c, o, role, l)) continue;
            struct weight w = {0};
            shape_weight(c, role, &w);
            size_t n = w.n_stack * w.n_out * w.n_in;
            if (fn) fn(ctx, role, l, n);
            total += round_up(n, 16); /* every parameter begins on a cache line */
        }
    }
    return total;
}

size_t params_bytes(const struct model_config *c, const struct model_opts *o)
{
    return 2 * sizeof(float) * for_roles(c, o, NULL, NULL);
}

/* ---- create -------------------------------------------------------------------------------- */

/* A struct model without a source: what is common to the trained and to the packed one. */
static struct model *bare_model(const struct model_config *c, const struct model_opts *o)
{
    struct model *m = mem_calloc(1, sizeof *m);
    if (!m) return NULL;
    m->c = *c;
    m->opts = *o;
    m->n_ctx = c->n_ctx;
    arena_init(&m->names, 1 << 16, 0);
    m->n_layer_all = c->n_layer + (o->with_mtp ? c->n_layer_mtp : 0);
    m->layer = mem_calloc((size_t)m->n_layer_all, sizeof *m->layer);
    if (!m->layer) {
        model_free(m);
        return NULL;
    }
    config_rope_freqs(c, NULL, m->rope.freq);
    m->rope.n_pair = (size_t)c->rope_dim / 2;
    m->rope.magnitude = config_rope_gain(c);
    m->rope.interleaved = c->rope_pairing == ROPE_INTERLEAVED;
    m->attn_scale = config_attn_scale(c);
    return m;
}

struct weight *params_weight_of(struct model *m, enum tensor_role r, int32_t layer)
{
    return layer < 0 ? &m->w[r] : &m->layer[layer].w[r];
}

static void count_one(void *ctx, enum tensor_role r, int32_t layer, size_t n)
{
    (void)r, (void)layer, (void)n;
    ++*(size_t *)ctx;
}

static void add_one(void *ctx, enum tensor_role r, int32_t layer, size_t n)
{
    struct params *p = ctx;
    struct weight *w = params_weight_of(p->m, r, layer);
    char text[96];
    snprintf(text, sizeof text, "layer %d %s", (int)layer, role_text(r));
    if (layer < 0) snprintf(text, sizeof text, "%s", role_text(r));
    shape_weight(&p->m->c, r, w);
    w->name = arena_strndup(&p->m->names, text, strlen(text));
    w->id = (int)p->n;
    w->data = p->data + p->total;
    w->grad = r == ROLE_ROUTER_BIAS ? NULL : p->grad + p->total;
    p->param[p->n++] = (struct param){.w = w,
                                      .role = r,
                                      .layer = layer,
                                      .at = p->total,
                                      .n = n,
                                      .by_gradient = r != ROLE_ROUTER_BIAS,
                                      .decays = w->kind != WEIGHT_VECTOR};
    p->total += round_up(n, 16);
}

int params_create(struct params **out, const struct model_config *c, const struct model_opts *o,
                  struct err *e)
{
    *out = NULL;
    if (config_check(c, c->name[0] ? c->name : "the model", e)) return -1;
    if (c->n_index_head)
        return err_set(e, ERR_UNSUPPORTED, "%s: the sparse-attention indexer cannot be trained",
                       c->name);
    if (c->rope_scaling == ROPE_SCALING_FREQS)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: rope divisors in a tensor cannot be kept in a checkpoint", c->name);
    struct params *p = mem_calloc(1, sizeof *p);
    if (!p) return err_oom(e, "parameters", sizeof *p);
    size_t n = 0, total = for_roles(c, o, &n, count_one), bytes = total * sizeof(float);
    p->m = bare_model(c, o);
    p->param = mem_calloc(n, sizeof *p->param);
    p->data = mem_map(bytes);
    p->grad = mem_map(bytes);
    if (!p->m || !p->param || !p->data || !p->grad) {
        p->total = total;
        params_free(p);
        return err_oom(e, "weights and gradients", 2 * bytes);
    }
    for_roles(c, o, p, add_one);
    for (size_t i = 0; i < p->n; i++)
        if (!p->param[i].w->name) {
            params_free(p);
            return err_oom(e, "weight names", n * 96);
        }
    params_init(p, 0, 0);
    *out = p;
    return 0;
}

void params_free(struct params *p)
{
    if (!p) return;
    low_params_free(p->low, p);
    if (p->data) mem_unmap(p->data, p->total * sizeof(float));
    if (p->grad) mem_unmap(p->grad, p->total * sizeof(float));
    mem_free(p->param);
    model_free(p->m);
    mem_free(p);
}

static bool is_gain(const struct param *p)
{
    return p->w->kind == WEIGHT_VECTOR && p->role != ROLE_Q_BIAS && p->role != ROLE_K_BIAS &&
           p->role != ROLE_V_BIAS && p->role != ROLE_ROUTER_BIAS;
}

void params_init(struct params *p, uint64_t seed, float std)
{
    for (size_t i = 0; i < p->n; i++) {
        struct param *a = &p->param[i];
        struct rng r = rng_init(seed, i);
        if (a->w->kind != WEIGHT_VECTOR) rng_fill_normal(&r, a->w->data, a->n, std);
        for (size_t k = 0; a->w->kind == WEIGHT_VECTOR && k < a->n; k++)
            a->w->data[k] = is_gain(a) ? 1 : 0;
    }
    params_changed(p);
}

int params_set_precision(struct params *p, enum precision kind, bool head, struct err *e)
{
    low_params_free(p->low, p);
    p->low = NULL;
    p->low_stale = true;
    return kind == PRECISION_F32 ? 0 : low_params_create(&p->low, p, kind, head, e);
}

enum precision params_precision(const struct params *p)
{
    return p->low ? low_params_kind(p->low) : PRECISION_F32;
}

void params_changed(struct params *p)
{
    p->low_stale = true;
}

struct zero_job {
    struct params *p;
    size_t parts;
};

static void zero_slice(void *ctx, size_t i)
{
    const struct zero_job *j = ctx;
    size_t begin = j->p->total * i / j->parts, end = j->p->total * (i + 1) / j->parts;
    memset(j->p->grad + begin, 0, (end - begin) * sizeof(float));
}

void params_zero_grad(struct params *p, struct pool *pool)
{
    struct zero_job j = {p, (size_t)pool_threads(pool)};
    pool_run(pool, zero_slice, &j, j.parts);
}

/* ---- packed -------------------------------------------------------------------------------- */

static bool is_packed(const struct weight *w)
{
    return w->kind == WEIGHT_MATRIX;
}

int params_packed(struct model **out, const struct params *p, struct pool *pool, struct err *e)
{
    *out = NULL;
    struct model *m = bare_model(&p->m->c, &p->m->opts);
    if (!m) return err_oom(e, "a packed model", sizeof *m);
    for (size_t i = 0; i < p->n; i++) {
        const struct param *a = &p->param[i];
        struct weight *w = params_weight_of(m, a->role, a->layer);
        shape_weight(&m->c, a->role, w);
        w->name = arena_strndup(&m->names, a->w->name, strlen(a->w->name));
        w->id = a->w->id;
        size_t panel = pack_panel_bytes(DT_F32, w->n_in);
        w->stack_bytes = is_packed(w) ? round_up(panel * pack_panels(w->n_out), 64)
                                      : round_up(a->n * sizeof(float), 64);
        w->pack = (struct pack){
            .dt = DT_F32, .n_out = w->n_out, .n_in = w->n_in, .panel_bytes = panel};
        m->mem_bytes += w->stack_bytes * (is_packed(w) ? w->n_stack : 1);
    }
    m->mem = mem_map(m->mem_bytes);
    if (!m->mem) {
        size_t bytes = m->mem_bytes;
        model_free(m);
        return err_oom(e, "packed weights", bytes);
    }
    unsigned char *at = m->mem;
    for (size_t i = 0; i < p->n; i++) {
        struct weight *w = params_weight_of(m, p->param[i].role, p->param[i].layer);
        if (is_packed(w))
            w->pack.data = at;
        else
            w->data = (float *)(void *)at;
        at += w->stack_bytes * (is_packed(w) ? w->n_stack : 1);
    }
    params_publish(m, p, pool);
    *out = m;
    return 0;
}

struct publish_job {
    struct weight *to;
    const struct weight *from;
    size_t parts;
};

static void publish_slice(void *ctx, size_t i)
{
    const struct publish_job *j = ctx;
    const struct weight *w = j->to;
    size_t per = pack_panels(w->n_out), panels = per * w->n_stack,
           row = w->n_in * sizeof(float);
    unsigned char *mem = (unsigned char *)(uintptr_t)w->pack.data;
    for (size_t k = panels * i / j->parts; k < panels * (i + 1) / j->parts; k++) {
        size_t stack = k / per, panel = k % per, first = panel * PACK_OUT;
        pack_panel(DT_F32, mem + stack * w->stack_bytes + panel * w->pack.panel_bytes,
                   j->from->data + (stack * w->n_out + first) * w->n_in, row,
                   size_min(PACK_OUT, w->n_out - first), w->n_in);
    }
}

void params_publish(struct model *packed, const struct params *p, struct pool *pool)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct param *a = &p->param[i];
        struct weight *w = params_weight_of(packed, a->role, a->layer);
        struct publish_job j = {w, a->w, (size_t)pool_threads(pool) * 2};
        if (is_packed(w))
            pool_run(pool, publish_slice, &j, j.parts);
        else
            memcpy(w->data, a->w->data, a->n * sizeof(float));
    }
}
