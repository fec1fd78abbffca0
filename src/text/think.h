/* think.h - telling a model's reasoning from its answer while the tokens arrive.
 *
 *             <think>                </think>
 *   UNDECIDED ---------> REASONING ------------> ANSWER
 *       |                                           ^
 *       +---- any text but blanks ------------------+
 *
 * It starts in REASONING when the template has left the thinking open, else UNDECIDED. Only the
 * first </think> counts; everything behind it is answer, whatever it says. Newlines at the start
 * of either part are dropped, and blanks in front of <think>. A stream that ends in REASONING has
 * no answer.
 *
 * Where the vocabulary has both tags as single tokens, ids decide and the same characters written
 * out are ordinary text. Else the text decides, and the beginning of a tag is held back.
 *
 * Source: DeepSeek-R1 and V3.1 model cards; docs/text.md.
 */
#ifndef TEXT_THINK_H
#define TEXT_THINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "text/vocab.h"

enum think_state { THINK_UNDECIDED, THINK_REASONING, THINK_ANSWER };

struct think {
    enum think_state state;
    tok_id open, close; /* TOK_NONE: by text */
    bool at_start;      /* of a part: newlines are dropped */
    char held[16];      /* the beginning of a tag, or blanks while undecided */
    size_t n_held;
};

/* v may be NULL: by text. */
void think_init(struct think *t, const struct vocab *v, bool starts_inside);

/* think_feed - one token and the text that came out with it (see detok.h), perhaps empty.
 * Appends to *reasoning or *answer, or to neither. Returns true when the token itself was a tag;
 * its text is then not looked at.
 */
bool think_feed(struct think *t, tok_id id, struct span text, struct buf *reasoning,
                struct buf *answer);
/* The end of the stream: what was held back goes where it belongs. */
void think_flush(struct think *t, struct buf *reasoning, struct buf *answer);

/* Closes the reasoning from outside, as a used-up budget does. */
void think_close(struct think *t);

#endif
