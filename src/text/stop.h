/* stop.h - stop strings over a stream of text.
 *
 * Text that may be the beginning of a stop string is held back until the next text decides. The
 * first string to end wins, of several that end together the longest; it and everything behind it
 * is not passed on. Time is linear: one Knuth-Morris-Pratt automaton per string.
 *
 * Threads: one owner.
 */
#ifndef TEXT_STOP_H
#define TEXT_STOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum { STOP_MAX_STRINGS = 16, STOP_MAX_BYTES = 1024 };

struct stop_string {
    struct span text;
    uint16_t *border; /* border[i]: longest proper prefix of text[0..i] that is its suffix */
    size_t state;     /* how much of the string the stream ends with */
};

struct stop {
    struct stop_string str[STOP_MAX_STRINGS];
    size_t n;
    void *block;
};

/* Copies the strings. Fails: ERR_USAGE for more than 16, an empty one or one over 1024 bytes. */
int stop_init(struct stop *s, const struct span *text, size_t n, struct err *e) must_check;
void stop_release(struct stop *s);

/* Appends what can be passed on. Returns the index of the string that was met, or -1. */
int stop_feed(struct stop *s, struct span text, struct buf *out);
/* The end of the stream: appends what was held back. */
void stop_flush(struct stop *s, struct buf *out);

#endif
