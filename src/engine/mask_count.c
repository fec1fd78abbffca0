#include "engine/mask_count.h"

#include <string.h>

#include "base/mem.h"

enum { SETS = 16 };

/* Tokens or branches in the order they were told; then the ones sorted by units, without them, the
 * others by bytes. */
struct told {
    uint32_t *value;
    uint16_t *unit;
    uint8_t *byte;
    size_t n, cap;
};

struct mask_count {
    struct told tok, branch;
    size_t *unit_at;     /* (most + 2): tokens of unit u begin at unit_at[u] */
    size_t byte_at[257]; /* branches that begin with a byte */
    uint32_t most;
    uint32_t *set[SETS + 1]; /* tokens of units up to u, where they are many; the last: all */
    size_t n_words;
};

static bool grow(void *p, size_t each, size_t from, size_t to)
{
    void **at = p, *q = mem_realloc(*at, from * each, to * each);
    if (q) *at = q;
    return q != NULL;
}

static bool add(struct told *t, uint32_t value, uint32_t unit, uint8_t byte)
{
    if (unit > UINT16_MAX) return false; /* a token has fewer bytes */
    if (t->n == t->cap) {
        size_t want = t->cap ? 4 * t->cap : 1 << 12;
        if (!grow(&t->value, sizeof *t->value, t->cap, want) ||
            !grow(&t->unit, sizeof *t->unit, t->cap, want) ||
            !grow(&t->byte, sizeof *t->byte, t->cap, want))
            return false;
        t->cap = want;
    }
    t->value[t->n] = value;
    t->unit[t->n] = (uint16_t)unit;
    t->byte[t->n++] = byte;
    return true;
}

static void told_release(struct told *t)
{
    mem_free(t->value);
    mem_free(t->unit);
    mem_free(t->byte);
}

struct mask_count *mask_count_create(size_t n_words)
{
    struct mask_count *c = mem_calloc(1, sizeof *c);
    if (c) c->n_words = n_words;
    return c;
}

void mask_count_free(struct mask_count *c)
{
    if (!c) return;
    told_release(&c->tok);
    told_release(&c->branch);
    mem_free(c->unit_at);
    for (int i = 0; i <= SETS; i++) mem_free(c->set[i]);
    mem_free(c);
}

bool mask_count_token(struct mask_count *c, tok_id id, uint32_t unit)
{
    c->most = unit > c->most ? unit : c->most;
    return add(&c->tok, (uint32_t)id, unit, 0);
}

bool mask_count_branch(struct mask_count *c, uint32_t node, uint8_t byte, uint32_t unit)
{
    return add(&c->branch, node, unit, byte);
}

/* Counting sorts, which keep the order of equals. */
static bool sort_tokens(struct mask_count *c)
{
    struct told *t = &c->tok, s = {.n = t->n};
    s.value = mem_alloc((t->n + 1) * sizeof *s.value);
    c->unit_at = mem_calloc((size_t)c->most + 2, sizeof *c->unit_at);
    if (!s.value || !c->unit_at) {
        mem_free(s.value);
        return false;
    }
    for (size_t i = 0; i < t->n; i++) c->unit_at[t->unit[i] + 1]++;
    for (size_t u = 0; u <= c->most; u++) c->unit_at[u + 1] += c->unit_at[u];
    for (size_t i = 0; i < t->n; i++) s.value[c->unit_at[t->unit[i]]++] = t->value[i];
    memmove(c->unit_at + 1, c->unit_at, (c->most + 1) * sizeof *c->unit_at);
    c->unit_at[0] = 0;
    told_release(t);
    *t = s;
    return true;
}

static bool sort_branches(struct mask_count *c)
{
    struct told *t = &c->branch, s = {.n = t->n};
    size_t at[257];
    s.value = mem_alloc((t->n + 1) * sizeof *s.value);
    s.unit = mem_alloc((t->n + 1) * sizeof *s.unit);
    if (!s.value || !s.unit) {
        told_release(&s);
        return false;
    }
    for (size_t i = 0; i < t->n; i++) c->byte_at[t->byte[i] + 1]++;
    for (size_t b = 0; b < 256; b++) c->byte_at[b + 1] += c->byte_at[b];
    memcpy(at, c->byte_at, sizeof at);
    for (size_t i = 0; i < t->n; i++) {
        size_t to = at[t->byte[i]]++;
        s.value[to] = t->value[i];
        s.unit[to] = t->unit[i];
    }
    told_release(t);
    *t = s;
    return true;
}

static void set_tokens(const struct mask_count *c, size_t from, size_t to, uint32_t *bits)
{
    for (size_t i = from; i < to; i++)
        bits[c->tok.value[i] >> 5] |= UINT32_C(1) << (c->tok.value[i] & 31);
}

bool mask_count_ready(struct mask_count *c)
{
    if (!sort_tokens(c) || !sort_branches(c)) return false;
    if (c->tok.n <= c->n_words) return true; /* setting them one by one is no dearer */
    const uint32_t *last = NULL;
    size_t done = 0;
    for (uint32_t u = 0; u <= SETS; u++) {
        if (u < SETS && u > c->most) continue;
        size_t to = c->unit_at[u < SETS ? u + 1 : c->most + 1];
        c->set[u] = mem_calloc(c->n_words, sizeof **c->set);
        if (!c->set[u]) return false;
        if (last) memcpy(c->set[u], last, c->n_words * sizeof *last);
        set_tokens(c, done, to, c->set[u]);
        last = c->set[u];
        done = to;
    }
    return true;
}

void mask_count_add(const struct mask_count *c, uint32_t most, uint32_t *bits)
{
    uint32_t upto = most < c->most ? most : c->most;
    uint32_t set = upto == c->most ? SETS : upto < SETS ? upto : SETS - 1;
    size_t from = 0;
    if (c->set[set]) {
        for (size_t i = 0; i < c->n_words; i++) bits[i] |= c->set[set][i];
        from = set == SETS ? c->tok.n : c->unit_at[set + 1];
    }
    set_tokens(c, from, c->unit_at[upto + 1], bits);
}

struct mask_branches mask_count_branches(const struct mask_count *c, uint8_t byte)
{
    size_t from = c->byte_at[byte];
    return (struct mask_branches){c->branch.value + from, c->branch.unit + from,
                                  c->byte_at[byte + 1] - from};
}

size_t mask_count_bytes(const struct mask_count *c)
{
    size_t bytes = sizeof *c + c->tok.n * 4 + c->branch.n * 6 + c->most * sizeof *c->unit_at;
    for (int i = 0; i <= SETS; i++) bytes += c->set[i] ? c->n_words * 4 : 0;
    return bytes;
}
