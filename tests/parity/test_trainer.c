/* The trainer and the engine see one model: logits and log-probabilities of the taped pass over
 * plain f32 weights are, bit for bit, those of packed weights, of the checkpoint opened as a model,
 * and of the GGUF file made from it. (But for llama: its rows pair otherwise in GGUF, so a score's
 * products are added in another order.) */
#include "../test.h"

#include <unistd.h>

#include "../tiny_models.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "engine/single.h"
#include "kernel/kernel.h"
#include "model/convert.h"
#include "model/source.h"
#include "train/ckpt.h"

enum { N = 75 };

/* Logits (N, V) of a model in one chunk or two. */
static void run_model(struct model *m, struct pool *pool, const int32_t *id, size_t n,
                      float *out)
{
    struct err e;
    struct single *s;
    const float *logits;
    size_t v = (size_t)m->c.n_vocab, half = n / 3;
    must(single_create(&s, m, pool, DT_F32, n, (int64_t)n, &e));
    must(single_rows(s, id, half, half, &logits, &e));
    memcpy(out, logits, half * v * sizeof *out);
    must(single_rows(s, id + half, n - half, n - half, &logits, &e));
    memcpy(out + half * v, logits, (n - half) * v * sizeof *out);
    single_free(s);
}

static void run_file(const char *path, enum mla_form form, struct pool *pool, const int32_t *id,
                     float *out)
{
    struct err e;
    struct model_source *src;
    struct model *m;
    struct model_opts o = {.mla = form, .act = ACT_F32};
    must(source_open(&src, path, &e));
    must(model_open(&m, src, &o, &e));
    must(model_load(m, pool, NULL, &e));
    run_model(m, pool, id, N, out);
    model_free(m);
}

static void same(const float *a, const float *b, size_t n, const char *what, enum tiny which,
                 enum mla_form form)
{
    if (memcmp(a, b, n * sizeof *a) != 0)
        fail_msg("model %d, form %d: %s has other logits", which, form, what);
}

static void check(enum tiny which, enum mla_form form)
{
    struct err e;
    struct pool *pool;
    struct model_config c = tiny_config(which);
    struct model_opts mo = {.mla = form, .act = ACT_F32, .with_mtp = true};
    struct trainer_opts o = trainer_default();
    struct params *p;
    struct trainer *t;
    struct step_metrics m;
    o.max_rows = N;
    o.lr = (struct schedule){.lr = 3e-3, .steps = 10};
    must(pool_create(&pool, 2, &e));
    must(params_create(&p, &c, &mo, &e));
    params_init(p, 17, 0.2f);
    must(trainer_create(&t, p, pool, &o, &e));

    /* Two sequences, the first of which is compared. */
    int32_t id[N + 9], pos[N], target[N], seq[N] = {0};
    struct rng r = rng_init(1, 2);
    for (int i = 0; i < N; i++) id[i] = (int32_t)rng_below(&r, 96);
    for (int i = 0; i < N; i++) {
        pos[i] = i;
        target[i] = i + 1 < N ? id[i + 1] : 3;
    }
    struct train_batch b = {
        .n = N, .id = id, .pos = pos, .target = target, .row_seq = seq, .n_seq = 1};
    for (int i = 0; i < 3; i++) must(trainer_step(t, &b, 1, &m, &e));
    must(pass_forward(t->pass, &b, &e));

    size_t v = (size_t)c.n_vocab, n = N * v;
    const float *want = t->pass->logits->v;
    float *got = mem_alloc(n * sizeof *got);
    assert_non_null(got);
    struct model *packed;
    must(params_packed(&packed, p, pool, &e));
    run_model(packed, pool, id, N, got);
    same(want, got, n, "the packed model", which, form);
    for (size_t i = 0; i < N; i++) {
        float logp = got[i * v + (size_t)target[i]] - kernels()->elem.logsumexp(got + i * v, v);
        assert_true(-logp == t->pass->nll->v[i]);
    }

    char dir[] = "/tmp/tarn-parity-XXXXXX", path[CKPT_PATH], gguf[CKPT_PATH], clean[64];
    assert_non_null(mkdtemp(dir));
    must(ckpt_save(dir, t, NULL, NULL, (struct span){"", 0}, path, &e));
    run_file(path, form, pool, id, got);
    same(want, got, n, "the checkpoint", which, form);
    struct model_source *src;
    struct convert_options co = {0};
    must(source_open(&src, path, &e));
    snprintf(gguf, sizeof gguf, "%s/model.gguf", dir);
    must(convert_model(src, gguf, &co, pool, &e));
    source_close(src);
    run_file(gguf, form, pool, id, got);
    if (which != TINY_LLAMA) same(want, got, n, "the GGUF file", which, form);
    for (size_t i = 0; i < n; i++) assert_true(fabsf(got[i] - want[i]) < 1e-4f);

    /* Another step, published into the packed model. */
    must(trainer_step(t, &b, 1, &m, &e));
    params_publish(packed, p, pool);
    run_model(packed, pool, id, N, got);
    must(pass_forward(t->pass, &b, &e));
    same(t->pass->logits->v, got, n, "the published model", which, form);

    /* And a GGUF file is a starting point for training. */
    struct params *again;
    struct model_config from;
    must(source_open(&src, gguf, &e));
    must(params_config(src, &from, &e));
    must(params_create(&again, &from, &mo, &e));
    must(params_load(again, src, &e));
    source_close(src);
    must(source_open(&src, path, &e));
    must(params_load(p, src, &e));
    source_close(src);
    assert_int_equal(again->total, p->total);
    assert_memory_equal(again->data, p->data, p->total * sizeof(float));
    params_free(again);

    model_free(packed);
    mem_free(got);
    trainer_free(t);
    params_free(p);
    pool_free(pool);
    snprintf(clean, sizeof clean, "rm -rf %s", dir);
    assert_int_equal(system(clean), 0);
}

static void test_dense(void **state)
{
    (void)state;
    check(TINY_QWEN2, MLA_EXPANDED);
    check(TINY_QWEN3, MLA_EXPANDED);
    check(TINY_LLAMA, MLA_EXPANDED);
}

static void test_latent(void **state)
{
    (void)state;
    check(TINY_MLA, MLA_EXPANDED);
    check(TINY_MLA, MLA_ABSORBED);
    check(TINY_V2, MLA_EXPANDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dense),
                                       cmocka_unit_test(test_latent)};
    return cmocka_run_group_tests_name("trainer equals engine", tests, NULL, NULL);
}
