/* Logits of every golden model against an independent engine's, with f32 activations: dense and
 * latent attention, both file layouts, both forms, f32 to 2-bit. With 8-bit activations the error
 * must stay under that engine's own. And within a form: decoding equals prefill, bit for bit, in
 * any cut and with any number of threads. */
#include "../test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/single.h"
#include "model/source.h"

enum { N = 96 };

struct golden {
    const char *name;
    double limit;  /* of the largest difference over the reference's rms (golden/README.md) */
    double limit8; /* of the rms difference with 8-bit activations, 0: not compared */
};

static const struct golden cases[] = {
    {"llama-tied", 5e-4, 0},
    {"llama3-freqs", 5e-4, 0},
    {"qwen2-bias", 5e-4, 0},
    {"qwen2-bias-F16", 5e-4, 0},
    {"qwen2-bias-BF16", 5e-4, 0},
    {"qwen2-bias-Q8_0", 5e-4, 0.015},
    {"qwen2-bias-Q6_K", 5e-4, 0.024},
    {"qwen2-bias-Q5_K_M", 5e-4, 0.024},
    {"qwen2-bias-Q5_0", 5e-4, 0.015},
    {"qwen2-bias-Q5_1", 5e-4, 0.015},
    {"qwen2-bias-Q4_K_M", 5e-4, 0.024},
    {"qwen2-bias-Q4_0", 5e-4, 0.015},
    {"qwen2-bias-Q4_1", 5e-4, 0.015},
    {"qwen2-bias-IQ4_NL", 5e-4, 0.015},
    {"qwen2-bias-IQ4_XS", 5e-4, 0.024},
    {"qwen2-bias-Q3_K_M", 5e-4, 0.024},
    {"qwen2-bias-Q2_K", 5e-4, 0.024},
    {"qwen3-qknorm", 5e-4, 0},
    {"qwen3-yarn", 5e-4, 0},
    {"v2lite-softmax-old", 2e-3, 0},
    {"v2lite-softmax-new", 2e-3, 0},
    {"v2-qlora", 2e-3, 0},
    {"v3-groups-new", 2e-3, 0},
    {"v3-groups-new-Q8_0", 2e-3, 0},
    {"v3-groups-new-Q4_K_M", 2e-3, 0},
    {"v3-groups-new-Q2_K", 2e-3, 0},
    {"v3-groups-old", 2e-3, 0},
    {"v3-noyarn", 2e-3, 0},
};

struct rig {
    struct pool *pool;
    struct model *m;
    struct single *s;
};

static void rig_open(struct rig *g, const char *path, enum act_mode act, enum mla_form form,
                     int threads, size_t rows)
{
    struct err e;
    struct model_source *src;
    struct model_opts o = {.act = act, .mla = form};
    must(pool_create(&g->pool, threads, &e));
    must(source_open(&src, path, &e));
    must(model_open(&g->m, src, &o, &e));
    must(model_load(g->m, g->pool, NULL, &e));
    must(single_create(&g->s, g->m, g->pool, DT_F32, rows, N, &e));
}

static void rig_close(struct rig *g)
{
    single_free(g->s);
    model_free(g->m);
    pool_free(g->pool);
}

/* All logits (N, V) of a token file, in chunks of at most `rows`. Freed by the caller. */
static float *all_logits(const char *path, const tok_id *ids, enum act_mode act,
                         enum mla_form form, int threads, size_t rows, size_t *n_vocab)
{
    struct err e;
    struct rig g;
    rig_open(&g, path, act, form, threads, rows);
    size_t v = *n_vocab = (size_t)g.m->c.n_vocab;
    float *out = mem_alloc(N * v * sizeof *out);
    assert_non_null(out);
    for (size_t at = 0; at < N;) {
        size_t n = N - at < rows ? N - at : rows;
        const float *logits;
        must(single_rows(g.s, ids + at, n, n, &logits, &e));
        memcpy(out + at * v, logits, n * v * sizeof *out);
        at += n;
    }
    rig_close(&g);
    return out;
}

static void read_tokens(const char *path, tok_id *ids)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (int i = 0; i < N; i++) assert_int_equal(fscanf(f, i ? ",%d" : "%d", &ids[i]), 1);
    fclose(f);
}

struct diff {
    double max, rms;
};

static struct diff compare(const float *got, const float *want, size_t n)
{
    double sum = 0, err = 0, max = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        sum += (double)want[i] * (double)want[i];
        err += d * d;
        if (!(d <= max)) max = d;
    }
    double rms = sqrt(sum / (double)n);
    return (struct diff){max / rms, sqrt(err / (double)n) / rms};
}

static void check_case(const struct golden *c, const char *dir)
{
    struct err e;
    char path[1200], file[1200];
    tok_id ids[N];
    struct file_map want;
    size_t v;
    snprintf(path, sizeof path, "%s/%s.gguf", dir, c->name);
    snprintf(file, sizeof file, "%s/%s.tokens", dir, c->name);
    read_tokens(file, ids);
    snprintf(file, sizeof file, "%s/%s.logits", dir, c->name);
    must(file_map_open(&want, file, &e));
    bool latent = c->name[0] == 'v';
    for (int form = MLA_ABSORBED; form <= (latent ? MLA_EXPANDED : MLA_ABSORBED); form++) {
        float *got = all_logits(path, ids, ACT_F32, (enum mla_form)form, 2, N, &v);
        assert_int_equal(want.size, N * v * sizeof *got);
        struct diff d = compare(got, (const float *)(const void *)want.data, N * v);
        if (!(d.max <= c->limit))
            fail_msg("%s, form %d: %g over %g", c->name, form, d.max, c->limit);
        mem_free(got);
    }
    if (c->limit8 > 0) {
        float *got = all_logits(path, ids, ACT_Q8, MLA_ABSORBED, 2, N, &v);
        struct diff d = compare(got, (const float *)(const void *)want.data, N * v);
        if (!(d.rms <= c->limit8)) fail_msg("%s, 8-bit: %g over %g", c->name, d.rms, c->limit8);
        mem_free(got);
    }
    file_map_close(&want);
}

static void test_golden(void **state)
{
    (void)state;
    need_data(dir, "golden");
    for (size_t i = 0; i < countof(cases); i++) check_case(&cases[i], dir);
}

/* One row at a time, chunks of 7, everything at once; one thread and three. */
static void test_decode_is_prefill(void **state)
{
    (void)state;
    need_data(dir, "golden");
    static const char *const names[] = {"qwen2-bias", "qwen2-bias-Q4_K_M", "qwen2-bias-Q2_K",
                                        "v3-groups-new", "v3-groups-new-Q4_K_M"};
    for (size_t i = 0; i < countof(names); i++) {
        char path[1200], file[1200];
        tok_id ids[N];
        size_t v;
        snprintf(path, sizeof path, "%s/%s.gguf", dir, names[i]);
        snprintf(file, sizeof file, "%s/%s.tokens", dir, names[i]);
        read_tokens(file, ids);
        for (int act = ACT_F32; act <= ACT_Q8; act++) {
            for (int form = MLA_ABSORBED; form <= (names[i][0] == 'v'); form++) {
                float *ref =
                    all_logits(path, ids, (enum act_mode)act, (enum mla_form)form, 1, 1, &v);
                static const size_t cut[] = {7, 32, N};
                for (size_t k = 0; k < countof(cut); k++) {
                    float *got = all_logits(path, ids, (enum act_mode)act, (enum mla_form)form,
                                            k == 1 ? 3 : 2, cut[k], &v);
                    if (memcmp(ref, got, N * v * sizeof *ref) != 0)
                        fail_msg("%s: act %d, form %d, cut %zu differs", names[i], act, form,
                                 cut[k]);
                    mem_free(got);
                }
                mem_free(ref);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_decode_is_prefill),
    };
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
