/* pack_block.c - GGML block formats: none has a packed form yet. */
#include "kernel/pack_int.h"

size_t pack_block_panel_bytes(enum dtype dt, size_t n_in)
{
    (void)dt, (void)n_in;
    return 0;
}

void pack_block_panel(enum dtype dt, void *dst, const void *src, size_t row_stride,
                      size_t n_row, size_t n_in)
{
    (void)dt, (void)dst, (void)src, (void)row_stride, (void)n_row, (void)n_in;
}

void pack_block_row_to_f32(const struct pack *w, size_t row, float *dst)
{
    (void)w, (void)row, (void)dst;
}

void pack_block_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k,
                             float *dst)
{
    (void)w, (void)panel, (void)k0, (void)n_k, (void)dst;
}
