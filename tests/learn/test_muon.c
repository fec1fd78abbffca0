/* Muon: orthogonal updates, whose singular values are near 1; the same bits for any number of threads;
 * a model that learns. */
#include "../test.h"

#include "../tiny_models.h"
#include "base/rng.h"
#include "base/thread.h"
#include "kernel/gemm.h"
#include "train/muon.h"
#include "train/trainer.h"

enum { R = 24, C = 40, ROWS = 48 };

/* O O^T of an orthogonal O is 1: here its eigenvalues lie between 0.7^2 and 1.2^2. Bounds by power
 * iteration in double, on O O^T and on 2 - O O^T. */
static void bounds(const float *x, double *least, double *most)
{
    double a[R][R], v[R], w[R];
    for (int i = 0; i < R; i++)
        for (int k = 0; k < R; k++) {
            a[i][k] = 0;
            for (int c = 0; c < C; c++) a[i][k] += (double)x[i * C + c] * (double)x[k * C + c];
        }
    for (int pass = 0; pass < 2; pass++) {
        double norm = 0;
        for (int i = 0; i < R; i++) v[i] = 1 + 0.1 * i;
        for (int it = 0; it < 3000; it++) {
            norm = 0;
            for (int i = 0; i < R; i++) {
                w[i] = pass ? 2 * v[i] : 0;
                for (int k = 0; k < R; k++) w[i] += (pass ? -a[i][k] : a[i][k]) * v[k];
                norm += w[i] * w[i];
            }
            norm = sqrt(norm);
            for (int i = 0; i < R; i++) v[i] = w[i] / norm;
        }
        if (pass)
            *least = sqrt(2 - norm);
        else
            *most = sqrt(norm);
    }
}

static void test_orthogonal(void **state)
{
    (void)state;
    static float x[R * C], work[2 * R * R + R * C];
    void *scratch = malloc(gemm_scratch_bytes());
    struct rng r = rng_init(3, 4);
    for (int scale = -3; scale <= 3; scale += 3) {
        double least, most;
        for (int i = 0; i < R * C; i++) x[i] = (float)(rng_normal(&r) * pow(10, scale));
        muon_orthogonal(x, R, C, work, scratch);
        bounds(x, &least, &most);
        if (!(least > 0.6 && most < 1.25)) fail_msg("singular values %g to %g", least, most);
    }
    memset(x, 0, sizeof x); /* nothing learned: nothing moves */
    muon_orthogonal(x, R, C, work, scratch);
    for (int i = 0; i < R * C; i++) assert_true(x[i] == 0);
    free(scratch);
}

static void fill(struct train_batch *b, int32_t *rows, int64_t step)
{
    struct rng r = rng_init((uint64_t)step, 1);
    for (int i = 0; i < ROWS; i++) {
        rows[i] = (int32_t)rng_below(&r, 12) * 7;
        rows[ROWS + i] = i % 16;
        rows[2 * ROWS + i] = (rows[i] + 5) % 96;
        rows[3 * ROWS + i] = i / 16;
    }
    *b = (struct train_batch){.n = ROWS,
                              .id = rows,
                              .pos = rows + ROWS,
                              .target = rows + 2 * ROWS,
                              .row_seq = rows + 3 * ROWS,
                              .n_seq = 3};
}

/* Trains a tiny model; the weights' bytes go to *out. Returns the last loss. */
static double learn(enum tiny which, int threads, int steps, float **out, size_t *n)
{
    struct err e;
    struct pool *pool;
    struct params *p;
    struct trainer *t;
    struct step_metrics m = {0};
    struct model_config c = tiny_config(which);
    struct model_opts mo = {.mla = MLA_EXPANDED, .act = ACT_F32, .with_mtp = true};
    struct trainer_opts o = trainer_default();
    o.optim.muon = true;
    o.max_rows = ROWS;
    o.lr = (struct schedule){.kind = SCHEDULE_CONSTANT, .lr = 3e-3, .steps = steps};
    must(pool_create(&pool, threads, &e));
    must(params_create(&p, &c, &mo, &e));
    params_init(p, 5, 0.08f);
    must(trainer_create(&t, p, pool, &o, &e));
    for (int i = 0; i < steps; i++) {
        int32_t rows[4 * ROWS];
        struct train_batch b;
        fill(&b, rows, i);
        must(trainer_step(t, &b, 1, &m, &e));
    }
    for (size_t i = 0; i < p->total; i++) assert_true(p->grad[i] == 0);
    *n = p->total * sizeof(float);
    *out = malloc(*n);
    memcpy(*out, p->data, *n);
    trainer_free(t);
    params_free(p);
    pool_free(pool);
    return m.loss;
}

static void test_learning(void **state)
{
    (void)state;
    static const enum tiny which[] = {TINY_QWEN3, TINY_MLA};
    for (size_t i = 0; i < countof(which); i++) {
        float *a, *b;
        size_t n, n2;
        (void)learn(which[i], 1, 3, &a, &n);
        (void)learn(which[i], 3, 3, &b, &n2);
        assert_int_equal(n, n2);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
        double loss = learn(which[i], 2, 80, &a, &n);
        if (loss > 0.3) fail_msg("loss %g", loss);
        free(a);
    }
}

static void test_errors(void **state)
{
    (void)state;
    struct err e;
    struct params *p;
    struct optim *a;
    struct model_config c = tiny_config(TINY_QWEN2);
    struct model_opts mo = {.act = ACT_F32};
    struct optim_opts o = optim_default();
    o.muon = true;
    o.moment = DT_BF16;
    must(params_create(&p, &c, &mo, &e));
    must_fail(optim_create(&a, p, &o, 1, &e), ERR_UNSUPPORTED, "f32 moments");
    params_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_learning),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("Muon", tests, NULL, NULL);
}
