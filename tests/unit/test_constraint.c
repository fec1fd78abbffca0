/* Constraints inside the engine: a made-up model answers by schema, with thinking in front, the
 * same with drafts as without; what cannot be done is an error at submit. */
#include "../test.h"

#include <unistd.h>

#include "base/json.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/model.h"
#include "model/source.h"
#include "model/synth.h"

static char path[64];
static struct pool *pool;

static int setup(void **state)
{
    (void)state;
    struct model_config c;
    struct type_mix mix;
    struct synth_options o = {.seed = 5};
    struct err e;
    snprintf(path, sizeof path, "/tmp/tarn-constraint-%d.gguf", (int)getpid());
    if (!config_shape("v3-tiny", &c) || !type_mix_parse("f16", &mix)) return -1;
    if (pool_create(&pool, 1, &e)) return -1;
    return synth_write(path, &c, &mix, &o, pool, &e);
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    return unlink(path);
}

struct seen {
    tok_id id[512];
    char text[4096];
    int n, forced;
    bool done;
    enum gen_reason reason;
    struct err err;
};

static bool collect(void *ctx, const struct gen_event *ev)
{
    struct seen *s = ctx;
    if (ev->type == GEN_TOKEN) {
        size_t have = strlen(s->text);
        if (ev->id != TOK_NONE && s->n < 512) s->id[s->n++] = ev->id;
        s->forced += ev->forced && ev->id != TOK_NONE;
        if (!ev->thinking && have + ev->text.n < sizeof s->text)
            memcpy(s->text + have, ev->text.p, ev->text.n);
    }
    if (ev->type == GEN_DONE) {
        s->done = true;
        s->reason = ev->reason;
    }
    if (ev->type == GEN_ERROR) s->err = ev->err;
    return true;
}

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"},\"k\":{\"enum\":["
    "\"red\","
    "\"green\"]},\"n\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":10,"
    "\"maximum\":99},\"minItems\":12,\"maxItems\":12}},\"required\":[\"ok\",\"k\",\"n\"]}";

static void answers(void **state)
{
    (void)state;
    struct err e;
    struct model *model;
    struct model_source *src;
    struct vocab *vocab;
    struct model_opts mo = {.act = ACT_Q8};
    static struct seen seen[2][4];
    must(source_open(&src, path, &e));
    must(source_vocab(src, &vocab, &e));
    must(model_open(&model, src, &mo, &e));
    must(model_load(model, pool, NULL, &e));
    memset(seen, 0, sizeof seen);
    for (int drafts = 0; drafts < 2; drafts++) {
        struct engine *en;
        struct engine_opts o;
        engine_opts_defaults(&o);
        o.n_ctx = 512;
        o.n_parallel = 2;
        o.n_draft = drafts * 4;
        must(engine_open(&en, model, vocab, pool, &o, &e));
        tok_id prompt[] = {5, 6, 7, 8};
        for (int i = 0; i < 4; i++) {
            struct gen_request r;
            uint64_t id;
            gen_request_defaults(&r);
            r.prompt = prompt;
            r.n_prompt = 4;
            r.max_tokens = 400;
            r.sampling.temperature = i ? 0.8f : 0;
            r.sampling.seed = (uint64_t)i;
            r.thinking.starts_inside = i != 2;
            r.thinking.budget = i == 2 ? -1 : 10;
            r.constraint = GEN_JSON_SCHEMA;
            r.schema = span_of(schema);
            if (i == 2) { /* no thinking: the tag that opens it is banned */
                static struct gen_bias no;
                no = (struct gen_bias){vocab_special(vocab)->think_open, -INFINITY};
                r.sampling.bias = &no;
                r.sampling.n_bias = 1;
            }
            r.fn = collect;
            r.ctx = &seen[drafts][i];
            must(engine_submit(en, &r, &id, &e));
        }
        struct gen_request bad;
        uint64_t id;
        gen_request_defaults(&bad);
        bad.prompt = prompt;
        bad.n_prompt = 4;
        bad.constraint = GEN_JSON_SCHEMA;
        bad.schema = span_of("{\"not\":{}}");
        must_fail(engine_submit(en, &bad, &id, &e), ERR_UNSUPPORTED, "'not'");
        engine_wait(en);
        engine_close(en);
    }
    for (int i = 0; i < 4; i++) {
        const struct seen *a = &seen[0][i], *b = &seen[1][i];
        if (!a->done || !b->done) fail_msg("%s%s", a->err.msg, b->err.msg);
        assert_int_equal(a->n, b->n);
        assert_memory_equal(a->id, b->id, (size_t)a->n * sizeof *a->id);
        assert_int_equal(a->reason, GEN_STOP_EOS);
        assert_true(i == 2 || a->forced > 0);
        json_t *v = json_parse(span_of(a->text), "answer", &e);
        if (!v) fail_msg("request %d: %s: %s", i, e.msg, a->text);
        assert_int_equal(json_array_size(json_object_get(v, "n")), 12);
        assert_true(json_is_boolean(json_object_get(v, "ok")));
        json_decref(v);
    }
    vocab_free(vocab);
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
