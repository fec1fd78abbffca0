/* Published token ids: the .inp/.out pairs that come with llama.cpp's vocabulary files, and the
 * vectors of the text spec for vocabularies that are here. Then speed on English books. */
#include "../test.h"

#include "base/clock.h"
#include "format/vocab_load.h"
#include "text/vocab.h"

static const char separator[] = "\n__ggml_vocab_test__\n";

static void check_file(const char *name)
{
    char rel[200];
    snprintf(rel, sizeof rel, "tokenizers/ggml-vocab-%s.gguf", name);
    need_data(path, rel);
    struct err e = {0};
    struct buf in, out, text;
    char file[1100];
    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_init(&text, 1 << 20);
    snprintf(file, sizeof file, "%s.inp", path);
    must(file_read(file, &in, &e));
    snprintf(file, sizeof file, "%s.out", path);
    must(file_read(file, &out, &e));
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    struct tok_list got = {0};
    size_t at = 0, n_case = 0;
    const char *line = buf_str(&out);
    while (at < in.len) {
        size_t end = span_find(buf_span(&in), at, span_of(separator));
        if (end == (size_t)-1) end = in.len;
        struct span s = {in.data + at, end - at};
        got.n = 0;
        must(vocab_encode(v, s, false, false, &got, &e));
        const char *eol = strchr(line, '\n');
        size_t n = 0;
        for (char *p; line < eol; line = p) {
            long want = strtol(line, &p, 10);
            if (p == line) break;
            if (n >= got.n || got.id[n] != (tok_id)want)
                fail_msg("%s, case %zu \"%.*s\": token %zu is %d, want %ld", name, n_case,
                         (int)s.n, s.p, n, n < got.n ? got.id[n] : -1, want);
            n++;
        }
        assert_int_equal(n, got.n);
        buf_clear(&text);
        vocab_decode(v, got.id, got.n, false, &text);
        assert_int_equal(text.len, s.n);
        assert_memory_equal(text.data, s.p, s.n);
        line = eol + 1;
        at = end + strlen(separator);
        n_case++;
    }
    print_message("%s: %zu cases\n", name, n_case);
    assert_true(n_case > 40);
    tok_list_release(&got);
    buf_release(&in);
    buf_release(&out);
    buf_release(&text);
    vocab_free(v);
}

static void test_gpt2(void **state)
{
    (void)state;
    check_file("gpt-2");
}

static void test_deepseek_coder(void **state)
{
    (void)state;
    check_file("deepseek-coder");
}

static void test_llama_spm(void **state)
{
    (void)state;
    check_file("llama-spm");
}

static void expect_ids(const struct vocab *v, const char *text, size_t n, const tok_id *want)
{
    struct err e = {0};
    struct tok_list got = {0};
    must(vocab_encode(v, span_of(text), false, false, &got, &e));
    assert_int_equal(got.n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(got.id[i], want[i]);
    tok_list_release(&got);
}

static void test_spec_vectors(void **state)
{
    (void)state;
    need_data(path, "tokenizers/ggml-vocab-deepseek-coder.gguf");
    struct err e = {0};
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    expect_ids(v, "Hello world", 2, (const tok_id[]){17535, 1835});
    expect_ids(v, "ied 4 \xc2\xbd months", 6,
               (const tok_id[]){1050, 207, 19, 207, 19192, 4217});
    expect_ids(v, "    Hello\n    Hello", 7,
               (const tok_id[]){315, 414, 9489, 185, 315, 414, 9489});
    vocab_free(v);
}

static void test_speed(const char *name)
{
    char rel[200];
    snprintf(rel, sizeof rel, "tokenizers/ggml-vocab-%s.gguf", name);
    need_data(path, rel);
    need_data(book, "text/text-war-and-peace/war-and-peace.txt");
    struct err e = {0};
    struct buf text, back;
    buf_init(&text, 1 << 24);
    buf_init(&back, 1 << 24);
    must(file_read(book, &text, &e));
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    struct tok_list got = {0};
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        got.n = 0;
        int64_t t0 = clock_cpu_ns();
        must(vocab_encode(v, buf_span(&text), false, false, &got, &e));
        int64_t t = clock_cpu_ns() - t0;
        if (t < best) best = t;
    }
    vocab_decode(v, got.id, got.n, false, &back);
    assert_int_equal(back.len, text.len);
    assert_memory_equal(back.data, text.data, text.len);
    double speed = (double)text.len / (double)best * 1e3;
    print_message("%s: %.1f MB/s, %.3f tokens per byte\n", name, speed,
                  (double)got.n / (double)text.len);
    tok_list_release(&got);
    buf_release(&text);
    buf_release(&back);
    vocab_free(v);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(TARN_DEBUG)
    assert_true(speed > 10.0); /* half of the promise: other work may share the core */
#endif
}

static void test_speed_gpt2(void **state)
{
    (void)state;
    test_speed("gpt-2");
}

static void test_speed_deepseek_coder(void **state)
{
    (void)state;
    test_speed("deepseek-coder");
}

static void test_speed_llama_spm(void **state)
{
    (void)state;
    test_speed("llama-spm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_deepseek_coder),
        cmocka_unit_test(test_llama_spm),
        cmocka_unit_test(test_spec_vectors),
        cmocka_unit_test(test_speed_gpt2),
        cmocka_unit_test(test_speed_deepseek_coder),
        cmocka_unit_test(test_speed_llama_spm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
