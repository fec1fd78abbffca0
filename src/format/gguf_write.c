/* gguf_write.c - the header is built in memory, the data streams through.
 *
 * Tensors are given to files when the header closes: in order, a new file when the next tensor
 * would exceed the split size. `now` is the tensor whose bytes are being written; after the last
 * byte of a tensor zeros follow up to the alignment, also after the last tensor, as other readers
 * expect.
 */
#include "format/gguf_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/size.h"

enum { HEADER_MAX = 1 << 30, FIRST_TENSORS = 256 };

struct out_tensor {
    char name[GGUF_MAX_NAME + 1];
    enum dtype dtype;
    uint32_t n_dim;
    uint64_t dim[GGUF_MAX_DIM];
    uint64_t bytes;
    size_t file;
    uint64_t offset; /* in the data of its file */
};

struct gguf_writer {
    char *path;
    uint64_t split_bytes;
    struct buf kv;
    uint64_t n_kv;
    struct map keys;
    struct out_tensor *tensor;
    size_t n_tensor, room;
    uint64_t elems_left; /* of the array being put */
    struct err fault;    /* the first error of the calls that return nothing */
    /* writing */
    struct file_writer *file;
    size_t n_file;
    bool closed;
    size_t now;
    uint64_t written; /* of tensor `now` */
};

static void fail(struct gguf_writer *w, enum err_code code, const char *sentence,
                 const char *name)
{
    if (w->fault.code == ERR_OK) err_set(&w->fault, code, "%s: %s %s", w->path, sentence, name);
}

static int check(struct gguf_writer *w, struct err *e)
{
    if (w->fault.code == ERR_OK && w->kv.failed) return buf_ok(&w->kv, "the GGUF header", e);
    if (w->fault.code == ERR_OK) return 0;
    if (e) *e = w->fault;
    return -1;
}

int gguf_writer_create(struct gguf_writer **out, const char *path, uint64_t split_bytes,
                       struct err *e)
{
    *out = NULL;
    size_t n = strlen(path);
    if (split_bytes && (n < 6 || strcmp(path + n - 5, ".gguf") != 0))
        return err_set(e, ERR_USAGE, "%s: the name of a split model ends in .gguf", path);
    struct gguf_writer *w = mem_calloc(1, sizeof *w);
    if (!w) return err_oom(e, "the GGUF writer", sizeof *w);
    buf_init(&w->kv, HEADER_MAX);
    map_init(&w->keys);
    w->split_bytes = split_bytes;
    w->path = mem_strdup(path);
    if (!w->path) {
        gguf_writer_free(w);
        return err_oom(e, "a file name", n);
    }
    *out = w;
    return 0;
}

void gguf_writer_free(struct gguf_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_file; i++) file_replace_abort(&w->file[i]);
    mem_free(w->file);
    mem_free(w->tensor);
    mem_free(w->path);
    map_release(&w->keys);
    buf_release(&w->kv);
    mem_free(w);
}

/* ---- keys --------------------------------------------------------------------------------- */

static void add_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void add_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void add_str(struct buf *b, struct span s)
{
    add_u64(b, s.n);
    buf_add_span(b, s);
}

static void put_key(struct gguf_writer *w, struct span key, enum gguf_type t)
{
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)size_min(key.n, 70), key.p);
    if (w->closed) fail(w, ERR_BUG, "a key after the data began:", name);
    if (w->elems_left) fail(w, ERR_BUG, "elements are missing in front of key", name);
    if (gguf_has_key(w, key)) fail(w, ERR_BUG, "a key is put twice:", name);
    if (!map_put(&w->keys, key, 1)) fail(w, ERR_MEMORY, "out of memory at key", name);
    add_str(&w->kv, key);
    add_u32(&w->kv, t);
    w->n_kv++;
}

bool gguf_has_key(const struct gguf_writer *w, struct span key)
{
    return w->keys.n > 0 && map_get(&w->keys, key) != MAP_NONE;
}

void gguf_put_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    put_key(w, span_of(key), GGUF_U32);
    add_u32(&w->kv, v);
}

void gguf_put_i32(struct gguf_writer *w, const char *key, int32_t v)
{
    put_key(w, span_of(key), GGUF_I32);
    buf_add(&w->kv, &v, sizeof v);
}

void gguf_put_f32(struct gguf_writer *w, const char *key, float v)
{
    put_key(w, span_of(key), GGUF_F32);
    buf_add(&w->kv, &v, sizeof v);
}

void gguf_put_bool(struct gguf_writer *w, const char *key, bool v)
{
    put_key(w, span_of(key), GGUF_BOOL);
    buf_add_char(&w->kv, v ? 1 : 0);
}

void gguf_put_str(struct gguf_writer *w, const char *key, struct span v)
{
    put_key(w, span_of(key), GGUF_STRING);
    add_str(&w->kv, v);
}

void gguf_put_array(struct gguf_writer *w, const char *key, enum gguf_type elem, uint64_t n)
{
    put_key(w, span_of(key), GGUF_ARRAY);
    add_u32(&w->kv, elem);
    add_u64(&w->kv, n);
    w->elems_left = n;
}

static void one_elem(struct gguf_writer *w)
{
    if (w->elems_left == 0)
        fail(w, ERR_BUG, "more elements than", "the array counts");
    else
        w->elems_left--;
}

void gguf_elem_i32(struct gguf_writer *w, int32_t v)
{
    one_elem(w);
    buf_add(&w->kv, &v, sizeof v);
}

void gguf_elem_f32(struct gguf_writer *w, float v)
{
    one_elem(w);
    buf_add(&w->kv, &v, sizeof v);
}

void gguf_elem_str(struct gguf_writer *w, struct span v)
{
    one_elem(w);
    add_str(&w->kv, v);
}

void gguf_put_copy(struct gguf_writer *w, const struct gguf_kv *kv)
{
    if (gguf_has_key(w, kv->key)) return;
    put_key(w, kv->key, kv->type);
    if (kv->type == GGUF_STRING) add_u64(&w->kv, kv->bytes);
    if (kv->type == GGUF_ARRAY) {
        add_u32(&w->kv, kv->elem);
        add_u64(&w->kv, kv->n);
    }
    buf_add(&w->kv, kv->p, kv->bytes);
}

/* ---- directory ---------------------------------------------------------------------------- */

static bool tensor_bytes(const struct out_tensor *t, uint64_t *out)
{
    size_t n;
    if (dtype_row_bytes(t->dtype, t->dim[0], &n)) return false;
    for (uint32_t i = 1; i < t->n_dim; i++)
        if (size_mul(n, t->dim[i], &n)) return false;
    *out = n;
    return n > 0 && n < (uint64_t)1 << 62;
}

void gguf_add_tensor(struct gguf_writer *w, const char *name, enum dtype dt, uint32_t n_dim,
                     const uint64_t *dim)
{
    if (w->closed) fail(w, ERR_BUG, "a tensor after the data began:", name);
    if (w->n_tensor == w->room) {
        size_t room = w->room ? w->room * 2 : FIRST_TENSORS;
        struct out_tensor *p =
            mem_realloc(w->tensor, w->n_tensor * sizeof *p, room * sizeof *p);
        if (!p) {
            fail(w, ERR_MEMORY, "out of memory at tensor", name);
            return;
        }
        w->tensor = p;
        w->room = room;
    }
    struct out_tensor *t = &w->tensor[w->n_tensor];
    *t = (struct out_tensor){.dtype = dt, .n_dim = n_dim};
    if (strlen(name) == 0 || strlen(name) > GGUF_MAX_NAME || n_dim < 1 ||
        n_dim > GGUF_MAX_DIM) {
        fail(w, ERR_LIMIT, "name or number of dimensions is out of range:", name);
        return;
    }
    memcpy(t->name, name, strlen(name));
    memcpy(t->dim, dim, n_dim * sizeof *dim);
    if ((uint32_t)dt >= 1000)
        fail(w, ERR_UNSUPPORTED, "GGUF has no number for the type of tensor", name);
    else if (!tensor_bytes(t, &t->bytes))
        fail(w, ERR_FORMAT, "rows are not whole blocks, or the size is too large, in tensor",
             name);
    else
        w->n_tensor++;
}

uint64_t gguf_data_bytes(const struct gguf_writer *w)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n_tensor; i++) n += round_up(w->tensor[i].bytes, GGUF_ALIGN);
    return n;
}

/* ---- files -------------------------------------------------------------------------------- */

/* Which file each tensor goes to, and where in its data. */
static void place(struct gguf_writer *w)
{
    size_t file = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < w->n_tensor; i++) {
        struct out_tensor *t = &w->tensor[i];
        uint64_t bytes = round_up(t->bytes, GGUF_ALIGN);
        if (w->split_bytes && at > 0 && at + bytes > w->split_bytes) {
            file++;
            at = 0;
        }
        t->file = file;
        t->offset = at;
        at += bytes;
    }
    w->n_file = file + 1;
}

static int open_file(struct gguf_writer *w, size_t no, struct err *e)
{
    if (w->n_file == 1 && !w->split_bytes) return file_replace_open(&w->file[no], w->path, e);
    struct buf name;
    buf_init(&name, strlen(w->path) + 64);
    buf_add(&name, w->path, strlen(w->path) - 5);
    buf_printf(&name, "-%05zu-of-%05zu.gguf", no + 1, w->n_file);
    int rc = buf_ok(&name, "a file name", e);
    if (rc == 0) rc = file_replace_open(&w->file[no], buf_str(&name), e);
    buf_release(&name);
    return rc;
}

/* The keys of a split set; other files than the first have no further ones. */
static void split_keys(const struct gguf_writer *w, size_t no, struct buf *b)
{
    static const uint16_t u16 = GGUF_U16;
    uint16_t v[2] = {(uint16_t)no, (uint16_t)w->n_file};
    static const char *const key[2] = {"split.no", "split.count"};
    for (int i = 0; i < 2; i++) {
        add_str(b, span_of(key[i]));
        add_u32(b, u16);
        buf_add(b, &v[i], sizeof v[i]);
    }
    add_str(b, span_of("split.tensors.count"));
    add_u32(b, GGUF_I32);
    add_u32(b, (uint32_t)w->n_tensor);
}

static int write_header(struct gguf_writer *w, size_t no, struct err *e)
{
    struct buf b;
    uint64_t n_tensor = 0, n_kv = (no == 0 ? w->n_kv : 0) + (w->split_bytes ? 3 : 0);
    for (size_t i = 0; i < w->n_tensor; i++) n_tensor += w->tensor[i].file == no;
    buf_init(&b, HEADER_MAX);
    buf_add_str(&b, "GGUF");
    add_u32(&b, 3);
    add_u64(&b, n_tensor);
    add_u64(&b, n_kv);
    if (no == 0) buf_add(&b, buf_str(&w->kv), w->kv.len);
    if (w->split_bytes) split_keys(w, no, &b);
    for (size_t i = 0; i < w->n_tensor; i++) {
        const struct out_tensor *t = &w->tensor[i];
        if (t->file != no) continue;
        add_str(&b, span_of(t->name));
        add_u32(&b, t->n_dim);
        for (uint32_t d = 0; d < t->n_dim; d++) add_u64(&b, t->dim[d]);
        add_u32(&b, t->dtype);
        add_u64(&b, t->offset);
    }
    if (n_tensor) buf_add_zeros(&b, round_up(b.len, GGUF_ALIGN) - b.len);
    int rc = buf_ok(&b, "the GGUF header", e);
    if (rc == 0) file_replace_write(&w->file[no], buf_str(&b), b.len);
    buf_release(&b);
    return rc;
}

static int close_header(struct gguf_writer *w, struct err *e)
{
    if (w->elems_left) fail(w, ERR_BUG, "an array is not complete:", "the last key");
    if (check(w, e)) return -1;
    place(w);
    if (w->n_file > GGUF_MAX_SHARD) {
        size_t n = w->n_file;
        w->n_file = 0;
        return err_set(e, ERR_LIMIT, "%s: %zu files of that size, at most %d are allowed",
                       w->path, n, GGUF_MAX_SHARD);
    }
    w->file = mem_calloc(w->n_file, sizeof *w->file);
    if (!w->file) {
        w->n_file = 0;
        return err_oom(e, "the file table", sizeof *w->file);
    }
    w->closed = true;
    for (size_t i = 0; i < w->n_file; i++)
        if (open_file(w, i, e) || write_header(w, i, e)) return -1;
    return 0;
}

int gguf_write_data(struct gguf_writer *w, const void *p, size_t n, struct err *e)
{
    static const char zeros[GGUF_ALIGN];
    const char *from = p;
    if (!w->closed && close_header(w, e)) return -1;
    while (n > 0) {
        if (w->now == w->n_tensor)
            return err_set(e, ERR_BUG, "%s: more data than the tensors have", w->path);
        const struct out_tensor *t = &w->tensor[w->now];
        struct file_writer *f = &w->file[t->file];
        size_t m = (size_t)(t->bytes - w->written < n ? t->bytes - w->written : n);
        file_replace_write(f, from, m);
        if (f->failed) return err_errno(e, f->failed, "cannot write %s", f->path);
        from += m;
        n -= m;
        w->written += m;
        if (w->written < t->bytes) break;
        file_replace_write(f, zeros, (size_t)(round_up(t->bytes, GGUF_ALIGN) - t->bytes));
        w->now++;
        w->written = 0;
    }
    return 0;
}

int gguf_writer_commit(struct gguf_writer *w, struct err *e)
{
    if (!w->closed && close_header(w, e)) return -1;
    if (w->now != w->n_tensor)
        return err_set(e, ERR_BUG, "%s: the data of tensor %s is not complete", w->path,
                       w->tensor[w->now].name);
    for (size_t i = w->n_file; i-- > 0;)
        if (file_replace_commit(&w->file[i], e)) return -1;
    return 0;
}
