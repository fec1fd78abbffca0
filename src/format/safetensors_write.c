/* safetensors_write.c - announces all tensors, then streams their bytes.
 *
 * Tensors fill the files in the order they are announced; a new file begins when the next one
 * would exceed the split size. The header is padded with spaces so that the data begins at a
 * multiple of 8.
 */
#include "format/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/size.h"

enum { FIRST_TENSORS = 256, META_MAX = 1 << 20 };

struct out_tensor {
    char *name;
    enum dtype dtype;
    int32_t n_dim;
    uint64_t dim[SAFETENSORS_MAX_DIM];
    size_t bytes, file;
};

struct safetensors_writer {
    char *dir, *stem;
    uint64_t split_bytes;
    struct buf meta; /* "key":"value", ... */
    struct out_tensor *tensor;
    size_t n_tensor, room;
    struct file_writer *file;
    size_t n_file;
    bool closed;
    size_t now, written;
};

int safetensors_writer_create(struct safetensors_writer **out, const char *dir,
                              const char *stem, uint64_t split_bytes, struct err *e)
{
    *out = NULL;
    struct safetensors_writer *w = mem_calloc(1, sizeof *w);
    if (!w) return err_oom(e, "the safetensors writer", sizeof *w);
    buf_init(&w->meta, META_MAX);
    w->split_bytes = split_bytes;
    w->dir = mem_strdup(dir);
    w->stem = mem_strdup(stem);
    if (!w->dir || !w->stem) {
        safetensors_writer_free(w);
        return err_oom(e, "a file name", strlen(dir));
    }
    *out = w;
    return 0;
}

void safetensors_writer_free(struct safetensors_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_file; i++) file_replace_abort(&w->file[i]);
    for (size_t i = 0; i < w->n_tensor; i++) mem_free(w->tensor[i].name);
    mem_free(w->file);
    mem_free(w->tensor);
    mem_free(w->dir);
    mem_free(w->stem);
    buf_release(&w->meta);
    mem_free(w);
}

int safetensors_put_meta(struct safetensors_writer *w, const char *key, struct span value,
                         struct err *e)
{
    if (w->meta.len) buf_add_char(&w->meta, ',');
    buf_add_json(&w->meta, span_of(key));
    buf_add_char(&w->meta, ':');
    buf_add_json(&w->meta, value);
    return buf_ok(&w->meta, "the metadata of a safetensors file", e);
}

/* The type's name in the format, which is ours; block formats have none. */
static bool has_type(enum dtype dt)
{
    enum dtype same;
    return safetensors_dtype(span_of(dtype_name(dt)), &same) && same == dt;
}

int safetensors_add(struct safetensors_writer *w, const char *name, enum dtype dt,
                    int32_t n_dim, const uint64_t *dim, struct err *e)
{
    if (w->closed)
        return err_set(e, ERR_BUG, "tensor %s is announced after the data began", name);
    if (!has_type(dt))
        return err_set(e, ERR_UNSUPPORTED, "safetensors cannot hold tensor %s of type %s", name,
                       dtype_name(dt));
    if (n_dim < 0 || n_dim > SAFETENSORS_MAX_DIM)
        return err_set(e, ERR_LIMIT, "tensor %s has %d dimensions", name, n_dim);
    if (w->n_tensor == w->room) {
        size_t room = w->room ? w->room * 2 : FIRST_TENSORS;
        struct out_tensor *p =
            mem_realloc(w->tensor, w->n_tensor * sizeof *p, room * sizeof *p);
        if (!p) return err_oom(e, "the tensor directory", room * sizeof *p);
        w->tensor = p;
        w->room = room;
    }
    struct out_tensor *t = &w->tensor[w->n_tensor];
    *t = (struct out_tensor){.dtype = dt, .n_dim = n_dim, .bytes = dtype_block_bytes(dt)};
    for (int32_t i = 0; i < n_dim; i++) {
        t->dim[i] = dim[i];
        if (size_mul(t->bytes, dim[i], &t->bytes))
            return err_set(e, ERR_LIMIT, "the size of tensor %s in bytes is too large", name);
    }
    t->name = mem_strdup(name);
    if (!t->name) return err_oom(e, "a tensor name", strlen(name));
    w->n_tensor++;
    return 0;
}

/* ---- files -------------------------------------------------------------------------------- */

static void place(struct safetensors_writer *w)
{
    size_t file = 0, at = 0;
    for (size_t i = 0; i < w->n_tensor; i++) {
        if (w->split_bytes && at > 0 && at + w->tensor[i].bytes > w->split_bytes) {
            file++;
            at = 0;
        }
        w->tensor[i].file = file;
        at += w->tensor[i].bytes;
    }
    w->n_file = file + 1;
}

static void file_name(const struct safetensors_writer *w, size_t no, char out[512])
{
    if (w->split_bytes)
        snprintf(out, 512, "%.400s-%05zu-of-%05zu.safetensors", w->stem, no + 1, w->n_file);
    else
        snprintf(out, 512, "%.400s.safetensors", w->stem);
}

static void header_text(const struct safetensors_writer *w, size_t no, struct buf *b)
{
    size_t at = 0;
    buf_add_str(b, "{\"__metadata__\":{");
    buf_add_span(b, buf_span(&w->meta));
    buf_add_char(b, '}');
    for (size_t i = 0; i < w->n_tensor; i++) {
        const struct out_tensor *t = &w->tensor[i];
        if (t->file != no) continue;
        buf_add_char(b, ',');
        buf_add_json(b, span_of(t->name));
        buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->dtype));
        for (int32_t d = 0; d < t->n_dim; d++)
            buf_printf(b, "%s%" PRIu64, d ? "," : "", t->dim[d]);
        buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", at, at + t->bytes);
        at += t->bytes;
    }
    buf_add_char(b, '}');
    while (b->len % 8 != 0 && !b->failed) buf_add_char(b, ' ');
}

static int open_file(struct safetensors_writer *w, size_t no, struct err *e)
{
    char name[512];
    file_name(w, no, name);
    char *path = file_join(w->dir, name);
    if (!path) return err_oom(e, "a file name", strlen(w->dir));
    int rc = file_replace_open(&w->file[no], path, e);
    mem_free(path);
    if (rc) return -1;
    struct buf b;
    buf_init(&b, SAFETENSORS_MAX_HEADER);
    header_text(w, no, &b);
    rc = buf_ok(&b, "the header of a safetensors file", e);
    if (rc == 0) {
        uint64_t n = b.len;
        file_replace_write(&w->file[no], &n, sizeof n);
        file_replace_write(&w->file[no], buf_str(&b), b.len);
    }
    buf_release(&b);
    return rc;
}

static int close_header(struct safetensors_writer *w, struct err *e)
{
    w->closed = true;
    place(w);
    if (w->n_file > SAFETENSORS_MAX_FILES) {
        w->n_file = 0;
        return err_set(e, ERR_LIMIT, "%s: more than %d files of that size are needed", w->dir,
                       SAFETENSORS_MAX_FILES);
    }
    w->file = mem_calloc(w->n_file, sizeof *w->file);
    if (!w->file) {
        w->n_file = 0;
        return err_oom(e, "the file table", sizeof *w->file);
    }
    for (size_t i = 0; i < w->n_file; i++)
        if (open_file(w, i, e)) return -1;
    return 0;
}

/* Empty tensors have no bytes to wait for. */
static void skip_done(struct safetensors_writer *w)
{
    while (w->now < w->n_tensor && w->written == w->tensor[w->now].bytes) {
        w->now++;
        w->written = 0;
    }
}

int safetensors_write_data(struct safetensors_writer *w, const void *p, size_t n, struct err *e)
{
    const char *from = p;
    if (!w->closed && close_header(w, e)) return -1;
    skip_done(w);
    while (n > 0) {
        if (w->now == w->n_tensor)
            return err_set(e, ERR_BUG, "%s: more data than the tensors have", w->dir);
        struct file_writer *f = &w->file[w->tensor[w->now].file];
        size_t m = size_min(n, w->tensor[w->now].bytes - w->written);
        file_replace_write(f, from, m);
        if (f->failed) return err_errno(e, f->failed, "cannot write %s", f->path);
        from += m;
        n -= m;
        w->written += m;
        skip_done(w);
    }
    return 0;
}

static int write_index(struct safetensors_writer *w, struct err *e)
{
    char name[512];
    struct buf b;
    size_t total = 0;
    for (size_t i = 0; i < w->n_tensor; i++) total += w->tensor[i].bytes;
    buf_init(&b, SAFETENSORS_MAX_HEADER);
    buf_printf(&b, "{\n \"metadata\": {\"total_size\": %zu},\n \"weight_map\": {", total);
    for (size_t i = 0; i < w->n_tensor; i++) {
        file_name(w, w->tensor[i].file, name);
        buf_add_str(&b, i ? ",\n  " : "\n  ");
        buf_add_json(&b, span_of(w->tensor[i].name));
        buf_add_str(&b, ": ");
        buf_add_json(&b, span_of(name));
    }
    buf_add_str(&b, "\n }\n}\n");
    snprintf(name, sizeof name, "%.400s.safetensors.index.json", w->stem);
    char *path = file_join(w->dir, name);
    int rc = buf_ok(&b, "the index of the safetensors files", e);
    if (rc == 0) rc = path ? file_replace(path, buf_str(&b), b.len, e) : err_oom(e, name, 512);
    mem_free(path);
    buf_release(&b);
    return rc;
}

int safetensors_writer_commit(struct safetensors_writer *w, struct err *e)
{
    if (!w->closed && close_header(w, e)) return -1;
    skip_done(w);
    if (w->now != w->n_tensor)
        return err_set(e, ERR_BUG, "%s: the data of tensor %s is not complete", w->dir,
                       w->tensor[w->now].name);
    for (size_t i = 0; i < w->n_file; i++)
        if (file_replace_commit(&w->file[i], e)) return -1;
    return w->split_bytes ? write_index(w, e) : 0;
}
