/* tracking.c - who holds what after swaps. Key: people, the swaps, the person asked: "3 01 12|0"
 * ('?' for a swap with somebody). */
#include <stdio.h>

#include "task/gen.h"

enum { MAX_N = 8 };

static const char *const item_name[] = {"ball", "book", "cup",  "drum", "flag",
                                        "hat",  "kite", "lamp", "ring", "sock"};
static const char *const ask[TASK_PHRASINGS] = {
    "$1. $2 What does $3 have at the end?",
    "At first $1. $2 What does $3 hold now?",
    "In the beginning $1. $2 Which thing has $3 in the end?",
    "$1. Then they trade. $2 What is $3 left with?",
    "$1. $2 Name the thing $3 has now.",
    "Start: $1. $2 What has $3 at last?",
    "First $1. $2 Tell me what $3 ends up with.",
    "$1. After that: $2 What is in the hands of $3?",
    "$1. $2 What does $3 have now?",
    "To begin with, $1. $2 After all this, what does $3 hold?",
    "We see that $1. $2 Please say what $3 has in the end.",
    "$1. Now they swap things. $2 Which thing is with $3 now?",
    "Before the game $1. $2 After the game, what has $3 got?",
    "$1. $2 So what is $3 holding?",
    "It starts like this: $1. $2 Give the thing that $3 has at the end.",
    "$1. $2 Who has what changes. Which thing does $3 have now?",
};

static void state(const char *const *name, const int *has, const int *item, int n, char *out,
                  size_t size)
{
    size_t at = 0;
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s %s", i ? ", " : "", name[i],
                               item_name[item[has[i]]]);
}

static bool make(struct gen *g)
{
    int n = g->level < 3 ? 3 : g->level, swaps = g->level + 1, id[MAX_N], item[MAX_N],
        has[MAX_N];
    int a[12], b[12], asked = gen_below(g, n), lost = -1;
    const char *name[MAX_N];
    char first[256] = "", story[768] = "", right[160], wrong[160], lhs[96];
    size_t at = 0, st = 0;
    for (int i = 0; i < swaps; i++) {
        a[i] = gen_below(g, n);
        b[i] = (a[i] + gen_int(g, 1, n - 1)) % n;
    }
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        int i = twin_below(g, swaps);
        a[i] = twin_below(g, n);
        b[i] = (a[i] + twin_int(g, 1, n - 1)) % n;
    }
    if (g->variant == TASK_ILL) {
        lost = swaps - 1;
        a[lost] = asked;
    }
    gen_distinct(&g->w, N_NAME, id, n);
    gen_distinct(&g->w, countof(item_name), item, n);
    gen_key(g, "%d", n);
    for (int i = 0; i < n; i++) {
        name[i] = name_list[id[i]];
        has[i] = i;
        at += (size_t)snprintf(first + at, sizeof first - at, "%s%s has the %s",
                               i == 0       ? ""
                               : i == n - 1 ? " and "
                                            : ", ",
                               name[i], item_name[item[i]]);
    }
    for (int i = 0; i < swaps; i++) {
        const char *other = i == lost ? "somebody" : name[b[i]];
        st += (size_t)snprintf(story + st, sizeof story - st, "%s%s and %s swap.", i ? " " : "",
                               name[a[i]], other);
        gen_key(g, " %d%s", a[i], i == lost ? "?" : num(b[i]).s);
    }
    gen_key(g, "|%d", asked);
    gen_ask(g, ask, first, story, name[asked]);
    state(name, has, item, n, right, sizeof right);
    gen_say(g, "Now %s", right);
    for (int i = 0; i < swaps; i++) {
        if (i == lost) {
            gen_say(g, "%s swaps with somebody: not told with whom", name[a[i]]);
            gen_unknown(g);
            return true;
        }
        snprintf(lhs, sizeof lhs, "Swap %s %s, %s %s: ", name[a[i]], item_name[item[has[a[i]]]],
                 name[b[i]], item_name[item[has[b[i]]]]);
        state(name, has, item, n, wrong, sizeof wrong);
        int t = has[a[i]];
        has[a[i]] = has[b[i]];
        has[b[i]] = t;
        state(name, has, item, n, right, sizeof right);
        gen_line(g, lhs, right, wrong);
    }
    gen_say(g, "So %s %s", name[asked], item_name[item[has[asked]]]);
    gen_answer(g, "%s", item_name[item[has[asked]]]);
    return true;
}

const struct task_family task_tracking = {
    "tracking", "Tracking shuffled objects", "a thing", 'A', 5, 0.33, 0x548b7ded, make,
    check_words};
