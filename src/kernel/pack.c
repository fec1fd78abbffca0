/* pack.c - packed weights: which family of layouts a type belongs to.
 *
 * Plain floats keep their bits and only change places (pack_float.c); GGML block formats are
 * taken apart into scales and codes (pack_block.c). A type with neither has no packed form and
 * pack_panel_bytes gives 0 for it; callers ask that first, the other functions then cannot fail.
 */
#include "kernel/pack.h"

#include "kernel/pack_int.h"

struct family {
    size_t (*panel_bytes)(enum dtype dt, size_t n_in);
    void (*panel)(enum dtype dt, void *dst, const void *src, size_t row_stride, size_t n_row,
                  size_t n_in);
    void (*row_to_f32)(const struct pack *w, size_t row, float *dst);
    void (*chunk_to_f32)(const struct pack *w, size_t panel, size_t k0, size_t n_k, float *dst);
};

static const struct family floats = {pack_float_panel_bytes, pack_float_panel,
                                     pack_float_row_to_f32, pack_float_chunk_to_f32};
static const struct family blocks = {pack_block_panel_bytes, pack_block_panel,
                                     pack_block_row_to_f32, pack_block_chunk_to_f32};

static const struct family *family_of(enum dtype dt)
{
    return pack_float_panel_bytes(dt, 1) ? &floats : &blocks;
}

size_t pack_panel_bytes(enum dtype dt, size_t n_in)
{
    return family_of(dt)->panel_bytes(dt, n_in);
}

void pack_panel(enum dtype dt, void *dst, const void *src, size_t row_stride, size_t n_row,
                size_t n_in)
{
    family_of(dt)->panel(dt, dst, src, row_stride, n_row, n_in);
}

void pack_row_to_f32(const struct pack *w, size_t row, float *dst)
{
    family_of(w->dt)->row_to_f32(w, row, dst);
}

void pack_chunk_to_f32(const struct pack *w, size_t panel, size_t k0, size_t n_k, float *dst)
{
    family_of(w->dt)->chunk_to_f32(w, panel, k0, n_k, dst);
}
