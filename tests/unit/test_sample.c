/* Sampling: each filter on hand-made distributions, penalties, masks, limits; frequencies of a
 * long run against the probabilities. */
#include "../test.h"

#include "engine/sample.h"
#include "kernel/kernel.h"

enum { V = 10 };

/* Probabilities 0.30 0.25 0.15 0.10 0.08 0.05 0.04 0.02 0.007 0.003 of ids 0..9. */
static const double prob[V] = {.30, .25, .15, .10, .08, .05, .04, .02, .007, .003};

struct rig {
    struct sample_work *w;
    float logit[V];
    struct gen_sampling o;
    struct sample_in in;
};

static void rig_open(struct rig *r)
{
    struct err e;
    struct gen_request q;
    must(sample_work_create(&r->w, V, &e));
    gen_request_defaults(&q);
    r->o = q.sampling;
    r->o.temperature = 1;
    r->o.seed = 5;
    for (int i = 0; i < V; i++) r->logit[i] = (float)log(prob[i]) + 3;
    r->in = (struct sample_in){.logits = r->logit, .n_vocab = V};
}

static tok_id draw(struct rig *r, uint64_t index)
{
    struct sample_out out;
    r->in.index = index;
    sample_token(r->w, kernels(), &r->o, &r->in, &out);
    return out.id;
}

/* Ids that come up in many draws, as a bit set; frequencies are checked against the kept mass. */
static unsigned kept(struct rig *r)
{
    enum { DRAWS = 20000 };
    int count[V] = {0};
    unsigned set = 0;
    double mass = 0;
    for (uint64_t i = 0; i < DRAWS; i++) count[draw(r, i)]++;
    for (int i = 0; i < V; i++) {
        if (!count[i]) continue;
        set |= 1u << i;
        mass += prob[i];
    }
    for (int i = 0; i < V; i++) {
        double want = prob[i] / mass * DRAWS;
        if (count[i] && fabs(count[i] - want) > 5 * sqrt(want) + 3)
            fail_msg("id %d came %d times, expected %.0f", i, count[i], want);
    }
    return set;
}

static void test_filters(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    assert_int_equal(kept(&r), 0x3ff);
    r.o.top_k = 3;
    assert_int_equal(kept(&r), 0x7);
    r.o.top_k = 0;
    r.o.top_p = 0.6f; /* .30 + .25 < .6 <= + .15 */
    assert_int_equal(kept(&r), 0x7);
    r.o.top_p = 1;
    r.o.min_p = 0.25f; /* at least .075 */
    assert_int_equal(kept(&r), 0x1f);
    r.o.min_p = 0;
    /* entropy 1.86 nats: nearest are .15 (1.90), then .25 (1.39) ... */
    r.o.typical_p = 0.14f;
    assert_int_equal(kept(&r), 1u << 2);
    sample_work_free(r.w);
}

static void test_greedy_and_temperature(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.o.temperature = 0;
    for (uint64_t i = 0; i < 10; i++) assert_int_equal(draw(&r, i), 0);
    r.logit[4] = r.logit[0]; /* a tie goes to the lower id */
    assert_int_equal(draw(&r, 0), 0);
    r.o.temperature = 0.01f;
    r.logit[4] = -9;
    for (uint64_t i = 0; i < 100; i++) assert_int_equal(draw(&r, i), 0);
    for (int i = 0; i < V; i++) r.logit[i] = NAN;
    assert_int_equal(draw(&r, 0), TOK_NONE);
    sample_work_free(r.w);
}

static void test_same_place_same_token(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    tok_id first[50];
    for (uint64_t i = 0; i < 50; i++) first[i] = draw(&r, i);
    for (uint64_t i = 50; i-- > 0;) assert_int_equal(draw(&r, i), first[i]);
    int same = 0;
    r.in.stream = 1;
    for (uint64_t i = 0; i < 50; i++) same += draw(&r, i) == first[i];
    assert_true(same < 40);
    sample_work_free(r.w);
}

static void test_penalties(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    tok_id history[] = {0, 0, 1, 5, 6, 7, 5, 6};
    r.o.temperature = 0;
    r.in.history = history;
    r.in.n_history = 2;
    r.o.repeat_penalty = 2;
    r.o.repeat_last_n = 64;
    assert_int_equal(draw(&r, 0), 1);
    r.o.repeat_penalty = 1;
    r.o.presence_penalty = 1;
    assert_int_equal(draw(&r, 0), 1);
    r.in.n_prompt = 2; /* the prompt does not count for presence */
    assert_int_equal(draw(&r, 0), 0);
    r.o.presence_penalty = 0;
    /* DRY: "5 6" has come before and was followed by 7 */
    r.in.n_prompt = 0;
    r.in.n_history = 8;
    r.logit[7] = 50;
    assert_int_equal(draw(&r, 0), 7);
    r.o.dry_multiplier = 100;
    r.o.dry_base = 1.75f;
    r.o.dry_allowed_length = 2;
    assert_int_equal(draw(&r, 0), 0);
    r.o.dry_allowed_length = 3; /* a match of two is too short */
    assert_int_equal(draw(&r, 0), 7);
    /* the counters were left clean */
    r.o.dry_multiplier = 0;
    r.in.n_history = 0;
    r.logit[7] = 0;
    assert_int_equal(draw(&r, 0), 0);
    sample_work_free(r.w);
}

static void test_mask_and_bias(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    uint32_t mask = 1u << 3 | 1u << 8;
    r.in.mask = &mask;
    assert_int_equal(kept(&r), mask);
    mask = 0;
    assert_int_equal(draw(&r, 0), TOK_NONE);
    r.in.mask = NULL;
    struct gen_bias bias[] = {{0, -INFINITY}, {9, 100}};
    r.o.bias = bias;
    r.o.n_bias = 2;
    assert_int_equal(draw(&r, 0), 9);
    sample_work_free(r.w);
}

/* Reported log-probabilities are those of the raw logits, whatever the filters. */
static void test_logprobs(void **state)
{
    (void)state;
    struct rig r;
    struct sample_out out;
    rig_open(&r);
    r.o.temperature = 0.2f;
    r.o.top_k = 1;
    r.o.n_top = 4;
    sample_token(r.w, kernels(), &r.o, &r.in, &out);
    assert_int_equal(out.id, 0);
    assert_true(fabs((double)out.logprob - log(.30)) < 1e-5);
    assert_int_equal(out.n_top, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(out.top[i].id, i);
        assert_true(fabs((double)out.top[i].logprob - log(prob[i])) < 1e-5);
    }
    sample_work_free(r.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_greedy_and_temperature),
        cmocka_unit_test(test_same_place_same_token),
        cmocka_unit_test(test_penalties),
        cmocka_unit_test(test_mask_and_bias),
        cmocka_unit_test(test_logprobs),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
