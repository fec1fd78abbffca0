/* Vocabularies out of files: GGUF against published ids, tokenizer.json and tokenizer.bin there
 * and back, and the sentences for files that are not what they should be. */
#include "../test.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_vocab.h"
#include "format/gguf_write.h"
#include "format/hf_pretok.h"
#include "format/hf_tokenizer.h"
#include "format/llama2c_vocab.h"
#include "format/vocab_load.h"
#include "text/vocab.h"

static struct vocab *load(const char *path)
{
    struct vocab *v;
    struct err e;
    must(vocab_load(&v, path, &e));
    return v;
}

/* The same entries, merges, special ids and rule. */
static void check_same(const struct vocab *a, const struct vocab *b)
{
    assert_int_equal(vocab_size(a), vocab_size(b));
    assert_int_equal(vocab_kind(a), vocab_kind(b));
    assert_int_equal(vocab_pretok(a), vocab_pretok(b));
    assert_int_equal(vocab_n_merge(a), vocab_n_merge(b));
    for (tok_id i = 0; (size_t)i < vocab_size(a); i++) {
        /* markers that an old file calls user-defined become control tokens on the way */
        bool marker = vocab_tok_kind(a, i) == TOK_USER_DEFINED &&
                      vocab_tok_kind(b, i) == TOK_CONTROL && vocab_text(a, i).p[0] == '<';
        if (!span_eq(vocab_text(a, i), vocab_text(b, i)) ||
            vocab_score(a, i) != vocab_score(b, i) ||
            (vocab_tok_kind(a, i) != vocab_tok_kind(b, i) && !marker))
            fail_msg("token %d differs: %.40s %.40s", i, vocab_text(a, i).p,
                     vocab_text(b, i).p);
    }
    for (size_t i = 0; i < vocab_n_merge(a); i++) {
        struct span l[2], r[2];
        vocab_merge(a, i, &l[0], &r[0]);
        vocab_merge(b, i, &l[1], &r[1]);
        assert_true(span_eq(l[0], l[1]) && span_eq(r[0], r[1]));
    }
    const struct vocab_special *s = vocab_special(a), *t = vocab_special(b);
    assert_true(s->bos == t->bos && s->eos == t->eos && s->pad == t->pad && s->unk == t->unk);
    assert_true(s->add_bos == t->add_bos && s->add_eos == t->add_eos);
    assert_true(s->add_space_prefix == t->add_space_prefix &&
                s->ignore_merges == t->ignore_merges);
}

static struct vocab *through_gguf(const struct vocab *v, size_t n_vocab)
{
    char path[] = "/tmp/tarn-vocab-XXXXXX";
    struct gguf_writer *w;
    struct gguf *g;
    struct vocab *back;
    struct err e;
    close(mkstemp(path));
    must(gguf_writer_create(&w, path, 0, &e));
    vocab_to_gguf(v, n_vocab, span_of("{{ template }}"), w);
    must(gguf_writer_commit(w, &e));
    gguf_writer_free(w);
    must(gguf_open(&g, path, &e));
    must(vocab_from_gguf(&back, g, &e));
    gguf_close(g);
    unlink(path);
    return back;
}

/* A vocabulary with single digits goes out under a rule that other programs know, and gives the same
 * ids; one that joins digits keeps its own rule. */
static void test_rule_for_others(void **state)
{
    static const char text[] =
        "In 2025 it cost 5576000 dollars, or 12 \u0663\u0664 \u00b2\u00b3 a b1c22.";
    struct err e;
    (void)state;
    for (int joined = 0; joined < 2; joined++) {
        struct vocab *v, *back;
        struct tok_list a = {0}, b = {0};
        must(vocab_create(&v, VOCAB_BPE, PRETOK_TARN, 258, &e));
        struct buf t;
        buf_init(&t, 16);
        for (int i = 0; i < 256; i++) {
            int c = i < 188 ? (i < 94    ? '!' + i
                               : i < 106 ? 0xa1 + i - 94
                                         : 0xae + i - 106)
                            : 256 + i - 188;
            buf_clear(&t);
            if (c < 128) {
                buf_add_char(&t, (char)c);
            } else {
                buf_add_char(&t, (char)(0xc0 | c >> 6));
                buf_add_char(&t, (char)(0x80 | (c & 63)));
            }
            must(vocab_set_token(v, i, buf_span(&t), 0, TOK_NORMAL, &e));
        }
        must(vocab_set_token(v, 256, span_of(joined ? "12" : "ar"), 0, TOK_NORMAL, &e));
        must(vocab_set_token(v, 257, span_of("<e>"), 0, TOK_CONTROL, &e));
        must(vocab_add_merge(v, span_of(joined ? "1" : "a"), span_of(joined ? "2" : "r"), &e));
        must(vocab_finish(v, "test", &e));
        back = through_gguf(v, 0);
        assert_int_equal(vocab_pretok(back), joined ? PRETOK_TARN : PRETOK_DEEPSEEK_V3);
        must(vocab_encode(v, span_of(text), false, false, &a, &e));
        must(vocab_encode(back, span_of(text), false, false, &b, &e));
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, a.n * sizeof *a.id);
        tok_list_release(&a);
        tok_list_release(&b);
        buf_release(&t);
        vocab_free(v);
        vocab_free(back);
    }
}

static struct vocab *through_json(const struct vocab *v)
{
    struct buf text, config;
    struct vocab *back;
    struct err e;
    buf_init(&text, 64 << 20);
    buf_init(&config, 1 << 20);
    must(vocab_to_tokenizer_json(v, &text, &e));
    must(vocab_to_tokenizer_config(v, span_of("t"), &config, &e));
    json_t *c = json_parse(buf_span(&config), "config", &e);
    assert_non_null(c);
    must(vocab_from_tokenizer_json(&back, buf_span(&text), c, "text", &e));
    json_decref(c);
    buf_release(&text);
    buf_release(&config);
    return back;
}

/* The ids that the published .out file gives for the texts of the .inp file. */
static void published_ids(const char *dir, const char *name)
{
    char path[1300];
    struct err e;
    struct buf in, want, line;
    struct tok_list ids = {0};
    snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf", dir, name);
    struct vocab *v = load(path);
    buf_init(&in, 1 << 20);
    buf_init(&want, 1 << 20);
    buf_init(&line, 1 << 20);
    snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf.inp", dir, name);
    must(file_read(path, &in, &e));
    snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf.out", dir, name);
    must(file_read(path, &want, &e));
    static const char mark[] = "\n__ggml_vocab_test__\n";
    const char *out = buf_str(&want);
    size_t at = 0, n = 0;
    while (at < in.len) {
        size_t end = span_find(buf_span(&in), at, span_of(mark));
        if (end == (size_t)-1) break;
        ids.n = 0;
        must(vocab_encode(v, (struct span){buf_str(&in) + at, end - at}, false, false, &ids,
                          &e));
        buf_clear(&line);
        for (size_t i = 0; i < ids.n; i++) buf_printf(&line, " %d", (int)ids.id[i]);
        size_t len = strcspn(out, "\n");
        if (len != line.len || memcmp(out, buf_str(&line), len) != 0)
            fail_msg("%s, text %zu: got%s, want%.*s", name, n, buf_str(&line), (int)len, out);
        out += len + 1;
        at = end + strlen(mark);
        n++;
    }
    assert_true(n > 30);
    tok_list_release(&ids);
    buf_release(&in);
    buf_release(&want);
    buf_release(&line);
    vocab_free(v);
}

static void gguf_vocabularies(void **state)
{
    (void)state;
    need_data(dir, "tokenizers");
    published_ids(dir, "deepseek-coder");
    published_ids(dir, "gpt-2");
    published_ids(dir, "llama-spm");
}

static void round_trips(void **state)
{
    (void)state;
    need_data(coder, "tokenizers/ggml-vocab-deepseek-coder.gguf");
    need_data(gpt2, "tokenizers/ggml-vocab-gpt-2.gguf");
    need_data(spm, "tokenizers/ggml-vocab-llama-spm.gguf");
    const char *const path[] = {coder, gpt2, spm};
    struct err e;
    for (size_t i = 0; i < countof(path); i++) {
        int64_t live = mem_live_blocks();
        struct vocab *v = load(path[i]), *back = through_gguf(v, 0);
        check_same(v, back);
        vocab_free(back);
        if (vocab_kind(v) == VOCAB_BPE) {
            back = through_json(v);
            check_same(v, back);
        } else {
            struct buf b;
            buf_init(&b, 16 << 20);
            must(vocab_to_llama2c(v, &b, &e));
            must(vocab_from_llama2c(&back, buf_span(&b), "bin", &e));
            assert_int_equal(vocab_size(v), vocab_size(back));
            buf_release(&b);
        }
        vocab_free(back);
        back = through_gguf(v, vocab_size(v) + 7);
        assert_int_equal(vocab_size(back), vocab_size(v) + 7);
        assert_int_equal(vocab_tok_kind(back, (tok_id)vocab_size(v) + 6), TOK_UNUSED);
        vocab_free(back);
        vocab_free(v);
        assert_int_equal(mem_live_blocks(), live);
    }
}

/* tok512.bin against its readable dump. */
static void stories_vocabulary(void **state)
{
    (void)state;
    need_data(bin, "stories260K/tok512.bin");
    need_data(dump, "stories260K/tok512.json");
    struct err e;
    struct vocab *v = load(bin);
    json_t *j = json_parse_file(dump, 1 << 20, &e);
    assert_non_null(j);
    assert_int_equal(vocab_size(v), json_array_size(j));
    assert_int_equal(vocab_kind(v), VOCAB_SPM);
    for (size_t i = 0; i < vocab_size(v); i++) {
        const json_t *o = json_array_get(j, i);
        const char *hex = json_string_value(json_object_get(o, "hex"));
        struct span b = vocab_bytes(v, (tok_id)i);
        if (i < 3) continue; /* decorated in the file */
        if (i >= 259) {
            assert_int_equal(strlen(hex), 2 * b.n);
            for (size_t k = 0; k < b.n; k++) {
                unsigned x;
                assert_int_equal(sscanf(hex + 2 * k, "%2x", &x), 1);
                assert_int_equal((unsigned char)b.p[k], x);
            }
        }
        double s = json_number_value(json_object_get(o, "score"));
        assert_true(fabs(s - (double)vocab_score(v, (tok_id)i)) < 1e-3);
    }
    struct buf back, raw;
    buf_init(&back, 1 << 20);
    buf_init(&raw, 1 << 20);
    must(vocab_to_llama2c(v, &back, &e));
    must(file_read(bin, &raw, &e));
    assert_int_equal(back.len, raw.len);
    assert_memory_equal(back.data, raw.data, raw.len);
    /* a cut anywhere is refused or is a shorter vocabulary; never a crash */
    for (size_t n = 0; n < raw.len; n++) {
        struct vocab *cut;
        if (vocab_from_llama2c(&cut, (struct span){raw.data, n}, "cut", &e) == 0)
            vocab_free(cut);
    }
    must_fail(vocab_from_llama2c(&(struct vocab *){NULL}, (struct span){raw.data, raw.len - 1},
                                 "cut", &e),
              ERR_FORMAT, "cut: token 511 at byte");
    buf_release(&back);
    buf_release(&raw);
    json_decref(j);
    vocab_free(v);
}

/* ---- tokenizer.json, small ---------------------------------------------------------------- */

static const char coder_chain[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"["
    "\\r\\n]\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"\\\\s?\\\\p{L}+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"\\\\s?\\\\p{P}+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"[一-龥ࠀ-一가-퟿]+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":"
    "\"Digits\","
    "\"individual_digits\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_"
    "offsets\":true,"
    "\"use_regex\":false}]}";

static void chains(void **state)
{
    (void)state;
    static const enum pretok rule[] = {
        PRETOK_GPT2,           PRETOK_LLAMA3,      PRETOK_QWEN2, PRETOK_DEEPSEEK_LLM,
        PRETOK_DEEPSEEK_CODER, PRETOK_DEEPSEEK_V3, PRETOK_TARN};
    struct err e;
    enum pretok got;
    for (size_t i = 0; i < countof(rule); i++) {
        struct buf b;
        buf_init(&b, 1 << 16);
        must(hf_pretok_write(rule[i], &b, &e));
        json_t *j = json_parse(buf_span(&b), "chain", &e);
        if (!j) fail_msg("%s", e.msg);
        must(hf_pretok_read(j, &got, "chain", &e));
        assert_int_equal(got, rule[i]);
        json_decref(j);
        buf_release(&b);
    }
    json_t *j = json_parse(span_of(coder_chain), "chain", &e);
    assert_non_null(j);
    must(hf_pretok_read(j, &got, "chain", &e));
    assert_int_equal(got, PRETOK_DEEPSEEK_CODER);
    json_decref(j);
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"{\"type\":\"Metaspace\"}", "type Metaspace"},
        {"{\"type\":\"Digits\",\"individual_digits\":true}", "without ByteLevel"},
        {"{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "add_prefix_space"},
        {"{\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x+\"},\"behavior\":"
         "\"Isolated\"},"
         "{\"type\":\"ByteLevel\",\"use_regex\":false}]}",
         "x+"},
        {"{\"pretokenizers\":[{\"type\":\"Split\",\"behavior\":\"Merged\"}]}",
         "behavior Merged"},
        {"{\"pretokenizers\":[{\"type\":\"Digits\"}]}", "individual_digits"},
        {"null", "type"},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        j = json_loads(bad[i].text, JSON_DECODE_ANY, NULL);
        must_fail(hf_pretok_read(j, &got, "x", &e), ERR_UNSUPPORTED, bad[i].want);
        assert_non_null(strstr(e.hint, "deepseek-v3"));
        json_decref(j);
    }
}

/* A byte-level vocabulary of 256 bytes, one merge and three added tokens, with room for changes. */
static void small_json(struct buf *b, const char *merges, const char *added, const char *extra)
{
    buf_init(b, 1 << 20);
    buf_printf(
        b,
        "{\"added_tokens\": [%s], \"normalizer\": {\"type\": \"NFC\"}, %s \"pre_tokenizer\": ",
        added, extra);
    struct err e;
    must(hf_pretok_write(PRETOK_QWEN2, b, &e));
    buf_add_str(b, ", \"model\": {\"type\": \"BPE\", \"vocab\": {");
    for (unsigned i = 0, other = 256; i < 256; i++) {
        bool own = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        uint32_t cp = own ? i : other++;
        char utf[3] = {(char)cp, 0, 0};
        if (cp >= 128) {
            utf[0] = (char)(0xc0 | cp >> 6);
            utf[1] = (char)(0x80 | (cp & 63));
        }
        buf_add_json(b, span_of(utf));
        buf_printf(b, ": %u, ", i);
    }
    buf_printf(b, "\"ab\": 256}, \"merges\": %s}}", merges);
}

#define ADDED                                                                           \
    "{\"id\": 257, \"content\": \"<｜begin▁of▁sentence｜>\", \"special\": true}," \
    "{\"id\": 258, \"content\": \"<｜User｜>\", \"special\": false},"                 \
    "{\"id\": 260, \"content\": \"<think>\", \"special\": false}"

static void small_tokenizer(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    struct vocab *v;
    static const char *const merges[] = {"[\"a b\"]", "[[\"a\", \"b\"]]"};
    static const char post[] =
        "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
        "[{\"SpecialToken\": {\"id\": \"<｜begin▁of▁sentence｜>\", "
        "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\"}}]},";
    for (size_t i = 0; i < 2; i++) {
        small_json(&b, merges[i], ADDED, i ? post : "");
        must(vocab_from_tokenizer_json(&v, buf_span(&b), NULL, "t", &e));
        assert_int_equal(vocab_size(v), 261);
        assert_int_equal(vocab_n_merge(v), 1);
        assert_int_equal(vocab_special(v)->bos, 257);
        assert_int_equal(vocab_special(v)->add_bos, i == 1);
        assert_int_equal(vocab_tok_kind(v, 257), TOK_CONTROL);
        assert_int_equal(vocab_tok_kind(v, 258), TOK_CONTROL); /* looks like a marker */
        assert_int_equal(vocab_tok_kind(v, 259), TOK_UNUSED);
        assert_int_equal(vocab_tok_kind(v, 260), TOK_USER_DEFINED);
        struct tok_list ids = {0};
        must(vocab_encode(v, span_of("ab c<think>"), true, true, &ids, &e));
        assert_int_equal(ids.n, i == 1 ? 5 : 4);
        assert_int_equal(ids.id[ids.n - 1], 260);
        tok_list_release(&ids);
        vocab_free(v);
        buf_release(&b);
    }
    json_t *config =
        json_loads("{\"bos_token\": {\"content\": \"<think>\"}, \"eos_token\": \"ab\", "
                   "\"add_bos_token\": true, \"add_eos_token\": true}",
                   0, NULL);
    small_json(&b, merges[0], ADDED, "");
    must(vocab_from_tokenizer_json(&v, buf_span(&b), config, "t", &e));
    assert_int_equal(vocab_special(v)->bos, 260);
    assert_int_equal(vocab_special(v)->eos, 256);
    assert_true(vocab_special(v)->add_bos && vocab_special(v)->add_eos);
    vocab_free(v);
    (void)json_object_set_new(config, "eos_token", json_string("nothing"));
    must_fail(vocab_from_tokenizer_json(&v, buf_span(&b), config, "t", &e), ERR_FORMAT,
              "eos_token of tokenizer_config.json is \"nothing\"");
    json_decref(config);
    buf_release(&b);
}

static void damaged_json(void **state)
{
    (void)state;
    static const struct {
        const char *merges, *added, *extra;
        enum err_code code;
        const char *want;
    } bad[] = {
        {"[\"ab\"]", ADDED, "", ERR_FORMAT, "merge 0 is not two parts"},
        {"[[\"a\"]]", ADDED, "", ERR_FORMAT, "merge 0 is not two parts"},
        {"[7]", ADDED, "", ERR_FORMAT, "merge 0 is not two parts"},
        {"[\"a c\"]", ADDED, "", ERR_FORMAT, "is not a token"},
        {"{}", ADDED, "", ERR_FORMAT, "model.merges is no array"},
        {"[]", "{\"id\": -1, \"content\": \"x\"}", "", ERR_FORMAT, "no id from 0"},
        {"[]", "{\"id\": 2097152, \"content\": \"x\"}", "", ERR_FORMAT, "no id from 0"},
        {"[]", "{\"id\": 2000000, \"content\": \"x\"}", "", ERR_FORMAT,
         "there are only 258 tokens"},
        {"[]", "{\"id\": 300}", "", ERR_FORMAT, "added_tokens[0] has no \"content\""},
        {"[]", "{\"id\":300,\"content\":\"x\"},{\"id\":300,\"content\":\"y\"}", "", ERR_FORMAT,
         "the id 300"},
        {"[]", ADDED, "\"normalizer\": {\"type\": \"Lowercase\"},", ERR_FORMAT,
         ""}, /* twice the key */
        {"[]", ADDED, "\"x\": tru,", ERR_FORMAT, "line 1"},
    };
    struct buf b;
    struct err e;
    struct vocab *v;
    for (size_t i = 0; i < countof(bad); i++) {
        small_json(&b, bad[i].merges, bad[i].added, bad[i].extra);
        must_fail(vocab_from_tokenizer_json(&v, buf_span(&b), NULL, "t", &e), bad[i].code,
                  bad[i].want);
        buf_release(&b);
    }
    static const struct {
        const char *text, *want;
    } other[] = {
        {"{\"normalizer\": {\"type\": \"Lowercase\"}}", "normalizer \"Lowercase\""},
        {"{\"normalizer\": {\"normalizers\": [{\"type\": \"NFD\"}]}}", "other than NFC"},
        {"{\"model\": {\"type\": \"Unigram\"}}", "model.type is \"Unigram\""},
        {"{\"model\": {\"type\": \"BPE\", \"byte_fallback\": true}}", "byte_fallback"},
        {"{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\"}}",
         "end_of_word_suffix"},
    };
    for (size_t i = 0; i < countof(other); i++)
        must_fail(vocab_from_tokenizer_json(&v, span_of(other[i].text), NULL, "t", &e),
                  ERR_UNSUPPORTED, other[i].want);
    must_fail(vocab_load(&v, "docs", &e), ERR_NOT_FOUND, "holds no vocabulary");
    need_data(none, "golden/llama-tied.gguf");
    must_fail(vocab_load(&v, none, &e), ERR_NOT_FOUND, "holds no vocabulary");
}

static void save_and_load(void **state)
{
    (void)state;
    need_data(coder, "tokenizers/ggml-vocab-deepseek-coder.gguf");
    char dir[] = "/tmp/tarn-save-XXXXXX", path[64];
    struct err e;
    assert_non_null(mkdtemp(dir));
    struct vocab *v = load(coder);
    must(vocab_save(v, dir, span_of("{{x}}"), &e));
    struct vocab *back = load(dir);
    check_same(v, back);
    vocab_free(back);
    vocab_free(v);
    static const char *const name[] = {"tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_for_others),
        cmocka_unit_test(gguf_vocabularies),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(stories_vocabulary),
        cmocka_unit_test(chains),
        cmocka_unit_test(small_tokenizer),
        cmocka_unit_test(damaged_json),
        cmocka_unit_test(save_and_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
