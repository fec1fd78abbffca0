/* msgs.h - the parts that several request formats read alike: content given as a string or as
 * parts, tool definitions and choices in the OpenAI form. */
#ifndef SERVE_MSGS_H
#define SERVE_MSGS_H

#include "serve/ask.h"

struct api_err;
struct serve;

/* A string, null, or an array of text parts ({type: text | input_text | output_text | refusal,
 * text}), joined. Other part types are errors that name their path. */
int msg_content(struct ask *k, const json_t *v, const char *path, struct span *out,
                struct api_err *a) must_check;
/* chat/completions messages into k->msg. */
int msgs_read(struct ask *k, const json_t *messages, bool strict, struct api_err *a) must_check;
/* tools, tool_choice, parallel_tool_calls, functions, function_call. */
int tools_read(struct ask *k, bool strict, struct api_err *a) must_check;
/* One tool; the parameters may be NULL. */
int tool_add(struct ask *k, struct span name, struct span description, const json_t *params,
             bool strict, const char *path, struct api_err *a) must_check;
/* A named choice must be one of the tools. */
int choice_check(const struct ask *k, const char *path, struct api_err *a) must_check;
/* The model of k->b.model, allowed for the caller. any: unknown names mean the first model. */
struct caller;
int ask_model(struct ask *k, struct serve *s, const struct caller *c, bool any,
              struct api_err *a) must_check;

/* render_chat with its error as the API tells it; text may be NULL. In api_chat.c. */
struct gen_input;
int chat_render_input(struct serve *s, struct ask *k, struct gen_input *in, struct buf *text,
                      struct api_err *a) must_check;

#endif
