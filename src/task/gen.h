/* gen.h - what a family uses to write one item. Private to src/task.
 *
 * Three streams of random numbers: `r` draws the instance, `t` draws what a twin or an ill-posed
 * form changes, `w` the wording. So the twin of an item keeps its instance and its words, and a
 * phrasing never changes the numbers.
 *
 * Chain lines: gen_say writes a line, gen_eq and gen_line write lines that may carry the
 * deliberate slip ("7+6=14", then "Wait, 7+6=13"). Lines written while g->detail is set are left
 * out of brief chains. Everything in a chain must follow from the prompt and earlier lines.
 */
#ifndef TASK_GEN_H
#define TASK_GEN_H

#include <stdint.h>

#include "base/rng.h"
#include "task/task.h"

struct gen {
    struct rng r, t, w, s; /* instance, twin, wording, slips */
    int level;
    int changes; /* how many things a twin changes: one, more when one leads nowhere */
    enum task_variant variant;
    enum task_style style;
    bool held_out; /* phrasing */
    bool opening;  /* the prompt may begin with words that mean nothing */
    bool detail;
    bool want_check, checked, slipped;
    int slip_at, n_line; /* which slip-able line slips (-1: none), how many there were */
    struct buf *prompt, *chain, *answer, *key;
};

struct txt {
    char s[48];
};
struct txt num(int64_t v); /* num(5).s lives to the end of the full expression */

int gen_int(struct gen *g, int lo, int hi); /* both ends included, from r */
int gen_below(struct gen *g, int n);
bool gen_coin(struct gen *g);
int twin_int(struct gen *g, int lo, int hi); /* the same from t */
int twin_below(struct gen *g, int n);
void gen_shuffle(struct gen *g, int *v, int n);
/* n distinct values of [0, pool). */
void gen_distinct(struct rng *r, int pool, int *out, int n);

/* One of the phrasings, by the wording stream; $1 ... $9 are the slots. */
#define gen_ask(g, set, ...) gen_ask_slots((g), (set), (const char *const[]){__VA_ARGS__, NULL})
void gen_ask_slots(struct gen *g, const char *const set[TASK_PHRASINGS],
                   const char *const *slot);
/* More text of the prompt, as it is. */
void gen_text(struct gen *g, const char *fmt, ...) printf_like(2, 3);

void gen_say(struct gen *g, const char *fmt, ...) printf_like(2, 3);
/* lhs right; a slip writes lhs wrong first. */
void gen_line(struct gen *g, const char *lhs, const char *right, const char *wrong);
/* lhs=value */
void gen_eq(struct gen *g, int64_t value, const char *lhs_fmt, ...) printf_like(3, 4);
void gen_check(struct gen *g, const char *fmt, ...) printf_like(2, 3);
void gen_answer(struct gen *g, const char *fmt, ...) printf_like(2, 3);
void gen_key(struct gen *g, const char *fmt, ...) printf_like(2, 3);
void gen_unknown(struct gen *g); /* the answer is "cannot be determined" */
void gen_none(struct gen *g);    /* the answer is "none" */
/* v with one digit shown as '?', chosen by t. */
struct txt gen_hide(struct gen *g, int v);
/* The sentence that explains '?', and the chain and answer that follow from it. */
void gen_hidden(struct gen *g, const char *shown);

/* ---- shared digit-by-digit work (digits.c); each ends with a line "a+b=c" ----------------- */
void work_add(struct gen *g, int a, int b);
void work_sub(struct gen *g, int a, int b); /* any signs of the result, a and b >= 0 */
void work_mul(struct gen *g, int a, int b);
void work_div(struct gen *g, int a, int b); /* a >= 0, b > 0; "a/b=q r m" */
int gcd_int(int a, int b);

/* ---- shared words (words.c) --------------------------------------------------------------- */
enum { N_NAME = 40, N_NOUN = 40, N_WORD = 120, N_MADE_UP = 32 };
extern const char *const name_list[N_NAME];
extern const char *const word_list[N_WORD];       /* plain English words, 3 to 10 letters */
extern const char *const made_up_list[N_MADE_UP]; /* nouns of no world; plural by adding s */
enum thing_kind { THING_ANIMAL, THING_FRUIT, THING_TOOL, THING_CLOTHES, N_THING_KIND };
struct thing {
    const char *one, *many;
    enum thing_kind kind;
};
extern const struct thing thing_list[N_NOUN]; /* ten of each kind, in the order of the kinds */
const char *thing_kind_name(enum thing_kind k); /* "animals" */
const char *small_number(int n);                /* "zero" ... "twelve" */
const char *article(const char *noun);          /* "a" or "an" */

/* ---- shared checkers (answer.c) ----------------------------------------------------------- */
/* All return NULL when the answer is right, or why it is not. */
const char *check_int(const struct task_item *it, struct span a);
const char *check_rational(const struct task_item *it, struct span a);
/* Letters compared without case, runs of spaces as one; nothing else is forgiven. */
const char *check_words(const struct task_item *it, struct span a);
/* "Ann knight, Ben knave": the parts of the gold answer in any order, each once; "is", "a", "an",
 * "the" and "and" between the words do not count. */
const char *check_pairs(const struct task_item *it, struct span a);
/* [+-]digits, at most 18, thousands separated by commas or not at all; nothing around it. */
bool parse_int(struct span s, int64_t *out);
struct span trim(struct span s);
/* The next run of bytes without any of `seps`; false at the end. */
bool next_word(struct span *rest, const char *seps, struct span *word);
bool span_is_nocase(struct span a, const char *s);
/* The n integers of a key such as "3 4 9|35"; false if there are fewer. */
bool key_ints(const struct task_item *it, int *out, int n);

#endif
