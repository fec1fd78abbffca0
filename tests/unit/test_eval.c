/* Intervals, comparisons and tables of evaluations; the layouts of outside problem files. */
#include "../test.h"

#include "base/rng.h"
#include "eval/score.h"
#include "task/problem.h"
#include "task/task.h"

static void near(double a, double b, double tol)
{
    if (fabs(a - b) > tol) fail_msg("%.9g is not %.9g", a, b);
}

/* ---- intervals ----------------------------------------------------------------------------- */

static void test_wilson(void **state)
{
    (void)state;
    double x[50] = {0};
    /* One sample each: Wilson's own numbers for 10 of 50 (0.1124 .. 0.3304), 0 and 50 of 50. */
    for (int i = 0; i < 10; i++) x[i] = 1;
    struct interval r = stat_share(x, 50, 1);
    near(r.mean, 0.2, 1e-12);
    near(r.lo, 0.1124, 5e-5);
    near(r.hi, 0.3304, 5e-5);
    for (int i = 0; i < 50; i++) x[i] = 0;
    r = stat_share(x, 50, 1);
    near(r.lo, 0, 1e-12);
    near(r.hi, 0.0713, 5e-5);
    for (int i = 0; i < 50; i++) x[i] = 1;
    r = stat_share(x, 50, 1);
    near(r.lo, 0.9287, 5e-5);
    near(r.hi, 1, 0);
}

/* Problems that are solved always or never give no more than one trial each, however many samples
 * were taken; coins give all of them. */
static void test_clusters(void **state)
{
    (void)state;
    double fixed[40], coin[40];
    struct rng r = rng_init(1, 2);
    for (int i = 0; i < 40; i++) fixed[i] = i % 2;
    for (int i = 0; i < 40; i++) {
        coin[i] = 0;
        for (int k = 0; k < 100; k++) coin[i] += (double)rng_below(&r, 2) / 100;
    }
    struct interval a = stat_share(fixed, 40, 100), one = stat_share(fixed, 40, 1);
    struct interval b = stat_share(coin, 40, 100);
    near(a.hi - a.lo, one.hi - one.lo, 1e-12);
    assert_true(b.hi - b.lo < 0.25 * (a.hi - a.lo));
    assert_true(b.lo < 0.5 && b.hi > 0.5);
}

/* 95 % intervals hold the truth about 95 % of the time: problems of different difficulty, 4 samples
 * each. */
static void test_coverage(void **state)
{
    (void)state;
    enum { RUNS = 2000, PROBLEMS = 60, K = 4 };
    struct rng r = rng_init(8, 3);
    int inside = 0;
    for (int run = 0; run < RUNS; run++) {
        double x[PROBLEMS];
        for (int i = 0; i < PROBLEMS; i++) {
            double p = rng_f64(&r); /* mean 1/2 */
            x[i] = 0;
            for (int k = 0; k < K; k++) x[i] += (rng_f64(&r) < p) / (double)K;
        }
        struct interval v = stat_share(x, PROBLEMS, K);
        inside += v.lo <= 0.5 && v.hi >= 0.5;
    }
    near((double)inside / RUNS, 0.95, 0.02);
}

static void test_pairs(void **state)
{
    (void)state;
    double a[12], b[12];
    for (int i = 0; i < 12; i++) a[i] = b[i] = 0.5;
    struct paired p = stat_paired(a, b, 12);
    near(p.p, 1, 0);
    near(p.diff.mean, 0, 0);
    for (int i = 0; i < 9; i++) a[i] = 1;
    b[11] = 1;
    p = stat_paired(a, b, 12);
    assert_int_equal(p.better, 9);
    assert_int_equal(p.worse, 1);
    near(p.p, 2 * (1 + 10) / 1024.0, 1e-9); /* two-sided binomial: 1 or fewer of 10 */
    near(p.diff.mean, (9 * 0.5 - 0.5) / 12, 1e-12);
}

/* ---- tables -------------------------------------------------------------------------------- */

static const char lines[] =
    "{\"id\":\"x:0\",\"task\":\"x\",\"level\":1,\"chance\":0.1,\"sample\":0,\"samples\":4,"
    "\"score\":1,\"class\":0,\"tokens\":10,\"think_tokens\":8,\"answered\":true}\n"
    "{\"id\":\"x:0\",\"task\":\"x\",\"level\":1,\"sample\":1,\"samples\":4,\"score\":0,"
    "\"class\":1,\"tokens\":20,\"think_tokens\":8,\"answered\":true}\n"
    "{\"id\":\"x:0\",\"task\":\"x\",\"level\":1,\"sample\":2,\"samples\":4,\"score\":0,"
    "\"class\":1,\"tokens\":20,\"think_tokens\":8,\"answered\":true}\n"
    "{\"id\":\"x:0\",\"task\":\"x\",\"level\":1,\"sample\":3,\"samples\":4,\"score\":0,"
    "\"class\":-1,\"tokens\":30,\"think_tokens\":8,\"truncated\":true,\"answered\":false}\n"
    "{\"id\":\"y:0\",\"task\":\"y\",\"level\":2,\"sample\":1,\"samples\":4,\"score\":1,"
    "\"class\":0,\"tokens\":5,\"think_tokens\":1,\"answered\":true}\n"
    "{\"id\":\"y:0\",\"task\":\"y\",\"level\":2,\"sample\":0,\"samples\":4,\"score\":1,"
    "\"class\":0,\"tokens\":5,\"think_tokens\":1,\"answered\":true}\n"
    "{\"id\":\"y:0\",\"task\":\"y\",\"level\":2,\"sample\":2,\"samples\":4,\"score\":1,"
    "\"class\":0,\"tokens\":5,\"think_tokens\":1,\"answered\":true}\n"
    "{\"id\":\"y:0\",\"task\":\"y\",\"level\":2,\"sample\":3,\"samples\":4,\"score\":0,"
    "\"class\":1,\"tokens\":5,\"think_tokens\":1,\"answered\":true,\"errored\":true}\n";

static void temp_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/tarn-eval-XXXXXX");
    FILE *f = fdopen(mkstemp(path), "w");
    fputs(text, f);
    fclose(f);
}

static void test_table(void **state)
{
    (void)state;
    struct err e;
    struct scores s;
    struct summary all, x;
    struct interval macro;
    struct paired p;
    char path[64];
    temp_file(path, lines);
    scores_init(&s, 0);
    must(scores_read(&s, path, &e));
    assert_int_equal(s.n_problem, 2);
    assert_int_equal(s.n_row, 2);
    must(scores_sum(&s, SIZE_MAX, &all, &e));
    must(scores_sum(&s, 0, &x, &e));
    must(scores_macro(&s, &macro, &e));
    near(all.pass1.mean, 0.5, 1e-12);
    near(macro.mean, 0.5, 1e-12);
    assert_int_equal(all.n_pass, 3);
    near(all.pass[1], (0.5 + 1) / 2, 1e-12); /* 1 of 4: pass@2 = 1/2; 3 of 4: 1 */
    near(all.pass[2], 1, 1e-12);
    near(x.cons.mean, 0, 0); /* the wrong class is larger */
    near(all.cons.mean, 0.5, 0);
    near(all.truncated, 1 / 8.0, 1e-12);
    near(all.unanswered, 1 / 8.0, 1e-12);
    near(all.errored, 1 / 8.0, 1e-12);
    near(all.tokens, 100 / 8.0, 1e-12);
    near(all.tokens_per_solved, 100 / 4.0, 1e-12);
    near(x.tokens_right, 10, 0);
    near(x.tokens_wrong, 70 / 3.0, 1e-12);
    must(scores_compare(&s, &s, &p, &e));
    assert_int_equal(p.diff.n, 2);
    scores_release(&s);
    remove(path);
}

/* ---- problem files ------------------------------------------------------------------------- */

static void open_text(struct problem_source **s, const char *text)
{
    struct err e;
    char path[64];
    temp_file(path, text);
    must(problem_source_file(s, path, &e));
    remove(path);
}

static double score_of(struct problem_source *s, uint64_t i, const char *response,
                       const char *gold)
{
    struct err e;
    struct problem p;
    struct problem_verdict v;
    problem_init(&p);
    problem_verdict_init(&v);
    must(problem_make(s, i, &p, &e));
    assert_string_equal(buf_str(&p.gold), gold);
    problem_check(&p, span_of(response), false, MATH_EVAL, &v);
    assert_false(v.errored);
    double score = v.score;
    problem_verdict_release(&v);
    problem_release(&p);
    return score;
}

static void test_layouts(void **state)
{
    (void)state;
    struct problem_source *s;
    struct task_item item;
    struct err e;
    char text[1024], id[128];
    task_item_init(&item);
    must(task_make(task_find(span_of("addition")),
                   &(struct task_ask){.split = TASK_EVAL, .level = 1}, &item, &e));
    task_id(&item, id);
    snprintf(text, sizeof text, "%s{\"id\":\"%s\"}\n",
             "{\"question\":\"q\",\"answer\":\"work <<1+1=2>>\\n#### 1,200\"}\n"
             "{\"problem\":\"q\",\"solution\":\"so $\\\\boxed{\\\\frac{1}{2}}$.\","
             "\"level\":\"Level 5\",\"type\":\"Algebra\"}\n"
             "\n"
             "{\"Problem\":\"q\",\"Answer\":204}\n"
             "{\"prompt\":\"q\",\"answer\":\"B\",\"grade\":\"choice\"}\n",
             id);
    open_text(&s, text);
    assert_int_equal(problem_source_count(s), 5);
    assert_true(score_of(s, 0, "<think>x</think>It is \\boxed{1200}", "1,200") == 1);
    assert_true(score_of(s, 0, "<think>\\boxed{1200}</think>It is 1201", "1,200") == 0);
    assert_true(score_of(s, 1, "the answer is \\boxed{0.5}", "\\frac{1}{2}") == 1);
    assert_true(score_of(s, 2, "\\boxed{204}", "204") == 1);
    assert_true(score_of(s, 3, "(b)", "B") == 1);
    assert_true(score_of(s, 3, "(c)", "B") == 0);
    assert_true(score_of(s, 4, buf_str(&item.answer), buf_str(&item.answer)) == 1);
    assert_true(score_of(s, 4, "<think>5+3=8</think>-1", buf_str(&item.answer)) == 0);
    task_item_release(&item);
    problem_source_close(s);
}

static void test_programs(void **state)
{
    (void)state;
    struct problem_source *s;
    if (!file_exists("/usr/bin/python3")) skip();
    open_text(&s, "{\"text\":\"add\",\"test_list\":[\"assert add(1,2)==3\"],"
                  "\"test_setup_code\":\"\"}\n"
                  "{\"task_id\":\"H/0\",\"prompt\":\"def inc(x):\\n    \\\"\\\"\\\"one more"
                  "\\\"\\\"\\\"\\n\",\"entry_point\":\"inc\",\"test\":\"def check(f):\\n    "
                  "assert f(1) == 2\\n\"}\n");
    assert_true(score_of(s, 0, "```python\ndef add(a,b): return a+b\n```", "") == 1);
    assert_true(score_of(s, 0, "```python\ndef add(a,b): return a-b\n```", "") == 0);
    assert_true(score_of(s, 1, "```python\ndef inc(x):\n    return x+1\n```", "") == 1);
    assert_true(score_of(s, 1, "    return x + 1\n", "") == 1);
    assert_true(score_of(s, 1, "    return x\n", "") == 0);
    problem_source_close(s);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {{"", "no items"},
               {"{\"prompt\":\"q\"}\n", "line 1 has neither"},
               {"{\"prompt\":\"q\",\"answer\":\"1\"}\n{\"a\":1}\n", "line 2 has none"},
               {"{\"prompt\":\"q\",\"answer\":\"1\",\"grade\":\"x\"}\n", "\"grade\" is x"},
               {"{\"text\":\"q\",\"test_list\":[]}\n", "0 entries"},
               {"nonsense\n", "line 1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e;
        struct problem_source *s;
        char path[64];
        temp_file(path, bad[i].text);
        must_fail(problem_source_file(&s, path, &e), ERR_FORMAT, bad[i].why);
        remove(path);
    }
}

static void test_gsm8k(void **state)
{
    (void)state;
    need_data(path, "gsm8k-train/train.jsonl");
    struct err e;
    struct problem_source *s;
    struct problem p;
    struct problem_verdict v;
    char text[64];
    must(problem_source_file(&s, path, &e));
    assert_int_equal(problem_source_count(s), 7473);
    problem_init(&p);
    problem_verdict_init(&v);
    for (uint64_t i = 0; i < 7473; i += 73) { /* a gold answer answers its own problem */
        must(problem_make(s, i, &p, &e));
        snprintf(text, sizeof text, "\\boxed{%s}", buf_str(&p.gold));
        problem_check(&p, span_of(text), false, MATH_REWARD, &v);
        assert_true(v.score == 1 && v.tagged);
    }
    problem_release(&p);
    problem_verdict_release(&v);
    problem_source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),   cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_coverage), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_table),    cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_programs), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_gsm8k)};
    return cmocka_run_group_tests_name("eval", tests, NULL, NULL);
}
