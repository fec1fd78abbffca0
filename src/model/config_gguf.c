/* config_gguf.c - GGUF keys to a config and back.
 *
 * Keys carry the architecture's name in front: "qwen2.embedding_length". Defaults are those of
 * models.md 12.1 and 12.2 and no others: head_count_kv = head_count, key and value length =
 * embedding_length / head_count, beta 32 and 1, scaling none, vocab_size = length of the token
 * list, gating softmax, no normalisation of expert weights, their scale 1, and 8 of 4 groups for
 * deepseek2 files with sigmoid gating and 256 experts that are older than the group keys.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "format/gguf_read.h"
#include "format/gguf_write.h"
#include "model/config.h"
#include "model/names.h"

enum { KEY_MAX = 128 };

/* GGUF's expert_gating_func. */
enum { GATE_SOFTMAX = 1, GATE_SIGMOID = 2, GATE_SOFTMAX_CHOSEN = 3 };

struct keys {
    const struct gguf *g;
    char arch[32];
    char key[KEY_MAX];
};

static const char *key_of(struct keys *k, const char *name)
{
    snprintf(k->key, sizeof k->key, "%s.%s", k->arch, name);
    return k->key;
}

static bool has(struct keys *k, const char *name)
{
    return gguf_find(k->g, key_of(k, name)) != NULL;
}

/* The range is checked by config_check with a better sentence. */
static int get_i32(struct keys *k, const char *name, int32_t *out, struct err *e)
{
    int64_t v;
    if (gguf_get_i64(k->g, key_of(k, name), INT32_MIN, INT32_MAX, &v, e)) return -1;
    *out = (int32_t)v;
    return 0;
}

static int get_i32_opt(struct keys *k, const char *name, int32_t *out, struct err *e)
{
    return has(k, name) ? get_i32(k, name, out, e) : 0;
}

static int get_f32(struct keys *k, const char *name, float *out, struct err *e)
{
    double v;
    if (gguf_get_f64(k->g, key_of(k, name), &v, e)) return -1;
    *out = (float)v;
    return 0;
}

static int get_f32_opt(struct keys *k, const char *name, float *out, struct err *e)
{
    return has(k, name) ? get_f32(k, name, out, e) : 0;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int read_arch(struct keys *k, struct model_config *c, struct err *e)
{
    static const struct {
        const char *name;
        enum arch arch;
    } known[] = {{"llama", ARCH_LLAMA},
                 {"qwen2", ARCH_QWEN2},
                 {"qwen3", ARCH_QWEN3},
                 {"deepseek2", ARCH_DEEPSEEK2},
                 {"deepseek32", ARCH_DEEPSEEK2}};
    struct span name, title = {"", 0};
    if (gguf_get_str(k->g, "general.architecture", &name, e) ||
        gguf_get_str_opt(k->g, "general.name", &title, e))
        return -1;
    snprintf(c->name, sizeof c->name, "%.*s", (int)(title.n < 90 ? title.n : 90), title.p);
    for (size_t i = 0; i < countof(known); i++) {
        if (!span_is(name, known[i].name)) continue;
        c->arch = known[i].arch;
        snprintf(k->arch, sizeof k->arch, "%s", known[i].name);
        return 0;
    }
    err_set(e, ERR_UNSUPPORTED, "%s: general.architecture is \"%.*s\"", gguf_path(k->g),
            (int)(name.n < 60 ? name.n : 60), name.p);
    return err_hint(e, "supported are llama, qwen2, qwen3, deepseek2 and deepseek32");
}

static int read_vocab_size(struct keys *k, struct model_config *c, struct err *e)
{
    const struct gguf_kv *tokens;
    if (has(k, "vocab_size")) return get_i32(k, "vocab_size", &c->n_vocab, e);
    if (gguf_get_array_opt(k->g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, e)) return -1;
    if (!tokens)
        return err_set(e, ERR_FORMAT, "%s: keys %s and tokenizer.ggml.tokens are missing",
                       gguf_path(k->g), key_of(k, "vocab_size"));
    c->n_vocab = tokens->n > INT32_MAX ? INT32_MAX : (int32_t)tokens->n;
    return 0;
}

static bool has_tensor(const struct gguf *g, enum tensor_role r, int32_t layer)
{
    char name[TENSOR_NAME_MAX];
    role_name_gguf(r, layer, name);
    return gguf_find_tensor(g, span_of(name)) != NULL;
}

static int read_gqa(struct keys *k, struct model_config *c, struct err *e)
{
    int32_t value_length;
    c->n_head_kv = c->n_head;
    if (get_i32_opt(k, "attention.head_count_kv", &c->n_head_kv, e)) return -1;
    c->head_dim = c->n_head > 0 ? c->n_embd / c->n_head : 0;
    value_length = c->head_dim;
    if (get_i32_opt(k, "attention.key_length", &c->head_dim, e) ||
        get_i32_opt(k, "attention.value_length", &value_length, e))
        return -1;
    if (value_length != c->head_dim)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: attention.key_length %d and value_length %d of %s are not equal",
                       gguf_path(k->g), c->head_dim, value_length, k->arch);
    c->rope_dim = c->head_dim;
    if (get_i32_opt(k, "rope.dimension_count", &c->rope_dim, e)) return -1;
    c->rope_pairing = c->arch == ARCH_LLAMA ? ROPE_INTERLEAVED : ROPE_HALF;
    c->qkv_bias = c->arch == ARCH_QWEN2 || has_tensor(k->g, ROLE_Q_BIAS, 0);
    c->qk_norm = c->arch == ARCH_QWEN3;
    return 0;
}

/* Files since the split of kv_b give the widths of a head by the _mla keys; in older ones
 * key_length and value_length are those widths. */
static int read_mla(struct keys *k, struct model_config *c, struct err *e)
{
    const char *key = has(k, "attention.key_length_mla") ? "attention.key_length_mla"
                                                         : "attention.key_length";
    const char *value = has(k, "attention.value_length_mla") ? "attention.value_length_mla"
                                                             : "attention.value_length";
    int32_t qk;
    if (get_i32_opt(k, "attention.q_lora_rank", &c->q_lora_rank, e) ||
        get_i32(k, "attention.kv_lora_rank", &c->kv_lora_rank, e) ||
        get_i32(k, "rope.dimension_count", &c->qk_rope_head_dim, e) ||
        get_i32(k, key, &qk, e) || get_i32(k, value, &c->v_head_dim, e))
        return -1;
    if (qk <= c->qk_rope_head_dim || c->qk_rope_head_dim < 0)
        return err_set(e, ERR_FORMAT, "%s: %s is %d, not above rope.dimension_count %d",
                       gguf_path(k->g), key_of(k, key), qk, c->qk_rope_head_dim);
    c->qk_nope_head_dim = qk - c->qk_rope_head_dim;
    c->n_head_kv = c->n_head;
    c->rope_dim = c->qk_rope_head_dim;
    c->rope_pairing = ROPE_INTERLEAVED;
    if (!has(k, "attention.indexer.head_count")) return 0;
    return get_i32(k, "attention.indexer.head_count", &c->n_index_head, e) ||
                   get_i32(k, "attention.indexer.key_length", &c->index_head_dim, e) ||
                   get_i32(k, "attention.indexer.top_k", &c->index_topk, e)
               ? -1
               : 0;
}

static int read_gate(struct keys *k, struct model_config *c, struct err *e)
{
    int32_t func = GATE_SOFTMAX;
    if (get_i32_opt(k, "expert_gating_func", &func, e)) return -1;
    if (func != GATE_SOFTMAX && func != GATE_SIGMOID)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: %s is %d; 1 (softmax) and 2 (sigmoid) are supported",
                       gguf_path(k->g), key_of(k, "expert_gating_func"), func);
    c->score_func = func == GATE_SIGMOID ? SCORE_SIGMOID : SCORE_SOFTMAX;
    if (func == GATE_SIGMOID && c->n_expert == 256 && !has(k, "expert_group_count")) {
        c->n_group = 8;
        c->topk_group = 4;
    }
    if (get_i32_opt(k, "expert_group_count", &c->n_group, e)) return -1;
    if (has(k, "expert_group_count") &&
        get_i32(k, "expert_group_used_count", &c->topk_group, e))
        return -1;
    if (c->n_group == 0)
        c->n_group = c->topk_group = 1; /* how some converters say "no groups" */
    c->topk_method = func == GATE_SIGMOID ? TOPK_GROUP_SUM2
                     : c->n_group > 1     ? TOPK_GROUP_MAX
                                          : TOPK_GREEDY;
    if (get_f32_opt(k, "expert_weights_scale", &c->routed_scale, e)) return -1;
    if (c->routed_scale == 0) c->routed_scale = 1; /* how some converters say "not scaled" */
    return gguf_get_bool_opt(k->g, key_of(k, "expert_weights_norm"), &c->norm_topk, e);
}

static int read_experts(struct keys *k, struct model_config *c, struct err *e)
{
    if (get_i32_opt(k, "expert_count", &c->n_expert, e)) return -1;
    if (c->n_expert == 0) return 0;
    if (get_i32(k, "expert_used_count", &c->n_expert_used, e) ||
        get_i32_opt(k, "expert_shared_count", &c->n_expert_shared, e) ||
        get_i32(k, "expert_feed_forward_length", &c->n_ff_expert, e) ||
        get_i32(k, "leading_dense_block_count", &c->n_layer_dense, e) || read_gate(k, c, e))
        return -1;
    c->expert_bias = has_tensor(k->g, ROLE_ROUTER_BIAS, c->n_layer_dense);
    return 0;
}

static int read_yarn(struct keys *k, struct model_config *c, struct err *e)
{
    float log_mul = 0, ext = 1;
    if (get_i32(k, "rope.scaling.original_context_length", &c->n_ctx_orig, e) ||
        get_f32_opt(k, "rope.scaling.yarn_beta_fast", &c->beta_fast, e) ||
        get_f32_opt(k, "rope.scaling.yarn_beta_slow", &c->beta_slow, e) ||
        get_f32_opt(k, "rope.scaling.attn_factor", &c->attn_factor, e) ||
        get_f32_opt(k, "rope.scaling.yarn_attn_factor", &c->attn_factor, e) ||
        get_f32_opt(k, "rope.scaling.yarn_log_multiplier", &log_mul, e) ||
        get_f32_opt(k, "rope.scaling.yarn_ext_factor", &ext, e))
        return -1;
    if (ext != 1)
        return err_set(e, ERR_UNSUPPORTED, "%s: %s is %g, only 1 is supported", gguf_path(k->g),
                       key_of(k, "rope.scaling.yarn_ext_factor"), (double)ext);
    if (config_is_mla(c)) /* magnitude in the scores, none on cos and sin: models.md 4.5 */
        c->mscale = c->mscale_all_dim = log_mul / 0.1f;
    else
        c->mscale = 1;
    return 0;
}

static int read_rope(struct keys *k, struct model_config *c, struct err *e)
{
    struct span type = span_of("none");
    if (get_f32(k, "rope.freq_base", &c->rope_theta, e) ||
        gguf_get_str_opt(k->g, key_of(k, "rope.scaling.type"), &type, e))
        return -1;
    if (span_is(type, "yarn"))
        c->rope_scaling = ROPE_SCALING_YARN;
    else if (span_is(type, "linear"))
        c->rope_scaling = ROPE_SCALING_LINEAR;
    else if (!span_is(type, "none"))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: %s is \"%.*s\"; none, linear and yarn are supported",
                       gguf_path(k->g), key_of(k, "rope.scaling.type"),
                       (int)(type.n < 40 ? type.n : 40), type.p);
    else if (has_tensor(k->g, ROLE_ROPE_FREQS, -1))
        c->rope_scaling = ROPE_SCALING_FREQS;
    if (c->rope_scaling == ROPE_SCALING_NONE || c->rope_scaling == ROPE_SCALING_FREQS) return 0;
    if (get_f32(k, "rope.scaling.factor", &c->rope_factor, e)) return -1;
    return c->rope_scaling == ROPE_SCALING_YARN ? read_yarn(k, c, e) : 0;
}

static int read_tokens(const struct gguf *g, struct model_config *c, struct err *e)
{
    static const char *const stop[] = {"tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    int64_t bos = -1, pad = -1;
    /* some writers say "none" by the largest number of the type */
    if (gguf_get_i64_opt(g, "tokenizer.ggml.bos_token_id", -1, UINT32_MAX, &bos, e) ||
        gguf_get_i64_opt(g, "tokenizer.ggml.padding_token_id", -1, UINT32_MAX, &pad, e))
        return -1;
    c->bos = bos == UINT32_MAX ? -1 : bos > INT32_MAX ? INT32_MAX : (int32_t)bos;
    c->pad = pad == UINT32_MAX ? -1 : pad > INT32_MAX ? INT32_MAX : (int32_t)pad;
    for (size_t i = 0; i < countof(stop); i++) {
        int64_t id = -1;
        bool known = false;
        if (gguf_get_i64_opt(g, stop[i], -1, UINT32_MAX, &id, e)) return -1;
        for (int32_t j = 0; j < c->n_eos; j++) known = known || c->eos[j] == id;
        if (id >= 0 && id != UINT32_MAX && !known)
            c->eos[c->n_eos++] = id > INT32_MAX ? INT32_MAX : (int32_t)id;
    }
    return 0;
}

int config_from_gguf(struct model_config *c, const struct gguf *g, struct err *e)
{
    struct keys k = {.g = g};
    int32_t n_block;
    config_init(c);
    if (read_arch(&k, c, e) || read_vocab_size(&k, c, e) ||
        get_i32(&k, "context_length", &c->n_ctx, e) ||
        get_i32(&k, "embedding_length", &c->n_embd, e) ||
        get_i32(&k, "block_count", &n_block, e) ||
        get_i32(&k, "attention.head_count", &c->n_head, e) ||
        get_i32(&k, "feed_forward_length", &c->n_ff, e) ||
        get_f32(&k, "attention.layer_norm_rms_epsilon", &c->rms_eps, e) ||
        get_i32_opt(&k, "nextn_predict_layers", &c->n_layer_mtp, e))
        return -1;
    if (c->n_layer_mtp < 0 || c->n_layer_mtp > CONFIG_MAX_MTP || n_block <= c->n_layer_mtp)
        return err_set(e, ERR_FORMAT,
                       "%s: block_count %d and nextn_predict_layers %d do not fit together",
                       gguf_path(g), n_block, c->n_layer_mtp);
    c->n_layer = n_block - c->n_layer_mtp;
    if (config_is_mla(c) ? read_mla(&k, c, e) : read_gqa(&k, c, e)) return -1;
    if (read_experts(&k, c, e) || read_rope(&k, c, e) || read_tokens(g, c, e)) return -1;
    c->tie_embeddings = !has_tensor(g, ROLE_OUTPUT, -1);
    return config_check(c, gguf_path(g), e);
}

/* ---- writing ------------------------------------------------------------------------------ */

struct put {
    struct gguf_writer *w;
    const char *arch;
    char key[KEY_MAX];
};

static const char *put_key(struct put *p, const char *name)
{
    snprintf(p->key, sizeof p->key, "%s.%s", p->arch, name);
    return p->key;
}

static void put_i32(struct put *p, const char *name, int32_t v)
{
    gguf_put_u32(p->w, put_key(p, name), (uint32_t)v);
}

static void put_f32(struct put *p, const char *name, float v)
{
    gguf_put_f32(p->w, put_key(p, name), v);
}

static void put_mla(struct put *p, const struct model_config *c, bool split)
{
    int32_t qk = config_qk_dim(c);
    put_i32(p, "attention.head_count_kv", split ? 1 : c->n_head);
    if (c->q_lora_rank) put_i32(p, "attention.q_lora_rank", c->q_lora_rank);
    put_i32(p, "attention.kv_lora_rank", c->kv_lora_rank);
    put_i32(p, "attention.key_length", split ? c->kv_lora_rank + c->qk_rope_head_dim : qk);
    put_i32(p, "attention.value_length", split ? c->kv_lora_rank : c->v_head_dim);
    if (split) {
        put_i32(p, "attention.key_length_mla", qk);
        put_i32(p, "attention.value_length_mla", c->v_head_dim);
    }
    if (!c->n_index_head) return;
    put_i32(p, "attention.indexer.head_count", c->n_index_head);
    put_i32(p, "attention.indexer.key_length", c->index_head_dim);
    put_i32(p, "attention.indexer.top_k", c->index_topk);
}

static void put_experts(struct put *p, const struct model_config *c)
{
    if (c->n_expert == 0) return;
    put_i32(p, "leading_dense_block_count", c->n_layer_dense);
    put_i32(p, "expert_count", c->n_expert);
    put_i32(p, "expert_used_count", c->n_expert_used);
    put_i32(p, "expert_shared_count", c->n_expert_shared);
    put_i32(p, "expert_feed_forward_length", c->n_ff_expert);
    put_f32(p, "expert_weights_scale", c->routed_scale);
    gguf_put_bool(p->w, put_key(p, "expert_weights_norm"), c->norm_topk);
    put_i32(p, "expert_gating_func",
            c->score_func == SCORE_SIGMOID ? GATE_SIGMOID : GATE_SOFTMAX);
    /* written even for one group: 256 sigmoid experts without the keys would be read as 8 / 4 */
    put_i32(p, "expert_group_count", c->n_group);
    put_i32(p, "expert_group_used_count", c->topk_group);
}

static void put_rope(struct put *p, const struct model_config *c)
{
    put_i32(p, "rope.dimension_count", c->rope_dim);
    put_f32(p, "rope.freq_base", c->rope_theta);
    if (c->rope_scaling != ROPE_SCALING_LINEAR && c->rope_scaling != ROPE_SCALING_YARN) return;
    bool yarn = c->rope_scaling == ROPE_SCALING_YARN;
    gguf_put_str(p->w, put_key(p, "rope.scaling.type"), span_of(yarn ? "yarn" : "linear"));
    put_f32(p, "rope.scaling.factor", c->rope_factor);
    if (!yarn) return;
    put_i32(p, "rope.scaling.original_context_length", c->n_ctx_orig);
    put_f32(p, "rope.scaling.yarn_beta_fast", c->beta_fast);
    put_f32(p, "rope.scaling.yarn_beta_slow", c->beta_slow);
    if (c->attn_factor != 1) put_f32(p, "rope.scaling.attn_factor", c->attn_factor);
    if (config_is_mla(c))
        put_f32(p, "rope.scaling.yarn_log_multiplier", 0.1f * c->mscale_all_dim);
}

/* What the format has no key for must be what a reader will assume. */
static int check_writable(const struct model_config *c, struct err *e)
{
    bool sigmoid = c->score_func == SCORE_SIGMOID, sum2 = c->topk_method == TOPK_GROUP_SUM2;
    if (c->n_expert && sigmoid != sum2)
        return err_set(e, ERR_UNSUPPORTED,
                       "GGUF has no key for topk_method: sigmoid scores go with noaux_tc only");
    if (c->rope_scaling == ROPE_SCALING_LLAMA3)
        return err_set(e, ERR_UNSUPPORTED,
                       "GGUF stores llama3 rope scaling as the tensor rope_freqs.weight only");
    if (c->rope_scaling != ROPE_SCALING_YARN) return 0;
    if (config_is_mla(c) ? c->mscale != c->mscale_all_dim
                         : c->mscale != 1 || c->mscale_all_dim != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "GGUF has no keys for mscale %g with mscale_all_dim %g",
                       (double)c->mscale, (double)c->mscale_all_dim);
    return 0;
}

int config_to_gguf(const struct model_config *c, struct gguf_writer *w, bool mla_split,
                   struct err *e)
{
    struct put p = {.w = w, .arch = c->n_index_head ? "deepseek32" : arch_name(c->arch)};
    if (check_writable(c, e)) return -1;
    gguf_put_str(w, "general.architecture", span_of(p.arch));
    if (c->name[0]) gguf_put_str(w, "general.name", span_of(c->name));
    put_i32(&p, "vocab_size", c->n_vocab);
    put_i32(&p, "context_length", c->n_ctx);
    put_i32(&p, "embedding_length", c->n_embd);
    put_i32(&p, "block_count", c->n_layer + c->n_layer_mtp);
    put_i32(&p, "feed_forward_length", c->n_ff);
    put_i32(&p, "attention.head_count", c->n_head);
    put_f32(&p, "attention.layer_norm_rms_epsilon", c->rms_eps);
    if (c->n_layer_mtp) put_i32(&p, "nextn_predict_layers", c->n_layer_mtp);
    if (config_is_mla(c)) {
        put_mla(&p, c, mla_split);
    } else {
        put_i32(&p, "attention.head_count_kv", c->n_head_kv);
        put_i32(&p, "attention.key_length", c->head_dim);
        put_i32(&p, "attention.value_length", c->head_dim);
    }
    put_experts(&p, c);
    put_rope(&p, c);
    return 0;
}
