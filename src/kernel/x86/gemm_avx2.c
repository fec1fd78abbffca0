#include "kernel/gemm.h"

void gemm_init_avx2(struct gemm_kernels *k)
{
    (void)k;
}
