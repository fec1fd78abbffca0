/* low.h - matrix products of training in fewer bits.
 *
 * A linear layer trains by three products, all of the form A (m, k) B (n, k)^T:
 *
 *   y  = x W^T         A = x        B = W
 *   dx = dy W          A = dy       B = W^T
 *   dW = dy^T x        A = dy^T     B = x^T
 *
 * Weights stay f32 (weight->data) and gradients of weights are f32. The operands are brought into
 * a form of few bits first; weights once per optimizer step (low_weight), the rest on the way.
 *
 *   int8   blocks of 64 along k, on both sides (kernel/i8.h); dy is rounded at random
 *   fp8    e4m3; 128 along k for activations and gradients, 128 x 128 for weights (tensor/scale.h);
 *          sums of 128 products in f32, then scaled and added in f32; y and dx are rounded to bf16
 *   bf16   operands, y and dx rounded to bf16; f32 sums in the order of kernel/gemm.h
 *
 * What is multiplied in few bits is decided by who sets weight->low. Source: training.md 3.
 * Threads: low_fill and low_multiply any, on parts; the rest is the step's.
 */
#ifndef NN_LOW_H
#define NN_LOW_H

#include "kernel/i8.h"
#include "nn/step.h"

enum precision { PRECISION_F32, PRECISION_BF16, PRECISION_FP8, PRECISION_INT8 };

const char *precision_name(enum precision p); /* "fp32", "bf16", "fp8", "int8" */
bool precision_parse(const char *name, enum precision *out);

enum low_side {
    LOW_A,     /* left operand */
    LOW_B,     /* right operand */
    LOW_WEIGHT /* right operand, a weight matrix: fp8 has blocks for tiles */
};

/* e4m3 or bf16 rows; a factor per 128 along k and per 1 or 128 rows. */
struct low_float {
    size_t n, k, band;
    void *q;  /* (n, k) */
    float *d; /* (ceil(n / band), ceil(k / 128)); NULL for bf16 */
};

/* One operand in few bits. */
struct low_form {
    enum precision kind;
    enum low_side side;
    size_t n, k;
    struct i8_rows a; /* int8 */
    struct i8_cols b; /* int8 */
    struct low_float f;
};

size_t low_bytes(enum precision kind, enum low_side side, size_t n, size_t k);
struct low_form low_at(enum precision kind, enum low_side side, void *mem, size_t n, size_t k);

/* A form is filled unit by unit from s (i8.h), in any order. */
size_t low_units(const struct low_form *f);
void low_fill(const struct kernels *k, const struct low_form *f, const struct i8_source *s,
              size_t unit0, size_t unit1);

/* The values of units of a form of e4m3 or bf16, row-major. */
void low_values(const struct low_form *f, float *x, size_t unit0, size_t unit1);

/* y[i][j] for rows [i0, i1) of a and columns of panels [p0, p1) of I8_PANEL; with `add` it is added
 * to y. scratch: low_scratch_bytes(kind). */
void low_multiply(const struct kernels *k, float *y, size_t ldy, const struct low_form *a,
                  const struct low_form *b, size_t i0, size_t i1, size_t p0, size_t p1,
                  bool add, void *scratch);
size_t low_scratch_bytes(enum precision kind);

/* A weight in the forms of products; both (n_stack). */
struct low_weight {
    struct low_form *y; /* W (n_out, n_in) */
    struct low_form *x; /* W^T */
};

/* ---- in a step ----------------------------------------------------------------------------- */

/* Memory for one form; what it holds is remembered, so that products with the same rows share it.
 * In dry steps `bytes` grows to what is needed. */
struct low_buf {
    void *mem;
    size_t bytes;
    const struct tensor *of; /* NULL: nothing that may be used again */
    struct low_form form;
};

struct low {
    enum precision kind;
    bool random;       /* dy is rounded at random (int8) */
    uint32_t seed;     /* of this pass */
    uint32_t n_random; /* matrices rounded at random in it so far */
    struct low_buf x, x_across, dy, dy_across;
};

/* Takes the buffers a dry pass has counted. */
int low_take(struct low *l, struct err *e) must_check;
void low_release(struct low *l);
size_t low_taken_bytes(const struct low *l);
/* A new pass: nothing is remembered. */
void low_begin(struct low *l, uint32_t seed);

/* Tensors it remembers may go away. */
void low_forget(struct low *l);

/* The form of n rows of c numbers (ld apart), or of their transpose, in b's memory; from there if
 * `of` says it is in it. NULL in a dry step or after a failure. */
const struct low_form *low_form_of(struct step *st, struct low_buf *b, enum low_side side,
                                   const float *x, size_t ld, size_t n, size_t c, bool across,
                                   bool random, const struct tensor *of);
/* The same for groups of rows: forms (n_group) of the transposes of rows [first[g], first[g + 1])
 * of x (first[n_group], c). */
const struct low_form *low_groups_of(struct step *st, struct low_buf *b, enum low_side side,
                                     const float *x, size_t c, const int32_t *first,
                                     size_t n_group, size_t n, bool random);
/* y (a->n, b->n) = or += a b^T over the pool. */
void low_product(struct step *st, float *y, size_t ldy, const struct low_form *a,
                 const struct low_form *b, bool add);

#endif
