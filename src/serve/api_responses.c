/* api_responses.c - POST /v1/responses: items into messages. Stateless: everything the model
 * should know is in the request. Unknown items and tools are left out, not refused: agents send
 * many that only their home knows. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "serve/emit.h"
#include "serve/generate.h"
#include "serve/msgs.h"
#include "serve/router.h"
#include "serve/serve_int.h"

static struct span text_of(const json_t *o, const char *key)
{
    const json_t *v = member(o, key);
    return json_is_string(v) ? json_span(v) : (struct span){"", 0};
}

struct reading {
    struct ask *k;
    size_t n; /* messages so far; the array holds one per item and one for instructions */
    struct span reasoning;
    bool has_reasoning;
    struct api_err *a;
};

static struct ask_msg *push(struct reading *rd, enum ask_role role)
{
    struct ask_msg *m = &rd->k->msg[rd->n++];
    *m = (struct ask_msg){.role = role, .text = {"", 0}};
    if (role != ROLE_ASSISTANT) {
        rd->has_reasoning = false;
    } else if (rd->has_reasoning) {
        m->reasoning = rd->reasoning;
        m->has_reasoning = true;
        rd->has_reasoning = false;
    }
    return m;
}

static int read_message(struct reading *rd, const json_t *item, const char *path)
{
    struct span role = text_of(item, "role"), text;
    char at[64];
    enum ask_role to = span_is(role, "assistant") ? ROLE_ASSISTANT
                       : span_is(role, "user")    ? ROLE_USER
                                                  : ROLE_SYSTEM;
    if (to == ROLE_SYSTEM && !span_is(role, "system") && !span_is(role, "developer"))
        return api_fail(rd->a, 400, "invalid_parameter", path,
                        "%s.role must be user, assistant, system or developer", path);
    snprintf(at, sizeof at, "%.48s.content", path);
    if (msg_content(rd->k, member(item, "content"), at, &text, rd->a)) return -1;
    push(rd, to)->text = text;
    return 0;
}

/* Calls that follow each other, or an assistant message, form one turn. */
static int read_call(struct reading *rd, const json_t *item, bool custom, size_t most)
{
    struct ask *k = rd->k;
    struct ask_msg *m =
        rd->n && k->msg[rd->n - 1].role == ROLE_ASSISTANT ? &k->msg[rd->n - 1] : NULL;
    if (!m) m = push(rd, ROLE_ASSISTANT);
    if (!m->call) m->call = ask_alloc(k, most * sizeof *m->call, rd->a);
    if (!m->call) return -1;
    struct ask_call *c = &m->call[m->n_call++];
    *c = (struct ask_call){.id = text_of(item, "call_id"),
                           .name = text_of(item, "name"),
                           .args = text_of(item, "arguments")};
    if (!custom) return 0;
    json_t *o = json_pack("{s:O}", "input",
                          member(item, "input") ? member(item, "input") : json_null());
    int rc = o ? ask_dump(k, o, &c->args, rd->a) : -1;
    json_decref(o);
    return rc;
}

static int read_output(struct reading *rd, const json_t *item, const char *path)
{
    struct span text;
    char at[64];
    snprintf(at, sizeof at, "%.48s.output", path);
    if (msg_content(rd->k, member(item, "output"), at, &text, rd->a)) return -1;
    struct ask_msg *m = push(rd, ROLE_TOOL);
    m->tool_id = text_of(item, "call_id");
    m->text = text;
    return 0;
}

static void read_reasoning(struct reading *rd, const json_t *item)
{
    const json_t *parts = member(item, "content");
    if (!json_is_array(parts) || json_array_size(parts) == 0) parts = member(item, "summary");
    rd->reasoning =
        json_is_array(parts) ? text_of(json_array_get(parts, 0), "text") : (struct span){"", 0};
    rd->has_reasoning = rd->reasoning.n > 0;
}

static int read_item(struct reading *rd, const json_t *item, const char *path, size_t most)
{
    if (!json_is_object(item))
        return api_fail(rd->a, 400, "invalid_type", path, "%s is %s; an object is needed", path,
                        json_kind(item));
    struct span type = text_of(item, "type");
    if (type.n == 0 || span_is(type, "message")) return read_message(rd, item, path);
    if (span_is(type, "function_call")) return read_call(rd, item, false, most);
    if (span_is(type, "custom_tool_call")) return read_call(rd, item, true, most);
    if (span_is(type, "function_call_output") || span_is(type, "custom_tool_call_output"))
        return read_output(rd, item, path);
    if (span_is(type, "reasoning")) {
        read_reasoning(rd, item);
        return 0;
    }
    log_info("responses", "%s: an item of an unknown type is left out", path);
    return 0;
}

static int read_input(struct ask *k, struct api_err *a)
{
    const json_t *in = k->b.input;
    size_t n = json_is_array(in) ? json_array_size(in) : 1;
    struct reading rd = {.k = k, .a = a};
    k->msg = ask_alloc(k, (n + 1) * sizeof *k->msg, a);
    if (!k->msg) return -1;
    if (k->b.instructions.n) push(&rd, ROLE_SYSTEM)->text = k->b.instructions;
    if (json_is_string(in)) {
        push(&rd, ROLE_USER)->text = json_span(in);
    } else if (json_is_array(in)) {
        for (size_t i = 0; i < n; i++) {
            char path[32];
            snprintf(path, sizeof path, "input[%zu]", i);
            if (read_item(&rd, json_array_get(in, i), path, n)) return -1;
        }
    } else {
        return api_fail(a, 400, "invalid_type", "input",
                        "input is %s; a string or an array of items is needed", json_kind(in));
    }
    k->n_msg = rd.n;
    return rd.n ? 0 : api_fail(a, 400, "invalid_parameter", "input", "input holds no messages");
}

static int read_tools(struct ask *k, struct api_err *a)
{
    const json_t *list = k->b.tools, *choice = k->b.tool_choice;
    json_t *custom = json_pack("{s:s,s:{s:{s:s}},s:[s]}", "type", "object", "properties",
                               "input", "type", "string", "required", "input");
    int rc = 0;
    for (size_t i = 0; rc == 0 && list && i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        char path[32];
        snprintf(path, sizeof path, "tools[%zu]", i);
        struct span type = json_is_object(t) ? text_of(t, "type") : (struct span){"", 0};
        bool is_custom = span_is(type, "custom");
        if (!span_is(type, "function") && !is_custom) continue;
        rc = tool_add(k, text_of(t, "name"), text_of(t, "description"),
                      is_custom ? custom : member(t, "parameters"),
                      json_is_true(member(t, "strict")), path, a);
        if (rc == 0 && is_custom) k->tool[k->n_tool - 1].custom = true;
    }
    json_decref(custom);
    if (rc) return rc;
    k->choice = k->n_tool ? CHOICE_AUTO : CHOICE_NONE;
    k->parallel = !k->b.parallel_tool_calls.set || k->b.parallel_tool_calls.v;
    if (json_is_string(choice)) {
        if (span_is(json_span(choice), "none")) k->choice = CHOICE_NONE;
        if (span_is(json_span(choice), "required")) k->choice = CHOICE_REQUIRED;
    } else if (json_is_object(choice)) {
        k->choice = CHOICE_NAMED;
        k->choice_name = text_of(choice, "name");
    }
    return choice_check(k, "tool_choice", a);
}

static int read_format(struct ask *k, struct api_err *a)
{
    const json_t *f = k->b.text ? member(k->b.text, "format") : NULL;
    if (!json_is_object(f)) return 0;
    struct span type = text_of(f, "type");
    if (span_is(type, "json_object")) return ask_constrain(k, NULL, false, "text.format", a);
    if (span_is(type, "json_schema"))
        return ask_constrain(k, member(f, "schema"), json_is_true(member(f, "strict")),
                             "text.format.schema", a);
    return 0;
}

static int read_all(struct serve *s, struct http_req *r, const struct caller *c, struct ask *k,
                    struct api_err *a)
{
    k->key_id = c->key.id;
    return ask_read(k, http_body(r), &body_responses, a) || ask_model(k, s, c, false, a) ||
                   ask_common(k, &s->limits, true, a) || read_input(k, a) || read_tools(k, a) ||
                   read_format(k, a)
               ? -1
               : 0;
}

void api_responses(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_sink sink;
    char id[48];
    struct gen_input *in = mem_calloc(1, sizeof *in);
    struct ask *k = ask_create(&a);
    gen_new_id("resp_", id);
    if (!k || !in || read_all(s, r, c, k, &a) || chat_render_input(s, k, in, NULL, &a) ||
        emit_responses(&sink, s, k, id, &a)) {
        if (in) gen_input_free(in, 1);
        ask_free(k);
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    gen_run(s, r, k, in, 1, &sink, id, c->route->name);
}

void api_responses_count(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_input in = {0};
    struct buf b;
    struct ask *k = ask_create(&a);
    if (!k || read_all(s, r, c, k, &a) || chat_render_input(s, k, &in, NULL, &a)) {
        api_err_reply(r, &a, STYLE_OPENAI);
    } else {
        buf_init(&b, 256);
        buf_printf(&b, "{\"object\":\"response.input_tokens\",\"input_tokens\":%zu}",
                   in.prompt.n);
        reply_json(r, 200, &b);
    }
    tok_list_release(&in.prompt);
    ask_free(k);
}
