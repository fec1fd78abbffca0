/* hanoi.c - Tower of Hanoi from any legal position to one peg. Key: the peg of each disk from the
 * smallest on, the goal, and a peg that is closed, as "ABA>C" or "AA>C!B". */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_DISK = 6, MAX_MOVES = 80 };

static const char *const ask[TASK_PHRASINGS] = {
    "Tower of Hanoi: $1. Move all disks to peg $2.",
    "$1. Bring all disks to peg $2 by the rules of the Tower of Hanoi.",
    "In the Tower of Hanoi $1. How do all disks get to $2?",
    "Pegs A, B, C; disk 1 is the smallest. $1. Move everything to $2.",
    "A tower puzzle: $1. All disks must end on $2, never a larger one on a smaller one.",
    "Hanoi position: $1. Give the moves that bring all disks to peg $2.",
    "Starting position: $1. Build the tower on peg $2.",
    "Solve the Tower of Hanoi for peg $2 when $1.",
};

/* The next move of the shortest solution: the largest disk that is not home must go there, so all
 * smaller ones must be on the third peg; the first of them that is in the way is moved so in turn. */
static bool next_move(const char *peg, int n, char goal, int *disk, char *to)
{
    char want = goal;
    *disk = -1;
    for (int d = n - 1; d >= 0; d--) {
        if (peg[d] == want) continue;
        *disk = d;
        *to = want;
        want = (char)('A' + 'B' + 'C' - peg[d] - want);
    }
    return *disk >= 0;
}

static bool make(struct gen *g)
{
    static const int disks[] = {0, 2, 3, 3, 4, 5};
    static const int least[] = {0, 1, 3, 5, 8, 14};
    int n = disks[g->level] + (g->level == 1 ? gen_below(g, 2) : 0), count = 0, d;
    char peg[MAX_DISK + 1] = "", goal = (char)('A' + gen_below(g, 3)), to, text[160];
    size_t at = 0;
    for (int i = 0; i < n; i++) peg[i] = (char)('A' + gen_below(g, 3));
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        if (k == 0 && twin_below(g, 2))
            goal = (char)('A' + twin_below(g, 3));
        else
            peg[twin_below(g, n)] = (char)('A' + twin_below(g, 3));
    }
    char closed = 0;
    if (g->variant == TASK_ILL) { /* a tower of two or more cannot move with two pegs */
        n += twin_below(g, 2);
        char from = (char)('A' + twin_below(g, 3));
        if (from == goal) return false;
        memset(peg, from, (size_t)n);
        closed = (char)('A' + 'B' + 'C' - from - goal);
    }
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%sdisk %d is on %c",
                               i == 0       ? ""
                               : i == n - 1 ? " and "
                                            : ", ",
                               i + 1, peg[i]);
    gen_key(g, "%.*s>%c", n, peg, goal);
    gen_ask(g, ask, text, (char[]){goal, 0});
    gen_text(g, " Write AC for a move from A to C.");
    if (closed) {
        gen_key(g, "!%c", closed);
        gen_text(g, " Peg %c may not be used.", closed);
        gen_say(g, "disk %d moves only when disk 1 is elsewhere", n);
        gen_say(g, "without %c there is no place for disk 1", closed);
        gen_none(g);
        return true;
    }
    while (next_move(peg, n, goal, &d, &to)) {
        char lhs[32], right[8], wrong[8];
        snprintf(lhs, sizeof lhs, "disk %d ", d + 1);
        snprintf(right, sizeof right, "%c%c", peg[d], to);
        snprintf(wrong, sizeof wrong, "%c%c", peg[d], 'A' + 'B' + 'C' - peg[d] - to);
        gen_line(g, lhs, right, wrong);
        gen_answer(g, "%s%c%c", count++ ? " " : "", peg[d], to);
        peg[d] = to;
    }
    gen_check(g, "all on %c after %d moves", goal, count);
    return count >= least[g->level];
}

static const char *check(const struct task_item *it, struct span a)
{
    struct span key = buf_span(&it->key), w;
    size_t n = 0;
    char peg[MAX_DISK + 1];
    while (n < key.n && key.p[n] != '>') n++;
    if (n == 0 || n > MAX_DISK || n + 1 >= key.n) return "the item's key is not a position";
    memcpy(peg, key.p, n);
    char goal = key.p[n + 1];
    for (int moves = 0;; moves++) {
        bool home = true;
        size_t d = 0, e = 0;
        for (size_t i = 0; i < n; i++) home &= peg[i] == goal;
        if (!next_word(&a, " ,\n", &w)) return home ? NULL : "not all disks are on the peg";
        if (home) return "goes on after the end";
        if (w.n != 2 || moves == MAX_MOVES || w.p[1] < 'A' || w.p[1] > 'C' || w.p[0] == w.p[1])
            return "not a list of moves";
        while (d < n && peg[d] != w.p[0]) d++;
        while (e < n && peg[e] != w.p[1]) e++;
        if (d == n || e < d) return "a move that is not allowed";
        peg[d] = w.p[1];
    }
}

const struct task_family task_hanoi = {
    "hanoi", "Tower of Hanoi", "moves such as AC AB CB", 'B', 4, 0.02, 0xfe5dcbc8, make, check};
