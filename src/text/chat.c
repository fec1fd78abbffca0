/* chat.c - rendering: the output with its marks, the table of templates, text to ids.
 *
 * The template functions (chat_deepseek.c, chat_other.c, chat_tools.c) write three things: template
 * text, in which special tokens are found and marked; text from outside, which is never marked;
 * and BOS or EOS. Errors of memory and limits are kept in the buffers and looked at once, at the
 * end.
 */
#include "text/chat.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/chat_int.h"
#include "text/json_text.h"

enum { MAX_PROMPT = 1 << 28 };

/* What tarn's own template text begins with. */
#define TARN_SIGN "{#- tarn: thinks unless `thinking` is false"

static const struct {
    const char *name;
    enum tool_style tools;
} templates[] = {
#define X(id, name, tools) {name, tools},
    CHAT_TEMPLATES(X)
#undef X
};

static void (*const render[])(struct chat_ctx *) = {
    [CHAT_RAW] = chat_raw,
    [CHAT_TARN] = chat_deepseek_v31,
    [CHAT_DEEPSEEK_V2] = chat_deepseek_v2,
    [CHAT_DEEPSEEK_V25] = chat_deepseek_v3,
    [CHAT_DEEPSEEK_V3] = chat_deepseek_v3,
    [CHAT_DEEPSEEK_R1] = chat_deepseek_v3,
    [CHAT_DEEPSEEK_R1_0528] = chat_deepseek_v3,
    [CHAT_DEEPSEEK_V31] = chat_deepseek_v31,
    [CHAT_DEEPSEEK_V32] = chat_deepseek_v32,
    [CHAT_DEEPSEEK_V4] = chat_deepseek_v4,
    [CHAT_R1_ZERO] = chat_r1_zero,
    [CHAT_CHATML] = chat_chatml,
    [CHAT_QWEN25] = chat_chatml,
    [CHAT_QWEN3] = chat_qwen3,
    [CHAT_QWQ] = chat_chatml,
    [CHAT_LLAMA2] = chat_llama2,
    [CHAT_LLAMA3] = chat_llama3,
    [CHAT_LLAMA31] = chat_llama3,
};

/* ---- writing ----------------------------------------------------------------------------- */

static void add_mark(struct chat_ctx *c, size_t n, enum chat_mark_role role)
{
    struct chat_prompt *p = c->p;
    if (p->n_mark == p->mark_size) {
        size_t size = p->mark_size ? 2 * p->mark_size : 32;
        struct chat_mark *m = mem_realloc(p->mark, p->n_mark * sizeof *m, size * sizeof *m);
        if (!m) {
            c->failed = true;
            return;
        }
        p->mark = m;
        p->mark_size = size;
    }
    p->mark[p->n_mark++] = (struct chat_mark){p->text.len, n, role};
}

/* Length of the special token that template text has at s, or 0. */
static size_t mark_len(const char *s)
{
    static const char *const fixed[] = {MARK_DSML,        MARK_THINK,    MARK_THINK_END,
                                        MARK_QWEN_CALL,   MARK_QWEN_END, MARK_QWEN_RESULT,
                                        MARK_QWEN_RES_END};
    for (size_t i = 0; i < countof(fixed); i++)
        if (strncmp(s, fixed[i], strlen(fixed[i])) == 0) return strlen(fixed[i]);
    const char *bar = strncmp(s, "<｜", 4) == 0  ? "｜>"
                      : strncmp(s, "<|", 2) == 0 ? "|>"
                                                 : NULL;
    if (!bar || strncmp(s + 1, MARK_DSML, strlen(MARK_DSML)) == 0) return 0;
    const char *end = strstr(s + 2, bar);
    return end ? (size_t)(end - s) + strlen(bar) : 0;
}

static bool is_needed(const char *s, size_t n)
{
    static const char *const needed[] = {
        MARK_USER,           MARK_ASSISTANT, MARK_IM_START, MARK_IM_END, "<|start_header_id|>",
        "<|end_header_id|>", "<|eot_id|>"};
    for (size_t i = 0; i < countof(needed); i++)
        if (span_is((struct span){s, n}, needed[i])) return true;
    return false;
}

void chat_lit(struct chat_ctx *c, const char *s)
{
    const char *from = s;
    while (*s) {
        size_t n = *s == '<' || *s == MARK_DSML[0] ? mark_len(s) : 0;
        if (n) {
            buf_add(&c->p->text, from, (size_t)(s - from));
            add_mark(c, n, is_needed(s, n) ? CHAT_MARK_NEEDED : CHAT_MARK_OPTIONAL);
            buf_add(&c->p->text, s, n);
            from = s + n;
        }
        s += n ? n : 1;
    }
    buf_add(&c->p->text, from, (size_t)(s - from));
}

void chat_put(struct chat_ctx *c, struct span s)
{
    if (s.n) buf_add_span(&c->p->text, s);
}

void chat_bos(struct chat_ctx *c, const char *text)
{
    add_mark(c, strlen(text), CHAT_MARK_BOS);
    buf_add_str(&c->p->text, text);
}

void chat_eos(struct chat_ctx *c, const char *text)
{
    add_mark(c, strlen(text), CHAT_MARK_EOS);
    buf_add_str(&c->p->text, text);
}

void chat_default_bos(struct chat_ctx *c)
{
    add_mark(c, 0, CHAT_MARK_DEFAULT_BOS);
}

/* ---- what the templates share ------------------------------------------------------------ */

bool chat_is_system(const struct chat_msg *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

bool chat_continues(const struct chat_ctx *c, size_t i)
{
    return i + 1 == c->n && c->msg[i]->prefix;
}

bool chat_put_system(struct chat_ctx *c)
{
    bool any = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!chat_is_system(c->msg[i]) || !c->msg[i]->content.n) continue;
        if (any) chat_lit(c, "\n\n");
        chat_put(c, c->msg[i]->content);
        any = true;
    }
    return any;
}

struct span chat_after_first_think(struct span s)
{
    size_t at = span_find(s, 0, span_of(MARK_THINK_END));
    if (at == (size_t)-1) return s;
    at += strlen(MARK_THINK_END);
    return (struct span){s.p + at, s.n - at};
}

struct span chat_after_last_think(struct span s)
{
    for (;;) {
        struct span rest = chat_after_first_think(s);
        if (rest.p == s.p) return s;
        s = rest;
    }
}

struct span chat_trim(struct span s, const char *set)
{
    while (s.n && s.p[0] && strchr(set, s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && s.p[s.n - 1] && strchr(set, s.p[s.n - 1])) s.n--;
    return s;
}

/* ---- rendering --------------------------------------------------------------------------- */

/* Place of a tool result among the calls of the message it answers; behind all when unknown. */
static size_t call_place(const struct chat_msg *calls, const struct chat_msg *result)
{
    for (size_t i = 0; i < calls->n_call; i++)
        if (calls->call[i].id.n && span_eq(calls->call[i].id, result->tool_call_id)) return i;
    return calls->n_call;
}

/* Each run of tool results behind an assistant's calls, into the order of the calls. Insertion:
 * stable, and runs are short. */
static void order_results(const struct chat_msg **msg, size_t n)
{
    const struct chat_msg *calls = NULL;
    size_t first = 0; /* of the run */
    for (size_t i = 0; i < n; i++) {
        if (msg[i]->role != CHAT_TOOL) {
            calls = msg[i]->role == CHAT_ASSISTANT && msg[i]->n_call ? msg[i] : NULL;
            first = i + 1;
            continue;
        }
        if (!calls || i - first >= calls->n_call) continue;
        for (size_t k = i;
             k > first && call_place(calls, msg[k]) < call_place(calls, msg[k - 1]); k--) {
            const struct chat_msg *t = msg[k];
            msg[k] = msg[k - 1];
            msg[k - 1] = t;
        }
    }
}

static bool thinking_by_default(enum chat_template t)
{
    switch (t) {
    case CHAT_DEEPSEEK_V31:
    case CHAT_DEEPSEEK_V32: return false;
    case CHAT_RAW:
    case CHAT_TARN:
    case CHAT_DEEPSEEK_V2:
    case CHAT_DEEPSEEK_V25:
    case CHAT_DEEPSEEK_V3:
    case CHAT_DEEPSEEK_R1:
    case CHAT_DEEPSEEK_R1_0528:
    case CHAT_DEEPSEEK_V4:
    case CHAT_R1_ZERO:
    case CHAT_CHATML:
    case CHAT_QWEN25:
    case CHAT_QWEN3:
    case CHAT_QWQ:
    case CHAT_LLAMA2:
    case CHAT_LLAMA3:
    case CHAT_LLAMA31: return true;
    }
    return true;
}

static int check(enum chat_template t, const struct chat_msg *msg, size_t n,
                 const struct chat_opts *o, struct err *e)
{
    if (o->n_tool && templates[t].tools == TOOLS_NONE)
        return err_set(e, ERR_UNSUPPORTED, "the %s template has no form for tools",
                       templates[t].name);
    for (size_t i = 0; i < n; i++)
        if (msg[i].prefix && (i + 1 != n || msg[i].role != CHAT_ASSISTANT))
            return err_set(e, ERR_USAGE,
                           "message %zu has prefix set, which only the last one may have, "
                           "and only when it is the assistant's",
                           i + 1);
    if (o->response_schema.n && !json_text_check(o->response_schema))
        return err_set(e, ERR_FORMAT, "the response schema is not JSON");
    return chat_check_tools(o, e);
}

int chat_render(struct chat_prompt *p, enum chat_template t, const struct chat_msg *msg,
                size_t n, const struct chat_opts *o, struct err *e)
{
    *p = (struct chat_prompt){0};
    buf_init(&p->text, MAX_PROMPT);
    if (check(t, msg, n, o, e)) return -1;
    struct chat_ctx c = {.p = p, .n = n, .o = o, .t = t};
    c.thinking = o->thinking == CHAT_THINK_DEFAULT ? thinking_by_default(t)
                                                   : o->thinking == CHAT_THINK_ON;
    c.msg = mem_calloc(n + 1, sizeof *c.msg);
    if (!c.msg) return err_oom(e, "messages", n * sizeof *c.msg);
    for (size_t i = 0; i < n; i++) c.msg[i] = &msg[i];
    order_results(c.msg, n);
    render[t](&c);
    mem_free(c.msg);
    if (c.failed) return err_oom(e, "marks of a prompt", p->n_mark * sizeof *p->mark);
    return buf_ok(&p->text, "the prompt", e);
}

void chat_prompt_release(struct chat_prompt *p)
{
    buf_release(&p->text);
    mem_free(p->mark);
    *p = (struct chat_prompt){0};
}

/* ---- ids --------------------------------------------------------------------------------- */

/* The id a mark stands for; TOK_NONE when it stays text. */
static int mark_id(const struct vocab *v, struct span text, enum chat_mark_role role,
                   tok_id *id, struct err *e)
{
    const struct vocab_special *s = vocab_special(v);
    *id = vocab_find(v, text);
    if (*id != TOK_NONE && vocab_tok_kind(v, *id) == TOK_NORMAL) *id = TOK_NONE;
    switch (role) {
    case CHAT_MARK_OPTIONAL: return 0;
    case CHAT_MARK_DEFAULT_BOS: *id = s->add_bos ? s->bos : TOK_NONE; return 0;
    case CHAT_MARK_BOS:
        if (*id == TOK_NONE) *id = s->bos;
        break;
    case CHAT_MARK_EOS:
        if (*id == TOK_NONE) *id = s->eos;
        break;
    case CHAT_MARK_NEEDED: break;
    }
    if (*id != TOK_NONE) return 0;
    err_set(e, ERR_UNSUPPORTED, "the vocabulary has no token %.*s, which this template needs",
            (int)text.n, text.p);
    return err_hint(e, "choose the model's own template with --template NAME");
}

int chat_prompt_ids(const struct chat_prompt *p, const struct vocab *v, struct tok_list *out,
                    struct err *e)
{
    struct span all = buf_span(&p->text);
    size_t from = 0;
    for (size_t i = 0; i <= p->n_mark; i++) {
        struct chat_mark m = {all.n, 0, CHAT_MARK_OPTIONAL};
        tok_id id = TOK_NONE;
        if (i < p->n_mark) {
            m = p->mark[i];
            if (mark_id(v, (struct span){all.p + m.at, m.n}, m.role, &id, e)) return -1;
            if (id == TOK_NONE) continue; /* part of the text around it */
        }
        struct span before = {all.p + from, m.at - from};
        if (before.n && vocab_encode(v, before, false, false, out, e)) return -1;
        if (id != TOK_NONE && tok_list_add(out, id, e)) return -1;
        from = m.at + m.n;
    }
    return 0;
}

int chat_render_ids(const struct vocab *v, enum chat_template t, const struct chat_msg *msg,
                    size_t n, const struct chat_opts *o, struct tok_list *out,
                    bool *starts_inside, struct err *e)
{
    struct chat_prompt p;
    int rc = chat_render(&p, t, msg, n, o, e);
    if (!rc) rc = chat_prompt_ids(&p, v, out, e);
    if (starts_inside) *starts_inside = p.starts_inside_thinking;
    chat_prompt_release(&p);
    return rc;
}

int chat_render_text(enum chat_template t, const struct chat_msg *msg, size_t n,
                     const struct chat_opts *o, struct buf *out, bool *starts_inside,
                     struct err *e)
{
    struct chat_prompt p;
    int rc = chat_render(&p, t, msg, n, o, e);
    if (!rc) {
        buf_add_span(out, buf_span(&p.text));
        rc = buf_ok(out, "the prompt", e);
    }
    if (starts_inside) *starts_inside = p.starts_inside_thinking;
    chat_prompt_release(&p);
    return rc;
}

/* ---- names ------------------------------------------------------------------------------- */

const char *chat_template_name(enum chat_template t)
{
    return templates[t].name;
}

enum tool_style chat_template_tools(enum chat_template t)
{
    return templates[t].tools;
}

int chat_template_parse(struct span name, enum chat_template *out, struct err *e)
{
    char list[256];
    size_t n = 0;
    for (size_t i = 0; i < countof(templates); i++) {
        if (span_is(name, templates[i].name)) {
            *out = (enum chat_template)i;
            return 0;
        }
        size_t len = strlen(templates[i].name);
        if (n + len + 2 >= sizeof list) continue;
        memcpy(list + n, " ", 1);
        memcpy(list + n + 1, templates[i].name, len);
        n += len + 1;
    }
    err_set(e, ERR_USAGE, "there is no chat template \"%.*s\"",
            (int)(name.n < 80 ? name.n : 80), name.p);
    return err_hint(e, "templates:%.*s", (int)n, list);
}

static bool has(struct span s, const char *part)
{
    return span_find(s, 0, span_of(part)) != (size_t)-1;
}

static bool recognise_deepseek(struct span j, enum chat_template *out)
{
    if (has(j, "DSML"))
        *out = has(j, "tool_result>") ? CHAT_DEEPSEEK_V4 : CHAT_DEEPSEEK_V32;
    else if (has(j, MARK_ASSISTANT MARK_THINK "\\n") || has(j, MARK_ASSISTANT MARK_THINK "\n"))
        *out = CHAT_DEEPSEEK_R1;
    else if (has(j, "thinking") && has(j, MARK_THINK_END) && has(j, "is_last_user"))
        *out = CHAT_DEEPSEEK_V31;
    else if (has(j, MARK_ASSISTANT))
        *out = has(j, MARK_THINK_END) ? CHAT_DEEPSEEK_R1_0528 : CHAT_DEEPSEEK_V3;
    else if (has(j, "'User: '") && has(j, "Assistant:") && has(j, "eos_token"))
        *out = CHAT_DEEPSEEK_V2;
    else
        return false;
    return true;
}

static bool recognise_chatml(struct span j, enum chat_template *out)
{
    if (has(j, "last_query_index"))
        *out = CHAT_QWEN3;
    else if (has(j, "assistant\\n" MARK_THINK "\\n"))
        *out = CHAT_QWQ;
    else if (has(j, "You are Qwen, created by Alibaba Cloud"))
        *out = CHAT_QWEN25;
    else if (!has(j, MARK_THINK))
        *out = CHAT_CHATML;
    else
        return false;
    return true;
}

int chat_template_recognise(struct span jinja, enum chat_template *out, struct err *e)
{
    bool ok = false;
    if (span_starts(jinja, TARN_SIGN)) {
        *out = CHAT_TARN;
        return 0;
    }
    if (has(jinja, MARK_IM_START)) {
        ok = recognise_chatml(jinja, out);
    } else if (has(jinja, "<|start_header_id|>")) {
        *out = has(jinja, "Cutting Knowledge Date") ? CHAT_LLAMA31 : CHAT_LLAMA3;
        ok = true;
    } else if (has(jinja, "[INST]")) {
        *out = CHAT_LLAMA2;
        ok = has(jinja, "<<SYS>>");
    } else {
        ok = recognise_deepseek(jinja, out);
    }
    if (ok) return 0;
    err_set(e, ERR_UNSUPPORTED,
            "the model's chat template is not one of those this program knows");
    return err_hint(e, "name the nearest one with --template NAME");
}

/* chat_deepseek_v31 without tools, for engines that run template text. */
struct span chat_template_text(enum chat_template t)
{
    static const char tarn[] = TARN_SIGN
        " -#}\n"
        "{%- set ns = namespace(system='', asked=false) -%}\n"
        "{%- for m in messages -%}{%- if m.role == 'system' -%}\n"
        "{%- set ns.system = ns.system + ('\\n\\n' if ns.system else '') + m.content -%}\n"
        "{%- endif -%}{%- endfor -%}\n"
        "{{- '" MARK_BOS "' + ns.system -}}\n"
        "{%- for m in messages -%}\n"
        "{%- if m.role == 'user' -%}\n"
        "{{- '" MARK_USER "' + m.content -}}{%- set ns.asked = true -%}\n"
        "{%- elif m.role == 'assistant' -%}\n"
        "{%- if ns.asked -%}{{- '" MARK_ASSISTANT MARK_THINK_END "' -}}{%- endif -%}\n"
        "{{- m.content.split('" MARK_THINK_END "')[-1] + '" MARK_EOS "' -}}\n"
        "{%- set ns.asked = false -%}\n"
        "{%- endif -%}{%- endfor -%}\n"
        "{%- if add_generation_prompt and ns.asked -%}{{- '" MARK_ASSISTANT "' -}}\n"
        "{%- if thinking is defined and not thinking -%}{{- '" MARK_THINK_END "' -}}\n"
        "{%- else -%}{{- '" MARK_THINK "' -}}{%- endif -%}{%- endif -%}\n";
    return t == CHAT_TARN ? span_of(tarn) : (struct span){"", 0};
}

size_t chat_tarn_marks(const char *const **out)
{
    static const char *const marks[] = {
        MARK_BOS,      MARK_EOS,       MARK_PAD,    MARK_USER,      MARK_ASSISTANT,
        MARK_THINK,    MARK_THINK_END, MARK_CALLS,  MARK_CALLS_END, MARK_CALL,
        MARK_CALL_END, MARK_TOOL_SEP,  MARK_OUTPUT, MARK_OUTPUT_END};
    *out = marks;
    return countof(marks);
}
