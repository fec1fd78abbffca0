/* equation.c - linear equations in one unknown: ax+b=c, then with x on both sides, then with
 * brackets. Every form is brought to ax+b=cx+d, the key. */
#include <stdio.h>

#include "task/exact.h"
#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Solve $1.",
    "Find x: $1.",
    "What is x if $1?",
    "Solve for x: $1.",
    "For which x is $1?",
    "$1. What is x?",
    "Find the number x with $1.",
    "Determine x so that $1.",
    "Please solve the equation $1.",
    "Which value of x makes $1 true?",
    "$1, so x = ?",
    "Given $1, find x.",
    "Tell me x when $1.",
    "What number is x in $1?",
    "Work out x from $1.",
    "If $1, then what is x?",
};

struct line {
    int a, b; /* ax+b */
};

static struct txt show(struct line l, bool bracket, int k)
{
    struct txt t;
    char x[16];
    if (l.a == 1)
        snprintf(x, sizeof x, "x");
    else if (l.a == -1)
        snprintf(x, sizeof x, "-x");
    else
        snprintf(x, sizeof x, "%dx", l.a);
    if (bracket)
        snprintf(t.s, sizeof t.s, "%d(%s%+d)", k, x, l.b);
    else if (l.a == 0)
        snprintf(t.s, sizeof t.s, "%d", l.b);
    else if (l.b == 0)
        snprintf(t.s, sizeof t.s, "%s", x);
    else
        snprintf(t.s, sizeof t.s, "%s%+d", x, l.b);
    return t;
}

static void solve(struct gen *g, struct line l, struct line r)
{
    if (r.a) {
        l.a -= r.a;
        r.a = 0;
        gen_say(g, "%s=%s", show(l, false, 0).s, show(r, false, 0).s);
    }
    if (l.a == 0) {
        gen_say(g, "no x makes this true");
        gen_none(g);
        return;
    }
    if (l.b) {
        char lhs[64];
        snprintf(lhs, sizeof lhs, "%s=", show((struct line){l.a, 0}, false, 0).s);
        char right[48], wrong[48];
        snprintf(right, sizeof right, "%d%+d=%d", r.b, -l.b, r.b - l.b);
        snprintf(wrong, sizeof wrong, "%d%+d=%d", r.b, l.b, r.b + l.b);
        gen_line(g, lhs, right, wrong);
        r.b -= l.b;
        l.b = 0;
    }
    struct rat x;
    if (!rat_make(r.b, l.a, &x)) return;
    char value[48], lhs[48] = "x=";
    if (x.d == 1) {
        snprintf(value, sizeof value, "%lld", (long long)x.n);
        snprintf(lhs, sizeof lhs, "x=%d/%d=", r.b, l.a);
    } else {
        snprintf(value, sizeof value, "%lld/%lld", (long long)x.n, (long long)x.d);
    }
    if (l.a != 1) gen_line(g, lhs, value, num((int64_t)x.n + 1).s);
    gen_answer(g, "%s", value);
}

static bool make(struct gen *g)
{
    int span = g->level < 4 ? 9 : 15, k = 1;
    struct line l = {gen_int(g, 2, span), gen_int(g, -span, span)}, r = {0, 0}, in = l;
    int x = gen_int(g, g->level < 2 ? 0 : -12, 12);
    if (l.b == 0) return false;
    if (g->level >= 3) {
        r.a = gen_int(g, -span, span);
        if (r.a == l.a || r.a == 0) return false;
    }
    bool bracket = g->level >= 4;
    if (bracket) {
        k = gen_int(g, 2, 6);
        l = (struct line){k * in.a, k * in.b};
        if (r.a == l.a) return false;
    }
    r.b = (l.a - r.a) * x + l.b;
    if (g->level >= 5) r.b += gen_int(g, 0, 5); /* the root may be a fraction */
    if (g->variant == TASK_TWIN) r.b += (g->level >= 5 ? 1 : l.a - r.a) * twin_int(g, 1, 60);
    if (g->variant == TASK_ILL) {
        r.a = l.a;
        r.b = l.b + twin_int(g, 1, 9);
    }
    char text[120];
    snprintf(text, sizeof text, "%s = %s", show(bracket ? in : l, bracket, k).s,
             show(r, false, 0).s);
    gen_key(g, "%s=%s", show(l, false, 0).s, show(r, false, 0).s);
    gen_ask(g, ask, text);
    if (bracket) gen_say(g, "%s=%s", show(l, false, 0).s, show(r, false, 0).s);
    solve(g, l, r);
    if (g->variant != TASK_ILL && g->level < 5) {
        int root = (r.b - l.b) / (l.a - r.a);
        gen_check(g, "%d*%d%+d=%d", l.a, root, l.b, l.a * root + l.b);
    }
    return true;
}

/* "x = 6" is as good as "6". */
static const char *check(const struct task_item *it, struct span a)
{
    if (a.n && a.p[0] == 'x') {
        a = trim((struct span){a.p + 1, a.n - 1});
        if (!a.n || a.p[0] != '=') return "not x = number";
        a = trim((struct span){a.p + 1, a.n - 1});
    }
    return check_rational(it, a);
}

const struct task_family task_equation = {"equation",
                                          "Linear equations",
                                          "a whole number or a fraction such as -3/4",
                                          'B',
                                          5,
                                          0.04,
                                          0xf9304d96,
                                          make,
                                          check};
