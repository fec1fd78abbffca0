/* pack.h - a weight matrix in the layout that kernels read.
 *
 * A matrix W (n_out, n_in) is cut into panels of PACK_OUT consecutive outputs. Inside a panel the
 * numbers lie so that SIMD lanes run over outputs: every lane owns one output and adds its own
 * products in ascending k. One layout per weight type serves one row (decoding) and many rows
 * (prefill) and gives the same bits in both. The last panel is filled up with zero rows.
 *
 * Panels are independent: they can be packed, multiplied and dropped one by one, in any thread.
 * Layouts per type are described in kernel/pack.c; nobody else depends on them.
 */
#ifndef KERNEL_PACK_H
#define KERNEL_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

enum {
    PACK_OUT = 32,   /* outputs in a panel */
    GEMM_CHUNK = 256 /* length of one fused multiply-add chain of f32 products (numerics.md) */
};

struct pack {
    enum dtype dt;      /* the type the weights came from */
    size_t n_out, n_in; /* n_in is a multiple of the type's block length */
    size_t panel_bytes; /* distance between panels */
    const void *data;   /* 64-byte aligned; n_panel * panel_bytes; not owned */
    /* FP8 with block scales: f32 scale of each 128x128 block, (ceil(n_out/128), ceil(n_in/128))
     * row-major, NULL where every scale is 1. Below 2^120 in magnitude. */
    const float *scale;
};

static inline size_t pack_panels(size_t n_out)
{
    return (n_out + PACK_OUT - 1) / PACK_OUT;
}

/* Bytes of one packed panel of `n_in` inputs; 0 for a type that has no packed form. */
size_t pack_panel_bytes(enum dtype dt, size_t n_in);

/* pack_panel - one panel from rows in file layout.
 *
 *   dst    pack_panel_bytes(dt, n_in) bytes, 64-byte aligned, written
 *   src    n_row rows in the type's file layout, row_stride bytes apart
 *   n_row  1..PACK_OUT; missing rows become zero weights
 *
 * Threads: any; touches only dst.
 */
void pack_panel(enum dtype dt, void *dst, const void *src, size_t row_stride, size_t n_row,
                size_t n_in);

/* The weights of one packed row as f32, in order: for lookups (embedding rows) and tests. */
void pack_row_to_f32(const struct pack *w, size_t row, float *dst);

#endif
