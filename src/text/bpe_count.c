#include "text/bpe_count.h"

#include "base/hash.h"
#include "base/mem.h"
#include "text/pretok.h"

void piece_table_init(struct piece_table *t)
{
    *t = (struct piece_table){0};
    buf_init(&t->pool, SIZE_MAX / 2);
}

void piece_table_release(struct piece_table *t)
{
    mem_free(t->slot);
    buf_release(&t->pool);
    *t = (struct piece_table){0};
}

static struct piece_slot *find(const struct piece_table *t, struct span piece, uint64_t h)
{
    for (size_t i = (size_t)h & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        struct piece_slot *s = &t->slot[i];
        if (!s->count) return s;
        if (s->hash == h && s->len == piece.n &&
            memcmp(t->pool.data + s->at, piece.p, piece.n) == 0)
            return s;
    }
}

static bool grow(struct piece_table *t)
{
    size_t size = t->size ? 2 * t->size : 1 << 12;
    struct piece_slot *slot = mem_calloc(size, sizeof *slot);
    if (!slot) return false;
    for (size_t i = 0; i < t->size; i++) {
        if (!t->slot[i].count) continue;
        size_t j = (size_t)t->slot[i].hash & (size - 1);
        while (slot[j].count) j = (j + 1) & (size - 1);
        slot[j] = t->slot[i];
    }
    mem_free(t->slot);
    t->slot = slot;
    t->size = size;
    return true;
}

bool piece_table_add(struct piece_table *t, struct span piece, int64_t count)
{
    if (2 * t->n >= t->size && !grow(t)) return false;
    uint64_t h = hash64(piece.p, piece.n, 0);
    struct piece_slot *s = find(t, piece, h);
    if (!s->count) {
        *s = (struct piece_slot){h, t->pool.len, (uint32_t)piece.n, 0};
        buf_add_span(&t->pool, piece);
        if (t->pool.failed) return false;
        t->n++;
    }
    s->count += count;
    return true;
}

bool piece_table_count(struct piece_table *t, enum pretok rule, struct span text)
{
    struct pretok_scan scan;
    struct span piece;
    pretok_begin(&scan, rule, text);
    while (pretok_next(&scan, &piece))
        if (!piece_table_add(t, piece, 1)) return false;
    return true;
}

bool piece_table_merge(struct piece_table *to, const struct piece_table *from)
{
    for (size_t i = 0; i < from->size; i++) {
        const struct piece_slot *s = &from->slot[i];
        struct span piece = {from->pool.data + s->at, s->len};
        if (s->count && !piece_table_add(to, piece, s->count)) return false;
    }
    return true;
}

static bool is_printable(char c)
{
    return c > ' ' && c <= '~';
}

size_t piece_cut(struct span text, size_t at)
{
    for (size_t i = at > 2 ? at : 2; i < text.n; i++)
        if (text.p[i - 1] == '\n' && is_printable(text.p[i - 2]) && is_printable(text.p[i]))
            return i;
    return text.n;
}
