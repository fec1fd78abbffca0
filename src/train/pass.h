/* pass.h - one batch forward through a model with a tape, and back.
 *
 *   pass_forward   rows -> -log p of each row's target, with the engine's arithmetic
 *   the caller     looks at them and says what each should weigh: dL/d(-log p)
 *   pass_backward  gradients are added to the parameters
 *
 * Pretraining's weights are constants; a policy gradient computes them from the log-probabilities
 * in between. All memory is taken at creation, planned by a dry pass forward and back.
 *
 * Only rows with a target get logits: out[i] is the row of the i-th result.
 *
 * Threads: one owner; work is spread over the pool.
 */
#ifndef TRAIN_PASS_H
#define TRAIN_PASS_H

#include "nn/low.h"
#include "nn/tape.h"
#include "train/batch.h"
#include "train/params.h"

struct pass {
    struct params *p;
    struct step step;
    struct tape tape;
    struct moe_watch watch;
    struct arena arena, heads, keep;
    size_t keep_bytes; /* of bytes: what segments keep in few bits */
    struct kv_layout layout;
    struct low low;         /* params_set_precision */
    uint32_t seed;          /* of rounding at random; trainer_begin sets it */
    uint32_t n_forward;     /* passes since then */
    float sharp;            /* logits times this are what nll is of: 1 / temperature; 1 */
    size_t max_rows, bytes; /* planned */

    /* after pass_forward */
    size_t n_out;
    int32_t *out;          /* (n_out) rows, ascending */
    int32_t *out_target;   /* (n_out) */
    struct tensor *logits; /* (n_out, V); overwritten by pass_backward */
    struct tensor *nll;    /* (n_out, 1) */
    struct {               /* multi-token prediction of depth k + 1 */
        int32_t *id;       /* (n) tokens that were shown */
        int32_t *out;      /* (n_out) rows, those that have a target so far ahead */
        int32_t *target;
        size_t n_out;
        struct tensor *nll; /* NULL when n_out is 0 */
    } mtp[CONFIG_MAX_MTP];
    int32_t n_mtp;
};

/* pass_create - for batches of at most max_rows. recompute: blocks keep their input only and run
 * again on the way back, a third more work for a fraction of the memory. */
int pass_create(struct pass **out, struct params *p, struct pool *pool, size_t max_rows,
                bool recompute, struct err *e) must_check;
void pass_free(struct pass *s); /* NULL is fine */
/* Bytes pass_create would take for activations and gradients in flight. */
int pass_plan(struct params *p, struct pool *pool, size_t max_rows, bool recompute,
              size_t *bytes, struct err *e) must_check;

/* Everything of the pass before is gone. b must live until pass_backward is done. */
int pass_forward(struct pass *s, const struct train_batch *b, struct err *e) must_check;
/* d (n_out): dL/dnll of the results; d_mtp[k] (mtp[k].n_out) or NULL. Adds to the gradients. */
int pass_backward(struct pass *s, const float *d, const float *const *d_mtp,
                  struct err *e) must_check;
/* The same for losses that look at whole distributions: the caller has written dL/dlogits over
 * s->logits. */
int pass_backward_logits(struct pass *s, const float *const *d_mtp, struct err *e) must_check;

#endif
