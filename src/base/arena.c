#include "base/arena.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"

enum { ARENA_ALIGN = 64, ARENA_MAPPED = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    unsigned char *base;
    size_t size, at;
};

static struct arena_chunk *chunk_new(size_t size)
{
    struct arena_chunk *c = mem_alloc(sizeof *c);
    if (!c) return NULL;
    *c = (struct arena_chunk){.size = size};
    c->base = size >= ARENA_MAPPED ? mem_map(size) : mem_alloc(size);
    if (!c->base) {
        mem_free(c);
        return NULL;
    }
    return c;
}

static void chunk_free(struct arena_chunk *c)
{
    if (c->size >= ARENA_MAPPED)
        mem_unmap(c->base, c->size);
    else
        mem_free(c->base);
    mem_free(c);
}

void arena_init(struct arena *a, size_t chunk_bytes, size_t cap)
{
    *a = (struct arena){.chunk_bytes = chunk_bytes ? chunk_bytes : 65536, .cap = cap};
}

int arena_init_fixed(struct arena *a, size_t bytes, struct err *e)
{
    arena_init(a, bytes, bytes);
    a->fixed = true;
    a->head = chunk_new(round_up(bytes ? bytes : 1, ARENA_ALIGN));
    if (!a->head) return err_oom(e, "arena", bytes);
    a->total = a->head->size;
    return 0;
}

void arena_release(struct arena *a)
{
    for (struct arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        chunk_free(c);
    }
    *a = (struct arena){0};
}

static bool arena_grow(struct arena *a, size_t size)
{
    size_t want = size_max(size, a->chunk_bytes), total;
    if (a->fixed || size_add(a->total, want, &total)) return false;
    if (a->cap && total > a->cap) {
        if (size > a->cap - size_min(a->cap, a->total)) return false;
        want = a->cap - a->total;
    }
    struct arena_chunk *c = chunk_new(want);
    if (!c) return false;
    c->next = a->head;
    a->head = c;
    a->total += want;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t n;
    if (size_round_up(size ? size : 1, ARENA_ALIGN, &n)) return NULL;
    if (!a->head || a->head->size - a->head->at < n) {
        if (!arena_grow(a, n)) return NULL;
    }
    void *p = a->head->base + a->head->at;
    a->head->at += n;
    a->used += n;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t total;
    if (size_mul(n, size, &total)) return NULL;
    void *p = arena_alloc(a, total);
    if (p) memset(p, 0, total);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (!p) return NULL;
    memcpy(p, s, n);
    p[n] = 0;
    return p;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->head ? a->head->at : 0, a->used};
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
    while (a->head != m.chunk) {
        struct arena_chunk *c = a->head;
        a->head = c->next;
        a->total -= c->size;
        chunk_free(c);
    }
    if (a->head) a->head->at = m.at;
    a->used = m.used;
}

void arena_reset(struct arena *a)
{
    while (a->head && a->head->next) {
        struct arena_chunk *c = a->head->next;
        a->head->next = c->next;
        a->total -= c->size;
        chunk_free(c);
    }
    if (a->head) a->head->at = 0;
    a->used = 0;
}
