#include "serve/render.h"

#include "base/json.h"
#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "serve/call_grammar.h"
#include "serve/replay.h"
#include "text/chat.h"
#include "text/marks.h"
#include "text/tool_parse.h"

struct render {
    const struct vocab *v;
    enum chat_template t;
};

int render_create(struct render **out, const struct vocab *v, const char *template_name,
                  struct err *e)
{
    enum chat_template t = CHAT_TARN;
    *out = NULL;
    if (template_name && chat_template_parse(span_of(template_name), &t, e)) return -1;
    struct render *r = mem_calloc(1, sizeof *r);
    if (!r) return err_oom(e, "a chat template", sizeof *r);
    r->v = v;
    r->t = t;
    *out = r;
    return 0;
}

void render_free(struct render *r)
{
    mem_free(r);
}

const char *render_template_name(const struct render *r)
{
    return chat_template_name(r->t);
}

const char *render_jinja(const struct render *r)
{
    switch (r->t) {
    case CHAT_TARN:
    case CHAT_DEEPSEEK_V3:
    case CHAT_DEEPSEEK_R1:
    case CHAT_DEEPSEEK_R1_0528:
    case CHAT_DEEPSEEK_V31:
    case CHAT_DEEPSEEK_V32:
    case CHAT_DEEPSEEK_V4:
        return "{{bos_token}}{% for m in messages %}{% if m.role == 'system' %}{{m.content}}"
               "{% elif m.role == 'user' %}" MARK_USER
               "{{m.content}}{% elif m.role == 'assistant' "
               "%}" MARK_ASSISTANT "{{m.content}}{{eos_token}}{% endif %}{% endfor %}"
               "{% if add_generation_prompt %}" MARK_ASSISTANT "<think>\n{% endif %}";
    case CHAT_CHATML:
    case CHAT_QWEN25:
    case CHAT_QWEN3:
    case CHAT_QWQ:
        return "{% for m in messages %}" MARK_IM_START "{{m.role}}\n{{m.content}}" MARK_IM_END
               "\n{% endfor %}{% if add_generation_prompt %}" MARK_IM_START
               "assistant\n{% endif %}";
    case CHAT_RAW:
    case CHAT_DEEPSEEK_V2:
    case CHAT_DEEPSEEK_V25:
    case CHAT_R1_ZERO:
    case CHAT_LLAMA2:
    case CHAT_LLAMA3:
    case CHAT_LLAMA31: return "";
    }
    return "";
}

/* ---- history --------------------------------------------------------------------------------- */

/* Does the JSON that came back mean what was sampled? */
static bool same_meaning(struct span a, struct span b)
{
    if (span_eq(a, b)) return true;
    json_t *x = json_loadb(a.p, a.n, JSON_ALLOW_NUL, NULL);
    json_t *y = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
    bool same = x && y && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

static struct span keep(struct ask *k, struct span s)
{
    char *p = arena_strndup(&k->arena, s.p, s.n);
    return p ? (struct span){p, s.n} : s;
}

/* Puts what was sampled in the place of what the client sent. */
static void restore_turn(struct ask *k, struct replay *rp, struct ask_msg *m)
{
    struct buf args, reasoning;
    buf_init(&args, 64 << 20);
    buf_init(&reasoning, 64 << 20);
    for (size_t i = 0; i < m->n_call; i++) {
        buf_clear(&args);
        buf_clear(&reasoning);
        if (!replay_get(rp, k->key_id, m->call[i].id, &args, &reasoning)) continue;
        if (args.len && same_meaning(m->call[i].args, buf_span(&args)))
            m->call[i].args = keep(k, buf_span(&args));
        if (!m->has_reasoning && reasoning.len) {
            m->reasoning = keep(k, buf_span(&reasoning));
            m->has_reasoning = true;
        }
    }
    buf_release(&args);
    buf_release(&reasoning);
}

static int tool_texts(struct ask *k, struct span **out, struct err *e)
{
    struct span *t = arena_calloc(&k->arena, k->n_tool ? k->n_tool : 1, sizeof *t);
    if (!t) return err_oom(e, "the tools", k->n_tool * sizeof *t);
    for (size_t i = 0; i < k->n_tool; i++) {
        const struct ask_tool *tool = &k->tool[i];
        struct buf b;
        buf_init(&b, 4 << 20);
        buf_add_str(&b, "{\"type\":\"function\",\"function\":{\"name\":");
        buf_add_json(&b, tool->name);
        buf_add_str(&b, ",\"description\":");
        buf_add_json(&b, tool->description.p ? tool->description : (struct span){"", 0});
        buf_add_str(&b, ",\"parameters\":");
        buf_add_span(&b, tool->params);
        if (tool->strict) buf_add_str(&b, ",\"strict\":true");
        buf_add_str(&b, "}}");
        t[i] = keep(k, buf_span(&b));
        bool ok = buf_ok(&b, "a tool", e) == 0 && t[i].p != b.data;
        buf_release(&b);
        if (!ok) return err_oom(e, "the tools", t[i].n);
    }
    *out = t;
    return 0;
}

static struct chat_msg *messages(struct ask *k, struct replay *rp, struct err *e)
{
    static const enum chat_role roles[] = {[ROLE_SYSTEM] = CHAT_SYSTEM,
                                           [ROLE_USER] = CHAT_USER,
                                           [ROLE_ASSISTANT] = CHAT_ASSISTANT,
                                           [ROLE_TOOL] = CHAT_TOOL};
    struct chat_msg *out = arena_calloc(&k->arena, k->n_msg, sizeof *out);
    if (!out) {
        err_oom(e, "the messages", k->n_msg * sizeof *out);
        return NULL;
    }
    for (size_t i = 0; i < k->n_msg; i++) {
        struct ask_msg *m = &k->msg[i];
        if (m->n_call) restore_turn(k, rp, m);
        struct chat_call *call =
            arena_calloc(&k->arena, m->n_call ? m->n_call : 1, sizeof *call);
        if (!call) {
            err_oom(e, "the tool calls", m->n_call * sizeof *call);
            return NULL;
        }
        for (size_t j = 0; j < m->n_call; j++)
            call[j] = (struct chat_call){m->call[j].id, m->call[j].name, m->call[j].args};
        /* Reasoning of earlier turns is used only where tools are in play (api.md 8.4), and in a
         * message that is to be continued. */
        bool reasoning = m->has_reasoning && (k->n_tool || m->n_call || m->prefix);
        out[i] = (struct chat_msg){.role = roles[m->role],
                                   .content = m->text,
                                   .reasoning = reasoning ? m->reasoning : (struct span){0},
                                   .call = call,
                                   .n_call = m->n_call,
                                   .tool_call_id = m->tool_id,
                                   .name = m->name,
                                   .prefix = m->prefix};
    }
    return out;
}

/* ---- forbidden tokens ------------------------------------------------------------------------- */

static void ban(struct ask *k, tok_id id)
{
    if (id == TOK_NONE || k->sampling.n_bias == ASK_MAX_BIAS) return;
    k->bias[k->sampling.n_bias++] = (struct gen_bias){id, -INFINITY};
    k->sampling.bias = k->bias;
}

static void ban_calls(const struct render *r, struct ask *k)
{
    static const char *const marks[] = {MARK_CALLS, MARK_CALL, MARK_QWEN_CALL, MARK_DSML};
    for (size_t i = 0; i < countof(marks); i++) ban(k, vocab_find(r->v, span_of(marks[i])));
}

/* ---- the prompt ------------------------------------------------------------------------------ */

int render_chat(const struct render *r, struct ask *k, struct replay *rp, struct tok_list *out,
                struct buf *text, bool *starts_inside, struct err *e)
{
    struct chat_prompt p = {0};
    struct span *tools = NULL;
    const struct chat_msg *msg = messages(k, rp, e);
    if (!msg || tool_texts(k, &tools, e)) return -1;
    const struct chat_opts o = {.thinking = k->thinking ? CHAT_THINK_ON : CHAT_THINK_OFF,
                                .effort_max = k->effort == EFFORT_MAX,
                                .add_generation_prompt = true,
                                .tool = tools,
                                .n_tool = k->n_tool};
    int rc = chat_render(&p, r->t, msg, k->n_msg, &o, e);
    if (rc == 0) rc = chat_prompt_ids(&p, r->v, out, e);
    if (rc == 0 && text) buf_add_span(text, buf_span(&p.text));
    *starts_inside = p.starts_inside_thinking;
    chat_prompt_release(&p);
    if (rc) return rc;
    if (call_grammar(r->v, chat_template_tools(r->t), k, e)) return -1;
    if (k->n_tool && k->choice == CHOICE_NONE) ban_calls(r, k);
    if (!k->thinking) ban(k, vocab_special(r->v)->think_open);
    return rc;
}

int render_fim(const struct render *r, struct span before, struct span after,
               struct tok_list *out, struct err *e)
{
    const struct vocab_special *s = vocab_special(r->v);
    if (s->fim_pre == TOK_NONE || s->fim_suf == TOK_NONE || s->fim_mid == TOK_NONE)
        return err_set(e, ERR_UNSUPPORTED,
                       "suffix: this model has no tokens to fill in the middle");
    if (s->add_bos && s->bos != TOK_NONE && tok_list_add(out, s->bos, e)) return -1;
    return tok_list_add(out, s->fim_pre, e) ||
                   vocab_encode(r->v, before, false, false, out, e) ||
                   tok_list_add(out, s->fim_suf, e) ||
                   vocab_encode(r->v, after, false, false, out, e) ||
                   tok_list_add(out, s->fim_mid, e)
               ? -1
               : 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

struct reply_parser {
    struct tool_parser *p;
    reply_fn fn; /* during a feed */
    void *ctx;
};

static void on_event(void *ctx, const struct tool_event *ev)
{
    static const enum reply_kind kinds[] = {[TOOL_TEXT] = REPLY_TEXT,
                                            [TOOL_CALL] = REPLY_CALL,
                                            [TOOL_ARGS] = REPLY_CALL_ARGS,
                                            [TOOL_END] = REPLY_CALL_END};
    struct reply_parser *rp = ctx;
    rp->fn(rp->ctx, kinds[ev->type], ev->text);
}

struct reply_parser *reply_parser_create(const struct render *r)
{
    struct reply_parser *rp = mem_calloc(1, sizeof *rp);
    if (!rp) return NULL;
    if (tool_parser_create(&rp->p, chat_template_tools(r->t), on_event, rp, NULL) == 0)
        return rp;
    mem_free(rp);
    return NULL;
}

void reply_parser_free(struct reply_parser *p)
{
    if (!p) return;
    tool_parser_free(p->p);
    mem_free(p);
}

void reply_parser_feed(struct reply_parser *p, struct span s, reply_fn fn, void *ctx)
{
    p->fn = fn;
    p->ctx = ctx;
    /* Out of memory loses markup, never text that was sent: nothing better can be done here. */
    if (s.n && tool_parser_feed(p->p, s, NULL)) fn(ctx, REPLY_TEXT, s);
}

void reply_parser_end(struct reply_parser *p, reply_fn fn, void *ctx)
{
    p->fn = fn;
    p->ctx = ctx;
    if (tool_parser_finish(p->p, NULL)) return;
}
