/* The memory plan is true: what a model with a full cache really takes is near what was planned, and
 * never more. The bound is wide because the program and its test are in there, too. */
#include "engine_rig.h"

#include <malloc.h>
#include <stdio.h>

#include "model/layout.h"
#include "model/source.h"
#include "model/synth.h"

static size_t resident(void)
{
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %llu", &kb) == 1) break;
    if (f) fclose(f);
    return (size_t)kb * 1024;
}

static void check(enum tiny which, enum dtype cache)
{
    char path[] = "/tmp/tarn-memory-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct err e;
    struct rig g = {0};
    struct rig_answer a;
    struct model_config c = tiny_config(which);
    struct type_mix mix;
    struct synth_options so = {.seed = 1};
    struct model_source *src;
    struct engine_plan plan;
    struct engine_opts o = rig_opts();
    c.n_embd = 512;
    c.n_layer = 6;
    c.n_ff = 1536;
    c.n_ctx = 4096;
    c.n_vocab = 4096;
    if (which == TINY_MLA) c.n_ff_expert = 512;
    assert_true(type_mix_parse("q8_0", &mix));
    must(pool_create(&g.pool, 2, &e));
    must(synth_write(path, &c, &mix, &so, g.pool, &e));
    malloc_trim(0);
    size_t before = resident();
    must(source_open(&src, path, &e));
    must(model_open(&g.model, src, &(struct model_opts){.act = ACT_Q8, .with_mtp = true}, &e));
    o.n_ctx = 4096;
    o.cache_dt = cache;
    o.n_draft = 2;
    must(engine_make_plan(g.model, g.pool, &o, &plan, &e));
    must(model_load(g.model, g.pool, NULL, &e));
    must(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e));
    tok_id *ids = calloc(4080, sizeof *ids);
    struct gen_request r;
    uint64_t id;
    assert_non_null(ids);
    rig_request(&r, ids, 1, 40, &a);
    for (int i = 0; i < 4080; i++) ids[i] = (tok_id)(rng_at(3, 1, (uint64_t)i) % 4096);
    r.n_prompt = 4080;
    r.max_tokens = 10;
    must(engine_submit(g.engine, &r, &id, &e));
    engine_wait(g.engine);
    assert_true(a.done);
    double share = (double)(resident() - before) / (double)plan.total;
    printf(
        "model %d: %.1f MB planned (weights %.1f, cache %.1f, scratch %.1f), %.0f %% taken\n",
        which, (double)plan.total * 1e-6, (double)plan.weights * 1e-6,
        (double)plan.cache * 1e-6, (double)plan.scratch * 1e-6, share * 100);
    assert_true(share > 0.75 && share < 1.15);
    free(ids);
    rig_close(&g);
    close(fd);
    unlink(path);
}

static void test_plan(void **state)
{
    (void)state;
#ifdef TARN_DEBUG
    printf("skipped: sanitizers and debug builds take memory of their own\n");
    skip();
#endif
    check(TINY_QWEN2, DT_F32);
    check(TINY_MLA, DT_F16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
