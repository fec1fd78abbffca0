/* Conversion: there and back gives the same bytes, in every layout; types lose what they may and
 * no more; what cannot be converted says why. */
#include "../test.h"

#include <dirent.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "format/gguf_read.h"
#include "format/imatrix.h"
#include "format/safetensors.h"
#include "model/config.h"
#include "model/convert.h"
#include "model/layout.h"
#include "model/source.h"
#include "model/synth.h"
#include "text/vocab.h"

static char dir[] = "/tmp/tarn-convert-XXXXXX";
static struct pool *pool;

static const char *at(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static struct model_source *open_model(const char *path)
{
    struct model_source *s;
    struct err e;
    must(source_open(&s, path, &e));
    return s;
}

static int try_convert(const char *from, const char *to, const char *type,
                       struct convert_options o, struct err *e)
{
    struct type_mix mix;
    struct model_source *s = open_model(from);
    if (type) {
        assert_true(type_mix_parse(type, &mix));
        o.mix = &mix;
    }
    int rc = convert_model(s, to, &o, pool, e);
    source_close(s);
    return rc;
}

static void convert(const char *from, const char *to, const char *type)
{
    struct err e;
    must(try_convert(from, to, type, (struct convert_options){0}, &e));
}

/* Every tensor of a is in b with the same type, shape and bytes. */
static void check_same(const char *path_a, const char *path_b)
{
    struct model_source *a = open_model(path_a), *b = open_model(path_b);
    size_t found = 0;
    for (size_t i = 0; i < source_n_entry(a); i++) {
        struct source_entry x, y;
        source_entry(a, i, &x);
        for (size_t k = 0; k < source_n_entry(b); k++) {
            source_entry(b, k, &y);
            if (!span_eq(x.name, y.name)) continue;
            found++;
            if (x.dtype != y.dtype || x.bytes != y.bytes || !shape_eq(&x.shape, &y.shape) ||
                memcmp(x.data, y.data, x.bytes) != 0)
                fail_msg("%.*s differs between %s and %s", (int)x.name.n, x.name.p, path_a,
                         path_b);
        }
    }
    assert_int_equal(found, source_n_entry(a));
    source_close(a);
    source_close(b);
}

/* sqrt(sum (a-b)^2 / sum a^2) of a part. */
static double difference(const struct model_source *a, const struct model_source *b,
                         enum tensor_role r, int32_t l, int32_t part)
{
    struct source_part p, q;
    struct err e;
    must(source_part(a, r, l, part, &p, &e));
    must(source_part(b, r, l, part, &q, &e));
    size_t width = (size_t)p.shape.dim[p.shape.n_dim - 1], pr, qr;
    size_t rows = (size_t)shape_elems(&p.shape) / width;
    float *x = mem_alloc(width * 4), *y = mem_alloc(width * 4);
    double num = 0, den = 0;
    assert_false(dtype_row_bytes(p.dtype, width, &pr) || dtype_row_bytes(q.dtype, width, &qr));
    for (size_t i = 0; i < rows; i++) {
        dtype_row_to_f32(p.dtype, (const char *)p.data + i * pr, x, width);
        dtype_row_to_f32(q.dtype, (const char *)q.data + i * qr, y, width);
        for (size_t k = 0; k < width; k++) {
            if (q.scale) {
                float s;
                size_t n = i / 128 * (size_t)q.scale_cols + k / 128;
                memcpy(&s, (const char *)q.scale + 4 * n, 4);
                y[k] *= s;
            }
            num += (double)(x[k] - y[k]) * (double)(x[k] - y[k]);
            den += (double)x[k] * (double)x[k];
        }
    }
    mem_free(x);
    mem_free(y);
    return den > 0 ? sqrt(num / den) : sqrt(num);
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    if (!d) {
        unlink(path);
        return;
    }
    for (struct dirent *f; (f = readdir(d));) {
        char full[512];
        if (f->d_name[0] == '.') continue;
        snprintf(full, sizeof full, "%s/%s", path, f->d_name);
        remove_tree(full);
    }
    closedir(d);
    rmdir(path);
}

/* ---- there and back ----------------------------------------------------------------------- */

static void hf_gguf_hf(void **state)
{
    (void)state;
    need_data(tiny, "tiny-llama-bf16");
    need_data(stories, "stories260K/hf");
    const char *const from[] = {tiny, stories};
    for (size_t i = 0; i < 2; i++) {
        convert(from[i], at("a.gguf"), NULL);
        convert(at("a.gguf"), at("back"), NULL);
        check_same(from[i], at("back"));
        struct model_source *s = open_model(at("back")), *t = open_model(from[i]);
        const struct model_config *b = source_config(s), *c = source_config(t);
        assert_true(b->arch == c->arch && b->n_embd == c->n_embd &&
                    b->n_head_kv == c->n_head_kv);
        assert_true(b->rope_theta == c->rope_theta && b->rms_eps == c->rms_eps &&
                    b->n_ctx == c->n_ctx);
        assert_true(b->tie_embeddings == c->tie_embeddings &&
                    b->rope_pairing == c->rope_pairing);
        assert_true(b->n_eos == c->n_eos && b->eos[0] == c->eos[0] && b->bos == c->bos);
        source_close(s);
        source_close(t);
        remove_tree(at("back"));
    }
}

/* The rule of models.md 12.3 on the values themselves. */
static void llama_rows(void **state)
{
    (void)state;
    need_data(tiny, "tiny-llama-bf16");
    convert(tiny, at("a.gguf"), "f32");
    struct model_source *h = open_model(tiny), *g = open_model(at("a.gguf"));
    const enum tensor_role role[] = {ROLE_Q, ROLE_K};
    struct source_part p, q;
    struct err e;
    float x[128], y[128];
    for (size_t i = 0; i < 2; i++) {
        must(source_part(h, role[i], 2, 0, &p, &e));
        must(source_part(g, role[i], 2, 0, &q, &e));
        for (size_t row = 0; row < p.shape.dim[0]; row++) {
            size_t head = row / 32, k = row % 32 / 2,
                   j = row % 2; /* new row 2k+j = old k+16j */
            dtype_row_to_f32(p.dtype, (const char *)p.data + (head * 32 + k + 16 * j) * 256, x,
                             128);
            memcpy(y, (const char *)q.data + row * 512, 512);
            assert_memory_equal(x, y, sizeof x);
        }
    }
    assert_int_equal(source_config(g)->rope_pairing, ROPE_INTERLEAVED);
    source_close(h);
    source_close(g);
}

static void golden_round_trips(void **state)
{
    (void)state;
    static const char *const name[] = {
        "llama-tied",    "llama3-freqs",  "qwen2-bias",         "qwen3-qknorm",
        "qwen3-yarn",    "v2-qlora",      "v2lite-softmax-new", "v2lite-softmax-old",
        "v3-groups-new", "v3-groups-old", "v3-noyarn"};
    need_data(golden, "golden");
    struct err e;
    for (size_t i = 0; i < countof(name); i++) {
        char from[1200];
        bool old = strstr(name[i], "old") != NULL;
        snprintf(from, sizeof from, "%s/%s.gguf", golden, name[i]);
        if (strcmp(name[i], "llama3-freqs") ==
            0) { /* divisors that no llama3 parameters give */
            must_fail(try_convert(from, at("hf"), NULL, (struct convert_options){0}, &e),
                      ERR_UNSUPPORTED, "not llama3 scaling with known parameters");
            convert(from, at("b.gguf"), NULL);
            check_same(from, at("b.gguf"));
            continue;
        }
        convert(from, at("hf"), "f32");
        must(try_convert(at("hf"), at("b.gguf"), NULL,
                         (struct convert_options){.old_layout = old}, &e));
        check_same(from, at("b.gguf"));
        struct model_source *s = open_model(from), *t = open_model(at("b.gguf"));
        struct model_config b = *source_config(t), c = *source_config(s);
        memset(b.name, 0, sizeof b.name);
        memset(c.name, 0, sizeof c.name);
        assert_true(fabsf(b.mscale - c.mscale) < 1e-6f &&
                    fabsf(b.mscale_all_dim - c.mscale_all_dim) < 1e-6f);
        b.mscale = c.mscale;
        b.mscale_all_dim = c.mscale_all_dim;
        assert_memory_equal(&b, &c, sizeof b);
        source_close(s);
        source_close(t);
        remove_tree(at("hf"));
        /* the other layout and back */
        must(try_convert(from, at("c.gguf"), NULL, (struct convert_options){.old_layout = !old},
                         &e));
        must(try_convert(at("c.gguf"), at("b.gguf"), NULL,
                         (struct convert_options){.old_layout = old}, &e));
        check_same(from, at("b.gguf"));
    }
}

static void everything_at_once(void **state)
{
    (void)state;
    struct model_config c;
    struct type_mix mix;
    struct err e;
    struct synth_options o = {.seed = 5};
    assert_true(config_shape("v3.2-tiny", &c) && type_mix_parse("bf16", &mix));
    must(synth_write(at("s.gguf"), &c, &mix, &o, pool, &e));
    must(try_convert(at("s.gguf"), at("hf"), NULL,
                     (struct convert_options){.split_bytes = 3 << 20}, &e));
    assert_true(file_exists(at("hf/model.safetensors.index.json")));
    struct model_source *s = open_model(at("hf"));
    assert_int_equal(source_config(s)->n_index_head, 4);
    assert_int_equal(source_config(s)->n_layer_mtp, 1);
    assert_int_equal(source_n_extra(s), 0);
    struct vocab *v;
    must(source_vocab(s, &v, &e));
    assert_int_equal(vocab_size(v), 4096);
    assert_int_equal(vocab_special(v)->eos, 1);
    assert_int_equal(vocab_tok_kind(v, 5), TOK_USER_DEFINED);
    vocab_free(v);
    assert_true(source_chat_template(s).n > 100);
    source_close(s);
    must(try_convert(at("hf"), at("t-00001-of-00001.gguf"), NULL, (struct convert_options){0},
                     &e));
    rename(at("t-00001-of-00001.gguf"), at("t.gguf"));
    check_same(at("s.gguf"), at("t.gguf"));
    remove_tree(at("hf"));
}

/* ---- types -------------------------------------------------------------------------------- */

static void every_type(void **state)
{
    (void)state;
    /* what each type may lose of normal weights, a little above its step */
    static const struct {
        const char *name;
        double most;
    } type[] = {{"f16", 3e-4},  {"bf16", 3e-3}, {"q8_0", 0.007},  {"q6_k", 0.02},
                {"q5_k", 0.04}, {"q5_1", 0.04}, {"q5_0", 0.06},   {"q4_k_m", 0.09},
                {"q4_1", 0.09}, {"q4_0", 0.11}, {"iq4_nl", 0.09}, {"iq4_xs", 0.09},
                {"q3_k", 0.18}, {"q2_k", 0.38}, {"mxfp4", 0.15}};
    need_data(from, "golden/v3-groups-new.gguf");
    struct model_source *a = open_model(from);
    for (size_t i = 0; i < countof(type); i++) {
        convert(from, at("q.gguf"), type[i].name);
        struct model_source *b = open_model(at("q.gguf"));
        const struct model_config *c = source_config(b);
        for (int32_t l = -1; l < c->n_layer; l++)
            for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
                if (!source_has(b, r, l)) continue;
                double d = difference(a, b, r, l, role_parts(c, r) - 1);
                if (d > (role_stays_f32(r) ? 0 : type[i].most))
                    fail_msg("%s: %s loses %g", type[i].name, role_text(r), d);
            }
        source_close(b);
    }
    source_close(a);
}

/* Quantising here and there (llama.cpp, pure types) loses about the same. */
static void as_good_as_published(void **state)
{
    (void)state;
    static const char *const type[][2] = {{"Q8_0", "q8_0"}, {"Q6_K", "q6_k"}, {"Q4_0", "q4_0"}};
    need_data(golden, "golden");
    char from[1200], ref[1200];
    snprintf(from, sizeof from, "%s/qwen2-bias.gguf", golden);
    struct model_source *a = open_model(from);
    for (size_t i = 0; i < countof(type); i++) {
        snprintf(ref, sizeof ref, "%s/qwen2-bias-%s.gguf", golden, type[i][0]);
        convert(from, at("q.gguf"), type[i][1]);
        struct model_source *b = open_model(ref), *c = open_model(at("q.gguf"));
        double theirs = difference(a, b, ROLE_FFN_UP, 1, 0),
               ours = difference(a, c, ROLE_FFN_UP, 1, 0);
        if (ours > 1.02 * theirs) fail_msg("%s: ours %g, theirs %g", type[i][0], ours, theirs);
        source_close(b);
        source_close(c);
    }
    source_close(a);
}

static void fp8_both_ways(void **state)
{
    (void)state;
    need_data(from, "golden/v3-groups-new.gguf");
    struct model_source *a = open_model(from), *b;
    convert(from, at("fp8"), "f8_e4m3");
    b = open_model(at("fp8"));
    const struct model_config *c = source_config(b);
    assert_int_equal(c->fp8_block_rows, 128);
    struct source_part p;
    struct err e;
    must(source_part(b, ROLE_KV_A, 0, 0, &p, &e));
    assert_true(p.dtype == DT_F8_E4M3 && p.scale_rows == 3 &&
                p.scale_cols == 2); /* 288 x 256 */
    must(source_part(b, ROLE_EMBD, -1, 0, &p, &e));
    assert_true(p.dtype == DT_BF16 && !p.scale);
    must(source_part(b, ROLE_ROUTER_BIAS, 1, 0, &p, &e));
    assert_int_equal(p.dtype, DT_F32);
    assert_true(difference(a, b, ROLE_EXP_DOWN, 2, 7) < 0.03);
    assert_true(difference(a, b, ROLE_Q_B, 0, 0) < 0.03);
    assert_int_equal(source_n_extra(b), 0);
    source_close(b);
    convert(at("fp8"), at("f.gguf"), "f32");
    b = open_model(at("f.gguf"));
    assert_true(difference(a, b, ROLE_EXP_GATE, 1, 0) < 0.03);
    assert_true(difference(a, b, ROLE_K_B, 1, 0) < 0.03);
    assert_true(difference(a, b, ROLE_V_B, 2, 0) < 0.03);
    source_close(b);
    source_close(a);
    remove_tree(at("fp8"));
}

static void importance(void **state)
{
    (void)state;
    need_data(from, "golden/qwen2-bias.gguf");
    float sum[512], counts[2] = {10, 0}, out[256];
    struct imatrix *m;
    struct err e;
    for (int i = 0; i < 512; i++) sum[i] = i < 16 ? 1000.0f : 0.001f * (float)(i % 7);
    struct imatrix_entry entry[] = {{"blk.0.ffn_up.weight", 256, 2, sum, counts},
                                    {"blk.1.ffn_up.weight", 256, 1, sum, counts}};
    must(imatrix_write(at("i.gguf"), entry, 2, "test", 3, 512, &e));
    must(imatrix_open(&m, at("i.gguf"), &e));
    assert_int_equal(imatrix_n(m), 2);
    assert_true(imatrix_weights(m, "blk.0.ffn_up.weight", 256, 0, out));
    assert_true(out[0] == 100.0f && out[21] > 0 && out[21] < 1e-5f);
    assert_false(imatrix_weights(m, "blk.0.ffn_up.weight", 256, 1, out)); /* no row seen */
    assert_false(imatrix_weights(m, "blk.0.ffn_up.weight", 128, 0, out));
    assert_false(imatrix_weights(m, "blk.0.ffn_gate.weight", 256, 0, out));
    /* the 16 columns that matter are stored better with importances than without */
    must(try_convert(from, at("w.gguf"), "q2_k", (struct convert_options){.imatrix = m}, &e));
    convert(from, at("u.gguf"), "q2_k");
    struct model_source *f = open_model(from), *w = open_model(at("w.gguf")),
                        *u = open_model(at("u.gguf"));
    double err[2] = {0};
    struct source_part p, q;
    for (int k = 0; k < 2; k++) {
        float x[256], y[256];
        must(source_part(f, ROLE_FFN_UP, 1, 0, &p, &e));
        must(source_part(k ? u : w, ROLE_FFN_UP, 1, 0, &q, &e));
        for (size_t r = 0; r < p.shape.dim[0]; r++) {
            memcpy(x, (const char *)p.data + r * 1024, 1024);
            dtype_row_to_f32(q.dtype, (const char *)q.data + r * 84, y, 256);
            for (int i = 0; i < 16; i++) err[k] += (double)((x[i] - y[i]) * (x[i] - y[i]));
        }
    }
    if (!(err[0] < 0.8 * err[1])) fail_msg("with %g, without %g", err[0], err[1]);
    source_close(f);
    source_close(w);
    source_close(u);
    imatrix_close(m);
    must_fail(imatrix_open(&m, from, &e), ERR_FORMAT, "no importance matrix");
}

/* ---- faults ------------------------------------------------------------------------------- */

static bool stop(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    assert_true(done <= total && what[0]);
    return ++*(int *)ctx < 3;
}

static void faults(void **state)
{
    (void)state;
    struct err e;
    int calls = 0;
    need_data(from, "golden/qwen2-bias.gguf");
    must_fail(try_convert(from, at("x"), "q4_0", (struct convert_options){0}, &e),
              ERR_UNSUPPORTED, "safetensors has no type q4_0");
    must_fail(try_convert(from, at("x.gguf"), "f8_e4m3", (struct convert_options){0}, &e),
              ERR_UNSUPPORTED, "no FP8");
    must_fail(try_convert(from, at("x.gguf"), NULL,
                          (struct convert_options){.progress = stop, .ctx = &calls}, &e),
              ERR_CANCELLED, "stopped after");
    assert_int_equal(calls, 3);
    assert_false(file_exists(at("x.gguf")));
    must_fail(try_convert(from, "/nowhere/x.gguf", NULL, (struct convert_options){0}, &e),
              ERR_NOT_FOUND, "/nowhere/x.gguf");
    /* a weight that is not finite: into blocks no, into floats yes */
    convert(from, at("nan.gguf"), NULL);
    struct model_source *s = open_model(at("nan.gguf"));
    struct source_part p;
    must(source_part(s, ROLE_FFN_DOWN, 1, 0, &p, &e));
    uint64_t offset = p.offset;
    source_close(s);
    FILE *f = fopen(at("nan.gguf"), "r+b");
    float nan = NAN;
    assert_int_equal(fseek(f, (long)offset + 400, SEEK_SET), 0);
    assert_int_equal(fwrite(&nan, 4, 1, f), 1);
    fclose(f);
    must_fail(
        try_convert(at("nan.gguf"), at("x.gguf"), "q8_0", (struct convert_options){0}, &e),
        ERR_NUMERIC, "blk.1.ffn_down.weight");
    convert(at("nan.gguf"), at("x.gguf"), "bf16");
}

static void memory_runs_out(void **state)
{
    (void)state;
    need_data(from, "golden/v3-noyarn.gguf");
    struct err e;
    struct type_mix mix;
    assert_true(type_mix_parse("q4_k", &mix));
    struct convert_options o = {.mix = &mix, .old_layout = true};
    int64_t live = mem_live_blocks();
    for (int64_t n = 1;; n++) {
        struct model_source *s;
        mem_fail_at(n);
        int rc = source_open(&s, from, &e);
        if (rc == 0) {
            rc = convert_model(s, at("m.gguf"), &o, pool, &e);
            source_close(s);
        }
        bool fired = mem_fail_fired();
        mem_fail_at(0);
        assert_int_equal(mem_live_blocks(), live);
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc != 0 && e.code != ERR_MEMORY && e.code != ERR_LIMIT)
            fail_msg("%d: %s", (int)n, e.msg);
    }
}

static int setup(void **state)
{
    (void)state;
    struct err e;
    return mkdtemp(dir) ? pool_create(&pool, 2, &e) : -1;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    remove_tree(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hf_gguf_hf),
        cmocka_unit_test(llama_rows),
        cmocka_unit_test(golden_round_trips),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(every_type),
        cmocka_unit_test(as_good_as_published),
        cmocka_unit_test(fp8_both_ways),
        cmocka_unit_test(importance),
        cmocka_unit_test(faults),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
