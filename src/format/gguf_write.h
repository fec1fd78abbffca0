/* gguf_write.h - writes a GGUF file (version 3) as a stream, in three stages.
 *
 *   gguf_put_*            keys, in the order they shall stand
 *   gguf_add_tensor       the directory: names, shapes, types, in the order of their data
 *   gguf_write_data       the bytes of all tensors in that order, in pieces of any size
 *   gguf_writer_commit    the file appears under its name, whole and on the disk
 *
 * Nothing is kept in memory but the header. With a split size the tensors go to several files
 * NAME-00001-of-000NN.gguf, none larger than that unless one tensor alone is; the first file
 * appears last, so that a set that can be opened is complete.
 *
 * Errors while putting are kept and reported by the next call that returns a status.
 * Layout: docs/format/gguf.md. Threads: one owner.
 */
#ifndef FORMAT_GGUF_WRITE_H
#define FORMAT_GGUF_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "format/gguf_read.h"
#include "tensor/dtype.h"

struct err;
struct gguf_writer;

/* split_bytes 0: one file. With a split, path ends in ".gguf" and the parts are named after it. */
int gguf_writer_create(struct gguf_writer **out, const char *path, uint64_t split_bytes,
                       struct err *e) must_check;
/* Frees it; without a commit before, nothing appears on the disk. NULL is fine. */
void gguf_writer_free(struct gguf_writer *w);

void gguf_put_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_put_i32(struct gguf_writer *w, const char *key, int32_t v);
void gguf_put_f32(struct gguf_writer *w, const char *key, float v);
void gguf_put_bool(struct gguf_writer *w, const char *key, bool v);
void gguf_put_str(struct gguf_writer *w, const char *key, struct span v);
/* An array of n elements, which follow by n calls of gguf_elem_* of that type. */
void gguf_put_array(struct gguf_writer *w, const char *key, enum gguf_type elem, uint64_t n);
void gguf_elem_i32(struct gguf_writer *w, int32_t v);
void gguf_elem_f32(struct gguf_writer *w, float v);
void gguf_elem_str(struct gguf_writer *w, struct span v);
/* A key of another file as it is; nothing happens when the key has been put already. */
void gguf_put_copy(struct gguf_writer *w, const struct gguf_kv *kv);
bool gguf_has_key(const struct gguf_writer *w, struct span key);

/* dim: fastest first. */
void gguf_add_tensor(struct gguf_writer *w, const char *name, enum dtype dt, uint32_t n_dim,
                     const uint64_t *dim);
/* Bytes of all tensor data with padding, so far. */
uint64_t gguf_data_bytes(const struct gguf_writer *w);

/* n bytes of tensor data. The first call writes the headers; keys and tensors are closed then. */
int gguf_write_data(struct gguf_writer *w, const void *p, size_t n, struct err *e) must_check;
/* All data must have been written. A file without tensors needs no gguf_write_data. */
int gguf_writer_commit(struct gguf_writer *w, struct err *e) must_check;

#endif
