/* Configs: published parameter counts, rotary numbers, and a sentence for every wrong field. */
#include "../test.h"

#include "model/config.h"

static struct model_config shape(const char *name)
{
    struct model_config c;
    struct err e;
    if (!config_shape(name, &c)) fail_msg("no shape %s", name);
    must(config_check(&c, name, &e));
    return c;
}

/* models.md 2.3 */
static void counts_published(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t attn, dense, moe, expert, total, active;
    } want[] = {
        {"v2-lite", 13763072, 81007104, 584847872, 8650752, 15706484224, 2661150208},
        {"v2", 149227520, 337981440, 3972116480, 23592960, 235741434880, 21375800320},
        {"v3", 187107328, 583483392, 11507286272, 44040192, 671026419200, 37552297472},
        {"v3.2", 201066752, 597442816, 11521245696, 44040192, 671877944064, 38403822336},
        {"r1-distill-qwen-1.5b", 0, 0, 0, 0, 1777088000, 0},
        {"r1-distill-qwen-7b", 0, 0, 0, 0, 7615616512, 0},
        {"r1-distill-qwen-14b", 0, 0, 0, 0, 14770033664, 0},
        {"r1-distill-qwen-32b", 0, 0, 0, 0, 32763876352, 0},
        {"r1-distill-llama-8b", 0, 0, 0, 0, 8030261248, 0},
        {"r1-distill-llama-70b", 0, 0, 0, 0, 70553706496, 0},
        {"r1-0528-qwen3-8b", 0, 0, 0, 0, 8190735360, 0},
    };
    for (size_t i = 0; i < countof(want); i++) {
        struct model_config c = shape(want[i].name);
        struct config_count n;
        config_count(&c, &n);
        if (n.total != want[i].total)
            fail_msg("%s: total %llu", want[i].name, (unsigned long long)n.total);
        if (want[i].attn == 0) {
            assert_int_equal(n.active, n.total);
            assert_int_equal(n.moe_layer, 0);
            continue;
        }
        assert_int_equal(n.attn_layer, want[i].attn);
        assert_int_equal(n.dense_layer, want[i].dense);
        assert_int_equal(n.moe_layer, want[i].moe);
        assert_int_equal(n.expert, want[i].expert);
        assert_int_equal(n.active, want[i].active);
    }
    struct model_config c = shape("v3");
    struct config_count n;
    config_count(&c, &n);
    assert_int_equal(n.mtp, 11610068224);
    assert_int_equal(n.mtp_active, 2541458688);
    assert_int_equal(n.file, 684489845504);
}

/* models.md 2.4 */
static void cache_elements(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t elems;
    } want[] = {
        {"v2-lite", 15552},
        {"v2", 34560},
        {"v3", 35136},
        {"r1-distill-qwen-1.5b", 14336},
        {"r1-distill-qwen-7b", 28672},
        {"r1-distill-qwen-14b", 98304},
        {"r1-distill-qwen-32b", 131072},
        {"r1-distill-llama-8b", 65536},
        {"r1-distill-llama-70b", 163840},
        {"r1-0528-qwen3-8b", 73728},
    };
    struct config_count n;
    for (size_t i = 0; i < countof(want); i++) {
        struct model_config c = shape(want[i].name);
        config_count(&c, &n);
        assert_int_equal(n.kv_elems, want[i].elems);
    }
    struct model_config c = shape("v3.2");
    config_count(&c, &n);
    assert_int_equal(n.index_elems + 61 * 4,
                     8052); /* bytes: e4m3 values and one f32 scale a layer */
}

/* models.md 4.5, 5.4, 14.2 */
static void rotary_numbers(void **state)
{
    (void)state;
    float f[64];
    struct model_config c = shape("v3");
    assert_true(fabs((double)config_attn_scale(&c) - 0.1352337789) < 1e-8);
    assert_true(config_rope_gain(&c) == 1.0f);
    config_rope_freqs(&c, NULL, f);
    assert_true(f[0] == 1.0f);
    for (int k = 0; k < 32; k++) {
        double base = pow(1e4, -2.0 * k / 64), ratio = (double)f[k] / base;
        if (k <= 10) assert_true(fabs(ratio - 1) < 1e-6);
        if (k >= 23) assert_true(fabs(ratio * 40 - 1) < 1e-6);
        if (k > 10 && k < 23) assert_true(ratio < 0.999 && ratio * 40 > 1.001);
    }
    c = shape("v2-lite");
    assert_true(fabs((double)config_attn_scale(&c) - 0.1147213868) < 1e-8);
    c.rope_scaling = ROPE_SCALING_NONE;
    assert_true(fabs((double)config_attn_scale(&c) - 0.0721687836) < 1e-8);
    c = shape("r1-0528-qwen3-8b");
    assert_true(fabs((double)config_rope_gain(&c) - 1.1386294361) < 1e-6);
    assert_true(fabs((double)config_attn_scale(&c) - 0.08838834764) < 1e-8);
    c.attn_factor = c.attn_factor_ignored;
    assert_true(fabs((double)config_rope_gain(&c) - 1) < 1e-6);
    config_rope_freqs(&c, NULL, f);
    assert_true(fabs((double)f[23] / pow(1e6, -46.0 / 128) - 1) < 1e-6);
    assert_true(fabs((double)f[40] * 4 / pow(1e6, -80.0 / 128) - 1) < 1e-6);
}

/* The parameters and the divisors of models.md 5.3 give the same frequencies. */
static void llama3_two_ways(void **state)
{
    (void)state;
    struct model_config c = shape("r1-distill-llama-8b");
    float a[64], b[64], divisor[64];
    config_rope_freqs(&c, NULL, a);
    for (int k = 0; k < 64; k++) {
        double wave = 6.283185307179586 / pow(5e5, -2.0 * k / 128), u = (8192 / wave - 1) / 3;
        divisor[k] = wave < 2048 ? 1.0f : wave > 8192 ? 8.0f : (float)(1 / ((1 - u) / 8 + u));
    }
    c.rope_scaling = ROPE_SCALING_FREQS;
    config_rope_freqs(&c, divisor, b);
    for (int k = 0; k < 64; k++) assert_true(fabsf(a[k] - b[k]) <= 1e-6f * a[k]);
    c.rope_scaling = ROPE_SCALING_LINEAR;
    config_rope_freqs(&c, NULL, b);
    assert_true(b[0] == 0.125f);
}

struct fault {
    const char *shape;
    void (*spoil)(struct model_config *);
    enum err_code code;
    const char *text;
};

#define SPOIL(name, ...)                     \
    static void name(struct model_config *c) \
    {                                        \
        __VA_ARGS__;                         \
    }
SPOIL(no_vocab, c->n_vocab = 0)
SPOIL(many_layers, c->n_layer = 513)
SPOIL(kv_odd, c->n_head_kv = 3)
SPOIL(head_zero, c->head_dim = 0)
SPOIL(partial_rope, c->rope_dim = 64)
SPOIL(moe_dense, c->n_expert = 4; c->n_expert_used = 1; c->n_ff_expert = 8; c->n_group = 1)
SPOIL(theta, c->rope_theta = NAN)
SPOIL(eps, c->rms_eps = 0)
SPOIL(eos, c->eos[0] = c->n_vocab)
SPOIL(bos, c->bos = -2)
SPOIL(pad, c->pad = c->n_vocab)
SPOIL(many_eos, c->n_eos = 9)
SPOIL(arch, c->arch = (enum arch)77)
SPOIL(factor, c->rope_factor = INFINITY)
SPOIL(orig, c->n_ctx_orig = 0)
SPOIL(betas, c->beta_fast = 0.5f)
SPOIL(mscale, c->mscale = NAN)
SPOIL(lowhigh, c->low_freq_factor = 4)
SPOIL(groups, c->n_group = 3)
SPOIL(topk_group, c->topk_group = 9)
SPOIL(used, c->n_expert_used = 64; c->topk_group = 1)
SPOIL(used_all, c->n_expert = 4; c->n_group = 1; c->topk_group = 1)
SPOIL(greedy, c->topk_method = TOPK_GREEDY)
SPOIL(single, c->n_group = 256)
SPOIL(scale, c->routed_scale = -1)
SPOIL(dense_layers, c->n_layer_dense = 62)
SPOIL(mtp, c->n_layer_mtp = 5)
SPOIL(mtp_negative, c->n_layer_mtp = -1)
SPOIL(rope_mla, c->rope_dim = 32)
SPOIL(bias_mla, c->qkv_bias = true)
SPOIL(index_lora, c->q_lora_rank = 0)
SPOIL(index_dim, c->index_head_dim = 32)
SPOIL(fp8, c->fp8_block_rows = 128)
SPOIL(gain, c->attn_factor = 0)

static void faults(void **state)
{
    (void)state;
    static const struct fault fault[] = {
        {"r1-distill-qwen-7b", no_vocab, ERR_FORMAT,
         "n_vocab (vocab_size) is 0, allowed is 1 to"},
        {"v3", many_layers, ERR_FORMAT, "n_layer (num_hidden_layers / block_count) is 513"},
        {"r1-distill-qwen-7b", kv_odd, ERR_FORMAT, "no multiple of n_head_kv"},
        {"r1-distill-qwen-7b", head_zero, ERR_FORMAT,
         "head_dim (head_dim / attention.key_length) is 0"},
        {"r1-distill-llama-8b", partial_rope, ERR_UNSUPPORTED, "turns 64 of 128"},
        {"r1-distill-llama-8b", moe_dense, ERR_UNSUPPORTED, "this is llama"},
        {"v3", theta, ERR_FORMAT, "rope_theta"},
        {"v3", eps, ERR_FORMAT, "rms_eps"},
        {"v3", eos, ERR_FORMAT, "eos_token_id 129280"},
        {"v3", bos, ERR_FORMAT, "bos_token_id -2"},
        {"v3", pad, ERR_FORMAT, "pad_token_id 129280"},
        {"v3", many_eos, ERR_FORMAT, "9 ids end a text"},
        {"v3", arch, ERR_FORMAT, "architecture is unknown"},
        {"v3", factor, ERR_FORMAT, "rope_factor"},
        {"v3", orig, ERR_FORMAT, "n_ctx_orig"},
        {"v3", betas, ERR_FORMAT, "beta_fast"},
        {"v3", mscale, ERR_FORMAT, "mscale"},
        {"r1-distill-llama-8b", lowhigh, ERR_FORMAT, "low_freq_factor"},
        {"v3", groups, ERR_FORMAT, "multiple of n_group"},
        {"v3", topk_group, ERR_FORMAT, "topk_group is above n_group"},
        {"v3", used, ERR_FORMAT, "in topk_group groups"},
        {"v3", used_all, ERR_FORMAT, "is above n_expert"},
        {"v3", greedy, ERR_FORMAT, "greedy"},
        {"v3", single, ERR_FORMAT, "two experts in a group"},
        {"v3", scale, ERR_FORMAT, "routed_scaling_factor"},
        {"v3", dense_layers, ERR_FORMAT, "first_k_dense_replace"},
        {"v3", mtp, ERR_FORMAT, "n_layer_mtp"},
        {"v3", mtp_negative, ERR_FORMAT, "n_layer_mtp"},
        {"v3", rope_mla, ERR_FORMAT, "rope_dim is not qk_rope_head_dim"},
        {"v3", bias_mla, ERR_FORMAT, "no biases"},
        {"v3.2", index_lora, ERR_FORMAT, "needs q_lora_rank"},
        {"v3.2", index_dim, ERR_FORMAT, "index_head_dim"},
        {"v3", fp8, ERR_FORMAT, "weight_block_size"},
        {"v3", gain, ERR_FORMAT, "attn_factor"},
    };
    struct err e;
    for (size_t i = 0; i < countof(fault); i++) {
        struct model_config c = shape(fault[i].shape);
        fault[i].spoil(&c);
        must_fail(config_check(&c, "m", &e), fault[i].code, fault[i].text);
    }
}

static void every_shape_passes(void **state)
{
    (void)state;
    size_t n = 0;
    for (const char *name; (name = config_shape_name(n)); n++) (void)shape(name);
    assert_true(n >= 12);
    struct model_config c;
    assert_false(config_shape("v9", &c));
    struct config_count count;
    c = shape("v3-tiny");
    config_count(&c, &count);
    assert_in_range(count.total, 1000000, 20000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_published), cmocka_unit_test(cache_elements),
        cmocka_unit_test(rotary_numbers),   cmocka_unit_test(llama3_two_ways),
        cmocka_unit_test(faults),           cmocka_unit_test(every_shape_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
