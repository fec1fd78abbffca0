/* config.json: every shape there and back, published forms of keys, a sentence for each fault. */
#include "../test.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_write.h"
#include "format/hf_config.h"
#include "model/config.h"

static int parse(struct model_config *c, const char *config, const char *generation,
                 struct err *e)
{
    struct hf_config *h;
    if (hf_config_parse(&h, "dir/name", span_of(config), span_of(generation), span_of(""), e))
        return -1;
    int rc = config_from_hf(c, h, e);
    hf_config_close(h);
    return rc;
}

static void every_shape(void **state)
{
    (void)state;
    const char *name;
    for (size_t i = 0; (name = config_shape_name(i)); i++) {
        struct model_config c, back;
        struct err e;
        struct buf b;
        assert_true(config_shape(name, &c));
        buf_init(&b, 1 << 16);
        must(config_to_hf(&c, "bfloat16", &b, &e));
        must(parse(&back, buf_str(&b), "", &e));
        assert_string_equal(back.name, "name");
        memcpy(back.name, c.name, sizeof c.name);
        if (memcmp(&back, &c, sizeof c) != 0)
            fail_msg("%s comes back different:\n%s", name, buf_str(&b));
        buf_release(&b);
    }
}

/* The same through GGUF keys, in both layouts of latent attention. */
static void every_shape_gguf(void **state)
{
    (void)state;
    const char *name;
    char path[] = "/tmp/tarn-config-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; (name = config_shape_name(i)); i++)
        for (int split = 0; split < 2; split++) {
            struct model_config c, back;
            struct gguf_writer *w;
            struct gguf *g;
            struct err e;
            assert_true(config_shape(name, &c));
            if (c.arch == ARCH_LLAMA) {
                c.rope_pairing = ROPE_INTERLEAVED;
                c.rope_scaling = ROPE_SCALING_NONE;
                c.rope_factor = 1;
                c.n_ctx_orig = 0;
                c.low_freq_factor = c.high_freq_factor = 0;
            }
            c.attn_factor_ignored = 0; /* config.json's alone */
            must(gguf_writer_create(&w, path, 0, &e));
            must(config_to_gguf(&c, w, split, &e));
            gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)c.bos);
            gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)c.eos[0]);
            /* what the tensor directory tells */
            gguf_add_tensor(w, "output.weight", DT_F32, 1, (uint64_t[]){1});
            char bias[64];
            snprintf(bias, sizeof bias, "blk.%d.exp_probs_b.bias", c.n_layer_dense);
            if (c.expert_bias) gguf_add_tensor(w, bias, DT_F32, 1, (uint64_t[]){1});
            must(gguf_write_data(w, "1234", 4, &e));
            if (c.expert_bias) must(gguf_write_data(w, "1234", 4, &e));
            must(gguf_writer_commit(w, &e));
            gguf_writer_free(w);
            must(gguf_open(&g, path, &e));
            must(config_from_gguf(&back, g, &e));
            gguf_close(g);
            assert_true(fabsf(back.mscale - c.mscale) < 1e-6f);
            assert_true(fabsf(back.mscale_all_dim - c.mscale_all_dim) < 1e-6f);
            back.mscale = c.mscale;
            back.mscale_all_dim = c.mscale_all_dim;
            if (memcmp(&back, &c, sizeof c) != 0) fail_msg("%s comes back different", name);
        }
    unlink(path);
}

#define LLAMA_BASE                                                                         \
    "\"model_type\":\"llama\",\"vocab_size\":100,\"max_position_embeddings\":64,\"hidden_" \
    "size\":32,"                                                                           \
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":48,"          \
    "\"rms_norm_eps\":1e-5"
#define LLAMA LLAMA_BASE ",\"rope_theta\":10000.0"

static void forms_of_keys(void **state)
{
    (void)state;
    struct model_config c;
    struct err e;
    must(parse(&c, "{" LLAMA "}", "", &e));
    assert_true(c.n_head_kv == 4 && c.head_dim == 8 && !c.tie_embeddings && c.n_eos == 0 &&
                c.bos == -1);
    must(parse(&c, "{" LLAMA ",\"eos_token_id\":[7,8],\"bos_token_id\":null}",
               "{\"eos_token_id\":9}", &e));
    assert_true(c.n_eos == 3 && c.eos[0] == 9 && c.eos[1] == 7 && c.eos[2] == 8);
    must(parse(&c, "{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":4}}", "", &e));
    assert_true(c.rope_scaling == ROPE_SCALING_LINEAR && c.rope_factor == 4);
    must(parse(&c,
               "{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
               "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
               "\"original_max_position_embeddings\":8192}}",
               "", &e));
    assert_true(c.rope_scaling == ROPE_SCALING_LLAMA3 && c.n_ctx_orig == 8192);
    must(parse(&c,
               "{" LLAMA_BASE
               ",\"rope_parameters\":{\"rope_theta\":5e5,\"rope_type\":\"default\"}}",
               "", &e));
    assert_true(c.rope_theta == 5e5f && c.rope_scaling == ROPE_SCALING_NONE);
    /* attention_factor replaces the magnitude; attn_factor is not read */
    must(parse(&c,
               "{" LLAMA ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
               "\"original_max_position_embeddings\":32,\"attention_factor\":1.5,"
               "\"attn_factor\":0.87}}",
               "", &e));
    assert_true(fabsf(config_rope_gain(&c) - 1.5f) < 1e-6f);
    assert_true(c.attn_factor_ignored == 0.87f);
    must(parse(&c,
               "{" LLAMA ",\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\","
               "\"weight_block_size\":[128,64],\"scale_fmt\":\"ue8m0\"}}",
               "", &e));
    assert_true(c.fp8_block_rows == 128 && c.fp8_block_cols == 64 &&
                c.fp8_scale == FP8_SCALE_UE8M0);
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        enum err_code code;
        const char *want;
    } bad[] = {
        {"{}", ERR_FORMAT, "\"model_type\" is missing"},
        {"[]", ERR_FORMAT, "no JSON object"},
        {"{\"model_type\":\"gpt2\"}", ERR_UNSUPPORTED, "\"model_type\" is \"gpt2\""},
        {"{\"model_type\":7}", ERR_FORMAT, "an integer where a string"},
        {"{" LLAMA_BASE "}", ERR_FORMAT, "\"rope_theta\" is missing"},
        {"{\"model_type\":\"llama\"}", ERR_FORMAT, "\"vocab_size\" is missing"},
        {"{" LLAMA ",\"hidden_act\":\"gelu\"}", ERR_UNSUPPORTED, "\"hidden_act\" is \"gelu\""},
        {"{" LLAMA ",\"attention_bias\":true}", ERR_UNSUPPORTED, "\"attention_bias\" is true"},
        {"{" LLAMA ",\"mlp_bias\":true}", ERR_UNSUPPORTED, "\"mlp_bias\""},
        {"{" LLAMA ",\"use_sliding_window\":true}", ERR_UNSUPPORTED, "\"use_sliding_window\""},
        {"{" LLAMA ",\"num_key_value_heads\":3}", ERR_FORMAT, "no multiple of n_head_kv"},
        {"{" LLAMA ",\"num_key_value_heads\":\"4\"}", ERR_FORMAT, "a string where an integer"},
        {"{" LLAMA ",\"eos_token_id\":[1,\"x\"]}", ERR_FORMAT, "no token id"},
        {"{" LLAMA ",\"eos_token_id\":100}", ERR_FORMAT, "eos_token_id 100 is no id"},
        {"{" LLAMA ",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}", ERR_LIMIT, "more than 8 ids"},
        {"{" LLAMA ",\"rope_scaling\":{\"type\":\"dynamic\"}}", ERR_UNSUPPORTED, "\"dynamic\""},
        {"{" LLAMA ",\"rope_scaling\":{\"factor\":2}}", ERR_FORMAT, "rope_scaling: "},
        {"{" LLAMA ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}}", ERR_FORMAT,
         "original_max_position_embeddings"},
        {"{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}}", ERR_FORMAT,
         "rope_factor"},
        {"{" LLAMA ",\"quantization_config\":{\"quant_method\":\"awq\"}}", ERR_UNSUPPORTED,
         "awq"},
        {"{" LLAMA
         ",\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128]}}",
         ERR_FORMAT, "weight_block_size"},
        {"{" LLAMA ",\"vocab_size\":1}", ERR_FORMAT, "duplicate"},
        {"{\"model_type\":\"deepseek_v2\","
         "\"vocab_size\":100,\"max_position_embeddings\":64,"
         "\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_"
         "size\":48,"
         "\"rms_norm_eps\":1e-5,\"rope_theta\":1e4}",
         ERR_FORMAT, "\"kv_lora_rank\" is missing"},
    };
    struct model_config c;
    struct err e;
    for (size_t i = 0; i < countof(bad); i++) {
        int64_t live = mem_live_blocks();
        must_fail(parse(&c, bad[i].config, "", &e), bad[i].code, bad[i].want);
        assert_int_equal(mem_live_blocks(), live);
    }
    struct hf_config *h;
    must_fail(hf_config_open(&h, "src", &e), ERR_NOT_FOUND, "src/config.json");
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_true(config_shape("r1-distill-llama-8b", &c));
    c.rope_scaling = ROPE_SCALING_FREQS;
    must_fail(config_to_hf(&c, "float32", &b, &e), ERR_UNSUPPORTED,
              "no place for rope divisors");
    buf_release(&b);
}

static void templates(void **state)
{
    (void)state;
    static const struct {
        const char *config, *want;
    } form[] = {
        {"{\"chat_template\":\"one\"}", "one"},
        {"{\"chat_template\":[{\"name\":\"tool\",\"template\":\"t\"},{\"name\":\"default\","
         "\"template\":\"d\"}]}",
         "d"},
        {"{\"chat_template\":[{\"name\":\"tool\",\"template\":\"t\"}]}", ""},
        {"{}", ""},
    };
    struct err e;
    for (size_t i = 0; i < countof(form); i++) {
        struct hf_config *h;
        must(hf_config_parse(&h, "d", span_of("{}"), span_of(""), span_of(form[i].config), &e));
        assert_true(span_is(hf_chat_template(h), form[i].want));
        hf_config_close(h);
    }
    need_data(tiny, "tiny-llama-bf16");
    struct hf_config *h;
    must(hf_config_open(&h, tiny, &e));
    assert_non_null(hf_generation_json(h));
    assert_true(hf_chat_template(h).n > 100);
    hf_config_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape),   cmocka_unit_test(every_shape_gguf),
        cmocka_unit_test(forms_of_keys), cmocka_unit_test(faults),
        cmocka_unit_test(templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
