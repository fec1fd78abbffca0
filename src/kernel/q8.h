/* q8.h - matrix products with 8-bit activations and quantised weights.
 *
 * A row of activations is cut into blocks; each block has an f32 scale and signed 8-bit values, and
 * carries the sums of its values that types with an offset need. Integer dots inside a (sub)block
 * are exact; the f32 combination over blocks runs in ascending k per output, in an order that
 * docs/numerics.md states per type and that every ISA, thread count and number of rows gives
 * bit for bit.
 */
#ifndef KERNEL_Q8_H
#define KERNEL_Q8_H

#include "kernel/pack.h"

struct q8_kernels {
    /* Bytes of one quantised activation row for weights of type dt (n_in a multiple of the type's
     * block length). All types share one form, and it is made of blocks of 32: those from input k
     * on (a multiple of 32) begin at row_bytes(dt, k), and may be made apart. */
    size_t (*row_bytes)(enum dtype dt, size_t n_in);
    /* x (n_in) f32 to the row form. Round to nearest even; a block of zeros has scale 0. */
    void (*quantize)(enum dtype dt, void *dst, const float *x, size_t n_in);
    /* y[r][o] for rows in [0, n_row) and panels [panel0, panel1); x rows are row_bytes apart. */
    void (*rows)(float *y, size_t ldy, const void *x, size_t n_row, const struct pack *w,
                 size_t panel0, size_t panel1);
};

/* True for the types that have an 8-bit form (all GGML block formats with a packed layout). */
bool q8_has(enum dtype dt);

void q8_init_ref(struct q8_kernels *k);
void q8_init_avx2(struct q8_kernels *k);
void q8_init_avx512(struct q8_kernels *k);
void q8_init_vnni(struct q8_kernels *k);
void q8_init_neon(struct q8_kernels *k);
void q8_init_dotprod(struct q8_kernels *k);

#endif
