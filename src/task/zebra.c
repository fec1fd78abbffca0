/* zebra.c - three people, two or three traits: who has what? Key: traits, then the clues "p0,1,2"
 * (person 0 has value 2 of trait 1), "n..." (has not), "l1,2,2,0" (who has value 2 of trait 1 has
 * value 0 of trait 2). The chain fills the grid by clues that force something. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { P = 3, MAX_TRAIT = 3, MAX_CLUE = 24, POOL = 6 };

struct clue {
    char kind;
    int a, b, c, d;
};

static const char *const ask[TASK_PHRASINGS] = {
    "$1 each have $2, all different. $3 Who has what?",
    "$1: everyone has $2, no two the same. $3 Tell what each has.",
    "$1 have different things, $2 each. $3 What does each have?",
    "Three people, $1, have $2 each; all differ. $3 Find out who has what.",
    "$1 own $2 each and nothing twice. $3 Work out who has which.",
    "$2 belong to each of $1, all different. $3 Who owns what?",
    "Among $1 everyone has $2, none twice. $3 Assign everything.",
    "You know $1. Each has $2, all different. $3 What has each of them?",
};
static const char *const value_name[MAX_TRAIT][POOL] = {
    {"cat", "dog", "fish", "bird", "pony", "frog"},
    {"tea", "milk", "juice", "water", "cocoa", "soda"},
    {"red", "blue", "green", "black", "white", "pink"},
};
static const char *const trait_name[MAX_TRAIT] = {"a pet", "a drink", "a color"};

struct puzzle {
    int traits, n_clue;
    struct clue clue[MAX_CLUE];
    int bits[P][MAX_TRAIT]; /* values still possible */
    const char *name[P];
    int pick[MAX_TRAIT][P]; /* which words of the pool */
};

static const char *word(const struct puzzle *z, int t, int v)
{
    return value_name[t][z->pick[t][v]];
}

static int single(int bits)
{
    return bits == 1 ? 0 : bits == 2 ? 1 : bits == 4 ? 2 : -1;
}

/* Takes value v of trait t from person p; a line when that leaves one. */
static bool drop(struct gen *g, struct puzzle *z, int p, int t, int v)
{
    if (!(z->bits[p][t] >> v & 1)) return false;
    z->bits[p][t] &= ~(1 << v);
    int s = single(z->bits[p][t]);
    if (s >= 0 && g) {
        char lhs[32];
        snprintf(lhs, sizeof lhs, "%s: ", z->name[p]);
        gen_line(g, lhs, word(z, t, s), word(z, t, v));
    }
    return true;
}

static bool settle(struct gen *g, struct puzzle *z, int p, int t, int v)
{
    bool more = false;
    for (int w = 0; w < P; w++)
        if (w != v) more |= drop(g, z, p, t, w);
    return more;
}

static bool use(struct gen *g, struct puzzle *z, const struct clue *c)
{
    bool more = false;
    if (c->kind == 'p') return settle(g, z, c->a, c->b, c->c);
    if (c->kind == 'n') return drop(g, z, c->a, c->b, c->c);
    for (int p = 0; p < P; p++) {
        int *x = &z->bits[p][c->a], *y = &z->bits[p][c->c];
        if (single(*x) == c->b) more |= settle(g, z, p, c->c, c->d);
        if (single(*y) == c->d) more |= settle(g, z, p, c->a, c->b);
        if (!(*x >> c->b & 1)) more |= drop(g, z, p, c->c, c->d);
        if (!(*y >> c->d & 1)) more |= drop(g, z, p, c->a, c->b);
    }
    return more;
}

/* True when every cell has one value. A value that one person has, no other has; a value that
 * only one person can have is theirs. */
static bool propagate(struct gen *g, struct puzzle *z)
{
    bool done = true;
    for (int p = 0; p < P; p++)
        for (int t = 0; t < z->traits; t++) z->bits[p][t] = 7;
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < z->n_clue; i++) more |= use(g, z, &z->clue[i]);
        for (int t = 0; t < z->traits; t++)
            for (int p = 0; p < P; p++) {
                int s = single(z->bits[p][t]);
                for (int q = 0; q < P && s >= 0; q++)
                    if (q != p) more |= drop(g, z, q, t, s);
                for (int v = 0; v < P; v++) {
                    int others = 0;
                    for (int q = 0; q < P; q++) others |= q == p ? 0 : z->bits[q][t];
                    if (!(others >> v & 1)) more |= settle(g, z, p, t, v);
                }
            }
    }
    for (int p = 0; p < P; p++)
        for (int t = 0; t < z->traits; t++) done &= single(z->bits[p][t]) >= 0;
    return done;
}

static struct clue true_clue(struct rng *r, int traits, int own[P][MAX_TRAIT], int level)
{
    int p = (int)rng_below(r, P), t = (int)rng_below(r, (uint64_t)traits);
    uint64_t kind = rng_below(r, level < 2 ? 3 : 5);
    if (kind == 0) return (struct clue){'p', p, t, own[p][t], 0};
    if (kind < 3)
        return (struct clue){'n', p, t, (own[p][t] + 1 + (int)rng_below(r, 2)) % 3, 0};
    int u = (t + 1 + (int)rng_below(r, (uint64_t)traits - 1)) % traits;
    return (struct clue){'l', t, own[p][t], u, own[p][u]};
}

static int count_solutions(const struct puzzle *z)
{
    static const int perm[6][P] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                   {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    int n = 0, total = z->traits == 2 ? 36 : 216;
    for (int m = 0; m < total; m++) {
        const int *own[MAX_TRAIT] = {perm[m % 6], perm[m / 6 % 6], perm[m / 36]};
        bool ok = true;
        for (int i = 0; i < z->n_clue && ok; i++) {
            const struct clue *c = &z->clue[i];
            if (c->kind == 'p') ok = own[c->b][c->a] == c->c;
            if (c->kind == 'n') ok = own[c->b][c->a] != c->c;
            for (int p = 0; c->kind == 'l' && p < P; p++)
                ok &= (own[c->a][p] == c->b) == (own[c->c][p] == c->d);
        }
        n += ok;
    }
    return n;
}

static void random_owners(struct rng *r, int own[P][MAX_TRAIT])
{
    for (int t = 0; t < MAX_TRAIT; t++) {
        int v[P];
        gen_distinct(r, P, v, P);
        for (int p = 0; p < P; p++) own[p][t] = v[p];
    }
}

static void clue_text(const struct puzzle *z, const struct clue *c, char *out, size_t size)
{
    if (c->kind == 'l')
        snprintf(out, size, "The one with %s has %s.", word(z, c->a, c->b),
                 word(z, c->c, c->d));
    else
        snprintf(out, size, "%s %s %s.", z->name[c->a],
                 c->kind == 'p' ? "has" : "does not have", word(z, c->b, c->c));
}

static bool make(struct gen *g)
{
    struct puzzle z = {.traits = g->level < 3 ? 2 : 3};
    int own[P][MAX_TRAIT], id[P];
    char names[64], traits[64], text[1024], one[96];
    size_t at = 0;
    random_owners(&g->r, own);
    while (z.n_clue < 14 && !propagate(NULL, &z))
        z.clue[z.n_clue++] = true_clue(&g->r, z.traits, own, g->level);
    if (!propagate(NULL, &z)) return false;
    for (int i = 0; i < z.n_clue;) { /* no clue that is not needed */
        struct puzzle y = z;
        memmove(&y.clue[i], &y.clue[i + 1], (size_t)(--y.n_clue - i) * sizeof *y.clue);
        if (propagate(NULL, &y))
            z = y;
        else
            i++;
    }
    if (z.n_clue < z.traits) return false;
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++) {
        int other[P][MAX_TRAIT];
        random_owners(&g->t, other);
        z.clue[twin_below(g, z.n_clue)] = true_clue(&g->t, z.traits, other, g->level);
    }
    if (g->variant == TASK_ILL) {
        int i = twin_below(g, z.n_clue);
        memmove(&z.clue[i], &z.clue[i + 1], (size_t)(--z.n_clue - i) * sizeof *z.clue);
        if (count_solutions(&z) < 2) return false;
    } else if (count_solutions(&z) != 1 || !propagate(NULL, &z)) {
        return false;
    }
    gen_distinct(&g->w, N_NAME, id, P);
    for (int p = 0; p < P; p++) z.name[p] = name_list[id[p]];
    for (int t = 0; t < MAX_TRAIT; t++) gen_distinct(&g->w, POOL, z.pick[t], P);
    snprintf(names, sizeof names, "%s, %s and %s", z.name[0], z.name[1], z.name[2]);
    at = (size_t)snprintf(traits, sizeof traits, "%s%s %s", trait_name[0],
                          z.traits == 3 ? "," : " and", trait_name[1]);
    if (z.traits == 3) snprintf(traits + at, sizeof traits - at, " and %s", trait_name[2]);
    at = 0;
    for (int t = 0; t < z.traits; t++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s, %s, %s",
                               t ? "; " : "There are ", word(&z, t, 0), word(&z, t, 1),
                               word(&z, t, 2));
    at += (size_t)snprintf(text + at, sizeof text - at, ".");
    gen_key(g, "%d", z.traits);
    for (int i = 0; i < z.n_clue; i++) {
        const struct clue *c = &z.clue[i];
        clue_text(&z, c, one, sizeof one);
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", one);
        gen_key(g, " %c%d,%d,%d", c->kind, c->a, c->b, c->c);
        if (c->kind == 'l') gen_key(g, ",%d", c->d);
    }
    gen_ask(g, ask, names, traits, text);
    bool ok = propagate(g, &z);
    if (g->variant == TASK_ILL) {
        if (ok) return false;
        gen_say(g, "no clue decides more");
        gen_unknown(g);
        return true;
    }
    for (int p = 0; p < P; p++) {
        gen_answer(g, "%s%s", p ? ", " : "", z.name[p]);
        for (int t = 0; t < z.traits; t++)
            gen_answer(g, " %s", word(&z, t, single(z.bits[p][t])));
    }
    return true;
}

const struct task_family task_zebra = {
    "zebra", "Zebra puzzles", "like: Ann cat tea, Ben dog milk", 'C', 4, 0.03, 0x0e12c8ed,
    make,    check_pairs};
