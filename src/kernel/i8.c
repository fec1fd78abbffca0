/* i8.c - how the two forms of i8.h lie in memory. */
#include "kernel/i8.h"

#include "base/size.h"

static size_t rows_q(size_t n, size_t k)
{
    return round_up(n, I8_GROUP) * i8_blocks(k) * I8_BLOCK;
}

static size_t cols_q(size_t n, size_t k)
{
    return round_up(n, I8_PANEL) * i8_blocks(k) * I8_BLOCK;
}

size_t i8_rows_bytes(size_t n, size_t k)
{
    size_t q = rows_q(n, k);
    return q + round_up(q / I8_BLOCK * sizeof(struct i8_scale), 64);
}

size_t i8_cols_bytes(size_t n, size_t k)
{
    size_t q = cols_q(n, k);
    return q + round_up(q / I8_BLOCK * sizeof(float), 64);
}

struct i8_rows i8_rows_at(void *mem, size_t n, size_t k)
{
    unsigned char *p = mem;
    return (struct i8_rows){n, i8_blocks(k), mem, (void *)(p + rows_q(n, k))};
}

struct i8_cols i8_cols_at(void *mem, size_t n, size_t k)
{
    unsigned char *p = mem;
    return (struct i8_cols){n, i8_blocks(k), mem, (void *)(p + cols_q(n, k))};
}
