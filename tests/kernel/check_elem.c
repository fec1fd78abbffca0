/* check_elem.c - kernel/elem.h: every level equals ref bit for bit, and ref is near the truth. */
#include "check.h"

#include "kernel/fmath.h"

/* 0..67 and some real ones. */
static const size_t long_lengths[] = {96, 128, 255, 576, 1536};

#define for_lengths(n)                                            \
    for (size_t at_ = 0, n = 0; at_ < 68 + countof(long_lengths); \
         at_++, n = at_ < 68 ? at_ : long_lengths[(at_ - 68) % countof(long_lengths)])

#define for_levels(k)                            \
    for (int i_ = 0; i_ < check_n_level(); i_++) \
        for (const struct kernels *k = check_level(i_); k; k = NULL)

/* Arrays in both places and with all kinds of numbers. */
#define for_places(place, fill)                                                          \
    for (int c_ = 0; c_ < 6; c_++)                                                       \
        for (enum check_place place = (enum check_place)(c_ % 3); place < 9; place = 9)  \
            for (enum check_fill fill = c_ < 3 ? CHECK_EXTREME : CHECK_NORMAL; fill < 9; \
                 fill = 9)

static float *copy(const float *x, size_t n, enum check_place place)
{
    float *y = check_alloc(n * sizeof *y, place);
    if (n) memcpy(y, x, n * sizeof *y);
    return y;
}

/* ---- sums ---- */

static void sums(void)
{
    for_lengths(n) for_places(place, fill)
    {
        float *x = check_f32(n, place, fill), *y = check_f32(n, place, fill);
        const struct elem_kernels *ref = &check_ref()->elem;
        float want[4] = {ref->dot(x, y, n), ref->sum(x, n), ref->sumsq(x, n), ref->max(x, n)};
        for_levels(k)
        {
            float got[4] = {k->elem.dot(x, y, n), k->elem.sum(x, n), k->elem.sumsq(x, n),
                            k->elem.max(x, n)};
            check_same(want, got, 4, "dot sum sumsq max: %s n=%zu", cpu_level_name(k->level),
                       n);
        }
        check_free(0);
    }
}

static void sums_are_sums(void)
{
    enum { N = 5000 };
    float *x = check_f32(N, CHECK_TAIL, CHECK_NORMAL),
          *y = check_f32(N, CHECK_TAIL, CHECK_NORMAL);
    double dot = 0, sum = 0, sumsq = 0, max = -HUGE_VAL, size = 0;
    for (int i = 0; i < N; i++) {
        dot += (double)x[i] * (double)y[i];
        sum += (double)x[i];
        sumsq += (double)x[i] * (double)x[i];
        max = fmax(max, (double)x[i]);
        size += fabs((double)x[i]);
    }
    const struct elem_kernels *k = &check_ref()->elem;
    check_true(fabs((double)k->dot(x, y, N) - dot) < 1e-6 * size);
    check_true(fabs((double)k->sum(x, N) - sum) < 1e-6 * size);
    check_true(fabs((double)k->sumsq(x, N) - sumsq) < 1e-6 * sumsq);
    check_true((double)k->max(x, N) == max);
    x[1234] = NAN;
    check_true(isnan(k->max(x, N)));
    check_true(k->max(x, 0) == -INFINITY && k->sum(x, 0) == 0.0f);
}

/* ---- element by element ---- */

static void apply(const struct elem_kernels *k, int what, float *y, const float *a,
                  const float *b, size_t n)
{
    switch (what) {
    case 0: k->add(y, a, n); break;
    case 1: k->axpy(y, 0.37f, a, n); break;
    case 2: k->scale(y, a, -1.7f, n); break;
    case 3: k->mul(y, a, b, n); break;
    case 4: k->exp(y, a, n); break;
    case 5: k->sigmoid(y, a, n); break;
    case 6: k->swiglu(y, a, b, n); break;
    default: break;
    }
}

static void elements(void)
{
    static const char *const names[] = {"add", "axpy",    "scale", "mul",
                                        "exp", "sigmoid", "swiglu"};
    for_lengths(n) for_places(place, fill) for (int what = 0; what < 7; what++)
    {
        float *a = check_f32(n, place, fill), *b = check_f32(n, place, fill);
        float *y = check_f32(n, place, fill), *want = copy(y, n, place);
        apply(&check_ref()->elem, what, want, a, b, n);
        for_levels(k)
        {
            float *got = copy(y, n, place), *in_place = copy(a, n, place);
            apply(&k->elem, what, got, a, b, n);
            check_same(want, got, n, "%s: %s n=%zu", names[what], cpu_level_name(k->level), n);
            if (what < 2) continue; /* y is an input of its own there */
            apply(&k->elem, what, in_place, in_place, b, n);
            check_same(want, in_place, n, "%s in place: %s n=%zu", names[what],
                       cpu_level_name(k->level), n);
        }
        check_free(0);
    }
}

/* Distance to the true value in units of the last place of its float. */
static double ulps(float got, double want)
{
    float near = (float)want;
    if (got == near)
        return fabs((double)got - want) /
               (double)(nextafterf(fabsf(near), INFINITY) - fabsf(near));
    float a = fabsf(near), ulp = nextafterf(a, INFINITY) - a;
    return fabs((double)got - want) / (double)ulp;
}

/* A stride through all floats, with the ends: what is neither flushed nor infinite is within one
 * unit, and all levels agree. */
static void exp_everywhere(void)
{
    enum { N = 4096, STEP = 977 };
    float *x = check_alloc(N * sizeof *x, CHECK_TAIL),
          *y = check_alloc(N * sizeof *y, CHECK_TAIL);
    double worst = 0, worst_s = 0, worst_l = 0;
    int bad = 0;
    for (uint64_t u = 0; u < 0x100000000u && bad < 5;) {
        size_t n = 0;
        for (; n < N && u < 0x100000000u; n++, u += STEP) x[n] = f32_from_bits((uint32_t)u);
        for_levels(k)
        {
            k->elem.exp(y, x, n);
            for (size_t i = 0; i < n; i++) {
                float want = fm_exp(x[i]);
                if (f32_bits(y[i]) != f32_bits(want) && !(isnan(y[i]) && isnan(want))) bad++;
            }
        }
        for (size_t i = 0; i < n; i++) {
            float v = x[i], e = fm_exp(v), s = fm_sigmoid(v);
            double t = exp((double)v), ts = 1 / (1 + exp(-(double)v));
            if (isnan(v))
                bad += !isnan(e) || !isnan(s);
            else if (t > (double)3.40282347e38f)
                bad += e != INFINITY;
            else if (t < 0x1p-126)
                bad += e != 0.0f;
            else
                worst = fmax(worst, ulps(e, t));
            if (!isnan(v) && v > -87) worst_s = fmax(worst_s, ulps(s, ts));
            if (v > 0 && v < INFINITY) worst_l = fmax(worst_l, ulps(fm_log(v), log((double)v)));
        }
    }
    printf("    exp within %.3f ulp, sigmoid %.3f, log %.3f\n", worst, worst_s, worst_l);
    check_true(bad == 0);
    check_true(worst < 1.0 && worst_s < 2.5 && worst_l < 0.51);
    check_true(fm_exp(-INFINITY) == 0 && fm_exp(INFINITY) == INFINITY && fm_exp(0) == 1);
    check_true(fm_exp(-0.0f) == 1 && fm_log(1) == 0 && fm_log(0) == -INFINITY);
    check_true(isnan(fm_log(-1)) && isnan(fm_log(NAN)) && fm_log(INFINITY) == INFINITY);
}

/* ---- rows ---- */

static void norms(void)
{
    for_lengths(n) for_places(place, fill) for (int gain = 0; n && gain < 2; gain++)
    {
        float *x = check_f32(n, place, fill), *dy = check_f32(n, place, CHECK_NORMAL);
        float *g = gain ? check_f32(n, place, CHECK_NORMAL) : NULL;
        float *want = check_alloc(n * 4, place), *dx = check_f32(n, place, CHECK_NORMAL);
        float *dg = check_f32(n, place, CHECK_NORMAL);
        float inv = check_ref()->elem.rmsnorm(want, x, g, n, 1e-6f);
        for (int add = 0; add < 2; add++) {
            float *want_dx = copy(dx, n, place), *want_dg = copy(dg, n, place);
            check_ref()->elem.rmsnorm_back(want_dx, gain ? want_dg : NULL, dy, x, g, 0.8f, n,
                                           add);
            for_levels(k)
            {
                const char *level = cpu_level_name(k->level);
                float *got = copy(x, n, place), *got_dx = copy(dx, n, place);
                float *got_dg = copy(dg, n, place);
                float got_inv = k->elem.rmsnorm(got, got, g, n, 1e-6f);
                check_same(want, got, n, "rmsnorm: %s n=%zu", level, n);
                check_same(&inv, &got_inv, 1, "rmsnorm's inv: %s n=%zu", level, n);
                k->elem.rmsnorm_back(got_dx, gain ? got_dg : NULL, dy, x, g, 0.8f, n, add);
                check_same(want_dx, got_dx, n, "rmsnorm_back dx: %s n=%zu", level, n);
                check_same(want_dg, got_dg, n, "rmsnorm_back dg: %s n=%zu", level, n);
            }
        }
        check_free(0);
    }
}

static void ropes(void)
{
    for_lengths(n) for_places(place, fill) for (int inter = 0; inter < 2; inter++)
    {
        float *x = check_f32(2 * n, place, fill), *c = check_f32(n, place, CHECK_NORMAL);
        float *s = check_f32(n, place, CHECK_NORMAL), *want = copy(x, 2 * n, place);
        check_ref()->elem.rope(want, c, s, n, inter);
        for_levels(k)
        {
            float *got = copy(x, 2 * n, place);
            k->elem.rope(got, c, s, n, inter);
            check_same(want, got, 2 * n, "rope %d: %s n=%zu", inter, cpu_level_name(k->level),
                       n);
        }
        check_free(0);
    }
}

/* Rotating back gives the row again; lengths of pairs stay. */
static void rope_turns(void)
{
    enum { N = 32 };
    const struct elem_kernels *k = &kernels()->elem;
    for (int inter = 0; inter < 2; inter++) {
        float *x = check_f32(2 * N, CHECK_TAIL, CHECK_NORMAL), *y = copy(x, 2 * N, CHECK_TAIL);
        float c[N], s[N], back[N];
        for (int i = 0; i < N; i++) {
            c[i] = cosf(0.1f * (float)i + 1);
            s[i] = sinf(0.1f * (float)i + 1);
            back[i] = -s[i];
        }
        k->rope(y, c, s, N, inter);
        for (int i = 0; i < N; i++) {
            int a = inter ? 2 * i : i, b = inter ? 2 * i + 1 : i + N;
            float want =
                (float)((double)x[a] * cos(0.1 * i + 1) - (double)x[b] * sin(0.1 * i + 1));
            check_true(fabsf(y[a] - want) < 1e-5f);
        }
        k->rope(y, c, back, N, inter);
        for (int i = 0; i < 2 * N; i++) check_true(fabsf(y[i] - x[i]) < 1e-5f);
    }
}

static void softmaxes(void)
{
    for_lengths(n) for_places(place, fill)
    {
        if (n == 0) continue;
        size_t label = n / 2;
        float *x = check_f32(n, place, fill), *want = copy(x, n, place);
        float *want_dx = check_alloc(n * 4, place), lse[2], loss[2];
        float total = check_ref()->elem.softmax(want, n);
        loss[0] = check_ref()->elem.cross_entropy(want_dx, x, n, label, 0.3f, &lse[0]);
        check_same(&total, &lse[0], 1, "lse of softmax and cross_entropy n=%zu", n);
        for_levels(k)
        {
            const char *level = cpu_level_name(k->level);
            float *got = copy(x, n, place), *dx = copy(x, n, place);
            float t1 = k->elem.softmax(got, n), t2 = k->elem.logsumexp(x, n);
            check_same(want, got, n, "softmax: %s n=%zu", level, n);
            check_same(&total, &t1, 1, "softmax's lse: %s n=%zu", level, n);
            check_same(&total, &t2, 1, "logsumexp: %s n=%zu", level, n);
            loss[1] = k->elem.cross_entropy(NULL, x, n, label, 0.3f, NULL);
            check_same(&loss[0], &loss[1], 1, "loss alone: %s n=%zu", level, n);
            loss[1] = k->elem.cross_entropy(dx, dx, n, label, 0.3f, &lse[1]);
            check_same(want_dx, dx, n, "cross_entropy: %s n=%zu", level, n);
            check_same(&loss[0], &loss[1], 1, "loss: %s n=%zu", level, n);
            check_same(&lse[0], &lse[1], 1, "loss's lse: %s n=%zu", level, n);
        }
        check_free(0);
    }
}

static void swiglu_backs(void)
{
    for_lengths(n) for_places(place, fill)
    {
        float *g = check_f32(n, place, fill), *u = check_f32(n, place, CHECK_NORMAL);
        float *dy = check_f32(n, place, CHECK_NORMAL);
        float *dg = check_alloc(n * 4, place), *du = check_alloc(n * 4, place);
        check_ref()->elem.swiglu_back(dg, du, dy, g, u, n);
        for_levels(k)
        {
            float *g2 = copy(g, n, place), *u2 = copy(u, n, place);
            k->elem.swiglu_back(g2, u2, dy, g2, u2, n);
            check_same(dg, g2, n, "swiglu_back dg: %s n=%zu", cpu_level_name(k->level), n);
            check_same(du, u2, n, "swiglu_back du: %s n=%zu", cpu_level_name(k->level), n);
        }
        check_free(0);
    }
}

/* ---- backward passes are gradients --------------------------------------------------------- */

enum { GRAD_N = 21 };

static double of_rmsnorm(const double *x, const double *g, const float *dy)
{
    double sum = 0, loss = 0;
    for (int i = 0; i < GRAD_N; i++) sum += x[i] * x[i];
    for (int i = 0; i < GRAD_N; i++)
        loss += (double)dy[i] * x[i] * g[i] / sqrt(sum / GRAD_N + 1e-5);
    return loss;
}

static double of_swiglu(const double *g, const double *u, const float *dy)
{
    double loss = 0;
    for (int i = 0; i < GRAD_N; i++) loss += (double)dy[i] * g[i] / (1 + exp(-g[i])) * u[i];
    return loss;
}

/* 0.7 times the loss of label 4; the second argument takes no part. */
static double of_cross_entropy(const double *x, const double *none, const float *dy)
{
    double sum = 0;
    (void)none;
    (void)dy;
    for (int i = 0; i < GRAD_N; i++) sum += exp(x[i]);
    return 0.7 * (log(sum) - x[4]);
}

static void differences(const char *name,
                        double (*loss)(const double *, const double *, const float *),
                        const float *a, const float *b, const float *dy, const float *da,
                        const float *db)
{
    double x[2][GRAD_N], h = 1e-5;
    for (int i = 0; i < GRAD_N; i++) {
        x[0][i] = (double)a[i];
        x[1][i] = (double)b[i];
    }
    for (int which = 0; which < 2; which++) {
        const float *got = which ? db : da;
        for (int i = 0; got && i < GRAD_N; i++) {
            double at = x[which][i];
            x[which][i] = at + h;
            double up = loss(x[0], x[1], dy);
            x[which][i] = at - h;
            double want = (up - loss(x[0], x[1], dy)) / (2 * h);
            x[which][i] = at;
            if (fabs((double)got[i] - want) > 1e-6 * fmax(1, fabs(want)))
                check_fail("%s: gradient %d[%d] is %g, differences say %g", name, which, i,
                           (double)got[i], want);
        }
    }
}

static void gradients(void)
{
    const struct elem_kernels *k = &kernels()->elem;
    float x[GRAD_N], g[GRAD_N], dy[GRAD_N], dx[GRAD_N], dg[GRAD_N] = {0}, y[GRAD_N];
    check_fill(x, GRAD_N, CHECK_NORMAL);
    check_fill(g, GRAD_N, CHECK_NORMAL);
    check_fill(dy, GRAD_N, CHECK_NORMAL);
    float inv = k->rmsnorm(y, x, g, GRAD_N, 1e-5f);
    k->rmsnorm_back(dx, dg, dy, x, g, inv, GRAD_N, false);
    differences("rmsnorm", of_rmsnorm, x, g, dy, dx, dg);
    k->swiglu_back(dx, dg, dy, x, g, GRAD_N);
    differences("swiglu", of_swiglu, x, g, dy, dx, dg);
    float lse, loss = k->cross_entropy(dx, x, GRAD_N, 4, 0.7f, &lse);
    differences("cross_entropy", of_cross_entropy, x, g, dy, dx, NULL);
    check_true(loss == lse - x[4] && lse == k->logsumexp(x, GRAD_N));
}

/* ---- conversions ---- */

static void conversions(void)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_Q8_0};
    for_lengths(n) for_places(place, fill) for (size_t t = 0; t < countof(types); t++)
    {
        enum dtype dt = types[t];
        size_t bytes;
        if (dt == DT_Q8_0 && n % 32) continue;
        if (dtype_row_bytes(dt, n, &bytes)) check_fail("no row of %zu", n);
        float *x = check_f32(n, place, fill);
        void *packed = check_alloc(bytes, place), *other = check_alloc(bytes, place);
        float *want = check_alloc(n * 4, place), *got = check_alloc(n * 4, place);
        check_ref()->elem.from_f32(dt, packed, x, n);
        check_ref()->elem.to_f32(dt, want, packed, n);
        if (n) dtype_row_to_f32(dt, packed, got, n);
        check_same(want, got, n, "dtype_row_to_f32 %s n=%zu", dtype_name(dt), n);
        for_levels(k)
        {
            const char *level = cpu_level_name(k->level);
            k->elem.to_f32(dt, got, packed, n);
            check_same(want, got, n, "to_f32 %s: %s n=%zu", dtype_name(dt), level, n);
            k->elem.from_f32(dt, other, x, n);
            k->elem.to_f32(dt, got, other, n); /* the payload of a NaN may differ */
            check_same(want, got, n, "from_f32 %s: %s n=%zu", dtype_name(dt), level, n);
        }
        check_free(0);
    }
}

static void q8_is_near(void)
{
    float x[32], y[32];
    uint8_t block[34];
    check_fill(x, 32, CHECK_NORMAL);
    float top = 0;
    for (int i = 0; i < 32; i++) top = fmaxf(top, fabsf(x[i]));
    kernels()->elem.from_f32(DT_Q8_0, block, x, 32);
    kernels()->elem.to_f32(DT_Q8_0, y, block, 32);
    for (int i = 0; i < 32; i++) check_true(fabsf(x[i] - y[i]) < top * (0.5f / 127 + 0x1p-11f));
    x[3] = NAN;
    kernels()->elem.from_f32(DT_Q8_0, block, x, 32);
    kernels()->elem.to_f32(DT_Q8_0, y, block, 32);
    check_true(isnan(y[3]) && isnan(y[4]));
}

/* ---- optimizer ---- */

static void adamws(void)
{
    for_lengths(n) for_places(place, fill) for (int half = 0; half < 2; half++)
    {
        struct elem_adamw h = {.lr = 3e-3f,
                               .beta1 = 0.9f,
                               .beta2 = 0.95f,
                               .eps = 1e-8f,
                               .decay = 0.1f,
                               .inv_bias1 = 2.5f,
                               .inv_bias2 = 4.1f,
                               .grad_scale = 0.7f,
                               .moment_dt = half ? DT_BF16 : DT_F32};
        size_t bytes = n * (half ? 2 : 4);
        float *p = check_f32(n, place, CHECK_NORMAL), *g = check_f32(n, place, fill);
        unsigned char *m = check_alloc(bytes, place), *v = check_alloc(bytes, place);
        float *start = check_f32(n, place, CHECK_NORMAL);
        check_ref()->elem.from_f32(h.moment_dt, m, start, n);
        check_ref()->elem.mul(start, start, start, n);
        check_ref()->elem.from_f32(h.moment_dt, v, start, n);
        float *p1 = copy(p, n, place), *as_f32 = check_alloc(n * 4, place);
        unsigned char *m1 = check_alloc(bytes, place), *v1 = check_alloc(bytes, place);
        if (n) memcpy(m1, m, bytes), memcpy(v1, v, bytes);
        check_ref()->elem.adamw(p1, g, m1, v1, n, &h);
        for_levels(k)
        {
            const char *level = cpu_level_name(k->level);
            float *p2 = copy(p, n, place), *want = check_alloc(n * 4, place);
            unsigned char *m2 = check_alloc(bytes, place), *v2 = check_alloc(bytes, place);
            if (n) memcpy(m2, m, bytes), memcpy(v2, v, bytes);
            k->elem.adamw(p2, g, m2, v2, n, &h);
            check_same(p1, p2, n, "adamw p: %s n=%zu half=%d", level, n, half);
            k->elem.to_f32(h.moment_dt, want, m1, n);
            k->elem.to_f32(h.moment_dt, as_f32, m2, n);
            check_same(want, as_f32, n, "adamw m: %s n=%zu half=%d", level, n, half);
            k->elem.to_f32(h.moment_dt, want, v1, n);
            k->elem.to_f32(h.moment_dt, as_f32, v2, n);
            check_same(want, as_f32, n, "adamw v: %s n=%zu half=%d", level, n, half);
        }
        check_free(0);
    }
}

/* Three steps in double give the same parameters. */
static void adamw_is_adamw(void)
{
    enum { N = 20 };
    float p[N], g[N], m[N] = {0}, v[N] = {0};
    double dp[N], dm[N] = {0}, dv[N] = {0};
    check_fill(p, N, CHECK_NORMAL);
    for (int i = 0; i < N; i++) dp[i] = (double)p[i];
    for (int t = 1; t <= 3; t++) {
        check_fill(g, N, CHECK_NORMAL);
        struct elem_adamw h = {.lr = 1e-2f,
                               .beta1 = 0.9f,
                               .beta2 = 0.99f,
                               .eps = 1e-8f,
                               .decay = 0.1f,
                               .inv_bias1 = (float)(1 / (1 - pow(0.9, t))),
                               .inv_bias2 = (float)(1 / (1 - pow(0.99, t))),
                               .grad_scale = 0.5f,
                               .moment_dt = DT_F32};
        kernels()->elem.adamw(p, g, m, v, N, &h);
        for (int i = 0; i < N; i++) {
            double d = 0.5 * (double)g[i];
            dm[i] = 0.9 * dm[i] + 0.1 * d;
            dv[i] = 0.99 * dv[i] + 0.01 * d * d;
            double mh = dm[i] / (1 - pow(0.9, t)), vh = dv[i] / (1 - pow(0.99, t));
            dp[i] -= 1e-2 * (mh / (sqrt(vh) + 1e-8) + 0.1 * dp[i]);
        }
    }
    for (int i = 0; i < N; i++) check_true(fabs((double)p[i] - dp[i]) < 1e-6);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"sums", sums},
        {"sums_are_sums", sums_are_sums},
        {"elements", elements},
        {"exp_everywhere", exp_everywhere},
        {"norms", norms},
        {"ropes", ropes},
        {"rope_turns", rope_turns},
        {"softmaxes", softmaxes},
        {"swiglu_backs", swiglu_backs},
        {"gradients", gradients},
        {"conversions", conversions},
        {"q8_is_near", q8_is_near},
        {"adamws", adamws},
        {"adamw_is_adamw", adamw_is_adamw},
    };
    return check_main("elem", cases, countof(cases));
}
