/* shortest_path.c - a shortest way along roads, by breadth first search. Key: the roads and the
 * question, "AB BD DE|AE". */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_NODE = 12, MAX_EDGE = 24 };

static const char *const ask[TASK_PHRASINGS] = {
    "Roads: $1. What is the shortest way from $2 to $3?",
    "There are roads $1. Find a shortest path from $2 to $3.",
    "Towns are joined by $1. How do you get from $2 to $3 with the fewest roads?",
    "The map has the roads $1. Go from $2 to $3 on as few roads as possible.",
    "Links: $1. Give the shortest route from $2 to $3.",
    "With the connections $1, what is the quickest way from $2 to $3?",
    "Given the edges $1, name a shortest path between $2 and $3.",
    "You can drive along $1. Which way from $2 to $3 uses the fewest roads?",
};

struct graph {
    int n, n_edge;
    char a[MAX_EDGE], b[MAX_EDGE];
};

static bool has_edge(const struct graph *g, char a, char b)
{
    for (int i = 0; i < g->n_edge; i++)
        if ((g->a[i] == a && g->b[i] == b) || (g->a[i] == b && g->b[i] == a)) return true;
    return false;
}

static void add_random(struct rng *r, struct graph *g)
{
    char a = (char)('A' + rng_below(r, (uint64_t)g->n)),
         b = (char)('A' + rng_below(r, (uint64_t)g->n));
    if (a == b || has_edge(g, a, b) || g->n_edge == MAX_EDGE) return;
    g->a[g->n_edge] = a;
    g->b[g->n_edge++] = b;
}

/* Distances from `from`; lines "from A: B C" when gen is given. parent[x] is 0 where unreached. */
static int search(struct gen *gen, const struct graph *g, char from, char to, char *parent)
{
    char queue[MAX_NODE];
    int head = 0, tail = 0, dist[128] = {0};
    memset(parent, 0, 128);
    queue[tail++] = from;
    parent[(int)from] = from;
    while (head < tail && !parent[(int)to]) {
        char x = queue[head++], line[64];
        size_t at = 0;
        line[0] = 0;
        for (int i = 0; i < g->n_edge; i++) {
            char y = g->a[i] == x ? g->b[i] : g->b[i] == x ? g->a[i] : 0;
            if (!y || parent[(int)y]) continue;
            parent[(int)y] = x;
            dist[(int)y] = dist[(int)x] + 1;
            queue[tail++] = y;
            at += (size_t)snprintf(line + at, sizeof line - at, " %c", y);
        }
        char lhs[16];
        snprintf(lhs, sizeof lhs, "from %c:", x);
        if (gen) gen_line(gen, lhs, at ? line : " nothing new", at ? " nothing new" : " A");
    }
    return parent[(int)to] ? dist[(int)to] : -1;
}

static bool make(struct gen *g)
{
    struct graph m = {.n = g->level + 3};
    char parent[128], way[MAX_NODE + 1], text[256];
    int want = g->level < 3 ? 2 : 3, n = 0;
    size_t at = 0;
    for (int i = 0; i < m.n + g->level; i++) add_random(&g->r, &m);
    char from = (char)('A' + gen_below(g, m.n)), to = (char)('A' + gen_below(g, m.n));
    if (search(NULL, &m, from, to, parent) < want || from == to) return false;
    for (int k = 0; g->variant != TASK_PLAIN && k < g->changes && m.n_edge > 1; k++) {
        int i = twin_below(g, m.n_edge); /* one road goes, or goes elsewhere */
        m.a[i] = m.a[--m.n_edge];
        m.b[i] = m.b[m.n_edge];
        if (g->variant == TASK_TWIN && twin_below(g, 2)) add_random(&g->t, &m);
    }
    if (g->variant == TASK_TWIN && g->changes > 1) {
        from = (char)('A' + twin_below(g, m.n));
        to = (char)('A' + twin_below(g, m.n));
    }
    for (int k = 0;
         g->variant == TASK_ILL && search(NULL, &m, from, to, parent) >= 0 && m.n_edge > 1;
         k++) {
        int i = twin_below(g, m.n_edge);
        m.a[i] = m.a[--m.n_edge];
        m.b[i] = m.b[m.n_edge];
    }
    int d = search(NULL, &m, from, to, parent);
    if ((d < 0) != (g->variant == TASK_ILL) || d == 0 || d == 1) return false;
    for (int i = 0; i < m.n_edge; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%c-%c", i ? ", " : "", m.a[i],
                               m.b[i]);
        gen_key(g, "%s%c%c", i ? " " : "", m.a[i], m.b[i]);
    }
    gen_key(g, "|%c%c", from, to);
    gen_ask(g, ask, text, (char[]){from, 0}, (char[]){to, 0});
    (void)search(g, &m, from, to, parent);
    if (d < 0) {
        gen_say(g, "%c is not reached", to);
        gen_none(g);
        return true;
    }
    for (char x = to; x != from; x = parent[(int)x]) way[n++] = x;
    gen_answer(g, "%c", from);
    at = (size_t)snprintf(text, sizeof text, "back: %c", to);
    for (int i = 1; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " %c", way[i]);
    snprintf(text + at, sizeof text - at, " %c", from);
    gen_say(g, "%s", text);
    while (n > 0) gen_answer(g, "-%c", way[--n]);
    gen_check(g, "%s uses %d roads", buf_str(g->answer), d);
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    struct graph m = {.n = MAX_NODE};
    struct span rest = buf_span(&it->key), w = {NULL, 0}, x;
    char parent[128], at = 0;
    int steps = -1;
    while (next_word(&rest, " |", &w) && w.n == 2) {
        bool letters = w.p[0] >= 'A' && w.p[0] < 'A' + MAX_NODE && w.p[1] >= 'A' &&
                       w.p[1] < 'A' + MAX_NODE;
        if (!letters || m.n_edge == MAX_EDGE) return "the item's key is not a list of roads";
        m.a[m.n_edge] = w.p[0];
        m.b[m.n_edge++] = w.p[1];
    }
    if (m.n_edge < 2) return "the item's key is not a list of roads";
    m.n_edge--; /* the last pair is the question */
    char from = m.a[m.n_edge], to = m.b[m.n_edge];
    int best = search(NULL, &m, from, to, parent);
    while (next_word(&a, "- ,>", &x)) {
        if (x.n != 1 || ++steps > MAX_NODE) return "not a path such as A-B-C";
        if (steps == 0 ? x.p[0] != from : !has_edge(&m, at, x.p[0])) return "no such road";
        at = x.p[0];
    }
    if (at != to) return "does not lead there";
    return steps == best ? NULL : "a way, but not a shortest one";
}

const struct task_family task_shortest_path = {"shortest_path",
                                               "Shortest path",
                                               "a path such as A-B-C",
                                               'B',
                                               5,
                                               0.05,
                                               0x9715a291,
                                               make,
                                               check};
