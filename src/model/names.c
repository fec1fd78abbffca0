/* names.c - the table of tensor roles, and the few functions that read it.
 *
 * A row says: how messages call the role; its name inside a layer (or whole) in GGUF and in
 * Hugging Face files ('%' stands for the expert's number); which models have it; its dimensions
 * as functions of the config; and marks. Everything else in the tree asks here, so a new tensor
 * is one line.
 *
 * Sources: models.md 8.5 and 8.6 (Hugging Face), 12.2 to 12.4 (GGUF).
 */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

#include "model/config.h"

/* Which models and layers have the role. */
enum when {
    W_EMBD,
    W_OUTPUT, /* unless tied */
    W_FREQS,
    W_LAYER, /* every layer */
    W_GQA,
    W_QKV_BIAS,
    W_QK_NORM,
    W_MLA,
    W_Q_PLAIN, /* latent attention without query compression */
    W_Q_LORA,
    W_KV_B, /* one of two layouts */
    W_DENSE,
    W_MOE,
    W_EXPERT_BIAS,
    W_GATE_UP, /* one of two layouts */
    W_SHARED,
    W_MTP,
    W_MTP_COPY, /* duplicates that may be missing */
    W_INDEX
};

enum dim {
    D_NONE,
    D_VOCAB,
    D_EMBD,
    D_EMBD_2,
    D_FREQS,
    D_HEADS, /* n_head * head_dim */
    D_HEADS_KV,
    D_HEAD,
    D_HEADS_QK, /* n_head * (nope + rope) */
    D_HEADS_V,  /* width in front of the output projection, both graphs */
    D_HEADS_KV_B,
    D_N_HEAD,
    D_NOPE,
    D_V,
    D_Q_LORA,
    D_KV_LORA,
    D_KV_A,
    D_FF,
    D_EXPERTS,
    D_FF_EXPERT,
    D_FF_EXPERT_2,
    D_FF_SHARED,
    D_INDEX_HEADS,
    D_INDEX_HEAD,
    D_N_INDEX
};

enum mark { M_F32 = 1, M_FP8 = 2, M_EXPERT = 4, M_GLOBAL = 8 };

struct row {
    const char *text, *gguf, *hf;
    enum when when;
    enum dim dim[3];
    unsigned mark;
};

/* clang-format off */
static const struct row row[ROLE_COUNT] = {
[ROLE_EMBD]        = {"token_embd", "token_embd.weight", "model.embed_tokens.weight", W_EMBD, {D_VOCAB, D_EMBD}, M_GLOBAL},
[ROLE_OUTPUT_NORM] = {"output_norm", "output_norm.weight", "model.norm.weight", W_EMBD, {D_EMBD}, M_GLOBAL | M_F32},
[ROLE_OUTPUT]      = {"output", "output.weight", "lm_head.weight", W_OUTPUT, {D_VOCAB, D_EMBD}, M_GLOBAL},
[ROLE_ROPE_FREQS]  = {"rope_freqs", "rope_freqs.weight", NULL, W_FREQS, {D_FREQS}, M_GLOBAL | M_F32},

[ROLE_ATTN_NORM]   = {"attn_norm", "attn_norm.weight", "input_layernorm.weight", W_LAYER, {D_EMBD}, M_F32},
[ROLE_FFN_NORM]    = {"ffn_norm", "ffn_norm.weight", "post_attention_layernorm.weight", W_LAYER, {D_EMBD}, M_F32},

[ROLE_Q]           = {"attn_q", "attn_q.weight", "self_attn.q_proj.weight", W_GQA, {D_HEADS, D_EMBD}, M_FP8},
[ROLE_K]           = {"attn_k", "attn_k.weight", "self_attn.k_proj.weight", W_GQA, {D_HEADS_KV, D_EMBD}, M_FP8},
[ROLE_V]           = {"attn_v", "attn_v.weight", "self_attn.v_proj.weight", W_GQA, {D_HEADS_KV, D_EMBD}, M_FP8},
[ROLE_Q_BIAS]      = {"attn_q.bias", "attn_q.bias", "self_attn.q_proj.bias", W_QKV_BIAS, {D_HEADS}, M_F32},
[ROLE_K_BIAS]      = {"attn_k.bias", "attn_k.bias", "self_attn.k_proj.bias", W_QKV_BIAS, {D_HEADS_KV}, M_F32},
[ROLE_V_BIAS]      = {"attn_v.bias", "attn_v.bias", "self_attn.v_proj.bias", W_QKV_BIAS, {D_HEADS_KV}, M_F32},
[ROLE_Q_NORM]      = {"attn_q_norm", "attn_q_norm.weight", "self_attn.q_norm.weight", W_QK_NORM, {D_HEAD}, M_F32},
[ROLE_K_NORM]      = {"attn_k_norm", "attn_k_norm.weight", "self_attn.k_norm.weight", W_QK_NORM, {D_HEAD}, M_F32},
[ROLE_ATTN_OUT]    = {"attn_output", "attn_output.weight", "self_attn.o_proj.weight", W_LAYER, {D_EMBD, D_HEADS_V}, M_FP8},

[ROLE_Q_MLA]       = {"attn_q", "attn_q.weight", "self_attn.q_proj.weight", W_Q_PLAIN, {D_HEADS_QK, D_EMBD}, M_FP8},
[ROLE_Q_A]         = {"attn_q_a", "attn_q_a.weight", "self_attn.q_a_proj.weight", W_Q_LORA, {D_Q_LORA, D_EMBD}, M_FP8},
[ROLE_Q_A_NORM]    = {"attn_q_a_norm", "attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", W_Q_LORA, {D_Q_LORA}, M_F32},
[ROLE_Q_B]         = {"attn_q_b", "attn_q_b.weight", "self_attn.q_b_proj.weight", W_Q_LORA, {D_HEADS_QK, D_Q_LORA}, M_FP8},
[ROLE_KV_A]        = {"attn_kv_a_mqa", "attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight", W_MLA, {D_KV_A, D_EMBD}, M_FP8},
[ROLE_KV_A_NORM]   = {"attn_kv_a_norm", "attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", W_MLA, {D_KV_LORA}, M_F32},
[ROLE_KV_B]        = {"attn_kv_b", "attn_kv_b.weight", "self_attn.kv_b_proj.weight", W_KV_B, {D_HEADS_KV_B, D_KV_LORA}, M_FP8},
[ROLE_K_B]         = {"attn_k_b", "attn_k_b.weight", NULL, W_KV_B, {D_N_HEAD, D_KV_LORA, D_NOPE}, 0},
[ROLE_V_B]         = {"attn_v_b", "attn_v_b.weight", NULL, W_KV_B, {D_N_HEAD, D_V, D_KV_LORA}, 0},

[ROLE_FFN_GATE]    = {"ffn_gate", "ffn_gate.weight", "mlp.gate_proj.weight", W_DENSE, {D_FF, D_EMBD}, M_FP8},
[ROLE_FFN_UP]      = {"ffn_up", "ffn_up.weight", "mlp.up_proj.weight", W_DENSE, {D_FF, D_EMBD}, M_FP8},
[ROLE_FFN_DOWN]    = {"ffn_down", "ffn_down.weight", "mlp.down_proj.weight", W_DENSE, {D_EMBD, D_FF}, M_FP8},

[ROLE_ROUTER]      = {"ffn_gate_inp", "ffn_gate_inp.weight", "mlp.gate.weight", W_MOE, {D_EXPERTS, D_EMBD}, M_F32},
[ROLE_ROUTER_BIAS] = {"exp_probs_b", "exp_probs_b.bias", "mlp.gate.e_score_correction_bias", W_EXPERT_BIAS, {D_EXPERTS}, M_F32},
[ROLE_EXP_GATE]    = {"ffn_gate_exps", "ffn_gate_exps.weight", "mlp.experts.%.gate_proj.weight", W_GATE_UP, {D_FF_EXPERT, D_EMBD}, M_FP8 | M_EXPERT},
[ROLE_EXP_UP]      = {"ffn_up_exps", "ffn_up_exps.weight", "mlp.experts.%.up_proj.weight", W_GATE_UP, {D_FF_EXPERT, D_EMBD}, M_FP8 | M_EXPERT},
[ROLE_EXP_DOWN]    = {"ffn_down_exps", "ffn_down_exps.weight", "mlp.experts.%.down_proj.weight", W_MOE, {D_EMBD, D_FF_EXPERT}, M_FP8 | M_EXPERT},
[ROLE_EXP_GATE_UP] = {"ffn_gate_up_exps", "ffn_gate_up_exps.weight", NULL, W_GATE_UP, {D_FF_EXPERT_2, D_EMBD}, M_EXPERT},
[ROLE_SH_GATE]     = {"ffn_gate_shexp", "ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight", W_SHARED, {D_FF_SHARED, D_EMBD}, M_FP8},
[ROLE_SH_UP]       = {"ffn_up_shexp", "ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", W_SHARED, {D_FF_SHARED, D_EMBD}, M_FP8},
[ROLE_SH_DOWN]     = {"ffn_down_shexp", "ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight", W_SHARED, {D_EMBD, D_FF_SHARED}, M_FP8},

[ROLE_MTP_PROJ]    = {"nextn.eh_proj", "nextn.eh_proj.weight", "eh_proj.weight", W_MTP, {D_EMBD, D_EMBD_2}, 0},
[ROLE_MTP_ENORM]   = {"nextn.enorm", "nextn.enorm.weight", "enorm.weight", W_MTP, {D_EMBD}, M_F32},
[ROLE_MTP_HNORM]   = {"nextn.hnorm", "nextn.hnorm.weight", "hnorm.weight", W_MTP, {D_EMBD}, M_F32},
[ROLE_MTP_NORM]    = {"nextn.shared_head_norm", "nextn.shared_head_norm.weight", "shared_head.norm.weight", W_MTP, {D_EMBD}, M_F32},
[ROLE_MTP_HEAD]    = {"nextn.shared_head_head", "nextn.shared_head_head.weight", "shared_head.head.weight", W_MTP_COPY, {D_VOCAB, D_EMBD}, 0},
[ROLE_MTP_EMBD]    = {"nextn.embed_tokens", "nextn.embed_tokens.weight", "embed_tokens.weight", W_MTP_COPY, {D_VOCAB, D_EMBD}, 0},

[ROLE_INDEX_Q]     = {"indexer.attn_q_b", "indexer.attn_q_b.weight", "self_attn.indexer.wq_b.weight", W_INDEX, {D_INDEX_HEADS, D_Q_LORA}, M_FP8},
[ROLE_INDEX_K]     = {"indexer.attn_k", "indexer.attn_k.weight", "self_attn.indexer.wk.weight", W_INDEX, {D_INDEX_HEAD, D_EMBD}, M_FP8},
[ROLE_INDEX_K_NORM] = {"indexer.k_norm", "indexer.k_norm.weight", "self_attn.indexer.k_norm.weight", W_INDEX, {D_INDEX_HEAD}, M_F32},
[ROLE_INDEX_K_NORM_BIAS] = {"indexer.k_norm.bias", "indexer.k_norm.bias", "self_attn.indexer.k_norm.bias", W_INDEX, {D_INDEX_HEAD}, M_F32},
[ROLE_INDEX_WEIGHTS] = {"indexer.proj", "indexer.proj.weight", "self_attn.indexer.weights_proj.weight", W_INDEX, {D_N_INDEX, D_EMBD}, 0},
};
/* clang-format on */

static uint64_t dim_value(const struct model_config *c, enum dim d)
{
    uint64_t h = (uint64_t)c->n_head;
    switch (d) {
    case D_NONE: return 0;
    case D_VOCAB: return (uint64_t)c->n_vocab;
    case D_EMBD: return (uint64_t)c->n_embd;
    case D_EMBD_2: return 2 * (uint64_t)c->n_embd;
    case D_FREQS: return (uint64_t)c->rope_dim / 2;
    case D_HEADS: return h * (uint64_t)c->head_dim;
    case D_HEADS_KV: return (uint64_t)c->n_head_kv * (uint64_t)c->head_dim;
    case D_HEAD: return (uint64_t)c->head_dim;
    case D_HEADS_QK: return h * (uint64_t)(c->qk_nope_head_dim + c->qk_rope_head_dim);
    case D_HEADS_V: return h * (uint64_t)(config_is_mla(c) ? c->v_head_dim : c->head_dim);
    case D_HEADS_KV_B: return h * (uint64_t)(c->qk_nope_head_dim + c->v_head_dim);
    case D_N_HEAD: return h;
    case D_NOPE: return (uint64_t)c->qk_nope_head_dim;
    case D_V: return (uint64_t)c->v_head_dim;
    case D_Q_LORA: return (uint64_t)c->q_lora_rank;
    case D_KV_LORA: return (uint64_t)c->kv_lora_rank;
    case D_KV_A: return (uint64_t)(c->kv_lora_rank + c->qk_rope_head_dim);
    case D_FF: return (uint64_t)c->n_ff;
    case D_EXPERTS: return (uint64_t)c->n_expert;
    case D_FF_EXPERT: return (uint64_t)c->n_ff_expert;
    case D_FF_EXPERT_2: return 2 * (uint64_t)c->n_ff_expert;
    case D_FF_SHARED: return (uint64_t)c->n_expert_shared * (uint64_t)c->n_ff_expert;
    case D_INDEX_HEADS: return (uint64_t)c->n_index_head * (uint64_t)c->index_head_dim;
    case D_INDEX_HEAD: return (uint64_t)c->index_head_dim;
    case D_N_INDEX: return (uint64_t)c->n_index_head;
    }
    return 0;
}

/* ---- shapes ------------------------------------------------------------------------------- */

uint64_t shape_elems(const struct tensor_shape *s)
{
    uint64_t n = 1;
    for (int32_t i = 0; i < s->n_dim; i++) n *= s->dim[i];
    return n;
}

bool shape_eq(const struct tensor_shape *a, const struct tensor_shape *b)
{
    if (a->n_dim != b->n_dim) return false;
    for (int32_t i = 0; i < a->n_dim; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

void shape_text(const struct tensor_shape *s, char out[96])
{
    size_t at = (size_t)snprintf(out, 96, "(");
    for (int32_t i = 0; i < s->n_dim; i++)
        at += (size_t)snprintf(out + at, 96 - at, "%s%llu", i ? ", " : "",
                               (unsigned long long)s->dim[i]);
    snprintf(out + at, 96 - at, ")");
}

/* ---- roles -------------------------------------------------------------------------------- */

static enum role_need if_needed(bool yes)
{
    return yes ? ROLE_NEEDED : ROLE_ABSENT;
}

enum role_need role_need(const struct model_config *c, enum tensor_role r, int32_t layer)
{
    bool mla = config_is_mla(c), moe = config_is_moe_layer(c, layer);
    bool is_mtp = layer >= c->n_layer;
    if (role_is_global(r) != (layer < 0) || layer >= c->n_layer + c->n_layer_mtp)
        return ROLE_ABSENT;
    switch (row[r].when) {
    case W_EMBD:
    case W_LAYER: return ROLE_NEEDED;
    case W_OUTPUT: return c->tie_embeddings ? ROLE_OPTIONAL : ROLE_NEEDED;
    case W_FREQS: return if_needed(c->rope_scaling == ROPE_SCALING_FREQS);
    case W_GQA: return if_needed(!mla);
    case W_QKV_BIAS: return if_needed(!mla && c->qkv_bias);
    case W_QK_NORM: return if_needed(!mla && c->qk_norm);
    case W_MLA: return if_needed(mla);
    case W_Q_PLAIN: return if_needed(mla && c->q_lora_rank == 0);
    case W_Q_LORA: return if_needed(mla && c->q_lora_rank > 0);
    case W_KV_B: return mla ? ROLE_EITHER : ROLE_ABSENT;
    case W_DENSE: return if_needed(!moe);
    case W_MOE: return if_needed(moe);
    case W_EXPERT_BIAS: return if_needed(moe && c->expert_bias);
    case W_GATE_UP: return moe ? ROLE_EITHER : ROLE_ABSENT;
    case W_SHARED: return if_needed(moe && c->n_expert_shared > 0);
    case W_MTP: return if_needed(is_mtp);
    case W_MTP_COPY: return is_mtp ? ROLE_OPTIONAL : ROLE_ABSENT;
    case W_INDEX: return if_needed(c->n_index_head > 0);
    }
    return ROLE_ABSENT;
}

void role_shape(const struct model_config *c, enum tensor_role r, struct tensor_shape *out)
{
    *out = (struct tensor_shape){0};
    for (size_t i = 0; i < countof(row[r].dim) && row[r].dim[i] != D_NONE; i++)
        out->dim[out->n_dim++] = dim_value(c, row[r].dim[i]);
}

int32_t role_parts(const struct model_config *c, enum tensor_role r)
{
    return role_is_expert(r) ? c->n_expert : 1;
}

bool role_is_expert(enum tensor_role r)
{
    return (row[r].mark & M_EXPERT) != 0;
}

bool role_is_global(enum tensor_role r)
{
    return (row[r].mark & M_GLOBAL) != 0;
}

bool role_stays_f32(enum tensor_role r)
{
    return (row[r].mark & M_F32) != 0;
}

bool role_is_fp8(enum tensor_role r)
{
    return (row[r].mark & M_FP8) != 0;
}

const char *role_text(enum tensor_role r)
{
    return r < ROLE_COUNT ? row[r].text : "none";
}

/* ---- names -------------------------------------------------------------------------------- */

void role_name_gguf(enum tensor_role r, int32_t layer, char out[TENSOR_NAME_MAX])
{
    if (role_is_global(r))
        snprintf(out, TENSOR_NAME_MAX, "%s", row[r].gguf);
    else
        snprintf(out, TENSOR_NAME_MAX, "blk.%d.%s", (int)layer, row[r].gguf);
}

bool role_name_hf(enum tensor_role r, int32_t layer, int32_t part, char out[TENSOR_NAME_MAX])
{
    const char *name = row[r].hf;
    if (!name) return false;
    if (role_is_global(r)) {
        snprintf(out, TENSOR_NAME_MAX, "%s", name);
        return true;
    }
    const char *mark = strchr(name, '%');
    if (mark)
        snprintf(out, TENSOR_NAME_MAX, "model.layers.%d.%.*s%d%s", (int)layer,
                 (int)(mark - name), name, (int)part, mark + 1);
    else
        snprintf(out, TENSOR_NAME_MAX, "model.layers.%d.%s", (int)layer, name);
    return true;
}

/* Reads a decimal number of at most six digits without leading zeros at *s, and moves past it. */
static bool take_number(struct span *s, int32_t *out)
{
    size_t n = 0;
    int32_t v = 0;
    while (n < s->n && n < 6 && s->p[n] >= '0' && s->p[n] <= '9')
        v = v * 10 + (s->p[n++] - '0');
    if (n == 0 || (n > 1 && s->p[0] == '0')) return false;
    *s = (struct span){s->p + n, s->n - n};
    *out = v;
    return true;
}

static bool take_text(struct span *s, const char *text, size_t n)
{
    if (s->n < n || memcmp(s->p, text, n) != 0) return false;
    *s = (struct span){s->p + n, s->n - n};
    return true;
}

static bool match(struct span name, const char *form, int32_t *part)
{
    const char *mark = form ? strchr(form, '%') : NULL;
    *part = -1;
    if (!form) return false;
    if (!mark) return span_is(name, form);
    return take_text(&name, form, (size_t)(mark - form)) && take_number(&name, part) &&
           span_is(name, mark + 1);
}

static bool parse(const struct model_config *c, struct span name, const char *prefix, bool hf,
                  enum tensor_role *r, int32_t *layer, int32_t *part)
{
    *layer = -1;
    if (take_text(&name, prefix, strlen(prefix)) &&
        (!take_number(&name, layer) || !take_text(&name, ".", 1)))
        return false;
    for (*r = 0; *r < ROLE_COUNT; (*r)++) {
        const char *form = hf ? row[*r].hf : row[*r].gguf;
        if (role_need(c, *r, *layer) == ROLE_ABSENT || !match(name, form, part)) continue;
        return *part < role_parts(c, *r);
    }
    return false;
}

bool role_parse_gguf(const struct model_config *c, struct span name, enum tensor_role *r,
                     int32_t *layer)
{
    int32_t part;
    return parse(c, name, "blk.", false, r, layer, &part);
}

bool role_parse_hf(const struct model_config *c, struct span name, enum tensor_role *r,
                   int32_t *layer, int32_t *part)
{
    return parse(c, name, "model.layers.", true, r, layer, part);
}
