/* gguf_read.c - the one reader of GGUF headers.
 *
 *   open:  map -> magic, version -> keys -> tensor directory -> data section -> next shard
 *
 * Every read goes through struct cursor, which knows the end of the file. Counts are compared with
 * the bytes that are left (each entry has a smallest size) before memory is taken for them. The
 * directory is checked as a whole at the end: rows are whole blocks, offsets aligned, data inside
 * the file and not overlapping.
 */
#include "format/gguf_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/size.h"
#include "format/name_index.h"

enum {
    MIN_KV_BYTES = 8 + 1 + 4 + 1,             /* key of one byte, type, one-byte value */
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* name of one byte, one dimension */
    OWN_DTYPE = 1000                          /* ids from here on are not GGUF's */
};

/* The keys of one file and their index. */
struct keys {
    struct gguf_kv *kv;
    size_t n;
    struct name_index index;
};

struct shard {
    struct file_map map;
    char *path;       /* own copy; NULL for bytes in memory */
    const char *what; /* for messages */
    size_t first, n;  /* tensors */
};

struct gguf {
    struct shard *shard;
    size_t n_shard;
    uint32_t version;
    size_t align;
    struct keys keys;
    struct gguf_tensor *tensor;
    size_t n_tensor;
    struct name_index index;
};

struct cursor {
    const unsigned char *base, *p, *end;
    const char *what; /* file, for messages */
};

/* How many bytes an element of this type has; 0 for strings and arrays. */
static size_t type_bytes(enum gguf_type t)
{
    switch (t) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL: return 1;
    case GGUF_U16:
    case GGUF_I16: return 2;
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_F32: return 4;
    case GGUF_U64:
    case GGUF_I64:
    case GGUF_F64: return 8;
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_TYPE_COUNT: break;
    }
    return 0;
}

const char *gguf_type_name(enum gguf_type t)
{
    static const char *const name[GGUF_TYPE_COUNT] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                      "i32", "f32", "bool", "string", "array",
                                                      "u64", "i64", "f64"};
    return (unsigned)t < GGUF_TYPE_COUNT ? name[t] : "unknown";
}

static bool is_int(enum gguf_type t)
{
    return type_bytes(t) != 0 && t != GGUF_F32 && t != GGUF_F64 && t != GGUF_BOOL;
}

/* A u64 above the range of i64 becomes the largest i64; every caller has a smaller limit. */
static int64_t load_int(enum gguf_type t, const unsigned char *p)
{
    uint64_t v = 0;
    memcpy(&v, p, type_bytes(t));
    switch (t) {
    case GGUF_I8: return (int8_t)v;
    case GGUF_I16: return (int16_t)v;
    case GGUF_I32: return (int32_t)v;
    case GGUF_U64: return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_BOOL:
    case GGUF_I64: return (int64_t)v;
    case GGUF_F32:
    case GGUF_F64:
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_TYPE_COUNT: break;
    }
    return 0;
}

static bool load_number(enum gguf_type t, const unsigned char *p, double *out)
{
    if (t == GGUF_F32)
        *out = (double)f32_from_bits(load_le32(p));
    else if (t == GGUF_F64)
        memcpy(out, p, sizeof *out);
    else if (is_int(t))
        *out = (double)load_int(t, p);
    else
        return false;
    return true;
}

/* ---- the checked reader ------------------------------------------------------------------- */

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->p);
}

static int cut_off(const struct cursor *c, const char *field, uint64_t need, struct err *e)
{
    return err_set(e, ERR_FORMAT,
                   "%s ends inside its header: the %s at byte %zu needs %" PRIu64
                   " bytes, %zu are left",
                   c->what, field, (size_t)(c->p - c->base), need, left(c));
}

static int take(struct cursor *c, uint64_t n, const unsigned char **out, const char *field,
                struct err *e)
{
    if (n > left(c)) {
        cut_off(c, field, n, e);
        return -1; /* spelt out, so that the compiler sees *out set on every other way */
    }
    *out = c->p;
    c->p += n;
    return 0;
}

static int take_u32(struct cursor *c, uint32_t *out, const char *field, struct err *e)
{
    const unsigned char *p;
    if (take(c, 4, &p, field, e)) return -1;
    *out = load_le32(p);
    return 0;
}

static int take_u64(struct cursor *c, uint64_t *out, const char *field, struct err *e)
{
    const unsigned char *p;
    if (take(c, 8, &p, field, e)) return -1;
    *out = load_le64(p);
    return 0;
}

static int take_str(struct cursor *c, struct span *out, const char *field, struct err *e)
{
    uint64_t n;
    const unsigned char *p;
    if (take_u64(c, &n, field, e) || take(c, n, &p, field, e)) return -1;
    *out = (struct span){(const char *)p, (size_t)n};
    return 0;
}

static int take_type(struct cursor *c, enum gguf_type *out, const char *field, struct err *e)
{
    uint32_t t;
    if (take_u32(c, &t, field, e)) return -1;
    if (t >= GGUF_TYPE_COUNT)
        return err_set(e, ERR_FORMAT, "%s: the %s at byte %zu is %u, types go up to %d",
                       c->what, field, (size_t)(c->p - c->base) - 4, t, GGUF_TYPE_COUNT - 1);
    *out = (enum gguf_type)t;
    return 0;
}

/* ---- keys and values ---------------------------------------------------------------------- */

/* Steps over the elements of an array; nested arrays with an explicit stack of what is left. */
static int skip_elems(struct cursor *c, enum gguf_type type, uint64_t n, struct err *e)
{
    struct {
        enum gguf_type type;
        uint64_t left;
    } level[GGUF_MAX_NEST] = {{type, n}};
    int depth = 0;
    while (depth >= 0) {
        enum gguf_type t = level[depth].type;
        const unsigned char *p;
        struct span s;
        /* a string has 8 bytes at least, an array 12 */
        size_t least = type_bytes(t) ? type_bytes(t) : 8;
        if (level[depth].left > left(c) / least)
            return cut_off(c, "array", level[depth].left, e);
        if (t == GGUF_ARRAY && level[depth].left > 0) {
            level[depth].left--;
            if (++depth == GGUF_MAX_NEST)
                return err_set(e, ERR_FORMAT, "%s: arrays are nested deeper than %d", c->what,
                               GGUF_MAX_NEST);
            if (take_type(c, &level[depth].type, "array type", e) ||
                take_u64(c, &level[depth].left, "array length", e))
                return -1;
            continue;
        }
        if (t == GGUF_STRING) {
            for (; level[depth].left > 0; level[depth].left--)
                if (take_str(c, &s, "string", e)) return -1;
        } else if (take(c, level[depth].left * type_bytes(t), &p, "array", e)) {
            return -1;
        }
        depth--;
    }
    return 0;
}

static int take_value(struct cursor *c, struct gguf_kv *kv, struct err *e)
{
    struct span s;
    if (take_type(c, &kv->type, "value type", e)) return -1;
    kv->n = 1;
    if (kv->type == GGUF_STRING) {
        if (take_str(c, &s, "string", e)) return -1;
        kv->p = (const unsigned char *)s.p;
        kv->bytes = s.n;
        return 0;
    }
    if (kv->type == GGUF_ARRAY) {
        if (take_type(c, &kv->elem, "array type", e) || take_u64(c, &kv->n, "array length", e))
            return -1;
        kv->p = c->p;
        if (skip_elems(c, kv->elem, kv->n, e)) return -1;
    } else if (take(c, type_bytes(kv->type), &kv->p, "value", e)) {
        return -1;
    } else if (kv->type == GGUF_BOOL && kv->p[0] > 1) {
        return err_set(e, ERR_FORMAT, "%s: a bool has the value %d", c->what, kv->p[0]);
    }
    kv->bytes = (size_t)(c->p - kv->p);
    return 0;
}

static void keys_release(struct keys *k)
{
    name_index_release(&k->index);
    mem_free(k->kv);
    *k = (struct keys){0};
}

static int read_keys(struct cursor *c, uint64_t n, struct keys *k, struct err *e)
{
    if (n > left(c) / MIN_KV_BYTES)
        return err_set(e, ERR_FORMAT,
                       "%s: the header counts %" PRIu64 " keys, the file has room for %zu",
                       c->what, n, left(c) / MIN_KV_BYTES);
    k->kv = mem_calloc((size_t)n, sizeof *k->kv);
    if (!k->kv || !name_index_init(&k->index, (size_t)n))
        return err_oom(e, "the key table", (size_t)n * sizeof *k->kv);
    for (size_t i = 0; i < n; i++) {
        struct gguf_kv *kv = &k->kv[i];
        if (take_str(c, &kv->key, "key", e)) return -1;
        if (kv->key.n == 0 || kv->key.n > GGUF_MAX_KEY)
            return err_set(e, ERR_FORMAT, "%s: key %zu has %zu bytes, allowed is 1 to %d",
                           c->what, i, kv->key.n, GGUF_MAX_KEY);
        if (take_value(c, kv, e)) return err_wrap(e, "key %.*s", (int)kv->key.n, kv->key.p);
        if (!name_index_add(&k->index, k->kv, sizeof *k->kv, i))
            return err_set(e, ERR_FORMAT, "%s: key %.*s is there twice", c->what,
                           (int)kv->key.n, kv->key.p);
        k->n = i + 1;
    }
    return 0;
}

static const struct gguf_kv *find_key(const struct keys *k, const char *key)
{
    size_t i = name_index_find(&k->index, k->kv, sizeof *k->kv, span_of(key));
    return i == NAME_NONE ? NULL : &k->kv[i];
}

/* ---- tensor directory --------------------------------------------------------------------- */

static int tensor_error(const struct cursor *c, const struct gguf_tensor *t, const char *fault,
                        struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: tensor %.*s: %s", c->what, (int)t->name.n, t->name.p,
                   fault);
}

static int read_tensor(struct cursor *c, struct gguf_tensor *t, struct err *e)
{
    uint32_t type;
    if (take_str(c, &t->name, "tensor name", e)) return -1;
    if (t->name.n == 0 || t->name.n > GGUF_MAX_NAME || memchr(t->name.p, 0, t->name.n))
        return err_set(e, ERR_FORMAT,
                       "%s: a tensor name has %zu bytes or a zero in it, allowed is 1 to %d",
                       c->what, t->name.n, GGUF_MAX_NAME);
    if (take_u32(c, &t->n_dim, "number of dimensions", e)) return -1;
    if (t->n_dim < 1 || t->n_dim > GGUF_MAX_DIM)
        return err_set(e, ERR_FORMAT, "%s: tensor %.*s has %u dimensions, allowed is 1 to %d",
                       c->what, (int)t->name.n, t->name.p, t->n_dim, GGUF_MAX_DIM);
    size_t rows = 1, row_bytes;
    for (uint32_t i = 0; i < GGUF_MAX_DIM; i++) t->dim[i] = 1;
    for (uint32_t i = 0; i < t->n_dim; i++) {
        if (take_u64(c, &t->dim[i], "dimension", e)) return -1;
        if (t->dim[i] == 0) return tensor_error(c, t, "a dimension is 0", e);
        if (i > 0 && size_mul(rows, t->dim[i], &rows))
            return tensor_error(c, t, "the product of the dimensions is too large", e);
    }
    if (take_u32(c, &type, "tensor type", e) || take_u64(c, &t->offset, "tensor offset", e))
        return -1;
    if (type >= OWN_DTYPE || !dtype_known(type))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: tensor %.*s has type %u, which is not read here", c->what,
                       (int)t->name.n, t->name.p, type);
    t->dtype = (enum dtype)type;
    if (dtype_row_bytes(t->dtype, t->dim[0], &row_bytes))
        return err_set(e, ERR_FORMAT,
                       "%s: tensor %.*s has rows of %" PRIu64
                       " elements, not whole blocks of %s",
                       c->what, (int)t->name.n, t->name.p, t->dim[0], dtype_name(t->dtype));
    if (size_mul(rows, row_bytes, &t->bytes))
        return tensor_error(c, t, "the size in bytes is too large", e);
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(struct gguf_tensor *const *)a;
    const struct gguf_tensor *y = *(struct gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int check_overlap(struct gguf *g, const struct shard *s, struct err *e)
{
    struct gguf_tensor **order = mem_calloc(s->n, sizeof(struct gguf_tensor *));
    if (!order) return err_oom(e, "the tensor order", s->n * sizeof(struct gguf_tensor *));
    for (size_t i = 0; i < s->n; i++) order[i] = &g->tensor[s->first + i];
    qsort(order, s->n, sizeof(struct gguf_tensor *), by_offset);
    int rc = 0;
    for (size_t i = 1; i < s->n && rc == 0; i++)
        if (order[i]->offset < order[i - 1]->offset + order[i - 1]->bytes)
            rc = err_set(e, ERR_FORMAT, "%s: tensors %.*s and %.*s overlap", s->what,
                         (int)order[i - 1]->name.n, order[i - 1]->name.p, (int)order[i]->name.n,
                         order[i]->name.p);
    mem_free(order);
    return rc;
}

/* Offsets in the directory count from the aligned end of it; afterwards from the file's start. */
static int place_data(struct gguf *g, const struct shard *s, const struct cursor *c,
                      struct err *e)
{
    size_t start, size = (size_t)(c->end - c->base);
    if (size_round_up((size_t)(c->p - c->base), g->align, &start) || start > size)
        return cut_off(c, "padding in front of the data", g->align, e);
    for (size_t i = s->first; i < s->first + s->n; i++) {
        struct gguf_tensor *t = &g->tensor[i];
        size_t room = size - start;
        if (t->offset % g->align != 0)
            return err_set(e, ERR_FORMAT,
                           "%s: tensor %.*s is at offset %" PRIu64
                           ", which is no multiple of the alignment %zu",
                           s->what, (int)t->name.n, t->name.p, t->offset, g->align);
        if (t->offset > room || t->bytes > room - t->offset)
            return err_set(e, ERR_FORMAT,
                           "%s: tensor %.*s has %zu bytes at offset %" PRIu64
                           " of the data, which has %zu bytes: the file is cut off or damaged",
                           s->what, (int)t->name.n, t->name.p, t->bytes, t->offset, room);
        t->offset += start;
        t->data = c->base + t->offset;
    }
    return check_overlap(g, s, e);
}

static int read_directory(struct gguf *g, struct shard *s, struct cursor *c, uint64_t n,
                          struct err *e)
{
    if (n > left(c) / MIN_TENSOR_BYTES)
        return err_set(e, ERR_FORMAT,
                       "%s: the header counts %" PRIu64 " tensors, the file has room for %zu",
                       s->what, n, left(c) / MIN_TENSOR_BYTES);
    if (n == 0) return 0;
    s->first = g->n_tensor;
    size_t all = g->n_tensor + (size_t)n;
    struct gguf_tensor *t = mem_realloc(g->tensor, g->n_tensor * sizeof *t, all * sizeof *t);
    if (!t) return err_oom(e, "the tensor directory", all * sizeof *t);
    g->tensor = t;
    for (size_t i = s->first; i < all; i++) {
        t[i] = (struct gguf_tensor){.shard = (uint32_t)(s - g->shard)};
        if (read_tensor(c, &t[i], e)) return -1;
    }
    s->n = (size_t)n;
    g->n_tensor = all;
    return place_data(g, s, c, e);
}

static int index_tensors(struct gguf *g, struct err *e)
{
    if (!name_index_init(&g->index, g->n_tensor))
        return err_oom(e, "the tensor index", g->n_tensor * 8);
    for (size_t i = 0; i < g->n_tensor; i++)
        if (!name_index_add(&g->index, g->tensor, sizeof *g->tensor, i))
            return err_set(e, ERR_FORMAT, "%s: tensor %.*s is there twice", gguf_path(g),
                           (int)g->tensor[i].name.n, g->tensor[i].name.p);
    return 0;
}

/* ---- one file ----------------------------------------------------------------------------- */

static int read_magic(struct cursor *c, uint32_t *version, struct err *e)
{
    const unsigned char *p;
    if (left(c) < 4 || memcmp(c->p, "GGUF", 4) != 0)
        return err_set(e, ERR_FORMAT, "%s is not a GGUF file: it does not begin with \"GGUF\"",
                       c->what);
    if (take(c, 4, &p, "magic", e) || take_u32(c, version, "version", e)) return -1;
    if (*version == 2 || *version == 3) return 0;
    if (*version == 1) {
        err_set(e, ERR_UNSUPPORTED, "%s has GGUF version 1; versions 2 and 3 are read",
                c->what);
        return err_hint(
            e, "version 1 was in use for a few weeks of 2023: convert the model again");
    }
    if ((*version & 0xffff) == 0 && *version != 0) {
        err_set(e, ERR_UNSUPPORTED,
                "%s is a big-endian GGUF file; only little-endian ones are read", c->what);
        return err_hint(e, "convert it again from the original model on this kind of machine");
    }
    return err_set(e, ERR_UNSUPPORTED, "%s has GGUF version %u; versions 2 and 3 are read",
                   c->what, *version);
}

static int read_align(struct gguf *g, const struct keys *k, const char *what, struct err *e)
{
    const struct gguf_kv *kv = find_key(k, "general.alignment");
    int64_t a = !kv ? GGUF_ALIGN : is_int(kv->type) ? load_int(kv->type, kv->p) : 0;
    if (a < 8 || a > 1 << 20 || a % 8 != 0)
        return err_set(e, ERR_FORMAT,
                       "%s: general.alignment is not a multiple of 8 from 8 to 1048576", what);
    g->align = (size_t)a;
    return 0;
}

/* Reads shard `no`; *count gets its split.count, 1 when the key is absent. */
static int read_shard(struct gguf *g, size_t no, const void *p, size_t n, int64_t *count,
                      struct err *e)
{
    struct shard *s = &g->shard[no];
    struct cursor c = {.base = p, .p = p, .end = (const unsigned char *)p + n, .what = s->what};
    struct keys later = {0}; /* of shards after the first: only split.* */
    struct keys *k = no == 0 ? &g->keys : &later;
    uint64_t n_tensor, n_kv;
    uint32_t version = 0;
    int rc = -1;
    if (read_magic(&c, &version, e) || take_u64(&c, &n_tensor, "tensor count", e) ||
        take_u64(&c, &n_kv, "key count", e) || read_keys(&c, n_kv, k, e) ||
        read_align(g, k, s->what, e))
        goto out;
    if (no == 0) g->version = version;
    const struct gguf_kv *kc = find_key(k, "split.count"), *kn = find_key(k, "split.no");
    *count = kc && is_int(kc->type) ? load_int(kc->type, kc->p) : 1;
    if (*count > 1 && (!kn || !is_int(kn->type) || load_int(kn->type, kn->p) != (int64_t)no)) {
        err_set(e, ERR_FORMAT, "%s: split.no is not %zu, the file's place in the set", s->what,
                no);
        goto out;
    }
    rc = read_directory(g, s, &c, n_tensor, e);
out:
    keys_release(&later);
    return rc;
}

/* ---- sets of files ------------------------------------------------------------------------ */

/* "...-00002-of-00005.gguf": *at is where the first dash stands. False for any other name. */
static bool split_name(const char *path, size_t *at, unsigned *no, unsigned *count)
{
    static const char form[] = "-00000-of-00000.gguf";
    size_t n = strlen(path), m = sizeof form - 1;
    if (n <= m) return false;
    const char *s = path + n - m;
    for (size_t i = 0; i < m; i++)
        if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return false;
    *no = (unsigned)strtoul(s + 1, NULL, 10);
    *count = (unsigned)strtoul(s + 10, NULL, 10);
    *at = n - m;
    return true;
}

static int open_shard(struct gguf *g, size_t no, const char *path, int64_t *count,
                      struct err *e)
{
    struct shard *s = &g->shard[no];
    s->path = mem_strdup(path);
    if (!s->path) return err_oom(e, "a file name", strlen(path));
    s->what = s->path;
    if (file_map_open(&s->map, path, e)) return -1;
    return read_shard(g, no, s->map.data, s->map.size, count, e);
}

/* path without its last `tail` bytes, then the place in the set: a new string, or NULL. */
static char *shard_path(const char *path, size_t stem, size_t no, size_t count)
{
    struct buf b;
    buf_init(&b, stem + 64);
    buf_add(&b, path, stem);
    buf_printf(&b, "-%05zu-of-%05zu.gguf", no, count);
    return buf_take(&b, NULL);
}

static int open_set(struct gguf *g, const char *path, size_t stem, struct err *e)
{
    int64_t count, total = -1;
    for (size_t i = 0; i < g->n_shard; i++) {
        char *name = shard_path(path, stem, i + 1, g->n_shard);
        if (!name) return err_oom(e, "a file name", stem);
        int rc = open_shard(g, i, name, &count, e);
        if (rc == 0 && count != (int64_t)g->n_shard)
            rc = err_set(e, ERR_FORMAT, "%s: split.count is %" PRId64 ", the name says %zu",
                         name, count, g->n_shard);
        mem_free(name);
        if (rc) return err_wrap(e, "file %zu of %zu", i + 1, g->n_shard);
    }
    if (gguf_get_i64_opt(g, "split.tensors.count", 0, INT32_MAX, &total, e)) return -1;
    if (total >= 0 && (size_t)total != g->n_tensor)
        return err_set(e, ERR_FORMAT,
                       "%s: split.tensors.count is %" PRId64 ", the files hold %zu tensors",
                       path, total, g->n_tensor);
    return 0;
}

static int open_single(struct gguf *g, const char *path, struct err *e)
{
    int64_t count;
    if (open_shard(g, 0, path, &count, e)) return -1;
    if (count == 1 || count == 0) return 0;
    err_set(e, ERR_FORMAT, "%s: split.count is %" PRId64 ", but the name does not say so", path,
            count);
    return err_hint(e, "a split model keeps its names, NAME-00001-of-000NN.gguf");
}

static struct gguf *create(size_t n_shard)
{
    struct gguf *g = mem_calloc(1, sizeof *g);
    if (!g) return NULL;
    g->shard = mem_calloc(n_shard, sizeof *g->shard);
    if (!g->shard) {
        mem_free(g);
        return NULL;
    }
    g->n_shard = n_shard;
    for (size_t i = 0; i < n_shard; i++) g->shard[i].map.fd = -1;
    return g;
}

int gguf_open(struct gguf **out, const char *path, struct err *e)
{
    size_t stem = 0;
    unsigned no = 1, count = 1;
    *out = NULL;
    bool split = split_name(path, &stem, &no, &count);
    if (split && (no < 1 || no > count || count > GGUF_MAX_SHARD))
        return err_set(e, ERR_FORMAT, "%s: %u of %u is no place in a set of at most %d files",
                       path, no, count, GGUF_MAX_SHARD);
    struct gguf *g = create(count);
    if (!g) return err_oom(e, "the GGUF reader", sizeof *g);
    if ((split ? open_set(g, path, stem, e) : open_single(g, path, e)) || index_tensors(g, e)) {
        gguf_close(g);
        return -1;
    }
    *out = g;
    return 0;
}

int gguf_open_bytes(struct gguf **out, const void *p, size_t n, const char *what, struct err *e)
{
    int64_t count;
    *out = NULL;
    struct gguf *g = create(1);
    if (!g) return err_oom(e, "the GGUF reader", sizeof *g);
    g->shard[0].what = what;
    if (read_shard(g, 0, p, n, &count, e) || index_tensors(g, e)) {
        gguf_close(g);
        return -1;
    }
    *out = g;
    return 0;
}

void gguf_close(struct gguf *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->n_shard; i++) {
        if (g->shard[i].map.data) file_map_close(&g->shard[i].map);
        mem_free(g->shard[i].path);
    }
    mem_free(g->shard);
    mem_free(g->tensor);
    name_index_release(&g->index);
    keys_release(&g->keys);
    mem_free(g);
}

/* ---- asking ------------------------------------------------------------------------------- */

const char *gguf_path(const struct gguf *g)
{
    return g->shard[0].what;
}

uint32_t gguf_version(const struct gguf *g)
{
    return g->version;
}

size_t gguf_alignment(const struct gguf *g)
{
    return g->align;
}

size_t gguf_n_shard(const struct gguf *g)
{
    return g->n_shard;
}

const struct file_map *gguf_map(const struct gguf *g, size_t shard)
{
    return g->shard[shard].path ? &g->shard[shard].map : NULL;
}

size_t gguf_n_kv(const struct gguf *g)
{
    return g->keys.n;
}

const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i)
{
    return &g->keys.kv[i];
}

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
    return find_key(&g->keys, key);
}

size_t gguf_n_tensor(const struct gguf *g)
{
    return g->n_tensor;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
    return &g->tensor[i];
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, struct span name)
{
    size_t i = name_index_find(&g->index, g->tensor, sizeof *g->tensor, name);
    return i == NAME_NONE ? NULL : &g->tensor[i];
}

static int missing(const struct gguf *g, const char *key, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: key %s is missing", gguf_path(g), key);
}

static int wrong_type(const struct gguf *g, const struct gguf_kv *kv, const char *want,
                      struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: key %.*s is of type %s where %s is needed", gguf_path(g),
                   (int)kv->key.n, kv->key.p, gguf_type_name(kv->type), want);
}

int gguf_get_i64_opt(const struct gguf *g, const char *key, int64_t lo, int64_t hi,
                     int64_t *out, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv) return 0;
    if (!is_int(kv->type)) return wrong_type(g, kv, "an integer", e);
    int64_t v = load_int(kv->type, kv->p);
    if (v < lo || v > hi)
        return err_set(e, ERR_FORMAT,
                       "%s: key %s is %" PRId64 ", allowed is %" PRId64 " to %" PRId64,
                       gguf_path(g), key, v, lo, hi);
    *out = v;
    return 0;
}

int gguf_get_i64(const struct gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out,
                 struct err *e)
{
    if (!gguf_find(g, key)) return missing(g, key, e);
    return gguf_get_i64_opt(g, key, lo, hi, out, e);
}

int gguf_get_f64_opt(const struct gguf *g, const char *key, double *out, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv) return 0;
    return load_number(kv->type, kv->p, out) ? 0 : wrong_type(g, kv, "a number", e);
}

int gguf_get_f64(const struct gguf *g, const char *key, double *out, struct err *e)
{
    if (!gguf_find(g, key)) return missing(g, key, e);
    return gguf_get_f64_opt(g, key, out, e);
}

int gguf_get_bool_opt(const struct gguf *g, const char *key, bool *out, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv) return 0;
    if (kv->type != GGUF_BOOL) return wrong_type(g, kv, "a bool", e);
    *out = kv->p[0] != 0;
    return 0;
}

int gguf_get_str_opt(const struct gguf *g, const char *key, struct span *out, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv) return 0;
    if (kv->type != GGUF_STRING) return wrong_type(g, kv, "a string", e);
    *out = (struct span){(const char *)kv->p, kv->bytes};
    return 0;
}

int gguf_get_str(const struct gguf *g, const char *key, struct span *out, struct err *e)
{
    if (!gguf_find(g, key)) return missing(g, key, e);
    return gguf_get_str_opt(g, key, out, e);
}

int gguf_get_array_opt(const struct gguf *g, const char *key, enum gguf_type elem,
                       const struct gguf_kv **out, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    *out = NULL;
    if (!kv) return 0;
    if (kv->type != GGUF_ARRAY) return wrong_type(g, kv, "an array", e);
    if (elem == GGUF_I64 ? !is_int(kv->elem) : kv->elem != elem)
        return err_set(e, ERR_FORMAT, "%s: key %s is an array of %s where %s is needed",
                       gguf_path(g), key, gguf_type_name(kv->elem),
                       elem == GGUF_I64 ? "an integer type" : gguf_type_name(elem));
    *out = kv;
    return 0;
}

int64_t gguf_elem_i64(const struct gguf_kv *kv, uint64_t i)
{
    return load_int(kv->elem, kv->p + i * type_bytes(kv->elem));
}

double gguf_elem_f64(const struct gguf_kv *kv, uint64_t i)
{
    double v = 0;
    (void)load_number(kv->elem, kv->p + i * type_bytes(kv->elem), &v);
    return v;
}

struct gguf_strings gguf_strings(const struct gguf_kv *kv)
{
    bool strings = kv->type == GGUF_ARRAY && kv->elem == GGUF_STRING;
    return (struct gguf_strings){kv->p, strings ? kv->n : 0};
}

bool gguf_next_string(struct gguf_strings *it, struct span *out)
{
    if (it->left == 0) return false;
    *out = (struct span){(const char *)it->p + 8, (size_t)load_le64(it->p)};
    it->p += 8 + out->n;
    it->left--;
    return true;
}

/* ---- for people --------------------------------------------------------------------------- */

static void scalar_text(enum gguf_type t, const unsigned char *p, struct buf *out)
{
    double v = 0;
    if (t == GGUF_BOOL)
        buf_add_str(out, p[0] ? "true" : "false");
    else if (t == GGUF_U64)
        buf_printf(out, "%" PRIu64, load_le64(p));
    else if (is_int(t))
        buf_printf(out, "%" PRId64, load_int(t, p));
    else if (load_number(t, p, &v))
        buf_printf(out, "%.9g", v);
}

static void string_text(struct span s, struct buf *out)
{
    enum { SHOWN = 60 };
    buf_add_json(out, (struct span){s.p, size_min(s.n, SHOWN)});
    if (s.n > SHOWN) buf_printf(out, "... (%zu bytes)", s.n);
}

void gguf_value_text(const struct gguf_kv *kv, struct buf *out)
{
    enum { SHOWN = 6 };
    struct gguf_strings it = gguf_strings(kv);
    struct span s = {(const char *)kv->p, kv->bytes};
    if (kv->type == GGUF_STRING) {
        string_text(s, out);
        return;
    }
    if (kv->type != GGUF_ARRAY) {
        scalar_text(kv->type, kv->p, out);
        return;
    }
    buf_printf(out, "%" PRIu64 " x %s [", kv->n, gguf_type_name(kv->elem));
    for (uint64_t i = 0; i < kv->n && i < SHOWN && kv->elem != GGUF_ARRAY; i++) {
        if (i) buf_add_str(out, ", ");
        if (gguf_next_string(&it, &s))
            string_text(s, out);
        else
            scalar_text(kv->elem, kv->p + i * type_bytes(kv->elem), out);
    }
    buf_add_str(out, kv->n > SHOWN ? ", ...]" : "]");
}
