/* Duplicates, near-duplicates and tests' words: MinHash against the Jaccard index itself. */
#include "../test.h"

#include "base/rng.h"
#include "train/clean.h"

static void judge(struct clean *c, const char *text, enum clean_verdict want)
{
    struct err e;
    enum clean_verdict v;
    must(clean_judge(c, span_of(text), &v, &e));
    if (v != want) fail_msg("\"%.60s\": %d, want %d", text, (int)v, (int)want);
}

static void test_exact(void **state)
{
    (void)state;
    struct err e;
    struct clean *c;
    must(clean_create(&c, &(struct clean_opts){.exact = true, .n_gram = 10}, &e));
    judge(c, "one two", CLEAN_KEEP);
    judge(c, " one\n\ttwo ", CLEAN_EXACT);
    judge(c, "onetwo", CLEAN_KEEP);
    judge(c, "One two", CLEAN_KEEP);
    clean_free(c);
    must_fail(clean_create(&c, &(struct clean_opts){.n_gram = 0}, &e), ERR_USAGE, "runs of 0");
}

static void test_forbidden(void **state)
{
    (void)state;
    struct err e;
    struct clean *c;
    must(clean_create(&c, &(struct clean_opts){.n_gram = 4}, &e));
    must(clean_forbid(c, span_of("What is the capital of France?"), &e));
    must(clean_forbid(c, span_of("too short"), &e));
    judge(c, "He asked: what IS the\ncapital!", CLEAN_CONTAMINATED);
    judge(c, "what is the big capital of France", CLEAN_KEEP);
    judge(c, "the capital of france", CLEAN_CONTAMINATED);
    judge(c, "too short", CLEAN_KEEP);
    clean_free(c);
}

enum { WORDS = 400 };

/* A text of WORDS numbered words, `changed` of them replaced by new ones. */
static char *text_of(int base, int changed, struct rng *r)
{
    static char text[WORDS * 12];
    bool other[WORDS] = {false};
    size_t n = 0;
    for (int i = 0; i < changed; i++) other[rng_below(r, WORDS)] = true;
    for (int i = 0; i < WORDS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%c%d ", other[i] ? 'z' : 'a',
                              other[i] ? (int)rng_below(r, 1000000) : base * WORDS + i);
    return text;
}

static void test_near(void **state)
{
    (void)state;
    struct err e;
    struct clean *c;
    struct rng r = rng_init(1, 2);
    must(clean_create(&c, &(struct clean_opts){.exact = true, .near = 0.7, .n_gram = 10}, &e));
    for (int i = 0; i < 200; i++) judge(c, text_of(i, 0, &r), CLEAN_KEEP);
    /* One changed word spoils 5 of 396 runs of five: Jaccard 0.975. Sixty: about 0.3. */
    int found = 0, wrong = 0;
    for (int i = 0; i < 200; i++) {
        enum clean_verdict v;
        must(clean_judge(c, span_of(text_of(i, 3, &r)), &v, &e));
        found += v == CLEAN_NEAR;
        must(clean_judge(c, span_of(text_of(i, 60, &r)), &v, &e));
        wrong += v == CLEAN_NEAR;
    }
    assert_int_equal(found, 200);
    assert_int_equal(wrong, 0);
    judge(c, "short", CLEAN_KEEP);
    judge(c, "short", CLEAN_EXACT);
    clean_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_near),
    };
    return cmocka_run_group_tests_name("cleaning a corpus", tests, NULL, NULL);
}
