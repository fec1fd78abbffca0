/* Requests that arrive together and begin alike compute their common part once: by counting rows. */
#include "engine_rig.h"

enum { N = 32, PROMPT = 1000, OUT = 8 };

static void test_rows(void **state)
{
    (void)state;
    struct rig g;
    struct err e;
    struct params *p;
    static struct rig_answer a[N];
    struct engine_opts o = rig_opts();
    struct engine_stats st;
    struct model_config c = tiny_config(TINY_MLA);
    c.n_ctx = o.n_ctx = 1100;
    o.n_parallel = N;
    o.n_cache = 1100 + N * 64;
    o.n_batch = 256;
    g = (struct rig){0};
    must(pool_create(&g.pool, 2, &e));
    must(params_create(&p, &c, &(struct model_opts){.act = ACT_F32}, &e));
    params_init(p, 1, 0.3f);
    must(params_packed(&g.model, p, g.pool, &e));
    params_free(p);
    must(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e));
    for (int i = 0; i < N; i++) {
        static tok_id ids[PROMPT];
        tok_id few[RIG_CTX];
        struct gen_request r;
        uint64_t id;
        rig_request(&r, few, i, 50, &a[i]);
        for (int k = 0; k < PROMPT; k++)
            ids[k] =
                (tok_id)(rng_at(5, k < PROMPT - 4 ? 0 : (uint64_t)i + 1, (uint64_t)k) % 96);
        r.prompt = ids;
        r.n_prompt = PROMPT;
        r.max_tokens = OUT;
        must(engine_submit(g.engine, &r, &id, &e));
    }
    engine_wait(g.engine);
    engine_get_stats(g.engine, &st);
    uint64_t shared = (PROMPT - 4) / 16 * 16, rest = PROMPT - shared;
    assert_int_equal(st.cached_tokens, (N - 1) * shared);
    assert_int_equal(st.preemptions, 0);
    assert_int_equal(st.rows, shared + N * (rest + OUT - 1));
    for (int i = 0; i < N; i++) assert_true(a[i].done && a[i].n == OUT);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
