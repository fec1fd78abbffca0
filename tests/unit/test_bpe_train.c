/* The trainer against the naive one, its independence of threads, its limits and its speed. */
#include "../test.h"

#include "../naive_bpe.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "text/bpe_train.h"
#include "text/chat.h"

static struct vocab *train(const struct bpe_train_opts *o, const struct span *text, size_t n)
{
    struct err e = {0};
    struct bpe_trainer *t;
    struct vocab *v;
    must(bpe_trainer_create(&t, o, &e));
    for (size_t i = 0; i < n; i++) must(bpe_trainer_add(t, text[i], &e));
    must(bpe_trainer_finish(t, &v, &e));
    bpe_trainer_free(t);
    return v;
}

static void same_vocab(const struct vocab *a, const struct vocab *b)
{
    assert_int_equal(vocab_size(a), vocab_size(b));
    assert_int_equal(vocab_n_merge(a), vocab_n_merge(b));
    for (tok_id i = 0; i < (tok_id)vocab_size(a); i++)
        assert_true(span_eq(vocab_text(a, i), vocab_text(b, i)));
    for (size_t i = 0; i < vocab_n_merge(a); i++) {
        struct span al, ar, bl, br;
        vocab_merge(a, i, &al, &ar);
        vocab_merge(b, i, &bl, &br);
        assert_true(span_eq(al, bl) && span_eq(ar, br));
    }
}

static size_t random_words(struct rng *g, char *out, size_t n)
{
    static const char *const part[] = {"a",  "ab", "aba",          "b",    "bab",
                                       " ",  " ",  "\n",           "abab", "c",
                                       "12", ".",  "\xe4\xbd\xa0", "\xff", "aa"};
    size_t len = 0;
    size_t kinds = 2 + (size_t)rng_below(g, countof(part) - 1);
    while (len + 8 < n) {
        const char *p = part[rng_below(g, kinds)];
        memcpy(out + len, p, strlen(p));
        len += strlen(p);
    }
    return len;
}

static void test_against_naive(void **state)
{
    (void)state;
    static const char *const special[] = {"<x>", "<think>"};
    const struct span sp[] = {span_of("<x>"), span_of("<think>")};
    for (uint64_t seed = 0; seed < 120; seed++) {
        char text[3000];
        struct rng g = rng_init(seed, 0);
        size_t n = random_words(&g, text, 20 + rng_below(&g, sizeof text - 20));
        enum pretok rule = seed % 3 == 0   ? PRETOK_NONE
                           : seed % 3 == 1 ? PRETOK_TARN
                                           : PRETOK_GPT2;
        int64_t min_count = 1 + (int64_t)rng_below(&g, 4);
        size_t max_len = 4 + (size_t)rng_below(&g, 20);
        int steps = 1 + (int)rng_below(&g, 60);
        struct naive_model *m =
            naive_train((struct span){text, n}, rule, special, 2, steps, min_count, max_len);
        struct bpe_train_opts o = {.n_vocab = (size_t)m->n,
                                   .rule = rule,
                                   .special = sp,
                                   .n_special = 2,
                                   .min_count = min_count,
                                   .max_token_bytes = max_len};
        struct span whole = {text, n};
        struct vocab *v = train(&o, &whole, 1);
        /* The naive one may have spent its last steps on joins that are no new tokens. */
        assert_int_equal(vocab_size(v), m->n);
        assert_true(vocab_n_merge(v) <= (size_t)m->n_merge);
        for (tok_id i = 0; i < m->n; i++) {
            assert_int_equal(vocab_bytes(v, i).n, m->len[i]);
            assert_memory_equal(vocab_bytes(v, i).p, m->bytes[i], m->len[i]);
        }
        for (size_t i = 0; i < vocab_n_merge(v); i++) {
            char a[512], b[512];
            struct span l, r, nl = {a, naive_text(m, m->merge[i].left, a)},
                              nr = {b, naive_text(m, m->merge[i].right, b)};
            vocab_merge(v, i, &l, &r);
            assert_true(span_eq(l, nl) && span_eq(r, nr));
        }
        vocab_free(v);
        naive_free(m);
    }
}

static void test_stops_when_nothing_is_left(void **state)
{
    (void)state;
    struct bpe_train_opts o = {.n_vocab = 1000, .rule = PRETOK_TARN};
    struct span text = span_of("abab abab 11 11");
    struct vocab *v = train(&o, &text, 1);
    assert_true(vocab_size(v) < 270);
    assert_int_equal(vocab_find(v, span_of("11")), TOK_NONE); /* digits stay single */
    assert_true(vocab_find(v, span_of("abab")) != TOK_NONE);
    vocab_free(v);
    v = train(&o, NULL, 0);
    assert_int_equal(vocab_size(v), 256);
    vocab_free(v);
}

static void test_threads_and_order(void **state)
{
    (void)state;
    need_data(path, "text/text-war-and-peace/war-and-peace.txt");
    struct err e = {0};
    struct buf b;
    buf_init(&b, 1 << 24);
    must(file_read(path, &b, &e));
    const char *const *marks;
    size_t n_mark = chat_tarn_marks(&marks);
    struct span special[32], half[2];
    for (size_t i = 0; i < n_mark; i++) special[i] = span_of(marks[i]);
    struct bpe_train_opts o = {
        .n_vocab = 3000, .rule = PRETOK_TARN, .special = special, .n_special = n_mark};
    struct span whole = buf_span(&b);
    struct vocab *one = train(&o, &whole, 1);
    must(pool_create(&o.pool, 3, &e));
    struct vocab *three = train(&o, &whole, 1);
    same_vocab(one, three);
    vocab_free(three);
    size_t cut = (size_t)(strstr(whole.p + whole.n / 3, ".\n") + 2 - whole.p);
    while (whole.p[cut] == '\n') cut++; /* a place where a piece ends */
    half[1] = (struct span){whole.p, cut};
    half[0] = (struct span){whole.p + cut, whole.n - cut};
    struct vocab *swapped = train(&o, half, 2);
    same_vocab(one, swapped);
    assert_int_equal(vocab_special(one)->bos, 0);
    assert_int_equal(vocab_special(one)->eos, 1);
    assert_true(vocab_special(one)->think_open > 0);
    struct tok_list ids = {0};
    must(vocab_encode(one, whole, false, false, &ids, &e));
    print_message("3000 tokens: %.3f per byte\n", (double)ids.n / (double)whole.n);
    assert_true((double)ids.n < 0.36 * (double)whole.n);
    tok_list_release(&ids);
    vocab_free(swapped);
    vocab_free(one);
    pool_free(o.pool);
    buf_release(&b);
}

static bool stop_at_300(void *ctx, const struct bpe_train_progress *p)
{
    ++*(int *)ctx;
    return p->tokens < 300;
}

static void test_errors(void **state)
{
    (void)state;
    struct err e = {0};
    struct bpe_trainer *t;
    int calls = 0;
    struct bpe_train_opts o = {.n_vocab = 255};
    must_fail(bpe_trainer_create(&t, &o, &e), ERR_USAGE, "255 tokens, allowed is 256");
    char text[20000];
    struct rng g = rng_init(3, 0);
    for (size_t i = 0; i < sizeof text; i++) text[i] = "abcdefgh "[rng_below(&g, 9)];
    o = (struct bpe_train_opts){
        .n_vocab = 2000, .rule = PRETOK_GPT2, .progress = stop_at_300, .ctx = &calls};
    must(bpe_trainer_create(&t, &o, &e));
    must(bpe_trainer_add(t, (struct span){text, sizeof text}, &e));
    struct vocab *v;
    must_fail(bpe_trainer_finish(t, &v, &e), ERR_CANCELLED, "stopped");
    assert_null(v);
    assert_true(calls > 1);
    must_fail(bpe_trainer_finish(t, &v, &e), ERR_BUG, "already");
    bpe_trainer_free(t);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct err e = {0};
    struct span text = span_of("the cat and the hat and the bat that sat on the mat");
    struct span special = span_of("<x>");
    struct bpe_train_opts o = {
        .n_vocab = 280, .rule = PRETOK_GPT2, .special = &special, .n_special = 1};
    int64_t live = mem_live_blocks();
    for (int64_t n = 1;; n++) {
        struct bpe_trainer *t = NULL;
        struct vocab *v = NULL;
        mem_fail_at(n);
        int rc = bpe_trainer_create(&t, &o, &e);
        if (!rc) rc = bpe_trainer_add(t, text, &e);
        if (!rc) rc = bpe_trainer_finish(t, &v, &e);
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        vocab_free(v);
        bpe_trainer_free(t);
        assert_int_equal(mem_live_blocks(), live);
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc && e.code != ERR_MEMORY && e.code != ERR_LIMIT) fail_msg("%s", e.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_stops_when_nothing_is_left),
        cmocka_unit_test(test_threads_and_order),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
