/* engine_rig.h - a model of tiny_models.h with random weights behind an engine, and requests whose
 * answers are collected: for tests of the engine that need no files. */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include <unistd.h>

#include "base/rng.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "test.h"
#include "tiny_models.h"
#include "train/params.h"

enum { RIG_OUT = 96, RIG_CTX = 256 };

struct rig_answer {
    tok_id id[RIG_OUT];
    float logprob[RIG_OUT];
    int n;
    bool done, failed;
    enum gen_reason reason;
    struct gen_counts counts;
    struct err err;
};

struct rig {
    struct pool *pool;
    struct model *model;
    struct engine *engine;
};

static inline bool rig_collect(void *ctx, const struct gen_event *ev)
{
    struct rig_answer *a = ctx;
    if (ev->type == GEN_TOKEN && a->n < RIG_OUT) {
        a->id[a->n] = ev->id;
        a->logprob[a->n++] = ev->logprob;
    }
    if (ev->type == GEN_DONE) {
        a->done = true;
        a->reason = ev->reason;
        a->counts = ev->counts;
    }
    if (ev->type == GEN_ERROR) {
        a->failed = true;
        a->err = ev->err;
    }
    return true;
}

static inline struct engine_opts rig_opts(void)
{
    struct engine_opts o;
    engine_opts_defaults(&o);
    o.n_ctx = RIG_CTX;
    o.cache_dt = DT_F32;
    o.n_draft = 0;
    return o;
}

static inline void rig_model(struct rig *g, enum tiny which, uint64_t seed, int threads)
{
    struct err e;
    struct params *p;
    struct model_config c = tiny_config(which);
    *g = (struct rig){0};
    must(pool_create(&g->pool, threads, &e));
    must(params_create(&p, &c, &(struct model_opts){.act = ACT_F32, .with_mtp = true}, &e));
    params_init(p, seed, 0.3f);
    must(params_packed(&g->model, p, g->pool, &e));
    params_free(p);
}

static inline void rig_open(struct rig *g, enum tiny which, uint64_t seed,
                            const struct engine_opts *o)
{
    struct err e;
    rig_model(g, which, seed, 2);
    must(engine_open(&g->engine, g->model, NULL, g->pool, o, &e));
}

static inline void rig_close(struct rig *g)
{
    engine_close(g->engine);
    model_free(g->model);
    pool_free(g->pool);
}

/* A request of n_prompt ids, the first 40 of which are common to all; odd ones are sampled. */
static inline void rig_request(struct gen_request *r, tok_id *ids, int which, int n_prompt,
                               struct rig_answer *a)
{
    for (int i = 0; i < n_prompt; i++)
        ids[i] = (tok_id)(rng_at(7, i < 40 ? 0 : (uint64_t)which, (uint64_t)i) % 96);
    gen_request_defaults(r);
    *a = (struct rig_answer){.n = 0};
    r->prompt = ids;
    r->n_prompt = n_prompt;
    r->max_tokens = 40;
    r->sampling.temperature = which % 2 ? 0.8f : 0;
    r->sampling.top_p = which % 3 ? 0.95f : 1;
    r->sampling.seed = (uint64_t)which;
    r->sampling.n_top = 0;
    r->fn = rig_collect;
    r->ctx = a;
}

static inline void rig_ask(struct rig *g, int which, int n_prompt, struct rig_answer *a)
{
    struct err e;
    tok_id ids[RIG_CTX];
    struct gen_request r;
    uint64_t id;
    rig_request(&r, ids, which, n_prompt, a);
    must(engine_submit(g->engine, &r, &id, &e));
}

/* A new directory, in memory where there is such a place: flushing to a disk takes long. */
static inline const char *rig_dir(char out[64])
{
    snprintf(out, 64, "%s/tarn-rig-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(out);
}

static inline void rig_same(const struct rig_answer *a, const struct rig_answer *b)
{
    if (a->failed || b->failed) fail_msg("%s", a->failed ? a->err.msg : b->err.msg);
    assert_true(a->done && b->done);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, (size_t)a->n * sizeof *a->id);
    assert_memory_equal(a->logprob, b->logprob, (size_t)a->n * sizeof *a->logprob);
}

#endif
