/* Prices: exact arithmetic against a decimal reference, the choice of a row at its borders, the
 * file form. */
#include "test.h"

#include "base/rng.h"
#include "meter/price.h"

/* Decimal reference: products and sums on strings of digits, least significant first. */
enum { DIGITS = 48 };
struct dec {
    unsigned char d[DIGITS];
};

static void dec_add_mul(struct dec *s, uint64_t a, uint64_t b)
{
    unsigned char x[20] = {0}, y[20] = {0};
    for (int i = 0; i < 20; i++, a /= 10) x[i] = (unsigned char)(a % 10);
    for (int i = 0; i < 20; i++, b /= 10) y[i] = (unsigned char)(b % 10);
    for (int i = 0; i < 20; i++) {
        unsigned carry = 0;
        for (int j = 0; i + j < DIGITS; j++) {
            unsigned v = s->d[i + j] + (j < 20 ? x[i] * y[j] : 0u) + carry;
            s->d[i + j] = (unsigned char)(v % 10);
            carry = v / 10;
        }
    }
}

static bool dec_fits(const struct dec *s, int64_t *out)
{
    uint64_t v = 0;
    for (int i = DIGITS; i-- > 0;) {
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, s->d[i], &v))
            return false;
    }
    *out = (int64_t)v;
    return v <= INT64_MAX;
}

static void test_cost_is_exact(void **state)
{
    (void)state;
    struct rng r = rng_init(2026, 1);
    struct err e;
    int over = 0;
    for (int i = 0; i < 1000000; i++) {
        int shift = (int)rng_below(&r, 40);
        struct price_row p = {.hit = (int64_t)rng_below(&r, 100000000),
                              .miss = (int64_t)rng_below(&r, 100000000),
                              .out = (int64_t)rng_below(&r, 100000000)};
        struct usage_counts n = {.hit = (int64_t)(rng_u64(&r) >> (62 - shift)),
                                 .miss = (int64_t)(rng_u64(&r) >> (62 - shift)),
                                 .output = (int64_t)(rng_u64(&r) >> (62 - shift))};
        if (n.hit < 0 || n.miss < 0 || n.output < 0) continue;
        struct dec want = {{0}};
        int64_t sum = 0, got = 0;
        dec_add_mul(&want, (uint64_t)n.hit, (uint64_t)p.hit);
        dec_add_mul(&want, (uint64_t)n.miss, (uint64_t)p.miss);
        dec_add_mul(&want, (uint64_t)n.output, (uint64_t)p.out);
        bool fits = dec_fits(&want, &sum);
        int rc = price_cost(&p, &n, &got, &e);
        if (fits != (rc == 0) || (fits && got != sum))
            fail_msg("record %d: %lld is not %lld", i, (long long)got, (long long)sum);
        over += !fits;
    }
    assert_true(over > 100); /* the border was crossed */
}

static void test_every_published_price_is_exact(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    struct price_table t;
    buf_init(&b, 1 << 20);
    price_write_rows(price_published, price_n_published, &b);
    must(price_parse(&t, buf_span(&b), "published", &e));
    assert_int_equal(t.n, price_n_published);
    for (size_t i = 0; i < t.n; i++)
        assert_memory_equal(&t.row[i], &price_published[i], sizeof t.row[i]);
    price_release(&t);
    buf_release(&b);
}

static const struct price_row *at(const char *model, const char *when)
{
    struct err e;
    int64_t ms;
    struct price_row *rows = malloc(price_n_published * sizeof *rows);
    memcpy(rows, price_published, price_n_published * sizeof *rows);
    const struct price_table t = {.row = rows, .n = price_n_published};
    must(price_parse_time(span_of(when), &ms, &e));
    const struct price_row *p = price_find(&t, span_of(model), ms);
    const struct price_row *kept = p ? &price_published[p - rows] : NULL;
    free(rows);
    return kept;
}

static void test_tariff_borders(void **state)
{
    (void)state;
    static const struct {
        const char *model, *when;
        int64_t out;
    } cases[] = {
        {"deepseek-reasoner", "2025-01-20T00:00:00Z", 2190000},
        {"deepseek-reasoner", "2025-02-26T16:29:59Z", 2190000},
        {"deepseek-reasoner", "2025-02-26T16:30:00Z", 550000},
        {"deepseek-reasoner", "2025-02-27T00:29:59Z", 550000},
        {"deepseek-reasoner", "2025-02-27T00:30:00Z", 2190000},
        {"deepseek-reasoner", "2025-09-05T15:59:59Z", 2190000},
        {"deepseek-reasoner", "2025-09-05T16:00:00Z", 1680000},
        {"deepseek-reasoner", "2025-09-05T17:00:00Z", 1680000},
        {"deepseek-v4-flash", "2026-04-26T12:14:59Z", 280000},
        {"deepseek-v4-pro", "2026-08-17T01:00:00Z", 3960000},
        {"deepseek-v4-pro", "2026-08-17T04:00:00Z", 1980000},
        {"deepseek-v4-pro", "2026-08-17T09:59:59Z", 3960000},
        {"deepseek-flash", "2026-11-20T02:00:00Z", 1200000}, /* a Friday */
        {"deepseek-flash", "2026-11-21T02:00:00Z", 600000},  /* a Saturday */
    };
    for (size_t i = 0; i < countof(cases); i++) {
        const struct price_row *p = at(cases[i].model, cases[i].when);
        if (!p || p->out != cases[i].out)
            fail_msg("%s at %s: %lld", cases[i].model, cases[i].when,
                     p ? (long long)p->out : -1LL);
    }
    assert_null(at("deepseek-reasoner", "2024-12-31"));
    assert_null(at("nobody", "2026-01-01"));
}

static void test_numbers(void **state)
{
    (void)state;
    struct err e;
    int64_t v;
    char s[32];
    must(price_parse_per_million(span_of("0.003625"), &v, &e));
    assert_int_equal(v, 3625);
    must(price_parse_per_million(span_of("0.0028"), &v, &e));
    assert_int_equal(v, 2800);
    static const char *const bad[] = {
        "", ".", "-1", "1e3", "0.0000001", "1.2.3", "99999999999999999999", "1 "};
    for (size_t i = 0; i < countof(bad); i++)
        must_fail(price_parse_per_million(span_of(bad[i]), &v, &e), ERR_FORMAT, "price");
    price_format(5000000000, s);
    assert_string_equal(s, "0.01"); /* half up */
    price_format(4999999999, s);
    assert_string_equal(s, "0.00");
    price_format(-5000000000, s);
    assert_string_equal(s, "-0.01");
    price_format_exact(2800, s);
    assert_string_equal(s, "0.0000000028");
    price_format_exact(9000000000000000000, s);
    assert_string_equal(s, "9000000.00");
}

static void test_file_errors(void **state)
{
    (void)state;
    struct err e;
    struct price_table t;
    static const char *const bad[][2] = {
        {"{}", "array"},
        {"{\"prices\":[1]}", "prices[0]"},
        {"{\"prices\":[{\"model\":\"a\"}]}", "hit"},
        {"{\"prices\":[{\"model\":\"a\",\"hit\":\"1\",\"miss\":\"x\",\"output\":\"1\"}]}",
         "miss"},
        {"{\"prices\":[{\"model\":\"a\",\"hit\":\"1\",\"miss\":\"1\",\"output\":\"1\","
         "\"windows\":[\"25:00-1:00\"]}]}",
         "window"},
        {"{\"prices\":[{\"model\":\"a\",\"hit\":\"1\",\"miss\":\"1\",\"output\":\"1\",\"days\":"
         "\"8\"}]}",
         "days"},
        {"{\"prices\":[{\"model\":\"a\",\"hit\":\"1\",\"miss\":\"1\",\"output\":\"1\",\"from\":"
         "\"2026-13-01\"}]}",
         "from"},
    };
    for (size_t i = 0; i < countof(bad); i++)
        must_fail(price_parse(&t, span_of(bad[i][0]), "p.json", &e), ERR_FORMAT, bad[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost_is_exact),
        cmocka_unit_test(test_every_published_price_is_exact),
        cmocka_unit_test(test_tariff_borders),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_file_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
