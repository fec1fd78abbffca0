/* gemm.c - what does not depend on the instruction set. */
#include "kernel/gemm.h"

#include "kernel/gemm_int.h"

size_t gemm_scratch_bytes(void)
{
    return sizeof(struct gemm_work);
}
