/* base_conversion.c - a number in another base, or back. Keys: "45>2", "101101<2". A digit that
 * the base does not have makes a numeral of no number. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

static const char *const to_base[TASK_PHRASINGS] = {
    "Write $1 in $2.",
    "Convert $1 to $2.",
    "What is $1 in $2?",
    "Express the number $1 in $2.",
    "Change $1 from base ten to $2.",
    "Give $1 in $2.",
    "How is $1 written in $2?",
    "Put the decimal number $1 into $2.",
};
static const char *const from_base[TASK_PHRASINGS] = {
    "The number $1 is written in $2. What is it in base ten?",
    "Convert $1 from $2 to decimal.",
    "What is $1 ($2) as an ordinary decimal number?",
    "Read $1 in $2 and write it in base ten.",
    "Change $1 from $2 to base ten.",
    "Which decimal number is $1 in $2?",
    "$1 stands in $2. Give its value in decimal.",
    "Translate $1 out of $2 into decimal digits.",
};

static struct txt base_name(int b)
{
    struct txt t;
    if (b == 2)
        snprintf(t.s, sizeof t.s, "binary");
    else if (b == 16)
        snprintf(t.s, sizeof t.s, "hexadecimal");
    else
        snprintf(t.s, sizeof t.s, "base %d", b);
    return t;
}

static struct txt in_base(int v, int b)
{
    struct txt t;
    char d[40];
    int n = 0, at = 0;
    do d[n++] = "0123456789ABCDEF"[v % b];
    while ((v /= b) > 0);
    while (n > 0) t.s[at++] = d[--n];
    t.s[at] = 0;
    return t;
}

static bool make(struct gen *g)
{
    static const int hi[] = {0, 15, 63, 255, 999, 4095, 20000};
    static const int bases[] = {2, 8, 3, 5, 16, 4, 6, 7};
    int b = bases[gen_below(g, g->level < 3 ? 1 : g->level == 3 ? 2 : 8)];
    int v = gen_int(g, 2, hi[g->level]);
    bool back = gen_coin(g);
    if (g->variant == TASK_TWIN) v += twin_int(g, 1, 60);
    struct txt t = in_base(v, b);
    if (g->variant == TASK_ILL) {
        if (b == 16) return false;
        back = true;
        t.s[twin_below(g, (int)strlen(t.s))] = (char)('0' + b + twin_below(g, 10 - b));
    }
    gen_key(g, "%s%c%d", back ? t.s : num(v).s, back ? '<' : '>', b);
    gen_ask(g, back ? from_base : to_base, back ? t.s : num(v).s, base_name(b).s);
    if (g->variant == TASK_ILL) {
        const char *p = t.s;
        while (*p - '0' < b) p++;
        gen_say(g, "%s has no digit %c", base_name(b).s, *p);
        gen_none(g);
    } else if (back) {
        int x = 0;
        for (const char *p = t.s; *p; p++) {
            int d = *p <= '9' ? *p - '0' : *p - 'A' + 10;
            if (*p > '9') gen_say(g, "%c is %d", *p, d);
            if (p == t.s)
                gen_say(g, "%d", d);
            else
                gen_eq(g, x * b + d, "%d*%d+%d", x, b, d);
            x = x * b + d;
        }
        gen_answer(g, "%d", v);
    } else {
        for (int x = v; x > 0; x /= b) {
            char lhs[32], right[32], wrong[32];
            snprintf(lhs, sizeof lhs, "%d/%d=", x, b);
            snprintf(right, sizeof right, "%d r %.1s", x / b, in_base(x % b, b).s);
            snprintf(wrong, sizeof wrong, "%d r %.1s", x / b, in_base((x + 1) % b, b).s);
            gen_line(g, lhs, right, wrong);
        }
        gen_say(g, "read upward");
        gen_answer(g, "%s", t.s);
    }
    return true;
}

/* Digits compared without leading zeros; letters of either case. */
static const char *check(const struct task_item *it, struct span a)
{
    while (a.n > 1 && a.p[0] == '0') a = (struct span){a.p + 1, a.n - 1};
    return span_is_nocase(a, buf_str(&it->answer)) ? NULL : "another numeral";
}

const struct task_family task_base_conversion = {
    "base_conversion", "Base conversion", "digits", 'B', 5, 0.03, 0xa49b9389, make, check};
