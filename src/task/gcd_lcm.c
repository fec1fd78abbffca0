/* gcd_lcm.c - greatest common divisor by Euclid, least common multiple from it. Keys: "gcd a b",
 * "lcm a b". */
#include <stdio.h>

#include "task/gen.h"

static const char *const gcd[TASK_PHRASINGS] = {
    "Greatest common divisor of $1 and $2?",
    "What is the gcd of $1 and $2?",
    "Find the largest number that divides both $1 and $2.",
    "Compute gcd($1, $2).",
    "What is the greatest common factor of $1 and $2?",
    "Determine the greatest common divisor of $1 and $2.",
    "Which is the biggest number dividing $1 and $2 without remainder?",
    "Give the highest common factor of $1 and $2.",
};
static const char *const lcm[TASK_PHRASINGS] = {
    "Least common multiple of $1 and $2?",
    "What is the lcm of $1 and $2?",
    "Find the smallest number that both $1 and $2 divide.",
    "Compute lcm($1, $2).",
    "What is the lowest common multiple of $1 and $2?",
    "Determine the least common multiple of $1 and $2.",
    "Which is the smallest number that is a multiple of $1 and of $2?",
    "Give the lowest number divisible by both $1 and $2.",
};

static bool make(struct gen *g)
{
    static const int hi[] = {0, 8, 14, 25, 40, 80, 200};
    int k = gen_int(g, 1, hi[g->level] / 2), a = k * gen_int(g, 1, hi[g->level]);
    int b = k * gen_int(g, 1, hi[g->level]);
    bool is_lcm = gen_below(g, 3) == 0;
    if (is_lcm && (a > 100 * g->level || b > 100 * g->level)) return false;
    if (g->variant == TASK_TWIN) *(twin_below(g, 2) ? &a : &b) += twin_int(g, 1, 60);
    if (g->variant == TASK_TWIN && g->changes > 1) b = a * twin_int(g, 1, 3);
    struct txt x = num(a), y = num(b);
    if (g->variant == TASK_ILL) y = gen_hide(g, b);
    gen_key(g, "%s %s %s", is_lcm ? "lcm" : "gcd", x.s, y.s);
    gen_ask(g, is_lcm ? lcm : gcd, x.s, y.s);
    if (g->variant == TASK_ILL) {
        if (a == 1) return false; /* gcd(1, anything) is known */
        gen_hidden(g, y.s);
        return true;
    }
    int p = a > b ? a : b, q = a > b ? b : a;
    while (q) {
        char lhs[48];
        snprintf(lhs, sizeof lhs, "%d=%d*%d+", p, p / q, q);
        gen_line(g, lhs, num(p % q).s, num(p % q + 1).s);
        int t = p % q;
        p = q;
        q = t;
    }
    gen_say(g, "gcd %d", p);
    if (is_lcm) {
        gen_eq(g, a / p, "%d/%d", a, p);
        gen_eq(g, a / p * b, "%d*%d", a / p, b);
        gen_answer(g, "%d", a / p * b);
    } else {
        gen_check(g, "%d=%d*%d, %d=%d*%d", a, a / p, p, b, b / p, p);
        gen_answer(g, "%d", p);
    }
    return true;
}

const struct task_family task_gcd_lcm = {"gcd_lcm",
                                         "Greatest common divisor, least common multiple",
                                         "a whole number",
                                         'B',
                                         5,
                                         0.08,
                                         0x6fb57d8c,
                                         make,
                                         check_int};
