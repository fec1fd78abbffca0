/* division.c - quotient and remainder by long division. Key: "a/b"; b is 0 in the form that has
 * no answer. */
#include <string.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Divide $1 by $2; give quotient and remainder.",
    "What is $1 divided by $2, with remainder?",
    "How often does $2 fit into $1, and what is left over?",
    "Work out $1 : $2 with remainder.",
    "$1 sweets are put into bags of $2. How many full bags, and how many sweets remain?",
    "Find quotient and remainder of $1 divided by $2.",
    "$1 / $2 = ? Write it with its remainder.",
    "Share $1 among $2: what does each get, and what remains?",
};

static bool make(struct gen *g)
{
    static const int lo[] = {0, 10, 100, 1000, 10000, 1000, 10000};
    static const int hi[] = {0, 99, 999, 9999, 99999, 9999, 99999};
    int a = gen_int(g, lo[g->level], hi[g->level]);
    int b = g->level < 5 ? gen_int(g, 2, 9) : gen_int(g, 11, 49);
    if (g->variant == TASK_TWIN) a += twin_int(g, 1, 60);
    if (g->variant == TASK_ILL) b = 0;
    if (g->variant == TASK_ILL) a += twin_int(g, 0, 60);
    gen_key(g, "%d/%d", a, b);
    gen_ask(g, ask, num(a).s, num(b).s);
    if (b == 0) {
        gen_say(g, "nothing can be divided by 0");
        gen_none(g);
        return true;
    }
    work_div(g, a, b);
    gen_check(g, "%d*%d+%d=%d", a / b, b, a % b, a);
    gen_answer(g, "%d r %d", a / b, a % b);
    return true;
}

/* "157 r 5", "157 remainder 5"; the remainder may be left out when it is 0. */
static const char *check(const struct task_item *it, struct span a)
{
    int f[2];
    int64_t q, r = 0;
    struct span w, rest = a;
    if (!key_ints(it, f, 2) || f[1] == 0) return "the item's key is not a/b";
    if (!next_word(&rest, " ,", &w) || !parse_int(w, &q)) return "no quotient";
    if (next_word(&rest, " ,", &w)) {
        if (!span_is_nocase(w, "r") && !span_is_nocase(w, "remainder") &&
            !span_is_nocase(w, "rem"))
            return "not like 157 r 5";
        if (!next_word(&rest, " ", &w) || !parse_int(w, &r)) return "no remainder";
        if (trim(rest).n) return "not like 157 r 5";
    }
    if (q == f[0] / f[1] && r == f[0] % f[1]) return NULL;
    return "wrong quotient or remainder";
}

const struct task_family task_division = {
    "division", "Division with remainder", "like 157 r 5", 'B', 5, 0.01, 0x1c3b823c, make,
    check};
