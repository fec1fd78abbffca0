/* attn_avx512.c - kernel/attn.h with 512-bit registers: 8 queries by 2 vectors, so that 16 of the
 * 32 registers are chains. */
#include "kernel/attn.h"

#include "kernel/inc/v16_avx512.inc"

#include "kernel/inc/exp.inc"

#define ATTN_R            8
#define ATTN_C            2
#define ATTN_WIDE         16
#define ATTN_ROW_CASES(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
#define FEW_CASES(X)      X(1, 4) X(2, 2) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
#include "kernel/inc/attn.inc"

#include "kernel/inc/attn_back.inc"

void attn_init_avx512(struct attn_kernels *k)
{
    *k = (struct attn_kernels){.run = run, .back = back};
}
