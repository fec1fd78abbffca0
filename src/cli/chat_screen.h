/* chat_screen.h - streaming an answer to a terminal: thinking dim and folded, widths right.
 *
 * While the model thinks its thoughts are shown dim, with a live counter in front; when the answer
 * begins they are wiped and one line stays: "thought 12 s, 512 tokens". Only what is still on the
 * screen can be wiped; thoughts longer than the window leave their upper part in the scrollback.
 * On something that is no terminal, or TERM=dumb, nothing is wiped.
 */
#ifndef CLI_CHAT_SCREEN_H
#define CLI_CHAT_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct screen {
    bool tty, thinking, fold;
    int width, height;
    int column, rows; /* of the thinking: where the cursor is, how many rows below its start */
    int64_t started_ns, tokens;
};

void screen_begin(struct screen *s, bool fold);
void screen_text(struct screen *s, struct span text, bool thinking);
void screen_end(struct screen *s);

#endif
