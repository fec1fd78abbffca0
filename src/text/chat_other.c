/* chat_other.c - the prompts of models the DeepSeek distills come from: ChatML and its Qwen forms,
 * Llama 2, 3 and 3.1, and no template at all.
 *
 * Sources: the chat templates that come with Qwen2.5-7B-Instruct, QwQ-32B, Qwen3-0.6B and
 * Llama-3.2-3B-Instruct; Llama 2's from its reference code.
 */
#include <string.h>

#include "text/chat_int.h"
#include "text/json_text.h"

static const char *role_name(enum chat_role r)
{
    switch (r) {
    case CHAT_SYSTEM:
    case CHAT_DEVELOPER: return "system";
    case CHAT_USER: return "user";
    case CHAT_ASSISTANT: return "assistant";
    case CHAT_TOOL: return "tool";
    }
    return "";
}

/* ---- ChatML ------------------------------------------------------------------------------ */

static void open_turn(struct chat_ctx *c, enum chat_role r)
{
    chat_lit(c, MARK_IM_START);
    chat_lit(c, role_name(r));
    chat_lit(c, "\n");
}

static void close_turn(struct chat_ctx *c)
{
    chat_lit(c, MARK_IM_END "\n");
}

/* The system turn at the start; returns how many messages it has used up. */
static size_t put_head(struct chat_ctx *c, const char *default_system)
{
    bool own = c->n && chat_is_system(c->msg[0]);
    if (!own && !default_system && !c->o->n_tool) return 0;
    open_turn(c, CHAT_SYSTEM);
    if (own)
        chat_put(c, c->msg[0]->content);
    else if (default_system)
        chat_lit(c, default_system);
    if (c->o->n_tool) {
        /* Qwen3 alone leaves the blank line out when there is no system text. */
        if (own || c->t != CHAT_QWEN3) chat_lit(c, "\n\n");
        chat_tools_qwen(c);
    }
    close_turn(c);
    return own;
}

/* Results in a row make one user turn. */
static void put_result(struct chat_ctx *c, size_t i)
{
    if (i == 0 || c->msg[i - 1]->role != CHAT_TOOL) chat_lit(c, MARK_IM_START "user");
    chat_lit(c, "\n" MARK_QWEN_RESULT "\n");
    chat_put(c, c->msg[i]->content);
    chat_lit(c, "\n" MARK_QWEN_RES_END);
    if (i + 1 == c->n || c->msg[i + 1]->role != CHAT_TOOL) close_turn(c);
}

/* An assistant turn the model is to continue. */
static void put_prefix(struct chat_ctx *c, const struct chat_msg *m)
{
    open_turn(c, CHAT_ASSISTANT);
    if (m->reasoning.n) {
        chat_lit(c, MARK_THINK "\n");
        chat_put(c, m->reasoning);
        if (m->content.n) chat_lit(c, "\n" MARK_THINK_END "\n\n");
        c->p->starts_inside_thinking = !m->content.n;
    }
    chat_put(c, m->content);
}

static void put_calls(struct chat_ctx *c, const struct chat_msg *m, bool newline_first)
{
    for (size_t k = 0; k < m->n_call; k++) {
        if (newline_first || k) chat_lit(c, "\n");
        chat_call_qwen(c, &m->call[k]);
    }
}

/* chatml, qwen2.5 and qwq, which drops the reasoning of all turns but the last. */
static void put_turn(struct chat_ctx *c, size_t i)
{
    const struct chat_msg *m = c->msg[i];
    struct span content = m->content;
    if (c->t == CHAT_QWQ && i + 1 < c->n) {
        struct span rest = chat_after_last_think(content);
        if (rest.p != content.p)
            while (rest.n && rest.p[0] == '\n') rest = (struct span){rest.p + 1, rest.n - 1};
        content = rest;
    }
    chat_lit(c, MARK_IM_START);
    chat_lit(c, role_name(m->role));
    if (!m->n_call || content.n) {
        chat_lit(c, "\n");
        chat_put(c, content);
    }
    put_calls(c, m, true);
    close_turn(c);
}

void chat_chatml(struct chat_ctx *c)
{
    const char *system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    for (size_t i = put_head(c, c->t == CHAT_QWEN25 ? system : NULL); i < c->n; i++) {
        if (chat_continues(c, i)) {
            put_prefix(c, c->msg[i]);
            return;
        }
        if (c->msg[i]->role == CHAT_TOOL)
            put_result(c, i);
        else
            put_turn(c, i);
    }
    if (!c->o->add_generation_prompt) return;
    open_turn(c, CHAT_ASSISTANT);
    if (c->t != CHAT_QWQ) return;
    chat_lit(c, MARK_THINK "\n");
    if (!c->thinking) chat_lit(c, MARK_THINK_END);
    c->p->starts_inside_thinking = c->thinking;
}

/* ---- Qwen3 ------------------------------------------------------------------------------- */

static bool ends_with(struct span s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

/* Behind the last question of a user (a tool result written as one is none) reasoning stays. */
static size_t last_query(const struct chat_ctx *c)
{
    for (size_t i = c->n; i-- > 0;) {
        struct span s = c->msg[i]->content;
        if (c->msg[i]->role == CHAT_USER &&
            !(span_starts(s, MARK_QWEN_RESULT) && ends_with(s, MARK_QWEN_RES_END)))
            return i;
    }
    return c->n ? c->n - 1 : 0;
}

static struct span drop_newlines(struct span s)
{
    while (s.n && s.p[0] == '\n') s = (struct span){s.p + 1, s.n - 1};
    return s;
}

/* Reasoning and answer of a turn that has them both in its content. */
static void split_content(struct span whole, struct span *reasoning, struct span *content)
{
    struct span rest = chat_after_last_think(whole);
    if (rest.p == whole.p) return;
    *content = drop_newlines(rest);
    size_t end = span_find(whole, 0, span_of(MARK_THINK_END)), at = 0, from = 0;
    struct span r = {whole.p, end};
    while ((at = span_find(r, from, span_of(MARK_THINK))) != (size_t)-1)
        from = at + strlen(MARK_THINK);
    *reasoning = chat_trim((struct span){r.p + from, r.n - from}, "\n");
}

static void put_turn_qwen3(struct chat_ctx *c, size_t i, bool current)
{
    const struct chat_msg *m = c->msg[i];
    struct span reasoning = m->reasoning, content = m->content;
    if (!reasoning.n) split_content(m->content, &reasoning, &content);
    open_turn(c, CHAT_ASSISTANT);
    if (current && (i + 1 == c->n || reasoning.n)) {
        chat_lit(c, MARK_THINK "\n");
        chat_put(c, chat_trim(reasoning, "\n"));
        chat_lit(c, "\n" MARK_THINK_END "\n\n");
        chat_put(c, drop_newlines(content));
    } else {
        chat_put(c, content);
    }
    put_calls(c, m, content.n > 0);
    close_turn(c);
}

void chat_qwen3(struct chat_ctx *c)
{
    size_t last = last_query(c);
    for (size_t i = put_head(c, NULL); i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_continues(c, i)) {
            put_prefix(c, m);
            return;
        }
        if (m->role == CHAT_TOOL) {
            put_result(c, i);
        } else if (m->role == CHAT_ASSISTANT) {
            put_turn_qwen3(c, i, i > last);
        } else {
            open_turn(c, m->role);
            chat_put(c, m->content);
            close_turn(c);
        }
    }
    if (!c->o->add_generation_prompt) return;
    open_turn(c, CHAT_ASSISTANT);
    if (!c->thinking) chat_lit(c, MARK_THINK "\n\n" MARK_THINK_END "\n\n");
}

/* ---- Llama ------------------------------------------------------------------------------- */

static const char blanks[] = " \t\r\n\v\f";

void chat_llama2(struct chat_ctx *c)
{
    bool system = false, open = false;
    for (size_t i = 0; i < c->n; i++)
        system |= chat_is_system(c->msg[i]) && c->msg[i]->content.n;
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        if (m->role != CHAT_ASSISTANT) {
            chat_bos(c, "<s>");
            chat_lit(c, "[INST] ");
            if (system) {
                chat_lit(c, "<<SYS>>\n");
                chat_put_system(c);
                chat_lit(c, "\n<</SYS>>\n\n");
                system = false;
            }
            chat_put(c, chat_trim(m->content, blanks));
            chat_lit(c, " [/INST]");
            open = true;
            continue;
        }
        if (!open) chat_bos(c, "<s>");
        chat_lit(c, " ");
        chat_put(c, chat_trim(m->content, blanks));
        if (chat_continues(c, i)) return;
        chat_lit(c, " ");
        chat_eos(c, "</s>");
        open = false;
    }
}

static void open_header(struct chat_ctx *c, const char *role)
{
    chat_lit(c, "<|start_header_id|>");
    chat_lit(c, role);
    chat_lit(c, "<|end_header_id|>\n\n");
}

static void put_result_llama3(struct chat_ctx *c, const struct chat_msg *m)
{
    struct buf json;
    buf_init(&json, 8 * m->content.n + 16);
    json_text_quote(m->content, &json);
    open_header(c, "ipython");
    chat_put(c, buf_span(&json));
    chat_lit(c, "<|eot_id|>");
    c->p->text.failed |= json.failed;
    buf_release(&json);
}

/* The model knows one call per turn; several become several turns. */
static void put_turn_llama3(struct chat_ctx *c, size_t i)
{
    const struct chat_msg *m = c->msg[i];
    for (size_t k = 0; k < m->n_call; k++) {
        open_header(c, "assistant");
        chat_lit(c, "{\"name\": \"");
        chat_put(c, m->call[k].name);
        chat_lit(c, "\", \"parameters\": ");
        chat_put(c, m->call[k].arguments);
        chat_lit(c, "}<|eot_id|>");
    }
    if (m->n_call) return;
    open_header(c, role_name(m->role));
    chat_put(c, chat_trim(m->content, blanks));
    if (!chat_continues(c, i)) chat_lit(c, "<|eot_id|>");
}

void chat_llama3(struct chat_ctx *c)
{
    size_t i = c->n && chat_is_system(c->msg[0]);
    chat_bos(c, "<|begin_of_text|>");
    if (c->t == CHAT_LLAMA31) {
        struct span date = c->o->date.n ? c->o->date : span_of("26 Jul 2024");
        open_header(c, "system");
        if (c->o->n_tool) chat_lit(c, "Environment: ipython\n");
        chat_lit(c, "Cutting Knowledge Date: December 2023\nToday Date: ");
        chat_put(c, date);
        chat_lit(c, "\n\n");
        if (i) chat_put(c, chat_trim(c->msg[0]->content, blanks));
        chat_lit(c, "<|eot_id|>");
    } else {
        i = 0;
    }
    if (c->o->n_tool) { /* they stand in the first user message */
        open_header(c, "user");
        chat_tools_llama3(c);
        if (i < c->n && c->msg[i]->role == CHAT_USER)
            chat_put(c, chat_trim(c->msg[i++]->content, blanks));
        chat_lit(c, "<|eot_id|>");
    }
    for (; i < c->n; i++) {
        if (c->msg[i]->role == CHAT_TOOL)
            put_result_llama3(c, c->msg[i]);
        else
            put_turn_llama3(c, i);
        if (chat_continues(c, i)) return;
    }
    if (c->o->add_generation_prompt) open_header(c, "assistant");
}

/* ---- raw --------------------------------------------------------------------------------- */

/* The contents one after the other, for base models. */
void chat_raw(struct chat_ctx *c)
{
    chat_default_bos(c);
    for (size_t i = 0; i < c->n; i++) chat_put(c, c->msg[i]->content);
}
