/* fractions.c - simplify, add, compare. Keys: "s 84/126", "a 1/2 1/3", "c 3/4 5/7". */
#include <stdio.h>

#include "task/exact.h"
#include "task/gen.h"

static const char *const simplify[TASK_PHRASINGS] = {
    "Simplify $1.",
    "Write $1 in lowest terms.",
    "Reduce the fraction $1.",
    "What is $1 in its simplest form?",
    "Cancel $1 as far as possible.",
    "Bring $1 to lowest terms.",
    "Give the simplest form of $1.",
    "Shorten the fraction $1 fully.",
};
static const char *const add[TASK_PHRASINGS] = {
    "What is $1 + $2 in lowest terms?",
    "Add $1 and $2 and simplify.",
    "Work out $1 + $2 as a simplified fraction.",
    "$1 + $2 = ? Give lowest terms.",
    "Find the sum of $1 and $2 in lowest terms.",
    "Calculate $1 + $2 and reduce the result.",
    "How much is $1 plus $2, fully reduced?",
    "Sum up $1 and $2; write the result in lowest terms.",
};
static const char *const compare[TASK_PHRASINGS] = {
    "Which is larger, $1 or $2?",
    "Which fraction is bigger: $1 or $2?",
    "Compare $1 and $2. Which one is greater?",
    "Name the larger of $1 and $2.",
    "Of $1 and $2, which is more?",
    "Tell which of $1 and $2 is the larger number.",
    "Pick the greater fraction: $1, $2.",
    "Is $1 or $2 larger? Name the larger one.",
};

static int say_gcd(struct gen *g, int a, int b)
{
    g->detail = true;
    while (b) {
        gen_say(g, "%d=%d*%d+%d", a, a / b, b, a % b);
        int t = a % b;
        a = b;
        b = t;
    }
    g->detail = false;
    gen_say(g, "gcd %d", a);
    return a;
}

static void reduce(struct gen *g, int n, int d)
{
    int k = n > d ? say_gcd(g, n, d) : say_gcd(g, d, n);
    if (k > 1) {
        gen_eq(g, n / k, "%d/%d", n, k);
        gen_eq(g, d / k, "%d/%d", d, k);
    }
    n /= k;
    d /= k;
    gen_check(g, "%d*%d=%d", n, k, n * k);
    if (d == 1)
        gen_answer(g, "%d", n);
    else
        gen_answer(g, "%d/%d", n, d);
}

static bool make(struct gen *g)
{
    static const int hi[] = {0, 10, 15, 30, 60, 120, 300};
    int h = hi[g->level], kind = gen_below(g, 3), k = gen_int(g, 2, g->level + 3);
    int a = gen_int(g, 1, h), b = gen_int(g, 2, h), c = gen_int(g, 1, h), d = gen_int(g, 2, h);
    if (kind == 0) {
        a *= k;
        b *= k;
    }
    if (g->variant == TASK_TWIN) *(twin_below(g, 2) ? &a : &b) += twin_int(g, 1, 60 * g->level);
    if (g->variant == TASK_ILL) {
        b = 0;
        a += twin_int(g, 0, 30);
    }
    if (kind && g->level < 6 && h > 30) {
        a %= 31;
        b = b ? b % 31 + 1 : 0;
        c = c % 31 + 1;
        d = d % 31 + 2;
    }
    if (a == 0 || (kind == 2 && a * d == b * c)) return false;
    char x[32], y[32];
    snprintf(x, sizeof x, "%d/%d", a, b);
    snprintf(y, sizeof y, "%d/%d", c, d);
    gen_key(g, "%c %s%s%s", "sac"[kind], x, kind ? " " : "", kind ? y : "");
    gen_ask(g, kind == 0 ? simplify : kind == 1 ? add : compare, x, y);
    if (b == 0) {
        gen_say(g, "%s divides by 0", x);
        gen_none(g);
    } else if (kind == 0) {
        reduce(g, a, b);
    } else if (kind == 1) {
        gen_eq(g, b * d, "%d*%d", b, d);
        gen_eq(g, a * d, "%d*%d", a, d);
        gen_eq(g, c * b, "%d*%d", c, b);
        gen_eq(g, a * d + c * b, "%d+%d", a * d, c * b);
        reduce(g, a * d + c * b, b * d);
    } else {
        gen_eq(g, a * d, "%d*%d", a, d);
        gen_eq(g, c * b, "%d*%d", c, b);
        gen_say(g, "%d%c%d", a * d, a * d > c * b ? '>' : '<', c * b);
        gen_answer(g, "%s", a * d > c * b ? x : y);
    }
    return true;
}

/* The value must be right, and where lowest terms are asked the fraction must be in them. */
static const char *check(const struct task_item *it, struct span a)
{
    int64_t n, d;
    struct span rest = a, top, low;
    const char *why = check_rational(it, a);
    if (why || span_starts(buf_span(&it->key), "c")) return why;
    if (!next_word(&rest, "/", &top) || !parse_int(top, &n)) return "not a plain fraction";
    if (!next_word(&rest, "/", &low)) return NULL;
    if (!parse_int(low, &d) || d > 100000000 || n > 100000000) return "not a plain fraction";
    return gcd_int((int)n, (int)d) == 1 && d > 1 ? NULL : "not in lowest terms";
}

const struct task_family task_fractions = {
    "fractions", "Fractions", "a fraction such as 3/4", 'B', 5, 0.17, 0x30402d42, make, check};
