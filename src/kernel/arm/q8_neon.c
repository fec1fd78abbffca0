#include "kernel/q8.h"

void q8_init_neon(struct q8_kernels *k)
{
    (void)k;
}
