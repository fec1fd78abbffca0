#include "train/recipe.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "train/recipe_field.h"

/* path, type, place, limits, default, help: grouped by the first part of the path. */
#define FIELDS(T, I, R, B)                                                                     \
    T(model, shape, "", "a named shape (tarn synth --help), or empty")                         \
    T(model, arch, "qwen3", "llama, qwen2, qwen3 or deepseek")                                 \
    T(model, gate, "sigmoid", "sigmoid (V3, balanced by bias) or softmax (V2, by loss)")       \
    T(model, mla, "expanded", "form of latent attention: expanded or absorbed")                \
    I(model, n_embd, 256, 1, 65536, "width")                                                   \
    I(model, n_layer, 6, 1, 512, "layers")                                                     \
    I(model, n_head, 4, 1, 1024, "query heads")                                                \
    I(model, n_head_kv, 2, 1, 1024, "key/value heads (dense)")                                 \
    I(model, head_dim, 64, 2, 1024, "width of a head (dense)")                                 \
    I(model, n_ff, 768, 1, 1048576, "inner width of a dense FFN")                              \
    I(model, n_ctx, 1024, 1, 16777216, "longest context the model will declare")               \
    B(model, tie_embeddings, true, "the head is the embedding")                                \
    R(model, rope_theta, 10000, 1.001, 1e12, "base of the rotary angles")                      \
    R(model, rms_eps, 1e-6, 1e-12, 0.1, "epsilon of the norms")                                \
    R(model, init_std, 0.02, 1e-6, 1, "deviation of the first weights (V3: 0.006)")            \
    I(model, q_lora_rank, 0, 0, 65536, "query compression (deepseek), 0: none")                \
    I(model, kv_lora_rank, 64, 1, 65536, "key/value compression (deepseek)")                   \
    I(model, nope_dim, 32, 1, 1024, "head width without rotation (deepseek)")                  \
    I(model, rope_dim, 16, 2, 1024, "head width with rotation (deepseek)")                     \
    I(model, v_dim, 32, 1, 1024, "width of a value (deepseek)")                                \
    I(model, n_expert, 16, 0, 1024, "routed experts (deepseek), 0: none")                      \
    I(model, n_expert_used, 4, 1, 64, "experts of a token")                                    \
    I(model, n_expert_shared, 1, 0, 64, "experts every token uses")                            \
    I(model, n_ff_expert, 192, 1, 1048576, "inner width of an expert")                         \
    I(model, n_layer_dense, 1, 0, 512, "first layers without experts")                         \
    I(model, n_mtp, 0, 0, 4, "multi-token prediction modules (deepseek)")                      \
    R(model, routed_scale, 1, 1e-3, 1e3, "factor on the routed experts")                       \
    I(model, seed, 1, 0, 1e15, "of the first weights")                                         \
    T(data, path, "", "shards (a file or a directory) or JSON lines (.jsonl)")                 \
    T(data, eval, "", "shards or JSON lines to measure on, or empty")                          \
    T(data, tokenizer, "", "the vocabulary's file or model, kept with every checkpoint")       \
    T(data, form, "", "chat template of examples; empty: that of init, else tarn")             \
    R(data, think_off, 0.5, 0, 1, "answers without reasoning that turn thinking off")          \
    B(data, learn_prompts, false, "examples teach their questions too")                        \
    B(data, strict, false, "a bad record is an error; else it is skipped and counted")         \
    I(data, seq_rows, 512, 1, 1048576, "longest sequence")                                     \
    I(data, seed, 1, 0, 1e15, "of the documents' order")                                       \
    I(train, steps, 1000, 1, 1e12, "optimizer steps")                                          \
    I(train, batch_rows, 8192, 1, 1e9, "tokens of a step")                                     \
    I(train, batch_from, 0, 0, 1e9, "tokens of the first step, 0: batch_rows")                 \
    I(train, batch_ramp, 0, 0, 1e12, "steps from batch_from to batch_rows")                    \
    I(train, micro_rows, 2048, 1, 1048576, "tokens of one pass; batches are multiples")        \
    T(train, schedule, "cosine", "constant, cosine or wsd")                                    \
    T(train, optimizer, "adamw", "adamw, or muon for the hidden matrices")                     \
    T(train, moments, "f32", "f32 or bf16")                                                    \
    T(train, precision, "fp32", "of linear layers: fp32, bf16, fp8 or int8")                   \
    B(train, low_head, false, "the output head in that precision too")                         \
    R(train, lr, 1e-3, 0, 1, "learning rate after warm-up")                                    \
    R(train, lr_end, 1e-4, 0, 1, "at the end")                                                 \
    R(train, decay, 0.2, 0, 1, "wsd: share of the steps at the end")                           \
    I(train, warmup, 50, 0, 1e12, "steps of warm-up")                                          \
    R(train, beta1, 0.9, 0, 0.9999, "of AdamW")                                                \
    R(train, beta2, 0.95, 0, 0.99999, "of AdamW")                                              \
    R(train, muon_beta, 0.95, 0, 0.9999, "momentum of Muon")                                   \
    R(train, eps, 1e-8, 1e-16, 1, "of AdamW")                                                  \
    R(train, weight_decay, 0.1, 0, 10, "of matrices")                                          \
    R(train, clip, 1, 0, 1e9, "largest gradient norm, 0: any")                                 \
    B(train, recompute, false, "blocks run again on the way back: less memory, more work")     \
    R(train, mtp_weight, 0.3, 0, 10, "lambda of multi-token prediction")                       \
    R(train, mtp_late, 0.1, 0, 10, "lambda after 68 percent of the steps")                     \
    R(train, bias_speed, 0.005, 0, 1, "gamma of the experts' correction")                      \
    R(train, balance_weight, 1e-4, 0, 10, "alpha of the balance loss")                         \
    R(train, spike_factor, 3, 0, 1e9,                                                          \
      "stop when the loss is so many times its mean, 0: never")                                \
    B(train, balance_by_sequence, true,                                                        \
      "balance loss inside sequences (V3), else overall (V2)")                                 \
    I(train, eval_every, 0, 0, 1e12, "steps between measurements, 0: none")                    \
    I(train, eval_batches, 8, 1, 1e6, "micro-batches of a measurement")                        \
    I(train, save_every, 500, 0, 1e12, "steps between checkpoints, 0: at the end only")        \
    I(train, keep, 3, 1, 1000, "checkpoints to keep")                                          \
    R(cost, per_hour, 0, 0, 1e9, "dollars for an hour of this machine, for the progress line") \
    R(cost, watts, 0, 0, 1e9, "power drawn; 0: what the machine's own counter says")

/* Keys of `tarn distill` besides. */
#define DISTILL_FIELDS(T, I, R, B)                                                          \
    T(distill, teacher, "", "the model that teaches")                                       \
    T(distill, from, "samples", "samples (its answers) or logits (its distributions)")      \
    T(distill, tokens, "teacher", "logits: at whose tokens: teacher, student or data")      \
    T(distill, divergence, "", "logits: forward or reverse KL; empty: reverse for student") \
    R(distill, tau, 1, 0.01, 100, "logits: temperature of both distributions")              \
    R(distill, ce, 0, 0, 1, "logits: share of plain -log p in the loss")                    \
    T(distill, tasks, "core", "problems: families with commas, core, or empty")             \
    T(distill, levels, "all", "of the families: N, N-M or all")                             \
    T(distill, data, "", "problems from a file of JSON lines")                              \
    I(distill, prompts, 1000, 1, 1e9, "problems for the teacher; student: for each step")   \
    I(distill, samples, 4, 1, 64, "answers to each")                                        \
    I(distill, keep, 2, 1, 64, "of them kept")                                              \
    B(distill, reject, true, "samples: keep only answers the checker finds right")          \
    B(distill, instructions, false, "tell the teacher the form of answers")                 \
    R(distill, temperature, 1, 0, 100, "of sampling")                                       \
    I(distill, max_prompt, 512, 1, 1048576, "longest prompt in tokens")                     \
    I(distill, max_tokens, 512, 1, 1048576, "longest answer in tokens")                     \
    I(distill, parallel, 32, 1, 4096, "sequences the engine runs at once")                  \
    I(distill, seed, 1, 0, 1e15, "of problems and sampling")                                \
    R(distill, weight, 1, 0, 1e9, "share of the answers beside data.mix")

/* Keys of one part of the mixture: data.mix.NAME.<key>. */
#define PART_FIELDS(T, R)                                                        \
    T(path, "", "shards (a file or a directory) or JSON lines (.jsonl)")         \
    T(tasks, "", "fresh items of tasks: core, all, or names with commas")        \
    T(levels, "1-3", "levels of the tasks, like 2 or 1-3")                       \
    T(answer, "plain", "tasks: plain, or tagged as <answer>...</answer>")        \
    R(weight, 1, 0, 1e9, "share of the rows, relative to the other parts")       \
    R(steps, 0.8, 0, 1, "tasks: share that shows every step")                    \
    R(brief, 0.1, 0, 1, "tasks: share that shows the main lines")                \
    R(bare, 0.1, 0, 1, "tasks: share that answers at once")                      \
    R(ill, 0.07, 0, 1, "tasks: share without a solution or with a fact missing") \
    R(twin, 0, 0, 1, "tasks: share of twins (one thing changed)")

int recipe_word(const char *key, const char *have, const char *const *names, struct err *e)
{
    char all[160] = "";
    for (int i = 0; names[i]; i++) {
        if (strcmp(have, names[i]) == 0) return i;
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", names[i]);
    }
    err_set(e, ERR_USAGE, "%s is \"%s\", it may be %s", key, have, all);
    return -1;
}

void recipe_init(struct recipe *r, enum recipe_use use)
{
    memset(r, 0, sizeof *r);
    struct yaml_field *f = r->field;
    r->init = "";
    *f++ = (struct yaml_field){
        "init", YAML_TEXT, &r->init,
        0,      0,         "a model, checkpoint or run whose weights are the start"};
    FIELDS(RECIPE_TEXT, RECIPE_INT, RECIPE_REAL, RECIPE_BOOL)
    r->use = use;
    if (use == RECIPE_DISTILL) {
        DISTILL_FIELDS(RECIPE_TEXT, RECIPE_INT, RECIPE_REAL, RECIPE_BOOL)
    }
    f->type = YAML_END;
    if (use == RECIPE_TRAIN) return;
    r->train.lr = 1e-4; /* a tenth at the end: training.md 12 */
    r->train.lr_end = 1e-5;
    r->train.warmup = 10;
    r->train.weight_decay = 0;
}

int recipe_add_part(struct recipe *r, struct span name, struct err *e)
{
    size_t k = r->n_part, at = 0;
    if (k == DATA_MAX_FEED)
        return err_set(e, ERR_LIMIT, "data.mix has more than %d parts", DATA_MAX_FEED);
    if (name.n == 0 || name.n > 40)
        return err_set(e, ERR_USAGE, "data.mix: a part's name has 1 to 40 bytes");
    struct recipe_part *p = &r->part[k];
    struct yaml_field *f = r->field;
    while (f->type != YAML_END) f++;
    char own[48] = "";
    memcpy(own, name.p, name.n);
    memcpy(r->name[k], own, sizeof own);
#define PART_PATH(key)                                         \
    char *path_##key = r->path[k * RECIPE_PART_FIELDS + at++]; \
    snprintf(path_##key, RECIPE_PATH, "data.mix.%s." #key, own);
#define SET_T(key, def, text) \
    PART_PATH(key)            \
    p->key = def;             \
    *f++ = (struct yaml_field){path_##key, YAML_TEXT, &p->key, 0, 0, text};
#define SET_R(key, def, lo, hi, text) \
    PART_PATH(key)                    \
    p->key = def;                     \
    *f++ = (struct yaml_field){path_##key, YAML_REAL, &p->key, lo, hi, text};
    PART_FIELDS(SET_T, SET_R)
#undef SET_T
#undef SET_R
#undef PART_PATH
    f->type = YAML_END;
    r->n_part++;
    return 0;
}

int recipe_read(struct recipe *r, const struct yaml *y, struct err *e)
{
    struct span name;
    for (size_t i = 0; yaml_name(y, "data.mix", i, &name); i++)
        if (recipe_add_part(r, name, e)) return -1;
    if (yaml_apply(y, r->field, e)) return -1;
    for (size_t i = 0; i < r->n_part; i++) {
        const struct recipe_part *p = &r->part[i];
        static const char *const how[] = {"plain", "tagged", NULL};
        int tagged = recipe_word("data.mix answer", p->answer, how, e);
        if (tagged < 0) return -1;
        r->mix[i] = (struct data_part){.name = r->name[i],
                                       .path = p->path,
                                       .weight = p->weight,
                                       .tasks = {.families = p->tasks,
                                                 .levels = p->levels,
                                                 .tagged = tagged,
                                                 .steps = p->steps,
                                                 .brief = p->brief,
                                                 .bare = p->bare,
                                                 .ill = p->ill,
                                                 .twin = p->twin}};
    }
    if (r->train.batch_rows % r->train.micro_rows != 0)
        return err_set(e, ERR_USAGE, "train.batch_rows %lld is no multiple of micro_rows %lld",
                       (long long)r->train.batch_rows, (long long)r->train.micro_rows);
    if (r->train.batch_rows / r->train.micro_rows > DATA_BUFFERS)
        return err_set(e, ERR_LIMIT, "train.batch_rows are more than %d micro-batches",
                       DATA_BUFFERS);
    bool path = *r->data.path != 0, mix = r->n_part != 0;
    if (path ? mix : !mix && r->use != RECIPE_DISTILL)
        return err_set(e, ERR_USAGE, "the recipe needs data.path or data.mix%s",
                       mix ? ", not both" : "");
    return 0;
}

void recipe_data(const struct recipe *r, struct data_opts *o)
{
    *o = (struct data_opts){.path = r->data.path,
                            .part = r->mix,
                            .n_part = r->n_part,
                            .batch_rows = (size_t)r->train.micro_rows,
                            .seq_rows = (size_t)r->data.seq_rows,
                            .seed = (uint64_t)r->data.seed,
                            .verify = true,
                            .strict = r->data.strict,
                            .learn_prompts = r->data.learn_prompts,
                            .think_off = r->data.think_off};
}

static void set_latent(const struct recipe *r, bool softmax, struct model_config *c)
{
    c->n_head_kv = c->n_head;
    c->rope_pairing = ROPE_INTERLEAVED;
    c->q_lora_rank = (int32_t)r->model.q_lora_rank;
    c->kv_lora_rank = (int32_t)r->model.kv_lora_rank;
    c->qk_nope_head_dim = (int32_t)r->model.nope_dim;
    c->qk_rope_head_dim = c->rope_dim = (int32_t)r->model.rope_dim;
    c->v_head_dim = (int32_t)r->model.v_dim;
    c->n_layer_mtp = (int32_t)r->model.n_mtp;
    c->n_layer_dense = (int32_t)r->model.n_layer_dense;
    if (r->model.n_expert == 0) return;
    c->n_expert = (int32_t)r->model.n_expert;
    c->n_expert_used = (int32_t)r->model.n_expert_used;
    c->n_expert_shared = (int32_t)r->model.n_expert_shared;
    c->n_ff_expert = (int32_t)r->model.n_ff_expert;
    c->routed_scale = (float)r->model.routed_scale;
    c->score_func = softmax ? SCORE_SOFTMAX : SCORE_SIGMOID;
    c->topk_method = softmax ? TOPK_GREEDY : TOPK_GROUP_SUM2;
    c->norm_topk = c->expert_bias = !softmax;
}

int recipe_config(const struct recipe *r, uint32_t n_vocab, uint32_t doc_end,
                  struct model_config *c, struct err *e)
{
    static const char *const arch[] = {"llama", "qwen2", "qwen3", "deepseek", NULL};
    static const char *const gate[] = {"sigmoid", "softmax", NULL};
    if (*r->model.shape && !config_shape(r->model.shape, c))
        return err_set(e, ERR_USAGE, "model.shape: there is no shape %s", r->model.shape);
    if (!*r->model.shape) {
        int a = recipe_word("model.arch", r->model.arch, arch, e);
        int g = recipe_word("model.gate", r->model.gate, gate, e);
        if (a < 0 || g < 0) return -1;
        config_init(c);
        strncpy(c->name, "trained", sizeof c->name - 1);
        c->arch = (enum arch)a;
        c->n_ctx = (int32_t)r->model.n_ctx;
        c->n_embd = (int32_t)r->model.n_embd;
        c->n_layer = (int32_t)r->model.n_layer;
        c->n_head = (int32_t)r->model.n_head;
        c->n_ff = (int32_t)r->model.n_ff;
        c->rms_eps = (float)r->model.rms_eps;
        c->rope_theta = (float)r->model.rope_theta;
        c->tie_embeddings = r->model.tie_embeddings;
        c->n_head_kv = (int32_t)r->model.n_head_kv;
        c->head_dim = c->rope_dim = (int32_t)r->model.head_dim;
        c->rope_pairing = ROPE_HALF;
        c->qkv_bias = c->arch == ARCH_QWEN2;
        c->qk_norm = c->arch == ARCH_QWEN3;
        if (c->arch == ARCH_DEEPSEEK2) {
            c->head_dim = 0;
            set_latent(r, g == 1, c);
        }
    }
    c->n_vocab = (int32_t)n_vocab;
    c->bos = c->pad = -1;
    c->eos[0] = (int32_t)doc_end;
    c->n_eos = 1;
    return config_check(c, "the recipe's model", e);
}

int recipe_model_opts(const struct recipe *r, const struct model_config *c,
                      struct model_opts *o, struct err *e)
{
    static const char *const form[] = {"absorbed", "expanded", NULL};
    int f = recipe_word("model.mla", r->model.mla, form, e);
    *o = (struct model_opts){
        .mla = (enum mla_form)f, .act = ACT_F32, .with_mtp = c->n_layer_mtp > 0};
    return f < 0 ? -1 : 0;
}

int recipe_trainer(const struct recipe *r, struct trainer_opts *o, struct err *e)
{
    static const char *const kind[] = {"constant", "cosine", "wsd", NULL};
    static const char *const type[] = {"f32", "bf16", NULL}, *const optimizer[] = {
                                                                 "adamw", "muon", NULL};
    int k = recipe_word("train.schedule", r->train.schedule, kind, e);
    int m = recipe_word("train.moments", r->train.moments, type, e);
    int u = recipe_word("train.optimizer", r->train.optimizer, optimizer, e);
    enum precision precision;
    if (k < 0 || m < 0 || u < 0) return -1;
    if (!precision_parse(r->train.precision, &precision))
        return err_set(e, ERR_USAGE, "train.precision is %s, it may be fp32, bf16, fp8 or int8",
                       r->train.precision);
    *o = trainer_default();
    o->precision = precision;
    o->low_head = r->train.low_head;
    o->seed = (uint32_t)r->model.seed;
    o->optim = (struct optim_opts){.beta1 = r->train.beta1,
                                   .beta2 = r->train.beta2,
                                   .eps = r->train.eps,
                                   .decay = r->train.weight_decay,
                                   .clip = r->train.clip,
                                   .moment = m ? DT_BF16 : DT_F32,
                                   .muon = u == 1,
                                   .muon_beta = r->train.muon_beta};
    o->lr = (struct schedule){.kind = (enum schedule_kind)k,
                              .lr = r->train.lr,
                              .lr_end = r->train.lr_end,
                              .warmup = r->train.warmup,
                              .steps = r->train.steps,
                              .decay = r->train.decay};
    o->max_rows = (size_t)r->train.micro_rows;
    o->recompute = r->train.recompute;
    o->mtp_weight = r->train.mtp_weight;
    o->mtp_late = r->train.mtp_late;
    o->bias_speed = r->train.bias_speed;
    o->balance_weight = r->train.balance_weight;
    o->balance_by_sequence = r->train.balance_by_sequence;
    o->spike_factor = r->train.spike_factor;
    return 0;
}
