/* chat.h - conversations to prompts, by named templates.
 *
 * A template here is a C function that writes what the model was trained on; there is no template
 * language. A checkpoint's own template text is only looked at to recognise which one it is.
 *
 * The result is one text in which the special tokens are marked by position. Turning it into ids
 * emits the marks by id and encodes everything between them with specials off, so nothing a user
 * writes can become a template mark. All templates put exactly one BOS at the start where the
 * model has one; encode the result without adding another.
 *
 * What each template writes, and where it differs from the published one: docs/text.md.
 */
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "text/tool_parse.h"
#include "text/vocab.h"

struct err;

/* in code, as written, and how it writes tool calls */
#define CHAT_TEMPLATES(X)                                  \
    X(CHAT_RAW, "raw", TOOLS_NONE)                         \
    X(CHAT_TARN, "tarn", TOOLS_V31)                        \
    X(CHAT_DEEPSEEK_V2, "deepseek-v2", TOOLS_NONE)         \
    X(CHAT_DEEPSEEK_V25, "deepseek-v2.5", TOOLS_V3)        \
    X(CHAT_DEEPSEEK_V3, "deepseek-v3", TOOLS_V3)           \
    X(CHAT_DEEPSEEK_R1, "deepseek-r1", TOOLS_V3)           \
    X(CHAT_DEEPSEEK_R1_0528, "deepseek-r1-0528", TOOLS_V3) \
    X(CHAT_DEEPSEEK_V31, "deepseek-v3.1", TOOLS_V31)       \
    X(CHAT_DEEPSEEK_V32, "deepseek-v3.2", TOOLS_DSML)      \
    X(CHAT_DEEPSEEK_V4, "deepseek-v4", TOOLS_DSML_V4)      \
    X(CHAT_R1_ZERO, "r1-zero", TOOLS_NONE)                 \
    X(CHAT_CHATML, "chatml", TOOLS_QWEN)                   \
    X(CHAT_QWEN25, "qwen2.5", TOOLS_QWEN)                  \
    X(CHAT_QWEN3, "qwen3", TOOLS_QWEN)                     \
    X(CHAT_QWQ, "qwq", TOOLS_QWEN)                         \
    X(CHAT_LLAMA2, "llama2", TOOLS_NONE)                   \
    X(CHAT_LLAMA3, "llama3", TOOLS_NONE)                   \
    X(CHAT_LLAMA31, "llama3.1", TOOLS_LLAMA3)

enum chat_template {
#define X(id, name, tools) id,
    CHAT_TEMPLATES(X)
#undef X
};

enum chat_role {
    CHAT_SYSTEM,
    CHAT_DEVELOPER, /* a system message, except that V3.2 has a form of its own for it */
    CHAT_USER,
    CHAT_ASSISTANT,
    CHAT_TOOL
};

struct chat_call {
    struct span id, name;
    struct span arguments; /* the JSON text of the argument object, used as it stands */
};

/* Spans that are absent have p == NULL or n == 0. */
struct chat_msg {
    enum chat_role role;
    struct span content;
    struct span
        reasoning; /* of an assistant turn; may also stand in content, before </think> */
    const struct chat_call *call;
    size_t n_call;
    struct span tool_call_id; /* of a tool message: results are put in the order of the calls */
    struct span name;
    bool prefix; /* the last message, an assistant's: the model goes on from here */
};

enum chat_thinking { CHAT_THINK_DEFAULT, CHAT_THINK_ON, CHAT_THINK_OFF };

struct chat_opts {
    enum chat_thinking thinking; /* default: as the model's own template does it */
    bool effort_max;             /* V4: the paragraph that asks for the utmost */
    bool add_generation_prompt;  /* end where the assistant's turn begins */
    const struct span *tool; /* OpenAI tool objects, JSON text each, or their bare functions */
    size_t n_tool;
    struct span response_schema; /* V3.2, V4: JSON text put under "Response Format" */
    struct span date;            /* llama3.1: "26 Jul 2024" when absent */
};

enum chat_mark_role {
    CHAT_MARK_OPTIONAL,    /* its characters, when the vocabulary has no such token */
    CHAT_MARK_NEEDED,      /* the template makes no sense without it */
    CHAT_MARK_BOS,         /* by text, or else the vocabulary's bos; needed */
    CHAT_MARK_EOS,         /* by text, or else the vocabulary's eos; needed */
    CHAT_MARK_DEFAULT_BOS, /* no text; the bos when the vocabulary says add_bos */
};

struct chat_mark {
    size_t at, n; /* bytes of the text */
    enum chat_mark_role role;
};

struct chat_prompt {
    struct buf text;
    struct chat_mark *mark; /* in order of position */
    size_t n_mark, mark_size;
    bool starts_inside_thinking; /* what the model writes next is reasoning */
};

const char *chat_template_name(enum chat_template t);
/* How a model with this template writes tool calls. */
enum tool_style chat_template_tools(enum chat_template t);
/* Fails: ERR_USAGE, with the list of names as hint. */
int chat_template_parse(struct span name, enum chat_template *out, struct err *e) must_check;
/* chat_template_recognise - which template a checkpoint's jinja text is.
 * Fails: ERR_UNSUPPORTED with the hint to say --template NAME. */
int chat_template_recognise(struct span jinja, enum chat_template *out,
                            struct err *e) must_check;

/* chat_render - the prompt of a conversation.
 *
 *   p  written; release it with chat_prompt_release also after an error
 *
 * A call in the history whose arguments are not JSON is rendered as the text it is.
 * Fails: ERR_UNSUPPORTED when tools are given to a template that has no form for them, ERR_FORMAT
 * for a tool that is not a JSON object with a name, ERR_USAGE for prefix in the wrong place,
 * ERR_LIMIT, ERR_MEMORY.
 */
int chat_render(struct chat_prompt *p, enum chat_template t, const struct chat_msg *msg,
                size_t n, const struct chat_opts *o, struct err *e) must_check;
void chat_prompt_release(struct chat_prompt *p);
/* Fails: ERR_UNSUPPORTED naming the mark, when a needed one is not in the vocabulary. */
int chat_prompt_ids(const struct chat_prompt *p, const struct vocab *v, struct tok_list *out,
                    struct err *e) must_check;

/* Both steps at once. starts_inside may be NULL. */
int chat_render_ids(const struct vocab *v, enum chat_template t, const struct chat_msg *msg,
                    size_t n, const struct chat_opts *o, struct tok_list *out,
                    bool *starts_inside, struct err *e) must_check;
int chat_render_text(enum chat_template t, const struct chat_msg *msg, size_t n,
                     const struct chat_opts *o, struct buf *out, bool *starts_inside,
                     struct err *e) must_check;

/* The jinja text of a template for files of our own making: tarn's; empty for the others, whose
 * models bring theirs. chat_template_recognise knows it again. */
struct span chat_template_text(enum chat_template t);

/* The marks a new vocabulary for the tarn template should have as control tokens, in the order
 * of their ids. Returns how many. */
size_t chat_tarn_marks(const char *const **out);

#endif
