/* elem_neon.c - kernel/elem.h with 128-bit registers. */
#include "kernel/elem.h"

#include "kernel/inc/v16_neon.inc"

#include "kernel/inc/exp.inc"

#define ELEM_INIT elem_init_neon
#include "kernel/inc/elem.inc"
