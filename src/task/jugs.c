/* jugs.c - measure an amount with two jugs. Key: "a b t", a > b. Moves: fA eA AB (fill, empty,
 * pour A into B) and the same for B. The chain fills A, pours into B and empties B in turn, which
 * meets every multiple of the greatest common divisor. */
#include <stdio.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Jug A holds $1 litres, jug B holds $2. Measure $3 litres.",
    "You have jugs of $1 (A) and $2 (B) litres. Get exactly $3 litres in one of them.",
    "With a $1-litre jug A and a $2-litre jug B, measure out $3 litres.",
    "Two empty jugs: A takes $1 litres, B takes $2. How do you get $3 litres?",
    "Measure $3 litres using jug A ($1 litres) and jug B ($2 litres).",
    "Jugs A and B hold $1 and $2 litres. Find moves that leave $3 litres in a jug.",
    "There is a tap, jug A of $1 litres and jug B of $2 litres. Bring $3 litres into a jug.",
    "From jugs of size $1 (A) and $2 (B), obtain $3 litres.",
};

enum { MAX_MOVES = 64 };

/* Plays one move on s; false when it is no move. */
static bool play(const int size[2], int s[2], char p, char q)
{
    int from = p == 'A' ? 0 : p == 'B' ? 1 : -1, to = q == 'A' ? 0 : q == 'B' ? 1 : -1;
    if (to < 0 || (from < 0 && p != 'f' && p != 'e') || from == to) return false;
    if (p == 'f') {
        s[to] = size[to];
    } else if (p == 'e') {
        s[to] = 0;
    } else {
        int n = s[from] < size[to] - s[to] ? s[from] : size[to] - s[to];
        s[from] -= n;
        s[to] += n;
    }
    return true;
}

static bool make(struct gen *g)
{
    static const int hi[] = {0, 8, 12, 15, 20, 30, 40};
    static const int most[] = {0, 4, 6, 8, 10, 14, 20};
    static const int least[] = {0, 2, 3, 4, 5, 7, 9};
    int size[2], s[2] = {0, 0}, n = 0;
    size[0] = gen_int(g, g->level < 3 ? 3 : hi[g->level] / 2, hi[g->level]);
    size[1] = gen_int(g, g->level < 3 ? 1 : 2, size[0] - 1);
    int t = gen_int(g, 1, size[0]), k = gcd_int(size[0], size[1]);
    if (g->variant == TASK_TWIN) {
        size[0] = twin_int(g, 2, hi[g->level]);
        if (g->changes > 1) size[1] = twin_int(g, 1, size[0] - 1);
        t = g->changes > 1 ? twin_int(g, 1, size[0]) : t;
        k = gcd_int(size[0], size[1]);
    }
    if (g->variant == TASK_ILL) {
        t = twin_int(g, 1, size[0] + 20);
        if (t % k == 0 && t <= size[0]) return false;
    } else if (size[1] >= size[0] || t % k || t > size[0]) {
        return false;
    }
    gen_key(g, "%d %d %d", size[0], size[1], t);
    gen_ask(g, ask, num(size[0]).s, num(size[1]).s, num(t).s);
    gen_text(g, " Moves: fA fill A, eA empty A, AB pour A into B; fB, eB, BA likewise.");
    if (g->variant == TASK_ILL) {
        if (t > size[0])
            gen_say(g, "no jug holds %d", t);
        else
            gen_say(g, "all amounts are multiples of %d, %d is not", k, t);
        gen_none(g);
        return true;
    }
    while (s[0] != t && s[1] != t) {
        char p = s[0] == 0 ? 'f' : s[1] == size[1] ? 'e' : 'A';
        char q = s[0] == 0 ? 'A' : 'B';
        if (n == most[g->level]) return false;
        (void)play(size, s, p, q);
        char lhs[16], right[32], wrong[32];
        snprintf(lhs, sizeof lhs, "%c%c: ", p, q);
        snprintf(right, sizeof right, "%d %d", s[0], s[1]);
        snprintf(wrong, sizeof wrong, "%d %d", s[0] + 1, s[1]);
        gen_line(g, lhs, right, wrong);
        gen_answer(g, "%s%c%c", n++ ? " " : "", p, q);
    }
    gen_check(g, "%c holds %d", s[0] == t ? 'A' : 'B', t);
    return n >= least[g->level];
}

/* The amount must be reached with the last move and not before. */
static const char *check(const struct task_item *it, struct span a)
{
    int f[3], s[2] = {0, 0}, n = 0;
    struct span w;
    if (!key_ints(it, f, 3)) return "the item's key is not a b t";
    while (next_word(&a, " ,\n", &w)) {
        if (s[0] == f[2] || s[1] == f[2]) return "goes on after the amount is measured";
        if (w.n != 2 || !play(f, s, w.p[0], w.p[1]) || ++n > MAX_MOVES)
            return "not a list of moves";
    }
    return s[0] == f[2] || s[1] == f[2] ? NULL : "does not end with the amount";
}

const struct task_family task_jugs = {
    "jugs", "Water jugs", "moves such as fA AB eB", 'B', 5, 0.01, 0x1de802f5, make, check};
