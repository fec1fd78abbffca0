/* multiplication.c - products by partial products of single digits. Key: "a*b". */
#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "What is $1 * $2?",
    "Work out $1 x $2.",
    "Multiply $1 by $2.",
    "A hall has $1 rows of $2 chairs. How many chairs is that?",
    "$1 * $2 = ?",
    "Find the product of $1 and $2.",
    "How much is $1 times $2?",
    "Each of $1 boxes holds $2 pens. How many pens are there?",
    "What do you get when you multiply $1 and $2?",
    "Please compute $1 times $2.",
    "Compute $1*$2",
    "$1 bags with $2 apples in each bag: how many apples?",
    "There are $1 shelves and every shelf has $2 books. How many books are there in all?",
    "Take $1 and multiply it by $2. What is the result?",
    "A worker earns $2 coins a day for $1 days. How many coins is that?",
    "Calculate the value of $1 x $2.",
};

static bool make(struct gen *g)
{
    static const int lo_a[] = {0, 2, 11, 11, 101, 101, 1000};
    static const int hi_a[] = {0, 20, 99, 99, 999, 999, 9999};
    static const int lo_b[] = {0, 2, 2, 11, 11, 101, 101};
    static const int hi_b[] = {0, 9, 9, 99, 99, 999, 999};
    int a = gen_int(g, lo_a[g->level], hi_a[g->level]);
    int b = gen_int(g, lo_b[g->level], hi_b[g->level]);
    if (g->variant == TASK_TWIN) a += twin_int(g, 1, 60);
    struct txt x = num(a), y = num(b);
    if (g->variant == TASK_ILL) x = gen_hide(g, a);
    gen_key(g, "%s*%s", x.s, y.s);
    gen_ask(g, ask, x.s, y.s);
    if (g->variant == TASK_ILL) {
        gen_hidden(g, x.s);
        return true;
    }
    work_mul(g, a, b);
    gen_check(g, "last digits %d*%d=%d ends in %d", a % 10, b % 10, a % 10 * (b % 10),
              a * b % 10);
    gen_answer(g, "%d", a * b);
    return true;
}

const struct task_family task_multiplication = {
    "multiplication", "Multiplication", "a whole number", 'B', 5, 0.01, 0x949d1507, make,
    check_int};
