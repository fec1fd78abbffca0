#include "nn/tape.h"

#include <string.h>

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

struct segment_node {
    struct tape_node n;
    struct tensor *x, *y;
    struct tape inner; /* nodes of the segment; empty when it is to be run again */
    segment_fn fn;
    void *ctx;
};

static void segment_back(struct step *st, struct tape_node *node)
{
    struct segment_node *s = (struct segment_node *)node;
    if (!s->y->g || !tensor_grad_zeroed(st, s->x)) return;
    struct step_mark mark = step_mark(st);
    st->tape = &s->inner;
    if (!s->inner.last) {
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
    } else {
        s->y = fn(st, x, copy);
    }
    st->tape = outer;
    return s->y;
}
