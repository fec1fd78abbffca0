/* ordering.c - things in a row by "left of" clues; the chain takes away the leftmost again and
 * again. Key: the clues and the asked place, "0<2 2<1|2" (things numbered as in the prompt). */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_N = 8, MAX_CLUE = 16 };

static const char *const color[] = {"red",   "blue", "green", "black", "white",
                                    "brown", "pink", "grey",  "gold",  "purple"};
static const char *const ask[TASK_PHRASINGS] = {
    "$1 books stand in a row. $2 Which book is number $3 from the left?",
    "There are $1 books on a shelf. $2 Name the color of book $3 from the left.",
    "$2 Of the $1 books, which one has place $3 from the left?",
    "A row of $1 books: $2 What color is book number $3, counted from the left?",
    "$1 books lie side by side. $2 Which color is at place $3 from the left?",
    "$2 These are all $1 books. Which is the book in place $3 from the left?",
    "On a shelf stand $1 books. $2 Say which color is number $3 from the left.",
    "In a row of $1 books, $2 Which of them is in position $3 from the left?",
};

struct clues {
    int n, a[MAX_CLUE], b[MAX_CLUE]; /* a is left of b */
};

/* Takes away the only thing with nothing left of it; `out` gets the order. Where two are free the
 * order is not unique: *stuck is how many places were sure. */
static bool sort(const struct clues *c, int n, int *out, int *sure)
{
    bool gone[MAX_N] = {false};
    for (int i = 0; i < n; i++) {
        int free = -1, n_free = 0;
        for (int x = 0; x < n; x++) {
            bool blocked = gone[x];
            for (int k = 0; k < c->n; k++) blocked |= c->b[k] == x && !gone[c->a[k]];
            if (blocked) continue;
            free = x;
            n_free++;
        }
        *sure = i;
        if (n_free != 1) return false;
        gone[free] = true;
        out[i] = free;
    }
    *sure = n;
    return true;
}

static bool make(struct gen *g)
{
    int n = g->level + 2, order[MAX_N], id[MAX_N], out[MAX_N], sure;
    struct clues c = {.n = 0};
    char text[512];
    size_t at = 0;
    for (int i = 0; i < n; i++) order[i] = i;
    gen_shuffle(g, order, n);
    int place = gen_below(g, n), lost = -1;
    if (g->variant == TASK_TWIN) {
        for (int k = 0; k < g->changes; k++) { /* two neighbours change places */
            int i = twin_below(g, n - 1), t = order[i];
            order[i] = order[i + 1];
            order[i + 1] = t;
        }
        if (twin_below(g, 2)) place = twin_below(g, n);
    }
    if (g->variant == TASK_ILL) lost = twin_below(g, n - 1);
    for (int i = 0; i + 1 < n; i++) {
        if (i == lost) continue;
        c.a[c.n] = order[i];
        c.b[c.n++] = order[i + 1];
    }
    for (int k = 0; k + 2 < g->level; k++) { /* true, but says nothing new */
        int i = gen_below(g, n - 2), j = gen_int(g, i + 2, n - 1);
        c.a[c.n] = order[i];
        c.b[c.n++] = order[j];
    }
    for (int i = c.n - 1; i > 0; i--) {
        int j = gen_below(g, i + 1), a = c.a[i], b = c.b[i];
        c.a[i] = c.a[j];
        c.b[i] = c.b[j];
        c.a[j] = a;
        c.b[j] = b;
    }
    bool ok = sort(&c, n, out, &sure);
    if (ok != (g->variant != TASK_ILL)) return false;
    if (!ok && place != lost) return false; /* places lost and lost + 1 may change */
    gen_distinct(&g->w, countof(color), id, n);
    for (int k = 0; k < c.n; k++) {
        bool left = rng_below(&g->w, 2);
        const char *a = color[id[c.a[k]]], *b = color[id[c.b[k]]];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s is %s of %s.", k ? " " : "",
                               left ? a : b, left ? "left" : "right", left ? b : a);
        gen_key(g, "%s%d<%d", k ? " " : "", c.a[k], c.b[k]);
    }
    gen_key(g, "|%d", place);
    gen_ask(g, ask, num(n).s, text, num(place + 1).s);
    for (int i = 0; i < (ok ? place + 1 : sure); i++) {
        char lhs[32];
        snprintf(lhs, sizeof lhs, "%d: ", i + 1);
        gen_line(g, lhs, color[id[out[i]]], color[id[out[i + 1 < n && ok ? i + 1 : 0]]]);
    }
    if (!ok) {
        gen_say(g, "%d: more than one may stand here", sure + 1);
        gen_unknown(g);
        return true;
    }
    gen_answer(g, "%s", color[id[out[place]]]);
    return true;
}

const struct task_family task_ordering = {
    "ordering", "Ordering deduction", "a color", 'B', 5, 0.25, 0x947851f9, make, check_words};
