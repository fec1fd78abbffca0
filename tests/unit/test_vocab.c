/* Building, its errors, encoding against a naive encoder, special tokens, hostile input. */
#include "../test.h"

#include "../naive_bpe.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "format/vocab_load.h"
#include "text/vocab.h"

static const char sample[] =
    "the cat and the dog and the bird sat on the mat; they sang: \"la la la\" in the rain.\n"
    "There was once a tarn, a small deep lake, and the lake was cold, so cold, the coldest of "
    "all.\n"
    "aaaa aaaaaaaa aaaaaaaaaaaaaaaa 1234567 11 22 33 "
    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\n";

static const char *const specials[] = {"<bos>",    "<eos>",  "<think>",
                                       "</think>", "<tool>", "<tool_end>"};

static struct naive_model *small_model(void)
{
    return naive_train(span_of(sample), PRETOK_DEEPSEEK_V3, specials, (int)countof(specials),
                       200, 2, 64);
}

static size_t random_bytes(struct rng *g, char *out, size_t n)
{
    int mode = (int)rng_below(g, 4);
    for (size_t i = 0; i < n; i++)
        out[i] = mode == 0   ? (char)rng_below(g, 256)
                 : mode == 1 ? sample[rng_below(g, sizeof sample - 1)]
                 : mode == 2 ? "aab \n"[rng_below(g, 5)]
                             : sample[(i + rng_below(g, 40) / 39 * 7) % (sizeof sample - 1)];
    return n;
}

static void test_against_naive(void **state)
{
    (void)state;
    struct err e = {0};
    struct naive_model *m = small_model();
    struct vocab *v = naive_vocab(m, PRETOK_DEEPSEEK_V3);
    struct tok_list got = {0};
    struct buf back;
    buf_init(&back, 1 << 20);
    for (uint64_t seed = 0; seed < 3000; seed++) {
        char text[600];
        int want[600];
        struct rng g = rng_init(seed, 1);
        size_t n = random_bytes(&g, text, rng_below(&g, seed % 8 ? 60 : 600));
        int n_want = naive_encode(m, PRETOK_DEEPSEEK_V3, (struct span){text, n}, want);
        got.n = 0;
        must(vocab_encode(v, (struct span){text, n}, false, false, &got, &e));
        assert_int_equal(got.n, n_want);
        for (size_t i = 0; i < got.n; i++) assert_int_equal(got.id[i], want[i]);
        buf_clear(&back);
        vocab_decode(v, got.id, got.n, true, &back);
        assert_int_equal(back.len, n);
        assert_memory_equal(buf_str(&back), text, n);
    }
    buf_release(&back);
    tok_list_release(&got);
    vocab_free(v);
    naive_free(m);
}

static void expect(const struct vocab *v, const char *text, bool special, const char *want)
{
    struct err e = {0};
    struct tok_list got = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    must(vocab_encode(v, span_of(text), special, false, &got, &e));
    for (size_t i = 0; i < got.n; i++) {
        buf_add_span(&b, vocab_bytes(v, got.id[i]));
        buf_add_char(&b, '|');
    }
    assert_string_equal(buf_str(&b), want);
    buf_release(&b);
    tok_list_release(&got);
}

static void test_special_tokens(void **state)
{
    (void)state;
    struct err e = {0};
    struct vocab *v;
    must(vocab_create(&v, VOCAB_BPE, PRETOK_GPT2, 256 + 6, &e));
    static const struct {
        const char *text;
        enum tok_kind kind;
    } extra[] = {{"<a>", TOK_CONTROL},   {"<a><b>", TOK_CONTROL},  {"<ab", TOK_USER_DEFINED},
                 {"<abc>", TOK_CONTROL}, {"  ", TOK_USER_DEFINED}, {"[PAD0]", TOK_UNUSED}};
    for (int b = 0; b < 256; b++) {
        char a[4];
        size_t n = naive_letter((unsigned char)b, a);
        must(vocab_set_token(v, b, (struct span){a, n}, 0, TOK_NORMAL, &e));
    }
    for (int i = 0; i < 6; i++)
        must(vocab_set_token(v, 256 + i, span_of(extra[i].text), 0, extra[i].kind, &e));
    struct vocab_special sp = *vocab_special(v);
    sp.bos = 256;
    sp.eos = 257;
    sp.add_bos = true;
    vocab_set_special(v, &sp);
    must(vocab_finish(v, "test", &e));
    expect(v, "x<a>y", true, "x|<a>|y|");
    expect(v, "x<a>y", false, "x|<|a|>|y|");
    expect(v, "<a><b><a><", true, "<a><b>|<a>|<|");
    expect(v, "<abc>", true, "<abc>|");
    expect(v, "<abc>", false, "<ab|c|>|");
    expect(v, "<abd", true, "<ab|d|");
    expect(v, "a  b", false, "a|  |b|");
    expect(v, "[PAD0]", true, "[|P|A|D|0|]|");
    assert_int_equal(vocab_find(v, span_of("[PAD0]")), 261);
    assert_int_equal(vocab_find(v, span_of("\xc4\xa0")), ' '); /* the alphabet's space */
    assert_int_equal(vocab_find(v, span_of("<abc>")), 259);
    assert_int_equal(vocab_find(v, span_of("<abc")), TOK_NONE);
    assert_true(vocab_is_stop(v, 257));
    assert_false(vocab_is_stop(v, 256));
    assert_false(vocab_is_stop(v, -5));
    struct tok_list got = {0};
    must(vocab_encode(v, span_of("<a>"), true, true, &got, &e));
    assert_int_equal(got.n, 2);
    struct buf b;
    buf_init(&b, 100);
    tok_id ids[] = {256, 'x', 258, 261, 999999};
    vocab_decode(v, ids, 5, false, &b);
    assert_string_equal(buf_str(&b), "x<ab");
    buf_clear(&b);
    vocab_decode(v, ids, 5, true, &b);
    assert_string_equal(buf_str(&b), "<a>x<ab[PAD0]");
    buf_release(&b);
    tok_list_release(&got);
    vocab_free(v);
}

static void test_roles_and_round_trip(void **state)
{
    (void)state;
    struct naive_model *m = small_model();
    struct vocab *v = naive_vocab(m, PRETOK_TARN);
    assert_int_equal(vocab_special(v)->think_open, 2);
    assert_int_equal(vocab_special(v)->think_close, 3);
    assert_int_equal(vocab_pretok(v), PRETOK_TARN);
    assert_int_equal(vocab_n_merge(v), (size_t)m->n_merge);
    /* The vocabulary written out and read again is the same one. */
    struct err e = {0};
    struct vocab *w;
    must(vocab_create(&w, vocab_kind(v), vocab_pretok(v), vocab_size(v), &e));
    for (tok_id i = 0; i < (tok_id)vocab_size(v); i++)
        must(vocab_set_token(w, i, vocab_text(v, i), vocab_score(v, i), vocab_tok_kind(v, i),
                             &e));
    for (size_t i = 0; i < vocab_n_merge(v); i++) {
        struct span l, r;
        vocab_merge(v, i, &l, &r);
        must(vocab_add_merge(w, l, r, &e));
    }
    vocab_set_special(w, vocab_special(v));
    must(vocab_finish(w, "again", &e));
    struct tok_list a = {0}, b = {0};
    must(vocab_encode(v, span_of(sample), true, false, &a, &e));
    must(vocab_encode(w, span_of(sample), true, false, &b, &e));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.id, b.id, a.n * sizeof *a.id);
    tok_list_release(&a);
    tok_list_release(&b);
    vocab_free(v);
    vocab_free(w);
    naive_free(m);
}

static void test_errors(void **state)
{
    (void)state;
    struct err e = {0};
    struct vocab *v;
    must_fail(vocab_create(&v, VOCAB_BPE, PRETOK_GPT2, 0, &e), ERR_LIMIT, "allowed is 1 to");
    must_fail(vocab_create(&v, VOCAB_BPE, PRETOK_GPT2, (1 << 21) + 1, &e), ERR_LIMIT,
              "2097153");
    must(vocab_create(&v, VOCAB_BPE, PRETOK_GPT2, 258, &e));
    must_fail(vocab_set_token(v, 258, span_of("a"), 0, TOK_NORMAL, &e), ERR_FORMAT, "outside");
    must_fail(vocab_set_token(v, -1, span_of("a"), 0, TOK_NORMAL, &e), ERR_FORMAT, "outside");
    must_fail(vocab_set_token(v, 0, span_of("a"), 0, (enum tok_kind)9, &e), ERR_FORMAT,
              "kind 9");
    must_fail(vocab_set_token(v, 0, span_of("a"), NAN, TOK_NORMAL, &e), ERR_FORMAT, "score");
    must_fail(vocab_set_token(v, 0, span_of("<0xZZ>"), 0, TOK_BYTE, &e), ERR_FORMAT, "<0x00>");
    must_fail(vocab_finish(v, "file", &e), ERR_FORMAT, "token 1 of 258 is not set");
    vocab_free(v);
    must(vocab_create(&v, VOCAB_BPE, PRETOK_GPT2, 256, &e));
    for (int b = 0; b < 256; b++) {
        char a[4];
        size_t n = naive_letter((unsigned char)b, a);
        must(vocab_set_token(v, b, b == 'q' ? span_of("qq") : (struct span){a, n}, 0,
                             TOK_NORMAL, &e));
    }
    must_fail(vocab_set_token(v, 5, span_of("a"), 0, TOK_NORMAL, &e), ERR_FORMAT, "set twice");
    must_fail(vocab_add_merge(v, span_of("a"), span_of("b"), &e), ERR_FORMAT,
              "merge 0: \"ab\"");
    must_fail(vocab_add_merge(v, span_of("aa"), span_of("b"), &e), ERR_FORMAT, "\"aa\"");
    must_fail(vocab_finish(v, "file", &e), ERR_FORMAT, "file: no token stands for byte 0x71");
    struct vocab_special sp = *vocab_special(v);
    sp.eos = 256;
    vocab_set_special(v, &sp);
    must_fail(vocab_finish(v, "file", &e), ERR_FORMAT, "file: the eos token is 256");
    vocab_free(v);
    must(vocab_create(&v, VOCAB_SPM, PRETOK_NONE, 1, &e));
    must(vocab_set_token(v, 0, span_of("a"), 0, TOK_NORMAL, &e));
    must_fail(vocab_add_merge(v, span_of("a"), span_of("b"), &e), ERR_FORMAT,
              "scores, not merges");
    must_fail(vocab_finish(v, "file", &e), ERR_FORMAT, "there is no unk");
    vocab_free(v);
    vocab_free(NULL);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct err e = {0};
    struct naive_model *m = small_model();
    struct vocab *v = naive_vocab(m, PRETOK_GPT2);
    char text[300];
    memset(text, 'a', sizeof text); /* long enough to need scratch memory */
    for (int64_t n = 1;; n++) {
        struct tok_list got = {0};
        int64_t live = mem_live_blocks();
        mem_fail_at(n);
        int rc = vocab_encode(v, (struct span){text, sizeof text}, true, false, &got, &e);
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        tok_list_release(&got);
        assert_int_equal(mem_live_blocks(), live);
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, -1);
        assert_int_equal(e.code, ERR_MEMORY);
    }
    vocab_free(v);
    naive_free(m);
}

/* ---- SentencePiece ----------------------------------------------------------------------- */

/* The toy model's 512 entries; the dump writes a space for U+2581. */
static struct vocab *toy_spm(const char *path)
{
    struct err e = {0};
    json_t *j = json_parse_file(path, 1 << 20, &e);
    assert_non_null(j);
    struct vocab *v;
    size_t n = json_array_size(j);
    must(vocab_create(&v, VOCAB_SPM, PRETOK_NONE, n, &e));
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(j, i);
        double score = json_number_value(json_object_get(o, "score"));
        struct span piece;
        must(json_get_str(o, "piece", &piece, "toy", &e));
        struct buf b;
        buf_init(&b, 1000);
        for (size_t k = 0; k < piece.n; k++)
            if (piece.p[k] == ' ')
                buf_add_str(&b, "\xe2\x96\x81");
            else
                buf_add_char(&b, piece.p[k]);
        enum tok_kind kind = i == 0    ? TOK_UNKNOWN
                             : i < 3   ? TOK_CONTROL
                             : i < 259 ? TOK_BYTE
                                       : TOK_NORMAL;
        must(vocab_set_token(v, (tok_id)i, buf_span(&b), (float)score, kind, &e));
        buf_release(&b);
    }
    struct vocab_special sp = *vocab_special(v);
    sp.unk = 0;
    sp.bos = 1;
    sp.eos = 2;
    sp.add_bos = sp.add_space_prefix = true;
    vocab_set_special(v, &sp);
    must(vocab_finish(v, "toy", &e));
    json_decref(j);
    return v;
}

/* Joins by definition: look at every neighbour pair, take the best score, start again. */
static size_t naive_spm(const struct vocab *v, struct span text, tok_id *out)
{
    struct buf norm;
    buf_init(&norm, 1 << 16);
    if (text.n) buf_add_str(&norm, "\xe2\x96\x81");
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ' ')
            buf_add_str(&norm, "\xe2\x96\x81");
        else
            buf_add_char(&norm, text.p[i]);
    struct span part[2000];
    size_t n = 0;
    for (size_t i = 0; i < norm.len;) {
        size_t len = utf8_seq_len(norm.data + i, norm.len - i);
        part[n++] = (struct span){norm.data + i, len ? len : 1};
        i += len ? len : 1;
    }
    for (;;) {
        size_t best = SIZE_MAX;
        float best_score = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            tok_id id = vocab_find(v, (struct span){part[i].p, part[i].n + part[i + 1].n});
            if (id == TOK_NONE || vocab_tok_kind(v, id) != TOK_NORMAL) continue;
            if (best == SIZE_MAX || vocab_score(v, id) > best_score) {
                best = i;
                best_score = vocab_score(v, id);
            }
        }
        if (best == SIZE_MAX) break;
        part[best].n += part[best + 1].n;
        memmove(part + best + 1, part + best + 2, (n - best - 2) * sizeof *part);
        n--;
    }
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        tok_id id = vocab_find(v, part[i]);
        if (id != TOK_NONE && vocab_tok_kind(v, id) == TOK_NORMAL) {
            out[m++] = id;
            continue;
        }
        for (size_t k = 0; k < part[i].n; k++) {
            char name[8];
            snprintf(name, sizeof name, "<0x%02X>", (unsigned char)part[i].p[k]);
            out[m++] = vocab_find(v, span_of(name));
        }
    }
    buf_release(&norm);
    return m;
}

static void test_spm_against_naive(void **state)
{
    (void)state;
    need_data(path, "stories260K/tok512.json");
    struct err e = {0};
    struct vocab *v = toy_spm(path);
    struct tok_list got = {0};
    struct buf back;
    buf_init(&back, 1 << 16);
    for (uint64_t seed = 0; seed < 2000; seed++) {
        char text[200];
        tok_id want[1000];
        struct rng g = rng_init(seed, 2);
        size_t n = random_bytes(&g, text, rng_below(&g, 120));
        size_t n_want = naive_spm(v, (struct span){text, n}, want);
        got.n = 0;
        must(vocab_encode(v, (struct span){text, n}, false, false, &got, &e));
        assert_int_equal(got.n, n_want);
        for (size_t i = 0; i < got.n; i++) assert_int_equal(got.id[i], want[i]);
        buf_clear(&back);
        vocab_decode(v, got.id, got.n, true, &back);
        assert_int_equal(back.len, n);
        assert_memory_equal(buf_str(&back), text, n);
    }
    buf_release(&back);
    tok_list_release(&got);
    vocab_free(v);
}

/* The prefix space comes and goes at the start and behind each special token. */
static void test_spm_space(void **state)
{
    (void)state;
    need_data(path, "tokenizers/ggml-vocab-llama-spm.gguf");
    struct err e = {0};
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    struct tok_list got = {0};
    struct buf b;
    buf_init(&b, 1000);
    must(vocab_encode(v, span_of("<s>Hello world</s> Once"), true, false, &got, &e));
    assert_int_equal(got.id[0], 1);
    assert_int_equal(got.id[1], 15043);
    vocab_decode(v, got.id, got.n, true, &b);
    assert_string_equal(buf_str(&b), "<s>Hello world</s> Once");
    buf_release(&b);
    tok_list_release(&got);
    vocab_free(v);
}

/* ---- hostile input ----------------------------------------------------------------------- */

static void hostile(const char *name)
{
    char rel[200];
    snprintf(rel, sizeof rel, "tokenizers/ggml-vocab-%s.gguf", name);
    need_data(path, rel);
    struct err e = {0};
    struct vocab *v;
    must(vocab_load(&v, path, &e));
    enum { SIZE = 1 << 20 };
    static const char *const unit[] = {"a",     " ", "\n",           "ab",
                                       "<|end", "0", "\xe4\xbd\xa0", NULL};
    char *text = malloc(SIZE);
    struct rng g = rng_init(7, 0);
    for (size_t u = 0; u < countof(unit); u++) {
        for (size_t i = 0; i < SIZE; i++)
            text[i] = unit[u] ? unit[u][i % strlen(unit[u])] : (char)rng_u64(&g);
        struct tok_list got = {0};
        int64_t t0 = clock_cpu_ns();
        must(vocab_encode(v, (struct span){text, SIZE}, true, false, &got, &e));
        double s = ns_to_s(clock_cpu_ns() - t0);
        print_message("%s: 1 MiB of \"%s\": %.3f s\n", name, unit[u] ? unit[u] : "random", s);
        tok_list_release(&got);
    }
    free(text);
    vocab_free(v);
}

static void test_hostile_bpe(void **state)
{
    (void)state;
    hostile("gpt-2");
    hostile("deepseek-coder");
}

static void test_hostile_spm(void **state)
{
    (void)state;
    hostile("llama-spm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_roles_and_round_trip),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_spm_against_naive),
        cmocka_unit_test(test_spm_space),
        cmocka_unit_test(test_hostile_bpe),
        cmocka_unit_test(test_hostile_spm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
