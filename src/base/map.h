/* map.h - open-addressing hash maps: bytes -> u64 and u64 -> u64.
 *
 * Byte keys are copied into the map's own arena. Values of (uint64_t)-1 are not allowed: it is
 * what a miss returns. Grows at 3/4 full.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"

#define MAP_NONE UINT64_MAX

struct map_slot;

struct map {
    struct map_slot *slot;
    size_t n, size; /* entries, slots (a power of two) */
    struct arena keys;
};

void map_init(struct map *m);
void map_release(struct map *m);
/* False when memory is out. An existing key gets the new value. */
bool map_put(struct map *m, struct span key, uint64_t value) must_check;
uint64_t map_get(const struct map *m, struct span key);

struct map64 {
    uint64_t *key, *value; /* value MAP_NONE marks a free slot */
    size_t n, size;
};

void map64_init(struct map64 *m);
void map64_release(struct map64 *m);
bool map64_reserve(struct map64 *m, size_t n) must_check;
bool map64_put(struct map64 *m, uint64_t key, uint64_t value) must_check;
uint64_t map64_get(const struct map64 *m, uint64_t key);
bool map64_del(struct map64 *m, uint64_t key); /* true if it was there */

static inline uint64_t map64_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

#endif
