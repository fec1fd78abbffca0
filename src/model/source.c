/* source.c - binds every tensor a config asks for to bytes in mapped files.
 *
 *   open files -> config -> for each layer and role: find, compare shape and type -> parts
 *
 * Parts of all roles lie in one array; at[layer + 1][role] is the place of a role's first part.
 * What a file may leave out is handled here, in one place, and said in the log: an output matrix
 * (the embedding serves), MTP layers that the config declares. Two layouts of one thing are
 * served both ways where no arithmetic is needed: a fused gate-up stack also as gate and up.
 *
 * Sources: models.md 2.2 (loader rule for the head), 8.5, 9.2 (scales), 12.2 (layouts).
 */
#include "model/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "format/gguf_read.h"
#include "format/gguf_vocab.h"
#include "format/hf_config.h"
#include "format/safetensors.h"
#include "format/vocab_load.h"
#include "model/config.h"

enum {
    MISSING_SHOWN = 4,
    MISSING_MAX = 1000 /* stop looking: a config that does not belong to the files at all */
};

/* What uses a tensor of the files; role ROLE_NONE: nothing. */
struct use {
    enum tensor_role role;
    int32_t layer, part;
};

struct model_source {
    enum source_kind kind;
    char *path;
    struct model_config config;
    struct gguf *gguf;
    struct safetensors *st;
    struct hf_config *hf;
    struct source_part *part;
    size_t n_part, room;
    uint32_t (*at)[ROLE_COUNT]; /* [layer + 1]; 0: not there, else first part + 1 */
    struct use *use;            /* per tensor of the files */
    struct buf missing;         /* names, for the message */
    size_t n_missing;
};

/* ---- parts -------------------------------------------------------------------------------- */

static struct source_part *new_parts(struct model_source *s, size_t n, struct err *e)
{
    if (s->n_part + n > s->room) {
        size_t room = size_max(s->room * 2, s->n_part + n + 1024);
        struct source_part *p = mem_realloc(s->part, s->n_part * sizeof *p, room * sizeof *p);
        if (!p) {
            err_oom(e, "the table of tensors", room * sizeof *p);
            return NULL;
        }
        s->part = p;
        s->room = room;
    }
    struct source_part *p = s->part + s->n_part;
    memset(p, 0, n * sizeof *p);
    s->n_part += n;
    return p;
}

static void miss(struct model_source *s, const char *name)
{
    if (s->n_missing++ < MISSING_SHOWN) {
        if (s->missing.len) buf_add_str(&s->missing, ", ");
        buf_add_str(&s->missing, name);
    }
}

static int wrong_shape(const char *path, struct span name, const struct tensor_shape *have,
                       const struct tensor_shape *want, struct err *e)
{
    char a[96], b[96];
    shape_text(have, a);
    shape_text(want, b);
    return err_set(e, ERR_FORMAT, "%s: tensor %.*s has shape %s, the config needs %s", path,
                   (int)name.n, name.p, a, b);
}

static bool usable(enum dtype dt)
{
    return dtype_is_block(dt) || (dtype_is_float(dt) && dt != DT_F64);
}

static int wrong_type(const char *path, struct span name, enum dtype dt, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "%s: tensor %.*s has type %s, which cannot be weights",
                   path, (int)name.n, name.p, dtype_name(dt));
}

/* ---- GGUF --------------------------------------------------------------------------------- */

/* Slowest first, without ones in front. */
static struct tensor_shape gguf_shape(const struct gguf_tensor *t)
{
    struct tensor_shape s = {0};
    uint32_t n = t->n_dim;
    while (n > 1 && t->dim[n - 1] == 1) n--;
    s.n_dim = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) s.dim[i] = t->dim[n - 1 - i];
    return s;
}

/* The shape of a role as one GGUF tensor: experts stacked, no ones in front. */
static struct tensor_shape whole_shape(const struct model_config *c, enum tensor_role r)
{
    struct tensor_shape one, all = {0};
    role_shape(c, r, &one);
    if (role_is_expert(r)) all.dim[all.n_dim++] = (uint64_t)c->n_expert;
    for (int32_t i = 0; i < one.n_dim; i++) all.dim[all.n_dim++] = one.dim[i];
    while (all.n_dim > 1 && all.dim[0] == 1) {
        memmove(all.dim, all.dim + 1, (size_t)(all.n_dim - 1) * sizeof all.dim[0]);
        all.n_dim--;
    }
    return all;
}

/* Some writers store k_b and v_b with heads and rows in one dimension: the same bytes. */
static bool shape_fits(enum tensor_role r, const struct tensor_shape *have,
                       const struct tensor_shape *want)
{
    if (shape_eq(have, want)) return true;
    return (r == ROLE_K_B || r == ROLE_V_B) && shape_elems(have) == shape_elems(want) &&
           have->dim[have->n_dim - 1] == want->dim[want->n_dim - 1];
}

static int bind_gguf(struct model_source *s, enum tensor_role r, int32_t layer, struct err *e)
{
    char name[TENSOR_NAME_MAX];
    const struct model_config *c = &s->config;
    role_name_gguf(r, layer, name);
    const struct gguf_tensor *t = gguf_find_tensor(s->gguf, span_of(name));
    enum role_need need = role_need(c, r, layer);
    if (!t) {
        if (need == ROLE_NEEDED) miss(s, name);
        return 0;
    }
    struct tensor_shape have = gguf_shape(t), want = whole_shape(c, r);
    if (!shape_fits(r, &have, &want)) return wrong_shape(s->path, t->name, &have, &want, e);
    if (!usable(t->dtype)) return wrong_type(s->path, t->name, t->dtype, e);
    size_t n = (size_t)role_parts(c, r), bytes = t->bytes / n;
    struct source_part *p = new_parts(s, n, e);
    if (!p) return -1;
    s->at[layer + 1][r] = (uint32_t)(p - s->part) + 1;
    for (size_t i = 0; i < n; i++) {
        p[i].data = t->data + i * bytes;
        p[i].bytes = bytes;
        p[i].dtype = t->dtype;
        p[i].map = gguf_map(s->gguf, t->shard);
        p[i].offset = t->offset + i * bytes;
        role_shape(c, r, &p[i].shape);
    }
    size_t index = (size_t)(t - gguf_tensor_at(s->gguf, 0));
    s->use[index] = (struct use){r, layer, -1};
    return 0;
}

/* Serves a fused stack as its two halves: gate rows first. */
static int split_gate_up(struct model_source *s, int32_t layer, struct err *e)
{
    uint32_t *at = s->at[layer + 1];
    size_t n = (size_t)s->config.n_expert, from = at[ROLE_EXP_GATE_UP] - 1;
    if (at[ROLE_EXP_GATE] || at[ROLE_EXP_UP]) return 0;
    struct source_part *p = new_parts(s, 2 * n, e);
    if (!p) return -1;
    for (size_t i = 0; i < 2 * n; i++) {
        const struct source_part *fused = &s->part[from + i % n];
        size_t half = i / n;
        p[i] = *fused;
        p[i].bytes = fused->bytes / 2;
        p[i].data = (const char *)fused->data + half * p[i].bytes;
        p[i].offset += half * p[i].bytes;
        p[i].shape.dim[0] /= 2;
    }
    at[ROLE_EXP_GATE] = (uint32_t)(p - s->part) + 1;
    at[ROLE_EXP_UP] = at[ROLE_EXP_GATE] + (uint32_t)n;
    return 0;
}

/* ---- safetensors -------------------------------------------------------------------------- */

static struct tensor_shape st_shape(const struct safetensors_tensor *t)
{
    struct tensor_shape s = {.n_dim = t->n_dim < 4 ? t->n_dim : 4};
    for (int32_t i = 0; i < s.n_dim; i++) s.dim[i] = t->dim[i];
    return s;
}

static void mark_used(struct model_source *s, const struct safetensors_tensor *t,
                      enum tensor_role r, int32_t layer, int32_t part)
{
    s->use[t - safetensors_at(s->st, 0)] = (struct use){r, layer, part};
}

static int bind_scale(struct model_source *s, const char *weight, struct use u,
                      struct source_part *p, struct err *e)
{
    const struct model_config *c = &s->config;
    char name[TENSOR_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s_scale_inv", weight);
    const struct safetensors_tensor *t = safetensors_find(s->st, span_of(name));
    uint64_t br = (uint64_t)c->fp8_block_rows, bc = (uint64_t)c->fp8_block_cols;
    if (!t) {
        miss(s, name);
        return 0;
    }
    struct tensor_shape have = st_shape(t);
    struct tensor_shape want = {
        2, {(p->shape.dim[0] + br - 1) / br, (p->shape.dim[1] + bc - 1) / bc}};
    if (!shape_eq(&have, &want)) return wrong_shape(s->path, t->name, &have, &want, e);
    if (t->dtype != DT_F32 && t->dtype != DT_BF16 && t->dtype != DT_F8_E8M0)
        return wrong_type(s->path, t->name, t->dtype, e);
    p->scale = t->data;
    p->scale_dtype = t->dtype;
    p->scale_rows = (int32_t)want.dim[0];
    p->scale_cols = (int32_t)want.dim[1];
    mark_used(s, t, u.role, u.layer, u.part);
    return 0;
}

static int bind_hf_part(struct model_source *s, const char *name,
                        const struct safetensors_tensor *t, struct use u, struct source_part *p,
                        struct err *e)
{
    struct tensor_shape have = st_shape(t), want;
    role_shape(&s->config, u.role, &want);
    if (t->n_dim > 4 || !shape_eq(&have, &want))
        return wrong_shape(s->path, t->name, &have, &want, e);
    if (!usable(t->dtype)) return wrong_type(s->path, t->name, t->dtype, e);
    p->data = t->data;
    p->bytes = t->bytes;
    p->dtype = t->dtype;
    p->shape = want;
    p->map = safetensors_map(s->st, t->file);
    p->offset = t->offset;
    mark_used(s, t, u.role, u.layer, u.part);
    if (t->dtype != DT_F8_E4M3 || s->config.fp8_block_rows == 0) return 0;
    return bind_scale(s, name, u, p, e);
}

static int bind_hf(struct model_source *s, enum tensor_role r, int32_t layer, struct err *e)
{
    char name[TENSOR_NAME_MAX];
    enum role_need need = role_need(&s->config, r, layer);
    int32_t n = role_parts(&s->config, r);
    if (!role_name_hf(r, layer, 0, name)) {
        if (need == ROLE_NEEDED) miss(s, role_text(r));
        return 0;
    }
    if (need == ROLE_OPTIONAL && !safetensors_find(s->st, span_of(name))) return 0;
    size_t first = s->n_part, lost = s->n_missing;
    if (!new_parts(s, (size_t)n, e)) return -1;
    for (int32_t i = 0; i < n; i++) {
        if (!role_name_hf(r, layer, i, name)) continue;
        const struct safetensors_tensor *t = safetensors_find(s->st, span_of(name));
        struct use u = {r, layer, role_is_expert(r) ? i : -1};
        if (!t)
            miss(s, name);
        else if (bind_hf_part(s, name, t, u, &s->part[first + (size_t)i], e))
            return -1;
    }
    if (s->n_missing == lost) s->at[layer + 1][r] = (uint32_t)first + 1;
    return 0;
}

/* ---- all roles ---------------------------------------------------------------------------- */

static void check_either(struct model_source *s, int32_t layer)
{
    const uint32_t *at = s->at[layer + 1];
    char name[TENSOR_NAME_MAX];
    if (role_need(&s->config, ROLE_KV_B, layer) == ROLE_EITHER && !at[ROLE_KV_B] &&
        !(at[ROLE_K_B] && at[ROLE_V_B])) {
        role_name_gguf(ROLE_KV_B, layer, name);
        miss(s, name);
    }
    if (role_need(&s->config, ROLE_EXP_GATE, layer) == ROLE_EITHER &&
        !(at[ROLE_EXP_GATE] && at[ROLE_EXP_UP])) {
        role_name_gguf(ROLE_EXP_GATE, layer, name);
        miss(s, name);
    }
}

static bool file_has(const struct model_source *s, enum tensor_role r, int32_t layer)
{
    char name[TENSOR_NAME_MAX];
    if (s->gguf) {
        role_name_gguf(r, layer, name);
        return gguf_find_tensor(s->gguf, span_of(name)) != NULL;
    }
    return role_name_hf(r, layer, 0, name) && safetensors_find(s->st, span_of(name));
}

/* Parts of a model that published files leave out although the config speaks of them. */
static void drop_absent(struct model_source *s)
{
    struct model_config *c = &s->config;
    if (c->n_layer_mtp > 0 && !file_has(s, ROLE_MTP_PROJ, c->n_layer)) {
        log_info("source", "%s: the config declares %d MTP layers, the files hold none",
                 s->path, c->n_layer_mtp);
        c->n_layer_mtp = 0;
    }
    if (!c->tie_embeddings && !file_has(s, ROLE_OUTPUT, -1)) {
        log_info("source", "%s: no output matrix, the embedding serves", s->path);
        c->tie_embeddings = true;
    }
}

static int bind_layer(struct model_source *s, int32_t layer, struct err *e)
{
    for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
        if (role_need(&s->config, r, layer) == ROLE_ABSENT) continue;
        if (s->gguf ? bind_gguf(s, r, layer, e) : bind_hf(s, r, layer, e)) return -1;
    }
    if (s->at[layer + 1][ROLE_EXP_GATE_UP] && split_gate_up(s, layer, e)) return -1;
    if (s->gguf) check_either(s, layer);
    return 0;
}

static int bind_all(struct model_source *s, struct err *e)
{
    size_t n_tensor = source_n_entry(s);
    drop_absent(s);
    int32_t n_layer = s->config.n_layer + s->config.n_layer_mtp;
    s->at = mem_calloc((size_t)n_layer + 1, sizeof *s->at);
    s->use = mem_calloc(n_tensor, sizeof *s->use);
    if (!s->at || !s->use) return err_oom(e, "the table of tensors", n_tensor * sizeof *s->use);
    for (size_t i = 0; i < n_tensor; i++) s->use[i] = (struct use){ROLE_NONE, -1, -1};
    for (int32_t l = -1; l < n_layer && s->n_missing < MISSING_MAX; l++)
        if (bind_layer(s, l, e)) return -1;
    if (s->n_missing == 0) return 0;
    err_set(e, ERR_FORMAT, "%s: %zu tensor%s missing: %s%s", s->path, s->n_missing,
            s->n_missing == 1 ? " is" : "s are", buf_str(&s->missing),
            s->n_missing > MISSING_SHOWN ? ", ..." : "");
    return -1;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int open_files(struct model_source *s, struct err *e)
{
    if (!file_is_dir(s->path)) {
        s->kind = SOURCE_GGUF;
        if (gguf_open(&s->gguf, s->path, e)) {
            size_t n = strlen(s->path);
            if (n > 12 && strcmp(s->path + n - 12, ".safetensors") == 0)
                err_hint(e, "name the directory of the model, which also holds config.json");
            return -1;
        }
        return config_from_gguf(&s->config, s->gguf, e);
    }
    s->kind = SOURCE_SAFETENSORS;
    if (hf_config_open(&s->hf, s->path, e) || config_from_hf(&s->config, s->hf, e)) return -1;
    return safetensors_open(&s->st, s->path, e);
}

int source_open(struct model_source **out, const char *path, struct err *e)
{
    *out = NULL;
    struct model_source *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "the model source", sizeof *s);
    buf_init(&s->missing, 4096);
    s->path = mem_strdup(path);
    if (!s->path || open_files(s, e) || bind_all(s, e)) {
        if (!s->path) err_oom(e, "a file name", strlen(path));
        source_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void source_close(struct model_source *s)
{
    if (!s) return;
    gguf_close(s->gguf);
    safetensors_close(s->st);
    hf_config_close(s->hf);
    buf_release(&s->missing);
    mem_free(s->part);
    mem_free(s->at);
    mem_free(s->use);
    mem_free(s->path);
    mem_free(s);
}

/* ---- asking ------------------------------------------------------------------------------- */

const struct model_config *source_config(const struct model_source *s)
{
    return &s->config;
}

enum source_kind source_kind(const struct model_source *s)
{
    return s->kind;
}

const char *source_path(const struct model_source *s)
{
    return s->path;
}

static size_t n_file(const struct model_source *s)
{
    return s->gguf ? gguf_n_shard(s->gguf) : safetensors_n_file(s->st);
}

static const struct file_map *map_of(const struct model_source *s, size_t i)
{
    return s->gguf ? gguf_map(s->gguf, i) : safetensors_map(s->st, i);
}

uint64_t source_bytes(const struct model_source *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < n_file(s); i++) n += map_of(s, i)->size;
    return n;
}

bool source_intact(const struct model_source *s)
{
    for (size_t i = 0; i < n_file(s); i++)
        if (!file_map_intact(map_of(s, i))) return false;
    return true;
}

bool source_has(const struct model_source *s, enum tensor_role r, int32_t layer)
{
    int32_t n_layer = s->config.n_layer + s->config.n_layer_mtp;
    return layer >= -1 && layer < n_layer && r < ROLE_COUNT && s->at[layer + 1][r] != 0;
}

int source_part(const struct model_source *s, enum tensor_role r, int32_t layer, int32_t part,
                struct source_part *out, struct err *e)
{
    if (!source_has(s, r, layer) || part < 0 || part >= role_parts(&s->config, r))
        return err_set(e, ERR_NOT_FOUND, "%s: layer %d has no tensor %s, part %d", s->path,
                       layer, role_text(r), part);
    *out = s->part[s->at[layer + 1][r] - 1 + (uint32_t)part];
    return 0;
}

size_t source_n_entry(const struct model_source *s)
{
    return s->gguf ? gguf_n_tensor(s->gguf) : safetensors_n_tensor(s->st);
}

void source_entry(const struct model_source *s, size_t i, struct source_entry *out)
{
    *out = (struct source_entry){
        .role = s->use[i].role, .layer = s->use[i].layer, .part = s->use[i].part};
    if (s->gguf) {
        const struct gguf_tensor *t = gguf_tensor_at(s->gguf, i);
        out->name = t->name;
        out->dtype = t->dtype;
        out->shape = gguf_shape(t);
        out->data = t->data;
        out->bytes = t->bytes;
        out->file = (int32_t)t->shard;
        out->offset = t->offset;
        return;
    }
    const struct safetensors_tensor *t = safetensors_at(s->st, i);
    out->name = t->name;
    out->dtype = t->dtype;
    out->shape = st_shape(t);
    out->data = t->data;
    out->bytes = t->bytes;
    out->file = (int32_t)t->file;
    out->offset = t->offset;
}

size_t source_n_extra(const struct model_source *s)
{
    size_t n = 0;
    for (size_t i = 0; i < source_n_entry(s); i++) n += s->use[i].role == ROLE_NONE;
    return n;
}

int source_vocab(const struct model_source *s, struct vocab **out, struct err *e)
{
    return s->gguf ? vocab_from_gguf(out, s->gguf, e) : vocab_load(out, s->path, e);
}

struct span source_chat_template(const struct model_source *s)
{
    struct span text = {"", 0};
    struct err e;
    if (s->hf) return hf_chat_template(s->hf);
    if (gguf_get_str_opt(s->gguf, "tokenizer.chat_template", &text, &e))
        return (struct span){"", 0};
    return text;
}

void source_sampling(const struct model_source *s, struct source_sampling *out)
{
    const json_t *o = s->hf ? hf_generation_json(s->hf) : NULL;
    *out = (struct source_sampling){.temperature = -1, .top_p = -1, .top_k = -1};
    if (!o) return;
    const json_t *t = json_object_get(o, "temperature"), *p = json_object_get(o, "top_p");
    const json_t *k = json_object_get(o, "top_k");
    if (json_is_number(t)) out->temperature = json_number_value(t);
    if (json_is_number(p)) out->top_p = json_number_value(p);
    if (json_is_integer(k)) out->top_k = json_integer_value(k);
}

const struct gguf *source_gguf(const struct model_source *s)
{
    return s->gguf;
}
