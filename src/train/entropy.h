/* entropy.h - how undecided a model is at each place of a pass, in nats. */
#ifndef TRAIN_ENTROPY_H
#define TRAIN_ENTROPY_H

#include "train/pass.h"

/* pass_entropy - out (s->n_out): of the distribution of each result's logits. Between pass_forward
 * and pass_backward, which overwrites the logits. Threads: the pass's pool. */
int pass_entropy(const struct pass *s, float *out, struct err *e) must_check;

#endif
