/* buf.h - spans of bytes, and a growable buffer with a cap given at birth.
 *
 * A failed append sets `failed` and changes nothing; later appends do nothing either. So a writer
 * appends freely and checks once at the end with buf_ok. The bytes are always followed by a zero
 * (not counted in len), so buf_str can be printed.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct err;

/* Pointer and length; never owns. */
struct span {
    const char *p;
    size_t n;
};

static inline struct span span_of(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static inline bool span_is(struct span a, const char *s)
{
    return a.n == strlen(s) && memcmp(a.p, s, a.n) == 0;
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_starts(struct span a, const char *s)
{
    size_t n = strlen(s);
    return a.n >= n && memcmp(a.p, s, n) == 0;
}

/* Offset of the first occurrence of needle in hay at or after `from`, or (size_t)-1. */
size_t span_find(struct span hay, size_t from, struct span needle);

struct buf {
    char *data;
    size_t len, size, cap;
    bool failed;
};

/* cap: the most bytes it may ever hold. Nothing is allocated until the first append. */
void buf_init(struct buf *b, size_t cap);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empty, and no longer failed; keeps its memory */

bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_span(struct buf *b, struct span s);
void buf_add_char(struct buf *b, char c);
void buf_add_zeros(struct buf *b, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
/* The text as a JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct span s);

/* 0, or ERR_LIMIT / ERR_MEMORY naming `what` if an append failed. */
int buf_ok(const struct buf *b, const char *what, struct err *e) must_check;
const char *buf_str(const struct buf *b); /* never NULL */
struct span buf_span(const struct buf *b);
/* Hands the memory to the caller (mem_free); the buffer is empty again. NULL if it failed. */
char *buf_take(struct buf *b, size_t *len);

#endif
