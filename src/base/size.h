/* size.h - arithmetic on sizes that come from outside: each function returns true on overflow. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

static inline must_check bool size_mul(size_t a, size_t b, size_t *out)
{
    return __builtin_mul_overflow(a, b, out);
}

static inline must_check bool size_add(size_t a, size_t b, size_t *out)
{
    return __builtin_add_overflow(a, b, out);
}

/* Round up to a multiple of `to`, which is not zero. */
static inline must_check bool size_round_up(size_t a, size_t to, size_t *out)
{
    size_t over = a % to;
    if (over == 0) {
        *out = a;
        return false;
    }
    return size_add(a, to - over, out);
}

/* For values already known to be small: no overflow check. */
static inline size_t round_up(size_t a, size_t to)
{
    return (a + to - 1) / to * to;
}

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Little-endian loads from unaligned file bytes. The program refuses to start on a big-endian
 * machine, so these are plain copies. */
static inline uint16_t load_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t load_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t load_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
