/* elem_avx2.c - kernel/elem.h with 256-bit registers. */
#include "kernel/elem.h"

#include "kernel/inc/v16_avx2.inc"

#include "kernel/inc/exp.inc"

#define ELEM_INIT elem_init_avx2
#include "kernel/inc/elem.inc"
