/* chat_deepseek.c - the prompts of the DeepSeek family, and of tarn, which is V3.1's.
 *
 *   V2       BOS{system}\n\nUser: {q}\n\nAssistant: {a}EOS
 *   V2.5-R1  BOS{system} U{q} A{a}EOS                R1 ends with A<think>\n
 *   V3.1     BOS{system} U{q} A</think>{a}EOS        ends with A<think> or A</think>
 *   V3.2     as V3.1, DSML tools, reasoning kept between the calls of one user turn
 *   V4       as V3.2, results inside user turns, an A in front of every assistant turn
 *
 * U and A are the marks of user and assistant; nothing stands between the parts but what is shown.
 *
 * Sources: the model cards and, for V3.2 and V4, the encoder files that come with the models. Where
 * the jinja copies differ from them, docs/text.md says so.
 */
#include <string.h>

#include "text/chat_int.h"

static void think(struct chat_ctx *c, bool open)
{
    chat_lit(c, open ? MARK_THINK : MARK_THINK_END);
}

/* ---- V2 ---------------------------------------------------------------------------------- */

void chat_deepseek_v2(struct chat_ctx *c)
{
    chat_bos(c, MARK_BOS);
    if (chat_put_system(c)) chat_lit(c, "\n\n");
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        if (m->role == CHAT_ASSISTANT) {
            chat_lit(c, "Assistant: ");
            chat_put(c, m->content);
            if (chat_continues(c, i)) return;
            chat_eos(c, MARK_EOS);
        } else {
            chat_lit(c, "User: ");
            chat_put(c, m->content);
            chat_lit(c, "\n\n");
        }
    }
    if (c->o->add_generation_prompt) chat_lit(c, "Assistant:");
}

/* ---- V2.5, V3, R1, R1-0528 --------------------------------------------------------------- */

/* The reasoning a prefix begins with; true when the prefix ends inside it. */
static bool put_prefix_reasoning(struct chat_ctx *c, const struct chat_msg *m)
{
    if (!m->reasoning.n) return false;
    chat_lit(c, MARK_THINK "\n");
    chat_put(c, m->reasoning);
    if (!m->content.n) return true;
    chat_lit(c, "\n" MARK_THINK_END "\n\n");
    return false;
}

/* An assistant turn; A is left out directly behind tool results. */
static void put_turn_v3(struct chat_ctx *c, size_t i, bool after_tool)
{
    const struct chat_msg *m = c->msg[i];
    if (!after_tool) chat_lit(c, MARK_ASSISTANT);
    if (chat_continues(c, i)) {
        c->p->starts_inside_thinking = put_prefix_reasoning(c, m);
        chat_put(c, m->content);
        return;
    }
    chat_put(c, chat_after_last_think(m->content));
    if (m->n_call) chat_calls_v3(c, m);
    chat_eos(c, MARK_EOS);
}

static void open_answer_v3(struct chat_ctx *c)
{
    chat_lit(c, MARK_ASSISTANT);
    if (c->t == CHAT_DEEPSEEK_R1) {
        chat_lit(c, MARK_THINK "\n");
        if (!c->thinking) chat_lit(c, MARK_THINK_END);
        c->p->starts_inside_thinking = c->thinking;
    } else if (c->t == CHAT_DEEPSEEK_R1_0528 && !c->thinking) {
        chat_lit(c, MARK_THINK "\n\n" MARK_THINK_END "\n\n");
    }
}

void chat_deepseek_v3(struct chat_ctx *c)
{
    bool in_results = false, continued = false;
    chat_bos(c, MARK_BOS);
    bool system = chat_put_system(c);
    if (c->o->n_tool) {
        if (system) chat_lit(c, "\n\n");
        chat_tools_v3(c);
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        if (m->role == CHAT_TOOL) {
            chat_lit(c, in_results ? "\n" MARK_OUTPUT : MARK_OUTPUTS MARK_OUTPUT);
            chat_put(c, m->content);
            chat_lit(c, MARK_OUTPUT_END);
            in_results = true;
            continue;
        }
        if (in_results) chat_lit(c, MARK_OUTPUTS_END);
        if (m->role == CHAT_USER) {
            chat_lit(c, MARK_USER);
            chat_put(c, m->content);
        } else {
            put_turn_v3(c, i, in_results);
            continued = chat_continues(c, i);
        }
        in_results = false;
    }
    if (in_results)
        chat_lit(c, MARK_OUTPUTS_END); /* and the assistant goes on without another A */
    else if (c->o->add_generation_prompt && !continued)
        open_answer_v3(c);
}

/* ---- V3.1, tarn -------------------------------------------------------------------------- */

/* A</think>, or for a prefix that is to be thought on A<think>. */
static void put_turn_v31(struct chat_ctx *c, size_t i, bool after_user, bool after_tool)
{
    const struct chat_msg *m = c->msg[i];
    bool inside = chat_continues(c, i) && c->thinking;
    if (after_user) {
        chat_lit(c, MARK_ASSISTANT);
        think(c, inside);
    }
    if (inside && after_user) {
        chat_put(c, m->reasoning);
        bool ends = m->content.n && m->reasoning.n;
        if (ends) think(c, false);
        struct span rest = chat_after_first_think(m->content);
        c->p->starts_inside_thinking = !ends && rest.p == m->content.p;
        chat_put(c, m->content);
        return;
    }
    chat_put(c, after_tool ? m->content : chat_after_first_think(m->content));
    if (chat_continues(c, i)) return;
    if (m->n_call) chat_calls_v31(c, m);
    chat_eos(c, MARK_EOS);
}

void chat_deepseek_v31(struct chat_ctx *c)
{
    bool after_user = false, after_tool = false;
    chat_bos(c, MARK_BOS);
    bool system = chat_put_system(c);
    if (c->o->n_tool) {
        if (system) chat_lit(c, "\n\n");
        chat_tools_v31(c);
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        if (m->role == CHAT_TOOL) {
            chat_lit(c, MARK_OUTPUT);
            chat_put(c, m->content);
            chat_lit(c, MARK_OUTPUT_END);
        } else if (m->role == CHAT_USER) {
            chat_lit(c, MARK_USER);
            chat_put(c, m->content);
        } else {
            put_turn_v31(c, i, after_user, after_tool);
        }
        after_user = m->role == CHAT_USER;
        after_tool = m->role == CHAT_TOOL;
    }
    if (!c->o->add_generation_prompt || !after_user) return;
    chat_lit(c, MARK_ASSISTANT);
    think(c, c->thinking);
    c->p->starts_inside_thinking = c->thinking;
}

/* ---- V3.2 -------------------------------------------------------------------------------- */

static void put_schema(struct chat_ctx *c, bool blank_line)
{
    if (!c->o->response_schema.n) return;
    if (blank_line) chat_lit(c, "\n\n");
    chat_lit(
        c,
        "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n");
    chat_put(c, c->o->response_schema);
}

static size_t last_question(const struct chat_ctx *c, bool results_count)
{
    for (size_t i = c->n; i-- > 0;) {
        enum chat_role r = c->msg[i]->role;
        if (r == CHAT_USER || (r == CHAT_DEVELOPER && !results_count) ||
            (r == CHAT_TOOL && results_count))
            return i + 1;
    }
    return 0;
}

/* What an assistant turn and the generation prompt begin with in V3.2. */
enum opening { OPEN_NOTHING, OPEN_TURN, OPEN_AFTER_RESULTS };

static void open_v32(struct chat_ctx *c, enum opening o, bool inside)
{
    if (o == OPEN_NOTHING) return;
    chat_lit(c, o == OPEN_TURN ? MARK_ASSISTANT : "\n\n");
    think(c, inside);
}

static void put_turn_v32(struct chat_ctx *c, size_t i, enum opening o, bool current)
{
    const struct chat_msg *m = c->msg[i];
    bool inside = current && c->thinking, continues = chat_continues(c, i);
    open_v32(c, o, inside);
    if (o != OPEN_NOTHING && inside) {
        chat_put(c, m->reasoning);
        if (continues && !(m->content.n && m->reasoning.n))
            c->p->starts_inside_thinking = true;
        else
            think(c, false);
    }
    chat_put(c, continues ? m->content : chat_after_first_think(m->content));
    if (continues) return;
    if (m->n_call) chat_calls_dsml(c, m, "function_calls");
    chat_eos(c, MARK_EOS);
}

void chat_deepseek_v32(struct chat_ctx *c)
{
    size_t last = last_question(c, false);
    enum opening o = OPEN_NOTHING;
    bool system = false, continued = false;
    chat_bos(c, MARK_BOS);
    for (size_t i = 0; i < c->n; i++) {
        if (c->msg[i]->role != CHAT_SYSTEM || !c->msg[i]->content.n) continue;
        if (system) chat_lit(c, "\n\n");
        chat_put(c, c->msg[i]->content);
        system = true;
    }
    if (c->o->n_tool) {
        if (system) chat_lit(c, "\n\n");
        chat_tools_dsml(c);
        system = true;
    }
    put_schema(c, system);
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        bool last_result = i + 1 == c->n || c->msg[i + 1]->role != CHAT_TOOL;
        switch (m->role) {
        case CHAT_SYSTEM: break;
        case CHAT_DEVELOPER:
        case CHAT_USER:
            chat_lit(c, MARK_USER);
            if (m->role == CHAT_DEVELOPER) chat_lit(c, "\n\n# The user's message is: ");
            chat_put(c, m->content);
            o = OPEN_TURN;
            break;
        case CHAT_ASSISTANT:
            put_turn_v32(c, i, o, i + 1 > last);
            continued = chat_continues(c, i);
            o = OPEN_NOTHING;
            break;
        case CHAT_TOOL:
            if (i == 0 || c->msg[i - 1]->role != CHAT_TOOL)
                chat_lit(c, "\n\n<function_results>");
            chat_lit(c, "\n<result>");
            chat_put(c, m->content);
            chat_lit(c, "</result>");
            if (last_result) chat_lit(c, "\n</function_results>");
            o = OPEN_AFTER_RESULTS;
            break;
        }
    }
    if (!c->o->add_generation_prompt || continued || o == OPEN_NOTHING) return;
    open_v32(c, o, c->thinking);
    c->p->starts_inside_thinking = c->thinking;
}

/* ---- V4 ---------------------------------------------------------------------------------- */

static const char effort_max[] =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to "
    "resolve the root cause, rigorously stress-testing your logic against all potential paths, "
    "edge "
    "cases, and adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate "
    "step, "
    "considered alternative, and rejected hypothesis to ensure absolutely no assumption is "
    "left "
    "unchecked.\n\n";

static bool is_input(const struct chat_msg *m)
{
    return m->role == CHAT_USER || m->role == CHAT_TOOL;
}

/* Users and tool results in a row make one user turn. */
static void put_input_v4(struct chat_ctx *c, const struct chat_msg *m, bool goes_on)
{
    chat_lit(c, goes_on ? "\n\n" : MARK_USER);
    if (m->role == CHAT_TOOL) chat_lit(c, "<tool_result>");
    chat_put(c, m->content);
    if (m->role == CHAT_TOOL) chat_lit(c, "</tool_result>");
}

static void put_turn_v4(struct chat_ctx *c, size_t i, bool after_input, bool keep)
{
    const struct chat_msg *m = c->msg[i];
    bool inside = c->thinking && keep, continues = chat_continues(c, i);
    if (after_input) {
        chat_lit(c, MARK_ASSISTANT);
        think(c, inside);
    }
    if (inside) {
        chat_put(c, m->reasoning);
        if (continues && !(m->content.n && m->reasoning.n))
            c->p->starts_inside_thinking = true;
        else
            think(c, false);
    }
    chat_put(c, continues ? m->content : chat_after_first_think(m->content));
    if (continues) return;
    if (m->n_call) chat_calls_dsml(c, m, "tool_calls");
    chat_eos(c, MARK_EOS);
}

void chat_deepseek_v4(struct chat_ctx *c)
{
    size_t last = last_question(c, true);
    bool after_input = false, continued = false;
    chat_bos(c, MARK_BOS);
    if (c->thinking && c->o->effort_max) chat_lit(c, effort_max);
    bool system = chat_put_system(c);
    if (c->o->n_tool) {
        if (system) chat_lit(c, "\n\n");
        chat_tools_dsml_v4(c);
        system = true;
    }
    put_schema(c, system);
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        if (is_input(m)) {
            put_input_v4(c, m, after_input);
        } else {
            put_turn_v4(c, i, after_input, c->o->n_tool || i + 1 > last);
            continued = chat_continues(c, i);
        }
        after_input = is_input(m);
    }
    if (!c->o->add_generation_prompt || continued || !after_input) return;
    chat_lit(c, MARK_ASSISTANT);
    think(c, c->thinking);
    c->p->starts_inside_thinking = c->thinking;
}

/* ---- R1-Zero ----------------------------------------------------------------------------- */

/* DeepSeek-R1 paper, table 1, word for word: the weights were trained with it. Further turns are
 * put behind in the same manner, which is ours: the model was trained on one. */
void chat_r1_zero(struct chat_ctx *c)
{
    chat_bos(c, MARK_BOS);
    if (chat_put_system(c)) chat_lit(c, "\n\n");
    chat_lit(
        c, "A conversation between User and Assistant. The user asks a question, and the "
           "Assistant solves it. The assistant first thinks about the reasoning process in the "
           "mind and then provides the user with the answer. The reasoning process and answer "
           "are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
           "i.e., <think> reasoning process here </think> <answer> answer here </answer>.");
    for (size_t i = 0; i < c->n; i++) {
        const struct chat_msg *m = c->msg[i];
        if (chat_is_system(m)) continue;
        chat_lit(c, m->role == CHAT_ASSISTANT ? " Assistant: " : " User: ");
        chat_put(c, m->content);
        if (chat_continues(c, i)) return;
        if (m->role != CHAT_ASSISTANT) chat_lit(c, ".");
    }
    if (c->o->add_generation_prompt) chat_lit(c, " Assistant:");
}
