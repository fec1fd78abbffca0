/* kernel.h - the table of numeric inner loops, chosen once for this CPU.
 *
 * Five families, one header each, describe shapes and the order of arithmetic; docs/numerics.md is
 * the authority for orders. For each family every level that exists has an init function
 * (`gemm_init_ref`, `gemm_init_avx2`, ...) that overwrites the entries it has something faster
 * for. Levels are applied upward from ref and stop at the CPU's or at the given maximum, so
 * TARN_CPU=avx2 runs exactly what an AVX2 machine runs.
 *
 * Kernels take pointers and sizes, allocate nothing, start no threads and cannot fail.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdbool.h>

#include "kernel/attn.h"
#include "kernel/elem.h"
#include "kernel/gemm.h"
#include "kernel/i8.h"
#include "kernel/q8.h"

enum cpu_level {
    CPU_REF,
    CPU_AVX2,   /* AVX2, FMA, F16C */
    CPU_AVX512, /* F, BW, DQ, VL */
    CPU_VNNI,   /* and VNNI, VBMI */
    CPU_NEON,
    CPU_DOTPROD
};

struct kernels {
    enum cpu_level level;
    struct gemm_kernels gemm; /* f32 activations, any weight type */
    struct q8_kernels q8;     /* 8-bit activations, quantised weights */
    struct i8_kernels i8;     /* both sides quantised on the way: training in 8 bits */
    struct attn_kernels attn;
    struct elem_kernels elem; /* norm, rope, softmax, activations, routing, optimizer */
};

/* What this CPU has, and a name such as "avx512+vnni". */
enum cpu_level cpu_detect(void);
const char *cpu_level_name(enum cpu_level level);
/* "ref", "avx2", "avx512", "vnni", "neon", "dotprod"; false if unknown or of another machine. */
bool cpu_level_parse(const char *name, enum cpu_level *out);

/* Fills the table for min(level, cpu_detect()). */
void kernels_init(struct kernels *k, enum cpu_level level);

/* The process-wide table: for cpu_detect(), or for TARN_CPU when kernel/cpu.c finds it set. Filled
 * on first use; any thread. */
const struct kernels *kernels(void);

#endif
