/* q8_vnni.c - 8-bit products by VPDPBUSD: four products and their sum per lane and instruction.
 *
 * Codes stand raised by 128 as bytes without sign; the sum starts at -128 times the sum of the
 * activations, so that nothing has to be taken off behind. Exact for all bytes: a sum of 32
 * products is below 2^21.
 */
#include <immintrin.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

#define RAISED(offset) 128
#define TILES_ONE      TILES_6
#define TILES_TWO      TILES_4
#include "kernel/inc/q8_512.inc"

struct acc {
    vi sum;
};

static force_inline struct acc acc_start(int32_t n)
{
    return (struct acc){n - (vi){0}};
}

static force_inline void acc_add(struct acc *a, vu w, vu x, int width)
{
    (void)width;
    a->sum = (vi)_mm512_dpbusd_epi32((__m512i)a->sum, (__m512i)w, (__m512i)x);
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

void q8_init_vnni(struct q8_kernels *k)
{
    k->rows = multiply;
}
