/* deduction.c - is this one of those, by rules about made-up kinds. Key: "f3 3>5 5!7 q7": the
 * fact, the rules in the order of the prompt (every 3 is a 5, no 5 is a 7), the question.
 *
 * One rule at most is negative and it ends the chain; distracting rules lead into the chain from
 * outside or out of it to kinds that are not asked. So closing the facts under the rules decides
 * the question, and what is not derived is not known. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_RULE = 24, MAX_KIND = 24 };

struct rule {
    int a, b;
    bool no;
};

static const char *const ask[TASK_PHRASINGS] = {
    "$1 $2 is $3. Is $2 $4?",
    "$1 We know that $2 is $3. Is $2 $4?",
    "Rules: $1 Fact: $2 is $3. Question: is $2 $4?",
    "$2 is $3. $1 Is $2 $4?",
    "Given: $1 $2 is $3. Does it follow that $2 is $4?",
    "$1 Now $2 is $3. Is it true that $2 is $4?",
    "Take these as true. $1 $2 is $3. Can $2 be called $4?",
    "Suppose $2 is $3. $1 Would $2 be $4?",
    "Here are some rules. $1 You know that $2 is $3. Is $2 then $4?",
    "$1 Because $2 is $3: is $2 $4?",
    "We are told this: $1 Also, $2 is $3. Is it so that $2 is $4?",
    "$2 is $3. These rules hold: $1 Does this make $2 $4?",
    "Read this: $1 $2 is $3. Do we know that $2 is $4?",
    "$1 $2 is $3. Can we say that $2 is $4?",
    "If $2 is $3, and if this is so: $1 then is $2 $4?",
    "$1 Someone tells you $2 is $3. Must $2 be $4?",
};

static struct txt a_kind(int k)
{
    struct txt t;
    snprintf(t.s, sizeof t.s, "%s %s", article(made_up_list[k]), made_up_list[k]);
    return t;
}

/* Applies rules in prompt order until the question is settled; returns +1, -1 or 0. */
static int derive(struct gen *g, const char *who, const struct rule *r, int n, int fact, int q)
{
    int known[N_MADE_UP] = {0};
    known[fact] = 1;
    for (bool more = true; more && !known[q];) {
        more = false;
        for (int i = 0; i < n && !more; i++) {
            if (known[r[i].a] != 1 || known[r[i].b]) continue;
            char lhs[128], right[64], wrong[64];
            snprintf(lhs, sizeof lhs, "%s %s is %s: ", r[i].no ? "no" : "every",
                     made_up_list[r[i].a], a_kind(r[i].b).s);
            snprintf(right, sizeof right, "%s is %s%s", who, r[i].no ? "not " : "",
                     a_kind(r[i].b).s);
            snprintf(wrong, sizeof wrong, "%s is %s%s", who, r[i].no ? "" : "not ",
                     a_kind(r[i].b).s);
            gen_line(g, lhs, right, wrong);
            known[r[i].b] = r[i].no ? -1 : 1;
            more = true;
        }
    }
    return known[q];
}

static bool make(struct gen *g)
{
    int hops = g->level, kind[MAX_KIND], n = 0;
    int n_extra = g->level + 1;
    struct rule r[MAX_RULE];
    gen_distinct(&g->r, N_MADE_UP, kind, hops + 1 + n_extra);
    bool no = gen_coin(g);
    int cut = gen_below(g, 4) == 0 ? gen_below(g, hops) : -1; /* a rule turned around */
    if (g->variant == TASK_TWIN) {
        if (cut >= 0)
            cut = -1;
        else if (twin_below(g, 2))
            no = !no;
        else
            cut = twin_below(g, hops);
        for (int k = 1; k < g->changes; k++) { /* a distracting rule about another kind */
            int i = hops + 1 + twin_below(g, n_extra);
            kind[i] = twin_below(g, N_MADE_UP);
            for (int j = 0; j <= hops + n_extra; j++)
                if (j != i && kind[j] == kind[i]) return false;
        }
    }
    if (g->variant == TASK_ILL) {
        if (cut >= 0) return false;
        cut = twin_below(g, hops);
    }
    for (int i = 0; i < hops; i++) {
        r[n] = (struct rule){kind[i], kind[i + 1], no && i == hops - 1};
        if (i == cut) r[n] = (struct rule){kind[i + 1], kind[i], false};
        n++;
    }
    for (int i = 0; i < n_extra; i++) {
        int x = kind[hops + 1 + i];
        bool in = gen_coin(g);
        int at = gen_below(g, hops);
        r[n++] = in ? (struct rule){x, kind[at], false} : (struct rule){kind[at], x, false};
    }
    int order[MAX_RULE];
    for (int i = 0; i < n; i++) order[i] = i;
    gen_shuffle(g, order, n);
    struct rule shown[MAX_RULE];
    char text[1024];
    size_t at = 0;
    gen_key(g, "f%d", kind[0]);
    for (int i = 0; i < n; i++) {
        shown[i] = r[order[i]];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s is %s.", i ? " " : "",
                               shown[i].no ? "No" : "Every", made_up_list[shown[i].a],
                               a_kind(shown[i].b).s);
        gen_key(g, " %d%c%d", shown[i].a, shown[i].no ? '!' : '>', shown[i].b);
    }
    int q = kind[hops];
    gen_key(g, " q%d", q);
    const char *who = name_list[rng_below(&g->w, N_NAME)];
    gen_ask(g, ask, text, who, a_kind(kind[0]).s, a_kind(q).s);
    gen_text(g, " Answer yes, no or unknown.");
    gen_say(g, "Is %s %s", who, a_kind(q).s);
    gen_say(g, "So %s is %s", who, a_kind(kind[0]).s);
    int got = derive(g, who, shown, n, kind[0], q);
    if (got == 0) gen_say(g, "no rule tells more about %s", who);
    gen_answer(g, "%s", got > 0 ? "yes" : got < 0 ? "no" : "unknown");
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    if (span_is(buf_span(&it->answer), "unknown") && span_is_nocase(a, "cannot be determined"))
        return NULL;
    return check_words(it, a);
}

const struct task_family task_deduction = {
    "deduction", "Deduction chains", "yes, no or unknown", 'B', 5, 0.4, 0x90e22b1e, make,
    check};
