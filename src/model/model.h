/* model.h - a model in memory: config, weights, and the forward pass.
 *
 * One text serves inference and training: model_forward is a list of ops (nn/op.h), run with
 * packed weights and no tape, or with plain f32 weights and a tape.
 *
 * Latent attention has two forms (models.md 4.2, 4.3) that agree within rounding. One of them is
 * the model's defining form, chosen when it is opened and used for every token: absorbed keeps the
 * latent row in the cache (576 numbers per token and layer for V3) and suits decoding; expanded
 * keeps every head's keys and values and suits training and small models.
 *
 * Memory: model_plan says what a model will need before anything is taken; model_load takes it.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>

#include "model/config.h"
#include "model/names.h"
#include "nn/op.h"

struct err;
struct model_source;
struct pool;
struct vocab;

enum mla_form { MLA_ABSORBED, MLA_EXPANDED };

struct model_opts {
    enum mla_form mla;
    enum act_mode act;
    bool with_mtp; /* load the multi-token-prediction layers */
};

struct batch {          /* the rows of one step */
    size_t n;           /* rows */
    const int32_t *id;  /* (n) token ids */
    const int32_t *pos; /* (n) absolute positions; also kv->row_pos */
    const int32_t *out; /* (n_out) rows whose logits are wanted, ascending */
    size_t n_out;
    const struct kv_view *kv;
};

struct model_layer {
    struct weight w[ROLE_COUNT];
};

struct model {
    struct model_config c;
    struct model_opts opts;
    struct weight w[ROLE_COUNT]; /* roles without a layer */
    struct model_layer *layer;   /* n_layer, then the MTP layers that are loaded */
    int32_t n_layer_all;
    struct rope_freq rope;
    float attn_scale;
    int32_t n_ctx;      /* longest context it can serve (V3.2: see model_open) */
    struct arena names; /* names and small vectors */
    void *mem;          /* packed weights, one mapping */
    size_t mem_bytes;
    struct model_source *source; /* kept for rows that are looked up; owned */
};

/* model_open - takes the source (also when it fails) and lays out the weights without reading any.
 * Fails: ERR_UNSUPPORTED for what the graphs do not have. A V3.2 model opens with n_ctx limited to
 * its index_topk tokens, where sparse attention equals dense. */
int model_open(struct model **out, struct model_source *source, const struct model_opts *o,
               struct err *e) must_check;

struct model_progress {
    void (*fn)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* model_load - packs every matrix, panel by panel over the pool, letting the file's pages go as
 * it proceeds, so that memory never holds a weight twice. */
int model_load(struct model *m, struct pool *pool, const struct model_progress *p,
               struct err *e) must_check;
void model_free(struct model *m); /* NULL is fine */
/* False when a file that rows are still looked up in became shorter: a step would be a bus error. */
bool model_intact(const struct model *m);

/* Bytes of packed weights; known after model_open. */
size_t model_weight_bytes(const struct model *m);
/* Bytes of weights that one decoded token reads (experts: n_expert_used of them). */
size_t model_active_bytes(const struct model *m);
/* Multiply-adds with weights for one token. */
uint64_t model_active_macs(const struct model *m);
/* Layout of the cache for this model's form. */
void model_kv_layout(const struct model *m, enum dtype dt, struct kv_layout *out);
/* Peak bytes of a step of n rows of which n_out give logits, for a pool of n_thread. */
int model_step_bytes(const struct model *m, const struct kernels *k, struct pool *pool,
                     size_t n, size_t n_out, size_t *bytes, struct err *e) must_check;
/* The same of model_mtp. */
int model_mtp_bytes(const struct model *m, const struct kernels *k, struct pool *pool, size_t n,
                    size_t n_out, size_t *bytes, struct err *e) must_check;
/* Bytes of kernel scratch each thread of a step on this model needs. */
size_t model_scratch_bytes(const struct model *m);

/* model_forward - rows of a batch through the layers; keys and values go to b->kv.
 *
 *   *hidden  (n, C) state after the final norm, all rows; NULL if not wanted
 *   returns  (n_out, V) logits, or NULL after a failure (step_failed) or when n_out is 0
 */
struct tensor *model_forward(struct model *m, struct step *st, const struct batch *b,
                             struct tensor **hidden);

/* model_mtp - one multi-token-prediction layer: from the hidden state h (n, C) of row t and the
 * token that followed it (b->id) to the logits (n_out, V) of the token after that. b->kv rows are
 * row t's; mtp counts from 0. */
struct tensor *model_mtp(struct model *m, struct step *st, const struct batch *b,
                         struct tensor *h, int32_t mtp, struct tensor **hidden);

#endif
