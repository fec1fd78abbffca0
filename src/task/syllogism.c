/* syllogism.c - does the conclusion follow from two premises? Key: three statements "a12 e23 o13"
 * (a: all 1 are 2, e: no, i: some, o: some are not) over numbers of made-up nouns; '?' for a
 * premise that cannot be read. "All" does not say that there are any.
 *
 * The chain takes the premises and the contrary of the conclusion. A thing that one of these
 * asserts is followed through the rules the others give; a contradiction proves the conclusion. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

struct claim {
    char form; /* a e i o */
    int x, y;  /* 0, 1, 2: the three kinds */
};

static const char *const ask[TASK_PHRASINGS] = {
    "1: $1. 2: $2. Does it follow that $3?",
    "Premises: $1. $2. Conclusion: $3. Is that valid?",
    "Suppose $1, and $2. Must it be true that $3?",
    "$1. $2. Can we conclude that $3?",
    "From \"$1\" and \"$2\", does \"$3\" follow?",
    "Given that $1 and that $2, is it certain that $3?",
    "Take as true: $1; $2. Is \"$3\" then always true?",
    "If $1 and $2, is it necessary that $3?",
};

static struct txt claim_text(const struct claim *c, const int *noun)
{
    struct txt t;
    const char *x = made_up_list[noun[c->x]], *y = made_up_list[noun[c->y]];
    static const char *const lead[] = {"all", "no", "some", "some"};
    snprintf(t.s, sizeof t.s, "%s %ss are %s%ss", lead[strchr("aeio", c->form) - "aeio"], x,
             c->form == 'o' ? "not " : "", y);
    return t;
}

static struct claim contrary(struct claim c)
{
    c.form = c.form == 'a' ? 'o' : c.form == 'o' ? 'a' : c.form == 'e' ? 'i' : 'e';
    return c;
}

/* Follows the thing that claim w asserts through the universal claims; lines when g is given.
 * True when it becomes a contradiction. is[k]: 1 it is of kind k, -1 it is not. */
static bool follow(struct gen *g, const struct claim *c, int w, const int *noun, int *is)
{
    memset(is, 0, 3 * sizeof *is);
    is[c[w].x] = 1;
    is[c[w].y] = c[w].form == 'i' ? 1 : -1;
    if (g)
        gen_say(g, "take a %s that is %sa %s", made_up_list[noun[c[w].x]],
                c[w].form == 'i' ? "" : "not ", made_up_list[noun[c[w].y]]);
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < 3; i++) {
            int sign = c[i].form == 'a' ? 1 : -1, k = -1, v = 0;
            if (c[i].form == 'i' || c[i].form == 'o') continue;
            if (is[c[i].x] == 1 && is[c[i].y] != sign) {
                k = c[i].y;
                v = sign;
            } else if (is[c[i].y] == -sign && is[c[i].x] != -1) {
                k = c[i].x;
                v = -1;
            }
            if (k < 0) continue;
            if (g) {
                char right[48], wrong[48];
                snprintf(right, sizeof right, "%sa %s", v > 0 ? "" : "not ",
                         made_up_list[noun[k]]);
                snprintf(wrong, sizeof wrong, "%sa %s", v > 0 ? "not " : "",
                         made_up_list[noun[k]]);
                gen_line(g,
                         i == 2 ? "supposed: it is "
                         : i    ? "by 2 it is "
                                : "by 1 it is ",
                         right, wrong);
            }
            if (is[k] == -v) return true;
            is[k] = v;
            more = true;
        }
    }
    return false;
}

/* Which claim's thing gives a contradiction, or -1: the conclusion does not follow. */
static int proof(const struct claim *c, const int *noun)
{
    int is[3];
    for (int w = 0; w < 3; w++)
        if ((c[w].form == 'i' || c[w].form == 'o') && follow(NULL, c, w, noun, is)) return w;
    return -1;
}

static bool make(struct gen *g)
{
    struct claim c[3];
    int noun[3], is[3], lost = -1;
    bool want = gen_coin(g);
    gen_distinct(&g->r, N_MADE_UP, noun, 3);
    for (int i = 0; i < 3; i++) {
        c[i] = (struct claim){"aeio"[gen_below(g, g->level < 2 ? 2 : 4)], i == 1 ? 1 : 0,
                              i == 0 ? 1 : 2};
        if (i < 2 && g->level > 2 && gen_coin(g))
            c[i] = (struct claim){c[i].form, c[i].y, c[i].x};
    }
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++)
        c[twin_below(g, 3)].form = "aeio"[twin_below(g, 4)];
    if (g->variant == TASK_TWIN && g->changes > 1)
        noun[twin_below(g, 3)] = twin_below(g, N_MADE_UP);
    if (noun[0] == noun[1] || noun[0] == noun[2] || noun[1] == noun[2]) return false;
    if (g->variant == TASK_ILL) lost = twin_below(g, 2);
    struct txt t[3] = {claim_text(&c[0], noun), claim_text(&c[1], noun),
                       claim_text(&c[2], noun)};
    for (int i = 0; i < 3; i++) {
        if (i == lost)
            gen_key(g, "? ");
        else
            gen_key(g, "%c%d,%d%s", c[i].form, noun[c[i].x], noun[c[i].y], i < 2 ? " " : "");
    }
    if (lost >= 0) snprintf(t[lost].s, sizeof t[lost].s, "(a line that cannot be read)");
    gen_ask(g, ask, t[0].s, t[1].s, t[2].s);
    gen_text(g, " Answer yes or no.");
    if (lost >= 0) {
        gen_say(g, "premise %d is not given", lost + 1);
        gen_unknown(g);
        return true;
    }
    c[2] = contrary(c[2]);
    int w = proof(c, noun);
    if (g->variant == TASK_PLAIN && want != (w >= 0)) return false;
    gen_say(g, "suppose not: %s", claim_text(&c[2], noun).s);
    if (w >= 0) {
        (void)follow(g, c, w, noun, is);
        gen_say(g, "contradiction, so it follows");
    } else {
        for (int i = 0; i < 3; i++) {
            if (c[i].form != 'i' && c[i].form != 'o') continue;
            (void)follow(g, c, i, noun, is);
            gen_say(g, "no contradiction");
        }
        gen_say(g, "all three can be true, so it does not follow");
    }
    gen_answer(g, "%s", w >= 0 ? "yes" : "no");
    return true;
}

const struct task_family task_syllogism = {"syllogism", "Syllogisms", "yes or no", 'B', 3, 0.5,
                                           0x3a07a75c,  make,         check_words};
