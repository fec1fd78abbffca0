/* precision.h - the weights of a model in few bits, for its passes (nn/low.h).
 *
 * Which matrices: those of all linear layers, of attention, feed forward, experts and the joining
 * matrix of multi-token prediction. What stays f32, as in DeepSeek-V3 (training.md 3.1): embedding,
 * output head, router, norms, biases, the attention core; and the per-head matrices of absorbed
 * latent attention, which belong to its core (with model.mla expanded there is kv_b instead, in
 * few bits).
 *
 * Threads: one owner.
 */
#ifndef TRAIN_PRECISION_H
#define TRAIN_PRECISION_H

#include "model/names.h"
#include "nn/low.h"

struct params;
struct pool;
struct low_params;

/* True for what is multiplied in few bits; head: the output head too. */
bool precision_covers(const struct model_config *c, enum tensor_role r, bool head);

/* All forms of a model's weights, for p->param[i].w->low; made by params_set_precision. */
int low_params_create(struct low_params **out, struct params *p, enum precision kind, bool head,
                      struct err *e) must_check;
void low_params_free(struct low_params *l, struct params *p); /* NULL is fine */
enum precision low_params_kind(const struct low_params *l);
size_t low_params_bytes(const struct low_params *l);
void low_params_fill(struct low_params *l, struct pool *pool);

#endif
