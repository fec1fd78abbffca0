/* step.h - what one pass through a model works with: memory, threads, kernels, tape.
 *
 * A step is one call of model_forward (and, in training, the walk back). Results of ops live in
 * the step's arena until the step ends or is rewound to a mark; nothing else is allocated.
 *
 * Errors are sticky: an op that fails puts a sentence into st->err and returns NULL, an op that is
 * given NULL returns NULL, so the text of a model reads without checks and the caller asks once,
 * with step_failed.
 *
 * Dry steps: with st->dry set, ops allocate and check shapes but compute nothing and touch no
 * data. The arena then counts bytes without taking them: that is how memory is planned, by the
 * model's own text (st->plan_bytes has the peak).
 */
#ifndef NN_STEP_H
#define NN_STEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct pool;
struct kernels;
struct tape;
struct weight;
struct moe_watch;
struct low;

/* What the walk back needs of a tensor of a segment whose values are let go (tape.h). */
enum keep {
    KEEP_NOTHING,
    KEEP_LOW, /* in the precision of products: e4m3 with tiles of 128, or bf16 */
    KEEP_BF16,
    KEEP_F32
};

/* A matrix of f32 rows in the step arena: activations are (N, C), heads lie side by side in a row.
 * `g` is the gradient, present only while a tape is walked back. `q8` remembers the rows in 8-bit
 * form once an op has needed them. */
struct tensor {
    float *v; /* (n, c) */
    float *g; /* (n, c) or NULL */
    size_t n, c;
    void *q8;
    enum keep keep;           /* the most that an op has asked for */
    void *kept;               /* in that form, while v is gone */
    struct tensor *gate, *up; /* of op_swiglu: kept by keeping these */
    struct tensor *next;      /* of the segment */
};

enum act_mode {
    ACT_F32, /* activations stay f32: exact weights, slower on quantised models */
    ACT_Q8   /* 8-bit activations where the weights are quantised */
};

struct step {
    struct arena *arena; /* data of tensors */
    struct arena *heads; /* tensor structs and small index arrays */
    struct arena
        *keep; /* taped steps: what segments keep when their values go; NULL: they stay */
    struct tensor *made; /* with keep: tensors of the segment, newest first */
    struct pool *pool;
    const struct kernels *k;
    struct tape *tape;       /* NULL: inference */
    struct moe_watch *watch; /* taped steps: loads and balance of experts, or NULL */
    enum act_mode act;
    struct low *low;        /* training in few bits (low.h), or NULL */
    unsigned char *scratch; /* n_thread areas of scratch_bytes, for kernels */
    size_t scratch_bytes;
    /* Shown the f32 rows (n, ldx apart) that meet matrix `stack` of w, before each product; on the
     * step's thread. For importance matrices; NULL otherwise. */
    void (*observe)(void *ctx, const struct weight *w, size_t stack, const float *x, size_t ldx,
                    size_t n);
    void *observe_ctx;
    /* Set from another thread: products stop soon, the step fails with ERR_CANCELLED. May be NULL. */
    const atomic_bool *stop;
    bool dry;
    size_t plan_now, plan_bytes; /* dry: bytes handed out now, and their peak */
    size_t plan_keep;            /* dry: bytes of keep */
    bool failed;
    struct err err;
};

/* This thread's scratch area, inside a pool slice. */
void *step_scratch(const struct step *st);

/* The first error stays. Returns NULL so that ops can write `return step_fail(...)`. */
void *step_fail(struct step *st, enum err_code code, const char *fmt, ...) printf_like(3, 4);
/* 0, or -1 with the sentence moved to *e. */
int step_failed(const struct step *st, struct err *e) must_check;

static inline bool step_stopped(const struct step *st)
{
    return st->stop && atomic_load_explicit(st->stop, memory_order_relaxed);
}

struct tensor *step_tensor(struct step *st, size_t n, size_t c); /* not zeroed */
/* Raw step memory, NULL after step_fail; in a dry step the pointer must not be touched. */
void *step_alloc(struct step *st, size_t bytes);
/* For what the walk back reads: from keep when there is one. */
void *step_keep(struct step *st, size_t bytes);
static inline void tensor_keep(struct tensor *t, enum keep how)
{
    if (t->keep < how) t->keep = how;
}
/* Small host arrays (indices) that are really there in dry steps too. */
void *step_small(struct step *st, size_t bytes);

struct step_mark {
    struct arena_mark arena, heads;
    size_t plan_now;
};
/* Between a mark and its rewind an op's results may be reused memory; with a tape, rewinding does
 * nothing because the walk back needs everything. */
struct step_mark step_mark(const struct step *st);
void step_rewind(struct step *st, struct step_mark m);
void step_reset(struct step *st); /* everything gone, errors too */

#endif
