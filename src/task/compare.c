/* compare.c - the larger of two numbers, or several in order, with decimals of unequal length.
 * Key: "max", "min" or "asc" and the numbers as written. */
#include <stdio.h>
#include <string.h>

#include "task/exact.h"
#include "task/gen.h"

static const char *const larger[TASK_PHRASINGS] = {
    "Which is $2, $1?",
    "Which number is $2: $1?",
    "Compare: which is $2, $1?",
    "Name the $2 number: $1.",
    "Of $1, which is $2?",
    "Tell which one is $2: $1.",
    "Pick the $2 of these numbers: $1.",
    "Which one of $1 is the $2 number?",
};
static const char *const order[TASK_PHRASINGS] = {
    "Put in order from small to large: $1.",
    "Sort these numbers, smallest first: $1.",
    "Order $1 from the smallest to the largest.",
    "Arrange $1 in increasing order.",
    "Write $1 in ascending order.",
    "List $1 starting with the smallest.",
    "Bring $1 into rising order.",
    "Rank the numbers $1 from lowest to highest.",
};

enum { MAX_N = 6 };

struct dec {
    int value; /* times 1000 */
    char text[16];
};

static void draw(struct rng *r, int level, int base, struct dec *d)
{
    int places = level == 1 ? 0 : (int)rng_below(r, 4), unit = 1;
    for (int i = places; i < 3; i++) unit *= 10;
    int span = level == 1 ? 99 : 1000 / unit * 1;
    int v = level == 1 ? (int)rng_between(r, 1, span) * 1000
                       : base * 1000 + (int)rng_below(r, (uint64_t)(1000 / unit)) * unit;
    if (level >= 4 && rng_below(r, 2)) v = -v;
    d->value = v;
    int whole = (v < 0 ? -v : v) / 1000, frac = (v < 0 ? -v : v) % 1000 / unit;
    if (places)
        snprintf(d->text, sizeof d->text, "%s%d.%0*d", v < 0 ? "-" : "", whole, places, frac);
    else
        snprintf(d->text, sizeof d->text, "%s%d", v < 0 ? "-" : "", whole);
}

static bool make(struct gen *g)
{
    int n = g->level < 3 ? 2 : g->level, base = gen_int(g, 0, 19), hidden = -1;
    bool asc = g->level >= 3, max = gen_coin(g);
    struct dec d[MAX_N];
    char list[128];
    size_t at = 0;
    for (int i = 0; i < n; i++) draw(&g->r, g->level, base + gen_below(g, 2) * (i & 1), &d[i]);
    for (int k = 0; g->variant == TASK_TWIN && k < g->changes; k++)
        draw(&g->t, g->level, base, &d[twin_below(g, n)]);
    if (g->variant == TASK_ILL) {
        hidden = twin_below(g, n);
        snprintf(d[hidden].text, sizeof d->text, "x");
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (i != hidden && j != hidden && d[i].value == d[j].value) return false;
    gen_key(g, "%s", asc ? "asc" : max ? "max" : "min");
    for (int i = 0; i < n; i++) {
        const char *sep = i == 0 ? "" : asc ? ", " : " or ";
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", sep, d[i].text);
        gen_key(g, " %s", d[i].text);
    }
    gen_ask(g, asc ? order : larger, list, max ? "larger" : "smaller");
    if (hidden >= 0) {
        gen_say(g, "x is not given.");
        gen_unknown(g);
        return true;
    }
    if (!asc) {
        bool first = (d[0].value > d[1].value) == max;
        char a[16], b[16], lhs[48];
        snprintf(a, sizeof a, "%d.%03d", d[0].value / 1000, d[0].value % 1000);
        snprintf(b, sizeof b, "%d.%03d", d[1].value / 1000, d[1].value % 1000);
        size_t k = 0;
        if (g->level > 1) gen_say(g, "%s and %s", a, b);
        if (strlen(a) != strlen(b)) {
            gen_say(g, "%d and %d before the point", d[0].value / 1000, d[1].value / 1000);
        } else {
            g->detail = true;
            for (; a[k] == b[k]; k++)
                if (a[k] != '.') gen_say(g, "%c=%c", a[k], b[k]);
            g->detail = false;
            gen_say(g, "%c%c%c", a[k], a[k] > b[k] ? '>' : '<', b[k]);
        }
        snprintf(lhs, sizeof lhs, "%s: ", max ? "larger" : "smaller");
        gen_line(g, lhs, d[first ? 0 : 1].text, d[first ? 1 : 0].text);
        gen_answer(g, "%s", d[first ? 0 : 1].text);
        return true;
    }
    bool used[MAX_N] = {false};
    for (int i = 0; i < n; i++) {
        int low = -1, high = -1;
        for (int j = 0; j < n; j++) {
            if (used[j]) continue;
            if (low < 0 || d[j].value < d[low].value) low = j;
            if (high < 0 || d[j].value > d[high].value) high = j;
        }
        used[low] = true;
        gen_line(g, i == 0 ? "smallest: " : "next: ", d[low].text, d[high].text);
        gen_answer(g, "%s%s", i ? ", " : "", d[low].text);
    }
    return true;
}

static const char *check(const struct task_item *it, struct span a)
{
    struct span gold = buf_span(&it->answer), x, y;
    struct rat p, q;
    for (;;) {
        bool more = next_word(&gold, ", ", &x), got = next_word(&a, ", <", &y);
        if (!more && !got) return NULL;
        if (!more || !got) return "too many or too few numbers";
        if (!rat_parse(x, &p) || !rat_parse(y, &q)) return "not a number";
        if (!rat_eq(p, q)) return "wrong number or order";
    }
}

const struct task_family task_compare = {"compare",
                                         "Compare and order numbers",
                                         "a number, or numbers with commas",
                                         'A',
                                         5,
                                         0.5,
                                         0x58cd0279,
                                         make,
                                         check};
