/* countdown.c - make the target from three or four numbers, each used once. Key: "a b c|t|ops",
 * the numbers largest first. Items are those whose search fits in a bounded number of lines. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"
#include "task/search.h"

static const struct {
    int n, hi, target_hi, max_line;
    const char *ops;
} rule[] = {
    {0, 0, 0, 0, ""},         {3, 20, 60, 6, "+-"},  {3, 15, 100, 9, "+-*"},
    {3, 20, 100, 12, "+-*/"}, {4, 20, 80, 28, "+-"}, {4, 20, 100, 40, "+-*/"},
    {4, 50, 200, 60, "+-*/"},
};

static const char *const ask[TASK_PHRASINGS] = {
    "Use $1, each exactly once, with $2 to make $3.",
    "Make $3 from $1. Use every number once and only $2.",
    "Combine $1 by $2 to get $3; each number once.",
    "Reach $3 with the numbers $1, all used once, and $2.",
    "Countdown: numbers $1, target $3, allowed $2. Each number exactly once.",
    "Write an expression with value $3 that uses $1 once each and only $2.",
    "The target is $3. The numbers are $1. Use each one once, with $2.",
    "Find a way to get $3 out of $1, every number once, using $2.",
    "With $1, each used exactly once, and $2, make $3.",
    "Get to $3 using all of $1 once and the signs $2.",
    "Your numbers: $1. Your goal: $3. Allowed: $2. Use each number one time.",
    "How can you make $3 from $1 with $2, if every number is used exactly once?",
    "Find an expression that equals $3. Numbers, each once: $1. Operations: $2.",
    "I have the numbers $1 and want $3. I may use $2, and every number exactly once.",
    "Please build $3 out of the numbers $1 by $2, each number one time.",
    "Using only $2 and each of $1 once, write $3.",
};

/* A value that some order of random joins gives, or -1. */
static int reachable(struct rng *r, const int *num_, int n, const char *ops)
{
    int v[4];
    memcpy(v, num_, (size_t)n * sizeof *v);
    for (; n > 1; n--) {
        int i = (int)rng_below(r, (uint64_t)n), j = (int)rng_below(r, (uint64_t)n - 1);
        if (j >= i) j++;
        int a = v[i] > v[j] ? v[i] : v[j], b = v[i] > v[j] ? v[j] : v[i];
        int to = i < j ? i : j, from = i < j ? j : i;
        switch (ops[rng_below(r, strlen(ops))]) {
        case '+': v[to] = a + b; break;
        case '-': v[to] = a - b; break;
        case '*': v[to] = a * b; break;
        default:
            if (b == 0 || a % b) return -1;
            v[to] = a / b;
        }
        if (v[to] > 5000) return -1;
        v[from] = v[n - 1];
    }
    return v[0];
}

static struct txt op_words(const char *ops)
{
    struct txt t;
    size_t n = strlen(ops), at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(t.s + at, sizeof t.s - at, "%s%c",
                               i == 0       ? ""
                               : i == n - 1 ? " and "
                                            : ", ",
                               ops[i]);
    return t;
}

/* No value exceeds the sum (+ and -) or, for numbers of 2 and more, the product. */
static int most(const int *v, int n, bool sum_only)
{
    int m = sum_only ? 0 : 1;
    for (int i = 0; i < n; i++) m = sum_only ? m + v[i] : m * v[i];
    return m;
}

static bool make(struct gen *g)
{
    int n = rule[g->level].n, v[4], shown[4], t;
    const char *ops = rule[g->level].ops;
    bool sum_only = strlen(ops) == 2;
    char list[64], found[SEARCH_TEXT];
    size_t at = 0;
    for (int i = 0; i < n; i++) shown[i] = v[i] = gen_int(g, 2, rule[g->level].hi);
    t = reachable(&g->r, v, n, ops);
    if (g->variant == TASK_TWIN) {
        bool both = g->changes > 1, number = both || twin_below(g, 2);
        int i = twin_below(g, n);
        if (number) shown[i] = v[i] = twin_int(g, 2, rule[g->level].hi);
        if (both || !number) t = reachable(&g->t, v, n, ops);
    }
    if (g->variant == TASK_ILL) {
        int m = most(v, n, sum_only);
        t = n == 3 ? twin_int(g, 1, rule[g->level].target_hi) : m + twin_int(g, 1, 20);
        if (n == 3 && search_exists(v, n, t, ops)) return false;
    } else if (t < 1 || t > rule[g->level].target_hi) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (v[i] == t) return false;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%d",
                               i == 0       ? ""
                               : i == n - 1 ? " and "
                                            : ", ",
                               shown[i]);
    }
    gen_ask(g, ask, list, op_words(ops).s, num(t).s);
    if (n == 4 && g->variant == TASK_ILL) {
        int sum = v[0];
        for (int i = 1; i < n; i++) {
            gen_eq(g, sum_only ? sum + v[i] : sum * v[i], "%d%c%d", sum, sum_only ? '+' : '*',
                   v[i]);
            sum = sum_only ? sum + v[i] : sum * v[i];
        }
        gen_say(g, "%d is the most, %d is more", sum, t);
        for (int i = 1; i < n; i++) /* the key wants them sorted */
            for (int j = i; j > 0 && v[j] > v[j - 1]; j--) {
                int swap = v[j];
                v[j] = v[j - 1];
                v[j - 1] = swap;
            }
        gen_none(g);
    } else {
        int rc = search_write(g, v, n, t, ops, rule[g->level].max_line, found);
        if (rc < 0 || (rc == 0) != (g->variant == TASK_ILL)) return false;
        if (rc == 0) {
            gen_say(g, "no way is left");
            gen_none(g);
        } else {
            gen_check(g, "%s=%d", found, t);
            gen_answer(g, "%s", found);
        }
    }
    for (int i = 0; i < n; i++) gen_key(g, "%s%d", i ? " " : "", v[i]);
    gen_key(g, "|%d|%s", t, ops);
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    struct span rest = buf_span(&it->key), w = {NULL, 0};
    int f[5], n = 0;
    char ops[8];
    while (next_word(&rest, " |", &w) && w.p[0] >= '0' && w.p[0] <= '9') n++;
    if (n < 4 || n > 5 || !key_ints(it, f, n) || w.n >= sizeof ops)
        return "the item's key is not a b c|target|operators";
    snprintf(ops, sizeof ops, "%.*s", (int)w.n, w.p);
    return search_check(a, f, n - 1, f[n - 1], ops);
}

const struct task_family task_countdown = {"countdown",
                                           "Countdown numbers",
                                           "an expression such as (9-2)*5",
                                           'C',
                                           5,
                                           0.01,
                                           0x0fbd89ff,
                                           make,
                                           check};
