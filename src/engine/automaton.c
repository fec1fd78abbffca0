#include "engine/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

enum { SEEN_SLOTS = 1 << 13, SEEN_MAX = SEEN_SLOTS / 2 };

/* For one closure: positions to look at, those seen, those found. */
struct auto_work {
    struct auto_pos todo[SEEN_MAX], found[AUTO_POSITIONS_MAX], seen[SEEN_SLOTS];
    uint32_t stamp[SEEN_SLOTS], now;
    size_t n_todo, n_seen, n_found;
    bool done;
};

static bool grow(void **p, size_t *cap, size_t each, size_t most)
{
    size_t want = *cap ? *cap * 2 : 64;
    if (want > most) want = most;
    if (want <= *cap) return false;
    void *q = mem_realloc(*p, *cap * each, want * each);
    if (!q) return false;
    *p = q;
    *cap = want;
    return true;
}

/* ---- closure ------------------------------------------------------------------------------- */

static void begin(struct auto_work *w)
{
    if (++w->now == 0) {
        memset(w->stamp, 0, sizeof w->stamp);
        w->now = 1;
    }
    w->n_todo = w->n_seen = w->n_found = 0;
    w->done = false;
}

/* Where p is, or would be put. */
static size_t slot_of(const struct auto_work *w, struct auto_pos p)
{
    size_t at = map64_mix((uint64_t)p.node << 32 | p.cell) & (SEEN_SLOTS - 1);
    while (w->stamp[at] == w->now && (w->seen[at].node != p.node || w->seen[at].cell != p.cell))
        at = (at + 1) & (SEEN_SLOTS - 1);
    return at;
}

static void visit(struct automaton *a, struct auto_pos p)
{
    struct auto_work *w = a->work;
    size_t at = slot_of(w, p);
    if (w->stamp[at] == w->now) return;
    if (w->n_seen == SEEN_MAX) {
        a->full = true;
        return;
    }
    w->stamp[at] = w->now;
    w->seen[at] = p;
    w->n_seen++;
    w->todo[w->n_todo++] = p;
}

/* Nodes have 18 bits, cells 20, units 22. */
uint32_t auto_cell(struct automaton *a, uint32_t ret, uint32_t below, uint32_t unit)
{
    uint64_t key = (uint64_t)ret << 42 | (uint64_t)below << 22 | unit;
    uint64_t at = map64_get(&a->cells, key);
    if (at != MAP_NONE) return (uint32_t)at;
    void *p = a->cell;
    if (a->n_cell == a->cap_cell && !grow(&p, &a->cap_cell, sizeof *a->cell, AUTO_CELLS_MAX)) {
        a->full = true;
        return AUTO_OPEN;
    }
    a->cell = p;
    if (!map64_put(&a->cells, key, a->n_cell)) {
        a->full = true;
        return AUTO_OPEN;
    }
    uint32_t free = unit & AUTO_FREE ? unit - AUTO_FREE : a->n_cell ? a->cell[below].free : 0;
    a->cell[a->n_cell] = (struct auto_cell){ret, below, unit, free};
    return (uint32_t)a->n_cell++;
}

/* `done` units of the count at a node are read. */
static void go_on(struct automaton *a, uint32_t node, uint32_t below, uint32_t done, bool free)
{
    struct gram_node n = a->g->node[node];
    struct gram_count c = a->g->count[n.arg];
    struct gram_rule unit = a->g->rule[c.rule];
    if (!free && (done >= c.lo || unit.nullable)) visit(a, (struct auto_pos){n.next, below});
    if (!free && done >= c.hi) return;
    if (!free && c.hi == GRAM_MANY && done > c.lo) done = c.lo;
    uint32_t cell = auto_cell(a, node, below, (done + 1) | (free ? AUTO_FREE : 0));
    visit(a, (struct auto_pos){unit.start, cell});
}

static void leave(struct automaton *a, uint32_t cell)
{
    if (cell == AUTO_OPEN) {
        a->work->done = true;
        return;
    }
    struct auto_cell c = a->cell[cell];
    if (!c.unit) {
        visit(a, (struct auto_pos){c.ret, c.below});
        return;
    }
    /* A unit that may be empty and was begun just now: from its begin all can follow that can follow
     * its end, so nothing is missed, and the count does not run up to its limit at once. */
    struct gram_rule unit = a->g->rule[a->g->count[a->g->node[c.ret].arg].rule];
    if (unit.nullable &&
        a->work->stamp[slot_of(a->work, (struct auto_pos){unit.start, cell})] == a->work->now)
        return;
    if (c.unit & AUTO_FREE) visit(a, (struct auto_pos){a->g->dead, cell});
    go_on(a, c.ret, c.below, c.unit & ~(uint32_t)AUTO_FREE, c.unit & AUTO_FREE);
}

static void follow(struct automaton *a)
{
    struct auto_work *w = a->work;
    while (w->n_todo && !a->full) {
        struct auto_pos p = w->todo[--w->n_todo];
        struct gram_node n = a->g->node[p.node];
        switch ((enum gram_op)n.op) {
        case GRAM_JUMP: visit(a, (struct auto_pos){n.next, p.cell}); break;
        case GRAM_SPLIT:
            visit(a, (struct auto_pos){n.next, p.cell});
            visit(a, (struct auto_pos){n.arg, p.cell});
            break;
        case GRAM_CALL:
            if (a->g->node[n.next].op != GRAM_END) p.cell = auto_cell(a, n.next, p.cell, 0);
            visit(a, (struct auto_pos){a->g->rule[n.arg].start, p.cell});
            break;
        case GRAM_COUNT: go_on(a, p.node, p.cell, 0, false); break;
        case GRAM_SET:
            if (w->n_found == AUTO_POSITIONS_MAX)
                a->full = true;
            else
                w->found[w->n_found++] = p;
            break;
        case GRAM_END: leave(a, p.cell); break;
        }
    }
}

static int by_place(const void *x, const void *y)
{
    const struct auto_pos *a = x, *b = y;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* ---- states -------------------------------------------------------------------------------- */

static uint32_t put_state(struct automaton *a, const struct auto_pos *pos, size_t n, bool done)
{
    uint64_t h = hash64(pos, n * sizeof *pos, done);
    for (uint64_t at; (at = map64_get(&a->states, h)) != MAP_NONE; h++) {
        const struct auto_state *s = &a->state[at];
        if (s->n == n && s->done == done &&
            (n == 0 || memcmp(a->pos + s->first, pos, n * sizeof *pos) == 0))
            return (uint32_t)at;
    }
    while (a->n_pos + n > a->cap_pos) {
        void *p = a->pos;
        if (!grow(&p, &a->cap_pos, sizeof *a->pos, (size_t)1 << 26)) goto full;
        a->pos = p;
    }
    if (a->n_state == a->cap_state) {
        void *p = a->state, *q = a->next;
        size_t cap = a->cap_state;
        if (!grow(&q, &cap, 256 * sizeof *a->next, AUTO_STATES_MAX)) goto full;
        a->next = q;
        if (!grow(&p, &a->cap_state, sizeof *a->state, AUTO_STATES_MAX)) goto full;
        a->state = p;
    }
    if (!map64_put(&a->states, h, a->n_state)) goto full;
    if (n) memcpy(a->pos + a->n_pos, pos, n * sizeof *pos);
    uint32_t free = n ? UINT32_MAX : 0;
    for (size_t i = 0; i < n; i++)
        free = a->cell[pos[i].cell].free < free ? a->cell[pos[i].cell].free : free;
    a->state[a->n_state] = (struct auto_state){(uint32_t)a->n_pos, (uint32_t)n, free, done};
    memset(a->next + a->n_state * 256, a->n_state == AUTO_DEAD ? 0 : 0xFF,
           256 * sizeof *a->next);
    a->n_pos += n;
    return (uint32_t)a->n_state++;
full:
    a->full = true;
    return AUTO_DEAD;
}

static uint32_t finish(struct automaton *a)
{
    struct auto_work *w = a->work;
    follow(a);
    if (a->full) return AUTO_DEAD;
    qsort(w->found, w->n_found, sizeof *w->found, by_place);
    return put_state(a, w->found, w->n_found, w->done);
}

uint32_t auto_at(struct automaton *a, struct auto_pos p)
{
    begin(a->work);
    visit(a, p);
    return finish(a);
}

uint32_t auto_return(struct automaton *a, uint32_t cell)
{
    begin(a->work);
    leave(a, cell);
    return finish(a);
}

uint32_t auto_start(struct automaton *a)
{
    return auto_at(a, (struct auto_pos){a->g->rule[a->g->root].start, AUTO_OPEN});
}

uint32_t auto_next_slow(struct automaton *a, uint32_t state, unsigned byte)
{
    struct auto_state s = a->state[state];
    begin(a->work);
    for (uint32_t i = 0; i < s.n; i++) {
        struct auto_pos p = a->pos[s.first + i];
        struct gram_node n = a->g->node[p.node];
        if (gram_set_has(&a->g->set[n.arg], byte)) visit(a, (struct auto_pos){n.next, p.cell});
    }
    uint32_t to = finish(a);
    a->next[(size_t)state * 256 + byte] = to;
    return to;
}

/* ---- keeping ------------------------------------------------------------------------------- */

bool auto_keep(struct automaton *a, struct auto_mark *m, uint32_t state)
{
    struct auto_state s = a->state[state];
    if (s.n > m->cap) {
        struct auto_pos *p = mem_realloc(m->pos, m->cap * sizeof *p, s.n * sizeof *p);
        if (!p) return false;
        m->pos = p;
        m->cap = s.n;
    }
    if (s.n) memcpy(m->pos, a->pos + s.first, s.n * sizeof *m->pos);
    m->n = s.n;
    m->done = s.done;
    m->state = state;
    m->epoch = a->epoch;
    return true;
}

uint32_t auto_load(struct automaton *a, struct auto_mark *m)
{
    if (m->epoch != a->epoch) {
        m->state = put_state(a, m->pos, m->n, m->done);
        m->epoch = a->epoch;
    }
    return m->state;
}

void auto_mark_release(struct auto_mark *m)
{
    mem_free(m->pos);
    *m = (struct auto_mark){0};
}

bool auto_trim(struct automaton *a)
{
    if (a->n_state < AUTO_STATES_TRIM) return false;
    map64_release(&a->states);
    map64_init(&a->states);
    a->n_state = a->n_pos = 0;
    a->epoch++;
    (void)put_state(a, NULL, 0, false);
    return true;
}

int automaton_create(struct automaton **out, const struct grammar *g, struct err *e)
{
    *out = NULL;
    struct automaton *a = mem_calloc(1, sizeof *a);
    if (!a) return err_oom(e, "grammar", sizeof *a);
    a->g = g;
    a->epoch = 1;
    map64_init(&a->cells);
    map64_init(&a->states);
    a->work = mem_calloc(1, sizeof *a->work);
    if (a->work) {
        (void)auto_cell(a, 0, 0, 0); /* takes number 0, the open bottom */
        (void)put_state(a, NULL, 0, false);
    }
    if (!a->work || a->full) {
        automaton_free(a);
        return err_oom(e, "grammar", sizeof *a->work);
    }
    *out = a;
    return 0;
}

void automaton_free(struct automaton *a)
{
    if (!a) return;
    mem_free(a->cell);
    mem_free(a->state);
    mem_free(a->next);
    mem_free(a->pos);
    mem_free(a->work);
    map64_release(&a->cells);
    map64_release(&a->states);
    mem_free(a);
}
