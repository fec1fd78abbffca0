/* bpe_count.h - how often each piece occurs in a text: what the trainer learns from.
 *
 * A table from piece bytes to count. Sums do not depend on order, so several tables filled by
 * several threads and then put together give the same counts as one.
 */
#ifndef TEXT_BPE_COUNT_H
#define TEXT_BPE_COUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "text/vocab.h"

struct err;

struct piece_slot {
    uint64_t hash;
    size_t at; /* into pool */
    uint32_t len;
    int64_t count; /* 0: free */
};

struct piece_table {
    struct piece_slot *slot;
    size_t n, size; /* size: a power of two */
    struct buf pool;
};

void piece_table_init(struct piece_table *t);
void piece_table_release(struct piece_table *t);
/* False when memory is out. Pieces longer than 2^32 - 1 bytes do not occur: texts are shorter. */
bool piece_table_add(struct piece_table *t, struct span piece, int64_t count) must_check;
/* All pieces of a text. */
bool piece_table_count(struct piece_table *t, enum pretok rule, struct span text) must_check;
bool piece_table_merge(struct piece_table *to, const struct piece_table *from) must_check;

/* Where a text may be cut at or behind `at` without changing its pieces: between a newline that
 * follows a printable ASCII character and another printable one. text.n if there is no such place. */
size_t piece_cut(struct span text, size_t at);

#endif
