/* Drafts by the multi-token-prediction layer change nothing but the time: latent attention, routed
 * experts and one MTP layer, with random weights (drafts are mostly wrong) and with weights made so
 * that a token depends on the one before alone (drafts are right). Greedy and sampled, alone and
 * among others, chunked prompts, warm prefixes, preemption. */
#include "../test.h"

#include "../tiny_models.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "train/params.h"

enum { MAX_OUT = 80, N_CTX = 256 };

struct answer {
    tok_id id[MAX_OUT];
    float logprob[MAX_OUT];
    int n;
    bool done;
    struct gen_counts counts;
};

static bool collect(void *ctx, const struct gen_event *ev)
{
    struct answer *a = ctx;
    if (ev->type == GEN_TOKEN && a->n < MAX_OUT) {
        a->id[a->n] = ev->id;
        a->logprob[a->n++] = ev->logprob;
    }
    if (ev->type == GEN_DONE) {
        a->done = true;
        a->counts = ev->counts;
    }
    return true;
}

static float *find(struct params *p, enum tensor_role role, int32_t layer)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->param[i].role == role && p->param[i].layer == layer)
            return p->data + p->param[i].at;
    fail_msg("the model has no role %d in layer %d", role, layer);
    return NULL;
}

/* Attention and FFN give nothing, so a state is its token's embedding; the head knows the
 * successor of each token: the row of 7 i + 3 is the embedding of i. The MTP layer passes the token
 * half of its input on. `noise` is added to that, so that some drafts go wrong. */
static void make_chain(struct params *p, float noise)
{
    const struct model_config *c = &p->m->c;
    size_t v = (size_t)c->n_vocab, w = (size_t)c->n_embd;
    for (int32_t l = 0; l <= c->n_layer; l++) {
        memset(find(p, ROLE_ATTN_OUT, l), 0, w * (size_t)(c->n_head * c->v_head_dim) * 4);
        for (size_t i = 0; i < p->n; i++) {
            enum tensor_role r = p->param[i].role;
            if (r == ROLE_FFN_DOWN || r == ROLE_EXP_DOWN || r == ROLE_SH_DOWN)
                memset(p->data + p->param[i].at, 0, p->param[i].n * 4);
        }
    }
    float *embd = find(p, ROLE_EMBD, -1), *head = find(p, ROLE_OUTPUT, -1);
    float *proj = find(p, ROLE_MTP_PROJ, c->n_layer);
    for (size_t i = 0; i < v; i++)
        memcpy(head + (7 * i + 3) % v * w, embd + i * w, w * sizeof *head);
    for (size_t o = 0; o < w; o++)
        for (size_t i = 0; i < 2 * w; i++)
            proj[o * 2 * w + i] = (o == i) + noise * proj[o * 2 * w + i];
}

enum weights { RANDOM, CHAIN, NOISY_CHAIN };

struct rig {
    struct pool *pool;
    struct model *model;
    struct engine *engine;
};

static void rig_open(struct rig *g, enum weights kind, enum mla_form form, bool with_mtp,
                     const struct engine_opts *o)
{
    struct err e;
    struct params *p;
    struct model_config c = tiny_config(TINY_MLA);
    struct model_opts mo = {.mla = form, .act = ACT_F32, .with_mtp = with_mtp};
    must(pool_create(&g->pool, 2, &e));
    must(params_create(&p, &c, &(struct model_opts){form, ACT_F32, true}, &e));
    params_init(p, 29, 0.3f);
    if (kind != RANDOM) make_chain(p, kind == NOISY_CHAIN ? 1.0f : 0);
    if (with_mtp) {
        must(params_packed(&g->model, p, g->pool, &e));
    } else {
        struct params *q;
        must(params_create(&q, &c, &mo, &e));
        for (size_t i = 0; i < q->n; i++)
            memcpy(q->data + q->param[i].at, find(p, q->param[i].role, q->param[i].layer),
                   q->param[i].n * sizeof(float));
        must(params_packed(&g->model, q, g->pool, &e));
        params_free(q);
    }
    params_free(p);
    must(engine_open(&g->engine, g->model, NULL, g->pool, o, &e));
}

static void rig_close(struct rig *g)
{
    engine_close(g->engine);
    model_free(g->model);
    pool_free(g->pool);
}

static struct engine_opts opts(int n_draft)
{
    struct engine_opts o;
    engine_opts_defaults(&o);
    o.n_ctx = N_CTX;
    o.cache_dt = DT_F32;
    o.n_draft = n_draft;
    o.draft_always = true;
    return o;
}

static void ask(struct rig *g, int which, int n_prompt, struct answer *a)
{
    struct err e;
    tok_id ids[N_CTX];
    uint64_t id;
    for (int i = 0; i < n_prompt; i++)
        ids[i] = (tok_id)(rng_at(7, i < 40 ? 0 : (uint64_t)which, (uint64_t)i) % 96);
    struct gen_request r;
    gen_request_defaults(&r);
    *a = (struct answer){.n = 0};
    r.prompt = ids;
    r.n_prompt = n_prompt;
    r.max_tokens = 60;
    r.sampling.temperature = which % 3 ? 0.4f * (float)(which % 3) : 0;
    r.sampling.top_p = which % 2 ? 0.9f : 1;
    r.sampling.seed = (uint64_t)which;
    r.sampling.n_top = 0;
    r.fn = collect;
    r.ctx = a;
    must(engine_submit(g->engine, &r, &id, &e));
}

static void same(const struct answer *a, const struct answer *b)
{
    assert_true(a->done && b->done);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, (size_t)a->n * sizeof *a->id);
    assert_memory_equal(a->logprob, b->logprob, (size_t)a->n * sizeof *a->logprob);
}

enum { N = 7 };

static void plain(enum weights kind, enum mla_form form, struct answer *a)
{
    struct rig g;
    struct engine_opts o = opts(0);
    rig_open(&g, kind, form, false, &o);
    for (int i = 0; i < N; i++) ask(&g, i, 30 + 11 * i, &a[i]);
    engine_wait(g.engine);
    rig_close(&g);
}

static double share(const struct rig *g)
{
    struct engine_stats st;
    engine_get_stats(g->engine, &st);
    assert_true(st.mtp_drafted > 0);
    return (double)st.mtp_accepted / (double)st.mtp_drafted;
}

static void test_same_bits(void **state)
{
    (void)state;
    for (enum weights kind = RANDOM; kind <= NOISY_CHAIN; kind++) {
        for (enum mla_form form = MLA_ABSORBED; form <= MLA_EXPANDED; form++) {
            struct answer ref[N], got[N];
            plain(kind, form, ref);
            for (int n_draft = 1; n_draft <= 6; n_draft += 5) {
                for (int par = 1; par <= 5; par += 4) {
                    struct rig g;
                    struct engine_opts o = opts(n_draft);
                    o.n_parallel = par;
                    o.n_batch = par > 1 ? 13 : 64;
                    o.n_cache = par > 1 ? 400 : 0; /* too little for five: preemption */
                    rig_open(&g, kind, form, true, &o);
                    for (int i = 0; i < N; i++) ask(&g, i, 30 + 11 * i, &got[i]);
                    engine_wait(g.engine);
                    for (int i = 0; i < N; i++) same(&ref[i], &got[i]);
                    for (int i = 0; i < N; i++) ask(&g, i, 30 + 11 * i, &got[i]);
                    engine_wait(g.engine); /* warm prefixes */
                    for (int i = 0; i < N; i++) same(&ref[i], &got[i]);
                    rig_close(&g);
                }
            }
        }
    }
}

/* Drafts that are right are taken: several tokens a step. */
static void test_right_drafts(void **state)
{
    (void)state;
    struct rig g;
    struct answer a;
    struct engine_stats st;
    struct engine_opts o = opts(4);
    rig_open(&g, CHAIN, MLA_ABSORBED, true, &o);
    ask(&g, 0, 20, &a);
    engine_wait(g.engine);
    engine_get_stats(g.engine, &st);
    assert_true(share(&g) > 0.95);
    assert_true(a.counts.draft_accepted >= 40);
    assert_true(st.steps <= 1 + 60 / 4);
    /* With a temperature they are drawn as the tokens are. */
    ask(&g, 2, 20, &a);
    engine_wait(g.engine);
    assert_true(a.counts.draft_accepted >= 30);
    rig_close(&g);

    rig_open(&g, NOISY_CHAIN, MLA_ABSORBED, true, &o);
    ask(&g, 0, 20, &a);
    engine_wait(g.engine);
    assert_true(share(&g) > 0.05 && share(&g) < 0.98);
    rig_close(&g);
}

/* Drafts that are never right end by themselves. */
static void test_rests(void **state)
{
    (void)state;
    struct rig g;
    struct answer a;
    struct engine_stats st;
    struct engine_opts o = opts(4);
    o.draft_always = false;
    rig_open(&g, RANDOM, MLA_ABSORBED, true, &o);
    for (int i = 0; i < 30; i++) {
        ask(&g, 3 * i + 1, 20, &a);
        engine_wait(g.engine);
    }
    engine_get_stats(g.engine, &st);
    assert_true(st.completion_tokens == 30 * 60);
    assert_true(st.mtp_drafted < 400); /* rather than several a step */
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_right_drafts),
        cmocka_unit_test(test_rests),
    };
    return cmocka_run_group_tests_name("mtp", tests, NULL, NULL);
}
