/* render.h - the one place where the server meets text/: a conversation becomes token ids, and the
 * bytes a model writes become text and tool calls.
 *
 * Threads: a render is read-only after render_create and may be used by any thread; a reply_parser
 * has one owner.
 */
#ifndef SERVE_RENDER_H
#define SERVE_RENDER_H

#include "serve/ask.h"
#include "text/vocab.h"

struct err;
struct render;
struct reply_parser;
struct replay;

int render_create(struct render **out, const struct vocab *v, const char *template_name,
                  struct err *e) must_check;
void render_free(struct render *r);

/* The chat's prompt. *starts_inside: the template left the thinking open. Tool calls that the
 * replay memory knows are written as they were sampled. text may be NULL; else the prompt as bytes
 * is appended (special tokens as their text).
 *
 * A tool call that must come, or must follow its schema, becomes the answer's constraint
 * (call_grammar.h); a call that must not come is banned by a bias on the mark that begins one, and so is thinking
 * that is switched off. */
int render_chat(const struct render *r, struct ask *k, struct replay *rp, struct tok_list *out,
                struct buf *text, bool *starts_inside, struct err *e) must_check;
/* Fill in the middle; ERR_UNSUPPORTED when the vocabulary has no such tokens. */
int render_fim(const struct render *r, struct span before, struct span after,
               struct tok_list *out, struct err *e) must_check;
const char *render_template_name(const struct render *r);
/* A Jinja text that renders plain conversations the same way, for evaluation harnesses that do
 * the rendering themselves; empty for templates that have none. */
const char *render_jinja(const struct render *r);

/* ---- reading the answer ---------------------------------------------------------------------- */

enum reply_kind {
    REPLY_TEXT,
    REPLY_CALL,      /* a call begins; the span is its name */
    REPLY_CALL_ARGS, /* a piece of its arguments */
    REPLY_CALL_END
};
typedef void (*reply_fn)(void *ctx, enum reply_kind kind, struct span s);

/* Looks for calls as this template's models write them. NULL when memory is out. */
struct reply_parser *reply_parser_create(const struct render *r);
void reply_parser_free(struct reply_parser *p);
/* Text that may be the beginning of a marker is held back until it is decided. */
void reply_parser_feed(struct reply_parser *p, struct span s, reply_fn fn, void *ctx);
void reply_parser_end(struct reply_parser *p, reply_fn fn, void *ctx);

#endif
