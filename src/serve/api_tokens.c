/* api_tokens.c - token utilities in both dialects that exist (api.md 20): llama.cpp's content and
 * vLLM's prompt; the answers hold the keys of both. */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "serve/emit.h"
#include "serve/generate.h"
#include "serve/msgs.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

/* The body and its model; the model may be left out. */
static json_t *open_body(struct serve *s, struct http_req *r, struct model_slot **m,
                         const struct vocab **v, struct api_err *a)
{
    json_t *j = body_parse(http_body(r), a);
    if (!j) return NULL;
    const json_t *name = member(j, "model");
    *m = json_is_string(name) ? model_find(&s->models, json_span(name))
         : s->models.n        ? &s->models.slot[0]
                              : NULL;
    const struct engine_iface *en = *m ? model_engine(*m, a) : NULL;
    if (!*m)
        api_fail(a, 404, "model_not_found", "model",
                 "no such model is served here; see /v1/models");
    if (en) {
        *v = en->vocab(en->self);
        return j;
    }
    json_decref(j);
    return NULL;
}

static int flag(const json_t *j, const char *name, bool *v, struct api_err *a)
{
    struct opt_bool b = {0};
    const struct field f = {name, FT_BOOL, FP_HONOUR, 0, 0, false, false, 0, ""};
    if (field_read(&f, 1, j, "", &b, a)) return -1;
    if (b.set) *v = b.v;
    return 0;
}

static void write_piece(struct span s, struct buf *out)
{
    if (utf8_valid_prefix(s.p, s.n) == s.n) {
        buf_add_json(out, s);
        return;
    }
    buf_add_char(out, '[');
    for (size_t i = 0; i < s.n; i++)
        buf_printf(out, "%s%u", i ? "," : "", (unsigned)(unsigned char)s.p[i]);
    buf_add_char(out, ']');
}

static void write_tokens(const struct vocab *v, const struct tok_list *l, bool pieces,
                         int64_t max_len, struct buf *out)
{
    buf_add_str(out, "{\"tokens\":[");
    for (size_t i = 0; i < l->n; i++) {
        if (i) buf_add_char(out, ',');
        if (!pieces) {
            buf_printf(out, "%d", (int)l->id[i]);
            continue;
        }
        buf_printf(out, "{\"id\":%d,\"piece\":", (int)l->id[i]);
        write_piece(vocab_bytes(v, l->id[i]), out);
        buf_add_char(out, '}');
    }
    buf_printf(out, "],\"count\":%zu,\"max_model_len\":%lld}", l->n, (long long)max_len);
}

/* {"messages":[...]}: the chat template's tokens. */
static int chat_tokens(struct serve *s, struct model_slot *m, json_t *j, int64_t key_id,
                       struct tok_list *out, struct api_err *a)
{
    struct gen_input in = {0};
    struct ask *k = ask_create(a);
    if (!k) return -1;
    k->root = json_incref(j);
    k->key_id = key_id;
    k->model = m;
    k->b.messages = member(j, "messages");
    const json_t *tools = member(j, "tools");
    if (json_is_array(tools)) k->b.tools = member(j, "tools");
    int rc = ask_thinking(k, &s->limits, a) || msgs_read(k, k->b.messages, false, a) ||
             tools_read(k, false, a) || chat_render_input(s, k, &in, NULL, a);
    *out = in.prompt;
    ask_free(k);
    return rc ? -1 : 0;
}

void api_tokenize(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct err e = {0};
    struct tok_list l = {0};
    struct buf out;
    struct model_slot *m;
    const struct vocab *v;
    bool special = true, around = false, pieces = false;
    buf_init(&out, 512 << 20);
    json_t *j = open_body(s, r, &m, &v, &a);
    if (!j) goto fail;
    const json_t *content = member(j, "content"), *prompt = member(j, "prompt");
    const json_t *text = content ? content : prompt;
    if (prompt && !content) around = true;
    if (flag(j, "add_special", &around, &a) || flag(j, "add_special_tokens", &around, &a) ||
        flag(j, "parse_special", &special, &a) || flag(j, "with_pieces", &pieces, &a) ||
        flag(j, "return_token_strs", &pieces, &a))
        goto fail;
    if (json_is_array(member(j, "messages"))) {
        if (chat_tokens(s, m, j, c->key.id, &l, &a)) goto fail;
    } else if (!json_is_string(text)) {
        api_fail(&a, 400, "missing_required_parameter", "content",
                 "content or prompt must be a string, or messages an array");
        goto fail;
    } else if (vocab_encode(v, json_span(text), special, around, &l, &e)) {
        api_from_err(&a, &e);
        goto fail;
    }
    write_tokens(v, &l, pieces, model_n_ctx(m), &out);
    reply_json(r, 200, &out);
    tok_list_release(&l);
    json_decref(j);
    return;
fail:
    buf_release(&out);
    tok_list_release(&l);
    json_decref(j);
    api_err_reply(r, &a, STYLE_OPENAI);
}

void api_detokenize(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct buf text, out;
    struct model_slot *m;
    const struct vocab *v;
    (void)c;
    buf_init(&text, 256 << 20);
    buf_init(&out, 512 << 20);
    json_t *j = open_body(s, r, &m, &v, &a);
    if (!j) goto fail;
    const json_t *tokens = member(j, "tokens");
    if (!json_is_array(tokens)) {
        api_fail(&a, 400, "missing_required_parameter", "tokens",
                 "tokens must be an array of token ids");
        goto fail;
    }
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *t = json_array_get(tokens, i);
        int64_t id = json_is_integer(t) ? json_integer_value(t) : -1;
        if (id < 0 || id >= (int64_t)vocab_size(v)) {
            char at[48];
            snprintf(at, sizeof at, "tokens[%zu]", i);
            api_fail(&a, 400, "invalid_parameter", at,
                     "%s is not a token id of this model (0 to %lld)", at,
                     (long long)vocab_size(v) - 1);
            goto fail;
        }
        const tok_id one = (tok_id)id;
        vocab_decode(v, &one, 1, true, &text);
    }
    buf_add_str(&out, "{\"content\":");
    buf_add_json(&out, buf_span(&text));
    buf_add_str(&out, ",\"prompt\":");
    buf_add_json(&out, buf_span(&text));
    buf_add_char(&out, '}');
    reply_json(r, 200, &out);
    buf_release(&text);
    json_decref(j);
    return;
fail:
    buf_release(&text);
    buf_release(&out);
    json_decref(j);
    api_err_reply(r, &a, STYLE_OPENAI);
}

static void special_token(const struct vocab *v, const char *name, tok_id id, struct buf *out)
{
    buf_printf(out, "\"%s\":", name);
    if (id == TOK_NONE)
        buf_add_str(out, "null");
    else
        buf_add_json(out, vocab_text(v, id));
    buf_add_char(out, ',');
}

void api_tokenizer_info(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct buf out;
    (void)c;
    struct span name = http_query(r, "model");
    struct model_slot *m = name.n        ? model_find(&s->models, name)
                           : s->models.n ? &s->models.slot[0]
                                         : NULL;
    const struct engine_iface *en = m ? model_engine(m, &a) : NULL;
    if (!en) {
        if (!m) api_fail(&a, 404, "model_not_found", "model", "no such model is served here");
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    const struct vocab *v = en->vocab(en->self);
    const struct vocab_special *sp = vocab_special(v);
    struct render *render = m->render;
    buf_init(&out, 1 << 20);
    buf_printf(&out, "{\"tokenizer_class\":\"%s\",",
               vocab_kind(v) == VOCAB_BPE ? "PreTrainedTokenizerFast" : "LlamaTokenizer");
    special_token(v, "bos_token", sp->bos, &out);
    special_token(v, "eos_token", sp->eos, &out);
    special_token(v, "pad_token", sp->pad != TOK_NONE ? sp->pad : sp->eos, &out);
    special_token(v, "unk_token", sp->unk, &out);
    buf_printf(
        &out, "\"vocab_size\":%zu,\"add_bos_token\":%s,\"add_eos_token\":%s,\"chat_template\":",
        vocab_size(v), sp->add_bos ? "true" : "false", sp->add_eos ? "true" : "false");
    buf_add_json(&out, span_of(render_jinja(render)));
    buf_add_str(&out, ",\"chat_template_name\":");
    buf_add_json(&out, span_of(render_template_name(render)));
    buf_add_char(&out, '}');
    reply_json(r, 200, &out);
}
