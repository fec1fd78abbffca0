/* The engine when things go wrong: the n-th allocation fails, for every n, while it opens, takes
 * requests, runs, saves and closes; the disk is full; 10,000 requests wait; the model's file is cut
 * off. Every request ends with one DONE or ERROR, nothing leaks, and the next request is answered as
 * always. */
#include "engine_rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/layout.h"
#include "model/source.h"
#include "model/synth.h"

enum { PROMPT = 70, REQUESTS = 5 };

static struct vocab *vocab;
static struct rig rig; /* model and pool; engines come and go */

/* A model with a vocabulary, so that text, stop strings, thinking and schemas take part. */
static void open_model(struct rig *g)
{
    struct err e;
    struct params *p;
    struct model_config c = tiny_config(TINY_MLA);
    c.n_vocab = 512;
    *g = (struct rig){0};
    must(pool_create(&g->pool, 2, &e));
    must(params_create(&p, &c, &(struct model_opts){.act = ACT_F32, .with_mtp = true}, &e));
    params_init(p, 3, 0.3f);
    must(params_packed(&g->model, p, g->pool, &e));
    params_free(p);
    must(synth_vocab(&vocab, &c, &e));
}

struct outcome {
    int ends, tokens;
    enum err_code code;
    tok_id last;
};

static bool note(void *ctx, const struct gen_event *ev)
{
    struct outcome *o = ctx;
    if (ev->type == GEN_TOKEN) {
        o->tokens++;
        o->last = ev->id;
    }
    if (ev->type == GEN_DONE) o->ends++;
    if (ev->type == GEN_ERROR) {
        o->ends++;
        o->code = ev->err.code;
        assert_true(ev->err.msg[0] != 0);
    }
    return true;
}

static struct engine_opts fault_opts(const char *dir)
{
    struct engine_opts o = rig_opts();
    o.n_parallel = 3;
    o.n_cache = 3 * RIG_CTX;
    o.n_draft = 3;
    o.draft_always = true;
    o.snapshots = dir;
    return o;
}

/* Five requests of different kinds; returns how many were refused at once. */
static int submit_all(struct engine *en, struct outcome *out)
{
    static const char *const schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                                      "\"integer\"}},\"required\":[\"a\"]}";
    static const struct span stops[] = {{"never there", 11}};
    int refused = 0;
    for (int i = 0; i < REQUESTS; i++) {
        struct err e = {0};
        tok_id ids[PROMPT];
        struct gen_request r;
        uint64_t id;
        for (int k = 0; k < PROMPT; k++) ids[k] = (tok_id)(rng_at(7, 1, (uint64_t)k) % 256);
        gen_request_defaults(&r);
        out[i] = (struct outcome){0};
        r.prompt = ids;
        r.n_prompt = PROMPT;
        r.max_tokens = 24;
        r.ignore_eos = true;
        r.sampling.temperature = i % 2 ? 0.9f : 0;
        r.sampling.seed = (uint64_t)i;
        r.thinking.starts_inside = i == 1;
        r.thinking.budget = i == 1 ? 5 : -1;
        r.stop = i == 2 ? stops : NULL;
        r.n_stop = i == 2;
        r.constraint = i == 3 ? GEN_JSON_SCHEMA : GEN_FREE;
        r.schema = span_of(schema);
        r.fn = note;
        r.ctx = &out[i];
        if (engine_submit(en, &r, &id, &e)) {
            if ((e.code != ERR_MEMORY && e.code != ERR_LIMIT) || !e.msg[0])
                fail_msg("request %d: %s", i, e.msg);
            out[i].ends = 1;
            refused++;
        } else if (i == 4) {
            engine_cancel(en, id);
        }
    }
    return refused;
}

static void check_ends(const struct outcome *out)
{
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(out[i].ends, 1);
        assert_true(out[i].code == 0 || out[i].code == ERR_MEMORY || out[i].code == ERR_LIMIT);
    }
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *de; d && (de = readdir(d));)
        if (de->d_name[0] != '.') (void)unlinkat(dirfd(d), de->d_name, 0);
    closedir(d);
    (void)rmdir(dir);
}

static void test_open(void **state)
{
    (void)state;
    char dir[64];
    assert_non_null(rig_dir(dir));
    int64_t live = mem_live_blocks();
    int failed = 0;
    for (int64_t n = 1;; n++) {
        struct err e = {0};
        struct engine *en = NULL;
        struct engine_opts o = fault_opts(dir);
        mem_fail_at(n);
        int rc = engine_open(&en, rig.model, vocab, rig.pool, &o, &e);
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        if (rc) {
            assert_int_equal(e.code, ERR_MEMORY);
            assert_null(en);
            failed++;
        }
        engine_close(en);
        assert_int_equal(mem_live_blocks(), live);
        if (!fired) break;
    }
    assert_true(failed > 10);
    remove_dir(dir);
}

/* Every allocation from submit to close in turn; the engine goes on being right. */
static void test_run(void **state)
{
    (void)state;
    char dir[64];
    assert_non_null(rig_dir(dir));
    struct outcome ref[REQUESTS], got[REQUESTS];
    struct err e;
    struct engine *en;
    struct engine_opts o = fault_opts(dir);
    int64_t live = mem_live_blocks();
    must(engine_open(&en, rig.model, vocab, rig.pool, &o, &e));
    assert_int_equal(submit_all(en, ref), 0);
    engine_wait(en);
    check_ends(ref);
    engine_close(en);
    assert_int_equal(mem_live_blocks(), live);
    int rounds = 0;
    for (int64_t n = 1; n < 3000; n += n < 160 ? 1 : 13, rounds++) {
        must(engine_open(&en, rig.model, vocab, rig.pool, &o, &e));
        mem_fail_at(n);
        submit_all(en, got);
        engine_wait(en);
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        check_ends(got);
        /* The same engine answers as if nothing had been. */
        assert_int_equal(submit_all(en, got), 0);
        engine_wait(en);
        for (int i = 0; i < 4; i++) {
            if (got[i].code != ref[i].code || got[i].tokens != ref[i].tokens ||
                got[i].last != ref[i].last)
                fail_msg("after allocation %lld failed, request %d has %d tokens, not %d",
                         (long long)n, i, got[i].tokens, ref[i].tokens);
        }
        engine_close(en);
        assert_int_equal(mem_live_blocks(), live);
        if (!fired) break;
    }
    printf("%d places where an allocation failed\n", rounds);
    assert_true(rounds > 50);
    remove_dir(dir);
}

/* The file system takes no more: no snapshot, a line in the log, the same answers. */
static void test_full_disk(void **state)
{
    (void)state;
    char dir[64];
    assert_non_null(rig_dir(dir));
    struct outcome out[REQUESTS];
    struct err e;
    struct engine *en;
    struct engine_opts o = fault_opts(dir);
    struct rlimit old, low;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 8192;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    must(engine_open(&en, rig.model, vocab, rig.pool, &o, &e));
    assert_int_equal(submit_all(en, out), 0);
    engine_wait(en);
    check_ends(out);
    engine_close(en);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing is left, no temporary file either */
}

/* Ten thousand wait, the next is refused, all end, some cancelled meanwhile. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    struct err e;
    struct engine *en;
    struct engine_opts o = rig_opts();
    struct outcome *out = mem_calloc(MANY + 500, sizeof *out);
    assert_non_null(out);
    o.n_parallel = 32;
    o.n_cache = 32 * RIG_CTX;
    o.n_queue = MANY;
    o.n_ctx = RIG_CTX;
    must(engine_open(&en, rig.model, vocab, rig.pool, &o, &e));
    tok_id ids[4] = {1, 2, 3, 4};
    int taken = 0, refused = 0;
    for (int i = 0; i < MANY + 500; i++) {
        struct gen_request r;
        uint64_t id;
        gen_request_defaults(&r);
        r.prompt = ids;
        r.n_prompt = 4;
        r.max_tokens = 2;
        r.fn = note;
        r.ctx = &out[i];
        if (engine_submit(en, &r, &id, &e) == 0) {
            taken++;
            if (i % 5 == 0) engine_cancel(en, id);
        } else {
            assert_int_equal(e.code, ERR_BUSY);
            out[i].ends = 1;
            refused++;
        }
    }
    engine_wait(en);
    for (int i = 0; i < MANY + 500; i++) assert_int_equal(out[i].ends, 1);
    assert_true(taken >= MANY);
    engine_close(en);
    mem_free(out);
    (void)refused;
}

static atomic_int errors, tokens_seen;
static bool count(void *ctx, const struct gen_event *ev)
{
    (void)ctx;
    if (ev->type == GEN_TOKEN) atomic_fetch_add(&tokens_seen, 1);
    if (ev->type == GEN_ERROR) {
        assert_int_equal(ev->err.code, ERR_IO);
        assert_non_null(strstr(ev->err.msg, "became shorter"));
        atomic_fetch_add(&errors, 1);
    }
    return true;
}

/* A file that is cut off while the engine looks rows up in it: the request ends with a sentence. */
static void test_cut_file(void **state)
{
    (void)state;
    char path[] = "/tmp/tarn-cut-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct err e;
    struct rig g = {0};
    struct model_config c = tiny_config(TINY_MLA);
    struct type_mix mix;
    struct synth_options so = {.seed = 1};
    struct model_source *src;
    c.n_vocab = 512;
    assert_true(type_mix_parse("f32", &mix));
    must(pool_create(&g.pool, 1, &e));
    must(synth_write(path, &c, &mix, &so, g.pool, &e));
    must(source_open(&src, path, &e));
    must(model_open(&g.model, src, &(struct model_opts){.act = ACT_F32}, &e));
    must(model_load(g.model, g.pool, NULL, &e));
    struct engine_opts o = rig_opts();
    must(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e));
    tok_id ids[4] = {1, 2, 3, 4};
    struct gen_request r;
    uint64_t id;
    gen_request_defaults(&r);
    r.prompt = ids;
    r.n_prompt = 4;
    r.max_tokens = 20;
    r.fn = count;
    must(engine_submit(g.engine, &r, &id, &e));
    engine_wait(g.engine);
    assert_int_equal(atomic_load(&tokens_seen), 20);
    assert_int_equal(truncate(path, 1000), 0);
    must(engine_submit(g.engine, &r, &id, &e));
    engine_wait(g.engine);
    assert_int_equal(atomic_load(&errors), 1);
    rig_close(&g);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),      cmocka_unit_test(test_run),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_many),
        cmocka_unit_test(test_cut_file),
    };
    log_setup(LOG_ERROR, false);
    open_model(&rig);
    int rc = cmocka_run_group_tests_name("engine_fault", tests, NULL, NULL);
    vocab_free(vocab);
    model_free(rig.model);
    pool_free(rig.pool);
    return rc;
}
