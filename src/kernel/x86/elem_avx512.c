/* elem_avx512.c - kernel/elem.h with 512-bit registers. */
#include "kernel/elem.h"

#include "kernel/inc/v16_avx512.inc"

#include "kernel/inc/exp.inc"

#define ELEM_INIT elem_init_avx512
#include "kernel/inc/elem.inc"
