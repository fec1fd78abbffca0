/* attn_neon.c - kernel/attn.h with 128-bit registers: 6 queries by 4 registers, so that 24 of the
 * 32 registers are chains. */
#include "kernel/attn.h"

#include "kernel/inc/v16_neon.inc"

#include "kernel/inc/exp.inc"

#define ATTN_R            6
#define ATTN_C            1
#define ATTN_WIDE         8
#define ATTN_ROW_CASES(X) X(1, 4) X(2, 2) X(3, 2) X(4, 1) X(5, 1) X(6, 1)
#define FEW_CASES(X)      X(1, 4) X(2, 2) X(3, 2) X(4, 1) X(5, 1) X(6, 1)
#include "kernel/inc/attn.inc"

#include "kernel/inc/attn_back.inc"

void attn_init_neon(struct attn_kernels *k)
{
    *k = (struct attn_kernels){.run = run, .back = back};
}
