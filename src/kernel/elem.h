/* elem.h - rows and vectors: norm, rope, softmax, activations, conversions, loss, optimizer.
 *
 * Order (docs/numerics.md). Sums use 16 virtual lanes: lane j adds elements j, j+16, ... ascending
 * from 0, then the fixed tree 8-4-2-1 adds lanes j and j+8, j+4, j+2, j+1. A sum of products is a
 * fused multiply-add per element. exp, sigmoid, silu and log are those of kernel/fmath.h. What is
 * written fma() below is fused; every other operation rounds by itself, in the order written.
 *
 * Arrays do not overlap unless a comment allows it. Any length, 0 too; no alignment is needed.
 */
#ifndef KERNEL_ELEM_H
#define KERNEL_ELEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

/* One AdamW step (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), per element:
 *   g = grad_scale * grad
 *   m = fma(beta1, m, (1 - beta1) * g)          v = fma(beta2, v, (1 - beta2) * (g * g))
 *   p = fma(-(lr * decay), p, p)
 *   p = fma(-lr, (m * inv_bias1) / (sqrt(v * inv_bias2) + eps), p)
 * With bf16 moments m and v are rounded to nearest when stored; the step uses them unrounded.
 * Rounding v loses changes below 2^-9 of it: with bf16 moments keep beta2 <= 0.99 or so. */
struct elem_adamw {
    float lr, beta1, beta2, eps, decay;
    float inv_bias1, inv_bias2; /* 1 / (1 - beta^t) */
    float grad_scale;           /* 1, or the clipping factor */
    enum dtype moment_dt;       /* DT_F32 or DT_BF16 */
};

struct elem_kernels {
    /* ---- sums ---- */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*sum)(const float *x, size_t n);
    float (*sumsq)(const float *x, size_t n); /* f32: callers cut long arrays into parts */
    float (*max)(const float *x, size_t n);   /* NaN if there is one in x; -inf for n = 0 */

    /* ---- element by element; y may be one of the inputs ---- */
    void (*add)(float *y, const float *x, size_t n);            /* y + x */
    void (*axpy)(float *y, float a, const float *x, size_t n);  /* fma(a, x, y) */
    void (*scale)(float *y, const float *x, float a, size_t n); /* x * a */
    void (*mul)(float *y, const float *a, const float *b, size_t n);
    void (*exp)(float *y, const float *x, size_t n);
    void (*sigmoid)(float *y, const float *x, size_t n);
    void (*swiglu)(float *y, const float *g, const float *u, size_t n); /* silu(g) * u */
    /* dg = ((dy*u)*s) * fma(g, 1-s, 1), du = dy * silu(g), s = sigmoid(g). dg may be g, du may be
     * u, and either may be dy. */
    void (*swiglu_back)(float *dg, float *du, const float *dy, const float *g, const float *u,
                        size_t n);

    /* ---- rows ---- */
    /* y = (x * inv) * g with inv = 1 / sqrt(sumsq(x)/n + eps), one row of n > 0; g may be NULL
     * (gain 1). y may be x. Returns inv, for the backward pass. */
    float (*rmsnorm)(float *y, const float *x, const float *g, size_t n, float eps);
    /* With h = x*inv and w = dy*g: c = sum(w h)/n, dx = inv * fma(-h, c, w), and dg = fma(dy, h,
     * dg) where dg is not NULL. With `add`, dx is added to what was there. dx may be dy. */
    void (*rmsnorm_back)(float *dx, float *dg, const float *dy, const float *x, const float *g,
                         float inv, size_t n, bool add);
    /* Rotates n_pair pairs (a, b) in place, interleaved (x[2k], x[2k+1]) or halves (x[k],
     * x[k+n_pair]), to (fma(a, cos, -(b*sin)), fma(b, cos, a*sin)). cos, sin (n_pair) hold the
     * angle's values with any magnitude factor in them. With -sin it is the inverse and the
     * backward pass. */
    void (*rope)(float *x, const float *cos, const float *sin, size_t n_pair, bool interleaved);
    /* exp(x - max) * (1 / sum) in place, n > 0; returns log(sum) + max. */
    float (*softmax)(float *x, size_t n);
    /* The same number without the row. */
    float (*logsumexp)(const float *x, size_t n);
    /* Softmax cross-entropy of one row of logits: returns lse - x[label], with lse = logsumexp(x)
     * in *lse (may be NULL). dx, if not NULL, = weight * softmax(x), at the label weight *
     * (softmax(x) - 1). dx may be x. */
    float (*cross_entropy)(float *dx, const float *x, size_t n, size_t label, float weight,
                           float *lse);

    /* ---- conversions: F32, F16, BF16, and Q8_0 where n is a multiple of 32 ---- */
    /* To nearest even. Q8_0: amax/127 rounded to f16 is the scale, x * (1/(amax/127)) the number;
     * a block with a NaN in it gets a NaN scale. */
    void (*from_f32)(enum dtype dt, void *dst, const float *src, size_t n);
    void (*to_f32)(enum dtype dt, float *dst, const void *src, size_t n);

    /* ---- optimizer: param, grad f32, m and v of h->moment_dt ---- */
    void (*adamw)(float *param, const float *grad, void *m, void *v, size_t n,
                  const struct elem_adamw *h);
};

void elem_init_ref(struct elem_kernels *k);
void elem_init_avx2(struct elem_kernels *k);
void elem_init_avx512(struct elem_kernels *k);
void elem_init_neon(struct elem_kernels *k);

#endif
