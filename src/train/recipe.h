/* recipe.h - a pretraining run as a YAML file: keys, defaults, limits (base/yaml.h).
 *
 * recipe_fields lists every key with its help line. model.from starts from the weights of a model;
 * otherwise the shape is model.shape's, or made of the single keys, and weights are random.
 */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

#include "base/yaml.h"
#include "train/trainer.h"

struct recipe {
    struct {
        const char *shape, *from, *arch, *gate, *mla;
        int64_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_ctx;
        bool tie_embeddings;
        double rope_theta, rms_eps, init_std;
        int64_t q_lora_rank, kv_lora_rank, nope_dim, rope_dim, v_dim;
        int64_t n_expert, n_expert_used, n_expert_shared, n_ff_expert, n_layer_dense, n_mtp;
        double routed_scale;
        int64_t seed;
    } model;
    struct {
        const char *path, *eval, *tokenizer;
        int64_t seq_rows, seed;
    } data;
    struct {
        int64_t steps, batch_rows, batch_from, batch_ramp, micro_rows;
        const char *schedule, *moments, *precision;
        double lr, lr_end, decay;
        int64_t warmup;
        double beta1, beta2, eps, weight_decay, clip;
        bool recompute, low_head;
        double mtp_weight, mtp_late, bias_speed, balance_weight, spike_factor;
        bool balance_by_sequence;
        int64_t eval_every, eval_batches, save_every, keep;
    } train;
    struct yaml_field field[80]; /* bound to this struct */
};

/* Defaults, and the table. */
void recipe_init(struct recipe *r);
/* The model's config; n_vocab and doc_end come from the data. Not for model.from. */
int recipe_config(const struct recipe *r, uint32_t n_vocab, uint32_t doc_end,
                  struct model_config *c, struct err *e) must_check;
int recipe_model_opts(const struct recipe *r, const struct model_config *c,
                      struct model_opts *o, struct err *e) must_check;
int recipe_trainer(const struct recipe *r, struct trainer_opts *o, struct err *e) must_check;

#endif
