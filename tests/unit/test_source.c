/* The read interface over GGUF and safetensors: golden files open, every tensor is used. */
#include "../test.h"

#include "base/mem.h"
#include "model/config.h"
#include "model/source.h"

static struct model_source *open_at(const char *path)
{
    struct model_source *s;
    struct err e;
    must(source_open(&s, path, &e));
    return s;
}

/* Every role the config needs has all its parts with sensible bytes; nothing is left over. */
static void check_bound(const struct model_source *s)
{
    const struct model_config *c = source_config(s);
    struct source_part p;
    struct err e;
    for (int32_t l = -1; l < c->n_layer + c->n_layer_mtp; l++)
        for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
            if (role_need(c, r, l) != ROLE_NEEDED) continue;
            assert_true(source_has(s, r, l));
            for (int32_t i = 0; i < role_parts(c, r); i++) {
                size_t row;
                must(source_part(s, r, l, i, &p, &e));
                assert_false(dtype_row_bytes(p.dtype, p.shape.dim[p.shape.n_dim - 1], &row));
                assert_int_equal(p.bytes * p.shape.dim[p.shape.n_dim - 1],
                                 shape_elems(&p.shape) * row);
                assert_true(p.map && (const unsigned char *)p.data == p.map->data + p.offset);
            }
        }
    assert_int_equal(source_n_extra(s), 0);
    assert_true(source_intact(s));
}

static void golden_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum arch arch;
        int32_t n_layer, n_vocab, n_expert, nope, v;
        enum topk_method topk;
        enum rope_scaling scaling;
        enum rope_pairing pairing;
        bool tied, split;
    } want[] = {
        {"llama-tied", ARCH_LLAMA, 2, 512, 0, 0, 0, 0, ROPE_SCALING_NONE, ROPE_INTERLEAVED,
         true, 0},
        {"llama3-freqs", ARCH_LLAMA, 3, 512, 0, 0, 0, 0, ROPE_SCALING_FREQS, ROPE_INTERLEAVED,
         0, 0},
        {"qwen2-bias", ARCH_QWEN2, 2, 384, 0, 0, 0, 0, ROPE_SCALING_NONE, ROPE_HALF, 0, 0},
        {"qwen2-bias-IQ4_XS", ARCH_QWEN2, 2, 384, 0, 0, 0, 0, ROPE_SCALING_NONE, ROPE_HALF, 0,
         0},
        {"qwen3-qknorm", ARCH_QWEN3, 2, 320, 0, 0, 0, 0, ROPE_SCALING_NONE, ROPE_HALF, 0, 0},
        {"qwen3-yarn", ARCH_QWEN3, 2, 320, 0, 0, 0, 0, ROPE_SCALING_YARN, ROPE_HALF, 0, 0},
        {"v2lite-softmax-old", ARCH_DEEPSEEK2, 27, 320, 6, 16, 16, TOPK_GREEDY,
         ROPE_SCALING_YARN, ROPE_INTERLEAVED, 0, false},
        {"v2lite-softmax-new", ARCH_DEEPSEEK2, 27, 320, 6, 16, 16, TOPK_GREEDY,
         ROPE_SCALING_YARN, ROPE_INTERLEAVED, 0, true},
        {"v2-qlora", ARCH_DEEPSEEK2, 3, 320, 12, 32, 32, TOPK_GREEDY, ROPE_SCALING_YARN,
         ROPE_INTERLEAVED, 0, true},
        {"v3-groups-old", ARCH_DEEPSEEK2, 3, 512, 16, 32, 32, TOPK_GROUP_SUM2,
         ROPE_SCALING_YARN, ROPE_INTERLEAVED, 0, false},
        {"v3-groups-new", ARCH_DEEPSEEK2, 3, 512, 8, 64, 64, TOPK_GROUP_SUM2, ROPE_SCALING_YARN,
         ROPE_INTERLEAVED, 0, true},
        {"v3-groups-new-Q4_K_M", ARCH_DEEPSEEK2, 3, 512, 8, 64, 64, TOPK_GROUP_SUM2,
         ROPE_SCALING_YARN, ROPE_INTERLEAVED, 0, true},
        {"v3-noyarn", ARCH_DEEPSEEK2, 3, 512, 32, 32, 32, TOPK_GROUP_SUM2, ROPE_SCALING_NONE,
         ROPE_INTERLEAVED, 0, true},
    };
    need_data(dir, "golden");
    int64_t live = mem_live_blocks();
    for (size_t i = 0; i < countof(want); i++) {
        char path[1200];
        snprintf(path, sizeof path, "%s/%s.gguf", dir, want[i].name);
        struct model_source *s = open_at(path);
        const struct model_config *c = source_config(s);
        if (c->arch != want[i].arch || c->n_layer != want[i].n_layer ||
            c->n_vocab != want[i].n_vocab || c->n_expert != want[i].n_expert ||
            c->qk_nope_head_dim != want[i].nope || c->v_head_dim != want[i].v ||
            c->topk_method != want[i].topk || c->rope_scaling != want[i].scaling ||
            c->rope_pairing != want[i].pairing || c->tie_embeddings != want[i].tied)
            fail_msg("%s: config is wrong", want[i].name);
        assert_int_equal(source_has(s, ROLE_K_B, 0), want[i].split);
        check_bound(s);
        source_close(s);
    }
    assert_int_equal(mem_live_blocks(), live);
}

static void values_of_v3(void **state)
{
    (void)state;
    need_data(path, "golden/v3-groups-new.gguf");
    struct model_source *s = open_at(path);
    const struct model_config *c = source_config(s);
    assert_int_equal(c->n_group, 4);
    assert_int_equal(c->topk_group, 2);
    assert_true(c->norm_topk && c->expert_bias && c->score_func == SCORE_SIGMOID);
    assert_true(c->routed_scale == 2.5f && c->rope_factor == 40 && c->n_ctx_orig == 64);
    assert_true(fabsf(c->mscale_all_dim - 1) < 1e-6f && config_rope_gain(c) == 1.0f);
    assert_int_equal(c->q_lora_rank, 128);
    assert_int_equal(c->kv_lora_rank, 256);
    source_close(s);
}

static void safetensors_dirs(void **state)
{
    (void)state;
    need_data(tiny, "tiny-llama-bf16");
    need_data(stories, "stories260K/hf");
    struct model_source *s = open_at(tiny);
    const struct model_config *c = source_config(s);
    assert_true(c->arch == ARCH_LLAMA && c->n_embd == 128 && c->n_vocab == 16 &&
                !c->tie_embeddings);
    assert_true(c->rope_pairing == ROPE_HALF && c->n_eos == 1 && c->eos[0] == 1 && c->pad == 2);
    assert_int_equal(c->bos, -1);
    assert_true(source_chat_template(s).n > 100);
    check_bound(s);
    source_close(s);
    s = open_at(stories);
    c = source_config(s);
    assert_true(c->tie_embeddings && c->n_head_kv == 4 && c->head_dim == 8);
    assert_string_equal(c->name, "hf");
    check_bound(s);
    source_close(s);
}

static void not_models(void **state)
{
    (void)state;
    struct model_source *s;
    struct err e;
    must_fail(source_open(&s, "/nowhere/at/all", &e), ERR_NOT_FOUND, "/nowhere/at/all");
    must_fail(source_open(&s, "src", &e), ERR_NOT_FOUND, "src/config.json");
    must_fail(source_open(&s, "VERSION", &e), ERR_FORMAT, "does not begin with \"GGUF\"");
    need_data(path, "tiny-llama-bf16/model.safetensors");
    must_fail(source_open(&s, path, &e), ERR_FORMAT, "GGUF");
    assert_non_null(strstr(e.hint, "directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files),
        cmocka_unit_test(values_of_v3),
        cmocka_unit_test(safetensors_dirs),
        cmocka_unit_test(not_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
