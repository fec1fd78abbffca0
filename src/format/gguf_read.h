/* gguf_read.h - GGUF files, versions 2 and 3: header checked, data mapped and left alone.
 *
 * gguf_open maps the file and walks the header once with a reader that cannot leave the file. All
 * counts, types, lengths and offsets are checked against the real size before anything is
 * allocated for them, so a hostile file costs at most a few times its own size. Arrays are not
 * copied: an array value is a place in the map, strings in it are visited with an iterator.
 * A model split over files (NAME-00001-of-00003.gguf) is opened whole from any of its shards; the
 * metadata is the first shard's.
 *
 * Layout: docs/format/gguf.md. Source: models.md 11.
 * Threads: read-only after open; any thread may ask.
 */
#ifndef FORMAT_GGUF_READ_H
#define FORMAT_GGUF_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "tensor/dtype.h"

struct err;
struct file_map;
struct gguf;

/* Values as in the file. */
enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
};

enum {
    GGUF_MAX_DIM = 4,
    GGUF_MAX_NAME = 64,    /* bytes of a tensor's name */
    GGUF_MAX_KEY = 65535,  /* bytes of a key */
    GGUF_MAX_SHARD = 1024, /* files of a split model */
    GGUF_MAX_NEST = 4,     /* arrays in arrays */
    GGUF_ALIGN = 32        /* when general.alignment is absent */
};

/* A key and where its value lies in the map. */
struct gguf_kv {
    struct span key;
    enum gguf_type type;
    enum gguf_type elem; /* of an array */
    uint64_t n;          /* elements of an array, else 1 */
    const unsigned char *p;
    size_t
        bytes; /* of the value, without the length of a string, the type and count of an array */
};

struct gguf_tensor {
    struct span name;
    uint32_t n_dim;
    enum dtype dtype;
    uint64_t dim[GGUF_MAX_DIM]; /* fastest first, as the file has them; 1 beyond n_dim */
    const unsigned char *data;  /* in the map */
    size_t bytes;
    uint64_t offset; /* from the start of its file */
    uint32_t shard;
};

/* Fails: ERR_NOT_FOUND, ERR_IO, ERR_FORMAT (a sentence with the place), ERR_UNSUPPORTED (version
 * 1, big-endian, tensor types that are not read here). */
int gguf_open(struct gguf **out, const char *path, struct err *e) must_check;
/* The same over bytes in memory, one file only; the bytes must outlive the result. `what` names
 * them in messages. */
int gguf_open_bytes(struct gguf **out, const void *p, size_t n, const char *what,
                    struct err *e) must_check;
void gguf_close(struct gguf *g); /* NULL is fine */

const char *gguf_path(const struct gguf *g); /* of the first shard */
uint32_t gguf_version(const struct gguf *g);
size_t gguf_alignment(const struct gguf *g); /* of the last shard */
size_t gguf_n_shard(const struct gguf *g);
/* NULL for gguf_open_bytes. */
const struct file_map *gguf_map(const struct gguf *g, size_t shard);

size_t gguf_n_kv(const struct gguf *g);
const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i);
const struct gguf_kv *gguf_find(const struct gguf *g, const char *key); /* NULL: absent */

size_t gguf_n_tensor(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, struct span name);

/* Typed values. Any integer type is taken for an integer, any number for a float. The plain form
 * makes absence an error that names the key; the _opt form leaves *out alone. A wrong type or a
 * value outside [lo, hi] is an error in both. */
int gguf_get_i64(const struct gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out,
                 struct err *e) must_check;
int gguf_get_i64_opt(const struct gguf *g, const char *key, int64_t lo, int64_t hi,
                     int64_t *out, struct err *e) must_check;
int gguf_get_f64(const struct gguf *g, const char *key, double *out, struct err *e) must_check;
int gguf_get_f64_opt(const struct gguf *g, const char *key, double *out,
                     struct err *e) must_check;
int gguf_get_bool_opt(const struct gguf *g, const char *key, bool *out,
                      struct err *e) must_check;
int gguf_get_str(const struct gguf *g, const char *key, struct span *out,
                 struct err *e) must_check;
int gguf_get_str_opt(const struct gguf *g, const char *key, struct span *out,
                     struct err *e) must_check;
/* The array under a key with elements of this type; *out is NULL when it is absent. GGUF_I64
 * stands for any integer type. */
int gguf_get_array_opt(const struct gguf *g, const char *key, enum gguf_type elem,
                       const struct gguf_kv **out, struct err *e) must_check;

/* Element i of an array of numbers; i < kv->n. */
int64_t gguf_elem_i64(const struct gguf_kv *kv, uint64_t i);
double gguf_elem_f64(const struct gguf_kv *kv, uint64_t i);

/* Strings of an array, in order. */
struct gguf_strings {
    const unsigned char *p;
    uint64_t left;
};
struct gguf_strings gguf_strings(const struct gguf_kv *kv);
bool gguf_next_string(struct gguf_strings *it, struct span *out);

const char *gguf_type_name(enum gguf_type t);
/* The value as text for people; long arrays and strings are cut. Appended to *out. */
void gguf_value_text(const struct gguf_kv *kv, struct buf *out);

#endif
