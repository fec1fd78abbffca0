/* config_hf.c - config.json and generation_config.json to a config and back.
 *
 * model_type decides the family. A key that the family needs and the file lacks is an error,
 * with the exceptions that the format itself documents: head_dim = hidden_size / heads,
 * num_key_value_heads = heads, tie_word_embeddings false, no rope scaling; for deepseek_v3 the
 * gate is fixed by the type (sigmoid, noaux_tc), so its two keys may be missing.
 *
 * Source: models.md 2, 4.5, 5.3, 6, 9.2, 15.4.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/hf_config.h"
#include "model/config.h"

struct in {
    const json_t *o;
    const char *what;
};

static int get_i32(struct in in, const char *key, int32_t *out, struct err *e)
{
    int64_t v;
    if (json_get_i64(in.o, key, INT32_MIN, INT32_MAX, &v, in.what, e)) return -1;
    *out = (int32_t)v;
    return 0;
}

static int get_i32_opt(struct in in, const char *key, int32_t *out, struct err *e)
{
    int64_t v = *out;
    if (json_get_i64_opt(in.o, key, INT32_MIN, INT32_MAX, &v, in.what, e)) return -1;
    *out = (int32_t)v;
    return 0;
}

static int get_f32(struct in in, const char *key, float *out, struct err *e)
{
    double v;
    if (json_get_f64(in.o, key, &v, in.what, e)) return -1;
    *out = (float)v;
    return 0;
}

static int get_f32_opt(struct in in, const char *key, float *out, struct err *e)
{
    double v = (double)*out;
    if (json_get_f64_opt(in.o, key, &v, in.what, e)) return -1;
    *out = (float)v;
    return 0;
}

/* A switch that must be off (or absent), because the graph has no such part. */
static int must_be_off(struct in in, const char *key, struct err *e)
{
    bool on = false;
    if (json_get_bool_opt(in.o, key, &on, in.what, e)) return -1;
    return on ? err_set(e, ERR_UNSUPPORTED, "%s: \"%s\" is true, which is not supported",
                        in.what, key)
              : 0;
}

/* A text that is one of a few. */
static int get_choice(struct in in, const char *key, const char *const *name, int n, int *out,
                      struct err *e)
{
    struct span s = {NULL, 0};
    if (json_get_str_opt(in.o, key, &s, in.what, e)) return -1;
    if (!s.p && *out >= 0) return 0;
    if (!s.p) return err_set(e, ERR_FORMAT, "%s: \"%s\" is missing", in.what, key);
    for (*out = 0; *out < n; (*out)++)
        if (span_is(s, name[*out])) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s: \"%s\" is \"%.60s\", which is not supported",
                   in.what, key, s.p);
}

/* ---- reading ------------------------------------------------------------------------------ */

enum type { LLAMA, QWEN2, QWEN3, V2, V3, V32, N_TYPE };

static const char *const type_name[N_TYPE] = {"llama",       "qwen2",       "qwen3",
                                              "deepseek_v2", "deepseek_v3", "deepseek_v32"};

static int read_common(struct in in, struct model_config *c, struct err *e)
{
    static const char *const act[] = {"silu"};
    int a = 0;
    return get_i32(in, "vocab_size", &c->n_vocab, e) ||
                   get_i32(in, "max_position_embeddings", &c->n_ctx, e) ||
                   get_i32(in, "hidden_size", &c->n_embd, e) ||
                   get_i32(in, "num_hidden_layers", &c->n_layer, e) ||
                   get_i32(in, "num_attention_heads", &c->n_head, e) ||
                   get_i32(in, "intermediate_size", &c->n_ff, e) ||
                   get_f32(in, "rms_norm_eps", &c->rms_eps, e) ||
                   get_choice(in, "hidden_act", act, 1, &a, e) ||
                   json_get_bool_opt(in.o, "tie_word_embeddings", &c->tie_embeddings, in.what,
                                     e)
               ? -1
               : 0;
}

static int read_gqa(struct in in, struct model_config *c, struct err *e)
{
    c->n_head_kv = c->n_head;
    c->head_dim = c->n_head > 0 ? c->n_embd / c->n_head : 0;
    if (get_i32_opt(in, "num_key_value_heads", &c->n_head_kv, e) ||
        get_i32_opt(in, "head_dim", &c->head_dim, e) ||
        must_be_off(in, "use_sliding_window", e) || must_be_off(in, "mlp_bias", e) ||
        must_be_off(in, "attention_bias", e))
        return -1;
    c->rope_dim = c->head_dim;
    c->rope_pairing = ROPE_HALF;
    c->qkv_bias = c->arch == ARCH_QWEN2;
    c->qk_norm = c->arch == ARCH_QWEN3;
    return 0;
}

static int read_mla(struct in in, struct model_config *c, struct err *e)
{
    bool interleaved = true;
    if (must_be_off(in, "attention_bias", e) ||
        get_i32_opt(in, "q_lora_rank", &c->q_lora_rank, e) ||
        get_i32(in, "kv_lora_rank", &c->kv_lora_rank, e) ||
        get_i32(in, "qk_nope_head_dim", &c->qk_nope_head_dim, e) ||
        get_i32(in, "qk_rope_head_dim", &c->qk_rope_head_dim, e) ||
        get_i32(in, "v_head_dim", &c->v_head_dim, e) ||
        json_get_bool_opt(in.o, "rope_interleave", &interleaved, in.what, e))
        return -1;
    c->n_head_kv = c->n_head;
    c->rope_dim = c->qk_rope_head_dim;
    c->rope_pairing = interleaved ? ROPE_INTERLEAVED : ROPE_HALF;
    return 0;
}

static int read_experts(struct in in, enum type type, struct model_config *c, struct err *e)
{
    static const char *const method[] = {"greedy", "group_limited_greedy", "noaux_tc"};
    static const char *const score[] = {"softmax", "sigmoid"};
    int m = type == V2 ? -1 : TOPK_GROUP_SUM2;
    int s = type == V2 ? SCORE_SOFTMAX : SCORE_SIGMOID;
    int32_t every = 1;
    if (get_i32_opt(in, "n_routed_experts", &c->n_expert, e)) return -1;
    if (c->n_expert == 0) return 0;
    if (get_i32(in, "num_experts_per_tok", &c->n_expert_used, e) ||
        get_i32_opt(in, "n_shared_experts", &c->n_expert_shared, e) ||
        get_i32(in, "moe_intermediate_size", &c->n_ff_expert, e) ||
        get_i32(in, "first_k_dense_replace", &c->n_layer_dense, e) ||
        get_i32_opt(in, "moe_layer_freq", &every, e) ||
        get_choice(in, "topk_method", method, 3, &m, e) ||
        get_choice(in, "scoring_func", score, 2, &s, e) ||
        json_get_bool_opt(in.o, "norm_topk_prob", &c->norm_topk, in.what, e) ||
        get_f32(in, "routed_scaling_factor", &c->routed_scale, e))
        return -1;
    if (every != 1)
        return err_set(e, ERR_UNSUPPORTED, "%s: \"moe_layer_freq\" is %d, only 1 is supported",
                       in.what, every);
    c->topk_method = (enum topk_method)m;
    c->score_func = (enum score_func)s;
    c->expert_bias = c->topk_method == TOPK_GROUP_SUM2;
    if (c->topk_method == TOPK_GREEDY) return 0; /* groups are declared there, but not used */
    return get_i32(in, "n_group", &c->n_group, e) ||
                   get_i32(in, "topk_group", &c->topk_group, e)
               ? -1
               : 0;
}

static int read_yarn(struct in r, struct model_config *c, struct err *e)
{
    float factor = 0, ignored = 0;
    if (get_i32(r, "original_max_position_embeddings", &c->n_ctx_orig, e) ||
        get_f32_opt(r, "beta_fast", &c->beta_fast, e) ||
        get_f32_opt(r, "beta_slow", &c->beta_slow, e) ||
        get_f32_opt(r, "mscale", &c->mscale, e) ||
        get_f32_opt(r, "mscale_all_dim", &c->mscale_all_dim, e) ||
        get_f32_opt(r, "attention_factor", &factor, e) ||
        get_f32_opt(r, "attn_factor", &ignored, e))
        return -1;
    if (!json_object_get(r.o, "mscale")) c->mscale = 1;
    c->attn_factor_ignored = ignored;
    /* attention_factor replaces the magnitude, ours multiplies it */
    if (factor > 0) c->attn_factor = factor / config_rope_gain(c);
    return 0;
}

static int read_rope(struct in in, struct model_config *c, struct err *e)
{
    static const char *const kind[] = {"default", "linear", "yarn", "llama3"};
    static const enum rope_scaling scaling[] = {ROPE_SCALING_NONE, ROPE_SCALING_LINEAR,
                                                ROPE_SCALING_YARN, ROPE_SCALING_LLAMA3};
    struct in r = {json_object_get(in.o, "rope_scaling"), in.what};
    int k = -1;
    /* newer files keep theta and scaling together in "rope_parameters" */
    if (!json_is_object(r.o)) r.o = json_object_get(in.o, "rope_parameters");
    bool together = json_is_object(r.o) && json_object_get(r.o, "rope_theta");
    if (get_f32(together ? r : in, "rope_theta", &c->rope_theta, e)) return -1;
    if (!json_is_object(r.o)) return 0;
    const char *key = json_object_get(r.o, "rope_type") ? "rope_type" : "type";
    if (get_choice(r, key, kind, 4, &k, e)) return err_wrap(e, "rope_scaling");
    c->rope_scaling = scaling[k];
    if (c->rope_scaling == ROPE_SCALING_NONE) return 0;
    if (get_f32(r, "factor", &c->rope_factor, e)) return err_wrap(e, "rope_scaling");
    if (c->rope_scaling == ROPE_SCALING_YARN && read_yarn(r, c, e))
        return err_wrap(e, "rope_scaling");
    if (c->rope_scaling == ROPE_SCALING_LLAMA3 &&
        (get_i32(r, "original_max_position_embeddings", &c->n_ctx_orig, e) ||
         get_f32(r, "low_freq_factor", &c->low_freq_factor, e) ||
         get_f32(r, "high_freq_factor", &c->high_freq_factor, e)))
        return err_wrap(e, "rope_scaling");
    return 0;
}

static int read_quant(struct in in, struct model_config *c, struct err *e)
{
    static const char *const method[] = {"fp8"}, *const fmt[] = {"e4m3"};
    static const char *const scale[] = {"float", "ue8m0"};
    struct in q = {json_object_get(in.o, "quantization_config"), in.what};
    int m = -1, f = 0, s = 0;
    if (!json_is_object(q.o)) return 0;
    if (get_choice(q, "quant_method", method, 1, &m, e) ||
        get_choice(q, "fmt", fmt, 1, &f, e) || get_choice(q, "scale_fmt", scale, 2, &s, e))
        return err_wrap(e, "quantization_config");
    const json_t *b = json_object_get(q.o, "weight_block_size");
    json_int_t rows = json_integer_value(json_array_get(b, 0));
    json_int_t cols = json_integer_value(json_array_get(b, 1));
    if (json_array_size(b) != 2 || rows < 1 || rows > 65536 || cols < 1 || cols > 65536)
        return err_set(
            e, ERR_FORMAT,
            "%s: quantization_config: \"weight_block_size\" is not two sizes up to 65536",
            in.what);
    c->fp8_block_rows = (int32_t)rows;
    c->fp8_block_cols = (int32_t)cols;
    c->fp8_scale = s ? FP8_SCALE_UE8M0 : FP8_SCALE_FLOAT;
    return 0;
}

static int read_tokens(const struct hf_config *h, struct in in, struct model_config *c,
                       struct err *e)
{
    const json_t *gen = hf_generation_json(h);
    int32_t n = 0;
    if (hf_ids(in.o, "bos_token_id", &c->bos, &n, 1, in.what, e)) return -1;
    n = 0;
    if (hf_ids(in.o, "pad_token_id", &c->pad, &n, 1, in.what, e)) return -1;
    if (gen && hf_ids(gen, "eos_token_id", c->eos, &c->n_eos, CONFIG_MAX_EOS, in.what, e))
        return -1;
    return hf_ids(in.o, "eos_token_id", c->eos, &c->n_eos, CONFIG_MAX_EOS, in.what, e);
}

int config_from_hf(struct model_config *c, const struct hf_config *h, struct err *e)
{
    static const enum arch arch[N_TYPE] = {ARCH_LLAMA,     ARCH_QWEN2,     ARCH_QWEN3,
                                           ARCH_DEEPSEEK2, ARCH_DEEPSEEK2, ARCH_DEEPSEEK2};
    struct in in = {hf_config_json(h), hf_config_path(h)};
    int type = -1;
    config_init(c);
    if (get_choice(in, "model_type", type_name, N_TYPE, &type, e))
        return err_hint(e, "supported are llama, qwen2, qwen3, deepseek_v2, _v3 and _v32");
    c->arch = arch[type];
    const char *dir = hf_config_dir(h), *slash = strrchr(dir, '/');
    snprintf(c->name, sizeof c->name, "%.90s", slash && slash[1] ? slash + 1 : dir);
    if (read_common(in, c, e)) return -1;
    if (config_is_mla(c)) {
        if (read_mla(in, c, e) || read_experts(in, (enum type)type, c, e) ||
            get_i32_opt(in, "num_nextn_predict_layers", &c->n_layer_mtp, e))
            return -1;
        if (type == V32 && (get_i32(in, "index_n_heads", &c->n_index_head, e) ||
                            get_i32(in, "index_head_dim", &c->index_head_dim, e) ||
                            get_i32(in, "index_topk", &c->index_topk, e)))
            return -1;
    } else if (read_gqa(in, c, e)) {
        return -1;
    }
    if (read_rope(in, c, e) || read_quant(in, c, e) || read_tokens(h, in, c, e)) return -1;
    return config_check(c, in.what, e);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The shortest decimal that reads back as this float: 1e-06, not 9.99999997e-07. */
static json_t *real_of(float v)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    return json_real(strtod(text, NULL));
}

static void set_int(json_t *o, const char *key, int64_t v)
{
    (void)json_object_set_new(o, key, json_integer(v));
}

static void set_real(json_t *o, const char *key, float v)
{
    (void)json_object_set_new(o, key, real_of(v));
}

static void set_bool(json_t *o, const char *key, bool v)
{
    (void)json_object_set_new(o, key, json_boolean(v));
}

static void set_text(json_t *o, const char *key, const char *v)
{
    (void)json_object_set_new(o, key, json_string(v));
}

static void set_id(json_t *o, const char *key, int32_t id)
{
    (void)json_object_set_new(o, key, id < 0 ? json_null() : json_integer(id));
}

static enum type type_of(const struct model_config *c)
{
    switch (c->arch) {
    case ARCH_LLAMA: return LLAMA;
    case ARCH_QWEN2: return QWEN2;
    case ARCH_QWEN3: return QWEN3;
    case ARCH_DEEPSEEK2:
    case ARCH_COUNT: break;
    }
    return c->n_index_head ? V32 : c->score_func == SCORE_SIGMOID ? V3 : V2;
}

static void set_experts(json_t *o, const struct model_config *c)
{
    static const char *const method[] = {"greedy", "group_limited_greedy", "noaux_tc"};
    if (c->n_expert == 0) return;
    set_int(o, "n_routed_experts", c->n_expert);
    set_int(o, "num_experts_per_tok", c->n_expert_used);
    set_int(o, "n_shared_experts", c->n_expert_shared);
    set_int(o, "moe_intermediate_size", c->n_ff_expert);
    set_int(o, "first_k_dense_replace", c->n_layer_dense);
    set_int(o, "moe_layer_freq", 1);
    set_int(o, "n_group", c->n_group);
    set_int(o, "topk_group", c->topk_group);
    set_text(o, "topk_method", method[c->topk_method]);
    set_text(o, "scoring_func", c->score_func == SCORE_SIGMOID ? "sigmoid" : "softmax");
    set_bool(o, "norm_topk_prob", c->norm_topk);
    set_real(o, "routed_scaling_factor", c->routed_scale);
}

static void set_mla(json_t *o, const struct model_config *c)
{
    if (c->q_lora_rank)
        set_int(o, "q_lora_rank", c->q_lora_rank);
    else
        (void)json_object_set_new(o, "q_lora_rank", json_null());
    set_int(o, "kv_lora_rank", c->kv_lora_rank);
    set_int(o, "qk_nope_head_dim", c->qk_nope_head_dim);
    set_int(o, "qk_rope_head_dim", c->qk_rope_head_dim);
    set_int(o, "v_head_dim", c->v_head_dim);
    set_int(o, "num_key_value_heads", c->n_head);
    if (c->rope_pairing == ROPE_HALF) set_bool(o, "rope_interleave", false);
    if (c->n_layer_mtp) set_int(o, "num_nextn_predict_layers", c->n_layer_mtp);
    set_experts(o, c);
    if (!c->n_index_head) return;
    set_int(o, "index_n_heads", c->n_index_head);
    set_int(o, "index_head_dim", c->index_head_dim);
    set_int(o, "index_topk", c->index_topk);
}

static void set_rope(json_t *o, const struct model_config *c)
{
    static const char *const kind[] = {"default", "linear", "yarn", "llama3"};
    json_t *r = c->rope_scaling == ROPE_SCALING_NONE ? json_null() : json_object();
    set_real(o, "rope_theta", c->rope_theta);
    if (json_is_object(r)) {
        set_text(r, "type", kind[c->rope_scaling]);
        set_text(r, "rope_type", kind[c->rope_scaling]);
        set_real(r, "factor", c->rope_factor);
    }
    if (c->rope_scaling == ROPE_SCALING_YARN) {
        set_int(r, "original_max_position_embeddings", c->n_ctx_orig);
        set_real(r, "beta_fast", c->beta_fast);
        set_real(r, "beta_slow", c->beta_slow);
        if (config_is_mla(c)) {
            set_real(r, "mscale", c->mscale);
            set_real(r, "mscale_all_dim", c->mscale_all_dim);
        }
        if (c->attn_factor != 1) set_real(r, "attention_factor", config_rope_gain(c));
        if (c->attn_factor_ignored > 0) set_real(r, "attn_factor", c->attn_factor_ignored);
    }
    if (c->rope_scaling == ROPE_SCALING_LLAMA3) {
        set_int(r, "original_max_position_embeddings", c->n_ctx_orig);
        set_real(r, "low_freq_factor", c->low_freq_factor);
        set_real(r, "high_freq_factor", c->high_freq_factor);
    }
    (void)json_object_set_new(o, "rope_scaling", r);
}

static void set_quant(json_t *o, const struct model_config *c)
{
    if (!c->fp8_block_rows) return;
    json_t *q = json_object(), *b = json_array();
    set_text(q, "quant_method", "fp8");
    set_text(q, "fmt", "e4m3");
    set_text(q, "activation_scheme", "dynamic");
    if (c->fp8_scale == FP8_SCALE_UE8M0) set_text(q, "scale_fmt", "ue8m0");
    (void)json_array_append_new(b, json_integer(c->fp8_block_rows));
    (void)json_array_append_new(b, json_integer(c->fp8_block_cols));
    (void)json_object_set_new(q, "weight_block_size", b);
    (void)json_object_set_new(o, "quantization_config", q);
}

static void set_tokens(json_t *o, const struct model_config *c)
{
    set_id(o, "bos_token_id", c->bos);
    set_id(o, "pad_token_id", c->pad);
    if (c->n_eos <= 1) {
        set_id(o, "eos_token_id", c->n_eos ? c->eos[0] : -1);
        return;
    }
    json_t *ids = json_array();
    for (int32_t i = 0; i < c->n_eos; i++)
        (void)json_array_append_new(ids, json_integer(c->eos[i]));
    (void)json_object_set_new(o, "eos_token_id", ids);
}

static int append(const char *text, size_t n, void *out)
{
    buf_add(out, text, n);
    return 0;
}

int config_to_hf(const struct model_config *c, const char *dtype, struct buf *out,
                 struct err *e)
{
    static const char *const class_name[N_TYPE] = {
        "LlamaForCausalLM",      "Qwen2ForCausalLM",      "Qwen3ForCausalLM",
        "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "DeepseekV32ForCausalLM"};
    if (c->rope_scaling == ROPE_SCALING_FREQS)
        return err_set(
            e, ERR_UNSUPPORTED,
            "config.json has no place for rope divisors; the llama3 parameters are needed");
    json_t *o = json_object(), *classes = json_array();
    if (!o || !classes) {
        json_decref(o);
        json_decref(classes);
        return err_oom(e, "config.json", 64);
    }
    (void)json_array_append_new(classes, json_string(class_name[type_of(c)]));
    (void)json_object_set_new(o, "architectures", classes);
    set_text(o, "model_type", type_name[type_of(c)]);
    set_int(o, "vocab_size", c->n_vocab);
    set_int(o, "max_position_embeddings", c->n_ctx);
    set_int(o, "hidden_size", c->n_embd);
    set_int(o, "num_hidden_layers", c->n_layer);
    set_int(o, "num_attention_heads", c->n_head);
    set_int(o, "intermediate_size", c->n_ff);
    set_real(o, "rms_norm_eps", c->rms_eps);
    set_text(o, "hidden_act", "silu");
    set_bool(o, "tie_word_embeddings", c->tie_embeddings);
    if (config_is_mla(c)) {
        set_mla(o, c);
    } else {
        set_int(o, "num_key_value_heads", c->n_head_kv);
        set_int(o, "head_dim", c->head_dim);
        if (c->arch == ARCH_QWEN2) set_bool(o, "use_sliding_window", false);
    }
    set_rope(o, c);
    set_quant(o, c);
    set_tokens(o, c);
    set_text(o, "torch_dtype", dtype);
    int rc = json_dump_callback(o, append, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(o);
    buf_add_char(out, '\n');
    if (rc) return err_set(e, ERR_MEMORY, "config.json cannot be written: out of memory");
    return buf_ok(out, "config.json", e);
}
