/* api_messages.c - POST /v1/messages: the Anthropic body into an ask.
 *
 * A user message with tool results becomes tool messages, then the rest of its text. A leading
 * system block that begins with x-anthropic-billing-header: is left out: it changes with every
 * request and would empty the prefix cache. */
#include <stdio.h>

#include "base/mem.h"
#include "serve/emit.h"
#include "serve/generate.h"
#include "serve/msgs.h"
#include "serve/router.h"
#include "serve/serve_int.h"

struct list { /* messages being built: a body message may become several */
    struct ask_msg *m;
    size_t n, size;
};

static struct ask_msg *push(struct ask *k, struct list *l, enum ask_role role,
                            struct api_err *a)
{
    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 16;
        struct ask_msg *m = ask_alloc(k, size * sizeof *m, a);
        if (!m) return NULL;
        if (l->n) memcpy(m, l->m, l->n * sizeof *m);
        l->m = m;
        l->size = size;
    }
    l->m[l->n] = (struct ask_msg){.role = role, .text = {"", 0}};
    return &l->m[l->n++];
}

static struct span text_of(const json_t *o, const char *key)
{
    const json_t *v = member(o, key);
    return json_is_string(v) ? json_span(v) : (struct span){"", 0};
}

static int join(struct ask *k, struct span *to, struct span more, const char *between,
                struct api_err *a)
{
    if (to->n == 0) {
        *to = more;
        return 0;
    }
    size_t nb = strlen(between), n = to->n + nb + more.n;
    char *p = ask_alloc(k, n + 1, a);
    if (!p) return -1;
    memcpy(p, to->p, to->n);
    memcpy(p + to->n, between, nb);
    if (more.n) memcpy(p + to->n + nb, more.p, more.n);
    *to = (struct span){p, n};
    return 0;
}

static int unsupported(struct span type, const char *path, struct api_err *a)
{
    char at[160];
    snprintf(at, sizeof at, "%.140s.type", path);
    return api_fail(a, 400, NULL, at,
                    "%s is '%.*s'; this is a text model, only text is possible", at,
                    (int)(type.n < 40 ? type.n : 40), type.p);
}

static int tool_result(struct ask *k, struct list *l, const json_t *b, const char *path,
                       struct api_err *a)
{
    struct span text;
    char at[160];
    snprintf(at, sizeof at, "%.140s.content", path);
    if (msg_content(k, member(b, "content"), at, &text, a)) return -1;
    struct ask_msg *m = push(k, l, ROLE_TOOL, a);
    if (!m) return -1;
    m->tool_id = text_of(b, "tool_use_id");
    if (json_is_true(member(b, "is_error"))) m->text = span_of("Error:");
    return m->text.n ? join(k, &m->text, text, " ", a) : (m->text = text, 0);
}

static int tool_use(struct ask *k, struct ask_msg *m, const json_t *b, size_t most,
                    struct api_err *a)
{
    if (!m->call) m->call = ask_alloc(k, most * sizeof *m->call, a);
    if (!m->call) return -1;
    struct ask_call *call = &m->call[m->n_call++];
    *call = (struct ask_call){
        .id = text_of(b, "id"), .name = text_of(b, "name"), .args = span_of("{}")};
    const json_t *input = member(b, "input");
    /* What a cut-off call was told as (emit_messages.c) goes back as the text it was. */
    const json_t *raw = input ? member(input, "raw_arguments") : NULL;
    if (json_is_string(raw) && json_object_size(input) == 1) {
        call->args = json_span(raw);
        return 0;
    }
    return input ? ask_dump(k, input, &call->args, a) : 0;
}

/* The blocks of one message. */
static int read_blocks(struct ask *k, struct list *l, enum ask_role role, const json_t *blocks,
                       const char *path, struct api_err *a)
{
    size_t n = json_array_size(blocks), own = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const json_t *b = json_array_get(blocks, i);
        char at[128];
        snprintf(at, sizeof at, "%.80s.content[%zu]", path, i);
        if (!json_is_object(b))
            return api_fail(a, 400, NULL, at, "%s is %s; an object is needed", at,
                            json_kind(b));
        struct span type = text_of(b, "type");
        if (span_is(type, "tool_result")) {
            if (tool_result(k, l, b, at, a)) return -1;
            own = SIZE_MAX; /* text after a result is a message of its own */
            continue;
        }
        if (span_is(type, "image") || span_is(type, "document") ||
            span_is(type, "search_result"))
            return unsupported(type, at, a);
        bool text = span_is(type, "text"), thinking = span_is(type, "thinking");
        bool use = span_is(type, "tool_use");
        if (!text && !thinking && !use)
            continue; /* redacted thinking, blocks of server tools */
        if (own == SIZE_MAX) {
            if (!push(k, l, role, a)) return -1;
            own = l->n - 1;
        }
        struct ask_msg *m = &l->m[own];
        if (text && !json_is_string(member(b, "text")))
            return api_fail(a, 400, NULL, at, "%s.text is missing", at);
        if (text && join(k, &m->text, text_of(b, "text"), "", a)) return -1;
        if (thinking && join(k, &m->reasoning, text_of(b, "thinking"), "\n", a)) return -1;
        if (thinking) m->has_reasoning = true;
        if (use && tool_use(k, m, b, n, a)) return -1;
    }
    return 0;
}

static int read_system(struct ask *k, struct list *l, struct api_err *a)
{
    const json_t *v = k->b.system;
    struct span text = {"", 0};
    if (!v) return 0;
    if (json_is_string(v)) {
        text = json_span(v);
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            struct span s = text_of(json_array_get(v, i), "text");
            if (i == 0 && span_starts(s, "x-anthropic-billing-header:")) continue;
            if (join(k, &text, s, "\n\n", a)) return -1;
        }
    } else {
        return api_fail(a, 400, NULL, "system",
                        "system is %s; a string or an array of text blocks is needed",
                        json_kind(v));
    }
    if (!text.n) return 0;
    struct ask_msg *m = push(k, l, ROLE_SYSTEM, a);
    if (m) m->text = text;
    return m ? 0 : -1;
}

static int read_messages(struct ask *k, struct api_err *a)
{
    struct list l = {0};
    const json_t *list = k->b.messages;
    if (json_array_size(list) == 0)
        return api_fail(a, 400, NULL, "messages", "messages: at least one message is required");
    if (read_system(k, &l, a)) return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        char path[48];
        snprintf(path, sizeof path, "messages[%zu]", i);
        struct span role = json_is_object(o) ? text_of(o, "role") : (struct span){"", 0};
        enum ask_role to = span_is(role, "assistant") ? ROLE_ASSISTANT
                           : span_is(role, "system")  ? ROLE_SYSTEM
                                                      : ROLE_USER;
        if (to == ROLE_USER && !span_is(role, "user"))
            return api_fail(a, 400, NULL, path, "%s.role must be user, assistant or system",
                            path);
        const json_t *content = member(o, "content");
        if (json_is_array(content)) {
            if (read_blocks(k, &l, to, content, path, a)) return -1;
            continue;
        }
        if (!json_is_string(content))
            return api_fail(a, 400, NULL, path,
                            "%s.content is %s; a string or an array of blocks is needed", path,
                            content ? json_kind(content) : "missing");
        struct ask_msg *m = push(k, &l, to, a);
        if (!m) return -1;
        m->text = json_span(content);
    }
    k->msg = l.m;
    k->n_msg = l.n;
    if (l.n == 0) return api_fail(a, 400, NULL, "messages", "messages hold no content");
    struct ask_msg *last = &k->msg[k->n_msg - 1];
    /* In this format a last assistant message is a text to be continued. */
    if (last->role == ROLE_ASSISTANT && !last->n_call) last->prefix = true;
    return 0;
}

static int read_tools(struct ask *k, struct api_err *a)
{
    const json_t *list = k->b.tools, *choice = k->b.tool_choice;
    for (size_t i = 0; list && i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        char path[32];
        snprintf(path, sizeof path, "tools[%zu]", i);
        if (!json_is_object(t))
            return api_fail(a, 400, NULL, path, "%s is not an object", path);
        const json_t *type = member(t, "type");
        if (json_is_string(type) && !span_is(json_span(type), "custom")) continue;
        if (tool_add(k, text_of(t, "name"), text_of(t, "description"),
                     member(t, "input_schema"), false, path, a))
            return -1;
    }
    k->choice = k->n_tool ? CHOICE_AUTO : CHOICE_NONE;
    k->parallel = true;
    if (!choice) return 0;
    struct span type = text_of(choice, "type");
    k->parallel = !json_is_true(member(choice, "disable_parallel_tool_use"));
    if (span_is(type, "any")) k->choice = CHOICE_REQUIRED;
    if (span_is(type, "none")) k->choice = CHOICE_NONE;
    if (span_is(type, "tool")) {
        k->choice = CHOICE_NAMED;
        k->choice_name = text_of(choice, "name");
    }
    return choice_check(k, "tool_choice", a);
}

static int read_rest(struct serve *s, struct ask *k, bool counting, struct api_err *a)
{
    const json_t *format = k->b.output_config ? member(k->b.output_config, "format") : NULL;
    if (counting ? ask_thinking(k, &s->limits, a) : ask_common(k, &s->limits, true, a))
        return -1;
    if (k->b.metadata && member(k->b.metadata, "user_id")) {
        k->user_id = text_of(k->b.metadata, "user_id");
        if (k->user_id.n > 512) k->user_id.n = 512;
    }
    if (json_is_object(format) && span_is(text_of(format, "type"), "json_schema"))
        return ask_constrain(k, member(format, "schema"), true, "output_config.format.schema",
                             a);
    return 0;
}

static int read_all(struct serve *s, struct http_req *r, const struct caller *c, struct ask *k,
                    bool counting, struct api_err *a)
{
    k->key_id = c->key.id;
    return ask_read(k, http_body(r), counting ? &body_count_tokens : &body_messages, a) ||
                   ask_model(k, s, c, true, a) || read_rest(s, k, counting, a) ||
                   read_messages(k, a) || read_tools(k, a)
               ? -1
               : 0;
}

void api_messages(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_sink sink;
    char id[48];
    struct gen_input *in = mem_calloc(1, sizeof *in);
    struct ask *k = ask_create(&a);
    gen_new_id("msg_", id);
    if (!k || !in || read_all(s, r, c, k, false, &a) || chat_render_input(s, k, in, NULL, &a) ||
        emit_messages(&sink, s, k, id, (int64_t)in->prompt.n, &a)) {
        if (in) gen_input_free(in, 1);
        ask_free(k);
        api_err_reply(r, &a, STYLE_ANTHROPIC);
        return;
    }
    gen_run(s, r, k, in, 1, &sink, id, c->route->name);
}

void api_messages_count(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct gen_input in = {0};
    struct buf b;
    struct ask *k = ask_create(&a);
    if (!k || read_all(s, r, c, k, true, &a) || chat_render_input(s, k, &in, NULL, &a)) {
        api_err_reply(r, &a, STYLE_ANTHROPIC);
    } else {
        buf_init(&b, 256);
        buf_printf(&b, "{\"input_tokens\":%zu}", in.prompt.n);
        reply_json(r, 200, &b);
    }
    tok_list_release(&in.prompt);
    ask_free(k);
}
