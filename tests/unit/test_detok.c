/* Streaming decoding: only whole UTF-8 at any moment, the whole text at the end. */
#include "../test.h"

#include "../naive_bpe.h"
#include "base/rng.h"
#include "format/vocab_load.h"
#include "text/detok.h"

static struct vocab *byte_vocab(void)
{
    static const char *const special[] = {"<bos>", "</think>"};
    struct naive_model *m = naive_train(span_of(""), PRETOK_NONE, special, 2, 0, 2, 16);
    struct vocab *v = naive_vocab(m, PRETOK_NONE);
    naive_free(m);
    return v;
}

/* Python's errors="replace" by definition: the longest valid beginning of a character, or else one
 * byte, becomes one U+FFFD. */
static void repair(const char *p, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_seq_len(p + i, n - i);
        if (len) {
            buf_add(out, p + i, len);
            i += len;
            continue;
        }
        buf_add_str(out, "\xef\xbf\xbd");
        size_t k = 1;
        for (size_t m = 2; m <= 3 && i + m <= n; m++)
            if (utf8_incomplete_tail(p + i, m) == m) k = m;
        i += k;
    }
}

static void test_random_bytes(void **state)
{
    (void)state;
    struct vocab *v = byte_vocab();
    struct buf got, want;
    buf_init(&got, 1 << 16);
    buf_init(&want, 1 << 16);
    static const char *const part[] = {
        "a",    "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", "\xf0\x9f",
        "\xe4", "\xff",     "\xed\xa0\x80", "\xc0\x80",         "\xbf"};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct rng g = rng_init(seed, 0);
        char text[200];
        size_t n = 0;
        for (int i = 0; i < 30; i++) {
            const char *s = part[rng_below(&g, countof(part))];
            memcpy(text + n, s, strlen(s));
            n += strlen(s);
        }
        struct detok d;
        buf_clear(&got);
        buf_clear(&want);
        detok_init(&d, v, true, true);
        for (size_t i = 0; i < n; i++) {
            detok_feed(&d, 2 + (unsigned char)text[i], &got);
            assert_int_equal(utf8_valid_prefix(buf_str(&got), got.len), got.len);
        }
        detok_flush(&d, &got);
        repair(text, n, &want);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(buf_str(&got), buf_str(&want), want.len);
    }
    buf_release(&got);
    buf_release(&want);
    vocab_free(v);
}

static void feed_str(struct detok *d, const char *bytes, struct buf *out)
{
    for (; *bytes; bytes++) detok_feed(d, 2 + (unsigned char)*bytes, out);
}

static void test_hold_and_flush(void **state)
{
    (void)state;
    struct vocab *v = byte_vocab();
    struct detok d;
    struct buf b;
    buf_init(&b, 1000);
    detok_init(&d, v, false, true);
    feed_str(&d, "a\xf0\x9f\x98", &b);
    assert_string_equal(buf_str(&b), "a");
    detok_feed(&d, 0, &b); /* a hidden token does not break the character */
    feed_str(&d, "\x80", &b);
    assert_string_equal(buf_str(&b), "a\xf0\x9f\x98\x80");
    feed_str(&d, "\xe4\xbd", &b);
    detok_flush(&d, &b);
    detok_flush(&d, &b);
    assert_string_equal(buf_str(&b), "a\xf0\x9f\x98\x80\xef\xbf\xbd");
    buf_clear(&b);
    detok_init(&d, v, true, true);
    detok_feed(&d, 0, &b);
    detok_feed(&d, -7, &b);
    assert_string_equal(buf_str(&b), "<bos>");
    buf_release(&b);
    vocab_free(v);
}

static void test_spm_space(void **state)
{
    (void)state;
    need_data(path, "tokenizers/ggml-vocab-llama-spm.gguf");
    struct err e = {0};
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    struct detok d;
    struct buf b;
    buf_init(&b, 1000);
    detok_init(&d, v, false, true);
    detok_feed(&d, 1, &b);
    detok_feed(&d, 15043, &b);
    detok_feed(&d, 3186, &b);
    assert_string_equal(buf_str(&b), "Hello world");
    buf_clear(&b);
    detok_init(&d, v, false, false);
    detok_feed(&d, 15043, &b);
    assert_string_equal(buf_str(&b), " Hello");
    buf_release(&b);
    vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_hold_and_flush),
        cmocka_unit_test(test_spm_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
