#include "rl/rl_recipe.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "train/recipe_field.h"

/* path, type, place, limits, default, help: grouped by the first part of the path. */
#define FIELDS(T, I, R, B)                                                                   \
    T(model, tokenizer, "", "vocabulary, when the model has none")                           \
    T(model, form, "", "chat template; empty: the model's own, or tarn")                     \
    T(model, mla, "expanded", "form of latent attention: expanded or absorbed")              \
    T(task, families, "", "names with commas, core or all: tarn task --list")                \
    T(task, levels, "all", "N, N-M or all")                                                  \
    T(task, data, "", "a file of problems (JSON lines)")                                     \
    T(task, command, "", "a program of your own that asks and checks")                       \
    T(task, variant, "plain", "plain, ill, or mix (as in training texts)")                   \
    T(task, system, "", "system message")                                                    \
    I(task, seed, 1, 0, 1e15, "of the items")                                                \
    B(task, instructions, false, "tell the model the form of answers")                       \
    I(rollout, prompts, 16, 1, 65536, "problems of a step")                                  \
    I(rollout, group, 8, 2, 64, "answers to each problem")                                   \
    I(rollout, max_prompt, 256, 1, 1048576, "longest prompt in tokens")                      \
    I(rollout, max_tokens, 256, 1, 1048576, "longest answer in tokens")                      \
    I(rollout, parallel, 64, 1, 4096, "sequences the engine runs at once")                   \
    I(rollout, seed, 1, 0, 1e15, "of sampling")                                              \
    I(rollout, keep, 20, 0, 1e9, "steps whose rollouts stay on disk, 0: none")               \
    R(rollout, temperature, 1, 0.01, 100, "of sampling; the policy is what is sampled from") \
    T(rl, preset, "", "r1, dapo, dr_grpo, gspo or cispo")                                    \
    T(rl, loss, "grpo", "grpo, dapo, dr_grpo, gspo or cispo")                                \
    T(rl, advantage, "group", "group, mean, batch or rloo")                                  \
    R(rl, clip_low, 0.2, 0, 1, "ratio's bound below: 1 - clip_low")                          \
    R(rl, clip_high, 0.2, 0, 1e9, "above: 1 + clip_high; 0: none")                           \
    R(rl, delta, 0, 0, 1e9, "bound on the ratio of bad answers, 0: none")                    \
    T(rl, kl, "none", "none, k1, k2, k3 or k3x (unbiased)")                                  \
    R(rl, beta, 0.001, 0, 1e3, "weight of the KL to the reference")                          \
    I(rl, reference_every, 0, 0, 1e12,                                                       \
      "steps after which the policy is the reference, 0: never")                             \
    I(rl, updates, 1, 1, 1024, "optimizer updates of a step, each on a part of its answers") \
    B(rl, dynamic, false, "sample until enough groups are not flat")                         \
    I(rl, rounds, 10, 1, 1000, "dynamic: most rounds before the run stops")                  \
    T(rl, overlong, "none", "truncated answers: none, mask or punish")                       \
    I(rl, margin, 64, 1, 1048576, "punish: tokens before the limit where it begins")         \
    T(rl, format, "gate", "gate, add or none")                                               \
    R(rl, format_weight, 0.2, 0, 1e3, "add: reward of the form")                             \
    T(rl, language, "any", "script of the thinking: any, latin or han")                      \
    R(rl, language_weight, 0, 0, 1e3, "reward of its share")                                 \
    B(curriculum, on, false, "levels rise with success")                                     \
    I(curriculum, window, 64, 1, 256, "problems over which success is measured")             \
    R(curriculum, up, 0.7, 0, 1, "rise at this share of right answers")                      \
    R(curriculum, down, 0.2, 0, 1, "fall below this")                                        \
    I(train, steps, 200, 1, 1e12, "steps: rollout and update")                               \
    I(train, micro_rows, 2048, 1, 1048576, "tokens of one pass")                             \
    T(train, schedule, "constant", "constant, cosine or wsd, over updates")                  \
    T(train, moments, "f32", "f32 or bf16")                                                  \
    R(train, lr, 1e-5, 0, 1, "learning rate after warm-up")                                  \
    R(train, lr_end, 1e-6, 0, 1, "at the end")                                               \
    R(train, decay, 0.2, 0, 1, "wsd: share of the updates at the end")                       \
    I(train, warmup, 5, 0, 1e12, "updates of warm-up")                                       \
    R(train, beta1, 0.9, 0, 0.9999, "of AdamW")                                              \
    R(train, beta2, 0.95, 0, 0.99999, "of AdamW")                                            \
    R(train, eps, 1e-8, 1e-16, 1, "of AdamW")                                                \
    R(train, weight_decay, 0, 0, 10, "of matrices")                                          \
    R(train, clip, 1, 0, 1e9, "largest gradient norm, 0: any")                               \
    R(train, bias_speed, 0, 0, 1, "gamma of the experts' correction")                        \
    R(train, balance_weight, 0, 0, 10, "alpha of the balance loss")                          \
    B(train, recompute, false, "blocks run again on the way back: less memory, more work")   \
    I(train, save_every, 50, 0, 1e12, "steps between checkpoints, 0: at the end only")       \
    I(train, keep, 3, 1, 1000, "checkpoints to keep")                                        \
    I(eval, every, 0, 0, 1e12, "steps between measurements on evaluation items, 0: none")    \
    I(eval, count, 64, 1, 1e6, "problems of a measurement, one greedy answer each")

void rl_recipe_init(struct rl_recipe *r)
{
    memset(r, 0, sizeof *r);
    struct yaml_field *f = r->field;
    r->init = "";
    *f++ = (struct yaml_field){
        "init", YAML_TEXT, &r->init,
        0,      0,         "the model to begin with: GGUF, directory, checkpoint or run"};
    FIELDS(RECIPE_TEXT, RECIPE_INT, RECIPE_REAL, RECIPE_BOOL)
    f->type = YAML_END;
}

static int preset(struct rl_recipe *r, struct err *e)
{
    static const char *const names[] = {"", "r1", "dapo", "dr_grpo", "gspo", "cispo", NULL};
    int which = recipe_word("rl.preset", r->rl.preset, names, e);
    if (which < 0) return -1;
    if (which >= 2) { /* all but r1: no KL, and the loss of the same name */
        r->rl.loss = names[which];
        r->rl.kl = "none";
        r->train.lr = 1e-6;
    }
    switch (which) {
    case 1:
        r->rollout.prompts = 32;
        r->rollout.group = 16;
        r->rl.kl = "k3";
        r->rl.beta = 0.001;
        r->rl.clip_high = 10;
        r->rl.reference_every = 400;
        r->train.lr = 3e-6;
        break;
    case 2:
        r->rl.clip_high = 0.28;
        r->rl.dynamic = true;
        r->rl.overlong = "punish";
        r->rollout.group = 16;
        break;
    case 3: r->rl.advantage = "mean"; break;
    case 4:
        r->rl.clip_low = 3e-4;
        r->rl.clip_high = 4e-4;
        r->rl.updates = 4;
        break;
    case 5: r->rl.clip_low = 1; break;
    }
    return 0;
}

int rl_recipe_apply(struct rl_recipe *r, const struct yaml *y, struct err *e)
{
    if (yaml_apply(y, r->field, e) || preset(r, e) || yaml_apply(y, r->field, e)) return -1;
    if (!*r->init)
        return err_set(e, ERR_USAGE, "the recipe has no init: the model that is to learn");
    if (!*r->task.families && !*r->task.data && !*r->task.command)
        return err_set(e, ERR_USAGE,
                       "the recipe names no task.families, task.data or task.command");
    if (r->train.micro_rows < r->rollout.max_prompt + r->rollout.max_tokens)
        return err_set(e, ERR_USAGE,
                       "train.micro_rows is %lld, one prompt and answer may have %lld tokens",
                       (long long)r->train.micro_rows,
                       (long long)(r->rollout.max_prompt + r->rollout.max_tokens));
    if (r->rl.updates > r->rollout.prompts * r->rollout.group)
        return err_set(e, ERR_USAGE, "rl.updates is %lld, a step has %lld answers",
                       (long long)r->rl.updates,
                       (long long)(r->rollout.prompts * r->rollout.group));
    return 0;
}

static int trainer_words(const struct rl_recipe *r, struct trainer_opts *o, struct err *e)
{
    static const char *const kind[] = {"constant", "cosine", "wsd", NULL};
    static const char *const type[] = {"f32", "bf16", NULL};
    int k = recipe_word("train.schedule", r->train.schedule, kind, e);
    int m = recipe_word("train.moments", r->train.moments, type, e);
    if (k < 0 || m < 0) return -1;
    *o = trainer_default();
    o->optim = (struct optim_opts){.beta1 = r->train.beta1,
                                   .beta2 = r->train.beta2,
                                   .eps = r->train.eps,
                                   .decay = r->train.weight_decay,
                                   .clip = r->train.clip,
                                   .moment = m ? DT_BF16 : DT_F32};
    o->lr = (struct schedule){.kind = (enum schedule_kind)k,
                              .lr = r->train.lr,
                              .lr_end = r->train.lr_end,
                              .warmup = r->train.warmup,
                              .steps = r->train.steps * r->rl.updates,
                              .decay = r->train.decay};
    o->max_rows = (size_t)r->train.micro_rows;
    o->recompute = r->train.recompute;
    o->bias_speed = r->train.bias_speed;
    o->balance_weight = r->train.balance_weight;
    o->spike_factor = 0; /* the surrogate is near zero by construction */
    return 0;
}

int rl_recipe_opts(const struct rl_recipe *r, struct rl_opts *o, struct err *e)
{
    static const char *const loss[] = {"grpo", "dapo", "dr_grpo", "gspo", "cispo", NULL};
    static const char *const adv[] = {"group", "mean", "batch", "rloo", NULL};
    static const char *const kl[] = {"none", "k1", "k2", "k3", "k3x", NULL};
    static const char *const form[] = {"gate", "add", "none", NULL};
    static const char *const lang[] = {"any", "latin", "han", NULL};
    static const char *const over[] = {"none", "mask", "punish", NULL};
    static const char *const mla[] = {"absorbed", "expanded", NULL};
    static const char *const variant[] = {"plain", "mix", "ill", NULL};
    int a = recipe_word("rl.loss", r->rl.loss, loss, e);
    int b = recipe_word("rl.advantage", r->rl.advantage, adv, e);
    int c = recipe_word("rl.kl", r->rl.kl, kl, e);
    int d = recipe_word("rl.format", r->rl.format, form, e);
    int f = recipe_word("rl.language", r->rl.language, lang, e);
    int g = recipe_word("rl.overlong", r->rl.overlong, over, e);
    int h = recipe_word("model.mla", r->model.mla, mla, e);
    int v = recipe_word("task.variant", r->task.variant, variant, e);
    if (a < 0 || b < 0 || c < 0 || d < 0 || f < 0 || g < 0 || h < 0 || v < 0) return -1;
    *o = (struct rl_opts){.advantage = (enum advantage_kind)b,
                          .mask_overlong = g == 1,
                          .variant = v == 2 ? TASK_ILL : TASK_PLAIN,
                          .mix = v == 1};
    o->model = (struct model_opts){.mla = (enum mla_form)h, .act = ACT_F32};
    o->policy = (struct policy_opts){.kind = (enum policy_kind)a,
                                     .kl = r->rl.beta > 0 ? (enum kl_kind)c : KL_NONE,
                                     .clip_low = r->rl.clip_low,
                                     .clip_high = r->rl.clip_high,
                                     .delta = r->rl.delta,
                                     .beta = c ? r->rl.beta : 0,
                                     .longest = (double)r->rollout.max_tokens};
    o->rollout = (struct rollout_opts){.system = r->task.system,
                                       .instructions = r->task.instructions,
                                       .group = (int)r->rollout.group,
                                       .max_prompt = r->rollout.max_prompt,
                                       .max_tokens = r->rollout.max_tokens,
                                       .temperature = r->rollout.temperature,
                                       .seed = (uint64_t)r->rollout.seed,
                                       .mode = MATH_REWARD};
    o->rollout.reward = (struct reward_opts){.format = (enum format_kind)d,
                                             .language = (enum language)f,
                                             .format_weight = r->rl.format_weight,
                                             .language_weight = r->rl.language_weight,
                                             .longest = r->rollout.max_tokens,
                                             .margin = g == 2 ? r->rl.margin : 0};
    o->curriculum = (struct curriculum_opts){.on = r->curriculum.on,
                                             .window = (int)r->curriculum.window,
                                             .up = r->curriculum.up,
                                             .down = r->curriculum.down,
                                             .seed = (uint64_t)r->task.seed};
    return trainer_words(r, &o->trainer, e);
}

/* ---- problems ------------------------------------------------------------------------------ */

static int levels(const char *text, const struct task_family *f, int *lo, int *hi,
                  struct err *e)
{
    char tail;
    *lo = 1;
    *hi = f->levels;
    if (strcmp(text, "all") == 0) return 0;
    int n = sscanf(text, "%d-%d%c", lo, hi, &tail);
    if (n == 1) *hi = *lo;
    if (n < 1 || n > 2 || *lo < 1 || *lo > *hi)
        return err_set(e, ERR_USAGE, "task.levels is \"%s\", it may be N, N-M or all", text);
    if (*lo > f->levels) *lo = f->levels;
    if (*hi > f->levels) *hi = f->levels;
    return 0;
}

static int add_family(const struct task_family *f, const struct rl_recipe *r,
                      const struct task_ask *ask, bool mix, struct curriculum *c, struct err *e)
{
    int lo, hi;
    return levels(r->task.levels, f, &lo, &hi, e) ||
                   curriculum_add_family(c, f, ask, mix, lo, hi, e)
               ? -1
               : 0;
}

static int add_families(const struct rl_recipe *r, const struct task_ask *ask, bool mix,
                        struct curriculum *c, struct err *e)
{
    const char *at = r->task.families;
    if (strcmp(at, "core") == 0) at = task_core();
    if (strcmp(at, "all") == 0) {
        for (const struct task_family *const *f = task_list(); *f; f++)
            if (add_family(*f, r, ask, mix, c, e)) return -1;
        return 0;
    }
    while (*at) {
        struct span name = {at, strcspn(at, ",")};
        const struct task_family *f = task_find(name);
        at += name.n + (at[name.n] != 0);
        if (!f)
            return err_set(e, ERR_USAGE, "task.families: there is no task \"%.*s\"",
                           (int)name.n, name.p);
        if (add_family(f, r, ask, mix, c, e)) return -1;
    }
    return 0;
}

int rl_recipe_problems(const struct rl_recipe *r, const struct rl_opts *o,
                       enum task_split split, struct curriculum *c, struct err *e)
{
    struct problem_source *s;
    struct task_ask ask = {
        .split = split, .seed = (uint64_t)r->task.seed, .level = 1, .variant = o->variant};
    if (curriculum_init(c, &o->curriculum, e) || add_families(r, &ask, o->mix, c, e)) return -1;
    if (*r->task.data &&
        (problem_source_file(&s, r->task.data, e) || curriculum_add_source(c, s, e)))
        return -1;
    if (*r->task.command && (problem_source_command(&s, r->task.command, &ask, e) ||
                             curriculum_add_source(c, s, e)))
        return -1;
    return 0;
}
