/* Advantages, policy losses, rewards: against the papers' formulas written out in double, their
 * derivatives taken by differences. Curricula: what is asked, and that records come back. */
#include "../test.h"

#include "base/rng.h"
#include "rl/advantage.h"
#include "rl/curriculum.h"
#include "rl/policy_loss.h"
#include "rl/reward.h"

/* ---- advantages ---------------------------------------------------------------------------- */

enum { G = 5, N = 6 };

static double mean_of(const double *x, const bool *is, size_t n)
{
    double s = 0, m = 0;
    for (size_t i = 0; i < n; i++)
        if (is[i]) {
            s += x[i];
            m++;
        }
    return s / m;
}

static double std_of(const double *x, const bool *is, size_t n)
{
    double mu = mean_of(x, is, n), s = 0, m = 0;
    for (size_t i = 0; i < n; i++)
        if (is[i]) {
            s += (x[i] - mu) * (x[i] - mu);
            m++;
        }
    return sqrt(s / m);
}

static void test_advantages(void **state)
{
    (void)state;
    struct rng r = rng_init(4, 1);
    double reward[G * N], adv[G * N];
    bool is[G * N], flat[G];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < G * N; i++) {
            reward[i] = rng_below(&r, 3) ? (double)rng_below(&r, 2) : rng_f64(&r);
            is[i] = i / N == 3 || rng_below(&r, 6) != 0;
        }
        for (int i = 0; i < N; i++) reward[2 * N + i] = 0.25; /* flat */
        for (int kind = 0; kind < 4; kind++) {
            advantages((enum advantage_kind)kind, reward, is, G, N, adv, flat);
            double square = 0, all = 0;
            for (int g = 0; g < G; g++) {
                const double *x = reward + g * N;
                const bool *ok = is + g * N;
                double mu = mean_of(x, ok, N);
                for (int i = 0; i < N; i++)
                    if (ok[i]) {
                        all++;
                        if (std_of(x, ok, N) > 1e-9) square += (x[i] - mu) * (x[i] - mu);
                    }
            }
            for (int g = 0; g < G; g++) {
                const double *x = reward + g * N;
                const bool *ok = is + g * N;
                int m = 0;
                for (int i = 0; i < N; i++) m += ok[i];
                bool even = m < 2 || std_of(x, ok, N) < 1e-9;
                assert_int_equal(flat[g], even);
                for (int i = 0; i < N; i++) {
                    double want = 0, other = 0;
                    for (int k = 0; k < N; k++)
                        if (ok[k] && k != i) other += x[k] / (m - 1);
                    if (ok[i] && !even) {
                        double a = x[i] - mean_of(x, ok, N);
                        if (kind == ADVANTAGE_GROUP) want = a / (std_of(x, ok, N) + 1e-6);
                        if (kind == ADVANTAGE_MEAN) want = a;
                        if (kind == ADVANTAGE_BATCH) want = a / (sqrt(square / all) + 1e-6);
                        if (kind == ADVANTAGE_RLOO) want = x[i] - other;
                    }
                    assert_true(fabs(adv[g * N + i] - want) < 1e-9);
                }
            }
        }
    }
}

/* ---- losses -------------------------------------------------------------------------------- */

struct seq {
    double l[8];
    float old[8], ref[8];
    size_t n;
    double adv;
};

enum { S = 3 };

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* J of the whole batch, literally; frozen is where cispo's weights come from. */
static double objective(const struct policy_opts *o, const struct seq *s,
                        const struct seq *frozen)
{
    double j = 0, total = 0, hi = o->clip_high > 0 ? 1 + o->clip_high : 1e300;
    for (int i = 0; i < S; i++) total += (double)s[i].n;
    for (int i = 0; i < S; i++) {
        double mean = 0, sum = 0, n = (double)s[i].n, A = s[i].adv;
        for (size_t t = 0; t < s[i].n; t++) mean += (s[i].l[t] - (double)s[i].old[t]) / n;
        for (size_t t = 0; t < s[i].n; t++) {
            double x = exp(s[i].l[t] - (double)s[i].old[t]);
            double f = exp(frozen[i].l[t] - (double)s[i].old[t]);
            double use = o->kind == POLICY_GSPO ? exp(mean) : x;
            double a = fmin(use * A, clamp(use, 1 - o->clip_low, hi) * A);
            if (o->delta > 0 && A < 0) a = fmax(a, o->delta * A);
            if (o->kind == POLICY_CISPO) a = clamp(f, 1 - o->clip_low, hi) * A * s[i].l[t];
            double lr = (double)s[i].ref[t] - s[i].l[t], kl = 0, k3 = exp(lr) - lr - 1;
            if (o->kl == KL_K1) kl = -lr;
            if (o->kl == KL_K2) kl = lr * lr / 2;
            if (o->kl == KL_K3) kl = k3;
            if (o->kl == KL_K3_UNBIASED) kl = x * k3;
            sum += a - o->beta * kl;
        }
        switch (o->kind) {
        case POLICY_GRPO:
        case POLICY_GSPO: j += sum / n / S; break;
        case POLICY_DAPO:
        case POLICY_CISPO: j += sum / total; break;
        case POLICY_DR_GRPO: j += sum / (S * o->longest); break;
        }
    }
    return j;
}

static void make(struct rng *r, struct seq *s)
{
    for (int i = 0; i < S; i++) {
        s[i].n = 1 + (size_t)rng_below(r, 7);
        s[i].adv = rng_normal(r);
        for (size_t t = 0; t < s[i].n; t++) {
            s[i].old[t] = (float)(-3 * rng_f64(r));
            /* as floats: the library gets floats */
            s[i].l[t] = (double)(float)((double)s[i].old[t] + 0.4 * rng_normal(r));
            s[i].ref[t] = (float)((double)s[i].old[t] + 0.5 * rng_normal(r));
        }
    }
}

static void check_loss(const struct policy_opts *o, struct rng *r)
{
    struct seq s[S], moved[S];
    struct policy_stats st;
    struct policy_batch b = {.n_sequence = S};
    make(r, s);
    policy_stats_init(&st);
    for (int i = 0; i < S; i++) b.n_token += (double)s[i].n;
    for (int i = 0; i < S; i++) {
        float l[8], d[8];
        for (size_t t = 0; t < s[i].n; t++) l[t] = (float)s[i].l[t];
        policy_sequence(o, &b, l, s[i].old, s[i].ref, s[i].n, s[i].adv, d, &st);
        for (size_t t = 0; t < s[i].n; t++) {
            double h = 1e-6, j[2];
            for (int k = 0; k < 2; k++) {
                memcpy(moved, s, sizeof moved);
                moved[i].l[t] += k ? h : -h;
                j[k] = objective(o, moved, s);
            }
            double want = (j[1] - j[0]) / (2 * h);
            if (fabs(want - (double)d[t]) > 1e-5 * (1 + fabs(want)))
                fail_msg("loss %d kl %d: d is %g, want %g", (int)o->kind, (int)o->kl,
                         (double)d[t], want);
        }
    }
    assert_true(fabs(st.surrogate - st.kl - objective(o, s, s)) < 1e-9);
    assert_true(st.n == b.n_token && st.ratio_min <= st.ratio_max);
}

static void test_losses(void **state)
{
    (void)state;
    struct rng r = rng_init(4, 2);
    for (int round = 0; round < 60; round++)
        for (int kind = 0; kind < 5; kind++)
            for (int kl = 0; kl < 5; kl++)
                for (int delta = 0; delta < 2; delta++) {
                    struct policy_opts o = {.kind = (enum policy_kind)kind,
                                            .kl = (enum kl_kind)kl,
                                            .clip_low = 0.2,
                                            .clip_high = kl == 2 ? 0 : 0.28,
                                            .delta = delta && kind != POLICY_CISPO ? 1.5 : 0,
                                            .beta = kl ? 0.1 : 0,
                                            .longest = 20};
                    check_loss(&o, &r);
                }
}

/* Fresh answers: ratio 1, nothing clipped, the surrogate sums to the mean advantage. */
static void test_fresh(void **state)
{
    (void)state;
    struct policy_opts o = {.kind = POLICY_GRPO, .clip_low = 0.2, .clip_high = 0.2};
    struct policy_batch b = {2, 7};
    struct policy_stats st;
    float l[4] = {-1, -2, -0.5f, -3}, d[4];
    policy_stats_init(&st);
    policy_sequence(&o, &b, l, l, NULL, 3, 1, d, &st);
    policy_sequence(&o, &b, l, l, NULL, 4, -1, d, &st);
    assert_true(fabs(st.surrogate) < 1e-12);
    assert_true(st.clip_low == 0 && st.clip_high == 0 && st.ratio == 7 && st.kl_old == 0);
    assert_true(fabs((double)d[0] + 1.0 / 8) < 1e-9);
}

/* ---- rewards ------------------------------------------------------------------------------- */

static void test_reward(void **state)
{
    (void)state;
    struct reward_opts o = {.format = FORMAT_GATE, .longest = 100};
    struct reward_in in = {
        .score = 1, .tagged = true, .n_token = 50, .thinking = span_of("a b")};
    assert_true(reward_of(&o, &in).total == 1);
    in.tagged = false;
    assert_true(reward_of(&o, &in).total == 0);
    in.tagged = in.truncated = true;
    assert_true(reward_of(&o, &in).total == 0);
    /* Form alone is worth nothing under the gate, and something when added. */
    in = (struct reward_in){.score = 0, .tagged = true, .n_token = 5, .thinking = span_of("")};
    assert_true(reward_of(&o, &in).total == 0);
    o.format = FORMAT_ADD;
    o.format_weight = 0.2;
    assert_true(reward_of(&o, &in).total == 0.2);
    o.format = FORMAT_NONE;
    o.margin = 20;
    in.n_token = 80;
    assert_true(reward_of(&o, &in).length == 0);
    in.n_token = 90;
    assert_true(reward_of(&o, &in).length == -0.5);
    in.n_token = 130;
    assert_true(reward_of(&o, &in).total == -1);
    in.errored = true;
    assert_false(reward_of(&o, &in).judged);
}

static void test_language(void **state)
{
    (void)state;
    assert_true(reward_language(LANGUAGE_LATIN, span_of("So 3+4=7, ja naïve")) == 1);
    assert_true(reward_language(LANGUAGE_LATIN, span_of("one \u4e8c three \u0434\u0430")) ==
                0.5);
    assert_true(reward_language(LANGUAGE_HAN, span_of("\u4e00\u4e8c\u3002ok")) == 2.0 / 3);
    assert_true(reward_language(LANGUAGE_LATIN, span_of("3+4=7 \u2192 7")) == 1);
    assert_true(reward_language(LANGUAGE_ANY, span_of("\u4e00")) == 1);
    assert_true(reward_language(LANGUAGE_LATIN, span_of("a\xff\xfe"
                                                        "b")) == 1);
}

/* ---- curriculum ---------------------------------------------------------------------------- */

static void add_two(struct curriculum *c, bool on)
{
    struct err e;
    struct curriculum_opts o = {.on = on, .window = 16, .up = 0.7, .down = 0.2, .seed = 9};
    struct task_ask ask = {.split = TASK_TRAIN, .seed = 1, .level = 1};
    must(curriculum_init(c, &o, &e));
    must(curriculum_add_family(c, task_find(span_of("addition")), &ask, false, 1, 3, &e));
    must(curriculum_add_family(c, task_find(span_of("boolean")), &ask, false, 1, 2, &e));
}

static void test_curriculum(void **state)
{
    (void)state;
    struct err e;
    struct curriculum c, d;
    int stage, seen[5] = {0};
    uint64_t index;
    add_two(&c, true);
    add_two(&d, true);
    for (uint64_t n = 0; n < 400; n++) {
        curriculum_choose(&c, n, &stage, &index);
        assert_int_equal(index, n);
        seen[stage]++;
        /* addition is learned at once, boolean never */
        curriculum_record(&c, stage, stage < 3 ? 1 : 0);
    }
    assert_int_equal(c.track[0].level, 3);
    assert_int_equal(c.track[1].level, 1);
    assert_true(seen[2] > 40 && seen[0] > 0 && seen[4] == 0);
    /* The records come back, and with them the same questions. */
    json_t *o = curriculum_to_json(&c);
    must(curriculum_from_json(&d, o, &e));
    json_decref(o);
    for (uint64_t n = 400; n < 500; n++) {
        int other;
        curriculum_choose(&c, n, &stage, &index);
        curriculum_choose(&d, n, &other, &index);
        assert_int_equal(stage, other);
        curriculum_record(&c, stage, 0);
        curriculum_record(&d, stage, 0);
        assert_true(curriculum_rate(&c.stage[stage], 16) ==
                    curriculum_rate(&d.stage[stage], 16));
    }
    assert_true(c.track[0].level < 3); /* it fell */
    curriculum_release(&c);
    curriculum_release(&d);
}

/* A file is asked as a whole, each time in another order. */
static void test_file_order(void **state)
{
    (void)state;
    enum { LINES = 37 };
    struct err e;
    struct curriculum c;
    struct problem_source *s;
    struct curriculum_opts o = {.window = 16, .seed = 3};
    char path[] = "/tmp/tarn-lines-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");
    for (int i = 0; i < LINES; i++) fprintf(f, "{\"prompt\":\"%d\",\"answer\":\"1\"}\n", i);
    fclose(f);
    must(curriculum_init(&c, &o, &e));
    must(problem_source_file(&s, path, &e));
    must(curriculum_add_source(&c, s, &e));
    uint64_t first[LINES];
    int moved = 0;
    for (int round = 0; round < 3; round++) {
        bool seen[LINES] = {false};
        for (uint64_t i = 0; i < LINES; i++) {
            int stage;
            uint64_t index;
            curriculum_choose(&c, (uint64_t)round * LINES + i, &stage, &index);
            assert_true(index < LINES && !seen[index]);
            seen[index] = true;
            if (round == 0) first[i] = index;
            moved += round > 0 && first[i] != index;
        }
    }
    assert_true(moved > LINES);
    curriculum_release(&c);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advantages), cmocka_unit_test(test_losses),
        cmocka_unit_test(test_fresh),      cmocka_unit_test(test_reward),
        cmocka_unit_test(test_language),   cmocka_unit_test(test_curriculum),
        cmocka_unit_test(test_file_order)};
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
