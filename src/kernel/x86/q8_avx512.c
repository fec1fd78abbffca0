/* q8_avx512.c - 8-bit products of 512 bits for processors without VNNI. */
#include <immintrin.h>
#include <string.h>

#include "base/size.h"
#include "kernel/q8_int.h"
#include "tensor/block.h"
#include "tensor/block_iq.h"

#define RAISED(offset) ((offset) == 0 ? 128 : (offset) == 4 ? 32 : (offset))
#define TILES_ONE      TILES_6
#define TILES_TWO      TILES_4
#define TILES_8        TILES_4
#include "kernel/inc/q8_512.inc"

#define v_maddubs(w, x) ((vi)_mm512_maddubs_epi16((__m512i)(w), (__m512i)(x)))
#define v_maddwd(a, b)  ((vi)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#define v_set16(c)      _mm512_set1_epi16(c)
#include "kernel/inc/q8_madd.inc"

#define FEW    16
#define WIDTHS 1
#include "kernel/inc/q8_rows.inc"

void q8_init_avx512(struct q8_kernels *k)
{
    k->rows = multiply;
}
