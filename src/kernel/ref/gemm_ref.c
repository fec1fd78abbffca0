/* gemm_ref.c - the definition of the f32 products.
 *
 * Plain loops in the order of gemm.h: chunks of GEMM_CHUNK, one fused multiply-add chain from 0
 * in each, chunk sums added ascending. fmaf is exact on every machine, by hardware or by libm.
 */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernel/gemm.h"
#include "kernel/pack_int.h"

/* What becomes of a chunk's sum. */
static float put(float y, float sum, bool first)
{
    return first ? sum : y + sum;
}

static void rows(float *y, size_t ldy, const float *x, size_t ldx, size_t n_row,
                 const struct pack *w, size_t panel0, size_t panel1)
{
    float chunk[GEMM_CHUNK * PACK_OUT];
    for (size_t p = panel0; p < panel1; p++) {
        size_t o0 = p * PACK_OUT, n_o = size_min(w->n_out - o0, PACK_OUT);
        for (size_t k0 = 0; k0 < w->n_in; k0 += GEMM_CHUNK) {
            size_t n_k = size_min(w->n_in - k0, GEMM_CHUNK);
            pack_chunk_to_f32(w, p, k0, n_k, chunk);
            for (size_t r = 0; r < n_row; r++) {
                float sum[PACK_OUT] = {0};
                for (size_t k = 0; k < n_k; k++)
                    for (size_t o = 0; o < n_o; o++)
                        sum[o] = fmaf(x[r * ldx + k0 + k], chunk[k * PACK_OUT + o], sum[o]);
                float *to = y + r * ldy + o0;
                for (size_t o = 0; o < n_o; o++) to[o] = put(to[o], sum[o], k0 == 0);
            }
        }
    }
}

/* y[i][j] = sum over k of a[i * ai + k * ak] * b[j * bj + k * bk]. */
static void product(float *y, size_t ldy, const float *a, size_t ai, size_t ak, const float *b,
                    size_t bj, size_t bk, size_t m, size_t n, size_t n_k, bool add)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float total = 0;
            for (size_t k0 = 0; k0 < n_k; k0 += GEMM_CHUNK) {
                float sum = 0;
                for (size_t k = k0; k < size_min(k0 + GEMM_CHUNK, n_k); k++)
                    sum = fmaf(a[i * ai + k * ak], b[j * bj + k * bk], sum);
                total = put(total, sum, k0 == 0);
            }
            y[i * ldy + j] = put(y[i * ldy + j], total, !add);
        }
    }
}

static void nn(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch)
{
    (void)scratch;
    product(y, ldy, a, lda, 1, b, 1, ldb, m, n, k, add);
}

static void nt(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch)
{
    (void)scratch;
    product(y, ldy, a, lda, 1, b, ldb, 1, m, n, k, add);
}

static void tn(float *y, size_t ldy, const float *a, size_t lda, const float *b, size_t ldb,
               size_t m, size_t n, size_t k, bool add, void *scratch)
{
    (void)scratch;
    product(y, ldy, a, 1, lda, b, 1, ldb, m, n, k, add);
}

void gemm_init_ref(struct gemm_kernels *k)
{
    k->rows = rows;
    k->nn = nn;
    k->nt = nt;
    k->tn = tn;
}
