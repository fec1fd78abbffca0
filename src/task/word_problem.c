/* word_problem.c - stories of one to six steps about a number of things. Key: the steps, such as
 * "=3x12 -5 +7 *2 /3 m4", with '?' for a number that is not told, and i for an irrelevant fact.
 *
 *   =a, =axb  starts with a things, or a boxes of b     +k -k   gets, gives away
 *   *k  the number is multiplied                        /k      one of k equal parts is kept
 *   bkxm  buys k boxes of m                             mk      another has k more: how many together
 */
#include <stdio.h>
#include <string.h>

#include "task/gen.h"

enum { MAX_STEP = 8 };

struct step {
    char op;
    int a, b;
};

static const char *const thing[] = {"pens",  "apples",  "cards", "stamps", "shells", "coins",
                                    "books", "marbles", "eggs",  "nails",  "beads",  "photos"};
static const char *const box[] = {"boxes", "bags", "jars", "packs"};

static const char *const ask_one[TASK_PHRASINGS] = {
    "$3 How many $2 does $1 have now?",
    "$3 How many $2 are there at the end?",
    "$3 What number of $2 does $1 have now?",
    "$3 Count the $2 that $1 has now.",
    "$3 How many $2 has $1 got in the end?",
    "$3 With how many $2 does $1 end?",
    "$3 Find the number of $2 $1 has at last.",
    "$3 At the end, how many $2 does $1 own?",
    "$3 So how many $2 does $1 have?",
    "$3 Please tell me how many $2 $1 has now.",
    "$3 What is the count of $2 that $1 is left with?",
    "$3 Work out how many $2 belong to $1 now.",
    "$3 After all this, how many $2 are with $1?",
    "$3 Say how many $2 $1 has.",
    "$3 Calculate the $2 of $1.",
    "$3 How many $2 remain with $1 after this?",
};
static const char *const ask_both[TASK_PHRASINGS] = {
    "$3 How many $2 do they have together?",
    "$3 How many $2 do the two have in all?",
    "$3 What is the total number of $2?",
    "$3 Count the $2 of both.",
    "$3 How many $2 have they got altogether?",
    "$3 Together, how many $2 is that?",
    "$3 Find how many $2 both have in total.",
    "$3 What do the two have together, counted in $2?",
    "$3 So how many $2 do both of them have?",
    "$3 Please add up the $2 of both.",
    "$3 What do their $2 come to, all together?",
    "$3 Work out how many $2 there are between the two of them.",
    "$3 How many $2 is that for both?",
    "$3 Tell me the sum of their $2.",
    "$3 Calculate how many $2 the two of them own.",
    "$3 If they put their $2 together, how many are there?",
};

/* What the chain repeats of a sentence. */
struct told {
    char s[64];
};

static void sentence(struct gen *g, const struct step *s, bool some, const char *who,
                     const char *other, const char *what, struct told *told, char *out,
                     size_t size)
{
    static const char *const get[] = {"buys", "finds", "is given", "wins"};
    static const char *const lose[] = {"gives away", "sells", "loses", "uses up"};
    struct txt t = num(s->a);
    const char *k = some ? "some" : t.s, *b = box[rng_below(&g->w, countof(box))];
    uint64_t way = rng_below(&g->w, 4);
    told->s[0] = 0;
    switch (s->op) {
    case '=':
        if (s->b)
            snprintf(out, size, "%s has %s %s of %d %s.", who, k, b, s->b, what);
        else
            snprintf(out, size, "%s has %s %s.", who, k, what);
        break;
    case '+':
    case '-':
        snprintf(told->s, sizeof told->s, "%s %s", s->op == '+' ? get[way] : lose[way], k);
        snprintf(out, size, "%s %.63s %s.", who, told->s, what);
        break;
    case '*':
        snprintf(told->s, sizeof told->s, "%s", s->a == 2 ? "doubled" : "tripled");
        snprintf(out, size, "Then the number of %s %s has is %.63s.", what, who, told->s);
        break;
    case '/':
        snprintf(told->s, sizeof told->s, "among %d people", s->a);
        snprintf(out, size, "%s shares the %s equally %.63s and keeps one share.", who, what,
                 told->s);
        break;
    case 'b':
        snprintf(told->s, sizeof told->s, "buys %s %s of %d", k, b, s->b);
        snprintf(out, size, "%s %.63s %s.", who, told->s, what);
        break;
    case 'm':
        snprintf(told->s, sizeof told->s, "%s more", k);
        snprintf(out, size, "%s has %.63s %s than %s.", other, told->s, what, who);
        break;
    default: snprintf(out, size, "%s is %d years old.", other, s->a + 5);
    }
}

/* The value after a step; false when the step cannot be taken. */
static bool advance(const struct step *s, int *v)
{
    switch (s->op) {
    case '=': *v = s->b ? s->a * s->b : s->a; break;
    case '+': *v += s->a; break;
    case '-': *v -= s->a; break;
    case '*': *v *= s->a; break;
    case '/':
        if (*v % s->a) return false;
        *v /= s->a;
        break;
    case 'b': *v += s->a * s->b; break;
    case 'm': *v += *v + s->a; break;
    default: break;
    }
    return *v > 0 && *v < 2000;
}

static void work(struct gen *g, const struct step *s, int v, const char *what,
                 const struct told *told)
{
    switch (s->op) {
    case '=':
        if (s->b)
            gen_eq(g, s->a * s->b, "%s: %d*%d", what, s->a, s->b);
        else
            gen_say(g, "%s: %d", what, s->a);
        break;
    case '+': gen_eq(g, v + s->a, "then %s: %d+%d", told->s, v, s->a); break;
    case '-': gen_eq(g, v - s->a, "then %s: %d-%d", told->s, v, s->a); break;
    case '*': gen_eq(g, v * s->a, "then %s: %d*%d", told->s, v, s->a); break;
    case '/': gen_eq(g, v / s->a, "then %s: %d/%d", told->s, v, s->a); break;
    case 'b':
        gen_eq(g, s->a * s->b, "then %s: %d*%d", told->s, s->a, s->b);
        gen_eq(g, v + s->a * s->b, "%d+%d", v, s->a * s->b);
        break;
    case 'm':
        gen_eq(g, v + s->a, "other %s: %d+%d", told->s, v, s->a);
        gen_eq(g, v + v + s->a, "%d+%d", v, v + s->a);
        break;
    default: break;
    }
}

static bool plan(struct gen *g, struct step *s, int *n_out)
{
    static const char pool[] = "+-+-+-*/b";
    int steps = g->level, n = 0, v = 0, big = g->level < 3 ? 20 : 60;
    s[n] = (struct step){'=', gen_int(g, 2, big), 0};
    if (gen_below(g, 3) == 0 && steps > 1)
        s[n] = (struct step){'=', gen_int(g, 2, 9), gen_int(g, 2, 12)};
    if (s[n].b) steps--;
    if (!advance(&s[n++], &v)) return false;
    for (int i = 0; i < steps; i++) {
        char op = pool[gen_below(g, (int)sizeof pool - (g->level < 2 ? 2 : 1))];
        if (i == steps - 1 && g->level > 1 && gen_below(g, 5) == 0) op = 'm';
        struct step *p = &s[n++];
        *p = (struct step){op, gen_int(g, 1, big), 0};
        if (op == '*' || op == '/') p->a = gen_int(g, 2, op == '*' ? 3 : 5);
        if (op == 'b') *p = (struct step){op, gen_int(g, 2, 5), gen_int(g, 2, 10)};
        if (!advance(p, &v)) return false;
    }
    if (g->level >= 3 && gen_coin(g)) { /* an irrelevant fact, anywhere after the start */
        int at = gen_int(g, 1, n - 1);
        memmove(&s[at + 1], &s[at], (size_t)(n - at) * sizeof *s);
        s[at] = (struct step){'i', gen_int(g, 1, 30), 0};
        n++;
    }
    *n_out = n;
    return true;
}

static bool make(struct gen *g)
{
    struct step s[MAX_STEP + 2];
    int n, v = 0, some = -1, id[2];
    char story[1024], one[160];
    struct told told[MAX_STEP + 2];
    size_t at = 0;
    if (!plan(g, s, &n)) return false;
    if (g->variant == TASK_TWIN) {
        int i = twin_below(g, n);
        if (strchr("*/i", s[i].op)) return false;
        s[i].a += twin_int(g, 1, 40);
    }
    if (g->variant == TASK_ILL) {
        some = twin_below(g, n);
        if (strchr("*/i", s[some].op)) return false;
    }
    gen_distinct(&g->w, N_NAME, id, 2);
    const char *who = name_list[id[0]], *other = name_list[id[1]];
    const char *what = thing[rng_below(&g->w, countof(thing))];
    for (int i = 0; i < n; i++) {
        sentence(g, &s[i], i == some, who, other, what, &told[i], one, sizeof one);
        at += (size_t)snprintf(story + at, sizeof story - at, "%s%s", i ? " " : "", one);
        gen_key(g, "%s%c%s", i ? " " : "", s[i].op, i == some ? "?" : num(s[i].a).s);
        if (s[i].b) gen_key(g, "x%d", s[i].b);
    }
    gen_ask(g, s[n - 1].op == 'm' ? ask_both : ask_one, who, what, story);
    for (int i = 0; i < n; i++) {
        if (i == some) {
            gen_say(g, "some %s: the number is not told", what);
            gen_unknown(g);
            return true;
        }
        work(g, &s[i], v, what, &told[i]);
        if (!advance(&s[i], &v)) return false;
    }
    if (s[n - 1].op == '+') gen_check(g, "%d-%d=%d", v, s[n - 1].a, v - s[n - 1].a);
    if (s[n - 1].op == '-') gen_check(g, "%d+%d=%d", v, s[n - 1].a, v + s[n - 1].a);
    gen_answer(g, "%d", v);
    return true;
}

const struct task_family task_word_problem = {
    "word_problem", "Word problems", "a whole number", 'C', 5, 0.03, 0x00d248a5,
    make,           check_int};
