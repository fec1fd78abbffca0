/* config.h - the hyper-parameters of a model: one struct for every family.
 *
 * Two graphs cover all models here: grouped-query attention with a dense FFN (llama, qwen2,
 * qwen3) and multi-head latent attention with experts (deepseek2, which is also V3, R1, V3.1 and,
 * with n_index_head > 0, V3.2). Field names are the one spelling of house rule 7.2; fields that a
 * graph does not use are zero.
 *
 * A config is filled from a file (config_from_gguf, config_from_hf), by name (config_shape) or by
 * a caller, and every way ends with config_check: after it the numbers are consistent, within the
 * limits below, and may be multiplied in size_t without further checks. Nothing is inferred from
 * sizes; a missing key is an error that names the key, except for the documented defaults of the
 * formats (docs/model.md lists them).
 *
 * Sources: models.md 2 (tables), 4.4-4.5, 5 (rotary), 6 (gate), 12 (keys).
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

enum arch { ARCH_LLAMA, ARCH_QWEN2, ARCH_QWEN3, ARCH_DEEPSEEK2, ARCH_COUNT };

/* Which two numbers of a head the rotary embedding turns together (models.md 4.4). It belongs to
 * the weights: Llama rows in a GGUF file are permuted to interleaved, in safetensors they are in
 * halves. The indexer of V3.2 is always in halves, whatever this says. */
enum rope_pairing { ROPE_INTERLEAVED, ROPE_HALF };

enum rope_scaling {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR, /* angle / rope_factor */
    ROPE_SCALING_YARN,   /* models.md 4.5 */
    ROPE_SCALING_LLAMA3, /* models.md 5.3 from the four parameters */
    ROPE_SCALING_FREQS   /* models.md 5.3, divisors in the tensor ROLE_ROPE_FREQS */
};

enum score_func { SCORE_SOFTMAX, SCORE_SIGMOID };

enum topk_method {
    TOPK_GREEDY,    /* the best n_expert_used of all */
    TOPK_GROUP_MAX, /* "group_limited_greedy": groups ranked by their best member (V2) */
    TOPK_GROUP_SUM2 /* "noaux_tc": scores + bias, groups ranked by their two best (V3) */
};

enum fp8_scale { FP8_SCALE_FLOAT, FP8_SCALE_UE8M0 };

/* Limits that config_check enforces. */
enum {
    CONFIG_MAX_LAYER = 512,
    CONFIG_MAX_EMBD = 65536,
    CONFIG_MAX_HEAD = 1024,
    CONFIG_MAX_HEAD_DIM = 1024,
    CONFIG_MAX_FF = 1 << 20,
    CONFIG_MAX_EXPERT = 1024,
    CONFIG_MAX_EXPERT_USED = 64,
    CONFIG_MAX_VOCAB = 1 << 21,
    CONFIG_MAX_CTX = 1 << 24,
    CONFIG_MAX_MTP = 4,
    CONFIG_MAX_EOS = 8,
    CONFIG_NAME = 96
};

struct model_config {
    enum arch arch;
    char name[CONFIG_NAME]; /* general.name, the directory's name, or the shape's */

    /* ---- both graphs ---- */
    int32_t n_vocab; /* rows of the embedding; the tokenizer may know fewer ids */
    int32_t n_ctx;   /* longest context the model declares */
    int32_t n_embd;
    int32_t n_layer; /* without the MTP layers */
    int32_t n_head;
    int32_t n_ff; /* inner width of a dense FFN */
    float rms_eps;
    bool tie_embeddings; /* the head is the embedding matrix */

    /* ---- grouped-query attention ---- */
    int32_t n_head_kv;
    int32_t head_dim;
    bool qkv_bias; /* Qwen2 */
    bool qk_norm;  /* Qwen3 */

    /* ---- latent attention ---- */
    int32_t q_lora_rank; /* 0: the query is not compressed (V2-Lite) */
    int32_t kv_lora_rank;
    int32_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim;

    /* ---- experts: layers from n_layer_dense on ---- */
    int32_t n_layer_dense;
    int32_t n_expert, n_expert_used, n_expert_shared;
    int32_t n_ff_expert;
    int32_t n_group, topk_group; /* 1 and 1 without groups */
    enum score_func score_func;
    enum topk_method topk_method;
    bool norm_topk;     /* weights of the chosen experts are divided by their sum */
    float routed_scale; /* and multiplied by this */
    bool expert_bias;   /* a correction bias per expert takes part in choosing only */

    /* ---- multi-token prediction: layers n_layer .. n_layer + n_layer_mtp - 1 ---- */
    int32_t n_layer_mtp;

    /* ---- sparse attention's indexer (V3.2); n_index_head 0: none ---- */
    int32_t n_index_head, index_head_dim, index_topk;

    /* ---- rotary embedding ---- */
    enum rope_pairing rope_pairing;
    enum rope_scaling rope_scaling;
    int32_t rope_dim; /* turned numbers per head: head_dim, or qk_rope_head_dim */
    float rope_theta;
    float rope_factor;
    int32_t n_ctx_orig;
    float beta_fast, beta_slow;
    float mscale, mscale_all_dim; /* see config_rope_gain, config_attn_scale */
    float attn_factor;            /* a further factor on cos and sin; 1 */
    float attn_factor_ignored; /* value of Qwen3-8B's "attn_factor", which Hugging Face does not
                                     read (models.md 15.4); 0 when absent */
    float low_freq_factor, high_freq_factor; /* llama3 */

    /* ---- FP8 weights: scales per block of this many rows and columns; 0: none ---- */
    int32_t fp8_block_rows, fp8_block_cols;
    enum fp8_scale fp8_scale;

    /* ---- tokens ---- */
    int32_t bos, pad; /* -1 when the config does not name one */
    int32_t eos[CONFIG_MAX_EOS];
    int32_t n_eos;
};

/* config_init - all fields at "not given": zero, ids -1, factors 1, one group. */
void config_init(struct model_config *c);

/* config_check - every limit and every relation between fields. `what` names the source.
 * Fails: ERR_FORMAT naming the field (our name and the key it comes from), ERR_UNSUPPORTED. */
int config_check(const struct model_config *c, const char *what, struct err *e) must_check;

/* ---- from and to files -------------------------------------------------------------------- */

struct gguf;
struct gguf_writer;
struct hf_config;

/* Reads the keys of general.architecture's family (models.md 12.1-12.4) and a few facts that only
 * the tensor directory tells: tied embeddings, llama3 divisors, correction bias. Checked. */
int config_from_gguf(struct model_config *c, const struct gguf *g, struct err *e) must_check;
/* Reads config.json and generation_config.json. Checked. */
int config_from_hf(struct model_config *c, const struct hf_config *h, struct err *e) must_check;
/* Writes the same keys; mla_split: k_b and v_b are stored apart, so the new key lengths are
 * written. The rotary pairing must be the file's (interleaved for llama). */
int config_to_gguf(const struct model_config *c, struct gguf_writer *w, bool mla_split,
                   struct err *e) must_check;
struct buf;
/* config.json as text. dtype: "bfloat16", "float32", ... for torch_dtype. Names that belong to
 * halves pairing are the caller's business (convert permutes the rows). */
int config_to_hf(const struct model_config *c, const char *dtype, struct buf *out,
                 struct err *e) must_check;

/* ---- shapes by name ----------------------------------------------------------------------- */

/* "r1-distill-qwen-1.5b", "v2-lite", "v3", "v3-tiny", ... False if there is no such shape. */
bool config_shape(const char *name, struct model_config *c);
/* The i-th name, NULL past the end. */
const char *config_shape_name(size_t i);

/* ---- derived numbers ---------------------------------------------------------------------- */

const char *arch_name(enum arch a); /* as GGUF spells it: "llama", "deepseek2" */

static inline bool config_is_mla(const struct model_config *c)
{
    return c->arch == ARCH_DEEPSEEK2;
}

static inline bool config_is_moe_layer(const struct model_config *c, int32_t layer)
{
    return c->n_expert > 0 && layer >= c->n_layer_dense;
}

/* Width of a query or key head: head_dim, or nope + rope. */
static inline int32_t config_qk_dim(const struct model_config *c)
{
    return config_is_mla(c) ? c->qk_nope_head_dim + c->qk_rope_head_dim : c->head_dim;
}

/* Factor on the scores before softmax, YaRN's part included (models.md 4.5). */
float config_attn_scale(const struct model_config *c);
/* Factor on cos and sin: attn_factor * m(s, mscale) / m(s, mscale_all_dim), m = 0.1 a ln s + 1
 * under YaRN with s > 1, else attn_factor. */
float config_rope_gain(const struct model_config *c);
/* freq[k], k < rope_dim / 2: radians per position of pair k, scaling included. divisor: the
 * tensor of ROPE_SCALING_FREQS (rope_dim / 2 values), else NULL. Computed in double. */
void config_rope_freqs(const struct model_config *c, const float *divisor, float *freq);

/* The divisors that ROPE_SCALING_FREQS keeps in a tensor, from the parameters of
 * ROPE_SCALING_LLAMA3 (models.md 5.3): rope_dim / 2 values. */
void config_rope_divisors(const struct model_config *c, float *divisor);
/* The other way round: finds llama3 parameters whose divisors are these to 1e-4, among those that
 * published models use. False when there are none. Sets scaling, factor and the four numbers. */
bool config_rope_from_divisors(struct model_config *c, const float *divisor);

/* Numbers of parameters, models.md 2.3. */
struct config_count {
    uint64_t attn_layer;  /* attention of one layer with its inner norms (and the indexer) */
    uint64_t dense_layer; /* a whole layer with a dense FFN; 0 if there is none */
    uint64_t moe_layer;   /* a whole layer with experts; 0 if there is none */
    uint64_t expert;      /* one routed expert */
    uint64_t embedding;   /* n_vocab * n_embd */
    uint64_t total;       /* the main model */
    uint64_t active;      /* used for one token, embedding and head included */
    uint64_t mtp;         /* of all MTP layers, without the duplicated embedding and head */
    uint64_t mtp_active;  /* used for one drafted token, embedding and head included */
    uint64_t file;     /* with the MTP layers and their duplicates, as published files count */
    uint64_t kv_elems; /* cached numbers per token, all main layers (models.md 2.4) */
    uint64_t index_elems; /* the indexer's cached numbers per token, main layers */
};
void config_count(const struct model_config *c, struct config_count *out);

#endif
