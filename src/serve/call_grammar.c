#include "serve/call_grammar.h"

#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/schema.h"
#include "text/marks.h"

enum { TEXT_MAX = 4 << 20 };

struct writer {
    const struct vocab *v;
    const struct ask *k;
    struct buf out;
    struct err *e;
};

static void literal(struct writer *w, struct span s)
{
    buf_add_char(&w->out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            buf_add_str(&w->out, "\\n");
            continue;
        }
        if (s.p[i] == '"' || s.p[i] == '\\') buf_add_char(&w->out, '\\');
        buf_add_char(&w->out, s.p[i]);
    }
    buf_add_str(&w->out, "\" ");
}

static void words(struct writer *w, const char *s)
{
    literal(w, span_of(s));
}

/* A special token where the vocabulary has the mark, else its characters. */
static bool is_token(const struct writer *w, const char *text)
{
    tok_id id = vocab_find(w->v, span_of(text));
    return id != TOK_NONE && vocab_tok_kind(w->v, id) != TOK_NORMAL;
}

static void mark(struct writer *w, const char *text)
{
    if (is_token(w, text))
        buf_printf(&w->out, "<[%d]> ", (int)vocab_find(w->v, span_of(text)));
    else
        words(w, text);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

/* Where a literal, class or count that begins at `at` is over; at itself for anything else. */
static size_t past_quoted(struct span g, size_t at)
{
    char close = g.p[at] == '"' ? '"' : g.p[at] == '[' ? ']' : g.p[at] == '{' ? '}' : 0;
    if (!close) return at;
    for (at++; at < g.n && g.p[at] != close; at++)
        if (g.p[at] == '\\') at++;
    return at < g.n ? at + 1 : g.n;
}

/* Adds the rules of a grammar under names of their own, so that several stand side by side. */
static void add_rules(struct writer *w, struct span g, size_t number)
{
    for (size_t at = 0; at < g.n;) {
        size_t to = past_quoted(g, at);
        if (to == at && is_name(g.p[at])) {
            buf_printf(&w->out, "t%zu-", number);
            while (to < g.n && is_name(g.p[to])) to++;
        }
        if (to == at) to++;
        buf_add(&w->out, g.p + at, to - at);
        at = to;
    }
}

static int arguments(struct writer *w, size_t number)
{
    const struct ask_tool *t = &w->k->tool[number];
    struct buf g;
    buf_init(&g, TEXT_MAX);
    int rc = schema_grammar(t->params, &g, w->e);
    if (rc && !t->strict) {
        buf_clear(&g);
        schema_any_object(&g);
        rc = 0;
    }
    if (rc == 0) rc = buf_ok(&g, "a tool's schema", w->e);
    if (rc)
        err_wrap(w->e, "tool %.*s", (int)t->name.n, t->name.p);
    else
        add_rules(w, buf_span(&g), number);
    buf_release(&g);
    return rc;
}

/* The names of a tool's parameters, for the form that writes each by itself. */
static void parameters(struct writer *w, size_t number)
{
    const struct ask_tool *t = &w->k->tool[number];
    json_t *schema = json_loadb(t->params.p, t->params.n, 0, NULL);
    const char *name;
    json_t *value;
    bool any = false;
    buf_printf(&w->out, "p%zu ::= ", number);
    json_object_foreach(json_object_get(schema, "properties"), name, value)
    {
        if (any) buf_add_str(&w->out, "| ");
        words(w, name);
        any = true;
    }
    if (!any) buf_add_str(&w->out, "[A-Za-z0-9_.-]+");
    buf_add_char(&w->out, '\n');
    json_decref(schema);
}

/* ---- forms ----------------------------------------------------------------------------------- */

/* One call of tool i, without what all calls have in common; what it refers to is added later. */
static void one_call(struct writer *w, enum tool_style style, size_t i)
{
    struct span name = w->k->tool[i].name;
    switch (style) {
    case TOOLS_NONE: break;
    case TOOLS_V3:
        mark(w, MARK_CALL);
        words(w, "function");
        mark(w, MARK_TOOL_SEP);
        literal(w, name);
        words(w, "\n```json\n");
        buf_printf(&w->out, "t%zu-root ", i);
        words(w, "\n```");
        mark(w, MARK_CALL_END);
        break;
    case TOOLS_V31:
        mark(w, MARK_CALL);
        literal(w, name);
        mark(w, MARK_TOOL_SEP);
        buf_printf(&w->out, "t%zu-root ", i);
        mark(w, MARK_CALL_END);
        break;
    case TOOLS_DSML:
    case TOOLS_DSML_V4:
        words(w, "<");
        mark(w, MARK_DSML);
        words(w, "invoke name=\"");
        literal(w, name);
        words(w, "\">\n");
        buf_add_str(&w->out, "(");
        words(w, "<");
        mark(w, MARK_DSML);
        words(w, "parameter name=\"");
        buf_printf(&w->out, "p%zu ", i);
        words(w, "\" string=\"");
        buf_add_str(&w->out, "(\"true\" | \"false\") ");
        words(w, "\">");
        buf_add_str(&w->out, ".* ");
        words(w, "</");
        mark(w, MARK_DSML);
        words(w, "parameter>\n");
        buf_add_str(&w->out, ")* ");
        words(w, "</");
        mark(w, MARK_DSML);
        words(w, "invoke>\n");
        break;
    case TOOLS_QWEN:
        mark(w, MARK_QWEN_CALL);
        words(w, "\n{\"name\": \"");
        literal(w, name);
        words(w, "\", \"arguments\": ");
        buf_printf(&w->out, "t%zu-root ", i);
        words(w, "}\n");
        mark(w, MARK_QWEN_END);
        break;
    case TOOLS_LLAMA3:
        words(w, "{\"name\": \"");
        literal(w, name);
        words(w, "\", \"parameters\": ");
        buf_printf(&w->out, "t%zu-root ", i);
        words(w, "}");
        break;
    }
}

static const char *first_mark(enum tool_style style)
{
    switch (style) {
    case TOOLS_V3:
    case TOOLS_V31: return MARK_CALLS;
    case TOOLS_DSML:
    case TOOLS_DSML_V4: return MARK_DSML;
    case TOOLS_QWEN: return MARK_QWEN_CALL;
    case TOOLS_NONE:
    case TOOLS_LLAMA3: break;
    }
    return NULL;
}

static void block(struct writer *w, enum tool_style style)
{
    bool many = w->k->parallel && style != TOOLS_LLAMA3;
    bool dsml = style == TOOLS_DSML || style == TOOLS_DSML_V4;
    const char *name = style == TOOLS_DSML ? "function_calls>" : "tool_calls>";
    if (style == TOOLS_V3 || style == TOOLS_V31) mark(w, MARK_CALLS);
    if (dsml) {
        words(w, "<");
        mark(w, MARK_DSML);
        words(w, name);
        words(w, "\n");
    }
    buf_add_str(&w->out, "call ");
    if (many) {
        buf_add_str(&w->out, "(");
        if (style == TOOLS_V3 || style == TOOLS_QWEN) words(w, "\n");
        buf_add_str(&w->out, "call)* ");
    }
    if (style == TOOLS_V3 || style == TOOLS_V31) mark(w, MARK_CALLS_END);
    if (dsml) {
        words(w, "</");
        mark(w, MARK_DSML);
        words(w, name);
    }
}

/* ---- when ------------------------------------------------------------------------------------ */

static bool may_be_called(const struct ask *k, size_t i)
{
    return k->choice != CHOICE_NAMED || span_eq(k->tool[i].name, k->choice_name);
}

static int write_grammar(struct writer *w, enum tool_style style, bool forced)
{
    bool dsml = style == TOOLS_DSML || style == TOOLS_DSML_V4, any = false;
    buf_add_str(&w->out, forced ? "root ::= " : "root ::= .* (");
    block(w, style);
    buf_add_str(&w->out, forced ? "\ncall ::= " : ")?\ncall ::= ");
    for (size_t i = 0; i < w->k->n_tool; i++) {
        if (!may_be_called(w->k, i)) continue;
        if (any) buf_add_str(&w->out, "| ");
        one_call(w, style, i);
        any = true;
    }
    buf_add_char(&w->out, '\n');
    for (size_t i = 0; i < w->k->n_tool; i++) {
        if (!may_be_called(w->k, i)) continue;
        if (dsml)
            parameters(w, i);
        else if (arguments(w, i))
            return -1;
    }
    return buf_ok(&w->out, "the tools' grammar", w->e);
}

int call_grammar(const struct vocab *v, enum tool_style style, struct ask *k, struct err *e)
{
    bool forced = k->choice == CHOICE_REQUIRED || k->choice == CHOICE_NAMED, strict = false;
    for (size_t i = 0; i < k->n_tool; i++) strict |= k->tool[i].strict;
    if (k->choice == CHOICE_NONE || k->n_tool == 0 || k->msg[k->n_msg - 1].prefix) return 0;
    if (!forced && (!strict || k->constraint != GEN_FREE)) return 0;
    if (style == TOOLS_NONE)
        return err_set(e, ERR_UNSUPPORTED, "this model's template has no form for tool calls");
    struct writer w = {.v = v, .k = k, .e = e};
    /* Calls that only may come are told from text by a token that text cannot hold. */
    bool apart = first_mark(style) && is_token(&w, first_mark(style));
    buf_init(&w.out, TEXT_MAX);
    int rc = write_grammar(&w, style, forced);
    if (rc == 0 && (forced || apart)) {
        char *p = arena_strndup(&k->arena, w.out.data, w.out.len);
        if (!p) rc = err_oom(e, "the tools' grammar", w.out.len);
        k->schema = (struct span){p, w.out.len};
        k->constraint = GEN_GRAMMAR;
    }
    buf_release(&w.out);
    return rc;
}
