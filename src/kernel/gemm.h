/* gemm.h - matrix products with f32 activations.
 *
 * Order (docs/numerics.md): every output is cut into chunks of GEMM_CHUNK consecutive k. Inside a
 * chunk one fused multiply-add chain runs from 0 in ascending k; the chunk sums are added in
 * ascending order, starting from the first: y = (c0 + c1) + c2 ... The order depends on nothing
 * else: not on tile, ISA, thread, or the number of rows.
 */
#ifndef KERNEL_GEMM_H
#define KERNEL_GEMM_H

#include "kernel/pack.h"

struct gemm_kernels {
    /* y[r][o] = sum_k x[r][k] * W[o][k] for o in panels [panel0, panel1), rows r in [0, n_row).
     * Weights of any packed type are taken at their exact f32 values. (models: y = W x)
     *   y (n_row, >= n_out) f32, row stride ldy; outputs past w->n_out are not written
     *   x (n_row, n_in) f32, row stride ldx; n_in > 0
     * Uses up to 200 KB of stack. Several panels in a call share the copying of x. */
    void (*rows)(float *y, size_t ldy, const float *x, size_t ldx, size_t n_row,
                 const struct pack *w, size_t panel0, size_t panel1);
    /* Plain products for training and small shapes, same order over the contracted index:
     *   nn: y (m, n) = a (m, k) b (k, n)     nt: y (m, n) = a (m, k) b (n, k)^T
     *   tn: y (m, n) = a (k, m)^T b (k, n)
     * With `add` the result is y + product (one addition per element). All row-major with row
     * strides ld?. `scratch` holds gemm_scratch_bytes(). A caller splits work over m or n. */
    void (*nn)(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch);
    void (*nt)(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch);
    void (*tn)(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch);
};

size_t gemm_scratch_bytes(void); /* per thread */

void gemm_init_ref(struct gemm_kernels *k);
void gemm_init_avx2(struct gemm_kernels *k);
void gemm_init_avx512(struct gemm_kernels *k);
void gemm_init_neon(struct gemm_kernels *k);

#endif
