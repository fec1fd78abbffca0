/* Gradients of whole tiny models: each parameter along random directions, against central
 * differences of the loss; with and without recomputation, one thread and three, the same bits. */
#include "grad.h"

#include "../tiny_models.h"
#include "train/pass.h"

enum { N = 40 };

struct rig {
    struct params *p;
    struct pass *s;
    struct pool *pool;
    struct train_batch b;
    int32_t id[N], pos[N], target[N], seq[N];
    float d[N], d_mtp[N];
};

/* Sequences of 23, 1 and 16 rows; some rows have no target. */
static void fill_batch(struct rig *g)
{
    struct rng r = rng_init(3, 1);
    for (int i = 0; i < N; i++) {
        g->seq[i] = (i >= 23) + (i >= 24);
        g->pos[i] = i < 23 ? i : i < 24 ? 0 : i - 24;
        g->id[i] = (int32_t)rng_below(&r, 96);
    }
    for (int i = 0; i < N; i++)
        g->target[i] = i + 1 < N && g->seq[i + 1] == g->seq[i] ? g->id[i + 1] : 5;
    g->target[2] = g->target[23] = g->target[30] = -1;
    for (int i = 0; i < N; i++) {
        g->d[i] = 0.5f + 0.1f * (float)(i % 7);
        g->d_mtp[i] = 0.3f;
    }
    g->b = (struct train_batch){
        .n = N, .id = g->id, .pos = g->pos, .target = g->target, .row_seq = g->seq, .n_seq = 3};
}

static void open_rig(struct rig *g, enum tiny which, enum mla_form form, bool recompute,
                     int threads)
{
    struct err e;
    struct model_config c = tiny_config(which);
    struct model_opts o = {.mla = form, .act = ACT_F32, .with_mtp = true};
    must(pool_create(&g->pool, threads, &e));
    must(params_create(&g->p, &c, &o, &e));
    params_init(g->p, 5, 0.15f);
    /* Gains and biases away from 1 and 0; a correction that keeps the choice of experts still. */
    for (size_t i = 0; i < g->p->n; i++) {
        const struct param *a = &g->p->param[i];
        struct rng r = rng_init(8, i);
        for (size_t k = 0; a->w->kind == WEIGHT_VECTOR && k < a->n; k++)
            a->w->data[k] += 0.2f * (float)rng_normal(&r);
        for (size_t k = 0; a->role == ROLE_ROUTER_BIAS && k < a->n; k++)
            a->w->data[k] = k < 3 ? 8 * (float)(3 - k) : 0.1f * (float)k;
    }
    must(pass_create(&g->s, g->p, g->pool, N, recompute, &e));
    fill_batch(g);
}

static void close_rig(struct rig *g)
{
    pass_free(g->s);
    params_free(g->p);
    pool_free(g->pool);
}

static double loss_of(void *ctx)
{
    struct rig *g = ctx;
    struct err e;
    double sum = 0;
    must(pass_forward(g->s, &g->b, &e));
    for (size_t i = 0; i < g->s->n_out; i++) sum += (double)g->d[i] * (double)g->s->nll->v[i];
    for (int32_t k = 0; k < g->s->n_mtp; k++)
        for (size_t i = 0; i < g->s->mtp[k].n_out; i++)
            sum += (double)g->d_mtp[i] * (double)g->s->mtp[k].nll->v[i];
    return sum;
}

static void backward(struct rig *g)
{
    struct err e;
    const float *d_mtp[CONFIG_MAX_MTP] = {g->d_mtp};
    params_zero_grad(g->p, g->pool);
    must(pass_forward(g->s, &g->b, &e));
    must(pass_backward(g->s, g->d, d_mtp, &e));
}

static void check_model(enum tiny which, enum mla_form form, double h)
{
    struct rig g;
    open_rig(&g, which, form, false, 2);
    backward(&g);
    double worst = 0;
    for (size_t i = 0; i < g.p->n; i++) {
        const struct param *a = &g.p->param[i];
        if (!a->by_gradient) continue;
        double d = grad_compare(a->w->data, a->w->grad, a->n, h, i, loss_of, &g);
        if (getenv("GRAD_SHOW")) printf("model %d.%d %s: %.2e\n", which, form, a->w->name, d);
        if (!(d <= 5e-3))
            fail_msg("model %d, form %d: %s differs by %g", which, form, a->w->name, d);
        if (d > worst) worst = d;
    }
    struct rig r;
    open_rig(&r, which, form, true, 3);
    backward(&r);
    assert_memory_equal(g.p->grad, r.p->grad, g.p->total * sizeof(float));
    if (which >= TINY_MLA) assert_true(r.s->bytes < g.s->bytes); /* two layers save nothing */
    close_rig(&r);
    close_rig(&g);
}

static void test_dense(void **state)
{
    (void)state;
    check_model(TINY_QWEN2, MLA_EXPANDED, 2e-3);
    check_model(TINY_QWEN3, MLA_EXPANDED, 2e-3);
    check_model(TINY_LLAMA, MLA_EXPANDED, 2e-3);
}

static void test_latent(void **state)
{
    (void)state;
    check_model(TINY_MLA, MLA_EXPANDED, 2e-3);
    check_model(TINY_MLA, MLA_ABSORBED, 2e-3);
}

/* A weight of the frozen kind gets nothing and changes nobody else's gradient. */
static void test_frozen(void **state)
{
    (void)state;
    struct rig g, f;
    open_rig(&g, TINY_QWEN2, MLA_EXPANDED, false, 2);
    open_rig(&f, TINY_QWEN2, MLA_EXPANDED, false, 2);
    backward(&g);
    size_t frozen = f.p->n / 2;
    f.p->param[frozen].w->grad = NULL;
    backward(&f);
    for (size_t i = 0; i < g.p->n; i++) {
        const struct param *a = &g.p->param[i];
        if (i != frozen)
            assert_memory_equal(g.p->grad + a->at, f.p->grad + a->at, a->n * sizeof(float));
        else
            for (size_t k = 0; k < a->n; k++) assert_true(f.p->grad[a->at + k] == 0);
    }
    close_rig(&g);
    close_rig(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_latent),
        cmocka_unit_test(test_frozen),
    };
    return cmocka_run_group_tests_name("gradients of models", tests, NULL, NULL);
}
