/* block_iq.h - the IQ formats: 8 or 4 numbers at a time are one point of a fixed lattice.
 *
 *   table            entries  fields of a code            coordinate of field c
 *   block_grid2_*    256..1024  8 fields of 2 bits          8, 25, 43
 *   block_grid3_xxs  256        4 fields of 3 bits          4 12 20 28 36 44 52 62
 *   block_grid3_s    512        4 fields of 3 bits          2c + 1
 *   block_grid1      2048       8 fields of 2 bits          c - 1
 *
 * Codes stay packed (9 kB in all): the tables are constant, so there is nothing to initialise
 * and nothing to share between threads. A kernel that wants bytes expands them with the
 * functions below.
 */
#ifndef TENSOR_BLOCK_IQ_H
#define TENSOR_BLOCK_IQ_H

#include <stddef.h>
#include <stdint.h>

extern const uint16_t block_grid2_xxs[256], block_grid2_xs[512], block_grid2_s[1024];
extern const uint16_t block_grid3_xxs[256], block_grid3_s[512];
extern const uint16_t block_grid1[2048];

/* block_grid_2 - 8 magnitudes of a code of block_grid2_*; the others likewise for their
 * tables. */
void block_grid_2(uint16_t code, int8_t out[8]);
void block_grid_3_xxs(uint16_t code, int8_t out[4]);
void block_grid_3_s(uint16_t code, int8_t out[4]);
void block_grid_1(uint16_t code, int8_t out[8]);
/* The eight signs of a 7-bit index: bit 7 makes the number of set bits even. */
uint8_t block_grid_signs(unsigned index);

/* block_TYPE_to_f32 - n_block blocks of 256 values. */
void block_iq2_xxs_to_f32(const void *src, float *dst, size_t n_block);
void block_iq2_xs_to_f32(const void *src, float *dst, size_t n_block);
void block_iq2_s_to_f32(const void *src, float *dst, size_t n_block);
void block_iq3_xxs_to_f32(const void *src, float *dst, size_t n_block);
void block_iq3_s_to_f32(const void *src, float *dst, size_t n_block);
void block_iq1_s_to_f32(const void *src, float *dst, size_t n_block);
void block_iq1_m_to_f32(const void *src, float *dst, size_t n_block);

#endif
