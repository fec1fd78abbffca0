/* kinship.c - relations composed along a chain of facts. Key: the facts from the person asked
 * about outward, "m12 b17 ..." (relation letter and name), then the order they are told in.
 *
 * A relation is steps up to a common ancestor and steps down from it: mother (1,0), daughter
 * (0,1), sister (1,1), aunt (2,1), niece (1,2), cousin (2,2). Facts are parents, children and
 * siblings only, and only where the result is the same in every family. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_HOP = 6 };

static const char *const ask[TASK_PHRASINGS] = {
    "$1 What is $2 to $3?",
    "$1 How is $2 related to $3?",
    "Facts: $1 What relation is $2 to $3?",
    "$1 Who is $2 in relation to $3? Answer with one word.",
    "$1 So $2 is the what of $3?",
    "In a family, $1 Name the relation of $2 to $3.",
    "$1 $2 is $3's what?",
    "It is known: $1 In one word, what is $2 for $3?",
};

static const char *relation(int up, int down, bool woman)
{
    static const struct {
        int up, down;
        const char *name[2];
    } rel[] = {
        {1, 0, {"father", "mother"}},
        {0, 1, {"son", "daughter"}},
        {1, 1, {"brother", "sister"}},
        {2, 0, {"grandfather", "grandmother"}},
        {0, 2, {"grandson", "granddaughter"}},
        {2, 1, {"uncle", "aunt"}},
        {1, 2, {"nephew", "niece"}},
        {2, 2, {"cousin", "cousin"}},
        {3, 0, {"great-grandfather", "great-grandmother"}},
        {0, 3, {"great-grandson", "great-granddaughter"}},
    };
    for (size_t i = 0; i < countof(rel); i++)
        if (rel[i].up == up && rel[i].down == down) return rel[i].name[woman];
    return NULL;
}

/* The person found `step` ('p' parent, 'c' child, 's' sibling) from one at (up, down). */
static bool extend(char step, int *up, int *down)
{
    int u = *up, d = *down;
    switch (step) {
    case 'p':
        if (d == 0)
            u++;
        else if (u == 1 && d == 1)
            d = 0; /* my sister's mother is mine */
        else
            return false;
        break;
    case 'c':
        if (d == 0 && u == 1)
            d = 1;
        else if (u == 0 || d > 0)
            d++;
        else
            return false; /* a grandparent's child may be a parent or an uncle */
        break;
    default:
        if (u == 0 && d == 0)
            u = d = 1;
        else if (d == 0 && u == 1) {
            u = 2;
            d = 1;
        } else if (d == 0)
            return false;
    }
    *up = u;
    *down = d;
    return relation(u, d, false) != NULL;
}

static bool make(struct gen *g)
{
    int hops = g->level + 1, name[MAX_HOP + 2], order[MAX_HOP], up = 0, down = 0, lost = -1;
    char step[MAX_HOP];
    bool woman[MAX_HOP];
    gen_distinct(&g->r, N_NAME, name, hops + 1);
    for (int i = 0; i < hops; i++) {
        step[i] = "pcs"[gen_below(g, 3)];
        woman[i] = gen_coin(g);
        order[i] = i;
    }
    gen_shuffle(g, order, hops);
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        int i = twin_below(g, hops);
        if (twin_below(g, 2))
            step[i] = "pcs"[twin_below(g, 3)];
        else
            woman[i] = !woman[i];
    }
    for (int i = 0; i < hops; i++)
        if (!extend(step[i], &up, &down)) return false;
    if (g->variant == TASK_ILL) lost = twin_below(g, hops);
    char text[640];
    size_t at = 0;
    for (int k = 0; k < hops; k++) {
        int i = order[k];
        if (i == lost) continue;
        const char *r = step[i] == 'p'   ? relation(1, 0, woman[i])
                        : step[i] == 'c' ? relation(0, 1, woman[i])
                                         : relation(1, 1, woman[i]);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s is %s's %s.", at ? " " : "",
                               name_list[name[i + 1]], name_list[name[i]], r);
        gen_key(g, "%s%d%c%c%d", at && k ? " " : "", name[i + 1], step[i], woman[i] ? 'f' : 'm',
                name[i]);
    }
    gen_key(g, "|%d %d", name[hops], name[0]);
    const char *who = name_list[name[hops]], *whose = name_list[name[0]];
    gen_ask(g, ask, text, who, whose);
    up = down = 0;
    for (int i = 0; i < hops; i++) {
        char lhs[64];
        if (i == lost) {
            gen_say(g, "nothing links %s further", name_list[name[i]]);
            gen_unknown(g);
            return true;
        }
        (void)extend(step[i], &up, &down);
        snprintf(lhs, sizeof lhs, "%s is %s's ", name_list[name[i + 1]], whose);
        gen_line(g, lhs, relation(up, down, woman[i]), relation(up, down, !woman[i]));
    }
    gen_check(g, "%d up, %d down: %s", up, down, relation(up, down, woman[hops - 1]));
    gen_answer(g, "%s", relation(up, down, woman[hops - 1]));
    return true;
}

const struct task_family task_kinship = {
    "kinship", "Family relations", "a relation word", 'B', 4, 0.15, 0xbc5dff60,
    make,      check_words};
