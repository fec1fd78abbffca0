/* safetensors.c - reading: headers parsed, every offset checked, data mapped and left alone.
 *
 * Within a file the tensors, sorted by their begin, must tile the data exactly: the first begins
 * at 0, each next where the one before ended, the last ends with the file. That is the format's
 * own rule, and it leaves no room for bytes nobody looks at.
 */
#include "format/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/size.h"
#include "format/name_index.h"

enum { INDEX_MAX = 256 << 20, NAME_MAX_BYTES = 256 };

struct st_file {
    struct file_map map;
    char *path;
    const char *what;
};

struct safetensors {
    struct arena names;
    struct st_file *file;
    size_t n_file;
    struct safetensors_tensor *tensor;
    size_t n_tensor;
    struct name_index index;
};

bool safetensors_dtype(struct span name, enum dtype *out)
{
    static const struct {
        const char *name;
        enum dtype dt;
    } known[] = {
        {"F32", DT_F32},         {"F16", DT_F16},         {"BF16", DT_BF16},
        {"F8_E4M3", DT_F8_E4M3}, {"F8_E5M2", DT_F8_E5M2}, {"F8_E8M0", DT_F8_E8M0},
        {"I8", DT_I8},           {"U8", DT_U8},           {"I16", DT_I16},
        {"I32", DT_I32},         {"I64", DT_I64},         {"F64", DT_F64},
        {"BOOL", DT_BOOL},
    };
    for (size_t i = 0; i < countof(known); i++) {
        if (!span_is(name, known[i].name)) continue;
        *out = known[i].dt;
        return true;
    }
    return false;
}

/* ---- one entry of the header -------------------------------------------------------------- */

static int entry_error(const char *what, const char *name, const char *fault, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: tensor %.200s: %s", what, name, fault);
}

static bool take_u64(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

/* Offsets stay relative to the data here. */
static int read_entry(const char *what, const char *name, const json_t *o,
                      struct safetensors_tensor *t, struct err *e)
{
    const json_t *dtype = json_object_get(o, "dtype"), *shape = json_object_get(o, "shape");
    const json_t *range = json_object_get(o, "data_offsets");
    uint64_t begin, end;
    size_t bytes;
    if (!json_is_object(o)) return entry_error(what, name, "the entry is not an object", e);
    if (!json_is_string(dtype)) return entry_error(what, name, "\"dtype\" is no string", e);
    struct span type = {json_string_value(dtype), json_string_length(dtype)};
    if (!safetensors_dtype(type, &t->dtype))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: tensor %.200s has type %.20s, which is not read here", what, name,
                       type.p);
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_MAX_DIM)
        return entry_error(what, name, "\"shape\" is no array of at most 8 sizes", e);
    bytes = dtype_block_bytes(t->dtype);
    t->n_dim = (int32_t)json_array_size(shape);
    for (int32_t i = 0; i < t->n_dim; i++)
        if (!take_u64(json_array_get(shape, (size_t)i), &t->dim[i]) ||
            size_mul(bytes, t->dim[i], &bytes))
            return entry_error(what, name, "a size in \"shape\" is negative or too large", e);
    if (!json_is_array(range) || json_array_size(range) != 2 ||
        !take_u64(json_array_get(range, 0), &begin) ||
        !take_u64(json_array_get(range, 1), &end))
        return entry_error(what, name, "\"data_offsets\" is no pair of places", e);
    if (end < begin || end - begin != bytes)
        return err_set(e, ERR_FORMAT,
                       "%s: tensor %.200s: \"data_offsets\" %" PRIu64 " to %" PRIu64
                       " do not hold the %zu bytes of its shape",
                       what, name, begin, end, bytes);
    t->offset = begin;
    t->bytes = bytes;
    return 0;
}

/* ---- one file ----------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset > y->offset ? 1 : -1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty tensors first */
}

static int place_data(struct safetensors_tensor *t, size_t n, const char *what,
                      const unsigned char *base, size_t start, size_t size, struct err *e)
{
    uint64_t at = 0, room = size - start;
    qsort(t, n, sizeof *t, by_place);
    for (size_t i = 0; i < n; i++) {
        if (t[i].offset != at)
            return err_set(e, ERR_FORMAT,
                           "%s: tensor %.*s begins at byte %" PRIu64
                           " of the data, the one before ends "
                           "at %" PRIu64 ": tensors overlap or leave a hole",
                           what, (int)t[i].name.n, t[i].name.p, t[i].offset, at);
        if (t[i].bytes > room - at)
            return err_set(e, ERR_FORMAT,
                           "%s: tensor %.*s ends at byte %" PRIu64
                           " of the data, which has %" PRIu64 " bytes: the file is cut off",
                           what, (int)t[i].name.n, t[i].name.p, at + t[i].bytes, room);
        t[i].data = base + start + at;
        at += t[i].bytes;
        t[i].offset += start;
    }
    if (at != room)
        return err_set(e, ERR_FORMAT, "%s: %" PRIu64 " bytes of the data belong to no tensor",
                       what, room - at);
    return 0;
}

static int read_entries(struct safetensors *s, size_t no, const json_t *header, struct err *e)
{
    const char *what = s->file[no].what;
    size_t n = json_object_size(header);
    struct safetensors_tensor *t =
        mem_realloc(s->tensor, s->n_tensor * sizeof *t, (s->n_tensor + n) * sizeof *t);
    if (!t) return err_oom(e, "the tensor directory", (s->n_tensor + n) * sizeof *t);
    s->tensor = t;
    for (void *it = json_object_iter((json_t *)(uintptr_t)header); it;
         it = json_object_iter_next((json_t *)(uintptr_t)header, it)) {
        const char *name = json_object_iter_key(it);
        size_t len = strlen(name);
        if (strcmp(name, "__metadata__") == 0) continue;
        if (len == 0 || len > NAME_MAX_BYTES)
            return err_set(e, ERR_FORMAT, "%s: a tensor name has %zu bytes, allowed is 1 to %d",
                           what, len, NAME_MAX_BYTES);
        struct safetensors_tensor *one = &t[s->n_tensor];
        *one = (struct safetensors_tensor){.file = (uint32_t)no};
        one->name = (struct span){arena_strndup(&s->names, name, len), len};
        if (!one->name.p) return err_oom(e, "a tensor name", len);
        if (read_entry(what, name, json_object_iter_value(it), one, e)) return -1;
        s->n_tensor++;
    }
    return 0;
}

static int read_file(struct safetensors *s, size_t no, const unsigned char *p, size_t size,
                     struct err *e)
{
    const char *what = s->file[no].what;
    size_t first = s->n_tensor;
    if (size < 8)
        return err_set(e, ERR_FORMAT, "%s has %zu bytes, too few for a safetensors file", what,
                       size);
    uint64_t n = load_le64(p);
    if (n < 2 || n > SAFETENSORS_MAX_HEADER || n > size - 8)
        return err_set(e, ERR_FORMAT,
                       "%s: the header's length is %" PRIu64
                       ", allowed is 2 to %d and no more than the file holds (%zu)",
                       what, n, SAFETENSORS_MAX_HEADER, size - 8);
    if (p[8] != '{')
        return err_set(e, ERR_FORMAT, "%s: the header does not begin with {", what);
    json_t *header = json_parse((struct span){(const char *)p + 8, (size_t)n}, what, e);
    if (!header) return -1;
    int rc = read_entries(s, no, header, e);
    json_decref(header);
    if (rc) return -1;
    return place_data(s->tensor + first, s->n_tensor - first, what, p, 8 + (size_t)n, size, e);
}

/* ---- sets of files ------------------------------------------------------------------------ */

static struct safetensors *create(size_t n_file)
{
    struct safetensors *s = mem_calloc(1, sizeof *s);
    if (!s) return NULL;
    arena_init(&s->names, 64 << 10, 0);
    s->file = mem_calloc(n_file, sizeof *s->file);
    if (!s->file) {
        mem_free(s);
        return NULL;
    }
    s->n_file = n_file;
    for (size_t i = 0; i < n_file; i++) s->file[i].map.fd = -1;
    return s;
}

static int open_file(struct safetensors *s, size_t no, const char *path, struct err *e)
{
    struct st_file *f = &s->file[no];
    f->path = mem_strdup(path);
    if (!f->path) return err_oom(e, "a file name", strlen(path));
    f->what = f->path;
    if (file_map_open(&f->map, path, e)) return -1;
    return read_file(s, no, f->map.data, f->map.size, e);
}

static int index_tensors(struct safetensors *s, struct err *e)
{
    if (!name_index_init(&s->index, s->n_tensor))
        return err_oom(e, "the tensor index", s->n_tensor * 8);
    for (size_t i = 0; i < s->n_tensor; i++)
        if (!name_index_add(&s->index, s->tensor, sizeof *s->tensor, i))
            return err_set(e, ERR_FORMAT, "%s: tensor %.*s is in another file too",
                           s->file[s->tensor[i].file].what, (int)s->tensor[i].name.n,
                           s->tensor[i].name.p);
    return 0;
}

static int open_one(struct safetensors **out, const char *path, struct err *e)
{
    struct safetensors *s = create(1);
    if (!s) return err_oom(e, "the safetensors reader", sizeof *s);
    if (open_file(s, 0, path, e) || index_tensors(s, e)) {
        safetensors_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct file names of weight_map, sorted; they point into the JSON. */
static int file_names(const json_t *map, const char *what, const char **name, size_t *n,
                      struct err *e)
{
    size_t m = 0;
    for (void *it = json_object_iter((json_t *)(uintptr_t)map); it;
         it = json_object_iter_next((json_t *)(uintptr_t)map, it)) {
        const json_t *v = json_object_iter_value(it);
        const char *s = json_string_value(v);
        if (!s || s[0] == 0 || s[0] == '.' || strlen(s) != json_string_length(v) ||
            strlen(s) > NAME_MAX_BYTES || strchr(s, '/'))
            return err_set(e, ERR_FORMAT,
                           "%s: \"weight_map\" gives %.200s a file that is no plain file name",
                           what, json_object_iter_key(it));
        name[m++] = s;
    }
    qsort(name, m, sizeof *name, by_text);
    *n = 0;
    for (size_t i = 0; i < m; i++)
        if (*n == 0 || strcmp(name[*n - 1], name[i]) != 0) name[(*n)++] = name[i];
    if (*n == 0 || *n > SAFETENSORS_MAX_FILES)
        return err_set(e, ERR_FORMAT, "%s: \"weight_map\" names %zu files, allowed is 1 to %d",
                       what, *n, SAFETENSORS_MAX_FILES);
    return 0;
}

/* Every entry of the index is a tensor of the file it names. */
static int check_map(const struct safetensors *s, const json_t *map, const char *what,
                     struct err *e)
{
    for (void *it = json_object_iter((json_t *)(uintptr_t)map); it;
         it = json_object_iter_next((json_t *)(uintptr_t)map, it)) {
        const char *name = json_object_iter_key(it);
        const char *file = json_string_value(json_object_iter_value(it));
        const struct safetensors_tensor *t = safetensors_find(s, span_of(name));
        const char *path = t ? s->file[t->file].path : "";
        size_t a = strlen(path), b = strlen(file);
        if (!t || a < b || strcmp(path + a - b, file) != 0)
            return err_set(e, ERR_FORMAT,
                           "%s: tensor %.200s is not in %s, where the index puts it", what,
                           name, file);
    }
    return 0;
}

static int open_files(struct safetensors *s, const char *dir, const char *const *name,
                      struct err *e)
{
    for (size_t i = 0; i < s->n_file; i++) {
        char *path = file_join(dir, name[i]);
        if (!path) return err_oom(e, "a file name", strlen(dir));
        int rc = open_file(s, i, path, e);
        mem_free(path);
        if (rc) return -1;
    }
    return index_tensors(s, e);
}

static int open_index(struct safetensors **out, const char *dir, const char *path,
                      struct err *e)
{
    struct safetensors *s = NULL;
    const char **name = NULL;
    size_t n = 0;
    int rc = -1;
    json_t *j = json_parse_file(path, INDEX_MAX, e);
    if (!j) return -1;
    const json_t *map = json_object_get(j, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0) {
        err_set(e, ERR_FORMAT, "%s: \"weight_map\" is no object with entries", path);
        goto out;
    }
    name = mem_calloc(json_object_size(map), sizeof(const char *));
    if (!name) {
        err_oom(e, "the list of files", json_object_size(map) * sizeof(const char *));
        goto out;
    }
    if (file_names(map, path, name, &n, e)) goto out;
    s = create(n);
    if (!s) {
        err_oom(e, "the safetensors reader", n * sizeof(struct st_file));
        goto out;
    }
    if (open_files(s, dir, name, e) || check_map(s, map, path, e)) {
        safetensors_close(s);
        goto out;
    }
    *out = s;
    rc = 0;
out:
    mem_free(name);
    json_decref(j);
    return rc;
}

int safetensors_open(struct safetensors **out, const char *path, struct err *e)
{
    static const char *const name[] = {"model.safetensors.index.json", "model.safetensors",
                                       "weights.safetensors"};
    *out = NULL;
    if (!file_is_dir(path)) return open_one(out, path, e);
    for (size_t i = 0; i < countof(name); i++) {
        char *full = file_join(path, name[i]);
        if (!full) return err_oom(e, "a file name", strlen(path));
        bool there = file_exists(full);
        int rc = !there ? 0 : i == 0 ? open_index(out, path, full, e) : open_one(out, full, e);
        mem_free(full);
        if (there) return rc;
    }
    return err_set(e, ERR_NOT_FOUND, "%s holds neither %s nor %s", path, name[0], name[1]);
}

int safetensors_open_bytes(struct safetensors **out, const void *p, size_t n, const char *what,
                           struct err *e)
{
    *out = NULL;
    struct safetensors *s = create(1);
    if (!s) return err_oom(e, "the safetensors reader", sizeof *s);
    s->file[0].what = what;
    if (read_file(s, 0, p, n, e) || index_tensors(s, e)) {
        safetensors_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void safetensors_close(struct safetensors *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n_file; i++) {
        if (s->file[i].map.data) file_map_close(&s->file[i].map);
        mem_free(s->file[i].path);
    }
    mem_free(s->file);
    mem_free(s->tensor);
    name_index_release(&s->index);
    arena_release(&s->names);
    mem_free(s);
}

size_t safetensors_n_file(const struct safetensors *s)
{
    return s->n_file;
}

const char *safetensors_file_path(const struct safetensors *s, size_t file)
{
    return s->file[file].what;
}

const struct file_map *safetensors_map(const struct safetensors *s, size_t file)
{
    return s->file[file].path ? &s->file[file].map : NULL;
}

size_t safetensors_n_tensor(const struct safetensors *s)
{
    return s->n_tensor;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t i)
{
    return &s->tensor[i];
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *s, struct span name)
{
    size_t i = name_index_find(&s->index, s->tensor, sizeof *s->tensor, name);
    return i == NAME_NONE ? NULL : &s->tensor[i];
}
