#include "kernel/gemm.h"

void gemm_init_avx512(struct gemm_kernels *k)
{
    (void)k;
}
