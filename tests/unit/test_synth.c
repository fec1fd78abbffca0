/* Made-up models: every type opens, has the right deviation, is the same for any thread count; the
 * vocabulary encodes; types fall where the mixes say. */
#include "../test.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/source.h"
#include "model/synth.h"
#include "text/vocab.h"

static char path[64];
static struct pool *pool;

static struct model_config shape(const char *name)
{
    struct model_config c;
    if (!config_shape(name, &c)) fail_msg("no shape %s", name);
    return c;
}

static void write_model(const struct model_config *c, const char *type, uint64_t seed,
                        struct pool *p)
{
    struct type_mix mix;
    struct err e;
    struct synth_options o = {.seed = seed};
    assert_true(type_mix_parse(type, &mix));
    must(synth_write(path, c, &mix, &o, p, &e));
}

static void moments(const struct source_part *p, double *mean, double *sd)
{
    size_t width = (size_t)p->shape.dim[p->shape.n_dim - 1], row;
    size_t rows = (size_t)shape_elems(&p->shape) / width;
    float *x = mem_alloc(width * sizeof *x);
    double sum = 0, sq = 0;
    assert_false(dtype_row_bytes(p->dtype, width, &row));
    for (size_t r = 0; r < rows; r++) {
        dtype_row_to_f32(p->dtype, (const char *)p->data + r * row, x, width);
        for (size_t i = 0; i < width; i++) {
            assert_true(isfinite(x[i]));
            sum += (double)x[i];
            sq += (double)x[i] * (double)x[i];
        }
    }
    double n = (double)(rows * width);
    *mean = sum / n;
    *sd = sqrt(sq / n - *mean * *mean);
    mem_free(x);
}

static void every_type(void **state)
{
    (void)state;
    struct model_config c = shape("v3-tiny");
    struct err e;
    c.n_layer = 2;
    for (size_t i = 0; type_mix_name(i); i++) {
        if (strcmp(type_mix_name(i), "f8_e4m3") == 0) continue;
        struct model_source *s;
        struct source_part p;
        write_model(&c, type_mix_name(i), 7, pool);
        must(source_open(&s, path, &e));
        const struct model_config *f = source_config(s);
        for (int32_t l = -1; l < f->n_layer + f->n_layer_mtp; l++)
            for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
                if (!source_has(s, r, l)) continue;
                double mean, sd, want;
                must(source_part(s, r, l, role_parts(f, r) - 1, &p, &e));
                moments(&p, &mean, &sd);
                want = p.shape.n_dim == 1 ? 0.02
                                          : 1 / sqrt((double)p.shape.dim[p.shape.n_dim - 1]);
                bool norm = p.shape.n_dim == 1 && mean > 0.5;
                double slack = p.shape.n_dim == 1 ? 0.25 : 0.06;
                if (fabs(sd / want - 1) > slack || fabs(mean - norm) > 0.2 * want)
                    fail_msg("%s: %s of type %s has mean %g, deviation %g; want %g",
                             type_mix_name(i), role_text(r), dtype_name(p.dtype), mean, sd,
                             want);
            }
        source_close(s);
    }
}

static void same_for_any_threads(void **state)
{
    (void)state;
    struct model_config c = shape("v3.2-tiny");
    unsigned char a[SHA256_BYTES], b[SHA256_BYTES], d[SHA256_BYTES];
    struct pool *one;
    struct err e;
    must(pool_create(&one, 1, &e));
    write_model(&c, "q4_k_m", 1, pool);
    must(sha256_file(path, a, &e));
    write_model(&c, "q4_k_m", 1, one);
    must(sha256_file(path, b, &e));
    write_model(&c, "q4_k_m", 2, one);
    must(sha256_file(path, d, &e));
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, d, sizeof a);
    pool_free(one);
}

/* Shapes too large for a test, with two layers and narrow: the vocabulary is the real one. */
static void vocabularies(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *eos;
        enum pretok pre;
        tok_id user, think;
    } want[] = {
        {"r1-distill-qwen-1.5b", "<｜end▁of▁sentence｜>", PRETOK_QWEN2, 151644, 151648},
        {"r1-distill-qwen-7b", "<｜end▁of▁sentence｜>", PRETOK_QWEN2, 151644, 151648},
        {"r1-distill-llama-8b", "<｜end▁of▁sentence｜>", PRETOK_LLAMA3, 128011, 128013},
        {"r1-0528-qwen3-8b", "<｜end▁of▁sentence｜>", PRETOK_QWEN2, 151669, 151667},
        {"v2-lite", "<｜end▁of▁sentence｜>", PRETOK_DEEPSEEK_LLM, TOK_NONE, TOK_NONE},
        {"v3", "<｜end▁of▁sentence｜>", PRETOK_DEEPSEEK_V3, 128803, 128798},
        {"v3-tiny", "<｜end▁of▁sentence｜>", PRETOK_DEEPSEEK_V3, 3, 5},
    };
    static const char text[] = "Hello world, the answer is 42.\n\tÜber 你好 \xff";
    struct err e;
    for (size_t i = 0; i < countof(want); i++) {
        struct model_config c = shape(want[i].shape);
        struct vocab *v;
        struct tok_list ids = {0};
        struct buf back;
        must(synth_vocab(&v, &c, &e));
        assert_int_equal(vocab_size(v), c.n_vocab);
        assert_int_equal(vocab_pretok(v), want[i].pre);
        assert_int_equal(vocab_special(v)->eos, c.eos[0]);
        assert_int_equal(vocab_special(v)->bos, c.bos);
        assert_true(span_is(vocab_text(v, c.eos[0]), want[i].eos));
        assert_int_equal(vocab_find(v, span_of("<｜User｜>")), want[i].user);
        assert_int_equal(vocab_special(v)->think_open, want[i].think);
        must(vocab_encode(v, span_of(text), true, false, &ids, &e));
        assert_true(ids.n < strlen(text));
        buf_init(&back, 4096);
        vocab_decode(v, ids.id, ids.n, true, &back);
        assert_string_equal(buf_str(&back), text);
        buf_release(&back);
        tok_list_release(&ids);
        vocab_free(v);
    }
    struct model_config c = shape("v3-tiny");
    struct vocab *v;
    c.n_vocab = 299;
    must_fail(synth_vocab(&v, &c, &e), ERR_LIMIT, "needs 300 ids");
}

static void file_with_vocabulary(void **state)
{
    (void)state;
    struct model_config c = shape("v3-tiny");
    struct model_source *s;
    struct vocab *v;
    struct err e;
    write_model(&c, "q8_0", 3, pool);
    must(source_open(&s, path, &e));
    must(source_vocab(s, &v, &e));
    assert_int_equal(vocab_size(v), c.n_vocab);
    assert_true(source_chat_template(s).n > 100);
    assert_int_equal(source_config(s)->n_layer_mtp, 1);
    assert_int_equal(source_n_extra(s), 0);
    vocab_free(v);
    source_close(s);
    /* too small for a vocabulary, and the llama layout with its divisors */
    c = shape("r1-distill-llama-8b");
    c.n_vocab = 64;
    c.n_layer = 1;
    c.n_embd = 256;
    c.n_ff = 256;
    c.n_head = c.n_head_kv = 2;
    c.bos = c.eos[0] = 1;
    write_model(&c, "f16", 3, pool);
    must(source_open(&s, path, &e));
    must_fail(source_vocab(s, &v, &e), ERR_NOT_FOUND, "no vocabulary");
    assert_int_equal(source_config(s)->rope_scaling, ROPE_SCALING_FREQS);
    assert_int_equal(source_config(s)->rope_pairing, ROPE_INTERLEAVED);
    struct source_part p;
    must(source_part(s, ROLE_ROPE_FREQS, -1, 0, &p, &e));
    float divisor[64], a[64], b[64];
    memcpy(divisor, p.data, sizeof divisor);
    config_rope_freqs(source_config(s), divisor, a);
    config_rope_freqs(&c, NULL, b);
    for (int k = 0; k < 64; k++) assert_true(fabsf(a[k] - b[k]) <= 1e-6f * b[k]);
    source_close(s);
}

static bool stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)what;
    return done > total;
}

static void faults(void **state)
{
    (void)state;
    struct model_config c = shape("v3-tiny");
    struct type_mix mix;
    struct err e;
    struct synth_options o = {.progress = stop_at_once};
    unlink(path);
    assert_true(type_mix_parse("Q4_K", &mix));
    assert_string_equal(mix.name, "q4_k_m");
    must_fail(synth_write(path, &c, &mix, &o, pool, &e), ERR_CANCELLED, "stopped after");
    assert_false(file_exists(path));
    o.progress = NULL;
    assert_true(type_mix_parse("fp8", &mix));
    must_fail(synth_write(path, &c, &mix, &o, pool, &e), ERR_UNSUPPORTED, "no FP8");
    assert_false(type_mix_parse("q9", &mix));
    assert_true(type_mix_parse("q8_0", &mix));
    c.n_group = 3;
    must_fail(synth_write(path, &c, &mix, &o, pool, &e), ERR_FORMAT, "n_group");
}

/* docs/model.md: the table of mixes, for V2-Lite and a Qwen shape. */
static void mixes(void **state)
{
    (void)state;
    struct type_mix m;
    struct model_config lite = shape("v2-lite"), qwen = shape("r1-distill-qwen-7b");
    assert_true(type_mix_parse("q4_k_m", &m));
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_V, 0), DT_Q6_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_V, 3), DT_Q4_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_FFN_DOWN, 27), DT_Q6_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_OUTPUT, -1), DT_Q6_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_EMBD, -1), DT_Q4_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_ATTN_NORM, 0), DT_F32);
    assert_int_equal(type_mix_choose(&m, &lite, ROLE_K_B, 0), DT_Q5_0);      /* rows of 128 */
    assert_int_equal(type_mix_choose(&m, &lite, ROLE_EXP_DOWN, 4), DT_Q5_0); /* rows of 1408 */
    assert_int_equal(type_mix_choose(&m, &lite, ROLE_EXP_DOWN, 1), DT_Q8_0);
    assert_int_equal(type_mix_choose(&m, &lite, ROLE_ROUTER, 1), DT_F32);
    assert_true(type_mix_parse("q2_k", &m));
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_V, 0), DT_Q4_K);
    assert_int_equal(type_mix_choose(&m, &qwen, ROLE_ATTN_OUT, 0), DT_Q3_K);
    assert_int_equal(type_mix_choose(&m, &lite, ROLE_K_B, 0), DT_IQ4_NL);
    struct layout l;
    struct err e;
    assert_true(type_mix_parse("q4_k_m", &m));
    must(layout_gguf(&l, &lite, &m, true, &e));
    struct config_count n;
    config_count(&lite, &n);
    assert_int_equal(l.elements, n.total);
    assert_in_range(l.bytes, 9000000000, 11500000000);
    layout_release(&l);
}

static int setup(void **state)
{
    (void)state;
    struct err e;
    snprintf(path, sizeof path, "/tmp/tarn-synth-%ld.gguf", (long)getpid());
    return pool_create(&pool, 2, &e);
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),   cmocka_unit_test(same_for_any_threads),
        cmocka_unit_test(vocabularies), cmocka_unit_test(file_with_vocabulary),
        cmocka_unit_test(faults),       cmocka_unit_test(mixes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
