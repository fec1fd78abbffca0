/* muon.h - Muon: momentum, made orthogonal, as the update of hidden matrices.
 *
 *   m = beta m + g;  u = g + beta m                       Nesterov's form
 *   O = U V^T of u = U S V^T, nearly                      five Newton-Schulz iterations
 *   w = w - lr (0.2 sqrt(max(n_out, n_in)) O + decay w)
 *
 * The factor gives updates the size AdamW's have, so both share one learning rate. Embedding, head,
 * router, vectors and gate corrections stay with AdamW. Each expert is a matrix of its own.
 *
 * A matrix is worked on by one thread, so the number of threads changes no bit.
 *
 * Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 (iteration
 * and its coefficients); Liu et al., arXiv 2502.16982 (factor, decay).
 */
#ifndef TRAIN_MUON_H
#define TRAIN_MUON_H

#include "train/params.h"

struct muon;

/* n_thread: of the pool that muon_step will get. */
int muon_create(struct muon **out, struct params *p, int n_thread, struct err *e) must_check;
void muon_free(struct muon *m); /* NULL is fine */
/* Whether a parameter is one of Muon's. */
bool muon_takes(const struct param *q);
size_t muon_bytes(const struct muon *m); /* of its work space */

/* One update of all of Muon's matrices; their gradients are zero afterwards. momentum: f32, at the
 * places of the parameters. */
void muon_step(struct muon *m, struct pool *pool, float *momentum, double lr, double beta,
               double decay, double grad_scale);

/* x (r, c) with r <= c becomes nearly orthogonal: all its singular values between 0.7 and 1.2, when
 * they were not tiny beside the largest. work: (2 r r + r c); scratch: gemm_scratch_bytes(). */
void muon_orthogonal(float *x, size_t r, size_t c, float *work, void *scratch);

#endif
