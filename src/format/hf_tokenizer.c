/* hf_tokenizer.c - reading tokenizer.json.
 *
 * Order: size of the vocabulary (the largest id of "vocab" and "added_tokens"), then each token
 * once (an added token replaces an entry of "vocab" with its id), gaps as unused tokens, then
 * merges, then the special ids. The JSON stays parsed while the vocabulary is built.
 */
#include "format/hf_tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "format/hf_pretok.h"
#include "text/marks.h"
#include "text/vocab.h"

enum { MAX_ID = 1 << 21, GAPS_FREE = 1024 };

struct reader {
    const char *what;
    const json_t *model, *vocab, *merges, *added;
    struct vocab *v;
    size_t n;
    unsigned char *seen; /* per id */
};

static struct span span_of_json(const json_t *v)
{
    if (!json_is_string(v)) return (struct span){NULL, 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

static int format_error(const struct reader *r, const char *sentence, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s", r->what, sentence);
}

/* ---- the parts of the file ---------------------------------------------------------------- */

static int check_normalizer(const struct reader *r, const json_t *n, struct err *e)
{
    const json_t *list = json_object_get(n, "normalizers");
    if (!n || json_is_null(n)) return 0;
    if (json_is_array(list)) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *type = json_object_get(json_array_get(list, i), "type");
            if (!json_is_string(type) || strcmp(json_string_value(type), "NFC") != 0)
                return err_set(e, ERR_UNSUPPORTED, "%s: a normalizer other than NFC", r->what);
        }
        return 0;
    }
    struct span type = span_of_json(json_object_get(n, "type"));
    if (type.p && span_is(type, "NFC")) return 0;
    err_set(e, ERR_UNSUPPORTED, "%s: normalizer \"%.60s\"; only NFC is supported", r->what,
            type.p ? type.p : "?");
    return err_hint(e, "SentencePiece models are read from GGUF or from tokenizer.bin");
}

static int check_model(const struct reader *r, struct err *e)
{
    static const char *const affix[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    struct span type = span_of_json(json_object_get(r->model, "type"));
    if (!type.p || !span_is(type, "BPE"))
        return err_set(e, ERR_UNSUPPORTED, "%s: model.type is \"%.40s\"; only BPE is supported",
                       r->what, type.p ? type.p : "?");
    if (json_is_true(json_object_get(r->model, "byte_fallback")))
        return err_set(e, ERR_UNSUPPORTED, "%s: model.byte_fallback is true: no byte-level BPE",
                       r->what);
    for (size_t i = 0; i < countof(affix); i++)
        if (span_of_json(json_object_get(r->model, affix[i])).n > 0)
            return err_set(e, ERR_UNSUPPORTED, "%s: model.%s is not supported", r->what,
                           affix[i]);
    if (!json_is_object(r->vocab)) return format_error(r, "model.vocab is no object", e);
    if (!json_is_array(r->merges)) return format_error(r, "model.merges is no array", e);
    if (r->added && !json_is_array(r->added))
        return format_error(r, "added_tokens is no array", e);
    return 0;
}

static int take_id(struct reader *r, const json_t *v, struct span text, struct err *e)
{
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    if (id < 0 || id >= MAX_ID)
        return err_set(e, ERR_FORMAT, "%s: token \"%.60s\" has no id from 0 to %d", r->what,
                       text.p, MAX_ID - 1);
    if ((size_t)id >= r->n) r->n = (size_t)id + 1;
    return 0;
}

static int measure(struct reader *r, struct err *e)
{
    json_t *vocab = json_object_get(r->model, "vocab");
    size_t n_added = json_array_size(r->added), entries = json_object_size(vocab) + n_added;
    for (void *it = json_object_iter(vocab); it; it = json_object_iter_next(vocab, it))
        if (take_id(r, json_object_iter_value(it), span_of(json_object_iter_key(it)), e))
            return -1;
    for (size_t i = 0; i < n_added; i++) {
        const json_t *o = json_array_get(r->added, i);
        struct span text = span_of_json(json_object_get(o, "content"));
        if (!text.p || text.n == 0)
            return err_set(e, ERR_FORMAT, "%s: added_tokens[%zu] has no \"content\"", r->what,
                           i);
        if (take_id(r, json_object_get(o, "id"), text, e)) return -1;
    }
    if (entries == 0) return format_error(r, "there are no tokens", e);
    /* a file must not ask for much more than it holds */
    if (r->n > 2 * entries + GAPS_FREE)
        return err_set(e, ERR_FORMAT, "%s: ids go up to %zu, but there are only %zu tokens",
                       r->what, r->n - 1, entries);
    return 0;
}

static bool looks_special(struct span t)
{
    static const char bar[] = "\xef\xbd\x9c"; /* U+FF5C */
    if (t.n > 4 && span_starts(t, "<|") && memcmp(t.p + t.n - 2, "|>", 2) == 0) return true;
    return t.n > 8 && t.p[0] == '<' && memcmp(t.p + 1, bar, 3) == 0 &&
           memcmp(t.p + t.n - 4, "\xef\xbd\x9c>", 4) == 0;
}

static int set_token(struct reader *r, size_t id, struct span text, enum tok_kind kind,
                     struct err *e)
{
    if (r->seen[id]) return 0;
    r->seen[id] = 1;
    if (vocab_set_token(r->v, (tok_id)id, text, 0, kind, e)) return err_wrap(e, "%s", r->what);
    return 0;
}

static int set_tokens(struct reader *r, struct err *e)
{
    json_t *vocab = json_object_get(r->model, "vocab");
    for (size_t i = 0; i < json_array_size(r->added); i++) {
        const json_t *o = json_array_get(r->added, i);
        struct span text = span_of_json(json_object_get(o, "content"));
        bool special = json_is_true(json_object_get(o, "special")) || looks_special(text);
        size_t id = (size_t)json_integer_value(json_object_get(o, "id"));
        if (r->seen[id])
            return err_set(e, ERR_FORMAT, "%s: two added tokens have the id %zu", r->what, id);
        if (set_token(r, id, text, special ? TOK_CONTROL : TOK_USER_DEFINED, e)) return -1;
    }
    memcpy(r->seen + r->n, r->seen, r->n); /* which are added */
    for (void *it = json_object_iter(vocab); it; it = json_object_iter_next(vocab, it)) {
        size_t id = (size_t)json_integer_value(json_object_iter_value(it));
        if (r->seen[id] && !r->seen[r->n + id])
            return err_set(e, ERR_FORMAT, "%s: two tokens have the id %zu", r->what, id);
        if (set_token(r, id, span_of(json_object_iter_key(it)), TOK_NORMAL, e)) return -1;
    }
    for (size_t id = 0; id < r->n; id++) {
        char pad[32];
        snprintf(pad, sizeof pad, "[PAD%zu]", id);
        if (set_token(r, id, span_of(pad), TOK_UNUSED, e)) return -1;
    }
    return 0;
}

/* "left right" or ["left", "right"]. */
static int add_merge(struct reader *r, const json_t *m, size_t rank, struct err *e)
{
    struct span both = span_of_json(m), left, right;
    if (both.p) {
        const char *blank = both.n > 2 ? memchr(both.p + 1, ' ', both.n - 2) : NULL;
        if (!blank)
            return err_set(e, ERR_FORMAT, "%s: merge %zu is not two parts", r->what, rank);
        left = (struct span){both.p, (size_t)(blank - both.p)};
        right = (struct span){blank + 1, both.n - left.n - 1};
    } else {
        left = span_of_json(json_array_get(m, 0));
        right = span_of_json(json_array_get(m, 1));
        if (json_array_size(m) != 2 || !left.p || !right.p)
            return err_set(e, ERR_FORMAT, "%s: merge %zu is not two parts", r->what, rank);
    }
    if (vocab_add_merge(r->v, left, right, e)) return err_wrap(e, "%s", r->what);
    return 0;
}

/* ---- special ids -------------------------------------------------------------------------- */

/* The id of a text; the vocabulary itself answers only when it is finished. */
static tok_id find_id(const struct reader *r, struct span text)
{
    for (size_t i = 0; i < json_array_size(r->added); i++) {
        const json_t *o = json_array_get(r->added, i);
        if (span_eq(span_of_json(json_object_get(o, "content")), text))
            return (tok_id)json_integer_value(json_object_get(o, "id"));
    }
    const json_t *id = json_object_get(r->vocab, text.p);
    return json_is_integer(id) ? (tok_id)json_integer_value(id) : TOK_NONE;
}

/* A token named in tokenizer_config.json: a text, or an object with "content". */
static int named(const struct reader *r, const json_t *config, const char *key, tok_id *out,
                 struct err *e)
{
    const json_t *v = json_object_get(config, key);
    struct span text = span_of_json(json_is_object(v) ? json_object_get(v, "content") : v);
    if (!text.p || text.n == 0) return 0;
    *out = find_id(r, text);
    if (*out == TOK_NONE)
        return err_set(e, ERR_FORMAT,
                       "%s: %s of tokenizer_config.json is \"%.60s\", which is no token",
                       r->what, key, text.p);
    return 0;
}

/* The special token a TemplateProcessing puts first, or TOK_NONE. */
static tok_id template_first(const struct reader *r, const json_t *post)
{
    const json_t *list = json_object_get(post, "processors");
    struct span type = span_of_json(json_object_get(post, "type"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (!json_is_array(json_object_get(one, "single"))) continue;
        post = one;
        type = span_of_json(json_object_get(one, "type"));
    }
    if (!type.p || !span_is(type, "TemplateProcessing")) return TOK_NONE;
    const json_t *first = json_array_get(json_object_get(post, "single"), 0);
    struct span id =
        span_of_json(json_object_get(json_object_get(first, "SpecialToken"), "id"));
    return id.p ? find_id(r, id) : TOK_NONE;
}

static int set_specials(struct reader *r, const json_t *root, const json_t *config,
                        struct err *e)
{
    struct vocab_special s = *vocab_special(r->v);
    tok_id first = template_first(r, json_object_get(root, "post_processor"));
    if (named(r, config, "bos_token", &s.bos, e) || named(r, config, "eos_token", &s.eos, e) ||
        named(r, config, "pad_token", &s.pad, e) || named(r, config, "unk_token", &s.unk, e))
        return -1;
    if (s.bos == TOK_NONE) s.bos = first;
    if (!config && s.bos == TOK_NONE) s.bos = find_id(r, span_of(MARK_BOS));
    if (!config && s.eos == TOK_NONE) s.eos = find_id(r, span_of(MARK_EOS));
    const json_t *add = json_object_get(config, "add_bos_token");
    s.add_bos =
        s.bos != TOK_NONE && (json_is_boolean(add) ? json_is_true(add) : first == s.bos);
    s.add_eos = s.eos != TOK_NONE && json_is_true(json_object_get(config, "add_eos_token"));
    s.ignore_merges = json_is_true(json_object_get(r->model, "ignore_merges"));
    vocab_set_special(r->v, &s);
    return 0;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int build(struct reader *r, const json_t *root, const json_t *config, struct err *e)
{
    enum pretok rule;
    if (check_normalizer(r, json_object_get(root, "normalizer"), e) || check_model(r, e) ||
        hf_pretok_read(json_object_get(root, "pre_tokenizer"), &rule, r->what, e) ||
        measure(r, e))
        return -1;
    r->seen = mem_calloc(2, r->n);
    if (!r->seen) return err_oom(e, "the table of ids", 2 * r->n);
    if (vocab_create(&r->v, VOCAB_BPE, rule, r->n, e)) return err_wrap(e, "%s", r->what);
    if (set_tokens(r, e)) return -1;
    for (size_t i = 0; i < json_array_size(r->merges); i++)
        if (add_merge(r, json_array_get(r->merges, i), i, e)) return -1;
    if (set_specials(r, root, config, e)) return -1;
    return vocab_finish(r->v, r->what, e);
}

int vocab_from_tokenizer_json(struct vocab **out, struct span text, const json_t *config,
                              const char *what, struct err *e)
{
    *out = NULL;
    if (text.n > HF_TOKENIZER_MAX)
        return err_set(e, ERR_LIMIT, "%s has %zu bytes, the limit is %d", what, text.n,
                       HF_TOKENIZER_MAX);
    json_t *root = json_parse(text, what, e);
    if (!root) return -1;
    struct reader r = {.what = what, .model = json_object_get(root, "model")};
    r.vocab = json_object_get(r.model, "vocab");
    r.merges = json_object_get(r.model, "merges");
    r.added = json_object_get(root, "added_tokens");
    int rc = build(&r, root, config, e);
    mem_free(r.seen);
    json_decref(root);
    if (rc)
        vocab_free(r.v);
    else
        *out = r.v;
    return rc;
}
