/* tiny_models.h - configs of a few thousand parameters, for training tests. */
#ifndef TESTS_TINY_MODELS_H
#define TESTS_TINY_MODELS_H

#include <string.h>

#include "model/config.h"

enum tiny { TINY_QWEN2, TINY_QWEN3, TINY_LLAMA, TINY_MLA, TINY_V2, TINY_COUNT };

static inline struct model_config tiny_config(enum tiny which)
{
    struct model_config c;
    config_init(&c);
    static const char *const names[] = {"tiny-qwen2", "tiny-qwen3", "tiny-llama", "tiny-v3",
                                        "tiny-v2"};
    strncpy(c.name, names[which], sizeof c.name - 1);
    c.n_vocab = 96;
    c.n_ctx = 256;
    c.n_embd = 48;
    c.n_layer = 2;
    c.n_head = 4;
    c.n_ff = 80;
    c.rms_eps = 1e-5f;
    c.rope_theta = 1e4f;
    c.eos[0] = 0;
    c.n_eos = 1;
    if (which < TINY_MLA) {
        c.arch = which == TINY_QWEN2   ? ARCH_QWEN2
                 : which == TINY_QWEN3 ? ARCH_QWEN3
                                       : ARCH_LLAMA;
        c.n_head_kv = 2;
        c.head_dim = c.rope_dim = 16;
        c.rope_pairing = ROPE_HALF;
        c.qkv_bias = which == TINY_QWEN2;
        c.qk_norm = which == TINY_QWEN3;
        c.tie_embeddings = which != TINY_LLAMA;
        return c;
    }
    c.arch = ARCH_DEEPSEEK2;
    c.n_layer = 3;
    c.n_layer_dense = 1;
    c.n_head_kv = c.n_head;
    c.q_lora_rank = which == TINY_V2 ? 0 : 32;
    c.kv_lora_rank = 32;
    c.qk_nope_head_dim = 16;
    c.qk_rope_head_dim = c.rope_dim = 8;
    c.v_head_dim = 16;
    c.rope_pairing = ROPE_INTERLEAVED;
    c.n_expert = 8;
    c.n_expert_used = 3;
    c.n_expert_shared = 1;
    c.n_ff_expert = 32;
    c.routed_scale = which == TINY_V2 ? 1 : 2.5f;
    c.n_group = which == TINY_V2 ? 1 : 4;
    c.topk_group = which == TINY_V2 ? 1 : 2;
    c.score_func = which == TINY_V2 ? SCORE_SOFTMAX : SCORE_SIGMOID;
    c.topk_method = which == TINY_V2 ? TOPK_GREEDY : TOPK_GROUP_SUM2;
    c.norm_topk = c.expert_bias = which != TINY_V2;
    c.n_layer_mtp = which == TINY_V2 ? 0 : 1;
    return c;
}

#endif
