/* name_index.h - find an entry of a table by its name, without copying the names.
 *
 * The names stay where they are (in a mapped file); the index holds one u32 per slot. Used for
 * the keys and tensors of model files, whose headers must not cost more than a few times their
 * own size in memory.
 */
#ifndef FORMAT_NAME_INDEX_H
#define FORMAT_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define NAME_NONE SIZE_MAX

/* Names are read from a table of structs: the i-th begins with a struct span at base + i * step. */
struct name_index {
    uint32_t *slot; /* entry + 1; 0 is free */
    size_t size;    /* slots, a power of two */
};

/* Room for n entries, all slots free. False when memory is out or n is 2^31 or more. */
bool name_index_init(struct name_index *x, size_t n) must_check;
void name_index_release(struct name_index *x);
/* Adds entry i. Returns false, adding nothing, if an entry of that name is there. */
bool name_index_add(struct name_index *x, const void *base, size_t step, size_t i) must_check;
/* The entry with this name, or NAME_NONE. */
size_t name_index_find(const struct name_index *x, const void *base, size_t step,
                       struct span name);

#endif
