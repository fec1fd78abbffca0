/* gemm_int.h - sizes that every instruction set's f32 products share. Private to kernel/. */
#ifndef KERNEL_GEMM_INT_H
#define KERNEL_GEMM_INT_H

#include "base/attr.h"
#include "kernel/gemm.h"

enum {
    GEMM_X_STRIDE = GEMM_CHUNK + 16, /* copied rows of x: apart by 17 cache lines */
    GEMM_X_COLS = 144 + 16,          /* copied columns of x: apart by 10 cache lines */
    GEMM_X_ROWS = 144,               /* rows of x copied at once; a multiple of 6, 8 and 12 */
    GEMM_B_PANELS = 8,               /* nn, nt, tn: panels of b packed at once */
    GEMM_Y_ROWS = 4 * GEMM_X_ROWS    /* nn, nt, tn: rows of y that use a packed chunk of b */
};

/* The scratch of nn, nt and tn: of a, one chunk; panels of b, one chunk; sums of y that are added
 * when they are complete. */
struct gemm_work {
    float a[GEMM_CHUNK * GEMM_X_COLS] aligned_to(64);
    float b[GEMM_B_PANELS * GEMM_CHUNK * PACK_OUT] aligned_to(64);
    float y[GEMM_Y_ROWS * GEMM_B_PANELS * PACK_OUT] aligned_to(64);
};

_Static_assert(GEMM_X_ROWS *GEMM_X_STRIDE <= GEMM_CHUNK * GEMM_X_COLS, "either form fits a");

#endif
