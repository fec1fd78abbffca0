/* weight.h - a parameter as ops see it: a matrix, a stack of equal matrices, or a vector.
 *
 * The same struct serves both lives of a model. In inference `pack` points at the panels (and
 * `raw` at the file's rows where rows are looked up); in training `data` holds f32 rows and `grad`
 * their gradient. Exactly one of pack.data and data is set for a matrix that is multiplied.
 */
#ifndef NN_WEIGHT_H
#define NN_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/pack.h"

enum weight_kind {
    WEIGHT_MATRIX, /* (n_stack, n_out, n_in) */
    WEIGHT_VECTOR, /* (n_in): norms, biases, gate corrections; f32 */
    WEIGHT_LOOKUP  /* (n_out, n_in): rows are read, nothing is multiplied */
};

struct weight {
    const char *name; /* for messages; owned by the model */
    enum weight_kind kind;
    enum dtype dt; /* stored type */
    size_t n_stack, n_out, n_in;
    struct pack pack;   /* of the first of the stack; pack.data NULL if not packed */
    size_t stack_bytes; /* packed bytes from one of the stack to the next */
    const void *raw;    /* rows as in the file, or NULL */
    size_t raw_row_bytes;
    const float *raw_scale;       /* FP8 rows: 128x128 block scales, or NULL */
    float *data;                  /* f32: the vector, or in training the matrix */
    float *grad;                  /* training: same shape as data */
    const struct low_weight *low; /* training: the matrix in few bits (low.h), or NULL */
    int id;                       /* index in the model's list of parameters */
};

static inline bool weight_present(const struct weight *w)
{
    return w->kind == WEIGHT_VECTOR ? w->data != NULL
                                    : w->pack.data != NULL || w->raw != NULL || w->data != NULL;
}

/* The i-th matrix of a packed stack. */
static inline struct pack weight_pack_at(const struct weight *w, size_t i)
{
    struct pack p = w->pack;
    p.data = (const unsigned char *)p.data + i * w->stack_bytes;
    if (p.scale) p.scale += i * ((w->n_out + 127) / 128) * ((w->n_in + 127) / 128);
    return p;
}

#endif
