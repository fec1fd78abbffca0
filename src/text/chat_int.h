/* chat_int.h - what the template functions write with. Private to text/chat*.c. */
#ifndef TEXT_CHAT_INT_H
#define TEXT_CHAT_INT_H

#include "text/chat.h"
#include "text/marks.h"

struct chat_ctx {
    struct chat_prompt *p;
    const struct chat_msg **msg; /* tool results in the order of their calls */
    size_t n;
    const struct chat_opts *o;
    enum chat_template t;
    bool thinking; /* on, after the template's default */
    bool failed;   /* memory ran out for a mark */
};

/* Text of the template itself: special tokens in it are found and marked. */
void chat_lit(struct chat_ctx *c, const char *s);
/* Text from outside: never a mark. */
void chat_put(struct chat_ctx *c, struct span s);
void chat_bos(struct chat_ctx *c, const char *text);
void chat_eos(struct chat_ctx *c, const char *text);
void chat_default_bos(struct chat_ctx *c);

/* The last message is an assistant's that the model continues. */
bool chat_continues(const struct chat_ctx *c, size_t i);
/* All system messages joined by blank lines. Returns whether there was any text. */
bool chat_put_system(struct chat_ctx *c);
bool chat_is_system(const struct chat_msg *m);
/* Where the text starts behind the last, or the first, </think>; the whole text without one. */
struct span chat_after_last_think(struct span s);
struct span chat_after_first_think(struct span s);
struct span chat_trim(struct span s, const char *set); /* both ends */

/* ---- tools, chat_tools.c ----------------------------------------------------------------- */

/* Every tool is a JSON object with a function name. */
int chat_check_tools(const struct chat_opts *o, struct err *e) must_check;
void chat_tools_v3(struct chat_ctx *c); /* V3, R1: names, schemas and the call format */
void chat_tools_v31(struct chat_ctx *c);
void chat_tools_dsml(struct chat_ctx *c);
void chat_tools_dsml_v4(struct chat_ctx *c);
void chat_tools_qwen(struct chat_ctx *c); /* from "# Tools" to the last line */
void chat_tools_llama3(struct chat_ctx *c);

void chat_calls_v3(struct chat_ctx *c, const struct chat_msg *m);
void chat_calls_v31(struct chat_ctx *c, const struct chat_msg *m);
void chat_calls_dsml(struct chat_ctx *c, const struct chat_msg *m, const char *block);
void chat_call_qwen(struct chat_ctx *c, const struct chat_call *call);

/* ---- templates --------------------------------------------------------------------------- */

void chat_deepseek_v2(struct chat_ctx *c);
void chat_deepseek_v3(struct chat_ctx *c);
void chat_deepseek_v31(struct chat_ctx *c);
void chat_deepseek_v32(struct chat_ctx *c);
void chat_deepseek_v4(struct chat_ctx *c);
void chat_r1_zero(struct chat_ctx *c);
void chat_chatml(struct chat_ctx *c);
void chat_qwen3(struct chat_ctx *c);
void chat_llama2(struct chat_ctx *c);
void chat_llama3(struct chat_ctx *c);
void chat_raw(struct chat_ctx *c);

#endif
