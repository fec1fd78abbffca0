/* pass@k and its kin against closed forms, exhaustive enumeration and the shared vectors. */
#include "../test.h"

#include "base/json.h"
#include "eval/passk.h"
#include "task/check_math.h"

static void near(double got, double want, double error)
{
    if (!(fabs(got - want) <= error)) fail_msg("%.17g, want %.17g", got, want);
}

static int bits(unsigned x)
{
    int n = 0;
    for (; x; x &= x - 1) n++;
    return n;
}

/* Every k-subset of n samples of which the first c are right. */
static void test_enumeration(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 9; n++)
        for (unsigned c = 0; c <= n; c++)
            for (unsigned k = 1; k <= n; k++) {
                double some = 0, all = 0, half = 0, total = 0;
                for (unsigned m = 0; m < 1u << n; m++) {
                    if (bits(m) != (int)k) continue;
                    int right = bits(m & ((1u << c) - 1));
                    total++;
                    some += right >= 1;
                    all += right == (int)k;
                    half += 2 * right >= (int)k;
                }
                near(pass_at_k(n, c, k), some / total, 1e-12);
                near(pass_hat_k(n, c, k), all / total, 1e-12);
                near(g_pass_at_k(n, c, k, 0.5), half / total, 1e-12);
                near(g_pass_at_k(n, c, k, 1.0), all / total, 1e-12);
                near(g_pass_at_k(n, c, k, 0.0), some / total, 1e-12);
            }
    near(pass_at_k(2, 1, 1), 0.5, 1e-15);
    near(pass_at_k(3, 1, 2), 2.0 / 3, 1e-15);
    near(pass_at_k(200, 10, 100), 0.9992289739372822, 1e-14);
}

static void test_consensus(void **state)
{
    (void)state;
    const int a[] = {3, 1, 1, 2, 2}, none[] = {-1, -1, 4}, empty[] = {-1, -1};
    assert_int_equal(cons_at_k(a, 5), 1); /* a tie: seen first */
    assert_int_equal(cons_at_k(a, 1), 3);
    assert_int_equal(cons_at_k(none, 3), 4);
    assert_int_equal(cons_at_k(empty, 2), -1);
    near(cons_mean(a, 5, 5, 1), 1, 0);
    near(cons_mean(a, 5, 1, 2), 0.4, 1e-12);
}

static json_t *cases(const char *name)
{
    char path[1024];
    struct err e;
    snprintf(path, sizeof path, "%s/passk/%s", test_data(), name);
    json_t *j = json_parse_file(path, 1 << 20, &e);
    if (!j) fail_msg("%s", e.msg);
    return j;
}

static const char *gold_of(const json_t *row)
{
    const json_t *doc = json_object_get(row, "doc"), *i = json_object_get(doc, "gold_index");
    if (json_is_array(i)) i = json_array_get(i, 0);
    return json_string_value(
        json_array_get(json_object_get(doc, "choices"), (size_t)json_integer_value(i)));
}

/* How many texts the grader of rewards finds right. */
static size_t right_of(const json_t *row, size_t *n)
{
    const json_t *text = json_object_get(json_object_get(row, "model_response"), "text");
    size_t c = 0;
    *n = json_array_size(text);
    for (size_t i = 0; i < *n; i++) {
        struct math_verdict v;
        math_grade(span_of(gold_of(row)), span_of(json_string_value(json_array_get(text, i))),
                   MATH_REWARD, &v);
        c += v.equal == MATH_EQUAL;
    }
    return c;
}

static bool fits(const json_t *row, size_t n, size_t c)
{
    const json_t *p = json_object_get(row, "metric_params");
    size_t k = (size_t)json_integer_value(json_object_get(p, "k"));
    double tolerance = json_number_value(json_object_get(row, "tolerance"));
    const char *key;
    json_t *want;
    json_object_foreach(json_object_get(row, "expected_output"), key, want)
    {
        double got = -1;
        const char *g = strstr(key, "g-pass@");
        if (strncmp(key, "pass@k", 6) == 0) got = pass_at_k(n, c, k);
        if (strncmp(key, "avg@k", 5) == 0) got = avg_at_n(k, c);
        if (g && key[0] == 'm' && strncmp(key, "math_", 5) != 0 &&
            strncmp(key, "latex", 5) != 0)
            got = mg_pass_at_k(n, c, k);
        else if (g)
            got = g_pass_at_k(n, c, k, strtod(strchr(g, '_') + 1, NULL));
        if (fabs(got - json_number_value(want)) > tolerance) return false;
    }
    return true;
}

static void test_shared(void **state)
{
    (void)state;
    need_data(path, "passk/pass_at_k.json");
    static const char *const file[] = {"pass_at_k.json", "pass_at_k_math.json",
                                       "avg_at_k_math.json", "g_pass_at_k_math.json",
                                       "g_pass_at_k_latex.json"};
    size_t rows = 0, other = 0;
    for (size_t f = 0; f < countof(file); f++) {
        json_t *j = cases(file[f]), *row;
        size_t i;
        json_array_foreach(json_object_get(j, "test_cases"), i, row)
        {
            size_t n, c = right_of(row, &n), d = 0;
            rows++;
            if (fits(row, n, c)) continue;
            while (d <= n && !fits(row, n, d)) d++;
            if (d > n)
                fail_msg("%s row %zu: no count of right samples gives these numbers", file[f],
                         i);
            printf("%s row %zu: %zu right by our grader, %zu by theirs\n", file[f], i, c, d);
            other++;
        }
        json_decref(j);
    }
    printf("%zu rows, %zu graded otherwise\n", rows, other);
    assert_true(other <= 5);
    json_t *j = cases("maj_at_k.json"), *row;
    size_t i;
    json_array_foreach(json_object_get(j, "test_cases"), i, row)
    {
        const json_t *text = json_object_get(json_object_get(row, "model_response"), "text");
        int cls[16];
        size_t n = json_array_size(text);
        for (size_t k = 0; k < n; k++) {
            size_t m = 0;
            while (strcmp(json_string_value(json_array_get(text, m)),
                          json_string_value(json_array_get(text, k))) != 0)
                m++;
            cls[k] = (int)m;
        }
        const char *won = json_string_value(json_array_get(text, (size_t)cons_at_k(cls, n)));
        bool want = json_number_value(json_object_get(json_object_get(row, "expected_output"),
                                                      "maj@k:k=3")) > 0;
        assert_int_equal(strcmp(won, gold_of(row)) == 0, want);
    }
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enumeration),
        cmocka_unit_test(test_consensus),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
