/* forward.c - the two graphs as lists of ops.
 *
 *   x = embed(ids)
 *   for each layer:  x += attention(norm(x));  x += ffn(norm(x))
 *   logits = head(norm(x))
 *
 * Attention is grouped-query (Llama, Qwen2, Qwen3) or latent (DeepSeek V2, V3, R1); the FFN is
 * dense, or routed experts plus shared ones. N rows, C = n_embd, H heads. What differs between
 * models of a family is a weight that is there or not.
 *
 * Sources: models.md 3-7; DeepSeek-V3 inference/model.py.
 */
#include "model/model.h"
#include "nn/tape.h"

#define W(role) (&w[role])

static struct weight *opt(struct weight *w, enum tensor_role r)
{
    return weight_present(&w[r]) ? &w[r] : NULL;
}

/* ---- attention ----------------------------------------------------------------------------- */

static struct tensor *attn_gqa(struct model *m, struct step *st, struct weight *w,
                               const struct kv_view *kv, int32_t layer, const struct rope *rope,
                               struct tensor *x)
{
    const struct model_config *c = &m->c;
    size_t head = (size_t)c->head_dim, n_head = (size_t)c->n_head, n_kv = (size_t)c->n_head_kv;
    const struct linear qkv[] = {{W(ROLE_Q), opt(w, ROLE_Q_BIAS)},
                                 {W(ROLE_K), opt(w, ROLE_K_BIAS)},
                                 {W(ROLE_V), opt(w, ROLE_V_BIAS)}};
    struct tensor *in[3];
    op_linears(st, x, qkv, 3, in);
    struct tensor *q = in[0], *k = in[1], *v = in[2]; /* (N, H*D), (N, Hkv*D) twice */
    if (c->qk_norm) {
        q = op_rmsnorm(st, q, W(ROLE_Q_NORM), c->rms_eps);
        k = op_rmsnorm(st, k, W(ROLE_K_NORM), c->rms_eps);
    }
    q = op_rope(st, q, 0, head, n_head, rope);
    k = op_rope(st, k, 0, head, n_kv, rope);
    op_kv_store(st, kv, layer, k, v);
    return op_linear(st, op_attn(st, q, kv, layer, m->attn_scale), W(ROLE_ATTN_OUT), NULL);
}

static struct tensor *attn_mla(struct model *m, struct step *st, struct weight *w,
                               const struct kv_view *kv, int32_t layer, const struct rope *rope,
                               struct tensor *x)
{
    const struct model_config *c = &m->c;
    size_t n_head = (size_t)c->n_head, rank = (size_t)c->kv_lora_rank;
    size_t nope = (size_t)c->qk_nope_head_dim, dr = (size_t)c->qk_rope_head_dim;
    bool low = c->q_lora_rank > 0;
    const struct linear first[] = {{low ? W(ROLE_Q_A) : W(ROLE_Q_MLA), NULL},
                                   {W(ROLE_KV_A), NULL}};
    struct tensor *in[2];
    op_linears(st, x, first, 2, in);
    struct tensor *q = in[0], *a = in[1]; /* (N, q_lora_rank) or all heads; (N, rank + dr) */
    if (low)
        q = op_linear(st, op_rmsnorm(st, q, W(ROLE_Q_A_NORM), c->rms_eps), W(ROLE_Q_B), NULL);
    q = op_rope(st, q, nope, nope + dr, n_head, rope); /* (N, H*(nope+dr)) */

    struct tensor *latent =
        op_rmsnorm(st, op_cols(st, a, 0, rank), W(ROLE_KV_A_NORM), c->rms_eps);
    struct tensor *kr = op_rope(st, op_cols(st, a, rank, dr), 0, dr, 1, rope);

    struct tensor *o;
    if (m->opts.mla == MLA_ABSORBED) {
        op_kv_store(st, kv, layer, op_concat(st, latent, kr), NULL);
        struct tensor *qa = op_linear_heads(st, q, nope + dr, 0, W(ROLE_K_B)); /* (N, H*rank) */
        qa = op_mla_query(st, qa, q, n_head, dr);
        o = op_attn(st, qa, kv, layer, m->attn_scale); /* (N, H*rank) */
        o = op_linear_heads(st, o, rank, 0, W(ROLE_V_B));
    } else {
        struct tensor *k, *v, *up = op_linear(st, latent, W(ROLE_KV_B), NULL);
        op_mla_split(st, up, kr, n_head, nope, (size_t)c->v_head_dim, &k, &v);
        op_kv_store(st, kv, layer, k, v);
        o = op_attn(st, q, kv, layer, m->attn_scale); /* (N, H*dv) */
    }
    return op_linear(st, o, W(ROLE_ATTN_OUT), NULL);
}

/* ---- feed forward -------------------------------------------------------------------------- */

static struct tensor *ffn_moe(struct model *m, struct step *st, struct weight *w,
                              struct tensor *x)
{
    const struct model_config *c = &m->c;
    struct moe moe = {
        .router = W(ROLE_ROUTER),
        .correction = opt(w, ROLE_ROUTER_BIAS),
        .gate = W(ROLE_EXP_GATE),
        .up = W(ROLE_EXP_UP),
        .down = W(ROLE_EXP_DOWN),
        .n_expert = c->n_expert,
        .n_used = c->n_expert_used,
        .n_group = c->n_group,
        .topk_group = c->topk_group,
        .sigmoid = c->score_func == SCORE_SIGMOID,
        .normalise = c->norm_topk,
        .group_max = c->topk_method == TOPK_GROUP_MAX,
        .scale = c->routed_scale,
    };
    struct tensor *y = op_moe(st, x, &moe);
    if (c->n_expert_shared == 0) return y;
    return op_add(st, y, op_ffn(st, x, W(ROLE_SH_GATE), W(ROLE_SH_UP), W(ROLE_SH_DOWN)));
}

/* ---- layers -------------------------------------------------------------------------------- */

struct block_args {
    struct model *m;
    int32_t layer;
    const struct kv_view *kv;
    const struct rope *rope;
};

static struct tensor *block_ops(struct step *st, struct tensor *x, void *ctx)
{
    const struct block_args *a = ctx;
    struct model *m = a->m;
    int32_t layer = a->layer;
    const struct kv_view *kv = a->kv;
    const struct rope *rope = a->rope;
    struct weight *w = m->layer[layer].w;
    struct step_mark mark = step_mark(st);
    struct tensor *h = op_rmsnorm(st, x, W(ROLE_ATTN_NORM), m->c.rms_eps);
    h = config_is_mla(&m->c) ? attn_mla(m, st, w, kv, layer, rope, h)
                             : attn_gqa(m, st, w, kv, layer, rope, h);
    x = op_add(st, x, h);
    step_rewind(st, mark);
    h = op_rmsnorm(st, x, W(ROLE_FFN_NORM), m->c.rms_eps);
    h = config_is_moe_layer(&m->c, layer)
            ? ffn_moe(m, st, w, h)
            : op_ffn(st, h, W(ROLE_FFN_GATE), W(ROLE_FFN_UP), W(ROLE_FFN_DOWN));
    x = op_add(st, x, h);
    step_rewind(st, mark);
    return x;
}

/* One segment of the tape. */
static struct tensor *block(struct model *m, struct step *st, int32_t layer,
                            const struct kv_view *kv, const struct rope *rope, struct tensor *x)
{
    struct block_args a = {m, layer, kv, rope};
    return tape_segment(st, x, block_ops, &a, sizeof a);
}

static struct weight *head_weight(struct model *m)
{
    return m->c.tie_embeddings ? &m->w[ROLE_EMBD] : &m->w[ROLE_OUTPUT];
}

static struct tensor *head(struct model *m, struct step *st, const struct batch *b,
                           struct tensor *x)
{
    if (b->n_out == 0) return NULL;
    if (b->n_out < b->n) x = op_pick_rows(st, x, b->out, b->n_out);
    return op_linear(st, x, head_weight(m), NULL);
}

struct tensor *model_forward(struct model *m, struct step *st, const struct batch *b,
                             struct tensor **hidden)
{
    struct tensor *x = op_embed(st, &m->w[ROLE_EMBD], b->id, b->n);
    const struct rope *rope = op_rope_table(st, &m->rope, b->pos, b->n);
    for (int32_t l = 0; l < m->c.n_layer; l++) x = block(m, st, l, b->kv, rope, x);
    x = op_rmsnorm(st, x, &m->w[ROLE_OUTPUT_NORM], m->c.rms_eps);
    if (hidden) *hidden = x;
    return head(m, st, b, x);
}

struct tensor *model_mtp(struct model *m, struct step *st, const struct batch *b,
                         struct tensor *h, int32_t mtp, struct tensor **hidden)
{
    int32_t layer = m->c.n_layer + mtp;
    struct weight *w = m->layer[layer].w;
    struct tensor *e = op_embed(st, &m->w[ROLE_EMBD], b->id, b->n);
    e = op_rmsnorm(st, e, W(ROLE_MTP_ENORM), m->c.rms_eps);
    h = op_rmsnorm(st, h, W(ROLE_MTP_HNORM), m->c.rms_eps);
    struct tensor *x = op_linear(st, op_concat(st, e, h), W(ROLE_MTP_PROJ), NULL);
    const struct rope *rope = op_rope_table(st, &m->rope, b->pos, b->n);
    x = block(m, st, layer, b->kv, rope, x);
    if (hidden) *hidden = x;
    x = op_rmsnorm(st, x, W(ROLE_MTP_NORM), m->c.rms_eps);
    return head(m, st, b, x);
}
