/* elem.h - rows and vectors: norm, rope, softmax, activations, routing, conversions, optimizer.
 *
 * Reductions use 16 virtual lanes: lane j sums elements j, j+16, ... ascending, then the fixed tree
 * 8-4-2-1 adds lane j and j+8, j+4, j+2, j+1. exp, sigmoid and silu are one polynomial with one
 * operation order (docs/numerics.md), so that every ISA gives the same bits.
 */
#ifndef KERNEL_ELEM_H
#define KERNEL_ELEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

struct elem_kernels {
    /* y = x / sqrt(mean(x^2) + eps) * g, one row of n; g may be NULL (gain 1). y may be x.
     * Returns 1/sqrt(mean + eps) for the backward pass. */
    float (*rmsnorm)(float *y, const float *x, const float *g, size_t n, float eps);
    /* Rotates n_pair pairs in place: interleaved pairs (x[2k], x[2k+1]) or halves (x[k],
     * x[k+n_pair]). cos, sin (n_pair) hold the angle's values with any magnitude factor in them.
     * The inverse rotation is the same with -sin. */
    void (*rope)(float *x, const float *cos, const float *sin, size_t n_pair, bool interleaved);
    float (*dot)(const float *a, const float *b, size_t n);
    float (*sum)(const float *x, size_t n);
    float (*max)(const float *x, size_t n);                     /* NaN in x gives NaN */
    void (*add)(float *y, const float *x, size_t n);            /* y += x */
    void (*axpy)(float *y, float a, const float *x, size_t n);  /* y = fma(a, x, y) */
    void (*scale)(float *y, const float *x, float a, size_t n); /* y = a x */
    void (*mul)(float *y, const float *a, const float *b, size_t n);
    void (*exp)(float *y, const float *x, size_t n);
    void (*sigmoid)(float *y, const float *x, size_t n);
    /* y = silu(g) * u, silu(z) = z * sigmoid(z). y may be g or u. */
    void (*swiglu)(float *y, const float *g, const float *u, size_t n);
    /* Softmax in place; returns log(sum(exp(x - max))) + max. */
    float (*softmax)(float *x, size_t n);
    /* Log of the softmax's denominator alone: max + log(sum(exp(x - max))). */
    float (*logsumexp)(const float *x, size_t n);
    void (*from_f32)(enum dtype dt, void *dst, const float *src,
                     size_t n); /* F32 F16 BF16 Q8_0 */
    void (*to_f32)(enum dtype dt, float *dst, const void *src, size_t n); /* the same */
};

void elem_init_ref(struct elem_kernels *k);
void elem_init_avx2(struct elem_kernels *k);
void elem_init_avx512(struct elem_kernels *k);
void elem_init_neon(struct elem_kernels *k);

#endif
