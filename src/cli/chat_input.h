/* chat_input.h - a line from a person: editing and history by libedit, pastes of any size.
 *
 * A paste arrives whole (bracketed paste): several lines become a mark such as "[pasted 5000
 * lines]" in the line being edited, and the text takes its place when the line is sent. A line
 * that ends in a backslash goes on with the next. Ctrl-O calls the caller, who may write, and the line
 * goes on below. Without a terminal, lines are read plainly.
 */
#ifndef CLI_CHAT_INPUT_H
#define CLI_CHAT_INPUT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct input;

/* file: where to keep the history of lines, or NULL for none. */
int input_open(struct input **out, const char *file, struct err *e) must_check;
void input_close(struct input *in);
void input_on_unfold(struct input *in, void (*fn)(void *ctx), void *ctx);
/* The next message. False at the end of input (Ctrl-D). An interrupted line (Ctrl-C) is empty.
 * `preset` (may be NULL) stands in the line to begin with. */
bool input_read(struct input *in, const char *prompt, const char *preset, struct buf *out);

#endif
