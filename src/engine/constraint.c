#include "engine/constraint.h"

#include <pthread.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/schema.h"
#include "text/think.h"

enum { KEPT = 16, LINE_ENDS = 4 };

struct constraint {
    enum gen_constraint kind;
    char *text;
    size_t n_text;
    struct grammar *g;
    struct automaton *a;
    struct mask *mask;
    const struct mask_vocab *mv;
    tok_id think_open;
    int users;
    uint64_t used; /* when last asked for */
    bool dropped;  /* no longer in the list: goes with its last user */
};

struct constraints {
    const struct vocab *v;
    size_t n_vocab;
    pthread_mutex_t lock; /* the list, the users' counts, the tree's making */
    struct mask_vocab *mv;
    struct constraint *kept[KEPT];
    uint64_t clock;
};

int constraints_create(struct constraints **out, const struct vocab *v, size_t n_vocab,
                       struct err *e)
{
    struct constraints *all = mem_calloc(1, sizeof *all);
    *out = all;
    if (!all) return err_oom(e, "constraints", sizeof *all);
    all->v = v;
    all->n_vocab = n_vocab;
    pthread_mutex_init(&all->lock, NULL);
    return 0;
}

static void constraint_free(struct constraint *c)
{
    mask_free(c->mask);
    automaton_free(c->a);
    grammar_free(c->g);
    mem_free(c->text);
    mem_free(c);
}

void constraints_free(struct constraints *all)
{
    if (!all) return;
    for (int i = 0; i < KEPT; i++)
        if (all->kept[i]) constraint_free(all->kept[i]);
    mask_vocab_free(all->mv);
    pthread_mutex_destroy(&all->lock);
    mem_free(all);
}

/* ---- compiling ----------------------------------------------------------------------------- */

static int compile(struct constraints *all, enum gen_constraint kind, struct span text,
                   struct constraint **out, struct err *e)
{
    struct constraint *c = mem_calloc(1, sizeof *c);
    if (!c) return err_oom(e, "constraint", sizeof *c);
    struct buf grammar;
    buf_init(&grammar, GRAMMAR_TEXT_MAX);
    struct span source = text;
    int rc = 0;
    if (kind == GEN_JSON) schema_any_object(&grammar);
    if (kind == GEN_JSON_SCHEMA) rc = schema_grammar(text, &grammar, e);
    if (rc == 0) rc = buf_ok(&grammar, "grammar", e);
    if (kind != GEN_GRAMMAR) source = buf_span(&grammar);
    if (rc == 0) rc = grammar_parse(&c->g, source, e);
    buf_release(&grammar);
    if (rc == 0 && !all->mv) rc = mask_vocab_create(&all->mv, all->v, all->n_vocab, e);
    if (rc == 0) rc = automaton_create(&c->a, c->g, e);
    if (rc == 0) rc = mask_create(&c->mask, all->mv, c->a, e);
    c->text = mem_strndup(text.p ? text.p : "", text.n);
    if (rc == 0 && !c->text) rc = err_oom(e, "constraint", text.n);
    if (rc) {
        constraint_free(c);
        return -1;
    }
    c->kind = kind;
    c->n_text = text.n;
    c->mv = all->mv;
    c->think_open = vocab_special(all->v)->think_open;
    *out = c;
    return 0;
}

static void drop(struct constraints *all, int slot)
{
    struct constraint *c = all->kept[slot];
    all->kept[slot] = NULL;
    c->dropped = true;
    if (!c->users) constraint_free(c);
}

int constraint_get(struct constraints *all, enum gen_constraint kind, struct span text,
                   struct constrained *out, struct err *e)
{
    struct constraint *c = NULL;
    int oldest = 0;
    if (kind == GEN_JSON) text = (struct span){0};
    size_t words = (all->n_vocab + 31) / 32;
    *out = (struct constrained){.bits = mem_calloc(words + 1, sizeof *out->bits)};
    if (!out->bits) return err_oom(e, "token mask", words * sizeof *out->bits);
    pthread_mutex_lock(&all->lock);
    for (int i = 0; i < KEPT && !c; i++) {
        struct constraint *k = all->kept[i];
        if (k && k->kind == kind && k->n_text == text.n &&
            (text.n == 0 || memcmp(k->text, text.p, text.n) == 0))
            c = k;
        uint64_t age = k ? k->used : 0;
        if (age < (all->kept[oldest] ? all->kept[oldest]->used : 0)) oldest = i;
    }
    int rc = 0;
    if (!c) {
        rc = compile(all, kind, text, &c, e);
        if (rc == 0) {
            if (all->kept[oldest]) drop(all, oldest);
            all->kept[oldest] = c;
        }
    }
    if (rc == 0) {
        c->users++;
        c->used = ++all->clock;
        out->of = c;
    }
    pthread_mutex_unlock(&all->lock);
    if (rc) constraint_put(all, out);
    return rc;
}

void constraint_put(struct constraints *all, struct constrained *c)
{
    if (c->of) {
        pthread_mutex_lock(&all->lock);
        struct constraint *k = c->of;
        k->users--;
        /* One that has met a limit would fail the next request too. */
        for (int i = 0; i < KEPT && !k->dropped && k->a->full; i++)
            if (all->kept[i] == k) {
                all->kept[i] = NULL;
                k->dropped = true;
            }
        if (k->dropped && !k->users) constraint_free(k);
        pthread_mutex_unlock(&all->lock);
    }
    auto_mark_release(&c->at);
    mem_free(c->bits);
    *c = (struct constrained){0};
}

/* ---- following ----------------------------------------------------------------------------- */

static int too_large(struct err *e)
{
    return err_set(e, ERR_LIMIT,
                   "the grammar has more ways to go on than can be followed (%d at once, %d "
                   "stacks)",
                   AUTO_POSITIONS_MAX, AUTO_CELLS_MAX);
}

static int enter(struct constrained *c, struct err *e)
{
    struct automaton *a = c->of->a;
    if (c->at.epoch) return 0;
    if (!auto_keep(a, &c->at, auto_start(a)) || a->full) return too_large(e);
    return 0;
}

static bool any_bit(const uint32_t *bits, size_t words)
{
    uint32_t all = 0;
    for (size_t i = 0; i < words; i++) all |= bits[i];
    return all != 0;
}

int constraint_mask(struct constrained *c, const struct think *t, const uint32_t **mask,
                    struct err *e)
{
    *mask = NULL;
    if (!c->of || t->state == THINK_REASONING) return 0;
    if (enter(c, e)) return -1;
    const struct mask_vocab *mv = c->of->mv;
    const uint32_t *bits = mask_of(c->of->mask, &c->at);
    if (!bits) return too_large(e);
    if (!c->started) {
        memcpy(c->bits, bits, mv->n_words * sizeof *bits);
        if (t->state == THINK_UNDECIDED && c->of->think_open != TOK_NONE &&
            (size_t)c->of->think_open < mv->n_words * 32)
            mask_set(c->bits, c->of->think_open);
        for (size_t i = 0; c->n_line < LINE_ENDS && i < mv->n_line; i++)
            mask_set(c->bits, mv->line[i]);
        bits = c->bits;
    }
    if (!any_bit(bits, mv->n_words))
        return err_set(e, ERR_LIMIT, "no token of the vocabulary goes on with the grammar");
    *mask = bits;
    return 0;
}

static bool line_ends(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && s.p[i] != '\r') return false;
    return true;
}

int constraint_push(struct constrained *c, const struct vocab *v, tok_id id, int before,
                    const struct think *t, struct span answer, struct err *e)
{
    if (!c->of || t->state == THINK_REASONING) return 0;
    char room[MASK_NAME_SIZE];
    struct span text = mask_token_text(v, id, room);
    /* With ignore_eos it was let through as one of those that may end the answer. */
    if (c->at.epoch && c->at.done && vocab_is_stop(v, id)) return 0;
    bool tag = id == t->open || id == t->close;
    /* The token that ended the reasoning: its answer part only, where tags are text. */
    if (before == THINK_REASONING || (tag && id != TOK_NONE && !c->started)) text = answer;
    if (!text.n) return 0;
    if (enter(c, e)) return -1;
    struct automaton *a = c->of->a;
    uint32_t s = auto_load(a, &c->at);
    for (size_t i = 0; i < text.n && s != AUTO_DEAD; i++)
        s = auto_next(a, s, (unsigned char)text.p[i]);
    if (a->full) return too_large(e);
    if (s == AUTO_DEAD && !c->started && line_ends(text)) {
        c->n_line++;
        return 0;
    }
    if (s == AUTO_DEAD)
        return err_set(e, ERR_FORMAT, "a token that had to come does not follow the grammar");
    c->started = true;
    return auto_keep(a, &c->at, s) ? 0 : err_oom(e, "constraint", sizeof *c->at.pos);
}

bool constraint_over(struct constrained *c)
{
    return c->of && c->at.epoch && c->at.done && c->at.n == 0;
}
