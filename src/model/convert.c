/* convert.c - what a converted model holds: config, vocabulary, list of tensors; then their bytes.
 *
 * The list is made first, because both file families want all tensors announced before the first
 * byte. Types: from the mix, or the source's own where the target has them.
 */
#include "model/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_vocab.h"
#include "format/gguf_write.h"
#include "format/safetensors.h"
#include "format/vocab_load.h"
#include "model/config.h"
#include "model/convert_int.h"
#include "model/layout.h"
#include "model/source.h"
#include "tensor/scale.h"
#include "text/vocab.h"

struct convert {
    const struct model_source *s;
    const struct model_config *from;
    struct model_config to;
    const struct convert_options *o;
    const char *out;
    struct pool *pool;
    struct convert_rows *rows;
    struct convert_tensor *tensor;
    size_t n, room;
    uint64_t done, total; /* bytes of tensors */
    struct gguf_writer *gguf;
    struct safetensors_writer *st;
};

/* ---- types -------------------------------------------------------------------------------- */

static int source_dtype(const struct convert *k, enum tensor_role r, int32_t layer,
                        enum dtype *dt, struct err *e)
{
    struct source_part p;
    if (!source_has(k->s, r, layer)) r = r == ROLE_KV_B ? ROLE_K_B : ROLE_KV_B;
    if (source_part(k->s, r, layer, 0, &p, e)) return -1;
    *dt = p.dtype;
    return 0;
}

/* The source's type in a GGUF file: FP8 becomes BF16, blocks fall back where rows do not fit. */
static int kept_type(const struct convert *k, const struct layout_tensor *t, enum dtype *dt,
                     struct err *e)
{
    if (t->dtype == DT_F32 && (role_stays_f32(t->role) || t->role == ROLE_INDEX_WEIGHTS)) {
        *dt = DT_F32;
        return 0;
    }
    if (source_dtype(k, t->role, t->layer, dt, e)) return -1;
    if (*dt == DT_F8_E4M3 || *dt == DT_F8_E5M2) *dt = DT_BF16;
    uint64_t width = t->shape.dim[t->shape.n_dim - 1];
    if (source_has(k->s, t->role, t->layer)) return 0;
    /* k_b and v_b have other rows than kv_b */
    if (width % dtype_block_len(*dt) != 0 || !dtype_can_quantize(*dt))
        *dt = width % 32 == 0 ? DT_Q8_0 : DT_F16;
    return 0;
}

static int plain_type(const struct convert *k, enum tensor_role r, int32_t layer,
                      enum dtype *dt, struct err *e)
{
    bool small = role_stays_f32(r) || r == ROLE_INDEX_WEIGHTS;
    *dt = DT_BF16;
    if (r == ROLE_ROUTER_BIAS) {
        *dt = DT_F32;
        return 0;
    }
    if (k->o->mix) {
        *dt = k->o->mix->main;
        if (*dt == DT_F8_E4M3 && !role_is_fp8(r)) *dt = DT_BF16;
    } else {
        /* GGUF keeps vectors in F32: the embedding tells what the model was in */
        if (source_dtype(k, small ? ROLE_EMBD : r, small ? -1 : layer, dt, e)) return -1;
        if (dtype_is_block(*dt) || *dt == DT_F8_E4M3 || *dt == DT_F8_E5M2) *dt = DT_BF16;
    }
    if (!small) return 0;
    bool exact;
    if (convert_is_exact(k->rows, r, layer, *dt, &exact, e)) return -1;
    if (!exact) *dt = DT_F32;
    return 0;
}

/* ---- the list of tensors ------------------------------------------------------------------ */

static struct convert_tensor *add(struct convert *k, struct err *e)
{
    if (k->n == k->room) {
        size_t room = k->room ? 2 * k->room : 1024;
        struct convert_tensor *p = mem_realloc(k->tensor, k->n * sizeof *p, room * sizeof *p);
        if (!p) {
            err_oom(e, "the list of tensors", room * sizeof *p);
            return NULL;
        }
        k->tensor = p;
        k->room = room;
    }
    return &k->tensor[k->n++];
}

static uint64_t bytes_of(const struct convert_tensor *t)
{
    uint64_t width = t->shape.dim[t->shape.n_dim - 1];
    size_t row;
    if (dtype_row_bytes(t->dtype, (size_t)width, &row)) return 0;
    return shape_elems(&t->shape) / width * row;
}

static int list_gguf(struct convert *k, bool split, struct err *e)
{
    static const struct type_mix as_f16 = {"f16", DT_F16, 0, -1};
    struct layout l;
    int rc = 0;
    if (layout_gguf(&l, &k->to, k->o->mix ? k->o->mix : &as_f16, split, e)) return -1;
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        struct convert_tensor *t = add(k, e);
        if (!t) {
            rc = -1;
            break;
        }
        *t = (struct convert_tensor){.role = l.tensor[i].role,
                                     .layer = l.tensor[i].layer,
                                     .part = -1,
                                     .dtype = l.tensor[i].dtype,
                                     .shape = l.tensor[i].shape};
        if (!k->o->mix) rc = kept_type(k, &l.tensor[i], &t->dtype, e);
        k->total += bytes_of(t);
    }
    layout_release(&l);
    return rc;
}

static int list_role_hf(struct convert *k, enum tensor_role r, int32_t layer, struct err *e)
{
    char name[TENSOR_NAME_MAX];
    enum role_need need = role_need(&k->to, r, layer);
    if (need == ROLE_ABSENT || need == ROLE_OPTIONAL || !role_name_hf(r, layer, 0, name))
        return 0;
    struct convert_tensor one = {.role = r, .layer = layer, .part = -1};
    role_shape(&k->to, r, &one.shape);
    if (plain_type(k, r, layer, &one.dtype, e)) return -1;
    one.has_scale = one.dtype == DT_F8_E4M3;
    for (int32_t i = 0; i < role_parts(&k->to, r); i++) {
        struct convert_tensor *t = add(k, e);
        if (!t) return -1;
        *t = one;
        if (role_is_expert(r)) t->part = i;
        k->total += bytes_of(t);
    }
    return 0;
}

static int list_hf(struct convert *k, struct err *e)
{
    for (int32_t l = -1; l < k->to.n_layer + k->to.n_layer_mtp; l++)
        for (enum tensor_role r = 0; r < ROLE_COUNT; r++)
            if (list_role_hf(k, r, l, e)) return -1;
    return 0;
}

/* ---- config ------------------------------------------------------------------------------- */

static int check_pairing(const struct convert *k, struct err *e)
{
    if (!config_is_mla(k->from) || k->from->rope_pairing == ROPE_INTERLEAVED) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: latent attention with rope_interleave false cannot be converted",
                   source_path(k->s));
}

static int target_gguf(struct convert *k, struct err *e)
{
    struct model_config *c = &k->to;
    c->fp8_block_rows = c->fp8_block_cols = 0;
    if (c->arch == ARCH_LLAMA) c->rope_pairing = ROPE_INTERLEAVED;
    if (c->rope_scaling == ROPE_SCALING_LLAMA3) c->rope_scaling = ROPE_SCALING_FREQS;
    return check_pairing(k, e);
}

static int target_hf(struct convert *k, struct err *e)
{
    struct model_config *c = &k->to;
    bool fp8 = k->o->mix && k->o->mix->main == DT_F8_E4M3;
    if (k->o->mix && dtype_is_block(k->o->mix->main))
        return err_set(e, ERR_UNSUPPORTED,
                       "safetensors has no type %s; f32, f16, bf16 and f8_e4m3 can be written",
                       k->o->mix->name);
    c->fp8_block_rows = c->fp8_block_cols = fp8 ? SCALE_BLOCK : 0;
    c->fp8_scale = FP8_SCALE_FLOAT;
    if (c->arch == ARCH_LLAMA) c->rope_pairing = ROPE_HALF;
    if (c->rope_scaling == ROPE_SCALING_FREQS) {
        struct source_part p;
        float divisor[CONFIG_MAX_HEAD_DIM / 2];
        if (source_part(k->s, ROLE_ROPE_FREQS, -1, 0, &p, e)) return -1;
        dtype_row_to_f32(p.dtype, p.data, divisor, (size_t)c->rope_dim / 2);
        if (!config_rope_from_divisors(c, divisor))
            return err_set(e, ERR_UNSUPPORTED,
                           "%s: rope_freqs.weight is not llama3 scaling with known parameters",
                           source_path(k->s));
    }
    return check_pairing(k, e);
}

/* ---- vocabulary --------------------------------------------------------------------------- */

/* The vocabulary, or NULL when the model has none, which is no error. */
static int load_vocab(const struct convert *k, struct vocab **v, struct err *e)
{
    struct err why;
    *v = NULL;
    if (source_vocab(k->s, v, &why)) {
        if (why.code == ERR_NOT_FOUND) return 0;
        if (e) *e = why;
        return -1;
    }
    if (vocab_size(*v) <= (size_t)k->from->n_vocab) return 0;
    err_set(e, ERR_FORMAT, "%s: the vocabulary has %zu ids, the embedding %d rows",
            source_path(k->s), vocab_size(*v), k->from->n_vocab);
    vocab_free(*v);
    return -1;
}

/* Ids that end a text beyond the vocabulary's own go to the two further keys. */
static void put_stop_ids(struct gguf_writer *w, const struct model_config *c,
                         const struct vocab_special *s)
{
    static const char *const key[] = {"tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.eot_token_id",
                                      "tokenizer.ggml.eom_token_id"};
    for (int32_t i = 0; i < c->n_eos; i++) {
        if (s && (c->eos[i] == s->eos || c->eos[i] == s->eot || c->eos[i] == s->eom)) continue;
        for (size_t n = 0; n < countof(key); n++) {
            if (gguf_has_key(w, span_of(key[n]))) continue;
            gguf_put_u32(w, key[n], (uint32_t)c->eos[i]);
            break;
        }
    }
}

static bool is_own_key(struct span key, const char *arch)
{
    static const char *const own[] = {"general.file_type", "general.quantization_version",
                                      "general.alignment"};
    size_t n = strlen(arch);
    for (size_t i = 0; i < countof(own); i++)
        if (span_is(key, own[i])) return true;
    return span_starts(key, "split.") ||
           (span_starts(key, arch) && key.n > n && key.p[n] == '.');
}

static int put_gguf_keys(struct convert *k, bool split, struct err *e)
{
    struct gguf_writer *w = k->gguf;
    const struct gguf *g = source_gguf(k->s);
    if (config_to_gguf(&k->to, w, split, e)) return -1;
    gguf_put_u32(w, "general.quantization_version", 2);
    if (k->o->mix && k->o->mix->file_type >= 0)
        gguf_put_u32(w, "general.file_type", (uint32_t)k->o->mix->file_type);
    if (g) {
        struct span arch;
        char name[64];
        if (gguf_get_str(g, "general.architecture", &arch, e)) return -1;
        snprintf(name, sizeof name, "%.*s", (int)(arch.n < 60 ? arch.n : 60), arch.p);
        for (size_t i = 0; i < gguf_n_kv(g); i++)
            if (!is_own_key(gguf_kv_at(g, i)->key, name)) gguf_put_copy(w, gguf_kv_at(g, i));
        return 0;
    }
    struct vocab *v;
    if (load_vocab(k, &v, e)) return -1;
    if (v)
        vocab_to_gguf(v, (size_t)k->to.n_vocab, source_chat_template(k->s), w);
    else
        gguf_put_str(w, "tokenizer.ggml.model", span_of("none"));
    put_stop_ids(w, &k->to, v ? vocab_special(v) : NULL);
    if (k->to.bos >= 0 && !gguf_has_key(w, span_of("tokenizer.ggml.bos_token_id")))
        gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)k->to.bos);
    vocab_free(v);
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int sink_gguf(void *ctx, const void *p, size_t n, struct err *e)
{
    return gguf_write_data(((struct convert *)ctx)->gguf, p, n, e);
}

static int sink_hf(void *ctx, const void *p, size_t n, struct err *e)
{
    return safetensors_write_data(((struct convert *)ctx)->st, p, n, e);
}

static int write_tensors(struct convert *k, convert_sink sink, struct err *e)
{
    for (size_t i = 0; i < k->n; i++) {
        const struct convert_tensor *t = &k->tensor[i];
        char name[TENSOR_NAME_MAX];
        role_name_gguf(t->role, t->layer, name);
        if (convert_tensor_rows(k->rows, t, sink, k, e)) return err_wrap(e, "%s", name);
        k->done += bytes_of(t);
        if (k->o->progress && !k->o->progress(k->o->ctx, name, k->done, k->total))
            return err_set(e, ERR_CANCELLED, "stopped after %s", name);
    }
    return 0;
}

static int to_gguf(struct convert *k, struct err *e)
{
    bool split = config_is_mla(&k->to) && !k->o->old_layout;
    if (target_gguf(k, e) || list_gguf(k, split, e) ||
        gguf_writer_create(&k->gguf, k->out, k->o->split_bytes, e) ||
        put_gguf_keys(k, split, e))
        return -1;
    for (size_t i = 0; i < k->n; i++) {
        const struct convert_tensor *t = &k->tensor[i];
        char name[TENSOR_NAME_MAX];
        uint64_t dim[4];
        for (int32_t d = 0; d < t->shape.n_dim; d++)
            dim[d] = t->shape.dim[t->shape.n_dim - 1 - d];
        role_name_gguf(t->role, t->layer, name);
        gguf_add_tensor(k->gguf, name, t->dtype, (uint32_t)t->shape.n_dim, dim);
    }
    if (write_tensors(k, sink_gguf, e)) return -1;
    return gguf_writer_commit(k->gguf, e);
}

static int write_text(const struct convert *k, const char *name, const struct buf *b,
                      struct err *e)
{
    char *path = file_join(k->out, name);
    if (!path) return err_oom(e, "a file name", strlen(k->out));
    int rc = file_replace(path, buf_str(b), b->len, e);
    mem_free(path);
    return rc;
}

/* config.json, generation_config.json and the tokenizer's files. */
static int write_small_files(struct convert *k, struct err *e)
{
    const struct model_config *c = &k->to;
    struct source_sampling sampling;
    struct vocab *v = NULL;
    struct buf b;
    enum dtype dt = k->n ? k->tensor[0].dtype : DT_BF16;
    const char *name = dt == DT_F32 ? "float32" : dt == DT_F16 ? "float16" : "bfloat16";
    buf_init(&b, 16 << 20);
    int rc = config_to_hf(c, name, &b, e);
    if (rc == 0) rc = write_text(k, "config.json", &b, e);
    buf_clear(&b);
    source_sampling(k->s, &sampling);
    buf_add_str(&b, "{\n  \"_from_model_config\": true");
    if (c->bos >= 0) buf_printf(&b, ",\n  \"bos_token_id\": %d", c->bos);
    for (int32_t i = 0; i < c->n_eos; i++)
        buf_printf(&b, "%s%d%s", i ? ", " : ",\n  \"eos_token_id\": [", c->eos[i],
                   i == c->n_eos - 1 ? "]" : "");
    if (sampling.temperature >= 0)
        buf_printf(&b, ",\n  \"temperature\": %g", sampling.temperature);
    if (sampling.top_p >= 0) buf_printf(&b, ",\n  \"top_p\": %g", sampling.top_p);
    if (sampling.top_k >= 0) buf_printf(&b, ",\n  \"top_k\": %lld", (long long)sampling.top_k);
    buf_add_str(&b, "\n}\n");
    if (rc == 0) rc = buf_ok(&b, "generation_config.json", e);
    if (rc == 0) rc = write_text(k, "generation_config.json", &b, e);
    buf_release(&b);
    if (rc == 0) rc = load_vocab(k, &v, e);
    if (rc == 0 && v) rc = vocab_save(v, k->out, source_chat_template(k->s), e);
    vocab_free(v);
    return rc;
}

static int to_hf(struct convert *k, struct err *e)
{
    if (target_hf(k, e) || list_hf(k, e) || file_make_dirs(k->out, e) ||
        safetensors_writer_create(&k->st, k->out, "model", k->o->split_bytes, e) ||
        safetensors_put_meta(k->st, "format", span_of("pt"), e))
        return -1;
    for (size_t i = 0; i < k->n; i++) {
        const struct convert_tensor *t = &k->tensor[i];
        char name[TENSOR_NAME_MAX + 16];
        if (!role_name_hf(t->role, t->layer, t->part, name)) continue;
        if (safetensors_add(k->st, name, t->dtype, t->shape.n_dim, t->shape.dim, e)) return -1;
        if (!t->has_scale) continue;
        uint64_t dim[2] = {scale_count((size_t)t->shape.dim[0]),
                           scale_count((size_t)t->shape.dim[1])};
        memcpy(name + strlen(name), "_scale_inv", sizeof "_scale_inv");
        if (safetensors_add(k->st, name, DT_F32, 2, dim, e)) return -1;
    }
    if (write_tensors(k, sink_hf, e) || write_small_files(k, e)) return -1;
    return safetensors_writer_commit(k->st, e);
}

int convert_model(const struct model_source *s, const char *out,
                  const struct convert_options *o, struct pool *pool, struct err *e)
{
    struct convert k = {.s = s,
                        .from = source_config(s),
                        .to = *source_config(s),
                        .o = o,
                        .out = out,
                        .pool = pool};
    size_t n = strlen(out);
    bool gguf = n > 5 && strcmp(out + n - 5, ".gguf") == 0;
    int rc = convert_rows_create(&k.rows, s, &k.to, o->imatrix, pool, e);
    if (rc == 0) rc = gguf ? to_gguf(&k, e) : to_hf(&k, e);
    safetensors_writer_free(k.st);
    gguf_writer_free(k.gguf);
    convert_rows_free(k.rows);
    mem_free(k.tensor);
    return rc;
}
