/* arena.h - regions: allocate forward, free all at once or back to a mark.
 *
 * An arena is a list of chunks with a cap on their sum. Memory is 64-byte aligned and NOT zeroed
 * (arena_calloc zeroes). A step arena is created with one chunk of the planned size and
 * `fixed`: it never grows, so running out is an error in the plan and is reported as such.
 *
 * Threads: one owner.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct err;
struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest first */
    size_t chunk_bytes;       /* size of the next ordinary chunk */
    size_t cap;               /* upper bound of all chunks together */
    size_t used;              /* bytes handed out since the last reset */
    size_t peak;              /* the most `used` has been */
    size_t total;             /* bytes of chunks held */
    bool fixed;
};

struct arena_mark {
    struct arena_chunk *chunk;
    size_t at, used;
};

/* cap 0 means no cap. */
void arena_init(struct arena *a, size_t chunk_bytes, size_t cap);
/* One chunk of `bytes`, taken now; the arena never grows. */
int arena_init_fixed(struct arena *a, size_t bytes, struct err *e) must_check;
void arena_release(struct arena *a);

/* NULL when memory or the cap is out. */
void *arena_alloc(struct arena *a, size_t size) must_check;
void *arena_calloc(struct arena *a, size_t n, size_t size) must_check;
char *arena_strndup(struct arena *a, const char *s, size_t n) must_check;

struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);
/* Empty, keeping the newest chunk for reuse. */
void arena_reset(struct arena *a);

#endif
