#include "task/gen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct txt num(int64_t v)
{
    struct txt t;
    snprintf(t.s, sizeof t.s, "%" PRId64, v);
    return t;
}

int gen_int(struct gen *g, int lo, int hi)
{
    return (int)rng_between(&g->r, lo, hi);
}

int gen_below(struct gen *g, int n)
{
    return (int)rng_below(&g->r, (uint64_t)n);
}

bool gen_coin(struct gen *g)
{
    return rng_u64(&g->r) >> 63;
}

int twin_int(struct gen *g, int lo, int hi)
{
    return (int)rng_between(&g->t, lo, hi);
}

int twin_below(struct gen *g, int n)
{
    return (int)rng_below(&g->t, (uint64_t)n);
}

void gen_shuffle(struct gen *g, int *v, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = gen_below(g, i + 1), t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

void gen_distinct(struct rng *r, int pool, int *out, int n)
{
    for (int i = 0; i < n; i++) {
        int j;
        do {
            out[i] = (int)rng_below(r, (uint64_t)pool);
            for (j = 0; j < i && out[j] != out[i]; j++) {}
        } while (j < i);
    }
}

/* What people write before a question; a model taught without any is lost when they do, and one that
 * always finds the names at the same places never learns to look them up. $ is a name. */
static const char *const opening[] = {
    "Please help. ",
    "A question: ",
    "Hello! ",
    "Hi, can you do this? ",
    "Quick question. ",
    "I need an answer. ",
    "Problem: ",
    "Here is one for you. ",
    "Let us try this. ",
    "Next one. ",
    "My homework: ",
    "Question 7. ",
    "Exercise: ",
    "Could you tell me? ",
    "Task: ",
    "Now think about this. ",
    "Hi, I am $. ",
    "$ asks: ",
    "A question from $. ",
    "$ and I cannot do this. ",
    "Good morning, my name is $. ",
    "My friend $ wants to know this. ",
    "This is for $. ",
    "$ says you can help. ",
    "It is late and I am tired. ",
    "We had this at school today. ",
    "Sorry to bother you. ",
    "One more, please: ",
    "I found this in a book. ",
    "Can you check this for me? ",
    "No hurry. ",
    "Puzzle of the day. ",
};

/* And between two sentences. */
static const char *const aside[] = {
    "(I hope you can.) ", "That is all I know. ", "Look: ",          "(This is no joke.) ",
    "$ told me so. ",     "Now listen. ",         "(So says $.) ",   "Well, ",
    "Take your time. ",   "Here it comes: ",      "(It is short.) ", "All right. ",
};

static void add_idle(struct gen *g, const char *text)
{
    for (; *text; text++) {
        if (*text == '$')
            buf_add_str(g->prompt, name_list[rng_below(&g->w, N_NAME)]);
        else
            buf_add_char(g->prompt, *text);
    }
}

/* One training prompt in three begins with one of them, one in six with two. */
static void open_prompt(struct gen *g)
{
    int n = (int)rng_below(&g->w, 6);
    for (n = n < 3 ? 0 : n < 5 ? 1 : 2; n > 0; n--)
        add_idle(g, opening[rng_below(&g->w, countof(opening))]);
}

static bool ends_sentence(const char *set, const char *p)
{
    return p > set + 1 && p[0] == ' ' && (p[-1] == '.' || p[-1] == ':') && p[1];
}

void gen_ask_slots(struct gen *g, const char *const set[TASK_PHRASINGS],
                   const char *const *slot)
{
    int n = TASK_PHRASINGS_HELD_OUT_AT + TASK_PHRASINGS_HELD_OUT, i;
    if (g->held_out) {
        i = TASK_PHRASINGS_HELD_OUT_AT + (int)rng_below(&g->w, TASK_PHRASINGS_HELD_OUT);
    } else {
        while (n < TASK_PHRASINGS && set[n]) n++;
        i = (int)rng_below(&g->w, (uint64_t)(n - TASK_PHRASINGS_HELD_OUT));
        if (i >= TASK_PHRASINGS_HELD_OUT_AT) i += TASK_PHRASINGS_HELD_OUT;
    }
    if (g->opening) open_prompt(g);
    for (const char *p = set[i]; *p; p++) {
        if (p[0] == '$' && p[1] >= '1' && p[1] <= '9')
            buf_add_str(g->prompt, slot[*++p - '1']);
        else
            buf_add_char(g->prompt, *p);
        if (g->opening && ends_sentence(set[i], p) && rng_below(&g->w, 6) == 0)
            add_idle(g, aside[rng_below(&g->w, countof(aside))]);
    }
}

static void add_v(struct buf *b, const char *fmt, va_list ap) printf_like(2, 0);
static void add_v(struct buf *b, const char *fmt, va_list ap)
{
    char s[1024];
    vsnprintf(s, sizeof s, fmt, ap);
    buf_add_str(b, s);
}

#define ADD_FMT(b, fmt)      \
    do {                     \
        va_list ap;          \
        va_start(ap, fmt);   \
        add_v((b), fmt, ap); \
        va_end(ap);          \
    } while (0)

void gen_text(struct gen *g, const char *fmt, ...)
{
    ADD_FMT(g->prompt, fmt);
}

void gen_answer(struct gen *g, const char *fmt, ...)
{
    ADD_FMT(g->answer, fmt);
}

void gen_key(struct gen *g, const char *fmt, ...)
{
    ADD_FMT(g->key, fmt);
}

static bool line_wanted(const struct gen *g)
{
    return g->style == TASK_STEPS || (g->style == TASK_BRIEF && !g->detail);
}

void gen_say(struct gen *g, const char *fmt, ...)
{
    if (!line_wanted(g)) return;
    ADD_FMT(g->chain, fmt);
    buf_add_char(g->chain, '\n');
}

void gen_line(struct gen *g, const char *lhs, const char *right, const char *wrong)
{
    if (!line_wanted(g)) return;
    if (g->n_line++ == g->slip_at && strcmp(right, wrong) != 0) {
        buf_printf(g->chain, "%s%s\nWait, ", lhs, wrong);
        g->slipped = true;
    }
    buf_printf(g->chain, "%s%s\n", lhs, right);
}

void gen_eq(struct gen *g, int64_t value, const char *lhs_fmt, ...)
{
    char lhs[256];
    va_list ap;
    va_start(ap, lhs_fmt);
    size_t n = (size_t)vsnprintf(lhs, sizeof lhs - 1, lhs_fmt, ap);
    va_end(ap);
    if (n > sizeof lhs - 2) n = sizeof lhs - 2;
    memcpy(lhs + n, "=", 2);
    int64_t off = (int64_t)rng_at(g->s.seed, g->s.stream, (uint64_t)g->n_line) & 1 ? 1 : -1;
    if (value >= 20 && (rng_at(g->s.seed, g->s.stream, 100) & 1)) off *= 10;
    gen_line(g, lhs, num(value).s, num(value + off).s);
}

void gen_check(struct gen *g, const char *fmt, ...)
{
    if (!g->want_check || g->style != TASK_STEPS) return;
    g->checked = true;
    buf_add_str(g->chain, "Check: ");
    ADD_FMT(g->chain, fmt);
    buf_add_char(g->chain, '\n');
}

void gen_unknown(struct gen *g)
{
    gen_answer(g, "cannot be determined");
}

void gen_none(struct gen *g)
{
    gen_answer(g, "none");
}

struct txt gen_hide(struct gen *g, int v)
{
    struct txt t = num(v);
    t.s[twin_below(g, (int)strlen(t.s))] = '?';
    return t;
}

void gen_hidden(struct gen *g, const char *shown)
{
    gen_text(g, " The ? is a digit that cannot be read.");
    gen_say(g, "%s has a digit that is not given.", shown);
    gen_say(g, "Other digits give other results.");
    gen_unknown(g);
}
