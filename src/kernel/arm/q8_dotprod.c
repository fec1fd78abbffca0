#include "kernel/q8.h"

void q8_init_dotprod(struct q8_kernels *k)
{
    (void)k;
}
