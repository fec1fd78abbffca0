/* hf_tokenizer_write.c - tokenizer.json and tokenizer_config.json from a vocabulary.
 *
 * Written as text, not through a JSON tree: a vocabulary of 130,000 tokens is a few megabytes of
 * one shape. Merges are written as pairs, which every current reader takes.
 */
#include "format/hf_tokenizer.h"

#include <string.h>

#include "base/err.h"
#include "format/hf_pretok.h"
#include "text/vocab.h"

static bool is_added(enum tok_kind k)
{
    return k == TOK_CONTROL || k == TOK_USER_DEFINED || k == TOK_UNKNOWN;
}

static const char *json_bool(bool v)
{
    return v ? "true" : "false";
}

static void write_added(const struct vocab *v, struct buf *out)
{
    const char *between = "\n";
    buf_add_str(out, " \"added_tokens\": [");
    for (tok_id id = 0; (size_t)id < vocab_size(v); id++) {
        enum tok_kind k = vocab_tok_kind(v, id);
        if (!is_added(k)) continue;
        buf_printf(out, "%s  {\"id\": %d, \"content\": ", between, (int)id);
        buf_add_json(out, vocab_text(v, id));
        buf_printf(out,
                   ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                   "\"normalized\": false, \"special\": %s}",
                   json_bool(k != TOK_USER_DEFINED));
        between = ",\n";
    }
    buf_add_str(out, "\n ],\n");
}

static void write_model(const struct vocab *v, struct buf *out)
{
    const char *between = "\n";
    buf_printf(out,
               " \"model\": {\n  \"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
               "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
               "\"fuse_unk\": false, "
               "\"byte_fallback\": false, \"ignore_merges\": %s,\n  \"vocab\": {",
               json_bool(vocab_special(v)->ignore_merges));
    for (tok_id id = 0; (size_t)id < vocab_size(v); id++) {
        if (vocab_tok_kind(v, id) != TOK_NORMAL) continue;
        buf_add_str(out, between);
        buf_add_str(out, "   ");
        buf_add_json(out, vocab_text(v, id));
        buf_printf(out, ": %d", (int)id);
        between = ",\n";
    }
    buf_add_str(out, "\n  },\n  \"merges\": [");
    for (size_t i = 0; i < vocab_n_merge(v); i++) {
        struct span left, right;
        vocab_merge(v, i, &left, &right);
        buf_add_str(out, i ? ",\n   [" : "\n   [");
        buf_add_json(out, left);
        buf_add_str(out, ", ");
        buf_add_json(out, right);
        buf_add_char(out, ']');
    }
    buf_add_str(out, "\n  ]\n }\n");
}

/* What the post processor puts around a text: bos and eos as the vocabulary adds them. */
static void write_post(const struct vocab *v, struct buf *out)
{
    const struct vocab_special *s = vocab_special(v);
    static const char *const kind[] = {"A", "B"};
    buf_add_str(out, " \"post_processor\": ");
    if (!s->add_bos && !s->add_eos) {
        buf_add_str(out,
                    "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": "
                    "false, \"use_regex\": true},\n");
        return;
    }
    buf_add_str(out, "{\"type\": \"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        buf_add_str(out, pair ? ", \"pair\": [" : ", \"single\": [");
        for (int part = 0; part <= pair; part++) {
            if (part) buf_add_str(out, ", ");
            if (s->add_bos) {
                buf_add_str(out, "{\"SpecialToken\": {\"id\": ");
                buf_add_json(out, vocab_text(v, s->bos));
                buf_printf(out, ", \"type_id\": %d}}, ", part);
            }
            buf_printf(out, "{\"Sequence\": {\"id\": \"%s\", \"type_id\": %d}}", kind[part],
                       part);
            if (s->add_eos) {
                buf_add_str(out, ", {\"SpecialToken\": {\"id\": ");
                buf_add_json(out, vocab_text(v, s->eos));
                buf_printf(out, ", \"type_id\": %d}}", part);
            }
        }
        buf_add_char(out, ']');
    }
    buf_add_str(out, ", \"special_tokens\": {");
    for (int i = 0; i < 2; i++) {
        tok_id id = i ? s->eos : s->bos;
        if (!(i ? s->add_eos : s->add_bos) || (i && s->add_bos && s->bos == s->eos)) continue;
        if (i && s->add_bos) buf_add_str(out, ", ");
        buf_add_json(out, vocab_text(v, id));
        buf_add_str(out, ": {\"id\": ");
        buf_add_json(out, vocab_text(v, id));
        buf_printf(out, ", \"ids\": [%d], \"tokens\": [", (int)id);
        buf_add_json(out, vocab_text(v, id));
        buf_add_str(out, "]}");
    }
    buf_add_str(out, "}},\n");
}

int vocab_to_tokenizer_json(const struct vocab *v, struct buf *out, struct err *e)
{
    if (vocab_kind(v) != VOCAB_BPE)
        return err_set(
            e, ERR_UNSUPPORTED,
            "tokenizer.json is written for byte-level BPE only, not for SentencePiece");
    buf_add_str(out,
                "{\n \"version\": \"1.0\",\n \"truncation\": null,\n \"padding\": null,\n");
    write_added(v, out);
    buf_add_str(out, " \"normalizer\": null,\n \"pre_tokenizer\": ");
    if (hf_pretok_write(vocab_pretok(v), out, e)) return -1;
    buf_add_str(out, ",\n");
    write_post(v, out);
    buf_add_str(out, " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                     "\"trim_offsets\": true, \"use_regex\": true},\n");
    write_model(v, out);
    buf_add_str(out, "}\n");
    return buf_ok(out, "tokenizer.json", e);
}

int vocab_to_tokenizer_config(const struct vocab *v, struct span chat_template, struct buf *out,
                              struct err *e)
{
    const struct vocab_special *s = vocab_special(v);
    const struct {
        const char *key;
        tok_id id;
    } role[] = {{"bos_token", s->bos},
                {"eos_token", s->eos},
                {"pad_token", s->pad},
                {"unk_token", s->unk}};
    buf_printf(
        out,
        "{\n \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n \"add_bos_token\": %s,\n"
        " \"add_eos_token\": %s,\n \"clean_up_tokenization_spaces\": false",
        json_bool(s->add_bos), json_bool(s->add_eos));
    for (size_t i = 0; i < countof(role); i++) {
        if (role[i].id == TOK_NONE) continue;
        buf_printf(out, ",\n \"%s\": ", role[i].key);
        buf_add_json(out, vocab_text(v, role[i].id));
    }
    if (chat_template.n) {
        buf_add_str(out, ",\n \"chat_template\": ");
        buf_add_json(out, chat_template);
    }
    buf_add_str(out, "\n}\n");
    return buf_ok(out, "tokenizer_config.json", e);
}
