/* low_int.h - operands of e4m3 and bf16; private to low*.c. */
#ifndef NN_LOW_INT_H
#define NN_LOW_INT_H

#include "nn/low.h"

struct kernels;

size_t low_float_bytes(enum precision kind, enum low_side side, size_t n, size_t k);
struct low_float low_float_at(enum precision kind, enum low_side side, void *mem, size_t n,
                              size_t k);
size_t low_float_units(const struct low_float *f);
void low_float_fill(enum precision kind, const struct low_float *f, const struct i8_source *s,
                    size_t unit0, size_t unit1);
void low_float_values(enum precision kind, const struct low_float *f, float *x, size_t unit0,
                      size_t unit1);
size_t low_float_scratch_bytes(void);
/* Columns [j0, j1); round: the sums become bf16 numbers before they meet y. */
void low_float_multiply(const struct kernels *k, enum precision kind, float *y, size_t ldy,
                        const struct low_float *a, const struct low_float *b, size_t i0,
                        size_t i1, size_t j0, size_t j1, bool add, bool round, void *scratch);

#endif
