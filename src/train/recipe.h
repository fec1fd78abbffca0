/* recipe.h - a training run as a YAML file: keys, defaults, limits (base/yaml.h).
 *
 * `field` lists every key with its help line. `init` starts from the weights of a model; otherwise
 * the shape is model.shape's, or made of the single keys, and weights are random.
 *
 * Data is one source (data.path) or a mixture whose parts the writer names:
 *
 *   data:
 *     mix:
 *       books: {path: shards/books, weight: 0.3}
 *       talks: {path: talks.jsonl, weight: 0.1}
 *       sums:  {tasks: core, levels: 1-3, weight: 0.6}
 */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

#include "base/yaml.h"
#include "train/data.h"
#include "train/trainer.h"

enum { RECIPE_FIELDS = 128, RECIPE_PART_FIELDS = 10, RECIPE_PATH = 80 };

/* What a command does with a recipe: some defaults differ. */
enum recipe_use { RECIPE_TRAIN, RECIPE_SFT, RECIPE_DISTILL };

struct recipe_part {
    const char *path, *tasks, *levels, *answer;
    double weight, steps, brief, bare, ill, twin;
};

struct recipe {
    enum recipe_use use;
    const char *init;
    struct {
        const char *shape, *arch, *gate, *mla;
        int64_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_ctx;
        bool tie_embeddings;
        double rope_theta, rms_eps, init_std;
        int64_t q_lora_rank, kv_lora_rank, nope_dim, rope_dim, v_dim;
        int64_t n_expert, n_expert_used, n_expert_shared, n_ff_expert, n_layer_dense, n_mtp;
        double routed_scale;
        int64_t seed;
    } model;
    struct {
        const char *path, *eval, *tokenizer, *form;
        int64_t seq_rows, seed;
        double think_off;
        bool strict, learn_prompts;
    } data;
    struct recipe_part part[DATA_MAX_FEED]; /* data.mix */
    struct data_part mix[DATA_MAX_FEED];    /* the same, as data_open wants them */
    size_t n_part;
    struct {
        double per_hour, watts;
    } cost;
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
    struct { /* RECIPE_DISTILL only */
        const char *teacher, *from, *tokens, *divergence, *tasks, *levels, *data;
        double tau, ce, temperature, weight;
        int64_t prompts, samples, keep, max_tokens, max_prompt, parallel, seed;
        bool reject, instructions;
    } distill;
    /* bound to this struct */
    struct yaml_field field[RECIPE_FIELDS + DATA_MAX_FEED * RECIPE_PART_FIELDS];
    char name[DATA_MAX_FEED][RECIPE_PATH];
    char path[DATA_MAX_FEED * RECIPE_PART_FIELDS]
             [RECIPE_PATH]; /* names of the mixture's keys */
};

/* Defaults, and the table; r must stay where it is. */
void recipe_init(struct recipe *r, enum recipe_use use);
/* One more part of the mixture: its keys, behind the others. */
int recipe_add_part(struct recipe *r, struct span name, struct err *e) must_check;
/* Values of a recipe, the mixture's parts included. */
int recipe_read(struct recipe *r, const struct yaml *y, struct err *e) must_check;
/* batch_rows, seed, vocab and form are left to the caller. */
void recipe_data(const struct recipe *r, struct data_opts *o);
/* The model's config; n_vocab and doc_end come from the data. Not with init. */
int recipe_config(const struct recipe *r, uint32_t n_vocab, uint32_t doc_end,
                  struct model_config *c, struct err *e) must_check;
int recipe_model_opts(const struct recipe *r, const struct model_config *c,
                      struct model_opts *o, struct err *e) must_check;
int recipe_trainer(const struct recipe *r, struct trainer_opts *o, struct err *e) must_check;

#endif
