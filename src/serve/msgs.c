#include "serve/msgs.h"

#include <stdio.h>

#include "base/log.h"
#include "serve/api_err.h"
#include "serve/serve_int.h"

int ask_model(struct ask *k, struct serve *s, const struct caller *c, bool any,
              struct api_err *a)
{
    struct span name = k->b.model;
    k->model = model_find(&s->models, name);
    if (!k->model && any && s->models.n) k->model = &s->models.slot[0];
    if (!k->model)
        return api_fail(a, 404, "model_not_found", "model",
                        "the model '%.*s' is not served here; see /v1/models",
                        (int)(name.n < 100 ? name.n : 100), name.p);
    if (c->has_key && !key_may_use(&c->key, span_of(k->model->id)))
        return api_fail(a, 403, NULL, "model", "this key may not use the model '%s'",
                        k->model->id);
    return model_engine(k->model, a) ? 0 : -1;
}

/* ---- content --------------------------------------------------------------------------------- */

static bool is_text_part(struct span type)
{
    return span_is(type, "text") || span_is(type, "input_text") ||
           span_is(type, "output_text") || span_is(type, "refusal");
}

static int part_text(const json_t *part, const char *path, struct span *out, struct api_err *a)
{
    char at[192];
    if (json_is_string(part)) {
        *out = json_span(part);
        return 0;
    }
    if (!json_is_object(part))
        return api_fail(a, 400, "invalid_type", path, "%s is %s; an object is needed", path,
                        json_kind(part));
    const json_t *type = member(part, "type"), *text = member(part, "text");
    struct span t = json_is_string(type) ? json_span(type) : span_of("text");
    if (!text) text = member(part, "refusal");
    if (!is_text_part(t)) {
        snprintf(at, sizeof at, "%.170s.type", path);
        return api_fail(a, 400, "unsupported_content", at,
                        "%s is '%.*s'; this is a text model, only text parts are possible", at,
                        (int)(t.n < 40 ? t.n : 40), t.p);
    }
    snprintf(at, sizeof at, "%.170s.text", path);
    if (!json_is_string(text))
        return api_fail(a, 400, "invalid_type", at, "%s is %s; a string is needed", at,
                        text ? json_kind(text) : "missing");
    *out = json_span(text);
    return 0;
}

int msg_content(struct ask *k, const json_t *v, const char *path, struct span *out,
                struct api_err *a)
{
    *out = (struct span){"", 0};
    if (!v || json_is_null(v)) return 0;
    if (json_is_string(v)) {
        *out = json_span(v);
        return 0;
    }
    if (!json_is_array(v))
        return api_fail(a, 400, "invalid_type", path,
                        "%s is %s; a string or an array of text parts is needed", path,
                        json_kind(v));
    size_t n = json_array_size(v), bytes = 0;
    struct span *part = ask_alloc(k, (n ? n : 1) * sizeof *part, a);
    if (!part) return -1;
    for (size_t i = 0; i < n; i++) {
        char at[160];
        snprintf(at, sizeof at, "%.130s[%zu]", path, i);
        if (part_text(json_array_get(v, i), at, &part[i], a)) return -1;
        bytes += part[i].n;
    }
    if (n == 1) {
        *out = part[0];
        return 0;
    }
    char *p = ask_alloc(k, bytes + 1, a);
    if (!p) return -1;
    *out = (struct span){p, bytes};
    for (size_t i = 0; i < n; i++) {
        if (part[i].n) memcpy(p, part[i].p, part[i].n);
        p += part[i].n;
    }
    return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int opt_text(const json_t *o, const char *key, const char *path, struct span *out,
                    struct api_err *a)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%.120s.", path);
    const struct field f = {key, FT_STR, FP_HONOUR, 0, 0, false, false, 0, ""};
    return field_read(&f, 1, o, prefix, out, a);
}

static int read_calls(struct ask *k, const json_t *calls, struct ask_msg *m, const char *path,
                      struct api_err *a)
{
    if (!json_is_array(calls))
        return api_fail(a, 400, "invalid_type", path, "%s.tool_calls is %s; an array is needed",
                        path, json_kind(calls));
    m->n_call = json_array_size(calls);
    m->call = ask_alloc(k, m->n_call * sizeof *m->call, a);
    if (!m->call) return -1;
    for (size_t i = 0; i < m->n_call; i++) {
        const json_t *c = json_array_get(calls, i),
                     *fn = json_is_object(c) ? member(c, "function") : NULL;
        char at[128];
        snprintf(at, sizeof at, "%.80s.tool_calls[%zu]", path, i);
        if (!json_is_object(fn))
            return api_fail(a, 400, "invalid_type", at, "%s needs an object called function",
                            at);
        if (opt_text(c, "id", at, &m->call[i].id, a) ||
            opt_text(fn, "name", at, &m->call[i].name, a))
            return -1;
        const json_t *args = member(fn, "arguments");
        /* Arguments that are not valid JSON pass as the text they are: one truncated call must
         * not kill the conversation. Some clients send an object instead of a string. */
        if (json_is_string(args))
            m->call[i].args = json_span(args);
        else if (args && ask_dump(k, args, &m->call[i].args, a))
            return -1;
    }
    return 0;
}

static int role_of(struct span s, enum ask_role *role)
{
    static const struct {
        const char *name;
        enum ask_role role;
    } names[] = {{"system", ROLE_SYSTEM}, {"developer", ROLE_SYSTEM},
                 {"user", ROLE_USER},     {"assistant", ROLE_ASSISTANT},
                 {"tool", ROLE_TOOL},     {"function", ROLE_TOOL}};
    for (size_t i = 0; i < countof(names); i++) {
        if (!span_is(s, names[i].name)) continue;
        *role = names[i].role;
        return 0;
    }
    return -1;
}

static int read_message(struct ask *k, const json_t *o, const char *path, struct ask_msg *m,
                        struct api_err *a)
{
    struct span role = {0};
    char at[96];
    if (!json_is_object(o))
        return api_fail(a, 400, "invalid_type", path, "%s is %s; an object is needed", path,
                        json_kind(o));
    if (opt_text(o, "role", path, &role, a)) return -1;
    snprintf(at, sizeof at, "%.80s.role", path);
    if (!role.p || role_of(role, &m->role))
        return api_fail(a, 400, "invalid_parameter", at,
                        "%s is '%.*s'; system, developer, user, assistant or tool are known",
                        at, (int)(role.n < 40 ? role.n : 40), role.p ? role.p : "");
    const json_t *content = member(o, "content"), *calls = member(o, "tool_calls");
    if (json_is_array(calls) && json_array_size(calls) == 0) calls = NULL;
    snprintf(at, sizeof at, "%.80s.content", path);
    if (!content && m->role != ROLE_ASSISTANT)
        return api_fail(a, 400, "missing_required_parameter", at, "%s is missing", at);
    if (msg_content(k, content, at, &m->text, a) || opt_text(o, "name", path, &m->name, a))
        return -1;
    if (m->role == ROLE_TOOL) return opt_text(o, "tool_call_id", path, &m->tool_id, a);
    if (m->role != ROLE_ASSISTANT) return 0;
    struct opt_bool prefix = {0};
    const struct field f = {"prefix", FT_BOOL, FP_HONOUR, 0, 0, false, false, 0, ""};
    if (opt_text(o, "reasoning_content", path, &m->reasoning, a) ||
        (!m->reasoning.p && opt_text(o, "reasoning", path, &m->reasoning, a)) ||
        field_read(&f, 1, o, path, &prefix, a))
        return -1;
    m->has_reasoning = m->reasoning.p != NULL;
    m->prefix = prefix.v;
    return calls ? read_calls(k, calls, m, path, a) : 0;
}

static bool call_known(const struct ask *k, size_t before, struct span id)
{
    for (size_t i = 0; i < before; i++)
        for (size_t j = 0; j < k->msg[i].n_call; j++)
            if (span_eq(k->msg[i].call[j].id, id)) return true;
    return false;
}

int msgs_read(struct ask *k, const json_t *messages, bool strict, struct api_err *a)
{
    k->n_msg = json_array_size(messages);
    if (k->n_msg == 0)
        return api_fail(a, 400, "invalid_parameter", "messages",
                        "messages is empty; at least one message is needed");
    k->msg = ask_alloc(k, k->n_msg * sizeof *k->msg, a);
    if (!k->msg) return -1;
    for (size_t i = 0; i < k->n_msg; i++) {
        struct ask_msg *m = &k->msg[i];
        char path[48];
        snprintf(path, sizeof path, "messages[%zu]", i);
        if (read_message(k, json_array_get(messages, i), path, m, a)) return -1;
        if (m->prefix && i + 1 < k->n_msg)
            return api_fail(a, 400, "invalid_parameter", path,
                            "%s.prefix: only the last message can be continued", path);
        if (m->role != ROLE_TOOL || !m->tool_id.n || call_known(k, i, m->tool_id)) continue;
        if (strict)
            return api_fail(a, 400, "invalid_parameter", path,
                            "%s.tool_call_id matches no earlier tool call", path);
        log_warn("chat", "%s.tool_call_id matches no earlier tool call", path);
    }
    struct ask_msg *last = &k->msg[k->n_msg - 1];
    if (k->b.continue_final_message.v && last->role == ROLE_ASSISTANT) last->prefix = true;
    return 0;
}

/* ---- tools ----------------------------------------------------------------------------------- */

static bool tool_name_ok(struct span s)
{
    if (s.n == 0 || s.n > 64) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

int tool_add(struct ask *k, struct span name, struct span description, const json_t *params,
             bool strict, const char *path, struct api_err *a)
{
    if (!tool_name_ok(name))
        return api_fail(a, 400, "invalid_parameter", path,
                        "%s.name '%.*s' is not 1 to 64 of A-Z a-z 0-9 _ -", path,
                        (int)(name.n < 80 ? name.n : 80), name.p ? name.p : "");
    if (params && !json_is_object(params))
        return api_fail(a, 400, "invalid_type", path,
                        "%s.parameters is %s; a JSON schema is an object", path,
                        json_kind(params));
    if (!k->tool) k->tool = ask_alloc(k, ASK_MAX_TOOLS * sizeof *k->tool, a);
    if (!k->tool) return -1;
    if (k->n_tool == ASK_MAX_TOOLS)
        return api_fail(a, 400, "invalid_parameter", "tools", "more than %d tools",
                        ASK_MAX_TOOLS);
    struct ask_tool *t = &k->tool[k->n_tool++];
    *t = (struct ask_tool){.name = name,
                           .description = description,
                           .params = span_of("{\"type\":\"object\",\"properties\":{}}"),
                           .strict = strict};
    return params ? ask_dump(k, params, &t->params, a) : 0;
}

static int read_tool(struct ask *k, const json_t *o, const char *path, bool strict,
                     struct api_err *a)
{
    struct span type = {0}, name = {0}, description = {0};
    struct opt_bool exact = {0};
    if (!json_is_object(o))
        return api_fail(a, 400, "invalid_type", path, "%s is %s; an object is needed", path,
                        json_kind(o));
    if (opt_text(o, "type", path, &type, a)) return -1;
    if (type.p && !span_is(type, "function")) {
        if (strict)
            return api_fail(a, 400, "invalid_parameter", path,
                            "%s.type is '%.*s'; only function is known", path,
                            (int)(type.n < 40 ? type.n : 40), type.p);
        log_info("chat", "%s: a tool of another type than function is left out", path);
        return 0;
    }
    const json_t *fn = member(o, "function");
    if (!json_is_object(fn))
        return api_fail(a, 400, "missing_required_parameter", path, "%s.function is missing",
                        path);
    const struct field f = {"strict", FT_BOOL, FP_HONOUR, 0, 0, false, false, 0, ""};
    if (opt_text(fn, "name", path, &name, a) ||
        opt_text(fn, "description", path, &description, a) ||
        field_read(&f, 1, fn, path, &exact, a))
        return -1;
    return tool_add(k, name, description, member(fn, "parameters"), exact.v, path, a);
}

int choice_check(const struct ask *k, const char *path, struct api_err *a)
{
    if (k->choice == CHOICE_REQUIRED && k->n_tool == 0)
        return api_fail(a, 400, "invalid_parameter", path,
                        "%s asks for a tool call, but there are no tools", path);
    if (k->choice != CHOICE_NAMED) return 0;
    for (size_t i = 0; i < k->n_tool; i++)
        if (span_eq(k->tool[i].name, k->choice_name)) return 0;
    return api_fail(a, 400, "invalid_parameter", path,
                    "%s names '%.*s', which is not among the tools", path,
                    (int)(k->choice_name.n < 64 ? k->choice_name.n : 64),
                    k->choice_name.p ? k->choice_name.p : "");
}

/* {"type":"allowed_tools"}: the tools stay in the prompt (the cache prefix), only the mode counts. */
static int read_allowed(struct ask *k, const json_t *v, struct api_err *a)
{
    const json_t *at = member(v, "allowed_tools");
    const json_t *mode = json_is_object(at) ? member(at, "mode") : member(v, "mode");
    k->choice = json_is_string(mode) && span_is(json_span(mode), "required") ? CHOICE_REQUIRED
                                                                             : CHOICE_AUTO;
    const json_t *list = json_is_object(at) ? member(at, "tools") : member(v, "tools");
    if (k->choice == CHOICE_REQUIRED && json_array_size(list) == 1) {
        const json_t *fn = member(json_array_get(list, 0), "function");
        const json_t *name = fn ? member(fn, "name") : member(json_array_get(list, 0), "name");
        if (json_is_string(name)) {
            k->choice = CHOICE_NAMED;
            k->choice_name = json_span(name);
        }
    }
    return choice_check(k, "tool_choice", a);
}

static int read_choice(struct ask *k, const json_t *v, const char *path, struct api_err *a)
{
    k->choice = k->n_tool ? CHOICE_AUTO : CHOICE_NONE;
    if (!v) return 0;
    if (json_is_string(v)) {
        struct span s = json_span(v);
        if (span_is(s, "none"))
            k->choice = CHOICE_NONE;
        else if (span_is(s, "auto"))
            k->choice = k->n_tool ? CHOICE_AUTO : CHOICE_NONE;
        else if (span_is(s, "required") || span_is(s, "any"))
            k->choice = CHOICE_REQUIRED;
        else
            return api_fail(a, 400, "invalid_parameter", path,
                            "%s is '%.*s'; none, auto, required or an object are known", path,
                            (int)(s.n < 40 ? s.n : 40), s.p);
        return choice_check(k, path, a);
    }
    if (!json_is_object(v))
        return api_fail(a, 400, "invalid_type", path,
                        "%s is %s; a string or an object is needed", path, json_kind(v));
    const json_t *type = member(v, "type"), *fn = member(v, "function");
    if (json_is_string(type) && span_is(json_span(type), "allowed_tools"))
        return read_allowed(k, v, a);
    const json_t *name = json_is_object(fn) ? member(fn, "name") : member(v, "name");
    if (!json_is_string(name))
        return api_fail(a, 400, "invalid_parameter", path, "%s.function.name is missing", path);
    k->choice = CHOICE_NAMED;
    k->choice_name = json_span(name);
    return choice_check(k, path, a);
}

int tools_read(struct ask *k, bool strict, struct api_err *a)
{
    const struct body *b = &k->b;
    for (size_t i = 0; b->tools && i < json_array_size(b->tools); i++) {
        char path[48];
        snprintf(path, sizeof path, "tools[%zu]", i);
        if (read_tool(k, json_array_get(b->tools, i), path, strict, a)) return -1;
    }
    for (size_t i = 0; b->functions && i < json_array_size(b->functions); i++) {
        const json_t *fn = json_array_get(b->functions, i);
        struct span name = {0}, description = {0};
        char path[48];
        snprintf(path, sizeof path, "functions[%zu]", i);
        if (!json_is_object(fn))
            return api_fail(a, 400, "invalid_type", path, "%s is not an object", path);
        if (opt_text(fn, "name", path, &name, a) ||
            opt_text(fn, "description", path, &description, a) ||
            tool_add(k, name, description, member(fn, "parameters"), false, path, a))
            return -1;
    }
    k->parallel = !b->parallel_tool_calls.set || b->parallel_tool_calls.v;
    const json_t *choice = b->tool_choice ? b->tool_choice : b->function_call;
    return read_choice(k, choice, b->tool_choice ? "tool_choice" : "function_call", a);
}
