/* imatrix.h - importance of weight columns, measured on texts, for quantisers.
 *
 * For every matrix: the sum of squares of each input channel over the rows it was multiplied
 * with, and how many rows there were; experts apart. The file is GGUF with general.type "imatrix"
 * and per matrix the tensors NAME.in_sum2 (n_in, n_mat) and NAME.counts (1, n_mat), as other
 * tools write it, NAME being the matrix's GGUF name.
 *
 * Threads: read-only after open.
 */
#ifndef FORMAT_IMATRIX_H
#define FORMAT_IMATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct imatrix;

struct imatrix_entry {
    const char *name; /* "blk.0.ffn_up.weight" */
    uint64_t n_in, n_mat;
    const float *sum2;   /* (n_mat, n_in) */
    const float *counts; /* (n_mat) */
};

int imatrix_open(struct imatrix **out, const char *path, struct err *e) must_check;
void imatrix_close(struct imatrix *m); /* NULL is fine */
size_t imatrix_n(const struct imatrix *m);

/* imatrix_weights - mean squares of matrix `mat` of a tensor into out[n_in], made positive.
 * False when the file does not have the tensor in this size, or no row ever reached the matrix. */
bool imatrix_weights(const struct imatrix *m, const char *name, uint64_t n_in, uint64_t mat,
                     float *out);

/* Writes a file; n_chunk and chunk_tok describe the texts. */
int imatrix_write(const char *path, const struct imatrix_entry *entry, size_t n,
                  const char *dataset, uint32_t n_chunk, uint32_t chunk_tok,
                  struct err *e) must_check;

#endif
