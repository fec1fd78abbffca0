/* params_file.c - parameters from a model's files, and as tensors of a file.
 *
 * What is not kept as files have it: the absorbed form's two matrices, which files hold as one
 * kv_b, (H, nope + v, rank) with head h's nope rows first. K_B is transposed per head.
 *
 *   kv_b[h][i][c] = K_B[h][c][i] for i < nope       kv_b[h][nope + i][c] = V_B[h][i][c]
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/source.h"
#include "tensor/dtype.h"
#include "train/params_int.h"

/* ---- kv_b ---------------------------------------------------------------------------------- */

struct mla_dims {
    size_t n_head, nope, dv, rank;
};

static struct mla_dims dims_of(const struct model_config *c)
{
    return (struct mla_dims){(size_t)c->n_head, (size_t)c->qk_nope_head_dim,
                             (size_t)c->v_head_dim, (size_t)c->kv_lora_rank};
}

static void join_kv(const struct mla_dims *d, const float *k, const float *v, float *kv)
{
    for (size_t h = 0; h < d->n_head; h++) {
        float *to = kv + h * (d->nope + d->dv) * d->rank;
        for (size_t i = 0; i < d->nope; i++)
            for (size_t c = 0; c < d->rank; c++)
                to[i * d->rank + c] = k[(h * d->rank + c) * d->nope + i];
        memcpy(to + d->nope * d->rank, v + h * d->dv * d->rank, d->dv * d->rank * sizeof *to);
    }
}

static void split_kv(const struct mla_dims *d, const float *kv, float *k, float *v)
{
    for (size_t h = 0; h < d->n_head; h++) {
        const float *from = kv + h * (d->nope + d->dv) * d->rank;
        for (size_t c = 0; c < d->rank; c++)
            for (size_t i = 0; i < d->nope; i++)
                k[(h * d->rank + c) * d->nope + i] = from[i * d->rank + c];
        memcpy(v + h * d->dv * d->rank, from + d->nope * d->rank, d->dv * d->rank * sizeof *v);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

int params_config(const struct model_source *s, struct model_config *c, struct err *e)
{
    *c = *source_config(s);
    if (c->rope_scaling == ROPE_SCALING_FREQS) {
        struct source_part p;
        float div[CONFIG_MAX_HEAD_DIM / 2];
        if (source_part(s, ROLE_ROPE_FREQS, -1, 0, &p, e)) return -1;
        dtype_row_to_f32(p.dtype, p.data, div, (size_t)c->rope_dim / 2);
        if (!config_rope_from_divisors(c, div))
            return err_set(e, ERR_UNSUPPORTED,
                           "%s: its rope divisors are no published llama3 parameters",
                           source_path(s));
    }
    if (c->arch == ARCH_LLAMA) c->rope_pairing = ROPE_HALF;
    c->fp8_block_rows = c->fp8_block_cols = 0; /* scales are multiplied in */
    return 0;
}

/* One part as f32 rows, block scales applied. */
static int read_part(const struct model_source *s, enum tensor_role r, int32_t layer,
                     int32_t part, float *out, struct err *e)
{
    struct source_part p;
    if (source_part(s, r, layer, part, &p, e)) return -1;
    size_t n_in = (size_t)p.shape.dim[p.shape.n_dim - 1];
    size_t rows = (size_t)shape_elems(&p.shape) / n_in, row_bytes = p.bytes / rows;
    const struct model_config *c = source_config(s);
    for (size_t i = 0; i < rows; i++) {
        dtype_row_to_f32(p.dtype, (const unsigned char *)p.data + i * row_bytes, out + i * n_in,
                         n_in);
        for (size_t k = 0; p.scale && k < n_in; k++) {
            size_t at = i / (size_t)c->fp8_block_rows * (size_t)p.scale_cols +
                        k / (size_t)c->fp8_block_cols;
            float scale;
            dtype_row_to_f32(p.scale_dtype,
                             (const unsigned char *)p.scale +
                                 at * dtype_block_bytes(p.scale_dtype),
                             &scale, 1);
            out[i * n_in + k] *= scale;
        }
    }
    return 0;
}

/* Rows of each head from interleaved pairs to halves; a row is `width` numbers. */
static int to_halves(float *x, size_t rows, size_t width, size_t head, struct err *e)
{
    size_t bytes = head * width * sizeof *x;
    float *work = mem_alloc(bytes);
    if (!work) return err_oom(e, "a head's rows", bytes);
    for (size_t h = 0; h < rows / head; h++) {
        float *at = x + h * head * width;
        memcpy(work, at, bytes);
        for (size_t i = 0; i < head; i++)
            memcpy(at + (i / 2 + head / 2 * (i % 2)) * width, work + i * width,
                   width * sizeof *x);
    }
    mem_free(work);
    return 0;
}

static bool is_rotary(enum tensor_role r)
{
    return r == ROLE_Q || r == ROLE_K || r == ROLE_Q_BIAS || r == ROLE_K_BIAS;
}

/* kv_b of a layer from either layout, as K_B and V_B or whole. */
static int read_kv(const struct params *p, const struct model_source *s, int32_t layer,
                   struct err *e)
{
    struct mla_dims d = dims_of(&p->m->c);
    struct weight *w = p->m->layer[layer].w;
    bool joined = source_has(s, ROLE_KV_B, layer);
    size_t nk = d.n_head * d.nope * d.rank, nv = d.n_head * d.dv * d.rank;
    if (w[ROLE_KV_B].data && joined)
        return read_part(s, ROLE_KV_B, layer, 0, w[ROLE_KV_B].data, e);
    if (w[ROLE_K_B].data && !joined)
        return read_part(s, ROLE_K_B, layer, 0, w[ROLE_K_B].data, e) ||
                       read_part(s, ROLE_V_B, layer, 0, w[ROLE_V_B].data, e)
                   ? -1
                   : 0;
    float *work = mem_alloc((nk + nv) * sizeof *work);
    if (!work) return err_oom(e, "kv_b", (nk + nv) * sizeof *work);
    int rc;
    if (joined) {
        rc = read_part(s, ROLE_KV_B, layer, 0, work, e);
        if (rc == 0) split_kv(&d, work, w[ROLE_K_B].data, w[ROLE_V_B].data);
    } else {
        rc = read_part(s, ROLE_K_B, layer, 0, work, e) ||
                     read_part(s, ROLE_V_B, layer, 0, work + nk, e)
                 ? -1
                 : 0;
        if (rc == 0) join_kv(&d, work, work + nk, w[ROLE_KV_B].data);
    }
    mem_free(work);
    return rc;
}

int params_load(struct params *p, const struct model_source *s, struct err *e)
{
    struct model_config c;
    if (params_config(s, &c, e)) return -1;
    memcpy(c.name, p->m->c.name, sizeof c.name);
    c.n_ctx = p->m->c.n_ctx;
    if (memcmp(&c, &p->m->c, sizeof c) != 0)
        return err_set(e, ERR_FORMAT, "%s: its config is not that of the model in training",
                       source_path(s));
    bool turn = source_config(s)->rope_pairing != c.rope_pairing;
    params_changed(p);
    for (size_t i = 0; i < p->n; i++) {
        const struct param *a = &p->param[i];
        int32_t parts = role_parts(&c, a->role);
        if (a->role == ROLE_V_B) continue; /* with K_B */
        if (a->role == ROLE_KV_B || a->role == ROLE_K_B) {
            if (read_kv(p, s, a->layer, e)) return -1;
            continue;
        }
        for (int32_t k = 0; k < parts; k++)
            if (read_part(s, a->role, a->layer, k,
                          a->w->data + a->n / (size_t)parts * (size_t)k, e))
                return -1;
        size_t width = a->w->kind == WEIGHT_VECTOR ? 1 : a->w->n_in;
        if (turn && is_rotary(a->role) &&
            to_halves(a->w->data, a->n / width, width, (size_t)c.head_dim, e))
            return -1;
    }
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

size_t params_n_part(const struct params *p, size_t i)
{
    const struct param *a = &p->param[i];
    return a->role == ROLE_V_B ? 0 : (size_t)role_parts(&p->m->c, a->role);
}

int params_part(const struct params *p, size_t i, size_t part, struct params_part *out,
                struct err *e)
{
    const struct param *a = &p->param[i];
    bool joined = a->role == ROLE_K_B;
    enum tensor_role r = joined ? ROLE_KV_B : a->role;
    if (!role_name_hf(r, a->layer, (int32_t)part, out->name))
        return err_set(e, ERR_BUG, "%s has no name in a checkpoint", a->w->name);
    role_shape(&p->m->c, r, &out->shape);
    out->elems = (size_t)shape_elems(&out->shape);
    out->data = joined ? NULL : a->w->data + part * out->elems;
    return 0;
}

void params_part_rows(const struct params *p, size_t i, float *out)
{
    struct mla_dims d = dims_of(&p->m->c);
    const struct weight *w = p->m->layer[p->param[i].layer].w;
    join_kv(&d, w[ROLE_K_B].data, w[ROLE_V_B].data, out);
}
