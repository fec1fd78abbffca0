/* tool_parse.h - tool calls in a model's output, found while it is written.
 *
 * The parser is fed the answer's text (special tokens shown as their text) in pieces of any size
 * and reports ordinary text, the name of a call as soon as it is known, its arguments in fragments
 * and its end. The fragments of one call put together are the JSON text of its argument object;
 * when the output was cut off, the beginning of one. What looks like a call but is not one comes
 * out as text. Time is linear; at most one call is kept in memory, and arguments longer than
 * TOOL_MAX_BYTES end the call.
 *
 *   TOOLS_V3    <calls><call>function<sep>NAME\n```json\nARGS\n```<call end>...<calls end>
 *   TOOLS_V31   <calls><call>NAME<sep>ARGS<call end>...<calls end>
 *   TOOLS_DSML  <DSML function_calls><DSML invoke name="..."><DSML parameter ...>...   (V3.2)
 *   TOOLS_QWEN  <tool_call>\n{"name": NAME, "arguments": ARGS}\n</tool_call>
 *   TOOLS_LLAMA3  {"name": NAME, "parameters": ARGS} as the whole answer
 *
 * Sources: DeepSeek-V3, V3.1 and V3.2 model cards, Qwen2.5 and Llama 3.1 templates.
 */
#ifndef TEXT_TOOL_PARSE_H
#define TEXT_TOOL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum tool_style {
    TOOLS_NONE,
    TOOLS_V3,
    TOOLS_V31,
    TOOLS_DSML,    /* block name function_calls */
    TOOLS_DSML_V4, /* block name tool_calls */
    TOOLS_QWEN,
    TOOLS_LLAMA3
};

enum { TOOL_MAX_BYTES = 1 << 20 };

enum tool_event_type {
    TOOL_TEXT, /* not part of a call */
    TOOL_CALL, /* a call begins: text is its name */
    TOOL_ARGS, /* a fragment of its arguments */
    TOOL_END   /* the call is over; complete says whether it was closed */
};

struct tool_event {
    enum tool_event_type type;
    struct span text; /* valid during the callback */
    size_t index;     /* of the call in this answer, from 0 */
    bool complete;
};

typedef void (*tool_fn)(void *ctx, const struct tool_event *ev);

struct tool_parser;

int tool_parser_create(struct tool_parser **out, enum tool_style style, tool_fn fn, void *ctx,
                       struct err *e) must_check;
void tool_parser_free(struct tool_parser *p);
/* Fails: ERR_MEMORY only; the text itself is never an error. */
int tool_parser_feed(struct tool_parser *p, struct span text, struct err *e) must_check;
/* The end of the output: held text is passed on, an open call ends with complete = false. */
int tool_parser_finish(struct tool_parser *p, struct err *e) must_check;
/* How many calls there were so far. */
size_t tool_parser_calls(const struct tool_parser *p);

#endif
