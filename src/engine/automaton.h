/* automaton.h - following a grammar byte by byte.
 *
 * A position is a node and a stack of nodes to return to. Stacks are cells (node, cell below),
 * each made once, so equal stacks have equal numbers; cell 0 is the open bottom. Inside a count the
 * node is the count's, and the cell holds which of the repeated units is being read, from 1. A
 * free cell counts without limits: the state then says how many units are whole, by positions at
 * grammar.dead, and what follows the count is not entered (mask_count.h). A state is the
 * sorted set of positions in front of a byte, with a flag for "the bottom may have been reached";
 * states too are made once, with a table of where each byte leads, filled as bytes are seen. A
 * call in last place leaves nothing on the stack, so a list written as a recursion stays flat.
 *
 * Cells live as long as the automaton. States are thrown away when there are too many
 * (auto_trim), which changes the epoch: who keeps a state over that keeps its positions too
 * (struct auto_mark).
 *
 * A limit that is met sets `full`; the state is then dead. Threads: one at a time.
 */
#ifndef ENGINE_AUTOMATON_H
#define ENGINE_AUTOMATON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/map.h"
#include "engine/grammar.h"

struct err;

enum {
    AUTO_DEAD = 0,       /* the state from which nothing is accepted */
    AUTO_OPEN = 0,       /* the stack with nothing known below */
    AUTO_FREE = 1 << 21, /* in auto_cell.unit */
    AUTO_POSITIONS_MAX = 1024,
    AUTO_CELLS_MAX = 1 << 20,
    AUTO_STATES_MAX = 1 << 16,
    AUTO_STATES_TRIM = 1 << 13
};

struct auto_pos {
    uint32_t node, cell;
};

struct auto_cell {
    uint32_t ret, below;
    uint32_t unit; /* of a count, with AUTO_FREE; 0 for a plain return */
    uint32_t free; /* the unit of the free cell at the bottom, 0 without one */
};

struct auto_state {
    uint32_t first, n; /* positions, in automaton.pos */
    uint32_t free;     /* the least `free` of their stacks */
    bool done;         /* the bottom was reached: what was read may end here */
};

struct automaton {
    const struct grammar *g;
    struct auto_cell *cell;
    struct auto_state *state;
    uint32_t *next; /* (n_state, 256); UINT32_MAX: not yet known */
    struct auto_pos *pos;
    size_t n_cell, cap_cell, n_state, cap_state, n_pos, cap_pos;
    struct map64 cells, states;
    struct auto_work *work;
    uint32_t epoch;
    bool full;
};

int automaton_create(struct automaton **out, const struct grammar *g, struct err *e) must_check;
void automaton_free(struct automaton *a);

uint32_t auto_start(struct automaton *a);
/* The state of one position, or of what follows when the top of a stack is returned to. */
uint32_t auto_at(struct automaton *a, struct auto_pos p);
uint32_t auto_return(struct automaton *a, uint32_t cell);
uint32_t auto_cell(struct automaton *a, uint32_t ret, uint32_t below, uint32_t unit);
uint32_t auto_next_slow(struct automaton *a, uint32_t state, unsigned byte);

static inline uint32_t auto_next(struct automaton *a, uint32_t state, unsigned byte)
{
    uint32_t to = a->next[(size_t)state * 256 + byte];
    return to != UINT32_MAX ? to : auto_next_slow(a, state, byte);
}

/* A state that outlives auto_trim. Starts as zeroes. */
struct auto_mark {
    struct auto_pos *pos;
    uint32_t n, cap, state, epoch;
    bool done;
};

bool auto_keep(struct automaton *a, struct auto_mark *m, uint32_t state) must_check;
uint32_t auto_load(struct automaton *a, struct auto_mark *m);
void auto_mark_release(struct auto_mark *m);
/* Forgets all states when there are many. True when it did. */
bool auto_trim(struct automaton *a);

#endif
