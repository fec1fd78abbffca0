/* The same request gives the same bits: alone or among others, with one thread or more, cold or
 * warm prefix, any chunking, with drafts or without, preempted or not. Dense and latent-attention
 * models, quantised and not. */
#include "../test.h"

#include <pthread.h>

#include "base/rng.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/source.h"

enum { MAX_OUT = 96 };

struct answer {
    tok_id id[MAX_OUT];
    float logprob[MAX_OUT];
    int n;
    enum gen_reason reason;
    bool done, failed;
    struct gen_counts counts;
    char error[sizeof((struct err *)0)->msg];
};

static bool collect(void *ctx, const struct gen_event *ev)
{
    struct answer *a = ctx;
    switch (ev->type) {
    case GEN_START:
    case GEN_PROGRESS:
    case GEN_PROMPT_TOKEN: break;
    case GEN_TOKEN:
        if (a->n < MAX_OUT) {
            a->id[a->n] = ev->id;
            a->logprob[a->n++] = ev->logprob;
        }
        break;
    case GEN_DONE:
        a->done = true;
        a->reason = ev->reason;
        a->counts = ev->counts;
        break;
    case GEN_ERROR:
        a->failed = true;
        snprintf(a->error, sizeof a->error, "%s", ev->err.msg);
        break;
    }
    return true;
}

struct rig {
    struct pool *pool;
    struct model *model;
    struct engine *engine;
};

static void rig_open(struct rig *g, const char *path, int threads, enum act_mode act,
                     struct engine_opts o)
{
    struct err e;
    struct model_source *src;
    struct model_opts mo = {.act = act};
    must(pool_create(&g->pool, threads, &e));
    must(source_open(&src, path, &e));
    must(model_open(&g->model, src, &mo, &e));
    must(model_load(g->model, g->pool, NULL, &e));
    must(engine_open(&g->engine, g->model, NULL, g->pool, &o, &e));
}

static void rig_close(struct rig *g)
{
    engine_close(g->engine);
    model_free(g->model);
    pool_free(g->pool);
}

static struct engine_opts small_opts(void)
{
    struct engine_opts o;
    engine_opts_defaults(&o);
    o.n_ctx = 256;
    o.cache_dt = DT_F32;
    o.n_draft = 0;
    return o;
}

/* A prompt of n ids that depends on `which`; the first 40 ids are common to all. */
static void make_prompt(tok_id *ids, int n, int which, int n_vocab)
{
    for (int i = 0; i < n; i++)
        ids[i] =
            (tok_id)(rng_at(7, i < 40 ? 0 : (uint64_t)which, (uint64_t)i) % (uint64_t)n_vocab);
}

static void ask(struct rig *g, int which, int n_prompt, struct answer *a)
{
    struct err e;
    tok_id ids[256];
    uint64_t id;
    make_prompt(ids, n_prompt, which, g->model->c.n_vocab);
    struct gen_request r;
    gen_request_defaults(&r);
    *a = (struct answer){.n = 0};
    r.prompt = ids;
    r.n_prompt = n_prompt;
    r.max_tokens = 40;
    r.sampling.temperature = which % 2 ? 0.8f : 0;
    r.sampling.top_p = which % 3 ? 0.95f : 1;
    r.sampling.seed = (uint64_t)which;
    r.sampling.n_top = 0;
    r.fn = collect;
    r.ctx = a;
    must(engine_submit(g->engine, &r, &id, &e));
}

static void same(const struct answer *a, const struct answer *b)
{
    if (a->failed || b->failed) fail_msg("%s%s", a->error, b->error);
    assert_true(a->done && b->done);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, (size_t)a->n * sizeof *a->id);
    assert_memory_equal(a->logprob, b->logprob, (size_t)a->n * sizeof *a->logprob);
}

static const char *const models[] = {"golden/qwen2-bias.gguf", "golden/qwen2-bias-Q4_K_M.gguf",
                                     "golden/v3-groups-new.gguf",
                                     "golden/v3-groups-new-Q8_0.gguf"};

/* The plain case: one thread, one request, no sharing, no drafts. */
static void reference(const char *path, int which, int n_prompt, struct answer *a)
{
    struct rig g;
    struct engine_opts o = small_opts();
    o.share_prefixes = false;
    rig_open(&g, path, 1, ACT_Q8, o);
    ask(&g, which, n_prompt, a);
    engine_wait(g.engine);
    rig_close(&g);
}

static void test_alone_and_among_others(void **state)
{
    (void)state;
    for (size_t m = 0; m < countof(models); m++) {
        need_data(path, models[m]);
        enum { N = 9 };
        struct answer ref[N], got[N];
        for (int i = 0; i < N; i++) reference(path, i, 50 + 7 * i, &ref[i]);
        for (int threads = 1; threads <= 2; threads++) {
            for (int batch = 5; batch <= 64; batch += 59) {
                struct rig g;
                struct engine_opts o = small_opts();
                o.n_parallel = 8;
                o.n_cache = 8 * 256;
                o.n_batch = batch; /* odd chunks of prompts */
                rig_open(&g, path, threads, ACT_Q8, o);
                for (int i = 0; i < N; i++) ask(&g, i, 50 + 7 * i, &got[i]);
                engine_wait(g.engine);
                for (int i = 0; i < N; i++) same(&ref[i], &got[i]);
                rig_close(&g);
            }
        }
    }
}

static void test_warm_prefix(void **state)
{
    (void)state;
    for (size_t m = 0; m < countof(models); m++) {
        need_data(path, models[m]);
        struct rig g;
        struct answer first, again, other;
        rig_open(&g, path, 2, ACT_Q8, small_opts());
        ask(&g, 3, 100, &first);
        engine_wait(g.engine);
        ask(&g, 3, 100, &again);
        engine_wait(g.engine);
        ask(&g, 4, 100, &other); /* shares the first 40 ids */
        engine_wait(g.engine);
        same(&first, &again);
        assert_int_equal(first.counts.cached_tokens, 0);
        assert_int_equal(again.counts.cached_tokens, 96);
        assert_int_equal(other.counts.cached_tokens, 32);
        struct answer ref;
        reference(path, 4, 100, &ref);
        same(&ref, &other);
        rig_close(&g);
    }
}

/* Requests that arrive together compute their common beginning once. */
static void test_prefix_computed_once(void **state)
{
    (void)state;
    need_data(path, models[0]);
    struct rig g;
    struct answer a[8];
    struct engine_opts o = small_opts();
    o.n_parallel = 8;
    o.n_cache = 8 * 256;
    o.n_batch = 16;
    rig_open(&g, path, 1, ACT_Q8, o);
    for (int i = 0; i < 8; i++) ask(&g, i, 60, &a[i]);
    engine_wait(g.engine);
    int64_t cached = 0;
    for (int i = 0; i < 8; i++) cached += a[i].counts.cached_tokens;
    assert_int_equal(cached, 7 * 32);
    rig_close(&g);
}

static void test_preemption(void **state)
{
    (void)state;
    for (size_t m = 0; m < countof(models); m += 2) {
        need_data(path, models[m]);
        enum { N = 6 };
        struct answer ref[N], got[N];
        for (int i = 0; i < N; i++) reference(path, i, 90, &ref[i]);
        struct rig g;
        struct engine_opts o = small_opts();
        o.n_parallel = N;
        o.n_cache = 320; /* room for two */
        rig_open(&g, path, 2, ACT_Q8, o);
        for (int i = 0; i < N; i++) ask(&g, i, 90, &got[i]);
        engine_wait(g.engine);
        struct engine_stats st;
        engine_get_stats(g.engine, &st);
        assert_true(st.preemptions > 0);
        for (int i = 0; i < N; i++) same(&ref[i], &got[i]);
        rig_close(&g);
    }
}

/* Drafts change nothing; a prompt that repeats itself makes some of them right. */
static void test_drafts(void **state)
{
    (void)state;
    for (size_t m = 0; m < countof(models); m++) {
        need_data(path, models[m]);
        struct answer ref, got;
        reference(path, 2, 120, &ref);
        struct rig g;
        struct engine_opts o = small_opts();
        o.n_draft = 6;
        rig_open(&g, path, 2, ACT_Q8, o);
        ask(&g, 2, 120, &got);
        engine_wait(g.engine);
        same(&ref, &got);
        rig_close(&g);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct err e;
    need_data(path, models[0]);
    struct rig g;
    struct engine_opts o = small_opts();
    o.n_queue = 2;
    rig_open(&g, path, 1, ACT_Q8, o);
    tok_id ids[300] = {1, 2, 3};
    struct gen_request r;
    gen_request_defaults(&r);
    r.prompt = ids;
    uint64_t id;
    must_fail(engine_submit(g.engine, &r, &id, &e), ERR_USAGE, "no tokens");
    r.n_prompt = 256;
    must_fail(engine_submit(g.engine, &r, &id, &e), ERR_CONTEXT,
              "prompt has 256 tokens, the context holds 256");
    r.n_prompt = 3;
    ids[1] = g.model->c.n_vocab;
    must_fail(engine_submit(g.engine, &r, &id, &e), ERR_USAGE, "outside the vocabulary");
    ids[1] = 2;
    r.sampling.top_p = 1.5f;
    must_fail(engine_submit(g.engine, &r, &id, &e), ERR_USAGE,
              "top_p is 1.5, allowed is 0 to 1");
    r.sampling.top_p = 1;
    r.max_tokens = 200;
    int refused = 0;
    for (int i = 0; i < 40; i++) refused += engine_submit(g.engine, &r, &id, &e) != 0;
    assert_true(refused > 0);
    assert_int_equal(e.code, ERR_BUSY);
    rig_close(&g); /* with requests still running */
}

static void test_cancel(void **state)
{
    (void)state;
    struct err e;
    need_data(path, models[0]);
    struct rig g;
    struct answer a = {.n = 0};
    rig_open(&g, path, 1, ACT_Q8, small_opts());
    tok_id ids[4] = {1, 2, 3, 4};
    struct gen_request r;
    gen_request_defaults(&r);
    r.prompt = ids;
    r.n_prompt = 4;
    r.fn = collect;
    r.ctx = &a;
    uint64_t id;
    must(engine_submit(g.engine, &r, &id, &e));
    engine_cancel(g.engine, id);
    engine_wait(g.engine);
    assert_true(a.done);
    assert_int_equal(a.reason, GEN_STOP_CANCEL);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_and_among_others),
        cmocka_unit_test(test_warm_prefix),
        cmocka_unit_test(test_prefix_computed_once),
        cmocka_unit_test(test_preemption),
        cmocka_unit_test(test_drafts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
