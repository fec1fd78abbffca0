#include "format/gguf_vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "format/gguf_read.h"
#include "format/gguf_write.h"
#include "text/pretok.h"
#include "text/vocab.h"

#define KEY(name) "tokenizer.ggml." name

/* Special ids and their keys; other spellings of older writers follow. */
static const struct role {
    const char *key;
    size_t at;
} role[] = {
    {KEY("bos_token_id"), offsetof(struct vocab_special, bos)},
    {KEY("eos_token_id"), offsetof(struct vocab_special, eos)},
    {KEY("eot_token_id"), offsetof(struct vocab_special, eot)},
    {KEY("eom_token_id"), offsetof(struct vocab_special, eom)},
    {KEY("unknown_token_id"), offsetof(struct vocab_special, unk)},
    {KEY("padding_token_id"), offsetof(struct vocab_special, pad)},
    {KEY("fim_pre_token_id"), offsetof(struct vocab_special, fim_pre)},
    {KEY("fim_suf_token_id"), offsetof(struct vocab_special, fim_suf)},
    {KEY("fim_mid_token_id"), offsetof(struct vocab_special, fim_mid)},
};

static tok_id *special_at(struct vocab_special *s, size_t i)
{
    return (tok_id *)(void *)((char *)s + role[i].at);
}

/* ---- reading ------------------------------------------------------------------------------ */

static int read_specials(const struct gguf *g, struct vocab *v, struct err *e)
{
    struct vocab_special s = *vocab_special(v);
    for (size_t i = 0; i < countof(role); i++) {
        int64_t id = -1;
        if (gguf_get_i64_opt(g, role[i].key, -1, UINT32_MAX, &id, e)) return -1;
        /* the largest u32 is how some writers say "none" */
        *special_at(&s, i) = id == UINT32_MAX ? TOK_NONE
                             : id > INT32_MAX ? INT32_MAX
                                              : (tok_id)id;
    }
    bool spm = vocab_kind(v) == VOCAB_SPM, llama3 = vocab_pretok(v) == PRETOK_LLAMA3;
    s.add_bos = (spm || llama3) && s.bos != TOK_NONE;
    s.add_space_prefix = spm;
    s.ignore_merges = llama3;
    if (gguf_get_bool_opt(g, KEY("add_bos_token"), &s.add_bos, e) ||
        gguf_get_bool_opt(g, KEY("add_eos_token"), &s.add_eos, e) ||
        gguf_get_bool_opt(g, KEY("add_space_prefix"), &s.add_space_prefix, e))
        return -1;
    vocab_set_special(v, &s);
    return 0;
}

static int read_tokens(const struct gguf *g, const struct gguf_kv *tokens, struct vocab *v,
                       struct err *e)
{
    const struct gguf_kv *type, *score;
    struct gguf_strings it = gguf_strings(tokens);
    struct span text;
    if (gguf_get_array_opt(g, KEY("token_type"), GGUF_I64, &type, e) ||
        gguf_get_array_opt(g, KEY("scores"), GGUF_F32, &score, e))
        return -1;
    if ((type && type->n != tokens->n) || (score && score->n != tokens->n))
        return err_set(e, ERR_FORMAT,
                       "%s: tokens, token_type and scores have different lengths",
                       gguf_path(g));
    if (vocab_kind(v) == VOCAB_SPM && !score)
        return err_set(e, ERR_FORMAT, "%s: key " KEY("scores") " is missing", gguf_path(g));
    for (uint64_t i = 0; gguf_next_string(&it, &text); i++) {
        enum tok_kind kind = type ? (enum tok_kind)gguf_elem_i64(type, i) : TOK_NORMAL;
        float s = score ? (float)gguf_elem_f64(score, i) : 0;
        if (vocab_set_token(v, (tok_id)i, text, s, kind, e))
            return err_wrap(e, "%s: " KEY("tokens"), gguf_path(g));
    }
    return 0;
}

static int read_merges(const struct gguf *g, struct vocab *v, struct err *e)
{
    const struct gguf_kv *merges;
    struct span m;
    if (gguf_get_array_opt(g, KEY("merges"), GGUF_STRING, &merges, e)) return -1;
    if (!merges)
        return err_set(e, ERR_FORMAT, "%s: key " KEY("merges") " is missing", gguf_path(g));
    struct gguf_strings it = gguf_strings(merges);
    for (size_t i = 0; gguf_next_string(&it, &m); i++) {
        const char *blank = m.n > 2 ? memchr(m.p + 1, ' ', m.n - 2) : NULL;
        if (!blank)
            return err_set(e, ERR_FORMAT, "%s: merge %zu is not two parts", gguf_path(g), i);
        size_t n = (size_t)(blank - m.p);
        if (vocab_add_merge(v, (struct span){m.p, n}, (struct span){blank + 1, m.n - n - 1}, e))
            return err_wrap(e, "%s: " KEY("merges"), gguf_path(g));
    }
    return 0;
}

static int read_kind(const struct gguf *g, enum vocab_type *type, enum pretok *pre,
                     struct err *e)
{
    struct span model = span_of("none"), name = {NULL, 0};
    if (gguf_get_str_opt(g, KEY("model"), &model, e)) return -1;
    *pre = PRETOK_NONE;
    if (span_is(model, "none"))
        return err_set(e, ERR_NOT_FOUND, "%s holds no vocabulary", gguf_path(g));
    if (span_is(model, "llama")) {
        *type = VOCAB_SPM;
        return 0;
    }
    if (!span_is(model, "gpt2"))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: " KEY("model") " is \"%.*s\"; gpt2 and llama are supported",
                       gguf_path(g), (int)(model.n < 40 ? model.n : 40), model.p);
    *type = VOCAB_BPE;
    if (gguf_get_str(g, KEY("pre"), &name, e))
        return err_hint(e, "files from before spring 2024 lack it: convert the model again");
    if (pretok_parse(name, pre) && *pre != PRETOK_NONE) return 0;
    err_set(e, ERR_UNSUPPORTED, "%s: " KEY("pre") " is \"%.*s\", which is not supported",
            gguf_path(g), (int)(name.n < 60 ? name.n : 60), name.p);
    return err_hint(e, "supported are gpt-2, llama-bpe, qwen2, deepseek-llm, deepseek-coder, "
                       "deepseek-v3, deepseek-r1-qwen, joyai-llm and tarn");
}

int vocab_from_gguf(struct vocab **out, const struct gguf *g, struct err *e)
{
    enum vocab_type type;
    enum pretok pre;
    const struct gguf_kv *tokens;
    struct vocab *v;
    *out = NULL;
    if (read_kind(g, &type, &pre, e) ||
        gguf_get_array_opt(g, KEY("tokens"), GGUF_STRING, &tokens, e))
        return -1;
    if (!tokens)
        return err_set(e, ERR_FORMAT, "%s: key " KEY("tokens") " is missing", gguf_path(g));
    if (vocab_create(&v, type, pre, (size_t)tokens->n, e))
        return err_wrap(e, "%s", gguf_path(g));
    if (read_tokens(g, tokens, v, e) || (type == VOCAB_BPE && read_merges(g, v, e)) ||
        read_specials(g, v, e) || vocab_finish(v, gguf_path(g), e)) {
        vocab_free(v);
        return -1;
    }
    *out = v;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void put_merges(const struct vocab *v, struct gguf_writer *w)
{
    struct buf line;
    buf_init(&line, 1 << 20);
    gguf_put_array(w, KEY("merges"), GGUF_STRING, vocab_n_merge(v));
    for (size_t i = 0; i < vocab_n_merge(v); i++) {
        struct span left, right;
        vocab_merge(v, i, &left, &right);
        buf_clear(&line);
        buf_add_span(&line, left);
        buf_add_char(&line, ' ');
        buf_add_span(&line, right);
        gguf_elem_str(w, buf_span(&line));
    }
    buf_release(&line);
}

static size_t count_pieces(enum pretok rule, struct span text)
{
    struct pretok_scan scan;
    struct span piece;
    size_t n = 0;
    pretok_begin(&scan, rule, text);
    while (pretok_next(&scan, &piece)) n++;
    return n;
}

/* The rule by a name that other programs know. tarn's differs from deepseek-v3's only in giving
 * every digit its own piece: where no token joins digits the ids are the same. */
static const char *rule_name(const struct vocab *v)
{
    enum pretok rule = vocab_pretok(v);
    if (rule != PRETOK_TARN) return pretok_name(rule);
    for (size_t i = 0; i < vocab_size(v); i++) {
        struct span t = vocab_bytes(v, (tok_id)i);
        if (vocab_tok_kind(v, (tok_id)i) == TOK_NORMAL &&
            count_pieces(PRETOK_TARN, t) > count_pieces(PRETOK_DEEPSEEK_V3, t))
            return pretok_name(rule);
    }
    return pretok_name(PRETOK_DEEPSEEK_V3);
}

void vocab_to_gguf(const struct vocab *v, size_t n_vocab, struct span chat_template,
                   struct gguf_writer *w)
{
    bool spm = vocab_kind(v) == VOCAB_SPM;
    size_t have = vocab_size(v), n = n_vocab > have ? n_vocab : have;
    char pad[32];
    gguf_put_str(w, KEY("model"), span_of(spm ? "llama" : "gpt2"));
    gguf_put_str(w, KEY("pre"), span_of(spm ? "default" : rule_name(v)));
    gguf_put_array(w, KEY("tokens"), GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        snprintf(pad, sizeof pad, "[PAD%zu]", i);
        gguf_elem_str(w, i < have ? vocab_text(v, (tok_id)i) : span_of(pad));
    }
    gguf_put_array(w, KEY("token_type"), GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        gguf_elem_i32(w, i < have ? (int32_t)vocab_tok_kind(v, (tok_id)i) : TOK_UNUSED);
    if (spm) {
        gguf_put_array(w, KEY("scores"), GGUF_F32, n);
        for (size_t i = 0; i < n; i++)
            gguf_elem_f32(w, i < have ? vocab_score(v, (tok_id)i) : 0);
    } else {
        put_merges(v, w);
    }
    struct vocab_special s = *vocab_special(v);
    for (size_t i = 0; i < countof(role); i++)
        if (*special_at(&s, i) != TOK_NONE)
            gguf_put_u32(w, role[i].key, (uint32_t)*special_at(&s, i));
    gguf_put_bool(w, KEY("add_bos_token"), s.add_bos);
    gguf_put_bool(w, KEY("add_eos_token"), s.add_eos);
    if (spm) gguf_put_bool(w, KEY("add_space_prefix"), s.add_space_prefix);
    if (chat_template.n) gguf_put_str(w, "tokenizer.chat_template", chat_template);
}
