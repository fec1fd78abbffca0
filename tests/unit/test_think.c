/* Reasoning and answer: by id and by text, whole and cut at every place. */
#include "../test.h"

#include "../naive_bpe.h"
#include "base/rng.h"
#include "text/think.h"

static struct vocab *tag_vocab(void)
{
    static const char *const special[] = {"<think>", "</think>"};
    struct naive_model *m = naive_train(span_of(""), PRETOK_NONE, special, 2, 0, 2, 16);
    struct vocab *v = naive_vocab(m, PRETOK_NONE);
    naive_free(m);
    return v;
}

static const struct {
    bool inside;
    const char *text, *reasoning, *answer;
} cases[] = {
    {true, "hm\n</think>\n\nyes", "hm\n", "yes"},
    {true, "\nhm, let me see", "hm, let me see", ""},
    {true, "</think>\n\nyes</think>no", "", "yes</think>no"},
    {false, "<think>\nhm\n</think>\n\nyes", "hm\n", "yes"},
    {false, "\n <think>hm</think>yes", "hm", "yes"},
    {false, "plain <think>no</think>", "", "plain <think>no</think>"},
    {false, "<think>", "", ""},
    {false, "\n\n", "", ""},
    {false, "    code", "", "    code"},
    {false, "                              code", "", "                              code"},
    {true, "a < b <</think>c", "a < b <", "c"},
    {true, "a</thin</think>\nc\n", "a</thin", "c\n"},
    {true, "", "", ""},
};

/* Texts that only differ by text: nothing here is a whole tag for the id splitter. */
static const struct {
    bool inside;
    const char *text, *reasoning, *answer;
} cut_cases[] = {
    {false, "<thin", "", "<thin"},
    {false, "  <thinx>", "", "  <thinx>"},
    {true, "a</thi", "a</thi", ""},
};

static void check(const struct vocab *v, bool inside, const char *text, const char *reasoning,
                  const char *answer, uint64_t seed)
{
    struct think t;
    struct buf r, a;
    buf_init(&r, 1000);
    buf_init(&a, 1000);
    struct rng g = rng_init(seed, 0);
    think_init(&t, v, inside);
    for (size_t i = 0, n = strlen(text); i < n;) {
        tok_id id = 2;
        size_t len = 1 + (size_t)rng_below(&g, 6);
        if (len > n - i) len = n - i;
        if (v) { /* the tags are tokens of their own, all else is single bytes */
            struct span rest = {text + i, n - i};
            id = span_starts(rest, "<think>") ? 0 : span_starts(rest, "</think>") ? 1 : 2;
            len = id == 0 ? 7 : id == 1 ? 8 : 1;
        }
        think_feed(&t, id, (struct span){text + i, len}, &r, &a);
        i += len;
    }
    think_flush(&t, &r, &a);
    assert_string_equal(buf_str(&r), reasoning);
    assert_string_equal(buf_str(&a), answer);
    buf_release(&r);
    buf_release(&a);
}

static void test_cases(void **state)
{
    (void)state;
    struct vocab *v = tag_vocab();
    for (size_t i = 0; i < countof(cases); i++) {
        check(v, cases[i].inside, cases[i].text, cases[i].reasoning, cases[i].answer, 0);
        for (uint64_t seed = 0; seed < 200; seed++)
            check(NULL, cases[i].inside, cases[i].text, cases[i].reasoning, cases[i].answer,
                  seed);
    }
    for (size_t i = 0; i < countof(cut_cases); i++)
        for (uint64_t seed = 0; seed < 50; seed++)
            check(NULL, cut_cases[i].inside, cut_cases[i].text, cut_cases[i].reasoning,
                  cut_cases[i].answer, seed);
    vocab_free(v);
}

static void test_tokens_not_text(void **state)
{
    (void)state;
    struct vocab *v = tag_vocab();
    struct think t;
    struct buf r, a;
    buf_init(&r, 1000);
    buf_init(&a, 1000);
    think_init(&t, v, true);
    assert_false(think_feed(&t, 5, span_of("</think> spelled out"), &r, &a));
    assert_int_equal(t.state, THINK_REASONING);
    assert_true(think_feed(&t, 0, span_of("<think>"), &r, &a)); /* twice opened */
    assert_true(think_feed(&t, 1, span_of("</think>"), &r, &a));
    assert_false(think_feed(&t, 0, span_of("<think>"), &r, &a)); /* now plain text */
    assert_string_equal(buf_str(&r), "</think> spelled out");
    assert_string_equal(buf_str(&a), "<think>");
    think_init(&t, v, true);
    think_close(&t);
    think_feed(&t, 9, span_of("\n\nso"), &r, &a);
    assert_string_equal(buf_str(&a), "<think>so");
    buf_release(&r);
    buf_release(&a);
    vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_tokens_not_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
