/* api_chat.c - POST /chat/completions and what belongs to it: token counts, the rendered prompt,
 * the control of a running request. Formats and rules: docs/api.md. */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "serve/emit.h"
#include "serve/generate.h"
#include "serve/msgs.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

static int read_format(struct ask *k, struct api_err *a)
{
    const struct body *b = &k->b;
    if (b->grammar.p) {
        k->constraint = GEN_GRAMMAR;
        k->schema = b->grammar;
        return 0;
    }
    if (b->json_schema) return ask_constrain(k, b->json_schema, false, "json_schema", a);
    const json_t *rf = b->response_format;
    if (!rf) return 0;
    const json_t *type = member(rf, "type"), *js = member(rf, "json_schema");
    struct span t = json_is_string(type) ? json_span(type) : span_of("");
    if (span_is(t, "text")) return 0;
    if (span_is(t, "json_object"))
        return ask_constrain(k, member(rf, "schema"), false, "response_format.schema", a);
    if (!span_is(t, "json_schema"))
        return api_fail(
            a, 400, "invalid_parameter", "response_format.type",
            "response_format.type is '%.*s'; text, json_object or json_schema are known",
            (int)(t.n < 40 ? t.n : 40), t.p);
    const json_t *schema = json_is_object(js) ? member(js, "schema") : member(rf, "schema");
    if (!schema)
        return api_fail(a, 400, "missing_required_parameter",
                        "response_format.json_schema.schema",
                        "response_format.json_schema.schema is missing");
    return ask_constrain(k, schema, json_is_object(js) && json_is_true(member(js, "strict")),
                         "response_format.json_schema.schema", a);
}

/* Body to ask. */
static int read_chat(struct serve *s, struct http_req *r, const struct caller *c, struct ask *k,
                     struct api_err *a)
{
    return ask_read(k, http_body(r), &body_chat, a) || ask_model(k, s, c, false, a) ||
                   ask_common(k, &s->limits, true, a) ||
                   msgs_read(k, k->b.messages, s->o.strict, a) ||
                   tools_read(k, s->o.strict, a) || read_format(k, a)
               ? -1
               : 0;
}

int chat_render_input(struct serve *s, struct ask *k, struct gen_input *in, struct buf *text,
                      struct api_err *a)
{
    struct err e = {0};
    if (render_chat(k->model->render, k, s->replay, &in->prompt, text, &in->starts_inside,
                    &e) == 0)
        return 0;
    return api_from_err(a, &e);
}

void api_chat(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_sink sink;
    char id[48];
    struct gen_input *in = mem_calloc(1, sizeof *in);
    struct ask *k = ask_create(&a);
    gen_new_id("chatcmpl-", id);
    if (k) k->key_id = c->key.id;
    if (!k || !in || read_chat(s, r, c, k, &a) || chat_render_input(s, k, in, NULL, &a) ||
        emit_chat(&sink, s, k, id, in, &a)) {
        if (in) gen_input_free(in, 1);
        ask_free(k);
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    gen_run(s, r, k, in, 1, &sink, id, c->route->name);
}

/* Tokens of a chat body, with or without the text. */
static void count(struct serve *s, struct http_req *r, const struct caller *c, bool template)
{
    struct api_err a;
    struct gen_input in = {0};
    struct buf text, out;
    struct ask *k = ask_create(&a);
    buf_init(&text, 64 << 20);
    buf_init(&out, 256 << 20);
    if (k) k->key_id = c->key.id;
    if (!k || read_chat(s, r, c, k, &a) ||
        chat_render_input(s, k, &in, template ? &text : NULL, &a)) {
        api_err_reply(r, &a, STYLE_OPENAI);
        buf_release(&out);
    } else if (template) {
        buf_add_str(&out, "{\"prompt\":");
        buf_add_json(&out, buf_span(&text));
        if (json_is_true(member(k->root, "tokens")))
            emit_ids(&out, "tokens", in.prompt.id, in.prompt.n);
        buf_add_char(&out, '}');
        reply_json(r, 200, &out);
    } else {
        buf_printf(&out, "{\"object\":\"response.input_tokens\",\"input_tokens\":%zu}",
                   in.prompt.n);
        reply_json(r, 200, &out);
    }
    tok_list_release(&in.prompt);
    buf_release(&text);
    ask_free(k);
}

void api_chat_count(struct serve *s, struct http_req *r, const struct caller *c)
{
    count(s, r, c, false);
}

void api_apply_template(struct serve *s, struct http_req *r, const struct caller *c)
{
    count(s, r, c, true);
}

void api_control(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct buf out;
    json_t *j = body_parse(http_body(r), &a);
    const json_t *id = j ? member(j, "id") : NULL, *action = j ? member(j, "action") : NULL;
    struct span act = json_is_string(action) ? json_span(action) : span_of("");
    bool cancel = span_is(act, "cancel");
    if (!j) goto fail;
    if (!json_is_string(id)) {
        api_fail(&a, 400, "missing_required_parameter", "id",
                 "id is missing: the completion's id");
        goto fail;
    }
    if (!cancel && !span_is(act, "reasoning_end")) {
        api_fail(&a, 400, "invalid_parameter", "action",
                 "action must be reasoning_end or cancel");
        goto fail;
    }
    if (!gen_control(s, json_span(id), c->key.id, cancel)) {
        api_fail(&a, 404, NULL, "id", "no running request of this key has the id");
        goto fail;
    }
    buf_init(&out, 256);
    buf_add_str(&out, "{\"success\":true}");
    reply_json(r, 200, &out);
    json_decref(j);
    return;
fail:
    api_err_reply(r, &a, STYLE_OPENAI);
    json_decref(j);
}
