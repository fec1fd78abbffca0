/* op_int.h - shared by the op files only. */
#ifndef NN_OP_INT_H
#define NN_OP_INT_H

#include "nn/op.h"

/* True when a product with w takes 8-bit rows in this step. */
bool linear_uses_q8(const struct step *st, const struct weight *w);

/* n rows of n_in numbers (ldx apart) in the 8-bit form for weights of type dt; step memory. */
unsigned char *linear_quantize(struct step *st, enum dtype dt, const float *x, size_t ldx,
                               size_t n, size_t n_in, size_t *row_bytes);

#endif
