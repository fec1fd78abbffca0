/* modular.c - remainders of numbers, products and powers; powers by repeated multiply and
 * reduce. Key: "a%m", "a*b%m", "a^k%m"; m is 0 in the form without an answer. */
#include <stdio.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "What is $1 mod $2?",
    "Compute $1 mod $2.",
    "What remainder does $1 leave when divided by $2?",
    "Work out $1 modulo $2.",
    "Find $1 mod $2.",
    "$1 is divided by $2. What is the remainder?",
    "Reduce $1 modulo $2.",
    "Give the rest of $1 after division by $2.",
};

static int reduce_line(struct gen *g, const char *lhs, int v, int m)
{
    char head[64], right[32], wrong[32];
    snprintf(head, sizeof head, "%s=%d mod %d: ", lhs, v, m);
    snprintf(right, sizeof right, "%d", v % m);
    snprintf(wrong, sizeof wrong, "%d", (v + 1) % m);
    gen_line(g, head, right, wrong);
    return v % m;
}

static bool make(struct gen *g)
{
    static const int hi_m[] = {0, 9, 12, 11, 13, 19, 29};
    int kind = g->level == 1 ? 0 : g->level == 2 ? 1 : 2;
    int m = gen_int(g, 3, hi_m[g->level]), a = gen_int(g, kind ? 2 : 10, kind == 2 ? 20 : 99);
    int b = kind == 1 ? gen_int(g, 2, 30)
                      : gen_int(g, 2, 2 * g->level - 2 < 4 ? 4 : 2 * g->level - 2);
    if (g->variant == TASK_TWIN && twin_below(g, 2))
        b += twin_int(g, 1, kind == 1 ? 30 : 2);
    else if (g->variant == TASK_TWIN)
        a += twin_int(g, 1, 60);
    if (g->variant == TASK_ILL) {
        m = 0;
        a += twin_int(g, 0, 60);
    }
    char text[48];
    if (kind == 0)
        snprintf(text, sizeof text, "%d", a);
    else
        snprintf(text, sizeof text, "%d%c%d", a, kind == 1 ? '*' : '^', b);
    gen_key(g, "%s%%%d", text, m);
    gen_ask(g, ask, text, num(m).s);
    if (m == 0) {
        gen_say(g, "there is no remainder by 0");
        gen_none(g);
        return true;
    }
    int x = a % m;
    if (kind == 0 || a >= m) {
        char lhs[48];
        snprintf(lhs, sizeof lhs, "%d=%d*%d+", a, a / m, m);
        gen_line(g, lhs, num(x).s, num(x + 1).s);
    }
    if (kind == 1) {
        char lhs[48];
        snprintf(lhs, sizeof lhs, "%d*%d", x, b);
        x = reduce_line(g, lhs, x * b, m);
    }
    for (int k = 2, first = x; kind == 2 && k <= b; k++) {
        char lhs[48];
        snprintf(lhs, sizeof lhs, "%d: %d*%d", k, x, first);
        x = reduce_line(g, lhs, x * first, m);
    }
    if (kind == 0) gen_check(g, "%d*%d+%d=%d", a / m, m, x, a);
    gen_answer(g, "%d", x);
    return true;
}

const struct task_family task_modular = {
    "modular", "Modular arithmetic", "a whole number", 'A', 5, 0.2, 0x9f92ae7c, make,
    check_int};
