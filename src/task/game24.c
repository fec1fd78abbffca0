/* game24.c - 24 from four numbers of 1 to 13. Key: "a b c d|24|+-*" "/", largest first. Levels
 * are the length of the search. */
#include <stdio.h>

#include "task/gen.h"
#include "task/search.h"

static const char *const ask[TASK_PHRASINGS] = {
    "Make 24 from $1.",
    "Use $1, each once, with + - * / to get 24.",
    "Game of 24: the numbers are $1.",
    "Combine $1 to make 24. Use every number exactly once.",
    "Reach 24 with $1, each number used once.",
    "Find an expression of $1 that equals 24, all numbers once.",
    "Get 24 out of $1 with the four operations, each number once.",
    "How can $1 make 24 when each number is used once?",
};

static bool make(struct gen *g)
{
    static const int max_line[] = {0, 5, 10, 20, 40, 120};
    int v[4], hidden = -1;
    char found[SEARCH_TEXT], list[64];
    size_t at = 0;
    for (int i = 0; i < 4; i++) v[i] = gen_int(g, 1, 13);
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++)
        v[twin_below(g, 4)] = twin_int(g, 1, 13);
    if (g->variant == TASK_ILL) hidden = twin_below(g, 4);
    for (int i = 0; i < 4; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? " " : "",
                               i == hidden ? "?" : num(v[i]).s);
    gen_ask(g, ask, list);
    if (hidden >= 0) {
        gen_key(g, "%s|24|+-*/", list);
        gen_text(g, " The ? is a number that cannot be read.");
        gen_say(g, "one number is not given");
        gen_unknown(g);
        return true;
    }
    if (search_write(g, v, 4, 24, "+-*/", max_line[g->level], found) != 1) return false;
    gen_check(g, "%s=24", found);
    gen_key(g, "%d %d %d %d|24|+-*/", v[0], v[1], v[2], v[3]);
    gen_answer(g, "%s", found);
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    int f[4];
    if (!key_ints(it, f, 4)) return "the item's key has no four numbers";
    return search_check(a, f, 4, 24, "+-*/");
}

const struct task_family task_game24 = {
    "game24", "Game of 24", "an expression such as (8-4)*6*1", 'C', 4, 0.01, 0x88e9c23e,
    make,     check};
