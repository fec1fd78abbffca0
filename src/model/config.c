/* config.c - checking a config, and the numbers that follow from it.
 *
 * Ranges stand in one table, relations between fields in config_check's short functions. The
 * parameter counts are sums over the role table of names.c, so the table, the loader and the
 * published counts (models.md 2.3) prove each other.
 */
#include "model/config.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "model/names.h"

enum part { ALL, GQA, MLA, DENSE, MOE, MTP, INDEX };

/* Field, the key it comes from (Hugging Face / GGUF), where it applies, its range. */
#define LIMITS(X)                                                                              \
    X(n_vocab, "vocab_size", ALL, 1, CONFIG_MAX_VOCAB)                                         \
    X(n_ctx, "max_position_embeddings / context_length", ALL, 1, CONFIG_MAX_CTX)               \
    X(n_embd, "hidden_size / embedding_length", ALL, 1, CONFIG_MAX_EMBD)                       \
    X(n_layer, "num_hidden_layers / block_count", ALL, 1, CONFIG_MAX_LAYER)                    \
    X(n_head, "num_attention_heads / attention.head_count", ALL, 1, CONFIG_MAX_HEAD)           \
    X(n_ff, "intermediate_size / feed_forward_length", DENSE, 1, CONFIG_MAX_FF)                \
    X(n_head_kv, "num_key_value_heads / attention.head_count_kv", GQA, 1, CONFIG_MAX_HEAD)     \
    X(head_dim, "head_dim / attention.key_length", GQA, 2, CONFIG_MAX_HEAD_DIM)                \
    X(q_lora_rank, "q_lora_rank", MLA, 0, CONFIG_MAX_EMBD)                                     \
    X(kv_lora_rank, "kv_lora_rank", MLA, 1, CONFIG_MAX_EMBD)                                   \
    X(qk_nope_head_dim, "qk_nope_head_dim / attention.key_length_mla", MLA, 1,                 \
      CONFIG_MAX_HEAD_DIM)                                                                     \
    X(qk_rope_head_dim, "qk_rope_head_dim / rope.dimension_count", MLA, 2,                     \
      CONFIG_MAX_HEAD_DIM)                                                                     \
    X(v_head_dim, "v_head_dim / attention.value_length_mla", MLA, 1, CONFIG_MAX_HEAD_DIM)      \
    X(n_layer_dense, "first_k_dense_replace / leading_dense_block_count", MOE, 0,              \
      CONFIG_MAX_LAYER)                                                                        \
    X(n_expert, "n_routed_experts / expert_count", MOE, 1, CONFIG_MAX_EXPERT)                  \
    X(n_expert_used, "num_experts_per_tok / expert_used_count", MOE, 1,                        \
      CONFIG_MAX_EXPERT_USED)                                                                  \
    X(n_expert_shared, "n_shared_experts / expert_shared_count", MOE, 0,                       \
      CONFIG_MAX_EXPERT_USED)                                                                  \
    X(n_ff_expert, "moe_intermediate_size / expert_feed_forward_length", MOE, 1,               \
      CONFIG_MAX_FF)                                                                           \
    X(n_group, "n_group / expert_group_count", MOE, 1, CONFIG_MAX_EXPERT)                      \
    X(topk_group, "topk_group / expert_group_used_count", MOE, 1, CONFIG_MAX_EXPERT)           \
    X(n_layer_mtp, "num_nextn_predict_layers / nextn_predict_layers", MTP, 1, CONFIG_MAX_MTP)  \
    X(n_index_head, "index_n_heads / attention.indexer.head_count", INDEX, 1, CONFIG_MAX_HEAD) \
    X(index_head_dim, "index_head_dim / attention.indexer.key_length", INDEX, 2,               \
      CONFIG_MAX_HEAD_DIM)                                                                     \
    X(index_topk, "index_topk / attention.indexer.top_k", INDEX, 1, CONFIG_MAX_CTX)

static const struct limit {
    const char *name, *key;
    size_t at;
    enum part part;
    int32_t lo, hi;
} limit[] = {
#define X(field, key, part, lo, hi) \
    {#field, key, offsetof(struct model_config, field), part, lo, hi},
    LIMITS(X)
#undef X
};

void config_init(struct model_config *c)
{
    memset(c, 0, sizeof *c); /* padding too: configs are compared and hashed as bytes */
    c->n_group = c->topk_group = 1;
    c->routed_scale = 1;
    c->rope_factor = 1;
    c->beta_fast = 32;
    c->beta_slow = 1;
    c->attn_factor = 1;
    c->bos = c->pad = -1;
}

const char *arch_name(enum arch a)
{
    static const char *const name[ARCH_COUNT] = {"llama", "qwen2", "qwen3", "deepseek2"};
    return name[a];
}

/* ---- checks ------------------------------------------------------------------------------- */

static bool has_part(const struct model_config *c, enum part p)
{
    switch (p) {
    case ALL: return true;
    case GQA: return !config_is_mla(c);
    case MLA: return config_is_mla(c);
    case DENSE: return c->n_expert == 0 || c->n_layer_dense > 0;
    case MOE: return c->n_expert != 0;
    case MTP: return c->n_layer_mtp != 0;
    case INDEX: return c->n_index_head != 0;
    }
    return false;
}

static int check_ranges(const struct model_config *c, const char *what, struct err *e)
{
    for (size_t i = 0; i < countof(limit); i++) {
        const struct limit *l = &limit[i];
        int32_t v;
        memcpy(&v, (const char *)c + l->at, sizeof v);
        if (has_part(c, l->part) && (v < l->lo || v > l->hi))
            return err_set(e, ERR_FORMAT, "%s: %s (%s) is %d, allowed is %d to %d", what,
                           l->name, l->key, (int)v, (int)l->lo, (int)l->hi);
    }
    return 0;
}

static int wrong(const char *what, const char *sentence, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s", what, sentence);
}

static int check_attention(const struct model_config *c, const char *what, struct err *e)
{
    if (config_is_mla(c)) {
        if (c->qkv_bias || c->qk_norm)
            return wrong(what, "latent attention has no biases and no per-head norms", e);
        if (c->rope_dim != c->qk_rope_head_dim)
            return wrong(what, "rope_dim is not qk_rope_head_dim", e);
        return 0;
    }
    if (c->n_head % c->n_head_kv != 0)
        return err_set(e, ERR_FORMAT,
                       "%s: n_head (num_attention_heads) %d is no multiple of n_head_kv "
                       "(num_key_value_heads) %d",
                       what, c->n_head, c->n_head_kv);
    if (c->rope_dim != c->head_dim)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s: the rotary embedding turns %d of %d numbers of a head (rope.dimension_"
            "count); only whole heads are supported",
            what, c->rope_dim, c->head_dim);
    if (c->n_expert || c->n_layer_mtp || c->n_index_head)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s: experts, MTP layers and an indexer need the architecture deepseek2, "
            "this is %s",
            what, arch_name(c->arch));
    return 0;
}

static int check_experts(const struct model_config *c, const char *what, struct err *e)
{
    if (c->n_expert == 0) return 0;
    if (c->n_layer_dense > c->n_layer)
        return wrong(what, "n_layer_dense (first_k_dense_replace) is above n_layer", e);
    if (c->n_expert_used > c->n_expert)
        return wrong(what,
                     "n_expert_used (num_experts_per_tok) is above n_expert (n_routed_experts)",
                     e);
    if (c->n_expert % c->n_group != 0)
        return wrong(what, "n_expert (n_routed_experts) is no multiple of n_group", e);
    if (c->topk_group > c->n_group) return wrong(what, "topk_group is above n_group", e);
    if (c->topk_method == TOPK_GREEDY && c->n_group != 1)
        return wrong(what, "topk_method is greedy, but n_group is not 1", e);
    int32_t in_group = c->n_expert / c->n_group;
    if (c->topk_method == TOPK_GROUP_SUM2 && c->n_group > 1 && in_group < 2)
        return wrong(what, "topk_method noaux_tc needs two experts in a group (n_group)", e);
    if (c->n_expert_used > in_group * c->topk_group)
        return wrong(what, "n_expert_used is above the number of experts in topk_group groups",
                     e);
    if (!isfinite(c->routed_scale) || c->routed_scale <= 0)
        return wrong(what, "routed_scale (routed_scaling_factor) is not a number above 0", e);
    return 0;
}

static int check_rope(const struct model_config *c, const char *what, struct err *e)
{
    bool factor = isfinite(c->rope_factor) && c->rope_factor >= 1 && c->rope_factor <= 1e6f;
    bool orig = c->n_ctx_orig >= 1 && c->n_ctx_orig <= CONFIG_MAX_CTX;
    if (c->rope_dim % 2 != 0) return wrong(what, "the rotary dimension is odd", e);
    if (!isfinite(c->rope_theta) || c->rope_theta <= 1 || c->rope_theta > 1e12f)
        return wrong(what, "rope_theta (rope.freq_base) is not between 1 and 1e12", e);
    if (!isfinite(c->attn_factor) || c->attn_factor <= 0 || c->attn_factor > 100)
        return wrong(what, "attn_factor (rope.scaling.attn_factor) is not between 0 and 100",
                     e);
    if (c->rope_scaling == ROPE_SCALING_NONE || c->rope_scaling == ROPE_SCALING_FREQS) return 0;
    if (!factor)
        return wrong(what, "rope_factor (rope.scaling.factor) is not between 1 and 1e6", e);
    if (c->rope_scaling == ROPE_SCALING_LINEAR) return 0;
    if (!orig)
        return wrong(what,
                     "n_ctx_orig (original_max_position_embeddings) is missing or out of range",
                     e);
    if (c->rope_scaling == ROPE_SCALING_YARN) {
        if (!isfinite(c->beta_fast) || !isfinite(c->beta_slow) || c->beta_slow <= 0 ||
            c->beta_fast < c->beta_slow)
            return wrong(what, "beta_fast and beta_slow are not in order above 0", e);
        if (!(fabsf(c->mscale) <= 100) || !(fabsf(c->mscale_all_dim) <= 100))
            return wrong(what, "mscale or mscale_all_dim is not between -100 and 100", e);
    } else if (!isfinite(c->high_freq_factor) || !(c->low_freq_factor > 0) ||
               !(c->high_freq_factor > c->low_freq_factor)) {
        return wrong(what, "low_freq_factor and high_freq_factor are not in order above 0", e);
    }
    return 0;
}

static int check_tokens(const struct model_config *c, const char *what, struct err *e)
{
    if (c->n_eos < 0 || c->n_eos > CONFIG_MAX_EOS)
        return err_set(e, ERR_FORMAT, "%s: %d ids end a text, at most %d are allowed", what,
                       c->n_eos, CONFIG_MAX_EOS);
    for (int32_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] < 0 || c->eos[i] >= c->n_vocab)
            return err_set(e, ERR_FORMAT, "%s: eos_token_id %d is no id of a vocabulary of %d",
                           what, c->eos[i], c->n_vocab);
    if (c->bos < -1 || c->bos >= c->n_vocab)
        return err_set(e, ERR_FORMAT, "%s: bos_token_id %d is no id of a vocabulary of %d",
                       what, c->bos, c->n_vocab);
    if (c->pad < -1 || c->pad >= c->n_vocab)
        return err_set(e, ERR_FORMAT, "%s: pad_token_id %d is no id of a vocabulary of %d",
                       what, c->pad, c->n_vocab);
    return 0;
}

int config_check(const struct model_config *c, const char *what, struct err *e)
{
    if ((unsigned)c->arch >= ARCH_COUNT) return wrong(what, "the architecture is unknown", e);
    if (check_ranges(c, what, e) || check_attention(c, what, e) || check_experts(c, what, e) ||
        check_rope(c, what, e) || check_tokens(c, what, e))
        return -1;
    if (!(c->rms_eps > 0 && c->rms_eps < 1))
        return wrong(what, "rms_eps (rms_norm_eps) is not between 0 and 1", e);
    if (c->n_index_head != 0 && c->q_lora_rank == 0)
        return wrong(what, "the indexer (index_n_heads) needs q_lora_rank", e);
    if (c->n_index_head != 0 && c->index_head_dim < c->rope_dim)
        return wrong(what, "index_head_dim is below qk_rope_head_dim", e);
    if ((c->fp8_block_rows == 0) != (c->fp8_block_cols == 0) || c->fp8_block_rows < 0 ||
        c->fp8_block_cols < 0 || c->fp8_block_rows > 65536 || c->fp8_block_cols > 65536)
        return wrong(what, "quantization_config.weight_block_size is not two sizes up to 65536",
                     e);
    return 0;
}

/* ---- rotary embedding --------------------------------------------------------------------- */

/* YaRN's magnitude m(s, a), models.md 4.5. */
static double yarn_m(const struct model_config *c, float a)
{
    double s = (double)c->rope_factor;
    if (c->rope_scaling != ROPE_SCALING_YARN || s <= 1) return 1;
    return 0.1 * (double)a * log(s) + 1;
}

float config_attn_scale(const struct model_config *c)
{
    double m = yarn_m(c, c->mscale_all_dim);
    return (float)(m * m / sqrt((double)config_qk_dim(c)));
}

float config_rope_gain(const struct model_config *c)
{
    return (float)((double)c->attn_factor * yarn_m(c, c->mscale) /
                   yarn_m(c, c->mscale_all_dim));
}

/* The pair index at which a wave turns r times within the original context. */
static double yarn_dim(const struct model_config *c, float r)
{
    const double two_pi = 6.283185307179586;
    return c->rope_dim * log(c->n_ctx_orig / (two_pi * (double)r)) /
           (2 * log((double)c->rope_theta));
}

static double yarn_freq(const struct model_config *c, double f, int32_t k)
{
    double low = fmax(floor(yarn_dim(c, c->beta_fast)), 0);
    double high = fmin(ceil(yarn_dim(c, c->beta_slow)), c->rope_dim - 1);
    if (low == high) high += 0.001;
    double ramp = fmin(fmax((k - low) / (high - low), 0), 1);
    return f / (double)c->rope_factor * ramp + f * (1 - ramp);
}

static double llama3_freq(const struct model_config *c, double f)
{
    double wave = 6.283185307179586 / f, orig = c->n_ctx_orig;
    double lo = (double)c->low_freq_factor, hi = (double)c->high_freq_factor;
    if (wave < orig / hi) return f;
    if (wave > orig / lo) return f / (double)c->rope_factor;
    double u = (orig / wave - lo) / (hi - lo);
    return (1 - u) * f / (double)c->rope_factor + u * f;
}

void config_rope_freqs(const struct model_config *c, const float *divisor, float *freq)
{
    for (int32_t k = 0; k < c->rope_dim / 2; k++) {
        double f = pow((double)c->rope_theta, -2.0 * k / c->rope_dim);
        switch (c->rope_scaling) {
        case ROPE_SCALING_NONE: break;
        case ROPE_SCALING_LINEAR: f /= (double)c->rope_factor; break;
        case ROPE_SCALING_YARN: f = yarn_freq(c, f, k); break;
        case ROPE_SCALING_LLAMA3: f = llama3_freq(c, f); break;
        case ROPE_SCALING_FREQS: f /= (double)divisor[k]; break;
        }
        freq[k] = (float)f;
    }
}

void config_rope_divisors(const struct model_config *c, float *divisor)
{
    for (int32_t k = 0; k < c->rope_dim / 2; k++) {
        double f = pow((double)c->rope_theta, -2.0 * k / c->rope_dim);
        divisor[k] = (float)(f / llama3_freq(c, f));
    }
}

bool config_rope_from_divisors(struct model_config *c, const float *divisor)
{
    struct model_config m = *c;
    float made[CONFIG_MAX_HEAD_DIM / 2];
    int32_t n = c->rope_dim / 2;
    bool same = true;
    m.rope_scaling = ROPE_SCALING_LLAMA3;
    m.rope_factor =
        roundf(divisor[n - 1]); /* the longest wave is divided by the whole factor */
    m.n_ctx_orig = 8192;
    m.low_freq_factor = 1;
    m.high_freq_factor = 4;
    if (!(m.rope_factor >= 1)) return false;
    config_rope_divisors(&m, made);
    for (int32_t k = 0; k < n; k++)
        same = same && fabsf(made[k] - divisor[k]) <= 1e-4f * made[k];
    if (same) *c = m;
    return same;
}

/* ---- counts ------------------------------------------------------------------------------- */

/* One part of the role, or 0 where the model has none. Of two layouts the plain one counts. */
static uint64_t elems(const struct model_config *c, enum tensor_role r, int32_t layer)
{
    struct tensor_shape s;
    if (r == ROLE_K_B || r == ROLE_V_B || r == ROLE_EXP_GATE_UP || r == ROLE_ROPE_FREQS)
        return 0;
    if (role_need(c, r, layer) == ROLE_ABSENT) return 0;
    role_shape(c, r, &s);
    return shape_elems(&s);
}

static bool is_ffn(enum tensor_role r)
{
    return r == ROLE_FFN_NORM || (r >= ROLE_FFN_GATE && r <= ROLE_SH_DOWN);
}

static bool is_mtp(enum tensor_role r)
{
    return r >= ROLE_MTP_PROJ && r <= ROLE_MTP_EMBD;
}

struct layer_count {
    uint64_t attn, all, active;
};

static struct layer_count count_layer(const struct model_config *c, int32_t layer)
{
    struct layer_count n = {0};
    for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
        uint64_t one = elems(c, r, layer);
        bool expert = role_is_expert(r);
        if (r == ROLE_MTP_HEAD || r == ROLE_MTP_EMBD) continue;
        n.all += expert ? one * (uint64_t)c->n_expert : one;
        n.active += expert ? one * (uint64_t)c->n_expert_used : one;
        if (!is_ffn(r) && !is_mtp(r) && r != ROLE_ATTN_NORM) n.attn += one;
    }
    return n;
}

void config_count(const struct model_config *c, struct config_count *out)
{
    uint64_t head = c->tie_embeddings ? 0 : elems(c, ROLE_OUTPUT, -1);
    *out = (struct config_count){.embedding = elems(c, ROLE_EMBD, -1)};
    out->total = out->active = out->embedding + head + elems(c, ROLE_OUTPUT_NORM, -1);
    for (int32_t l = 0; l < c->n_layer; l++) {
        struct layer_count n = count_layer(c, l);
        out->attn_layer = n.attn;
        if (config_is_moe_layer(c, l))
            out->moe_layer = n.all;
        else
            out->dense_layer = n.all;
        out->total += n.all;
        out->active += n.active;
    }
    if (c->n_expert > 0) out->expert = 3 * (uint64_t)c->n_ff_expert * (uint64_t)c->n_embd;
    for (int32_t l = c->n_layer; l < c->n_layer + c->n_layer_mtp; l++) {
        struct layer_count n = count_layer(c, l);
        out->mtp += n.all;
        out->mtp_active += n.active;
    }
    if (c->n_layer_mtp) out->mtp_active += 2 * out->embedding;
    out->file = out->total + out->mtp + 2 * out->embedding * (uint64_t)c->n_layer_mtp;
    uint64_t layers = (uint64_t)c->n_layer;
    if (config_is_mla(c))
        out->kv_elems = (uint64_t)(c->kv_lora_rank + c->qk_rope_head_dim) * layers;
    else
        out->kv_elems = 2 * (uint64_t)c->n_head_kv * (uint64_t)c->head_dim * layers;
    if (c->n_index_head) out->index_elems = (uint64_t)c->index_head_dim * layers;
}
