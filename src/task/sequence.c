/* sequence.c - the next term. Kinds: a constant difference, a constant factor, two differences in
 * turn, each term the sum of the two before, growing differences. Key: the terms. */
#include <stdio.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Next: $1, ?",
    "What comes next: $1, ...?",
    "Continue: $1, ?",
    "Which number follows $1?",
    "Find the next term of $1.",
    "The sequence is $1. What is the next number?",
    "Give the number after $1.",
    "Go on: $1 and then?",
};

enum { ARITHMETIC, GEOMETRIC, ALTERNATING, SUMS, GROWING };

static int fill(int kind, int a, int d, int e, int *v, int n)
{
    v[0] = a;
    for (int i = 1; i <= n; i++) {
        switch (kind) {
        case ARITHMETIC: v[i] = v[i - 1] + d; break;
        case GEOMETRIC: v[i] = v[i - 1] * d; break;
        case ALTERNATING: v[i] = v[i - 1] + (i % 2 ? d : e); break;
        case SUMS: v[i] = i == 1 ? a + d : v[i - 1] + v[i - 2]; break;
        default: v[i] = v[i - 1] + d + (i - 1) * e;
        }
        if (v[i] > 99999 || v[i] < -9999) return -1;
    }
    return v[n];
}

static bool make(struct gen *g)
{
    int kinds = g->level < 2 ? 1 : g->level < 3 ? 2 : g->level < 4 ? 3 : 5;
    int kind = gen_below(g, kinds), n = kind < 2 ? 4 : kind == ALTERNATING ? 6 : 5;
    int a = gen_int(g, 1, 10 * g->level), d, e, v[10];
    d = kind == GEOMETRIC ? gen_int(g, 2, 4) : gen_int(g, 1, 5 * g->level + 4);
    e = gen_int(g, 1, 9);
    if (kind == ARITHMETIC && g->level > 1 && gen_coin(g)) d = -d;
    if (kind == ALTERNATING && gen_coin(g)) e = -e;
    if (d == e) return false;
    if (g->variant == TASK_TWIN) a += twin_int(g, 1, 60);
    if (g->variant == TASK_ILL) {
        a += twin_int(g, 0, 200);
        n = 1;
    }
    if (fill(kind, a, d, e, v, n) == -1) return false;
    char list[96];
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%d", i ? ", " : "", v[i]);
        gen_key(g, "%s%d", i ? " " : "", v[i]);
    }
    gen_ask(g, ask, list);
    if (n == 1) {
        gen_say(g, "one term shows no rule");
        gen_unknown(g);
        return true;
    }
    if (kind == SUMS) {
        for (int i = 2; i < n; i++) gen_say(g, "%d+%d=%d", v[i - 2], v[i - 1], v[i]);
        gen_eq(g, v[n], "%d+%d", v[n - 2], v[n - 1]);
    } else if (kind == GEOMETRIC) {
        for (int i = 1; i < n; i++) gen_say(g, "%d/%d=%d", v[i], v[i - 1], d);
        gen_eq(g, v[n], "%d*%d", v[n - 1], d);
    } else {
        for (int i = 1; i < n; i++) gen_eq(g, v[i] - v[i - 1], "%d-%d", v[i], v[i - 1]);
        int step = v[n] - v[n - 1];
        if (kind == GROWING) gen_eq(g, step, "differences grow by %d: %d+%d", e, step - e, e);
        gen_eq(g, v[n], "%d%c%d", v[n - 1], step < 0 ? '-' : '+', step < 0 ? -step : step);
    }
    if (kind != GEOMETRIC && kind != SUMS)
        gen_check(g, "%d-%d=%d", v[n], v[n - 1], v[n] - v[n - 1]);
    gen_answer(g, "%d", v[n]);
    return true;
}

const struct task_family task_sequence = {
    "sequence", "Number sequences", "a whole number", 'A', 5, 0.02, 0x67e8e90d,
    make,       check_int};
