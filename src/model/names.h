/* names.h - every tensor a model can have: its role, its names in the two file families, its shape.
 *
 * One declarative table in names.c lists the roles; loader, converter, synth and info all ask it.
 * Layers count from 0; MTP layers follow the main ones (layer n_layer is the first); -1 stands for
 * tensors that belong to no layer. Shapes are row-major, slowest first: a matrix is (out, in).
 *
 * Experts: a GGUF file stacks them in one tensor, safetensors has one tensor per expert. A role
 * names the matrix of one expert ("part"); role_parts says how many there are.
 *
 * Sources: models.md 8.5, 8.6, 12.2-12.4.
 */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct model_config;

enum tensor_role {
    /* no layer */
    ROLE_EMBD,        /* (V, C) */
    ROLE_OUTPUT_NORM, /* (C) */
    ROLE_OUTPUT,      /* (V, C); absent when tied */
    ROLE_ROPE_FREQS,  /* (rope_dim / 2) divisors, GGUF only */
    /* every layer */
    ROLE_ATTN_NORM, /* (C) */
    ROLE_FFN_NORM,  /* (C) */
    /* grouped-query attention */
    ROLE_Q, /* (H * D, C) */
    ROLE_K, /* (H_kv * D, C) */
    ROLE_V,
    ROLE_Q_BIAS, /* (H * D) */
    ROLE_K_BIAS,
    ROLE_V_BIAS,
    ROLE_Q_NORM, /* (D) */
    ROLE_K_NORM,
    ROLE_ATTN_OUT, /* (C, H * D), latent attention: (C, H * v_head_dim) */
    /* latent attention */
    ROLE_Q_MLA,     /* (H * (nope + rope), C) without query compression */
    ROLE_Q_A,       /* (q_lora_rank, C) */
    ROLE_Q_A_NORM,  /* (q_lora_rank) */
    ROLE_Q_B,       /* (H * (nope + rope), q_lora_rank) */
    ROLE_KV_A,      /* (kv_lora_rank + rope, C) */
    ROLE_KV_A_NORM, /* (kv_lora_rank) */
    ROLE_KV_B,      /* (H * (nope + v), kv_lora_rank); or instead of it the next two */
    ROLE_K_B,       /* (H, kv_lora_rank, nope): transposed per head, GGUF only */
    ROLE_V_B,       /* (H, v, kv_lora_rank), GGUF only */
    /* dense FFN */
    ROLE_FFN_GATE, /* (F, C) */
    ROLE_FFN_UP,   /* (F, C) */
    ROLE_FFN_DOWN, /* (C, F) */
    /* experts */
    ROLE_ROUTER,      /* (E, C) */
    ROLE_ROUTER_BIAS, /* (E) */
    ROLE_EXP_GATE,    /* E times (F_e, C) */
    ROLE_EXP_UP,      /* E times (F_e, C) */
    ROLE_EXP_DOWN,    /* E times (C, F_e) */
    ROLE_EXP_GATE_UP, /* E times (2 F_e, C): gate rows, then up rows; in place of the two */
    ROLE_SH_GATE,     /* (n_expert_shared * F_e, C) */
    ROLE_SH_UP,
    ROLE_SH_DOWN, /* (C, n_expert_shared * F_e) */
    /* multi-token prediction */
    ROLE_MTP_PROJ,  /* (C, 2 C): embedding half first */
    ROLE_MTP_ENORM, /* (C) */
    ROLE_MTP_HNORM, /* (C) */
    ROLE_MTP_NORM,  /* (C): norm in front of the head */
    ROLE_MTP_HEAD,  /* (V, C): duplicate of the main head, optional */
    ROLE_MTP_EMBD,  /* (V, C): duplicate of the embedding, optional */
    /* indexer (V3.2) */
    ROLE_INDEX_Q,           /* (H_i * D_i, q_lora_rank) */
    ROLE_INDEX_K,           /* (D_i, C) */
    ROLE_INDEX_K_NORM,      /* (D_i) */
    ROLE_INDEX_K_NORM_BIAS, /* (D_i) */
    ROLE_INDEX_WEIGHTS,     /* (H_i, C) */
    ROLE_COUNT,
    ROLE_NONE = ROLE_COUNT
};

struct tensor_shape {
    int32_t n_dim;   /* 1..4 */
    uint64_t dim[4]; /* slowest first */
};

uint64_t shape_elems(const struct tensor_shape *s);
bool shape_eq(const struct tensor_shape *a, const struct tensor_shape *b);
/* "(4096, 2048)" */
void shape_text(const struct tensor_shape *s, char out[96]);

enum role_need {
    ROLE_ABSENT,   /* this model has no such tensor here */
    ROLE_OPTIONAL, /* may be in the file */
    ROLE_NEEDED,
    ROLE_EITHER /* KV_B or both of K_B and V_B; EXP_GATE and EXP_UP or EXP_GATE_UP */
};

/* Whether a model of this config has the role in this layer (-1: no layer). */
enum role_need role_need(const struct model_config *c, enum tensor_role r, int32_t layer);
/* Shape of one part. Only for roles that are not ROLE_ABSENT. */
void role_shape(const struct model_config *c, enum tensor_role r, struct tensor_shape *out);
/* 1, or n_expert for the EXP roles. */
int32_t role_parts(const struct model_config *c, enum tensor_role r);
bool role_is_expert(enum tensor_role r);
bool role_is_global(enum tensor_role r);
/* Vectors (norms, biases) and the router: kept in F32 by every writer. */
bool role_stays_f32(enum tensor_role r);
/* Linear layers that DeepSeek's FP8 checkpoints store as F8_E4M3 with a scale tensor. */
bool role_is_fp8(enum tensor_role r);
/* "attn_q_a": for messages and tables. */
const char *role_text(enum tensor_role r);

enum { TENSOR_NAME_MAX = 128 };

/* Names in files. HF: part is the expert's index for the EXP roles, else ignored; false when
 * safetensors have no such tensor (K_B, V_B, EXP_GATE_UP, ROPE_FREQS). */
void role_name_gguf(enum tensor_role r, int32_t layer, char out[TENSOR_NAME_MAX]);
bool role_name_hf(enum tensor_role r, int32_t layer, int32_t part,
                  char out[TENSOR_NAME_MAX]) must_check;
/* The other way round; *part is -1 for roles without experts. False for unknown names. */
bool role_parse_gguf(const struct model_config *c, struct span name, enum tensor_role *r,
                     int32_t *layer) must_check;
bool role_parse_hf(const struct model_config *c, struct span name, enum tensor_role *r,
                   int32_t *layer, int32_t *part) must_check;

#endif
