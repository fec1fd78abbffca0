/* navigate.c - walking on a grid: where, or back at the start? Key: the steps and the question,
 * "F3 L F2|p" (p: the place, b: back or not). It starts at (0,0) facing north; L and R turn. */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_STEP = 24 };

static const char *const where[TASK_PHRASINGS] = {
    "Start at (0,0) facing north (up). $1 Where are you? Give (x,y).",
    "You stand at (0,0) and look north. $1 At which point (x,y) are you now?",
    "From (0,0), looking north: $1 What is your position (x,y)?",
    "A robot at (0,0) faces north. $1 Where does it end? Answer as (x,y).",
    "Begin at (0,0), facing north. $1 Name the point (x,y) you reach.",
    "Facing north at (0,0), you follow: $1 Which (x,y) do you reach?",
    "Put a robot on (0,0), facing north. $1 Give its final (x,y).",
    "You are at (0,0), north ahead. $1 What point (x,y) is that?",
};
static const char *const back[TASK_PHRASINGS] = {
    "$1 Are you back at the start?",
    "Follow these steps. $1 Do you return to the starting point?",
    "$1 Did you come back to where you began?",
    "You walk like this: $1 Is that a round trip to the start?",
    "$1 Is the end the starting point?",
    "Walk: $1 Do you end where you started?",
    "$1 Have you returned to your first position?",
    "A robot does this: $1 Is it at its start again?",
};

struct walk {
    int n, len[MAX_STEP]; /* 0: a turn */
    char turn[MAX_STEP];
};

static void add_step(struct walk *w, char turn, int len)
{
    if (w->n == MAX_STEP) return;
    w->turn[w->n] = turn;
    w->len[w->n++] = len;
}

static void turn_by(char t, int *dx, int *dy)
{
    int x = *dx;
    *dx = t == 'L' ? -*dy : *dy;
    *dy = t == 'L' ? x : -x;
}

static void end_of(const struct walk *w, int *x, int *y)
{
    int dx = 0, dy = 1;
    *x = *y = 0;
    for (int i = 0; i < w->n; i++) {
        if (!w->len[i]) turn_by(w->turn[i], &dx, &dy);
        *x += w->len[i] * dx;
        *y += w->len[i] * dy;
    }
}

static bool make(struct gen *g)
{
    struct walk w = {.n = 0};
    int legs = g->level + 1, x, y, some = -1;
    bool place = gen_coin(g), home = gen_coin(g);
    if (!place) { /* a rectangle or a there-and-back; one leg is off when it must not close */
        int a = gen_int(g, 1, 4 + g->level), b = gen_int(g, 1, 4 + g->level);
        char t = gen_coin(g) ? 'L' : 'R';
        int off = gen_below(g, 4), by = gen_int(g, 1, 3);
        if (g->variant == TASK_TWIN) home = !home;
        for (int k = 1; g->variant == TASK_TWIN && k < g->changes; k++) {
            a += twin_int(g, 0, 3);
            b += twin_int(g, 0, 3);
        }
        for (int i = 0; i < 4; i++) {
            int len = i % 2 ? (g->level == 1 ? 0 : b) : a;
            int cut = len > 1 && i + 1 < g->level ? gen_int(g, 0, len - 1) : 0;
            if (cut) add_step(&w, 'F', cut);
            if (!home && i == (g->level == 1 ? off & 2 : off)) len += by;
            if (len) add_step(&w, 'F', len - cut);
            if (i < 3) add_step(&w, t, 0);
        }
    } else {
        for (int i = 0; i < legs; i++) {
            add_step(&w, 'F', gen_int(g, 1, 9));
            if (i + 1 < legs) add_step(&w, gen_coin(g) ? 'L' : 'R', 0);
        }
    }
    for (int k = 0; place && g->variant == TASK_TWIN && k < g->changes; k++) {
        int i = twin_below(g, w.n);
        if (w.len[i])
            w.len[i] = twin_int(g, 1, 12);
        else
            w.turn[i] = w.turn[i] == 'L' ? 'R' : 'L';
    }
    if (g->variant == TASK_ILL) {
        do some = twin_below(g, w.n);
        while (!w.len[some]);
        int i = twin_below(g, w.n);
        if (w.len[i]) w.len[i] = twin_int(g, 1, 12);
    }
    end_of(&w, &x, &y);
    if (some >= 0 && !place) return false; /* it might be plain that one is not back */
    char text[768];
    size_t at = 0;
    for (int i = 0; i < w.n; i++) {
        const char *sep = i ? " " : "";
        if (i == some)
            at += (size_t)snprintf(text + at, sizeof text - at, "%sTake some steps forward.",
                                   sep);
        else if (w.len[i])
            at += (size_t)snprintf(text + at, sizeof text - at, "%sTake %d step%s forward.",
                                   sep, w.len[i], w.len[i] > 1 ? "s" : "");
        else
            at += (size_t)snprintf(text + at, sizeof text - at, "%sTurn %s.", sep,
                                   w.turn[i] == 'L' ? "left" : "right");
        if (w.len[i])
            gen_key(g, "%sF%s", sep, i == some ? "?" : num(w.len[i]).s);
        else
            gen_key(g, "%s%c", sep, w.turn[i]);
    }
    gen_key(g, "|%c", place ? 'p' : 'b');
    gen_ask(g, place ? where : back, text);
    int px = 0, py = 0, dx = 0, dy = 1;
    for (int i = 0; i < w.n; i++) {
        if (i == some) {
            gen_say(g, "the number of steps is not given");
            gen_unknown(g);
            return true;
        }
        if (!w.len[i]) {
            turn_by(w.turn[i], &dx, &dy);
            gen_say(g, "%c: %s", w.turn[i],
                    dx       ? dx > 0 ? "east" : "west"
                    : dy > 0 ? "north"
                             : "south");
            continue;
        }
        char lhs[16], right[32], wrong[32];
        px += dx * w.len[i];
        py += dy * w.len[i];
        snprintf(lhs, sizeof lhs, "%d: ", w.len[i]);
        snprintf(right, sizeof right, "(%d,%d)", px, py);
        snprintf(wrong, sizeof wrong, "(%d,%d)", px - 2 * dx * w.len[i],
                 py - 2 * dy * w.len[i]);
        gen_line(g, lhs, right, wrong);
    }
    gen_check(g, "east minus west %d, north minus south %d", x, y);
    if (place)
        gen_answer(g, "(%d,%d)", x, y);
    else
        gen_answer(g, "%s", x == 0 && y == 0 ? "yes" : "no");
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer), u, v;
    int64_t p, q;
    if (gold.p[0] != '(') return check_words(it, a);
    if (a.n < 3 || a.p[0] != '(' || a.p[a.n - 1] != ')') return "not a point (x,y)";
    struct span in = {a.p + 1, a.n - 2}, want = {gold.p + 1, gold.n - 2};
    for (int i = 0; i < 2; i++)
        if (!next_word(&in, ", ", &u) || !next_word(&want, ",", &v) || !parse_int(u, &p) ||
            !parse_int(v, &q) || p != q)
            return "another point";
    return in.n == 0 ? NULL : "not a point (x,y)";
}

const struct task_family task_navigate = {
    "navigate", "Navigate on a grid", "(x,y), or yes or no", 'A', 5, 0.25, 0x2b67a507, make,
    check};
