/* Training in few bits: products against their own definition in double, gradients near those of
 * f32, the same bits with any number of threads and after a stop, memory as planned. */
#include "../test.h"

#include "../tiny_models.h"
#include "base/mem.h"
#include "base/size.h"
#include "kernel/kernel.h"
#include "model/source.h"
#include "nn/low.h"
#include "train/precision.h"
#include "trainer_rig.h"

/* ---- a second implementation --------------------------------------------------------------- */

/* The nearest e4m3 number by looking at all of them; ties to the even code. */
static double nearest_e4m3(double x)
{
    double best = 0, gap = 1e300;
    int best_code = 0;
    for (int code = 0; code < 127; code++) {
        int e = code >> 3, m = code & 7;
        double v = e ? ldexp(1 + m / 8.0, e - 7) : ldexp(m / 8.0, -6);
        double d = fabs(fabs(x) - v);
        if (d < gap || (d == gap && code % 2 == 0 && best_code % 2)) {
            gap = d;
            best = v;
            best_code = code;
        }
    }
    return x < 0 ? -best : best;
}

static double nearest_bf16(double x)
{
    if (x == 0) return 0;
    int e;
    frexp(x, &e);
    double step = ldexp(1, e - 8), q = x / step, f = floor(q), r = q - f;
    return step * (r > 0.5 || (r == 0.5 && fmod(f, 2) != 0) ? f + 1 : f);
}

/* One operand: values without and with factors. Rows of `band` share one per 128 of k. */
static void define(enum precision kind, const float *x, size_t n, size_t k, size_t band,
                   double *value, double *scale)
{
    for (size_t i = 0; i < n; i += band) {
        for (size_t j = 0; j < k; j += 128) {
            float max = 0;
            size_t rows = size_min(band, n - i), cols = size_min(128, k - j);
            for (size_t r = i; r < i + rows; r++)
                for (size_t c = j; c < j + cols; c++)
                    if (fabsf(x[r * k + c]) > max) max = fabsf(x[r * k + c]);
            float d = max > 0 ? max / 448.0f : 1;
            for (size_t r = i; r < i + rows; r++) {
                for (size_t c = j; c < j + cols; c++) {
                    bool f8 = kind == PRECISION_FP8;
                    value[r * k + c] = f8 ? nearest_e4m3((double)(x[r * k + c] / d))
                                          : nearest_bf16((double)x[r * k + c]);
                    scale[r * k + c] = f8 ? (double)d : 1;
                }
            }
        }
    }
}

enum { M = 37, N = 150, K = 300 };

static void check_products(enum precision kind, bool weight, bool across)
{
    float *x = mem_alloc(M * K * 4), *w = mem_alloc(N * K * 4), *y = mem_alloc(M * N * 4);
    float *xt = mem_alloc(M * K * 4), *wt = mem_alloc(N * K * 4);
    double *vx = mem_alloc(M * K * 8), *sx = mem_alloc(M * K * 8);
    double *vw = mem_alloc(N * K * 8), *sw = mem_alloc(N * K * 8);
    enum low_side side = weight ? LOW_WEIGHT : LOW_B;
    void *am = mem_map(low_bytes(kind, LOW_A, M, K)),
         *bm = mem_map(low_bytes(kind, side, N, K));
    void *scratch = mem_map(low_scratch_bytes(kind));
    struct rng r = rng_init(5, 6);
    rng_fill_normal(&r, x, M * K, 1);
    rng_fill_normal(&r, w, N * K, 0.05f);
    for (size_t i = 0; i < M * K; i += 97) x[i] *= 40; /* outliers */
    for (size_t i = 0; i < K; i++) x[3 * K + i] = 0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < K; j++) xt[j * M + i] = x[i * K + j];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < K; j++) wt[j * N + i] = w[i * K + j];
    define(kind, x, M, K, 1, vx, sx);
    define(kind, w, N, K, weight ? 128 : 1, vw, sw);
    struct low_form a = low_at(kind, LOW_A, am, M, K), b = low_at(kind, side, bm, N, K);
    struct i8_source as = {across ? xt : x, across ? M : K, M, K, across, false, 0};
    struct i8_source bs = {across ? wt : w, across ? N : K, N, K, across, false, 0};
    low_fill(kernels(), &a, &as, 0, low_units(&a));
    low_fill(kernels(), &b, &bs, 0, low_units(&b));
    for (int add = 0; add < 2; add++) {
        low_multiply(kernels(), y, N, &a, &b, 0, 20, 0, 5, add, scratch);
        low_multiply(kernels(), y, N, &a, &b, 20, M, 0, 3, add, scratch);
        low_multiply(kernels(), y, N, &a, &b, 20, M, 3, 5, add, scratch);
        for (size_t i = 0; i < M; i++) {
            for (size_t o = 0; o < N; o++) {
                double sum = 0, size = 0;
                for (size_t k = 0; k < K; k++) {
                    double p = vx[i * K + k] * sx[i * K + k] * vw[o * K + k] * sw[o * K + k];
                    sum += p;
                    size += fabs(p);
                }
                double near = weight ? fabs(sum) * 0x1p-8 : 0;
                double diff = fabs((double)y[i * N + o] / (1 + add) - sum);
                if (!(diff <= near + 2e-6 * size))
                    fail_msg("%s weight %d across %d add %d: y[%zu][%zu] is %g, %g expected",
                             precision_name(kind), weight, across, add, i, o,
                             (double)y[i * N + o] / (1 + add), sum);
                if (weight && !add) /* a bf16 number */
                    assert_true((double)y[i * N + o] == nearest_bf16((double)y[i * N + o]));
            }
        }
    }
    mem_unmap(am, low_bytes(kind, LOW_A, M, K));
    mem_unmap(bm, low_bytes(kind, side, N, K));
    mem_unmap(scratch, low_scratch_bytes(kind));
    mem_free(x), mem_free(w), mem_free(y), mem_free(xt), mem_free(wt);
    mem_free(vx), mem_free(sx), mem_free(vw), mem_free(sw);
}

static void test_products(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        check_products(PRECISION_FP8, i & 1, i & 2);
        check_products(PRECISION_BF16, i & 1, i & 2);
    }
}

/* What is stored takes a quarter of f32's bytes, and the factors a thirty-second on top. */
static void test_stored_bytes(void **state)
{
    (void)state;
    double f32 = 4.0 * 1024 * 1536;
    assert_true((double)low_bytes(PRECISION_FP8, LOW_A, 1024, 1536) <= f32 * 0.25 * 33 / 32);
    assert_true((double)low_bytes(PRECISION_FP8, LOW_WEIGHT, 1024, 1536) <= f32 * 0.2501);
    assert_true((double)low_bytes(PRECISION_INT8, LOW_A, 1024, 1536) <= f32 * 0.25 * 9 / 8);
    assert_true((double)low_bytes(PRECISION_INT8, LOW_B, 1024, 1536) <= f32 * 0.25 * 17 / 16);
}

/* ---- whole models -------------------------------------------------------------------------- */

static void open_run(struct run *r, const struct model_config *c, enum precision kind,
                     bool recompute, int threads)
{
    struct trainer_opts o = trainer_default();
    o.precision = kind;
    o.low_head = true;
    o.recompute = recompute;
    o.seed = 5;
    rig_open(r, c, MLA_EXPANDED, o, threads);
    /* A correction that keeps the choice of experts still: rounding would move near ties. */
    for (size_t i = 0; i < r->p->n; i++) {
        const struct param *a = &r->p->param[i];
        for (size_t k = 0; a->role == ROLE_ROUTER_BIAS && k < a->n; k++)
            a->w->data[k] = k < 3 ? 8 * (float)(3 - k) : 0.1f * (float)k;
    }
    params_changed(r->p);
}

static void add_batch(struct run *r)
{
    struct err e;
    rig_fill(r, r->t->step, 0, RIG_ROWS, 50);
    trainer_begin(r->t, RIG_ROWS, RIG_ROWS);
    must(trainer_add(r->t, &r->b, &e));
}

static void train(struct run *r, int n)
{
    for (int i = 0; i < n; i++) rig_step(r, 1, RIG_ROWS, 50);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb + 1e-300);
}

/* Every parameter's gradient points where that of f32 does. */
static void check_gradient(enum tiny which, enum precision kind, double least)
{
    struct model_config c = tiny_config(which);
    struct run f32, low, other, again;
    open_run(&f32, &c, PRECISION_F32, false, 1);
    open_run(&low, &c, kind, false, 1);
    open_run(&other, &c, kind, false, 3);
    open_run(&again, &c, kind, true, 2);
    add_batch(&f32);
    add_batch(&low);
    add_batch(&other);
    add_batch(&again);
    double worst = 1;
    for (size_t i = 0; i < f32.p->n; i++) {
        const struct param *a = &f32.p->param[i];
        if (!a->by_gradient || a->role == ROLE_ROUTER) continue;
        double x = cosine(f32.p->grad + a->at, low.p->grad + a->at, a->n);
        if (getenv("GRAD_SHOW")) printf("%s %s: %.5f\n", precision_name(kind), a->w->name, x);
        if (x < worst) worst = x;
        if (!(x >= least))
            fail_msg("%s, model %d: the gradient of %s has a cosine of %.4f with that of fp32",
                     precision_name(kind), which, a->w->name, x);
    }
    printf("%s, model %d: worst cosine of a gradient with that of fp32 %.5f\n",
           precision_name(kind), which, worst);
    assert_memory_equal(low.p->grad, other.p->grad, low.p->total * sizeof(float));
    /* Kept in few bits or run again: the same but for what was kept. */
    if (kind == PRECISION_INT8)
        assert_memory_equal(low.p->grad, again.p->grad, low.p->total * sizeof(float));
    assert_true(cosine(low.p->grad, again.p->grad, low.p->total) > 0.995);
    close_run(&f32);
    close_run(&low);
    close_run(&other);
    close_run(&again);
}

static void test_gradients(void **state)
{
    (void)state;
    static const enum tiny which[] = {TINY_QWEN2, TINY_MLA};
    for (size_t i = 0; i < countof(which); i++) {
        check_gradient(which[i], PRECISION_BF16, 0.999);
        check_gradient(which[i], PRECISION_INT8, 0.99);
        check_gradient(which[i], PRECISION_FP8, 0.95);
    }
}

/* Rounding at random: seeds differ, the same seed does not. */
static void test_seed(void **state)
{
    (void)state;
    struct model_config c = tiny_config(TINY_QWEN2);
    struct run a, b;
    open_run(&a, &c, PRECISION_INT8, false, 1);
    open_run(&b, &c, PRECISION_INT8, false, 2);
    add_batch(&a);
    add_batch(&b);
    assert_memory_equal(a.p->grad, b.p->grad, a.p->total * sizeof(float));
    params_zero_grad(b.p, b.pool);
    b.t->o.seed++;
    add_batch(&b);
    assert_memory_not_equal(a.p->grad, b.p->grad, a.p->total * sizeof(float));
    assert_true(cosine(a.p->grad, b.p->grad, a.p->total) > 0.99);
    close_run(&a);
    close_run(&b);
}

static void test_resume(void **state)
{
    (void)state;
    for (enum precision kind = PRECISION_BF16; kind <= PRECISION_INT8; kind++) {
        struct model_config c = tiny_config(TINY_MLA);
        struct err e;
        struct run whole, first, then;
        json_t *extra;
        char path[CKPT_PATH], dir[] = "/tmp/tarn-precision-XXXXXX";
        assert_non_null(mkdtemp(dir));
        open_run(&whole, &c, kind, false, 2);
        train(&whole, 5);
        open_run(&first, &c, kind, false, 1);
        train(&first, 2);
        must(ckpt_save(dir, first.t, json_object(), NULL, (struct span){"", 0}, path, &e));
        close_run(&first);
        open_run(&then, &c, kind, false, 3);
        must(ckpt_load(path, then.t, &extra, &e));
        json_decref(extra);
        train(&then, 3);
        assert_memory_equal(whole.p->data, then.p->data, whole.p->total * sizeof(float));
        close_run(&whole);
        close_run(&then);
        remove_all(dir);
    }
}

/* The arenas are used to at least nine tenths of the plan; few bits keep less. */
static void test_memory(void **state)
{
    (void)state;
    struct model_config c = tiny_config(TINY_LLAMA);
    size_t bytes[4];
    c.n_layer = 8;
    c.n_ff = 256;
    for (enum precision kind = PRECISION_F32; kind <= PRECISION_INT8; kind++) {
        struct run r;
        open_run(&r, &c, kind, false, 2);
        train(&r, 2);
        const struct pass *s = r.t->pass;
        size_t used = s->arena.peak + s->keep.peak + low_taken_bytes(&s->low);
        bytes[kind] = s->bytes;
        printf("%s: planned %zu bytes, used %zu, of it kept in few bits %zu\n",
               precision_name(kind), s->bytes, used, s->keep.peak);
        assert_true(used <= s->bytes && (double)used >= 0.9 * (double)s->bytes);
        close_run(&r);
    }
    assert_true(bytes[PRECISION_FP8] < bytes[PRECISION_BF16]);
    assert_true(bytes[PRECISION_BF16] < bytes[PRECISION_F32]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),  cmocka_unit_test(test_stored_bytes),
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_seed),
        cmocka_unit_test(test_resume),    cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
