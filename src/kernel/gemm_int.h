/* gemm_int.h - sizes that every instruction set's f32 products share. Private to kernel/. */
#ifndef KERNEL_GEMM_INT_H
#define KERNEL_GEMM_INT_H

#include "base/attr.h"
#include "kernel/gemm.h"

enum {
    GEMM_X_STRIDE = GEMM_CHUNK + 16, /* copied rows of x: apart by 17 cache lines */
    GEMM_X_ROWS = 144,               /* rows of x copied at once; a multiple of 6, 8 and 12 */
    GEMM_B_PANELS = 4,               /* nn, nt, tn: panels of b packed at once */
    GEMM_Y_ROWS = 4 * GEMM_X_ROWS    /* nn, nt, tn: rows of y that use a packed chunk of b */
};

/* The scratch of nn, nt and tn. */
struct gemm_work {
    float x[GEMM_X_ROWS * GEMM_X_STRIDE] aligned_to(64);           /* rows of a, one chunk */
    float b[GEMM_B_PANELS * GEMM_CHUNK * PACK_OUT] aligned_to(64); /* panels of b, one chunk */
    float y[GEMM_Y_ROWS * GEMM_B_PANELS * PACK_OUT] aligned_to(
        64); /* sums before they are added */
};

#endif
