/* attn_int.h - how the attention kernels cut their scratch memory. */
#ifndef KERNEL_ATTN_INT_H
#define KERNEL_ATTN_INT_H

#include "base/size.h"
#include "kernel/attn.h"

enum {
    ATTN_PAD = 32,  /* the widest panel of any ISA, in floats */
    ATTN_PART = 128 /* dims unpacked at a time: 32 KiB for a tile of keys */
};

/* Queries taken in one pass over the cache: unpacking a tile of keys and values costs about as
 * much as four queries, and everything should stay in a second-level cache of 1 MiB. */
static inline size_t attn_pass(size_t d_k, size_t d_v)
{
    return d_k + d_v <= 512 ? 128 : 64;
}

#endif
