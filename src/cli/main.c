#include <stdio.h>

int main(void)
{
    puts("tarn");
    return 0;
}
