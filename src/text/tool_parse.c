/* tool_parse.c - one state machine over the pending text.
 *
 *   TEXT --opener--> BLOCK --call--> HEAD --> (FENCE) --> ARGS   --end--> BLOCK --closer--> TEXT
 *                      |                                                        ^
 *                      +---invoke--> HEAD --> PARAM <--> VALUE -----------------+      (DSML)
 *   TEXT --opener--> JSON --closing brace--> JSON_END --> TEXT                         (Qwen, Llama)
 *
 * Each state function looks at the pending text and either makes progress, consuming some of it,
 * or says that it needs more. `scan` is how far a search has come, so that text arriving in small
 * pieces is not searched again from the start.
 */
#include "text/tool_parse.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"
#include "text/json_text.h"
#include "text/marks.h"

enum { MAX_NAME = 1024 };

enum state {
    IN_TEXT,
    IN_BLOCK,
    IN_HEAD,
    IN_FENCE,
    IN_ARGS,
    IN_PARAM,
    IN_PARAM_HEAD,
    IN_STRING,
    IN_VALUE,
    IN_JSON,
    IN_JSON_END,
    IN_SKIP, /* behind a broken call */
    IN_REST  /* Llama: the answer is no call */
};

/* The reader of {"name": ..., "arguments": ...}; offsets are into the pending text. */
enum expect { KEY, COLON, VALUE, COMMA };

struct json_read {
    size_t depth, from, key, key_end; /* from: of the value being read; 0: none */
    enum expect expect;               /* at depth 1 */
    bool in_string, escaped, closed, broken;
    size_t name, name_end, args, args_end, args_sent;
};

struct tool_parser {
    enum tool_style style;
    tool_fn fn;
    void *ctx;
    enum state state;
    struct buf pend, tmp;
    size_t at, scan; /* consumed; searched */
    size_t n_call;
    bool open;  /* a call was announced and has not ended */
    bool fresh; /* the block was opened and has had no call yet */
    bool final;
    size_t n_param;
    struct json_read json;
};

struct words {
    const char *opener, *closer; /* of the block */
    const char *call, *call_end;
};

static const struct words words[] = {
    [TOOLS_NONE] = {0},
    [TOOLS_V3] = {MARK_CALLS, MARK_CALLS_END, MARK_CALL, MARK_CALL_END},
    [TOOLS_V31] = {MARK_CALLS, MARK_CALLS_END, MARK_CALL, MARK_CALL_END},
    [TOOLS_DSML] = {"<" MARK_DSML "function_calls>", "</" MARK_DSML "function_calls>",
                    "<" MARK_DSML "invoke name=\"", "</" MARK_DSML "invoke>"},
    [TOOLS_DSML_V4] = {"<" MARK_DSML "tool_calls>", "</" MARK_DSML "tool_calls>",
                       "<" MARK_DSML "invoke name=\"", "</" MARK_DSML "invoke>"},
    [TOOLS_QWEN] = {MARK_QWEN_CALL, MARK_QWEN_END, NULL, NULL},
    [TOOLS_LLAMA3] = {0},
};

static const char param[] = "<" MARK_DSML "parameter name=\"";
static const char param_end[] = "</" MARK_DSML "parameter>";

int tool_parser_create(struct tool_parser **out, enum tool_style style, tool_fn fn, void *ctx,
                       struct err *e)
{
    struct tool_parser *p = mem_calloc(1, sizeof *p);
    *out = p;
    if (!p) return err_oom(e, "tool parser", sizeof *p);
    p->style = style;
    p->fn = fn;
    p->ctx = ctx;
    buf_init(&p->pend, SIZE_MAX / 2);
    buf_init(&p->tmp, SIZE_MAX / 2);
    return 0;
}

void tool_parser_free(struct tool_parser *p)
{
    if (!p) return;
    buf_release(&p->pend);
    buf_release(&p->tmp);
    mem_free(p);
}

size_t tool_parser_calls(const struct tool_parser *p)
{
    return p->n_call;
}

/* ---- helpers ----------------------------------------------------------------------------- */

static struct span rest(const struct tool_parser *p)
{
    struct span all = buf_span(&p->pend);
    return (struct span){all.p + p->at, all.n - p->at};
}

static void consume(struct tool_parser *p, size_t n)
{
    p->at += n;
    p->scan = 0;
}

static void go(struct tool_parser *p, enum state s)
{
    p->state = s;
    p->scan = 0;
}

static void emit(struct tool_parser *p, enum tool_event_type type, struct span text,
                 bool complete)
{
    if (text.n == 0 && (type == TOOL_TEXT || type == TOOL_ARGS)) return;
    struct tool_event ev = {type, text, p->n_call - (p->n_call > 0), complete};
    p->fn(p->ctx, &ev);
}

static void emit_str(struct tool_parser *p, enum tool_event_type type, const char *s)
{
    emit(p, type, span_of(s), false);
}

static void begin_call(struct tool_parser *p, struct span name)
{
    p->n_call++;
    p->open = true;
    p->fresh = false;
    p->n_param = 0;
    emit(p, TOOL_CALL, name, false);
}

static void end_call(struct tool_parser *p, bool complete)
{
    if (p->open) emit(p, TOOL_END, (struct span){"", 0}, complete);
    p->open = false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.n && is_blank(s.p[0])) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* The text at `from` up to a tag; false when it is not here yet. */
static bool find(struct tool_parser *p, const char *tag, struct span *before)
{
    struct span r = rest(p);
    size_t n = strlen(tag), at = span_find(r, p->scan, (struct span){tag, n});
    if (at == (size_t)-1) {
        p->scan = r.n >= n ? r.n - n + 1 : 0;
        return false;
    }
    *before = (struct span){r.p, at};
    return true;
}

/* How much of the end of s may be the beginning of the tag. */
static size_t partial(struct span s, const char *tag)
{
    size_t n = strlen(tag);
    for (size_t k = size_min(s.n, n - 1); k > 0; k--)
        if (memcmp(s.p + s.n - k, tag, k) == 0) return k;
    return 0;
}

enum match { NO_MATCH, MATCH, MAYBE };

static enum match starts(const struct tool_parser *p, const char *tag)
{
    struct span r = rest(p);
    size_t n = strlen(tag), k = size_min(r.n, n);
    if (memcmp(r.p, tag, k) != 0) return NO_MATCH;
    return k == n ? MATCH : p->final ? NO_MATCH : MAYBE;
}

/* Blanks between the parts of a block mean nothing. False when nothing is left. */
static bool skip_blanks(struct tool_parser *p)
{
    struct span r = rest(p);
    size_t n = 0;
    while (n < r.n && is_blank(r.p[n])) n++;
    consume(p, n);
    return n < r.n;
}

/* ---- text -------------------------------------------------------------------------------- */

/* Up to two newlines in front of an opener belong to it. */
static size_t newlines_before(struct span s)
{
    size_t n = 0;
    while (n < 2 && n < s.n && s.p[s.n - 1 - n] == '\n') n++;
    return n;
}

static bool in_text(struct tool_parser *p)
{
    const char *opener = words[p->style].opener;
    struct span r = rest(p), before;
    if (!opener) {
        emit(p, TOOL_TEXT, r, false);
        consume(p, r.n);
        return false;
    }
    if (find(p, opener, &before)) {
        size_t used = before.n + strlen(opener);
        before.n -= newlines_before(before);
        emit(p, TOOL_TEXT, before, false);
        consume(p, used);
        p->json = (struct json_read){0};
        p->fresh = true;
        go(p, p->style == TOOLS_QWEN ? IN_JSON : IN_BLOCK);
        return true;
    }
    size_t keep = p->final ? 0 : partial(r, opener);
    if (!p->final) keep += newlines_before((struct span){r.p, r.n - keep});
    emit(p, TOOL_TEXT, (struct span){r.p, r.n - keep}, false);
    consume(p, r.n - keep);
    return false;
}

/* A block in which nothing was a call is text. */
static void release_opener(struct tool_parser *p)
{
    if (p->fresh) emit_str(p, TOOL_TEXT, words[p->style].opener);
    p->fresh = false;
}

static bool in_block(struct tool_parser *p)
{
    const struct words *w = &words[p->style];
    if (!skip_blanks(p)) return false;
    enum match call = starts(p, w->call), end = starts(p, w->closer);
    if (call == MAYBE || end == MAYBE) return false;
    if (call == MATCH) {
        consume(p, strlen(w->call));
        go(p, IN_HEAD);
    } else {
        if (end == NO_MATCH) release_opener(p);
        if (end == MATCH) consume(p, strlen(w->closer));
        go(p, IN_TEXT);
    }
    return true;
}

/* What began like a call is text after all. */
static bool not_a_call(struct tool_parser *p)
{
    release_opener(p);
    emit_str(p, TOOL_TEXT, words[p->style].call);
    go(p, IN_TEXT);
    return true;
}

/* ---- V3, V3.1 ---------------------------------------------------------------------------- */

/* The name in front of a tag. Without one it may still come, unless it is hopeless: too long, or the
 * end of the output. */
static bool name_before(struct tool_parser *p, const char *tag, struct span *name,
                        bool *hopeless)
{
    bool here = find(p, tag, name);
    *hopeless = here ? name->n > MAX_NAME : p->final || rest(p).n > MAX_NAME;
    return here && !*hopeless;
}

static bool in_head(struct tool_parser *p)
{
    bool dsml = p->style == TOOLS_DSML || p->style == TOOLS_DSML_V4, hopeless;
    const char *tag = dsml ? "\">" : MARK_TOOL_SEP;
    struct span name;
    if (!name_before(p, tag, &name, &hopeless)) return hopeless && not_a_call(p);
    if (span_find(name, 0, span_of(words[p->style].call_end)) != (size_t)-1)
        return not_a_call(p);
    size_t used = name.n + strlen(tag);
    if (p->style == TOOLS_V3) { /* that was the type; the name is the rest of the line */
        struct span r = rest(p);
        size_t end = span_find(r, used, span_of("\n"));
        hopeless = p->final || r.n - used > MAX_NAME;
        if (end == (size_t)-1) return hopeless && not_a_call(p);
        name = (struct span){r.p + used, end - used};
        used = end + 1;
    }
    begin_call(p, trim(name));
    consume(p, used);
    go(p, dsml ? IN_PARAM : p->style == TOOLS_V3 ? IN_FENCE : IN_ARGS);
    return true;
}

static bool in_fence(struct tool_parser *p)
{
    enum match m = starts(p, "```json\n");
    if (m == MAYBE || (rest(p).n == 0 && !p->final)) return false;
    if (m == MATCH) consume(p, strlen("```json\n"));
    go(p, IN_ARGS);
    return true;
}

/* The closing fence, or as much of it as there is: a newline and up to three backticks. */
static size_t fence_len(struct span s)
{
    size_t n = 0;
    while (n < 3 && n < s.n && s.p[s.n - 1 - n] == '`') n++;
    return n + (n < s.n && s.p[s.n - 1 - n] == '\n');
}

static bool in_args(struct tool_parser *p)
{
    bool fenced = p->style == TOOLS_V3;
    struct span r = rest(p), args;
    bool here = find(p, MARK_CALL_END, &args);
    if (here || p->final) {
        size_t used = here ? args.n + strlen(MARK_CALL_END) : r.n;
        if (!here) args = r;
        if (fenced) args.n -= fence_len(args);
        emit(p, TOOL_ARGS, args, false);
        end_call(p, here);
        consume(p, used);
        go(p, IN_BLOCK);
        return true;
    }
    size_t keep = partial(r, MARK_CALL_END);
    if (fenced) keep += fence_len((struct span){r.p, r.n - keep});
    emit(p, TOOL_ARGS, (struct span){r.p, r.n - keep}, false);
    consume(p, r.n - keep);
    return false;
}

/* ---- DSML -------------------------------------------------------------------------------- */

static bool in_param(struct tool_parser *p)
{
    if (!skip_blanks(p)) return false;
    enum match next = starts(p, param), end = starts(p, words[p->style].call_end);
    if (next == MAYBE || end == MAYBE) return false;
    if (next == MATCH) {
        consume(p, strlen(param));
        go(p, IN_PARAM_HEAD);
    } else if (end == MATCH) {
        emit_str(p, TOOL_ARGS, p->n_param ? "}" : "{}");
        end_call(p, true);
        consume(p, strlen(words[p->style].call_end));
        go(p, IN_BLOCK);
    } else {
        end_call(p, false);
        go(p, IN_TEXT);
    }
    return true;
}

/* K" string="true"> with the K" in front already open. */
static bool in_param_head(struct tool_parser *p)
{
    struct span head, attr = span_of("\" string=\"");
    bool hopeless;
    bool here = name_before(p, "\">", &head, &hopeless);
    if (!here && !hopeless) return false;
    if (!here || memchr(head.p, 0, head.n)) { /* JSON's keys have no zeros */
        end_call(p, false);
        go(p, IN_TEXT);
        return true;
    }
    size_t cut = span_find(head, 0, attr);
    bool is_string = cut == (size_t)-1 || head.p[cut + attr.n] != 'f';
    buf_clear(&p->tmp);
    buf_add_str(&p->tmp, p->n_param++ ? ", " : "{");
    json_text_quote((struct span){head.p, cut == (size_t)-1 ? head.n : cut}, &p->tmp);
    buf_add_str(&p->tmp, is_string ? ": \"" : ": ");
    emit(p, TOOL_ARGS, buf_span(&p->tmp), false);
    consume(p, head.n + 2);
    go(p, is_string ? IN_STRING : IN_VALUE);
    return true;
}

static void emit_escaped(struct tool_parser *p, struct span s)
{
    buf_clear(&p->tmp);
    json_text_quote(s, &p->tmp);
    if (p->tmp.len > 2)
        emit(p, TOOL_ARGS, (struct span){p->tmp.data + 1, p->tmp.len - 2}, false);
}

static bool in_string(struct tool_parser *p)
{
    struct span r = rest(p), value;
    if (find(p, param_end, &value)) {
        emit_escaped(p, value);
        emit_str(p, TOOL_ARGS, "\"");
        consume(p, value.n + strlen(param_end));
        go(p, IN_PARAM);
        return true;
    }
    size_t keep =
        p->final ? 0 : size_max(partial(r, param_end), utf8_incomplete_tail(r.p, r.n));
    emit_escaped(p, (struct span){r.p, r.n - keep});
    consume(p, r.n - keep);
    return false;
}

static bool in_value(struct tool_parser *p)
{
    struct span value;
    bool here = find(p, param_end, &value);
    if (!here && !p->final) {
        if (rest(p).n <= TOOL_MAX_BYTES) return false;
        end_call(p, false);
        go(p, IN_TEXT);
        return true;
    }
    if (!here) value = rest(p);
    size_t used = value.n + (here ? strlen(param_end) : 0);
    value = trim(value);
    if (!here || json_text_check(value)) {
        emit(p, TOOL_ARGS, value, false);
    } else { /* not JSON after all: then it is a string */
        buf_clear(&p->tmp);
        json_text_quote(value, &p->tmp);
        emit(p, TOOL_ARGS, buf_span(&p->tmp), false);
    }
    consume(p, used);
    go(p, IN_PARAM);
    return here;
}

/* ---- Qwen, Llama ------------------------------------------------------------------------- */

static bool is_args_key(struct span key)
{
    return span_is(key, "arguments") || span_is(key, "parameters");
}

static struct span key_of(const struct json_read *j, struct span r)
{
    return (struct span){r.p + j->key, j->key_end - j->key};
}

/* Of two members with the same key the first one counts. */
static void value_done(struct json_read *j, struct span r, size_t end)
{
    if (r.p[j->from] == '"' && !json_text_check((struct span){r.p + j->from, end - j->from})) {
        j->broken = true; /* an escape that is none */
        return;
    }
    if (span_is(key_of(j, r), "name") && r.p[j->from] == '"' && !j->name) {
        j->name = j->from;
        j->name_end = end;
    } else if (is_args_key(key_of(j, r)) && !j->args) {
        j->args = j->from;
        j->args_end = end;
    }
    j->from = 0;
    j->expect = COMMA;
}

/* A character between the members of the object. */
static void read_member(struct json_read *j, struct span r, size_t i)
{
    char c = r.p[i];
    bool ends = is_blank(c) || c == ',' || c == '}';
    if (j->from && ends) value_done(j, r, i); /* a number or a word */
    if (is_blank(c) || (j->from && !strchr("\"{}[]:<", c))) return;
    if (c == '"' && (j->expect == KEY || (j->expect == VALUE && !j->from))) {
        j->in_string = true;
        if (j->expect == KEY)
            j->key = i + 1;
        else
            j->from = i;
    } else if (c == ':' && j->expect == COLON) {
        j->expect = VALUE;
    } else if (c == ',' && j->expect == COMMA) {
        j->expect = KEY;
    } else if (c == '}' && (j->expect == COMMA || j->expect == KEY)) {
        j->closed = true;
    } else if (j->expect == VALUE && !j->from && !strchr("}]:,<", c)) {
        j->from = i;
        j->depth += c == '{' || c == '[';
    } else {
        j->broken = true;
    }
}

static void read_string(struct json_read *j, struct span r, size_t i)
{
    if (j->escaped) {
        j->escaped = false;
        return;
    }
    j->escaped = r.p[i] == '\\';
    if (r.p[i] != '"') return;
    j->in_string = false;
    if (j->depth > 1) return;
    if (j->expect == VALUE) {
        value_done(j, r, i + 1);
    } else {
        j->key_end = i;
        j->expect = COLON;
    }
}

static void read_char(struct json_read *j, struct span r, size_t i)
{
    char c = r.p[i];
    if (j->in_string) {
        read_string(j, r, i);
    } else if (j->depth == 0) {
        j->depth = c == '{';
        j->broken = c != '{' && !is_blank(c);
    } else if (j->depth == 1) {
        read_member(j, r, i);
    } else if (c == '"') {
        j->in_string = true;
    } else if (c == '{' || c == '[') {
        j->depth++;
    } else if (c == '}' || c == ']') {
        if (--j->depth == 1) value_done(j, r, i + 1);
    } else if (c == '<') { /* the end mark inside an open object */
        j->broken = true;
    }
}

/* The name as soon as it is known, then what is there of the arguments. */
static void report_json(struct tool_parser *p, struct span r)
{
    struct json_read *j = &p->json;
    if (!j->name) return;
    if (!p->open) {
        buf_clear(&p->tmp);
        json_text_unquote((struct span){r.p + j->name, j->name_end - j->name}, &p->tmp);
        begin_call(p, buf_span(&p->tmp));
    }
    bool reading = j->from && is_args_key(key_of(j, r));
    size_t from = j->args ? j->args : reading ? j->from : 0;
    if (!from) return;
    if (r.p[from] == '"') { /* the object as a string, when it is whole */
        if (!j->args || j->args_sent) return;
        buf_clear(&p->tmp);
        json_text_unquote((struct span){r.p + from, j->args_end - from}, &p->tmp);
        emit(p, TOOL_ARGS, buf_span(&p->tmp), false);
        j->args_sent = j->args_end;
        return;
    }
    size_t to = j->args ? j->args_end : p->scan;
    from = size_max(from, j->args_sent);
    if (to > from) emit(p, TOOL_ARGS, (struct span){r.p + from, to - from}, false);
    j->args_sent = size_max(to, from);
}

/* An object that is no call comes out as text, with what led into it; of a call that broke off,
 * what follows up to the end mark is dropped. */
static bool drop_json(struct tool_parser *p)
{
    bool announced = p->open;
    end_call(p, false);
    if (announced)
        consume(p, p->scan);
    else
        release_opener(p);
    go(p, p->style == TOOLS_LLAMA3 ? IN_REST : announced ? IN_SKIP : IN_TEXT);
    return true;
}

static bool in_skip(struct tool_parser *p)
{
    struct span r = rest(p), before;
    bool here = find(p, MARK_QWEN_END, &before);
    consume(p, here ? before.n + strlen(MARK_QWEN_END) : r.n - partial(r, MARK_QWEN_END));
    if (here) go(p, IN_TEXT);
    return here;
}

static bool in_json(struct tool_parser *p)
{
    struct json_read *j = &p->json;
    struct span r = rest(p);
    while (p->scan < r.n && !j->closed && !j->broken) read_char(j, r, p->scan++);
    p->scan -= j->broken; /* what came before the character that broke it still counts */
    report_json(p, r);
    if (j->closed && p->open) {
        if (!j->args) emit_str(p, TOOL_ARGS, "{}");
        end_call(p, true);
        consume(p, p->scan);
        go(p, IN_JSON_END);
        return true;
    }
    if (j->broken || j->closed || p->final || r.n > TOOL_MAX_BYTES) return drop_json(p);
    return false;
}

static bool in_json_end(struct tool_parser *p)
{
    if (p->style == TOOLS_LLAMA3) {
        go(p, IN_REST);
        return true;
    }
    if (!skip_blanks(p)) return false;
    enum match m = starts(p, MARK_QWEN_END);
    if (m == MAYBE) return false;
    if (m == MATCH) consume(p, strlen(MARK_QWEN_END));
    go(p, IN_TEXT);
    return true;
}

/* Llama: a call is the whole answer, so its first character decides. */
static bool in_llama_text(struct tool_parser *p)
{
    struct span r = rest(p);
    size_t n = r.n - trim(r).n;
    if (n == r.n && !p->final) return false;
    p->json = (struct json_read){0};
    go(p, n < r.n && trim(r).p[0] == '{' ? IN_JSON : IN_REST);
    return true;
}

static bool in_rest(struct tool_parser *p)
{
    emit(p, TOOL_TEXT, rest(p), false);
    consume(p, rest(p).n);
    return false;
}

/* ---- driving ----------------------------------------------------------------------------- */

static bool step(struct tool_parser *p)
{
    switch (p->state) {
    case IN_TEXT: return p->style == TOOLS_LLAMA3 ? in_llama_text(p) : in_text(p);
    case IN_BLOCK: return in_block(p);
    case IN_HEAD: return in_head(p);
    case IN_FENCE: return in_fence(p);
    case IN_ARGS: return in_args(p);
    case IN_PARAM: return in_param(p);
    case IN_PARAM_HEAD: return in_param_head(p);
    case IN_STRING: return in_string(p);
    case IN_VALUE: return in_value(p);
    case IN_JSON: return in_json(p);
    case IN_JSON_END: return in_json_end(p);
    case IN_SKIP: return in_skip(p);
    case IN_REST: return in_rest(p);
    }
    return false;
}

static int run(struct tool_parser *p, struct err *e)
{
    while (step(p)) {}
    if (p->at) {
        memmove(p->pend.data, p->pend.data + p->at, p->pend.len - p->at);
        p->pend.len -= p->at;
        p->at = 0;
    }
    return buf_ok(&p->tmp, "a tool call", e);
}

int tool_parser_feed(struct tool_parser *p, struct span text, struct err *e)
{
    buf_add_span(&p->pend, text);
    if (buf_ok(&p->pend, "a tool call", e)) return -1;
    return run(p, e);
}

int tool_parser_finish(struct tool_parser *p, struct err *e)
{
    p->final = true;
    int rc = run(p, e);
    end_call(p, false);
    return rc;
}
