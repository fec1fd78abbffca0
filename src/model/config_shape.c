/* config_shape.c - the published shapes, by name, and a small one of our own.
 *
 * For tests, synthetic models and plans without a download. Values: models.md 2.1 and 2.2. The
 * rotary pairing is that of the original checkpoints (safetensors).
 */
#include <math.h>
#include <string.h>

#include "model/config.h"

struct dense_shape {
    const char *name;
    enum arch arch;
    int32_t n_embd, n_ff, n_layer, n_head, n_head_kv, n_vocab;
    float rope_theta, rms_eps;
    int32_t bos, eos;
};

static const struct dense_shape dense[] = {
    {"r1-distill-qwen-1.5b", ARCH_QWEN2, 1536, 8960, 28, 12, 2, 151936, 1e4f, 1e-6f, 151646,
     151643},
    {"r1-distill-qwen-7b", ARCH_QWEN2, 3584, 18944, 28, 28, 4, 152064, 1e4f, 1e-6f, 151646,
     151643},
    {"r1-distill-qwen-14b", ARCH_QWEN2, 5120, 13824, 48, 40, 8, 152064, 1e6f, 1e-5f, 151646,
     151643},
    {"r1-distill-qwen-32b", ARCH_QWEN2, 5120, 27648, 64, 40, 8, 152064, 1e6f, 1e-5f, 151646,
     151643},
    {"r1-distill-llama-8b", ARCH_LLAMA, 4096, 14336, 32, 32, 8, 128256, 5e5f, 1e-5f, 128000,
     128001},
    {"r1-distill-llama-70b", ARCH_LLAMA, 8192, 28672, 80, 64, 8, 128256, 5e5f, 1e-5f, 128000,
     128001},
    {"r1-0528-qwen3-8b", ARCH_QWEN3, 4096, 12288, 36, 32, 8, 151936, 1e6f, 1e-6f, 151643,
     151645},
};

struct mla_shape {
    const char *name;
    int32_t n_vocab, n_embd, n_layer, n_layer_dense, n_ff, n_ff_expert;
    int32_t n_expert, n_expert_shared, n_expert_used, n_group, topk_group;
    enum topk_method topk_method;
    enum score_func score_func;
    bool norm_topk;
    float routed_scale;
    int32_t n_head, q_lora_rank, kv_lora_rank, nope, rope, v;
    float mscale;
    int32_t n_ctx, n_layer_mtp, n_index_head, index_head_dim, index_topk, bos, eos;
};

/* clang-format off */
/* What V3 and our small V3 share with their V3.2 forms, which add the indexer alone. */
#define V3                                                                                       \
    .n_vocab = 129280, .n_embd = 7168, .n_layer = 61, .n_layer_dense = 3, .n_ff = 18432,         \
    .n_ff_expert = 2048, .n_expert = 256, .n_expert_shared = 1, .n_expert_used = 8,              \
    .n_group = 8, .topk_group = 4, .topk_method = TOPK_GROUP_SUM2,                               \
    .score_func = SCORE_SIGMOID, .norm_topk = true, .routed_scale = 2.5f, .n_head = 128,         \
    .q_lora_rank = 1536, .kv_lora_rank = 512, .nope = 128, .rope = 64, .v = 128, .mscale = 1,    \
    .n_ctx = 163840, .n_layer_mtp = 1, .bos = 0, .eos = 1
/* Ours: every feature of V3 in a few million parameters, rows in whole 256-blocks. */
#define V3_TINY                                                                                  \
    .n_vocab = 4096, .n_embd = 256, .n_layer = 4, .n_layer_dense = 1, .n_ff = 768,               \
    .n_ff_expert = 256, .n_expert = 16, .n_expert_shared = 1, .n_expert_used = 4, .n_group = 4,  \
    .topk_group = 2, .topk_method = TOPK_GROUP_SUM2, .score_func = SCORE_SIGMOID,                \
    .norm_topk = true, .routed_scale = 2.5f, .n_head = 4, .q_lora_rank = 256,                    \
    .kv_lora_rank = 256, .nope = 64, .rope = 32, .v = 64, .mscale = 1, .n_ctx = 8192,            \
    .n_layer_mtp = 1, .bos = 0, .eos = 1

static const struct mla_shape mla[] = {
    {.name = "v2-lite",
     .n_vocab = 102400, .n_embd = 2048, .n_layer = 27, .n_layer_dense = 1, .n_ff = 10944,
     .n_ff_expert = 1408, .n_expert = 64, .n_expert_shared = 2, .n_expert_used = 6, .n_group = 1,
     .topk_group = 1, .topk_method = TOPK_GREEDY, .score_func = SCORE_SOFTMAX,
     .norm_topk = false, .routed_scale = 1, .n_head = 16, .q_lora_rank = 0, .kv_lora_rank = 512,
     .nope = 128, .rope = 64, .v = 128, .mscale = 0.707f, .n_ctx = 163840, .n_layer_mtp = 0,
     .bos = 100000, .eos = 100001},
    {.name = "v2",
     .n_vocab = 102400, .n_embd = 5120, .n_layer = 60, .n_layer_dense = 1, .n_ff = 12288,
     .n_ff_expert = 1536, .n_expert = 160, .n_expert_shared = 2, .n_expert_used = 6,
     .n_group = 8, .topk_group = 3, .topk_method = TOPK_GROUP_MAX, .score_func = SCORE_SOFTMAX,
     .norm_topk = false, .routed_scale = 16, .n_head = 128, .q_lora_rank = 1536,
     .kv_lora_rank = 512, .nope = 128, .rope = 64, .v = 128, .mscale = 0.707f, .n_ctx = 163840,
     .n_layer_mtp = 0, .bos = 100000, .eos = 100001},
    {.name = "v3", V3},
    {.name = "v3.2", V3, .n_index_head = 64, .index_head_dim = 128, .index_topk = 2048},
    {.name = "v3-tiny", V3_TINY},
    {.name = "v3.2-tiny", V3_TINY, .n_index_head = 4, .index_head_dim = 64, .index_topk = 64},
};
/* clang-format on */

static void from_dense(const struct dense_shape *s, struct model_config *c)
{
    c->arch = s->arch;
    c->n_vocab = s->n_vocab;
    c->n_ctx = 131072;
    c->n_embd = s->n_embd;
    c->n_layer = s->n_layer;
    c->n_head = s->n_head;
    c->n_head_kv = s->n_head_kv;
    c->head_dim = c->rope_dim = 128;
    c->n_ff = s->n_ff;
    c->rms_eps = s->rms_eps;
    c->rope_pairing = ROPE_HALF;
    c->rope_theta = s->rope_theta;
    c->qkv_bias = s->arch == ARCH_QWEN2;
    c->qk_norm = s->arch == ARCH_QWEN3;
    c->bos = s->bos;
    c->eos[0] = s->eos;
    c->n_eos = 1;
    if (s->arch == ARCH_LLAMA) {
        c->rope_scaling = ROPE_SCALING_LLAMA3;
        c->rope_factor = 8;
        c->n_ctx_orig = 8192;
        c->low_freq_factor = 1;
        c->high_freq_factor = 4;
    }
    if (s->arch == ARCH_QWEN3) {
        c->rope_scaling = ROPE_SCALING_YARN;
        c->rope_factor = 4;
        c->n_ctx_orig = 32768;
        c->mscale = 1; /* Hugging Face's default magnitude, models.md 15.4 */
        c->attn_factor_ignored = 0.8782488562869419f;
    }
}

static void from_mla(const struct mla_shape *s, struct model_config *c)
{
    c->arch = ARCH_DEEPSEEK2;
    c->n_vocab = s->n_vocab;
    c->n_ctx = s->n_ctx;
    c->n_embd = s->n_embd;
    c->n_layer = s->n_layer;
    c->n_head = c->n_head_kv = s->n_head;
    c->n_ff = s->n_ff;
    c->rms_eps = 1e-6f;
    c->q_lora_rank = s->q_lora_rank;
    c->kv_lora_rank = s->kv_lora_rank;
    c->qk_nope_head_dim = s->nope;
    c->qk_rope_head_dim = c->rope_dim = s->rope;
    c->v_head_dim = s->v;
    c->n_layer_dense = s->n_layer_dense;
    c->n_expert = s->n_expert;
    c->n_expert_used = s->n_expert_used;
    c->n_expert_shared = s->n_expert_shared;
    c->n_ff_expert = s->n_ff_expert;
    c->n_group = s->n_group;
    c->topk_group = s->topk_group;
    c->score_func = s->score_func;
    c->topk_method = s->topk_method;
    c->norm_topk = s->norm_topk;
    c->routed_scale = s->routed_scale;
    c->expert_bias = s->topk_method == TOPK_GROUP_SUM2;
    c->n_layer_mtp = s->n_layer_mtp;
    c->n_index_head = s->n_index_head;
    c->index_head_dim = s->index_head_dim;
    c->index_topk = s->index_topk;
    c->rope_pairing = ROPE_INTERLEAVED;
    c->rope_theta = 1e4f;
    c->rope_scaling = ROPE_SCALING_YARN;
    c->rope_factor = s->n_ctx == 163840 ? 40 : 8;
    c->n_ctx_orig = s->n_ctx == 163840 ? 4096 : 1024;
    c->mscale = c->mscale_all_dim = s->mscale;
    c->bos = s->bos;
    c->eos[0] = s->eos;
    c->n_eos = 1;
}

const char *config_shape_name(size_t i)
{
    if (i < countof(dense)) return dense[i].name;
    return i - countof(dense) < countof(mla) ? mla[i - countof(dense)].name : NULL;
}

bool config_shape(const char *name, struct model_config *c)
{
    config_init(c);
    for (size_t i = 0; config_shape_name(i); i++) {
        if (strcmp(config_shape_name(i), name) != 0) continue;
        if (i < countof(dense))
            from_dense(&dense[i], c);
        else
            from_mla(&mla[i - countof(dense)], c);
        strncpy(c->name, name, sizeof c->name - 1);
        return true;
    }
    return false;
}
