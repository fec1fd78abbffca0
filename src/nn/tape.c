#include "nn/tape.h"

#include <string.h>

#include "kernel/kernel.h"
#include "nn/low.h"
#include "nn/split.h"

void *tape_record(struct step *st, size_t bytes, tape_fn back)
{
    struct tape_node *n = step_small(st, bytes);
    if (!n) return NULL;
    n->back = back;
    n->before = st->tape->last;
    st->tape->last = n;
    return n;
}

/* Nodes run without a tape: what they compute is not recorded, and they may rewind. */
void tape_back(struct step *st)
{
    struct tape *t = st->tape;
    st->tape = NULL;
    for (struct tape_node *n = t->last; n && !st->failed; n = n->before) n->back(st, n);
    t->last = NULL;
    st->tape = t;
}

float *tensor_grad(struct step *st, struct tensor *t, bool *add)
{
    *add = t->g != NULL;
    if (!t->g) t->g = step_alloc(st, t->n * t->c * sizeof *t->g);
    return t->g;
}

float *tensor_grad_zeroed(struct step *st, struct tensor *t)
{
    bool add;
    float *g = tensor_grad(st, t, &add);
    if (g && !add && !st->dry) memset(g, 0, t->n * t->c * sizeof *g);
    return g;
}

/* ---- segments ------------------------------------------------------------------------------ */

struct keep_job {
    const struct step *st;
    struct tensor *t;
    struct low_form f; /* KEEP_LOW */
    bool restore;
    size_t parts;
};

static void keep_slice(void *ctx, size_t i)
{
    const struct keep_job *j = ctx;
    struct tensor *t = j->t;
    if (!t->kept) { /* SwiGLU again */
        struct slice s = split_at(t->n, j->parts, i);
        size_t from = s.begin * t->c;
        j->st->k->elem.swiglu(t->v + from, t->gate->v + from, t->up->v + from,
                              (s.end - s.begin) * t->c);
        return;
    }
    if (t->keep == KEEP_LOW) {
        struct slice u = split_at(low_units(&j->f), j->parts, i);
        struct i8_source s = {t->v, t->c, t->n, t->c, false, false, 0};
        if (j->restore)
            low_values(&j->f, t->v, u.begin, u.end);
        else
            low_fill(j->st->k, &j->f, &s, u.begin, u.end);
        return;
    }
    struct slice r = split_at(t->n, j->parts, i);
    size_t at = r.begin * t->c, n = (r.end - r.begin) * t->c;
    enum dtype dt = t->keep == KEEP_BF16 ? DT_BF16 : DT_F32;
    unsigned char *kept = (unsigned char *)t->kept + at * (t->keep == KEEP_BF16 ? 2 : 4);
    if (j->restore)
        dtype_row_to_f32(dt, kept, t->v + at, n);
    else
        dtype_row_from_f32(dt, t->v + at, kept, n, NULL);
}

static void run_keep(struct step *st, struct tensor *t, bool restore)
{
    struct keep_job j = {.st = st, .t = t, .restore = restore};
    j.parts = split_count(st, t->n, 64);
    if (t->kept && t->keep == KEEP_LOW) j.f = low_at(st->low->kind, LOW_A, t->kept, t->n, t->c);
    if (!st->failed && !st->dry) pool_run(st->pool, keep_slice, &j, j.parts);
}

/* Values of a segment that are read again: in few bits from now on. */
static void let_go(struct step *st, struct tensor *made)
{
    for (struct tensor *t = made; t && !st->failed; t = t->next) {
        size_t n = t->n * t->c;
        if (t->keep == KEEP_NOTHING || (t->keep == KEEP_LOW && t->gate)) continue;
        t->kept =
            step_keep(st, t->keep == KEEP_LOW    ? low_bytes(st->low->kind, LOW_A, t->n, t->c)
                          : t->keep == KEEP_BF16 ? n * 2
                                                 : n * 4);
        run_keep(st, t, false);
    }
}

static void restore(struct step *st, struct tensor *made)
{
    for (struct tensor *t = made; t && !st->failed; t = t->next) {
        if (t->keep == KEEP_NOTHING) continue;
        t->v = step_alloc(st, t->n * t->c * sizeof *t->v);
        if (t->kept) run_keep(st, t, true);
    }
    for (struct tensor *t = made; t && !st->failed; t = t->next)
        if (t->keep != KEEP_NOTHING && !t->kept) run_keep(st, t, true);
}

struct segment_node {
    struct tape_node n;
    struct tensor *x, *y;
    struct tensor *made, *inner_y; /* with st->keep: its tensors, the one copied to y */
    struct tape inner;             /* nodes of the segment; empty when it is to be run again */
    segment_fn fn;
    void *ctx;
};

static void segment_back(struct step *st, struct tape_node *node)
{
    struct segment_node *s = (struct segment_node *)node;
    if (!s->y->g || !tensor_grad_zeroed(st, s->x)) return;
    struct step_mark mark = step_mark(st);
    st->tape = &s->inner;
    if (s->inner_y) {
        restore(st, s->made);
        s->inner_y->g = s->y->g;
    } else if (!s->inner.last) {
        s->inner.replay = true;
        struct tensor *y = s->fn(st, s->x, s->ctx);
        if (y) y->g = s->y->g;
    }
    tape_back(st);
    st->tape = NULL;
    step_rewind(st, mark);
}

/* Runs fn, keeps its result alone. */
static struct tensor *run_and_forget(struct step *st, struct segment_node *s)
{
    struct step_mark mark = step_mark(st);
    struct tensor *y = s->fn(st, s->x, s->ctx);
    if (!y) return NULL;
    size_t n = y->n, c = y->c;
    if (n != s->x->n || c != s->x->c)
        return step_fail(st, ERR_BUG, "a segment made (%zu, %zu) from (%zu, %zu)", n, c,
                         s->x->n, s->x->c);
    if (!st->dry) memcpy(s->y->v, y->v, n * c * sizeof *y->v);
    st->tape = NULL; /* so that memory is let go */
    step_rewind(st, mark);
    return s->y;
}

/* Runs fn, keeps its result and what is needed of the rest. */
static struct tensor *run_and_keep(struct step *st, struct segment_node *s)
{
    struct tensor *outer = st->made;
    st->made = NULL;
    struct step_mark mark = step_mark(st);
    s->inner_y = s->fn(st, s->x, s->ctx);
    s->made = st->made;
    if (s->inner_y) {
        struct tensor *y = step_small(st, sizeof *y);
        if (!y) return NULL;
        *y = (struct tensor){.n = s->inner_y->n, .c = s->inner_y->c};
        y->v = step_keep(st, y->n * y->c * sizeof *y->v);
        if (y->v && !st->dry) memcpy(y->v, s->inner_y->v, y->n * y->c * sizeof *y->v);
        let_go(st, s->made);
        s->y = y;
    }
    st->made = outer;
    if (!st->dry) arena_rewind(st->arena, mark.arena);
    st->plan_now = mark.plan_now;
    return st->failed ? NULL : s->y;
}

struct tensor *tape_segment(struct step *st, struct tensor *x, segment_fn fn, void *ctx,
                            size_t ctx_bytes)
{
    struct tape *outer = st->tape;
    if (!outer) return fn(st, x, ctx);
    if (!x) return NULL;
    struct segment_node *s = tape_record(st, sizeof *s, segment_back);
    void *copy = step_small(st, ctx_bytes);
    if (!s || !copy) return NULL;
    memcpy(copy, ctx, ctx_bytes);
    s->x = x;
    s->fn = fn;
    s->ctx = copy;
    s->inner = (struct tape){.recompute = outer->recompute, .replay = outer->replay};
    st->tape = &s->inner;
    if (outer->recompute) {
        s->y = step_tensor(st, x->n, x->c);
        if (s->y) s->y = run_and_forget(st, s);
        s->inner.last = NULL;
    } else if (st->keep) {
        s->y = run_and_keep(st, s);
    } else {
        s->y = fn(st, x, copy);
    }
    st->tape = outer;
    return s->y;
}
