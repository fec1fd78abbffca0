#include "kernel/gemm.h"

void gemm_init_ref(struct gemm_kernels *k)
{
    (void)k;
}
