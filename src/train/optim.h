/* optim.h - AdamW over all parameters of a model, or Muon for its hidden matrices (muon.h).
 *
 * The gradient norm is taken over all trained parameters: sums of squares of pieces fixed by the
 * shapes, added in double in order, so the number of threads changes no bit. Clipping multiplies
 * every gradient by clip / norm where the norm is larger. Weight decay works on matrices only.
 *
 * Memory per number: 4 bytes of weight and 4 of gradient (params.h), and two moments of 4 bytes
 * (f32) or 2 (bf16, training.md 3.1; then beta2 must not be above 0.99: numerics.md).
 */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include "train/params.h"

struct optim_opts {
    double beta1, beta2, eps, decay;
    double clip; /* 0: none */
    enum dtype moment;
    bool muon; /* hidden matrices by Muon; moments must be f32 */
    double muon_beta;
};

/* beta 0.9 and 0.95, eps 1e-8, decay 0.1, clip 1, f32 moments (training.md 1.3), no Muon. */
struct optim_opts optim_default(void);

struct muon;

struct optim {
    struct params *p;
    struct muon *muon; /* NULL: AdamW alone */
    struct optim_opts o;
    int64_t t;            /* updates done */
    unsigned char *m, *v; /* moments, at the places of the parameters */
    size_t moment_bytes;  /* of one number */
    struct piece *piece;
    size_t n_piece;
    double *sum; /* (n_piece) */
};

/* n_thread: of the pool that steps will get. */
int optim_create(struct optim **out, struct params *p, const struct optim_opts *o, int n_thread,
                 struct err *e) must_check;
void optim_free(struct optim *a); /* NULL is fine */

/* optim_norm - the norm of all gradients. Fails with ERR_NUMERIC naming the first parameter whose
 * gradient is not finite. */
int optim_norm(struct optim *a, struct pool *pool, double *norm, struct err *e) must_check;

/* optim_step - one update with this learning rate, the norm from optim_norm; gradients are zero
 * afterwards. */
void optim_step(struct optim *a, struct pool *pool, double lr, double norm);

#endif
