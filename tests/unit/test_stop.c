/* Stop strings against a search of the whole text, however it is cut; limits; linear time. */
#include "../test.h"

#include "base/clock.h"
#include "base/rng.h"
#include "text/stop.h"

/* The end of the first match to end, the longest of those; *from its start. */
static int search(const char *p, size_t n, const struct span *s, size_t ns, size_t *from)
{
    for (size_t end = 1; end <= n; end++) {
        int met = -1;
        for (size_t k = 0; k < ns; k++)
            if (s[k].n <= end && memcmp(p + end - s[k].n, s[k].p, s[k].n) == 0 &&
                (met < 0 || s[k].n > s[met].n))
                met = (int)k;
        if (met >= 0) {
            *from = end - s[met].n;
            return met;
        }
    }
    return -1;
}

static void test_against_search(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf out;
    buf_init(&out, 1000);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng g = rng_init(seed, 0);
        char text[80], str[4][12];
        struct span s[4];
        size_t n = (size_t)rng_below(&g, sizeof text), ns = (size_t)rng_below(&g, 5), from = n;
        for (size_t i = 0; i < n; i++) text[i] = (char)('a' + rng_below(&g, 3) % 2);
        for (size_t k = 0; k < ns; k++) {
            s[k] = (struct span){str[k], 1 + (size_t)rng_below(&g, 11)};
            for (size_t i = 0; i < s[k].n; i++) str[k][i] = (char)('a' + rng_below(&g, 3) % 2);
        }
        int want = search(text, n, s, ns, &from);
        struct stop st;
        must(stop_init(&st, s, ns, &e));
        buf_clear(&out);
        int met = -1;
        for (size_t i = 0; i < n && met < 0;) {
            size_t len = 1 + (size_t)rng_below(&g, 5);
            if (len > n - i) len = n - i;
            met = stop_feed(&st, (struct span){text + i, len}, &out);
            i += len;
            /* Nothing is held that cannot become a stop string. */
            if (met < 0 && out.len < i) {
                bool could = false;
                for (size_t k = 0; k < ns; k++)
                    could |= s[k].n > i - out.len &&
                             memcmp(s[k].p, text + out.len, i - out.len) == 0;
                assert_true(could);
            }
        }
        if (met < 0) stop_flush(&st, &out);
        assert_int_equal(met < 0, want < 0);
        if (met >= 0) assert_true(span_eq(s[met], s[want]));
        assert_int_equal(out.len, from);
        assert_memory_equal(buf_str(&out), text, from);
        stop_release(&st);
    }
    buf_release(&out);
}

static void test_limits(void **state)
{
    (void)state;
    struct err e = {0};
    struct stop s;
    struct span many[17], empty = {"", 0};
    for (size_t i = 0; i < countof(many); i++) many[i] = span_of("x");
    must_fail(stop_init(&s, many, 17, &e), ERR_USAGE, "17 stop strings");
    must_fail(stop_init(&s, &empty, 1, &e), ERR_USAGE, "stop string 1 has 0 bytes");
    char big[1025];
    memset(big, 'x', sizeof big);
    must_fail(stop_init(&s, &(struct span){big, 1025}, 1, &e), ERR_USAGE, "1 to 1024");
    must(stop_init(&s, NULL, 0, &e));
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(stop_feed(&s, span_of("abc"), &out), -1);
    assert_string_equal(buf_str(&out), "abc");
    buf_release(&out);
    stop_release(&s);
}

static void test_linear(void **state)
{
    (void)state;
    struct err e = {0};
    char pat[1000];
    memset(pat, 'a', sizeof pat);
    pat[999] = 'b';
    struct span s[16];
    for (size_t i = 0; i < countof(s); i++) s[i] = (struct span){pat + i, sizeof pat - i};
    struct stop st;
    struct buf out;
    char chunk[1000];
    memset(chunk, 'a', sizeof chunk);
    buf_init(&out, 1 << 21);
    must(stop_init(&st, s, countof(s), &e));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(stop_feed(&st, (struct span){chunk, sizeof chunk}, &out), -1);
    buf_release(&out);
    stop_release(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_search),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
