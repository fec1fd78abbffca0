/* knights.c - knights tell the truth, knaves lie: who is what? Key: "n" and for each person the
 * statement "kind:a,b,va,vb"; people are numbered as they appear.
 *
 * The chain supposes each assignment in a fixed order and stops a case at its first false
 * claim, the whole at the first case that holds: puzzles have one solution. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum claim_kind { IS, SAME, OTHER, AND, OR, IF, N_CLAIM };
enum { MAX_PEOPLE = 4 };

struct claim {
    enum claim_kind kind;
    int a, b, va, vb; /* persons; what they are said to be, 1: knight */
};

static const char *const ask[TASK_PHRASINGS] = {
    "Knights always tell the truth, knaves always lie. $1 Who is what?",
    "On an island live knights, who tell the truth, and knaves, who lie. $1 What is each of "
    "them?",
    "A knight never lies and a knave always does. $1 Who is a knight and who is a knave?",
    "$1 Knights tell the truth and knaves lie. Find out who is what.",
    "Here each person is a knight (truthful) or a knave (lying). $1 Name the kind of each.",
    "Puzzle: knights speak the truth, knaves lie. $1 Which is which?",
    "Everyone is a truthful knight or a lying knave. $1 Tell the kind of everyone.",
    "You meet people who are knights (always truthful) or knaves (always lying). $1 What are "
    "they?",
    "Each person here is a knight, who says only true things, or a knave, who says only false "
    "things. $1 Work out who is what.",
    "$1 One kind of person, the knight, always tells the truth; the other, the knave, always "
    "lies. What is everyone?",
    "Knaves lie all the time and knights tell the truth all the time. $1 Please say who is "
    "which.",
    "A puzzle about knights (they tell the truth) and knaves (they lie). $1 What are these "
    "people?",
    "$1 Everyone is a knight or a knave; knights are truthful and knaves are liars. Give the "
    "kind of each person.",
    "On this island a knight tells only the truth, a knave tells only lies. $1 Find the "
    "knights and the knaves.",
    "Truthful people are called knights and liars are called knaves. $1 Decide for each: "
    "knight or knave?",
    "I met some people: knights always say what is true, knaves what is false. $1 Tell me who "
    "they are.",
};

static const char *kind_name(int v)
{
    return v ? "knight" : "knave";
}

static bool holds(const struct claim *c, const int *is)
{
    bool a = is[c->a] == c->va, b = is[c->b] == c->vb;
    switch (c->kind) {
    case IS: return a;
    case SAME: return is[c->a] == is[c->b];
    case OTHER: return is[c->a] != is[c->b];
    case AND: return a && b;
    case OR: return a || b;
    case IF: return !a || b;
    case N_CLAIM: break;
    }
    return false;
}

static void draw(struct rng *r, int level, int n, int who, struct claim *c)
{
    c->kind = (enum claim_kind)rng_below(r, level == 1 || level == 3 ? IF : N_CLAIM);
    do c->a = (int)rng_below(r, (uint64_t)n); /* "I am a knight" says nothing */
    while (c->kind == IS && c->a == who);
    do c->b = (int)rng_below(r, (uint64_t)n);
    while (c->b == c->a);
    c->va = (int)rng_below(r, 2);
    c->vb = (int)rng_below(r, 2);
}

static void claim_text(const struct claim *c, const char *const *name, char *out, size_t size)
{
    const char *a = name[c->a], *b = name[c->b], *va = kind_name(c->va), *vb = kind_name(c->vb);
    switch (c->kind) {
    case IS: snprintf(out, size, "%s is a %s", a, va); break;
    case SAME: snprintf(out, size, "%s and %s are the same kind", a, b); break;
    case OTHER: snprintf(out, size, "%s and %s are different kinds", a, b); break;
    case AND: snprintf(out, size, "%s is a %s and %s is a %s", a, va, b, vb); break;
    case OR: snprintf(out, size, "%s is a %s or %s is a %s", a, va, b, vb); break;
    case IF: snprintf(out, size, "if %s is a %s then %s is a %s", a, va, b, vb); break;
    case N_CLAIM: break;
    }
}

static int solutions(const struct claim *c, int n, int *first)
{
    int count = 0;
    for (int m = (1 << n) - 1; m >= 0; m--) {
        int is[MAX_PEOPLE], ok = 1;
        for (int i = 0; i < n; i++) is[i] = m >> (n - 1 - i) & 1;
        for (int i = 0; i < n && ok; i++) ok = holds(&c[i], is) == (is[i] == 1);
        if (ok && count++ == 0) *first = m;
    }
    return count;
}

static void assignment(const char *const *name, int n, int m, char *out, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s %s", i ? ", " : "", name[i],
                               kind_name(m >> (n - 1 - i) & 1));
}

/* Tries everybody's kind, knights first: is what each says true, as far as the first that does not
 * fit the kind. */
static void suppose(struct gen *g, const struct claim *c, const char *const *name, int n,
                    int want)
{
    char text[128], lhs[320];
    for (int m = (1 << n) - 1; m >= 0; m--) {
        int is[MAX_PEOPLE], bad = -1;
        for (int i = 0; i < n; i++) is[i] = m >> (n - 1 - i) & 1;
        assignment(name, n, m, text, sizeof text);
        size_t at = (size_t)snprintf(lhs, sizeof lhs, "If %s: ", text);
        for (int i = 0; i < n && bad < 0; i++) {
            bool truth = holds(&c[i], is);
            if (truth != (is[i] == 1)) bad = i;
            at += (size_t)snprintf(lhs + at, sizeof lhs - at, "%s %s, ", name[i],
                                   truth ? "true" : "false");
        }
        gen_line(g, lhs, bad < 0 ? "fits" : "no", bad < 0 ? "no" : "fits");
        if (bad < 0 && want == 1) return;
    }
}

static bool make(struct gen *g)
{
    int n = g->level < 3 ? 2 : g->level < 5 ? 3 : 4, id[MAX_PEOPLE], first = 0;
    struct claim c[MAX_PEOPLE];
    const char *name[MAX_PEOPLE];
    char text[160], story[640];
    size_t at = 0;
    for (int i = 0; i < n; i++) draw(&g->r, g->level, n, i, &c[i]);
    if (solutions(c, n, &first) != 1) return false;
    int want = 1;
    if (g->variant != TASK_PLAIN) {
        for (int k = 0; k < g->changes; k++) {
            int who = twin_below(g, n);
            draw(&g->t, g->level, n, who, &c[who]);
        }
        want = solutions(c, n, &first);
        if ((want == 1) != (g->variant == TASK_TWIN)) return false;
    }
    gen_distinct(&g->w, N_NAME, id, n);
    gen_key(g, "%d", n);
    for (int i = 0; i < n; i++) name[i] = name_list[id[i]];
    for (int i = 0; i < n; i++) {
        claim_text(&c[i], name, text, sizeof text);
        at += (size_t)snprintf(story + at, sizeof story - at, "%s%s says: %s.", i ? " " : "",
                               name[i], text);
        bool two = c[i].kind != IS, values = two && c[i].kind != SAME && c[i].kind != OTHER;
        gen_key(g, " %d:%d,%d,%d,%d", (int)c[i].kind, c[i].a, two ? c[i].b : 0,
                values || !two ? c[i].va : 0, values ? c[i].vb : 0);
    }
    gen_ask(g, ask, story);
    suppose(g, c, name, n, want);
    if (want == 0) {
        gen_say(g, "no case is left");
        gen_none(g);
    } else if (want > 1) {
        gen_say(g, "%d cases fit", want);
        gen_unknown(g);
    } else {
        assignment(name, n, first, text, sizeof text);
        gen_answer(g, "%s", text);
    }
    return true;
}

const struct task_family task_knights = {
    "knights", "Knights and knaves", "like: Ann knight, Ben knave", 'C', 4, 0.2, 0xdb796917,
    make,      check_pairs};
