#include "kernel/q8.h"

void q8_init_ref(struct q8_kernels *k)
{
    (void)k;
}
