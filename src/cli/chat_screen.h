/* chat_screen.h - streaming an answer to a terminal.
 *
 * While the prompt is read a line says how far. Thoughts are shown dim as they come, with a counter
 * below them; when the answer begins they are wiped and one line stays: "thought 12 s, 512 tokens"
 * (screen_thought shows them again). The answer is shown as it comes
 * too; a block of Markdown that is whole is wiped and put there again as chat_markdown.h shows it.
 * Only what is still on the screen can be wiped: what is taller than the window stays as it came.
 * On something that is no terminal, or TERM=dumb, nothing is wiped and Markdown stays as it is
 * written.
 */
#ifndef CLI_CHAT_SCREEN_H
#define CLI_CHAT_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct screen {
    bool tty, thinking, fold, markdown;
    int width, height;
    int column,
        rows; /* where the cursor is: column, and rows below the start of what can be wiped */
    int64_t started_ns, shown_ns, tokens;
    bool reading;       /* the line of the prompt's progress is there */
    bool counter;       /* the thinking's counter is there */
    bool counted;       /* it has been there since the cursor's place was last forgotten */
    struct buf pending; /* of the answer: not yet a whole block, on the screen as it came */
    struct buf lines;
    bool in_list;
};

void screen_begin(struct screen *s, bool fold, bool markdown);
/* The prompt is read up to `done` of `total` tokens. */
void screen_reading(struct screen *s, int64_t done, int64_t total);
void screen_text(struct screen *s, struct span text, bool thinking);
void screen_end(struct screen *s); /* frees, too */
/* A thought that was folded. */
void screen_thought(struct span text);
/* Puts text into the terminal's clipboard; says nothing when the terminal does not do that. */
void screen_copy(struct span text);

#endif
