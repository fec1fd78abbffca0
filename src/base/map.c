#include "base/map.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct map_slot {
    const char *key; /* NULL: free */
    size_t len;
    uint64_t hash, value;
};

void map_init(struct map *m)
{
    *m = (struct map){0};
    arena_init(&m->keys, 1 << 16, 0);
}

void map_release(struct map *m)
{
    mem_free(m->slot);
    arena_release(&m->keys);
    *m = (struct map){0};
}

static struct map_slot *find(const struct map *m, struct span key, uint64_t h)
{
    size_t mask = m->size - 1;
    for (size_t i = (size_t)h & mask;; i = (i + 1) & mask) {
        struct map_slot *s = &m->slot[i];
        if (!s->key) return s;
        if (s->hash == h && s->len == key.n && memcmp(s->key, key.p, key.n) == 0) return s;
    }
}

static bool grow(struct map *m)
{
    size_t size = m->size ? m->size * 2 : 64;
    struct map_slot *slot = mem_calloc(size, sizeof *slot);
    if (!slot) return false;
    for (size_t i = 0; i < m->size; i++) {
        if (!m->slot[i].key) continue;
        size_t j = (size_t)m->slot[i].hash & (size - 1);
        while (slot[j].key) j = (j + 1) & (size - 1);
        slot[j] = m->slot[i];
    }
    mem_free(m->slot);
    m->slot = slot;
    m->size = size;
    return true;
}

bool map_put(struct map *m, struct span key, uint64_t value)
{
    if (m->n * 4 >= m->size * 3 && !grow(m)) return false;
    uint64_t h = hash64(key.p, key.n, 0);
    struct map_slot *s = find(m, key, h);
    if (!s->key) {
        const char *p = arena_strndup(&m->keys, key.n ? key.p : "", key.n);
        if (!p) return false;
        *s = (struct map_slot){p, key.n, h, value};
        m->n++;
    }
    s->value = value;
    return true;
}

uint64_t map_get(const struct map *m, struct span key)
{
    if (!m->size) return MAP_NONE;
    const struct map_slot *s = find(m, key, hash64(key.p, key.n, 0));
    return s->key ? s->value : MAP_NONE;
}

void map64_init(struct map64 *m)
{
    *m = (struct map64){0};
}

void map64_release(struct map64 *m)
{
    mem_free(m->key);
    mem_free(m->value);
    *m = (struct map64){0};
}

static size_t find64(const struct map64 *m, uint64_t key)
{
    size_t mask = m->size - 1, i = (size_t)map64_mix(key) & mask;
    while (m->value[i] != MAP_NONE && m->key[i] != key) i = (i + 1) & mask;
    return i;
}

static bool resize64(struct map64 *m, size_t size)
{
    struct map64 to = {.key = mem_alloc(size * sizeof *to.key),
                       .value = mem_alloc(size * sizeof *to.value),
                       .n = m->n,
                       .size = size};
    if (!to.key || !to.value) {
        map64_release(&to);
        return false;
    }
    memset(to.value, 0xff, size * sizeof *to.value);
    for (size_t i = 0; i < m->size; i++) {
        if (m->value[i] == MAP_NONE) continue;
        size_t j = find64(&to, m->key[i]);
        to.key[j] = m->key[i];
        to.value[j] = m->value[i];
    }
    map64_release(m);
    *m = to;
    return true;
}

bool map64_reserve(struct map64 *m, size_t n)
{
    size_t size = 64;
    while (size * 3 <= n * 4) size *= 2;
    return size <= m->size || resize64(m, size);
}

bool map64_put(struct map64 *m, uint64_t key, uint64_t value)
{
    if (m->n * 4 >= m->size * 3 && !resize64(m, m->size ? m->size * 2 : 64)) return false;
    size_t i = find64(m, key);
    if (m->value[i] == MAP_NONE) m->n++;
    m->key[i] = key;
    m->value[i] = value;
    return true;
}

uint64_t map64_get(const struct map64 *m, uint64_t key)
{
    return m->size ? m->value[find64(m, key)] : MAP_NONE;
}

bool map64_del(struct map64 *m, uint64_t key)
{
    if (!m->size) return false;
    size_t mask = m->size - 1, i = find64(m, key);
    if (m->value[i] == MAP_NONE) return false;
    /* Close the hole: move back every later entry of the run whose home is at or before it. */
    for (size_t j = (i + 1) & mask; m->value[j] != MAP_NONE; j = (j + 1) & mask) {
        size_t home = (size_t)map64_mix(m->key[j]) & mask;
        if (((j - home) & mask) < ((j - i) & mask)) continue;
        m->key[i] = m->key[j];
        m->value[i] = m->value[j];
        i = j;
    }
    m->value[i] = MAP_NONE;
    m->n--;
    return true;
}
