/* object_count.c - how many of the things in a list are of one kind. Key: the kind and, for each
 * thing, its count and number in the list of words. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

static const char *const ask[TASK_PHRASINGS] = {
    "I have $1. How many $2 do I have?",
    "On the table are $1. How many $2 are there?",
    "We bring $1. How many $2 is that?",
    "In the shed we find $1. Count the $2.",
    "A picture shows $1. How many $2 does it show?",
    "There are $1. How many of these are $2?",
    "The list says: $1. What is the number of $2?",
    "They own $1. How many $2 do they own?",
    "Here are $1. How many $2 can you count?",
    "She has $1. What is the number of her $2?",
    "Look at these: $1. How many are $2?",
    "I can see $1. Tell me how many $2 I see.",
    "In a box there are $1. How many of the things are $2?",
    "Please count the $2 among $1.",
    "My list has $1. How many $2 are on my list?",
    "We own $1. How many $2 have we got?",
};

enum { MAX_KIND = 12 };

static bool make(struct gen *g)
{
    int n = 2 + g->level, id[MAX_KIND], count[MAX_KIND], asked = gen_below(g, N_THING_KIND);
    int hi = g->level < 2 ? 3 : g->level < 4 ? 6 : 12, n_hit = 0, some = -1;
    gen_distinct(&g->r, N_NOUN, id, n);
    for (int i = 0; i < n; i++) {
        count[i] = gen_int(g, 1, hi);
        if ((int)thing_list[id[i]].kind == asked) n_hit++;
    }
    if (n_hit == 0 || (g->level > 1 && n_hit < 2)) return false;
    if (g->variant != TASK_PLAIN) {
        do some = twin_below(g, n);
        while ((int)thing_list[id[some]].kind != asked);
        if (g->variant == TASK_TWIN) { /* another count, or another thing in its place */
            if (twin_below(g, 2))
                count[some] = twin_int(g, 1, 12);
            else
                id[some] = twin_below(g, N_NOUN);
            for (int i = 0; i < n; i++)
                if (i != some && id[i] == id[some]) return false;
            some = -1;
        }
    }
    char list[512];
    size_t at = 0;
    gen_key(g, "%d", asked);
    for (int i = 0; i < n; i++) {
        const struct thing *t = &thing_list[id[i]];
        const char *sep = i == 0 ? "" : i == n - 1 ? " and " : ", ";
        const char *how = i == some       ? "some"
                          : count[i] == 1 ? article(t->one)
                                          : small_number(count[i]);
        bool one = count[i] == 1 && i != some;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s %s", sep, how,
                               one ? t->one : t->many);
        gen_key(g, " %dx%d", i == some ? 0 : count[i], id[i]);
    }
    gen_ask(g, ask, list, thing_kind_name((enum thing_kind)asked));
    gen_say(g, "Count %s", thing_kind_name((enum thing_kind)asked));
    char parts[64] = "";
    int sum = 0;
    for (int i = 0; i < n; i++) {
        const struct thing *t = &thing_list[id[i]];
        bool hit = (int)t->kind == asked;
        if (i == some) {
            gen_say(g, "Some %s: no number is given", t->many);
            gen_unknown(g);
            return true;
        }
        g->detail = !hit;
        const char *kind = thing_kind_name(t->kind);
        if (!hit) {
            gen_say(g, "The %s are %s: skip", t->many, kind);
        } else {
            char lhs[96];
            if (sum)
                snprintf(lhs, sizeof lhs, "The %s are %s: %d+%d=", t->many, kind, sum,
                         count[i]);
            else
                snprintf(lhs, sizeof lhs, "The %s are %s: ", t->many, kind);
            gen_line(g, lhs, num(sum + count[i]).s, num(sum + count[i] + 1).s);
            size_t len = strlen(parts);
            snprintf(parts + len, sizeof parts - len, "%s%d", sum ? "+" : "", count[i]);
            sum += count[i];
        }
        g->detail = false;
    }
    gen_check(g, "%s=%d", parts, sum);
    gen_answer(g, "%d", sum);
    return true;
}

const struct task_family task_object_count = {"object_count",
                                              "Counting objects of one kind",
                                              "a whole number",
                                              'A',
                                              5,
                                              0.12,
                                              0xf745eaa0,
                                              make,
                                              check_int};
