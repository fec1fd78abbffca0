/* pretok.h - cutting a text into the pieces inside which byte-pair merges happen.
 *
 * The rules are the published regular expressions of each model family (docs/text.md lists them),
 * written as scanners: one pass over the text, no regex engine, linear time on any input. A byte
 * that is not part of valid UTF-8 counts as U+FFFD, a symbol of one byte. The pieces are
 * consecutive and cover the text.
 */
#ifndef TEXT_PRETOK_H
#define TEXT_PRETOK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "text/vocab.h"

struct pretok_scan {
    const char *p;
    size_t n, at;
    size_t blank_end; /* deepseek-llm: white space before this offset is not at a piece's end */
    enum pretok rule;
};

/* The text must outlive the scan. */
void pretok_begin(struct pretok_scan *s, enum pretok rule, struct span text);
/* False at the end. Pieces are never empty and point into the text. */
bool pretok_next(struct pretok_scan *s, struct span *piece);

#endif
