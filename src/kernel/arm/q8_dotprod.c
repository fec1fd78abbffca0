/* q8_dotprod.c - 8-bit products by SDOT: four signed products and their sum per lane. */
#include <arm_neon.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

#include "kernel/inc/q8_128.inc"

struct acc {
    vi sum;
};

/* Codes are signed and without offset: nothing to take off. */
static force_inline struct acc acc_start(int32_t n)
{
    (void)n;
    return (struct acc){{0}};
}

static force_inline void acc_add(struct acc *a, vu w, vu x, int width)
{
    (void)width;
    a->sum = (vi)vdotq_s32((int32x4_t)a->sum, (int8x16_t)w, (int8x16_t)x);
}

static force_inline void acc_fold(struct acc *a, int width)
{
    (void)a, (void)width;
}

static force_inline vi acc_end(struct acc a, int32_t n, int width)
{
    (void)n, (void)width;
    return a.sum;
}

#define FEW    16
#define WIDTHS 0
#include "kernel/inc/q8_rows.inc"

void q8_init_dotprod(struct q8_kernels *k)
{
    k->rows = multiply;
}
