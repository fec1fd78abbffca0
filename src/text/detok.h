/* detok.h - ids to text while they are still coming: only whole UTF-8 ever leaves.
 *
 * A token may end inside a character; its bytes are held back until the next tokens complete it.
 * What can never be completed becomes U+FFFD, one for each longest beginning of a character, so
 * the pieces put together are always valid UTF-8. For the exact bytes use vocab_decode.
 *
 * Threads: one owner; nothing is allocated but by the buffers.
 */
#ifndef TEXT_DETOK_H
#define TEXT_DETOK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "text/vocab.h"

struct detok {
    const struct vocab *v;
    char tail[4]; /* the beginning of a character */
    size_t n_tail;
    bool special;    /* control tokens appear as their text */
    bool drop_space; /* SentencePiece: the next ordinary token loses one leading space */
};

/* at_start: the ids begin a text, so SentencePiece's prefix space is taken off the first one. False
 * when they continue one. */
void detok_init(struct detok *d, const struct vocab *v, bool special, bool at_start);
/* Appends what is complete now, perhaps nothing. */
void detok_feed(struct detok *d, tok_id id, struct buf *out);
/* The end of the stream: a character that was begun becomes U+FFFD. */
void detok_flush(struct detok *d, struct buf *out);

#endif
