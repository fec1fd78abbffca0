/* The role table: tensor counts of published files, names both ways, shapes of models.md 8.5. */
#include "../test.h"

#include "model/config.h"
#include "model/names.h"

static size_t count(const struct model_config *c, bool hf, bool kv_b, bool split, bool copies)
{
    size_t n = 0;
    char name[TENSOR_NAME_MAX];
    for (int32_t l = -1; l < c->n_layer + c->n_layer_mtp; l++)
        for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
            if (role_need(c, r, l) == ROLE_ABSENT) continue;
            if (r == ROLE_KV_B && !kv_b) continue;
            if ((r == ROLE_K_B || r == ROLE_V_B) && !split) continue;
            if (r == ROLE_EXP_GATE_UP || (role_need(c, r, l) == ROLE_OPTIONAL && !copies))
                continue;
            if (hf && !role_name_hf(r, l, 0, name)) continue;
            size_t parts = hf ? (size_t)role_parts(c, r) : 1;
            n += parts * (hf && c->fp8_block_rows && role_is_fp8(r) ? 2 : 1);
        }
    return n;
}

static void published_counts(void **state)
{
    (void)state;
    struct model_config c;
    assert_true(config_shape("v3", &c));
    c.fp8_block_rows = c.fp8_block_cols = 128;
    assert_int_equal(count(&c, true, true, false, true), 91991); /* models.md 2.3 */
    c.n_layer_mtp = 0;
    assert_int_equal(count(&c, false, true, false, false), 1025); /* 12.2: kv_b alone */
    assert_int_equal(count(&c, false, true, true, false), 1147);  /* kv_b beside k_b and v_b */
    assert_int_equal(count(&c, false, false, true, false), 1086); /* k_b and v_b alone */
    assert_true(config_shape("r1-distill-qwen-1.5b", &c));
    assert_int_equal(count(&c, false, true, true, false), 3 + 28 * 12);
    c.tie_embeddings = true;
    assert_int_equal(role_need(&c, ROLE_OUTPUT, -1), ROLE_OPTIONAL);
}

/* Every name of every shape is read back as the same role, layer and part. */
static void names_round_trip(void **state)
{
    (void)state;
    const char *shape;
    for (size_t i = 0; (shape = config_shape_name(i)); i++) {
        struct model_config c;
        assert_true(config_shape(shape, &c));
        for (int32_t l = -1; l < c.n_layer + c.n_layer_mtp; l++)
            for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
                if (role_need(&c, r, l) == ROLE_ABSENT) continue;
                char name[TENSOR_NAME_MAX];
                enum tensor_role got;
                int32_t layer, part, last = role_parts(&c, r) - 1;
                role_name_gguf(r, l, name);
                assert_true(role_parse_gguf(&c, span_of(name), &got, &layer));
                assert_true(got == r && layer == l);
                assert_true(strlen(name) <= 64);
                if (!role_name_hf(r, l, last, name)) continue;
                assert_true(role_parse_hf(&c, span_of(name), &got, &layer, &part));
                assert_true(got == r && layer == l && part == (role_is_expert(r) ? last : -1));
            }
    }
}

static void strange_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "model.layers.61.self_attn.q_a_proj.bias",
                                      "model.layers.62.input_layernorm.weight",
                                      "model.layers.-1.input_layernorm.weight",
                                      "model.layers.01.input_layernorm.weight",
                                      "model.layers.9999999999.input_layernorm.weight",
                                      "model.layers.3.mlp.experts.256.up_proj.weight",
                                      "model.layers.3.mlp.experts..up_proj.weight",
                                      "model.layers.3.mlp.experts.1.up_proj.weights",
                                      "model.layers.2.mlp.experts.1.up_proj.weight",
                                      "model.layers.3",
                                      "model.layers.",
                                      "lm_head"};
    struct model_config c;
    enum tensor_role r;
    int32_t layer, part;
    assert_true(config_shape("v3", &c));
    for (size_t i = 0; i < countof(bad); i++)
        if (role_parse_hf(&c, span_of(bad[i]), &r, &layer, &part))
            fail_msg("took \"%s\"", bad[i]);
    assert_false(role_parse_gguf(&c, span_of("blk.0.attn_q.weight"), &r, &layer));
    assert_false(role_parse_gguf(&c, span_of("blk.0"), &r, &layer));
    assert_true(role_parse_gguf(&c, span_of("blk.61.nextn.eh_proj.weight"), &r, &layer));
    assert_true(r == ROLE_MTP_PROJ && layer == 61);
}

static void shapes_of_v3(void **state)
{
    (void)state;
    static const struct {
        enum tensor_role r;
        struct tensor_shape s;
    } want[] = {
        {ROLE_EMBD, {2, {129280, 7168}}},      {ROLE_Q_A, {2, {1536, 7168}}},
        {ROLE_Q_B, {2, {24576, 1536}}},        {ROLE_KV_A, {2, {576, 7168}}},
        {ROLE_KV_B, {2, {32768, 512}}},        {ROLE_ATTN_OUT, {2, {7168, 16384}}},
        {ROLE_FFN_GATE, {2, {18432, 7168}}},   {ROLE_FFN_DOWN, {2, {7168, 18432}}},
        {ROLE_ROUTER, {2, {256, 7168}}},       {ROLE_EXP_UP, {2, {2048, 7168}}},
        {ROLE_EXP_DOWN, {2, {7168, 2048}}},    {ROLE_MTP_PROJ, {2, {7168, 14336}}},
        {ROLE_K_B, {3, {128, 512, 128}}},      {ROLE_V_B, {3, {128, 128, 512}}},
        {ROLE_EXP_GATE_UP, {2, {4096, 7168}}}, {ROLE_INDEX_Q, {2, {8192, 1536}}},
        {ROLE_INDEX_K, {2, {128, 7168}}},      {ROLE_INDEX_WEIGHTS, {2, {64, 7168}}},
        {ROLE_INDEX_K_NORM_BIAS, {1, {128}}},  {ROLE_ROUTER_BIAS, {1, {256}}},
    };
    struct model_config c;
    struct tensor_shape s;
    char text[96];
    assert_true(config_shape("v3.2", &c));
    for (size_t i = 0; i < countof(want); i++) {
        role_shape(&c, want[i].r, &s);
        shape_text(&s, text);
        if (!shape_eq(&s, &want[i].s)) fail_msg("%s has shape %s", role_text(want[i].r), text);
    }
    role_shape(&c, ROLE_K_B, &s);
    shape_text(&s, text);
    assert_string_equal(text, "(128, 512, 128)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_counts),
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(strange_names),
        cmocka_unit_test(shapes_of_v3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
