/* trainer.h - one optimizer step: micro-batches forward and back, norm, clip, update.
 *
 *   trainer_begin                 the step's weights are counted over all micro-batches first
 *   trainer_add       (per micro-batch)  forward, loss, backward; gradients add up
 *   trainer_finish    gradient norm, clip, AdamW, expert balance; numbers of the step
 *
 * L = mean of -log p over the step's targets (by their weights)
 *     + mtp_weight / depth * the same for tokens further ahead + the balance loss
 *
 * A loss or gradient that is not finite stops the step with ERR_NUMERIC, which names the tensor,
 * before any weight is touched; so does a loss above spike_factor times its running mean. The
 * weights are then still those after the step before.
 *
 * For other objectives use pass.h between trainer_begin and trainer_finish: trainer->pass.
 *
 * Threads: one owner; pool as usual.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "train/balance.h"
#include "train/optim.h"
#include "train/pass.h"
#include "train/schedule.h"

struct trainer_opts {
    struct optim_opts optim;
    struct schedule lr;
    size_t max_rows; /* of a micro-batch */
    bool recompute;
    enum precision precision;    /* of the products of linear layers (nn/low.h) */
    bool low_head;               /* of the output head too */
    uint32_t seed;               /* of rounding at random */
    double mtp_weight, mtp_late; /* lambda, and the one for the part after mtp_switch */
    double mtp_switch;           /* share of the steps; training.md 1.3: 10 of 14.8 */
    double bias_speed;           /* gamma of balance.h */
    double bias_stop;            /* share of the steps after which gamma is 0 */
    double balance_weight;       /* alpha of the balance loss; 0: none */
    bool balance_by_sequence;    /* V3's; else V2's over the micro-batch */
    double spike_factor;         /* 0: spikes do not stop the run */
};

/* V3's recipe where it has one. steps and lr are the caller's. */
struct trainer_opts trainer_default(void);

struct step_metrics {
    int64_t step; /* of the step just done, from 0 */
    double loss;  /* mean -log p of next tokens */
    double mtp_loss, balance_loss;
    double grad_norm, lr;
    double load_worst;     /* balance_worst */
    int64_t rows, targets; /* of this step */
    double model_flops; /* multiply-adds of weights and attention, forward and back, times 2 */
    int64_t ns;
};

struct trainer;
struct train_batch;

/* Another loss on next tokens than -log p. of() is called after each forward pass: it overwrites
 * trainer->pass->logits with the gradient of the rows' losses, each times its weight / t->weight, and
 * adds the weighted losses to *sum. */
struct trainer_loss {
    int (*of)(void *ctx, struct trainer *t, const struct train_batch *b, double *sum,
              struct err *e);
    void *ctx;
};

struct trainer {
    struct trainer_opts o;
    struct trainer_loss loss; /* of: NULL for -log p */
    struct params *p;
    struct pool *pool;
    struct pass *pass;
    struct optim *optim;
    struct balance *balance;
    int64_t step;     /* optimizer steps done */
    int64_t rows;     /* rows seen in all steps */
    double mean_loss; /* running mean for spikes; 0: none yet */
    float *d, *d_mtp; /* (max_rows), (n_mtp, max_rows) */
    /* of the step in progress */
    double weight, rows_now, sum_loss, sum_mtp, mtp_count;
    struct step_metrics now;
    int64_t started;
};

int trainer_create(struct trainer **out, struct params *p, struct pool *pool,
                   const struct trainer_opts *o, struct err *e) must_check;
void trainer_free(struct trainer *t); /* NULL is fine; params stay */
/* Bytes of the whole state: weights, gradients, moments, activations. */
size_t trainer_bytes(const struct trainer *t);

/* weight: sum over the step of the weights of rows with a target; rows: rows of the step. */
void trainer_begin(struct trainer *t, double weight, size_t rows);
double trainer_batch_weight(const struct train_batch *b);
int trainer_add(struct trainer *t, const struct train_batch *b, struct err *e) must_check;
int trainer_finish(struct trainer *t, struct step_metrics *m, struct err *e) must_check;

/* The three for n micro-batches. */
int trainer_step(struct trainer *t, const struct train_batch *b, size_t n,
                 struct step_metrics *m, struct err *e) must_check;

/* Mean -log p of a batch without learning. *weight gets the sum of weights. */
int trainer_eval(struct trainer *t, const struct train_batch *b, double *loss, double *weight,
                 struct err *e) must_check;

#endif
