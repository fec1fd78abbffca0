/* safetensors.h - Hugging Face's tensor files: one, or many with an index; reading and writing.
 *
 *   u64 little-endian N | N bytes of JSON | tensor bytes
 *
 * The JSON maps a name to {dtype, shape, data_offsets: [begin, end)}, offsets from the end of the
 * JSON; "__metadata__" holds strings. Reading maps the files and looks at the headers only; every
 * length, shape and offset is checked, tensors must not overlap nor leave holes. A directory is
 * read by model.safetensors.index.json when that is there.
 *
 * Layout: docs/format/safetensors.md. Source: models.md 8.4.
 * Threads: a reader is read-only after open; a writer has one owner.
 */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "tensor/dtype.h"

struct err;
struct file_map;
struct safetensors;
struct safetensors_writer;

enum {
    SAFETENSORS_MAX_DIM = 8,
    SAFETENSORS_MAX_HEADER = 100 << 20, /* bytes of JSON, the format's own limit */
    SAFETENSORS_MAX_FILES = 4096
};

struct safetensors_tensor {
    struct span name;
    enum dtype dtype;
    int32_t n_dim;                     /* 0 for a single number */
    uint64_t dim[SAFETENSORS_MAX_DIM]; /* slowest first */
    const unsigned char *data;         /* in the map */
    size_t bytes;
    uint64_t offset; /* from the start of its file */
    uint32_t file;
};

/* path: a .safetensors file, or a directory with model.safetensors.index.json,
 * model.safetensors or weights.safetensors (a checkpoint). */
int safetensors_open(struct safetensors **out, const char *path, struct err *e) must_check;
/* One file in memory; the bytes must outlive the result. */
int safetensors_open_bytes(struct safetensors **out, const void *p, size_t n, const char *what,
                           struct err *e) must_check;
void safetensors_close(struct safetensors *s); /* NULL is fine */

size_t safetensors_n_file(const struct safetensors *s);
const char *safetensors_file_path(const struct safetensors *s, size_t file);
/* NULL for safetensors_open_bytes. */
const struct file_map *safetensors_map(const struct safetensors *s, size_t file);
size_t safetensors_n_tensor(const struct safetensors *s);
/* In the order of files, within a file in the order of the data. */
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t i);
const struct safetensors_tensor *safetensors_find(const struct safetensors *s,
                                                  struct span name);

/* "BF16" and so on; false for types that are not read here. */
bool safetensors_dtype(struct span name, enum dtype *out);

/* Writing: all tensors are announced, then their bytes follow in that order. With split_bytes 0
 * the result is DIR/model.safetensors, else DIR/model-00001-of-000NN.safetensors and the index.
 * Files appear at commit. Only types that safetensors has. */
int safetensors_writer_create(struct safetensors_writer **out, const char *dir,
                              const char *stem, uint64_t split_bytes, struct err *e) must_check;
void safetensors_writer_free(struct safetensors_writer *w); /* NULL is fine */
/* A string of __metadata__, in every file. */
int safetensors_put_meta(struct safetensors_writer *w, const char *key, struct span value,
                         struct err *e) must_check;
int safetensors_add(struct safetensors_writer *w, const char *name, enum dtype dt,
                    int32_t n_dim, const uint64_t *dim, struct err *e) must_check;
int safetensors_write_data(struct safetensors_writer *w, const void *p, size_t n,
                           struct err *e) must_check;
int safetensors_writer_commit(struct safetensors_writer *w, struct err *e) must_check;

#endif
