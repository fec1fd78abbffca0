/* gguf_mini.h - the tokenizer keys of a GGUF file into a struct vocab, for tests of text/ alone.
 * Reads trusted test files only; src/format has the real reader. */
#ifndef TESTS_GGUF_MINI_H
#define TESTS_GGUF_MINI_H

#include "base/size.h"
#include "test.h"
#include "text/vocab.h"

struct gguf_mini_array {
    const char *p; /* first element */
    uint64_t n;
};

static inline struct span gguf_mini_str(const char **p)
{
    struct span s = {*p + 8, load_le64(*p)};
    *p = s.p + s.n;
    return s;
}

static inline size_t gguf_mini_size(uint32_t type)
{
    static const unsigned char size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return size[type];
}

/* Fills *out; the caller frees it. Fails the test when the file is not as expected. */
static inline struct vocab *gguf_mini_vocab(const char *path)
{
    struct err e = {0};
    struct file_map m;
    must(file_map_open(&m, path, &e));
    const char *p = (const char *)m.data;
    assert_memory_equal(p, "GGUF", 4);
    uint64_t n_kv = load_le64(p + 16);
    p += 24;
    struct gguf_mini_array tokens = {0}, scores = {0}, types = {0}, merges = {0};
    struct vocab_special sp = {.bos = -1,
                               .eos = -1,
                               .eot = -1,
                               .eom = -1,
                               .unk = -1,
                               .pad = -1,
                               .fim_pre = -1,
                               .fim_suf = -1,
                               .fim_mid = -1};
    struct span model = {0}, pre = {0};
    sp.add_space_prefix = true; /* what GGUF means when the key is absent */
    for (uint64_t i = 0; i < n_kv; i++) {
        struct span key = gguf_mini_str(&p);
        uint32_t type = load_le32(p);
        p += 4;
        const char *value = p;
        if (type == 8) {
            struct span s = gguf_mini_str(&p);
            if (span_is(key, "tokenizer.ggml.model")) model = s;
            if (span_is(key, "tokenizer.ggml.pre")) pre = s;
            continue;
        }
        if (type == 9) {
            uint32_t of = load_le32(p);
            struct gguf_mini_array a = {p + 12, load_le64(p + 4)};
            p = a.p;
            for (uint64_t k = 0; k < a.n; k++)
                if (of == 8)
                    gguf_mini_str(&p);
                else
                    p += gguf_mini_size(of);
            if (span_is(key, "tokenizer.ggml.tokens")) tokens = a;
            if (span_is(key, "tokenizer.ggml.scores")) scores = a;
            if (span_is(key, "tokenizer.ggml.token_type")) types = a;
            if (span_is(key, "tokenizer.ggml.merges")) merges = a;
            continue;
        }
        p += gguf_mini_size(type);
        if (span_is(key, "tokenizer.ggml.bos_token_id")) sp.bos = (tok_id)load_le32(value);
        if (span_is(key, "tokenizer.ggml.eos_token_id")) sp.eos = (tok_id)load_le32(value);
        if (span_is(key, "tokenizer.ggml.unknown_token_id")) sp.unk = (tok_id)load_le32(value);
        if (span_is(key, "tokenizer.ggml.padding_token_id")) sp.pad = (tok_id)load_le32(value);
        if (span_is(key, "tokenizer.ggml.add_bos_token")) sp.add_bos = *value;
        if (span_is(key, "tokenizer.ggml.add_eos_token")) sp.add_eos = *value;
        if (span_is(key, "tokenizer.ggml.add_space_prefix")) sp.add_space_prefix = *value;
    }
    enum vocab_type vt = span_is(model, "llama") ? VOCAB_SPM : VOCAB_BPE;
    enum pretok rule = PRETOK_NONE;
    if (vt == VOCAB_BPE) assert_true(pretok_parse(pre, &rule));
    struct vocab *v;
    must(vocab_create(&v, vt, rule, tokens.n, &e));
    for (uint64_t i = 0; i < tokens.n; i++) {
        float score = 0;
        if (scores.p) memcpy(&score, scores.p + 4 * i, 4);
        enum tok_kind kind = types.p ? (enum tok_kind)load_le32(types.p + 4 * i) : TOK_NORMAL;
        must(vocab_set_token(v, (tok_id)i, gguf_mini_str(&tokens.p), score, kind, &e));
    }
    for (uint64_t i = 0; i < merges.n; i++) {
        struct span s = gguf_mini_str(&merges.p);
        const char *cut = memchr(s.p + 1, ' ', s.n - 1);
        assert_non_null(cut);
        size_t n = (size_t)(cut - s.p);
        must(
            vocab_add_merge(v, (struct span){s.p, n}, (struct span){cut + 1, s.n - n - 1}, &e));
    }
    vocab_set_special(v, &sp);
    must(vocab_finish(v, path, &e));
    file_map_close(&m);
    return v;
}

#endif
