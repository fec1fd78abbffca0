/* model.c - opening a model: which weights there are, how large, and packing them.
 *
 * model_open walks the table of tensor roles (names.h) and fills one struct weight for each role
 * and layer the config asks for; it knows sizes and types but has read nothing. model_load takes
 * one mapping for all packed matrices and fills it weight by weight, panel by panel, over the
 * pool; after each weight the file's pages are let go.
 *
 * Latent attention needs its up-projection in the layout of its form. A file has kv_b in one
 * piece, or k_b (transposed) and v_b; what the form needs and the file lacks is made here from the
 * other layout, exactly: rows that only move keep their type, rows that must be transposed become
 * f32 (or stay bf16, f16).
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "model/source.h"

/* ---- laying out ---------------------------------------------------------------------------- */

static bool is_vector(enum tensor_role r)
{
    switch ((int)r) {
    case ROLE_OUTPUT_NORM:
    case ROLE_ATTN_NORM:
    case ROLE_FFN_NORM:
    case ROLE_Q_BIAS:
    case ROLE_K_BIAS:
    case ROLE_V_BIAS:
    case ROLE_Q_NORM:
    case ROLE_K_NORM:
    case ROLE_Q_A_NORM:
    case ROLE_KV_A_NORM:
    case ROLE_ROUTER_BIAS:
    case ROLE_MTP_ENORM:
    case ROLE_MTP_HNORM:
    case ROLE_MTP_NORM: return true;
    default: return false;
    }
}

/* Roles that this program does not load as weights: rope_freqs goes into the frequencies, fused
 * experts are served apart, MTP's duplicates and the indexer are not used. */
static bool is_skipped(const struct model *m, enum tensor_role r)
{
    switch ((int)r) {
    case ROLE_ROPE_FREQS:
    case ROLE_EXP_GATE_UP:
    case ROLE_MTP_HEAD:
    case ROLE_MTP_EMBD:
    case ROLE_INDEX_Q:
    case ROLE_INDEX_K:
    case ROLE_INDEX_K_NORM:
    case ROLE_INDEX_K_NORM_BIAS:
    case ROLE_INDEX_WEIGHTS: return true;
    case ROLE_KV_B: return m->opts.mla == MLA_ABSORBED;
    case ROLE_K_B:
    case ROLE_V_B: return m->opts.mla == MLA_EXPANDED;
    default: return false;
    }
}

static const char *weight_name(struct model *m, enum tensor_role r, int32_t layer)
{
    char text[96];
    if (layer < 0)
        snprintf(text, sizeof text, "%s", role_text(r));
    else
        snprintf(text, sizeof text, "layer %d %s", layer, role_text(r));
    return arena_strndup(&m->names, text, strlen(text));
}

/* The type a transposed or rejoined matrix is kept in. */
static enum dtype rebuilt_type(const struct source_part *p)
{
    bool keep = !p->scale && (p->dtype == DT_BF16 || p->dtype == DT_F16);
    return keep ? p->dtype : DT_F32;
}

static int lay_out(struct model *m, enum tensor_role r, int32_t layer, struct weight *w,
                   struct err *e)
{
    const struct model_source *s = m->source;
    struct source_part p;
    bool own = source_has(s, r, layer);
    enum tensor_role from = own ? r : r == ROLE_KV_B ? ROLE_K_B : ROLE_KV_B;
    bool rebuilt = !own && (r == ROLE_KV_B || r == ROLE_K_B || r == ROLE_V_B);
    if (!own && !rebuilt) return 0; /* an optional one that is not there */
    if (source_part(s, from, layer, 0, &p, e)) return -1;

    struct tensor_shape shape;
    role_shape(&m->c, r, &shape);
    *w =
        (struct weight){.name = weight_name(m, r, layer), .kind = WEIGHT_MATRIX, .dt = p.dtype};
    if (!w->name) return err_oom(e, "weight names", 96);
    w->n_stack = role_is_expert(r)  ? (size_t)role_parts(&m->c, r)
                 : shape.n_dim == 3 ? (size_t)shape.dim[0]
                                    : 1;
    w->n_in = (size_t)shape.dim[shape.n_dim - 1];
    w->n_out = shape.n_dim > 1 ? (size_t)shape.dim[shape.n_dim - 2] : 1;
    if (is_vector(r)) {
        w->kind = WEIGHT_VECTOR;
        return 0;
    }
    if (rebuilt && (r != ROLE_V_B || p.scale)) w->dt = rebuilt_type(&p);
    if (r == ROLE_EMBD && !m->c.tie_embeddings) {
        w->kind = WEIGHT_LOOKUP;
        if (dtype_row_bytes(w->dt, w->n_in, &w->raw_row_bytes))
            return err_set(e, ERR_FORMAT, "%s: rows of %zu do not fit blocks of %s", w->name,
                           w->n_in, dtype_name(w->dt));
        return 0;
    }
    size_t panel = pack_panel_bytes(w->dt, w->n_in);
    if (!panel)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: a matrix of type %s with %zu inputs is not supported", w->name,
                       dtype_name(w->dt), w->n_in);
    w->pack =
        (struct pack){.dt = w->dt, .n_out = w->n_out, .n_in = w->n_in, .panel_bytes = panel};
    w->stack_bytes = round_up(panel * pack_panels(w->n_out), 64);
    m->mem_bytes += w->stack_bytes * w->n_stack;
    return 0;
}

static int read_rope_freqs(struct model *m, struct err *e)
{
    float div[CONFIG_MAX_HEAD_DIM / 2];
    const float *divisor = NULL;
    if (m->c.rope_scaling == ROPE_SCALING_FREQS) {
        struct source_part p;
        if (source_part(m->source, ROLE_ROPE_FREQS, -1, 0, &p, e)) return -1;
        dtype_row_to_f32(p.dtype, p.data, div, (size_t)m->c.rope_dim / 2);
        divisor = div;
    }
    config_rope_freqs(&m->c, divisor, m->rope.freq);
    m->rope.n_pair = (size_t)m->c.rope_dim / 2;
    m->rope.magnitude = config_rope_gain(&m->c);
    m->rope.interleaved = m->c.rope_pairing == ROPE_INTERLEAVED;
    m->attn_scale = config_attn_scale(&m->c);
    return 0;
}

static int lay_out_all(struct model *m, struct err *e)
{
    for (int r = 0; r < ROLE_COUNT; r++) {
        enum tensor_role role = (enum tensor_role)r;
        if (is_skipped(m, role)) continue;
        if (role_is_global(role)) {
            if (role_need(&m->c, role, -1) != ROLE_ABSENT && lay_out(m, role, -1, &m->w[r], e))
                return -1;
            continue;
        }
        for (int32_t l = 0; l < m->n_layer_all; l++)
            if (role_need(&m->c, role, l) != ROLE_ABSENT &&
                lay_out(m, role, l, &m->layer[l].w[r], e))
                return -1;
    }
    return 0;
}

int model_open(struct model **out, struct model_source *source, const struct model_opts *o,
               struct err *e)
{
    *out = NULL;
    struct model *m = mem_calloc(1, sizeof *m);
    if (!m) {
        source_close(source);
        return err_oom(e, "model", sizeof *m);
    }
    m->source = source;
    m->c = *source_config(source);
    m->opts = *o;
    m->n_ctx = m->c.n_ctx;
    arena_init(&m->names, 1 << 16, 0);
    m->n_layer_all = m->c.n_layer + (o->with_mtp ? m->c.n_layer_mtp : 0);
    m->layer = mem_calloc((size_t)m->n_layer_all, sizeof *m->layer);
    if (!m->layer) {
        model_free(m);
        return err_oom(e, "layers", (size_t)m->n_layer_all * sizeof *m->layer);
    }
    if (m->c.n_index_head > 0 && m->n_ctx > m->c.index_topk) {
        m->n_ctx = m->c.index_topk; /* models.md 8.1: below it the selection takes every key */
        log_warn("model",
                 "%s: the sparse-attention indexer is not built; contexts end at %d tokens, "
                 "where sparse and dense attention are the same",
                 source_path(source), m->n_ctx);
    }
    if (lay_out_all(m, e) || read_rope_freqs(m, e)) {
        model_free(m);
        return -1;
    }
    *out = m;
    return 0;
}

void model_free(struct model *m)
{
    if (!m) return;
    mem_unmap(m->mem, m->mem_bytes);
    mem_free(m->layer);
    arena_release(&m->names);
    source_close(m->source);
    mem_free(m);
}

bool model_intact(const struct model *m)
{
    return !m->source || !m->w[ROLE_EMBD].raw || source_intact(m->source);
}

/* ---- loading ------------------------------------------------------------------------------- */

struct load {
    struct model *m;
    struct pool *pool;
    unsigned char *at; /* next free byte of m->mem */
    uint64_t done;
    const struct model_progress *progress;
};

struct pack_job {
    const struct weight *w;
    const unsigned char *src; /* rows of this matrix */
    size_t row_bytes;
    unsigned char *dst;
    size_t parts;
};

static void pack_slice(void *ctx, size_t i)
{
    const struct pack_job *j = ctx;
    size_t panels = pack_panels(j->w->n_out), end = panels * (i + 1) / j->parts;
    for (size_t p = panels * i / j->parts; p < end; p++) {
        size_t row = p * PACK_OUT, n = size_min(PACK_OUT, j->w->n_out - row);
        pack_panel(j->w->dt, j->dst + p * j->w->pack.panel_bytes, j->src + row * j->row_bytes,
                   j->row_bytes, n, j->w->n_in);
    }
}

static void pack_rows(struct load *l, const struct weight *w, const void *rows,
                      size_t row_bytes, unsigned char *dst)
{
    struct pack_job j = {w, rows, row_bytes, dst,
                         size_min(pack_panels(w->n_out), (size_t)pool_threads(l->pool) * 4)};
    pool_run(l->pool, pack_slice, &j, j.parts);
}

/* FP8 scales as f32 (128 x 128 blocks), appended to `scale`. */
static void convert_scale(const struct source_part *p, float *out)
{
    size_t n = (size_t)p->scale_rows * (size_t)p->scale_cols;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *s = p->scale;
        out[i] = p->scale_dtype == DT_F8_E8M0 ? e8m0_to_f32(s[i])
                 : p->scale_dtype == DT_BF16  ? bf16_to_f32(load_le16(s + 2 * i))
                                              : f32_from_bits(load_le32(s + 4 * i));
    }
}

/* One source matrix as f32 rows, scales applied. */
static void rows_to_f32(const struct source_part *p, const float *scale, size_t n_out,
                        size_t n_in, float *out)
{
    size_t row_bytes = p->bytes / n_out, cols = (n_in + 127) / 128;
    for (size_t r = 0; r < n_out; r++) {
        dtype_row_to_f32(p->dtype, (const unsigned char *)p->data + r * row_bytes,
                         out + r * n_in, n_in);
        for (size_t i = 0; scale && i < n_in; i++)
            out[r * n_in + i] *= scale[r / 128 * cols + i / 128];
    }
}

static void let_go(const struct source_part *p)
{
    if (p->map) file_map_drop(p->map, p->offset, p->bytes);
}

static int check_scale(const struct model *m, const struct weight *w,
                       const struct source_part *p, struct err *e)
{
    if (!p->scale || (m->c.fp8_block_rows == 128 && m->c.fp8_block_cols == 128)) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: FP8 scales for blocks of %d by %d, supported is 128 by 128", w->name,
                   m->c.fp8_block_rows, m->c.fp8_block_cols);
}

static int load_vector(struct model *m, struct weight *w, enum tensor_role r, int32_t layer,
                       struct err *e)
{
    struct source_part p;
    if (source_part(m->source, r, layer, 0, &p, e)) return -1;
    w->data = arena_alloc(&m->names, w->n_in * sizeof *w->data);
    if (!w->data) return err_oom(e, w->name, w->n_in * sizeof *w->data);
    dtype_row_to_f32(p.dtype, p.data, w->data, w->n_in);
    w->dt = DT_F32;
    return 0;
}

/* Scales of all parts of a weight, side by side in the model's arena; NULL if it has none. */
static int load_scales(struct model *m, const struct weight *w, enum tensor_role r,
                       int32_t layer, const float **out, struct err *e)
{
    struct source_part p;
    *out = NULL;
    if (source_part(m->source, r, layer, 0, &p, e) || check_scale(m, w, &p, e)) return -1;
    if (!p.scale) return 0;
    size_t per = (size_t)p.scale_rows * (size_t)p.scale_cols,
           parts = (size_t)role_parts(&m->c, r);
    float *scale = arena_calloc(&m->names, per * parts, sizeof *scale);
    if (!scale) return err_oom(e, "FP8 scales", per * parts * sizeof *scale);
    for (size_t i = 0; i < parts; i++) {
        if (source_part(m->source, r, layer, (int32_t)i, &p, e)) return -1;
        convert_scale(&p, scale + i * per);
    }
    *out = scale;
    return 0;
}

static int load_lookup(struct model *m, struct weight *w, struct err *e)
{
    struct source_part p;
    if (source_part(m->source, ROLE_EMBD, -1, 0, &p, e)) return -1;
    w->raw = p.data;
    return load_scales(m, w, ROLE_EMBD, -1, &w->raw_scale, e);
}

/* K_B and V_B from kv_b, or kv_b from K_B and V_B: through f32, head by head. */
static int load_rebuilt(struct load *l, struct weight *w, enum tensor_role r, int32_t layer,
                        struct err *e)
{
    struct model *m = l->m;
    size_t n_head = (size_t)m->c.n_head, rank = (size_t)m->c.kv_lora_rank;
    size_t nope = (size_t)m->c.qk_nope_head_dim, dv = (size_t)m->c.v_head_dim;
    size_t kv_rows = n_head * (nope + dv);
    size_t bytes = kv_rows * rank * sizeof(float);
    float *kv = mem_alloc(bytes), *out = mem_alloc(bytes);
    size_t row_bytes = 0;
    unsigned char *rows = NULL;
    const float *scale = NULL;
    struct source_part p;
    int rc = -1;
    if (!kv || !out) {
        err_oom(e, w->name, bytes);
        goto done;
    }
    if (r == ROLE_KV_B) {
        struct source_part k, v;
        if (source_part(m->source, ROLE_K_B, layer, 0, &k, e) ||
            source_part(m->source, ROLE_V_B, layer, 0, &v, e))
            goto done;
        rows_to_f32(&k, NULL, n_head * rank, nope, out);
        for (size_t h = 0; h < n_head; h++)
            for (size_t i = 0; i < nope; i++)
                for (size_t c = 0; c < rank; c++)
                    kv[(h * (nope + dv) + i) * rank + c] = out[(h * rank + c) * nope + i];
        rows_to_f32(&v, NULL, n_head * dv, rank, out);
        for (size_t h = 0; h < n_head; h++)
            memcpy(kv + (h * (nope + dv) + nope) * rank, out + h * dv * rank,
                   dv * rank * sizeof *kv);
        memcpy(out, kv, bytes);
    } else {
        if (load_scales(m, w, ROLE_KV_B, layer, &scale, e) ||
            source_part(m->source, ROLE_KV_B, layer, 0, &p, e))
            goto done;
        rows_to_f32(&p, scale, kv_rows, rank, kv);
        for (size_t h = 0; h < n_head; h++) {
            const float *head = kv + h * (nope + dv) * rank;
            if (r == ROLE_V_B) {
                memcpy(out + h * dv * rank, head + nope * rank, dv * rank * sizeof *out);
                continue;
            }
            for (size_t c = 0; c < rank; c++)
                for (size_t i = 0; i < nope; i++)
                    out[(h * rank + c) * nope + i] = head[i * rank + c];
        }
    }
    if (dtype_row_bytes(w->dt, w->n_in, &row_bytes)) goto done;
    rows = mem_alloc(w->n_stack * w->n_out * row_bytes);
    if (!rows) {
        err_oom(e, w->name, w->n_stack * w->n_out * row_bytes);
        goto done;
    }
    for (size_t i = 0; i < w->n_stack * w->n_out; i++)
        dtype_row_from_f32(w->dt, out + i * w->n_in, rows + i * row_bytes, w->n_in, NULL);
    for (size_t h = 0; h < w->n_stack; h++)
        pack_rows(l, w, rows + h * w->n_out * row_bytes, row_bytes, l->at + h * w->stack_bytes);
    rc = 0;
done:
    mem_free(rows);
    mem_free(out);
    mem_free(kv);
    return rc;
}

/* V_B whose rows lie inside kv_b: they keep their type. */
static int load_v_from_kv(struct load *l, struct weight *w, int32_t layer, struct err *e)
{
    struct source_part p;
    size_t row_bytes, nope = (size_t)l->m->c.qk_nope_head_dim;
    if (source_part(l->m->source, ROLE_KV_B, layer, 0, &p, e)) return -1;
    if (dtype_row_bytes(w->dt, w->n_in, &row_bytes))
        return err_set(e, ERR_BUG, "%s: row", w->name);
    for (size_t h = 0; h < w->n_stack; h++)
        pack_rows(l, w,
                  (const unsigned char *)p.data + (h * (nope + w->n_out) + nope) * row_bytes,
                  row_bytes, l->at + h * w->stack_bytes);
    return 0;
}

static int load_stack(struct load *l, struct weight *w, enum tensor_role r, int32_t layer,
                      struct err *e)
{
    struct model *m = l->m;
    size_t row_bytes, parts = (size_t)role_parts(&m->c, r), per_part = w->n_stack / parts;
    if (dtype_row_bytes(w->dt, w->n_in, &row_bytes))
        return err_set(e, ERR_FORMAT, "%s: rows of %zu do not fit blocks of %s", w->name,
                       w->n_in, dtype_name(w->dt));
    if (load_scales(m, w, r, layer, &w->pack.scale, e)) return -1;
    for (size_t i = 0; i < parts; i++) {
        struct source_part p;
        if (source_part(m->source, r, layer, (int32_t)i, &p, e)) return -1;
        if (p.dtype != w->dt)
            return err_set(e, ERR_UNSUPPORTED, "%s: part %zu is %s, the first is %s", w->name,
                           i, dtype_name(p.dtype), dtype_name(w->dt));
        for (size_t s = 0; s < per_part; s++)
            pack_rows(l, w, (const unsigned char *)p.data + s * w->n_out * row_bytes, row_bytes,
                      l->at + (i * per_part + s) * w->stack_bytes);
        let_go(&p);
    }
    return 0;
}

static int load_weight(struct load *l, struct weight *w, enum tensor_role r, int32_t layer,
                       struct err *e)
{
    struct model *m = l->m;
    if (!w->name) return 0;
    if (!source_intact(m->source))
        return err_set(e, ERR_IO, "%s became shorter while it was read",
                       source_path(m->source));
    if (w->kind == WEIGHT_VECTOR) return load_vector(m, w, r, layer, e);
    if (w->kind == WEIGHT_LOOKUP) return load_lookup(m, w, e);
    int rc;
    if (source_has(m->source, r, layer))
        rc = load_stack(l, w, r, layer, e);
    else if (r == ROLE_V_B && dtype_is_block(w->dt))
        rc = load_v_from_kv(l, w, layer, e);
    else
        rc = load_rebuilt(l, w, r, layer, e);
    if (rc) return -1;
    w->pack.data = l->at;
    l->at += w->stack_bytes * w->n_stack;
    l->done += w->stack_bytes * w->n_stack;
    if (l->progress && l->progress->fn)
        l->progress->fn(l->progress->ctx, l->done, m->mem_bytes);
    return 0;
}

int model_load(struct model *m, struct pool *pool, const struct model_progress *p,
               struct err *e)
{
    if (m->mem) return 0;
    m->mem = mem_map(m->mem_bytes);
    if (!m->mem) return err_oom(e, "the model's weights", m->mem_bytes);
    struct load l = {.m = m, .pool = pool, .at = m->mem, .progress = p};
    for (int32_t layer = -1; layer < m->n_layer_all; layer++) {
        struct weight *w = layer < 0 ? m->w : m->layer[layer].w;
        for (int r = 0; r < ROLE_COUNT; r++)
            if (load_weight(&l, &w[r], (enum tensor_role)r, layer, e)) return -1;
    }
    return 0;
}

/* ---- sizes --------------------------------------------------------------------------------- */

size_t model_weight_bytes(const struct model *m)
{
    return m->mem_bytes;
}

/* Sums f over every matrix a token is multiplied with. */
static void for_active(const struct model *m, uint64_t *bytes, uint64_t *macs)
{
    *bytes = *macs = 0;
    for (int32_t layer = -1; layer < m->c.n_layer; layer++) {
        const struct weight *w = layer < 0 ? m->w : m->layer[layer].w;
        for (int r = 0; r < ROLE_COUNT; r++) {
            if (!w[r].name || w[r].kind != WEIGHT_MATRIX) continue;
            uint64_t n = role_is_expert((enum tensor_role)r) ? (uint64_t)m->c.n_expert_used
                                                             : w[r].n_stack;
            *bytes += n * w[r].stack_bytes;
            *macs += n * w[r].n_out * w[r].n_in;
        }
    }
}

size_t model_active_bytes(const struct model *m)
{
    uint64_t bytes, macs;
    for_active(m, &bytes, &macs);
    return (size_t)bytes;
}

uint64_t model_active_macs(const struct model *m)
{
    uint64_t bytes, macs;
    for_active(m, &bytes, &macs);
    return macs;
}

void model_kv_layout(const struct model *m, enum dtype dt, struct kv_layout *out)
{
    const struct model_config *c = &m->c;
    *out = (struct kv_layout){.n_layer = m->n_layer_all, .dt = dt};
    if (!config_is_mla(c)) {
        out->n_head_kv = c->n_head_kv;
        out->d_k = out->d_v = (size_t)c->head_dim;
    } else if (m->opts.mla == MLA_ABSORBED) {
        out->n_head_kv = 1;
        out->d_k = (size_t)(c->kv_lora_rank + c->qk_rope_head_dim);
        out->d_v = (size_t)c->kv_lora_rank;
        out->latent = true;
    } else {
        out->n_head_kv = c->n_head;
        out->d_k = (size_t)config_qk_dim(c);
        out->d_v = (size_t)c->v_head_dim;
    }
    kv_layout_finish(out);
}

size_t model_scratch_bytes(const struct model *m)
{
    struct kv_layout l;
    model_kv_layout(m, DT_F32, &l);
    size_t attn = attn_scratch_bytes(l.d_k, l.d_v, (size_t)(m->c.n_head / l.n_head_kv));
    return round_up(size_max(attn, gemm_scratch_bytes()), 4096);
}

/* A dry step through the layers, or through the first MTP layer. */
static int dry_bytes(const struct model *m, const struct kernels *k, struct pool *pool,
                     size_t n, size_t n_out, bool mtp, size_t *bytes, struct err *e)
{
    struct arena heads;
    arena_init(&heads, 1 << 16, 0);
    int32_t *zero = mem_calloc(n ? n : 1, sizeof *zero);
    struct kv_layout layout;
    model_kv_layout(m, DT_F32, &layout);
    struct kv_view kv = {.layout = &layout, .row_seq = zero, .row_pos = zero};
    struct batch b = {.n = n, .id = zero, .pos = zero, .out = zero, .n_out = n_out, .kv = &kv};
    struct arena none = {0};
    struct step st = {
        .arena = &none, .heads = &heads, .pool = pool, .k = k, .act = m->opts.act, .dry = true};
    int rc = zero ? 0 : err_oom(e, "plan", n * sizeof *zero);
    if (rc == 0) {
        struct tensor *hidden, h = {.n = n, .c = (size_t)m->c.n_embd};
        struct model *dry = (struct model *)(uintptr_t)m; /* a dry step writes to no weight */
        if (mtp)
            (void)model_mtp(dry, &st, &b, &h, 0, &hidden);
        else
            (void)model_forward(dry, &st, &b, &hidden);
        rc = step_failed(&st, e);
    }
    *bytes = st.plan_bytes;
    mem_free(zero);
    arena_release(&heads);
    return rc;
}

int model_step_bytes(const struct model *m, const struct kernels *k, struct pool *pool,
                     size_t n, size_t n_out, size_t *bytes, struct err *e)
{
    return dry_bytes(m, k, pool, n, n_out, false, bytes, e);
}

int model_mtp_bytes(const struct model *m, const struct kernels *k, struct pool *pool, size_t n,
                    size_t n_out, size_t *bytes, struct err *e)
{
    return dry_bytes(m, k, pool, n, n_out, true, bytes, e);
}
