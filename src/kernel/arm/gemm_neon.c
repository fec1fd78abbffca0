#include "kernel/gemm.h"

void gemm_init_neon(struct gemm_kernels *k)
{
    (void)k;
}
