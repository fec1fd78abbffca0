/* addition.c - sums of two numbers, of three from level 6 on. Key: "a+b" or "a+b+c". */
#include <stdio.h>

#include "task/gen.h"

static const char *const two[TASK_PHRASINGS] = {
    "What is $1 + $2?",
    "Add $1 and $2.",
    "Work out $1 + $2.",
    "Ann has $1 stamps and gets $2 more. How many stamps does she have now?",
    "$1 + $2 = ?",
    "Find the sum of $1 and $2.",
    "How much is $1 plus $2?",
    "A farm has $1 hens and $2 ducks. How many birds is that?",
    "What do you get when you add $2 to $1?",
    "Please add up $1 and $2 for me.",
    "Total of $1 and $2?",
    "Sam saw $1 cars in the morning and $2 in the evening. How many cars in all?",
    "I had $1 cards, then I got another $2. How many cards do I have?",
    "Compute $1 plus $2.",
    "The numbers $1 and $2 together make what?",
    "A bus carries $1 people and $2 more get on. How many people are on the bus now?",
};
static const char *const three[TASK_PHRASINGS] = {
    "What is $1 + $2 + $3?",
    "Add $1, $2 and $3.",
    "Work out $1 + $2 + $3.",
    "Three boxes hold $1, $2 and $3 nails. How many nails is that?",
    "$1 + $2 + $3 = ?",
    "Find the sum of $1, $2 and $3.",
    "How much is $1 plus $2 plus $3?",
    "A shop sold $1, $2 and $3 cups in three days. How many cups in all?",
    "What do you get when you add up $1, $2 and $3?",
    "Please add $1, $2 and $3 together for me.",
    "Total of $1, $2 and $3?",
    "A girl read $1 pages, then $2 and then $3. How many pages did she read?",
    "I paid $1, $2 and then another $3 coins. How many coins did I pay?",
    "Compute $1 plus $2 plus $3.",
    "The numbers $1, $2 and $3 together make what?",
    "There are $1 cows, $2 sheep and $3 pigs on a farm. How many animals live there?",
};

static int draw(struct rng *r, int level)
{
    static const int lo[] = {0, 1, 10, 100, 1000, 10000, 100, 1000000};
    static const int hi[] = {0, 50, 99, 999, 9999, 99999, 9999, 99999999};
    return (int)rng_between(r, lo[level], hi[level]);
}

static bool make(struct gen *g)
{
    int v[3], n = g->level == 6 ? 3 : 2;
    for (int i = 0; i < n; i++) v[i] = draw(&g->r, g->level);
    if (g->variant == TASK_TWIN) v[twin_below(g, n)] = draw(&g->t, g->level);
    struct txt shown[3] = {num(v[0]), num(v[1]), num(n > 2 ? v[2] : 0)};
    int hidden = g->variant == TASK_ILL ? twin_below(g, n) : -1;
    if (hidden >= 0) shown[hidden] = gen_hide(g, v[hidden]);
    for (int i = 0; i < n; i++) gen_key(g, "%s%s", i ? "+" : "", shown[i].s);
    gen_ask(g, n == 2 ? two : three, shown[0].s, shown[1].s, shown[2].s);
    if (hidden >= 0) {
        gen_hidden(g, shown[hidden].s);
        return true;
    }
    int sum = v[0];
    for (int i = 1; i < n; i++) {
        work_add(g, sum, v[i]);
        sum += v[i];
    }
    gen_check(g, "%d-%d=%d", sum, v[n - 1], sum - v[n - 1]);
    gen_answer(g, "%d", sum);
    return true;
}

const struct task_family task_addition = {
    "addition", "Addition", "a whole number", 'A', 6, 0.02, 0xa9a01695, make, check_int};
