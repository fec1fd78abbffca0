/* Requests that arrive together and begin alike compute their common part once, by counting rows; and
 * read it together, which changes no bit. */
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

/* ---- a tree of prefixes -------------------------------------------------------------------- */

/* Ids before `common` are the family's, those before branch_end the branch's, the others the
 * request's own. Attention shares whole tiles of 64 positions in blocks of 16. */
static const struct {
    int family, branch, common, branch_end, n;
} tree[] = {
    {1, 0, 150, 150, 170}, {1, 1, 150, 200, 215}, {1, 1, 150, 200, 201}, {1, 2, 150, 199, 230},
    {1, 2, 150, 199, 200}, {1, 0, 150, 150, 151}, {2, 0, 64, 64, 65},    {2, 0, 64, 64, 90},
    {2, 0, 64, 64, 128},   {3, 0, 63, 63, 64},    {3, 0, 63, 63, 80},    {4, 0, 128, 128, 129},
    {4, 0, 128, 128, 131}, {5, 0, 0, 0, 30},      {6, 0, 0, 0, 170},     {7, 0, 0, 0, 64},
};

enum { LEAVES = sizeof tree / sizeof *tree };

static void open_tree(struct rig *g, const struct model_config *c, enum dtype dt, int threads,
                      bool share)
{
    struct err e;
    struct params *p;
    struct engine_opts o = rig_opts();
    o.cache_dt = dt;
    o.share_prefixes = share;
    o.n_parallel = share ? LEAVES : 1;
    o.n_cache = LEAVES * RIG_CTX;
    *g = (struct rig){0};
    must(pool_create(&g->pool, threads, &e));
    must(params_create(&p, c, &(struct model_opts){.act = ACT_F32}, &e));
    params_init(p, 1, 0.3f);
    must(params_packed(&g->model, p, g->pool, &e));
    params_free(p);
    must(engine_open(&g->engine, g->model, NULL, g->pool, &o, &e));
}

static void ask_leaf(struct rig *g, int i, struct rig_answer *a)
{
    struct gen_request r;
    struct err e;
    tok_id ids[RIG_CTX];
    uint64_t id;
    rig_request(&r, ids, i, tree[i].n, a);
    for (int k = 0; k < tree[i].n; k++) {
        uint64_t who = k < tree[i].common       ? (uint64_t)tree[i].family
                       : k < tree[i].branch_end ? 100 + (uint64_t)tree[i].branch
                                                : 1000 + (uint64_t)i;
        ids[k] = (tok_id)(rng_at(9, who, (uint64_t)k) % 96);
    }
    r.max_tokens = 24;
    must(engine_submit(g->engine, &r, &id, &e));
}

/* Tiny models with the head sizes of the shipped one, so that its kernels' forms are met. */
static struct model_config tree_config(enum tiny which)
{
    struct model_config c = tiny_config(which);
    if (which == TINY_MLA) {
        c.kv_lora_rank = 64;
        c.qk_rope_head_dim = c.rope_dim = 16;
    } else {
        c.head_dim = c.rope_dim = 32;
    }
    return c;
}

static void test_tree(void **state)
{
    (void)state;
    static const enum tiny which[] = {TINY_MLA, TINY_QWEN3};
    static const enum dtype types[] = {DT_F16, DT_F32, DT_BF16};
    static struct rig_answer alone[LEAVES], got[LEAVES];
    for (size_t m = 0; m < 2 * countof(types); m++) {
        struct model_config c = tree_config(which[m % 2]);
        enum dtype dt = types[m / 2];
        struct rig g;
        open_tree(&g, &c, dt, 1, false);
        for (int i = 0; i < LEAVES; i++) {
            ask_leaf(&g, i, &alone[i]);
            engine_wait(g.engine);
        }
        rig_close(&g);
        for (int threads = 1; threads <= 3; threads++) {
            open_tree(&g, &c, dt, threads, true);
            for (int warm = 0; warm < 2; warm++) {
                for (int i = 0; i < LEAVES; i++) ask_leaf(&g, i, &got[i]);
                engine_wait(g.engine);
                for (int i = 0; i < LEAVES; i++) {
                    assert_true(alone[i].done && got[i].done);
                    assert_int_equal(alone[i].n, got[i].n);
                    assert_memory_equal(alone[i].id, got[i].id, sizeof alone[i].id);
                    assert_memory_equal(alone[i].logprob, got[i].logprob,
                                        sizeof alone[i].logprob);
                }
            }
            rig_close(&g);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_tree)};
    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
