#include "kernel/q8.h"

void q8_init_avx2(struct q8_kernels *k)
{
    (void)k;
}
