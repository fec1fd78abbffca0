/* rl_recipe.h - a reinforcement learning run as a YAML file: keys, defaults, presets.
 *
 * rl.preset names a published recipe; it sets keys before the file's own values are looked at, so
 * a file may change any of them:
 *
 *   r1       GRPO, group 16, 32 problems a step, k3 at 0.001, reference anew every 400 steps,
 *            upper clip 10, learning rate 3e-6            (training.md 10; R1's Nature paper)
 *   dapo     token-level loss, clip 0.2 / 0.28, no KL, dynamic sampling, soft length punishment
 *   dr_grpo  r - mean, constant divisor, no KL
 *   gspo     sequence ratios, clip 3e-4 / 4e-4, no KL, four updates a rollout
 *   cispo    clipped weights, no KL
 */
#ifndef RL_RL_RECIPE_H
#define RL_RL_RECIPE_H

#include "base/yaml.h"
#include "rl/advantage.h"
#include "rl/curriculum.h"
#include "rl/policy_loss.h"
#include "rl/rollout.h"
#include "train/trainer.h"

struct rl_recipe {
    const char *init;
    struct {
        const char *tokenizer, *form, *mla;
    } model;
    struct {
        const char *families, *levels, *data, *command, *variant, *system;
        int64_t seed;
        bool instructions;
    } task;
    struct {
        int64_t prompts, group, max_prompt, max_tokens, parallel, seed, keep;
        double temperature;
    } rollout;
    struct {
        const char *preset, *loss, *advantage, *kl, *format, *language, *overlong;
        double clip_low, clip_high, delta, beta, format_weight, language_weight;
        int64_t margin, reference_every, updates, rounds;
        bool dynamic;
    } rl;
    struct {
        bool on;
        int64_t window;
        double up, down;
    } curriculum;
    struct {
        int64_t steps, micro_rows, warmup, save_every, keep;
        const char *schedule, *moments;
        double lr, lr_end, decay, beta1, beta2, eps, weight_decay, clip, bias_speed,
            balance_weight;
        bool recompute;
    } train;
    struct {
        int64_t every, count;
    } eval;
    struct yaml_field field[88]; /* bound to this struct */
};

/* What the keys' words mean. */
struct rl_opts {
    struct policy_opts policy;
    enum advantage_kind advantage;
    struct rollout_opts rollout;
    struct trainer_opts trainer;
    struct curriculum_opts curriculum;
    struct model_opts model; /* with_mtp is left to the caller */
    bool mask_overlong;      /* truncated answers teach nothing */
    enum task_variant variant;
    bool mix;
};

void rl_recipe_init(struct rl_recipe *r);
/* The file's values over the preset's over the defaults. */
int rl_recipe_apply(struct rl_recipe *r, const struct yaml *y, struct err *e) must_check;
int rl_recipe_opts(const struct rl_recipe *r, struct rl_opts *o, struct err *e) must_check;
/* Families, files and programs of the recipe; items of `split`. */
int rl_recipe_problems(const struct rl_recipe *r, const struct rl_opts *o,
                       enum task_split split, struct curriculum *c, struct err *e) must_check;

#endif
