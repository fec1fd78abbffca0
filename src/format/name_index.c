#include "format/name_index.h"

#include "base/hash.h"
#include "base/mem.h"

bool name_index_init(struct name_index *x, size_t n)
{
    *x = (struct name_index){NULL, 0};
    if (n >= (size_t)1 << 31) return false;
    size_t size = 8;
    while (size < n + n / 2) size *= 2;
    x->slot = mem_calloc(size, sizeof *x->slot);
    if (!x->slot) return false;
    x->size = size;
    return true;
}

void name_index_release(struct name_index *x)
{
    mem_free(x->slot);
    *x = (struct name_index){NULL, 0};
}

static struct span name_at(const void *base, size_t step, size_t i)
{
    return *(const struct span *)(const void *)((const char *)base + i * step);
}

static size_t probe(const struct name_index *x, const void *base, size_t step, struct span name)
{
    size_t mask = x->size - 1, at = (size_t)hash64(name.p, name.n, 0) & mask;
    while (x->slot[at] && !span_eq(name_at(base, step, x->slot[at] - 1), name))
        at = (at + 1) & mask;
    return at;
}

bool name_index_add(struct name_index *x, const void *base, size_t step, size_t i)
{
    size_t at = probe(x, base, step, name_at(base, step, i));
    if (x->slot[at]) return false;
    x->slot[at] = (uint32_t)i + 1;
    return true;
}

size_t name_index_find(const struct name_index *x, const void *base, size_t step,
                       struct span name)
{
    if (x->size == 0) return NAME_NONE;
    uint32_t v = x->slot[probe(x, base, step, name)];
    return v ? v - 1 : NAME_NONE;
}
