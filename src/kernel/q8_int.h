/* q8_int.h - what the 8-bit kernels of all instruction sets share: the form of an activation row,
 * how types combine integer dots to an output, and access to one output's block of a panel.
 *
 * Row form: blocks of 32 activations, the same for every weight type, so that a row quantised once
 * serves every matrix it meets. A block is one cache line; sums stand in it twice, as f32 for
 * the types with a minimum, and negated as integers to start the dots of types with an offset.
 *
 * Order (docs/numerics.md): for each 32 inputs in ascending order, with dots d over weight codes w
 * (offset removed) and activation codes q, exact in 32-bit integers:
 *
 *   one scale                  u = f32(d) * ws
 *   two scales (16 + 16)       u = fma(f32(d1), ws1, f32(d0) * ws0)
 *   and a minimum per scale    u = fma(s, wm, u)        or s0, wm0 and then s1, wm1
 *   then                       y = fma(u, x.d, y)
 *
 * Private to kernel/.
 */
#ifndef KERNEL_Q8_INT_H
#define KERNEL_Q8_INT_H

#include "kernel/q8.h"

enum {
    Q8_LEN = 32,             /* activations in a block */
    Q8_MAX_BLOCK_BYTES = 256 /* no file block is larger */
};

struct q8_x {
    float d;           /* value = d * q; NaN when one of the 32 was not finite */
    float s, s0, s1;   /* sum of q: all, first 16, last 16; exact */
    int32_t n, n0, n1; /* the same sums, times -128 */
    int32_t unused;
    int8_t q[Q8_LEN];  /* -127..127 */
};

/* Blocks whose largest magnitude is below this are taken as zero: 127/max must not overflow. */
#define Q8_TINY 0x1p-100f

/* Scale and sums of a block from the sums of its halves. */
static inline void q8_finish(struct q8_x *b, float d, int s0, int s1)
{
    b->d = d;
    b->s = (float)(s0 + s1), b->s0 = (float)s0, b->s1 = (float)s1;
    b->n = -128 * (s0 + s1), b->n0 = -128 * s0, b->n1 = -128 * s1;
}

/* The file block of output o (0..PACK_OUT-1), put together from a panel's block. */
void pack_block_gather(enum dtype dt, uint8_t *dst, const uint8_t *block, size_t o);

#endif
