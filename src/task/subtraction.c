/* subtraction.c - differences; from level 3 on the result may be negative. Key: "a-b". */
#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "What is $1 - $2?",
    "Subtract $2 from $1.",
    "Work out $1 - $2.",
    "$1 - $2 = ?",
    "Take $2 away from $1. What is left?",
    "Find the difference $1 - $2.",
    "How much is $1 minus $2?",
    "Start at $1 and go down by $2. Where do you end?",
    "What do you get when you take $2 from $1?",
    "Please subtract: $1 minus $2.",
    "Compute $1-$2",
    "What remains of $1 after removing $2?",
    "By how much is $1 larger than $2? Give $1 - $2.",
    "Calculate $1 less $2.",
    "If you have $1 and lose $2, what do you have?",
    "Tell me the value of $1 - $2.",
};
static const char *const story[TASK_PHRASINGS] = {
    "Tom had $1 coins and gave away $2. How many are left?",
    "A train has $1 seats and $2 are taken. How many are free?",
    "There were $1 birds and $2 flew away. How many stayed?",
    "Eva must read $1 pages and has read $2. How many pages remain?",
    "A shop had $1 eggs and sold $2. How many eggs does it have now?",
    "Of $1 tickets $2 are sold. How many can still be sold?",
    "A rope of $1 metres loses $2 metres. How long is it now?",
    "Out of $1 children $2 went home. How many are still here?",
    "A box holds $1 apples; $2 are eaten. How many apples are there still?",
    "We had $1 chairs but $2 broke. How many chairs do we have now?",
    "Ben owns $1 cards and sells $2 of them. How many cards does he keep?",
    "From $1 sheets of paper $2 were used. Tell me how many sheets are unused.",
    "A tank with $1 litres loses $2 litres. How much is in it?",
    "$1 people were in the room, then $2 walked out. How many people were still in the room?",
    "Someone saved $1 coins and spent $2. What is left of the money?",
    "A walk is $1 miles long and we did $2 miles so far. How many miles are ahead of us?",
};

static bool make(struct gen *g)
{
    static const int lo[] = {0, 2, 10, 10, 100, 1000, 10000, 1000000};
    static const int hi[] = {0, 40, 99, 999, 9999, 99999, 999999, 99999999};
    int a = gen_int(g, lo[g->level], hi[g->level]), b = gen_int(g, lo[g->level], hi[g->level]);
    bool tale = gen_below(g, 3) == 0;
    if ((g->level < 3 || tale) && a < b) {
        int t = a;
        a = b;
        b = t;
    }
    if (g->variant == TASK_TWIN) a += twin_int(g, 1, 60);
    struct txt x = num(a), y = num(b);
    bool hide_a = g->variant == TASK_ILL && twin_below(g, 2);
    if (hide_a) x = gen_hide(g, a);
    if (g->variant == TASK_ILL && !hide_a) y = gen_hide(g, b);
    gen_key(g, "%s-%s", x.s, y.s);
    gen_ask(g, tale ? story : ask, x.s, y.s);
    if (g->variant == TASK_ILL) {
        gen_hidden(g, hide_a ? x.s : y.s);
        return true;
    }
    work_sub(g, a, b);
    gen_check(g, "%d+%d=%d", a - b, b, a);
    gen_answer(g, "%d", a - b);
    return true;
}

const struct task_family task_subtraction = {
    "subtraction", "Subtraction", "a whole number", 'A', 6, 0.02, 0x5b22a2d0, make, check_int};
