/* elem_ref.c - the functions of kernel/elem.h in plain C: their definition. */
#include "kernel/elem.h"

#include <math.h>
#include <string.h>

#include "kernel/fmath.h"

enum { LANES = 16, Q8_LEN = 32, Q8_BYTES = 34 };

/* ---- sums ---------------------------------------------------------------------------------- */

static float tree(float lane[LANES])
{
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++) lane[j] = lane[j] + lane[j + half];
    return lane[0];
}

static float dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) lane[i % LANES] = fmaf(a[i], b[i], lane[i % LANES]);
    return tree(lane);
}

static float sum(const float *x, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) lane[i % LANES] = lane[i % LANES] + x[i];
    return tree(lane);
}

static float sumsq(const float *x, size_t n)
{
    return dot(x, x, n);
}

/* Lanes and tree as in a sum, so that even the sign of a zero is defined. */
static float max(const float *x, size_t n)
{
    float lane[LANES];
    for (size_t j = 0; j < LANES; j++) lane[j] = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i])) return x[i];
        if (x[i] > lane[i % LANES]) lane[i % LANES] = x[i];
    }
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] = lane[j] > lane[j + half] ? lane[j] : lane[j + half];
    return lane[0];
}

/* ---- element by element -------------------------------------------------------------------- */

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i];
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void scale(float *y, const float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] * a;
}

static void mul(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void exps(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fm_exp(x[i]);
}

static void sigmoid(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fm_sigmoid(x[i]);
}

static void swiglu(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fm_silu(g[i]) * u[i];
}

static void swiglu_back(float *dg, float *du, const float *dy, const float *g, const float *u,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float z = g[i], d = dy[i], up = u[i], s = fm_sigmoid(z);
        dg[i] = ((d * up) * s) * fmaf(z, 1.0f - s, 1.0f);
        du[i] = d * fm_silu(z);
    }
}

/* ---- rows ---------------------------------------------------------------------------------- */

static float rmsnorm(float *y, const float *x, const float *g, size_t n, float eps)
{
    float inv = 1.0f / sqrtf(sumsq(x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * inv;
        y[i] = g ? v * g[i] : v;
    }
    return inv;
}

static void rmsnorm_back(float *dx, float *dg, const float *dy, const float *x, const float *g,
                         float inv, size_t n, bool accumulate)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float h = x[i] * inv, w = g ? dy[i] * g[i] : dy[i];
        lane[i % LANES] = fmaf(w, h, lane[i % LANES]);
        if (dg) dg[i] = fmaf(dy[i], h, dg[i]);
    }
    float c = tree(lane) / (float)n;
    for (size_t i = 0; i < n; i++) {
        float h = x[i] * inv, w = g ? dy[i] * g[i] : dy[i];
        float v = inv * fmaf(-h, c, w);
        dx[i] = accumulate ? dx[i] + v : v;
    }
}

static void rope(float *x, const float *cos, const float *sin, size_t n_pair, bool interleaved)
{
    for (size_t k = 0; k < n_pair; k++) {
        float *pa = interleaved ? x + 2 * k : x + k;
        float *pb = interleaved ? pa + 1 : pa + n_pair;
        float a = *pa, b = *pb;
        *pa = fmaf(a, cos[k], -(b * sin[k]));
        *pb = fmaf(b, cos[k], a * sin[k]);
    }
}

/* y = exp(x - m), y may be NULL; returns the sum. */
static float exp_sum(float *y, const float *x, float m, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float e = fm_exp(x[i] - m);
        if (y) y[i] = e;
        lane[i % LANES] = lane[i % LANES] + e;
    }
    return tree(lane);
}

static float softmax(float *x, size_t n)
{
    float m = max(x, n), s = exp_sum(x, x, m, n);
    scale(x, x, 1.0f / s, n);
    return fm_log(s) + m;
}

static float logsumexp(const float *x, size_t n)
{
    float m = max(x, n);
    return fm_log(exp_sum(NULL, x, m, n)) + m;
}

static float cross_entropy(float *dx, const float *x, size_t n, size_t label, float weight,
                           float *lse)
{
    float m = max(x, n), at_label = x[label], s = exp_sum(dx, x, m, n);
    float total = fm_log(s) + m;
    if (lse) *lse = total;
    if (dx)
        for (size_t i = 0; i < n; i++) {
            float p = dx[i] * (1.0f / s);
            dx[i] = (i == label ? p - 1.0f : p) * weight;
        }
    return total - at_label;
}

/* ---- conversions --------------------------------------------------------------------------- */

static void q8_0_from(uint8_t *dst, const float *x)
{
    float top = 0.0f, nan = 0.0f;
    for (int i = 0; i < Q8_LEN; i++) {
        if (isnan(x[i])) nan = x[i];
        if (fabsf(x[i]) > top) top = fabsf(x[i]);
    }
    float d = isnan(nan) ? nan : top / 127.0f;
    float id = d > 0.0f ? 1.0f / d : 0.0f;
    f16 h = f16_from_f32(d);
    memcpy(dst, &h, 2);
    for (int i = 0; i < Q8_LEN; i++) {
        float v = x[i] * id;
        v = v > -127.0f ? v : -127.0f; /* -127 where v is NaN: 0 * inf */
        v = v < 127.0f ? v : 127.0f;
        dst[2 + i] = (uint8_t)f32_bits(v + FM_MAGIC); /* nearest even, low byte */
    }
}

static void from_f32(enum dtype dt, void *dst, const float *src, size_t n)
{
    uint16_t *h = dst;
    if (dt == DT_F32) memcpy(dst, src, n * sizeof *src);
    if (dt == DT_F16)
        for (size_t i = 0; i < n; i++) h[i] = f16_from_f32(src[i]);
    if (dt == DT_BF16)
        for (size_t i = 0; i < n; i++) h[i] = bf16_from_f32(src[i]);
    if (dt == DT_Q8_0)
        for (size_t b = 0; b < n / Q8_LEN; b++)
            q8_0_from((uint8_t *)dst + b * Q8_BYTES, src + b * Q8_LEN);
}

static void to_f32(enum dtype dt, float *dst, const void *src, size_t n)
{
    const uint16_t *h = src;
    const uint8_t *q = src;
    if (dt == DT_F32) memcpy(dst, src, n * sizeof *dst);
    if (dt == DT_F16)
        for (size_t i = 0; i < n; i++) dst[i] = f16_to_f32(h[i]);
    if (dt == DT_BF16)
        for (size_t i = 0; i < n; i++) dst[i] = bf16_to_f32(h[i]);
    if (dt == DT_Q8_0)
        for (size_t i = 0; i < n; i++) {
            const uint8_t *b = q + i / Q8_LEN * Q8_BYTES;
            f16 d;
            memcpy(&d, b, 2);
            dst[i] = (float)(int8_t)b[2 + i % Q8_LEN] * f16_to_f32(d);
        }
}

/* ---- optimizer ----------------------------------------------------------------------------- */

static float moment_get(const void *p, size_t i, bool half)
{
    return half ? bf16_to_f32(((const bf16 *)p)[i]) : ((const float *)p)[i];
}

static void moment_put(void *p, size_t i, float x, bool half)
{
    if (half)
        ((bf16 *)p)[i] = bf16_from_f32(x);
    else
        ((float *)p)[i] = x;
}

static void adamw(float *param, const float *grad, void *m, void *v, size_t n,
                  const struct elem_adamw *h)
{
    bool half = h->moment_dt == DT_BF16;
    float decay = h->lr * h->decay;
    for (size_t i = 0; i < n; i++) {
        float g = h->grad_scale * grad[i];
        float m1 = fmaf(h->beta1, moment_get(m, i, half), (1.0f - h->beta1) * g);
        float v1 = fmaf(h->beta2, moment_get(v, i, half), (1.0f - h->beta2) * (g * g));
        float p = fmaf(-decay, param[i], param[i]);
        float root = sqrtf(v1 * h->inv_bias2) + h->eps;
        param[i] = fmaf(-h->lr, (m1 * h->inv_bias1) / root, p);
        moment_put(m, i, m1, half);
        moment_put(v, i, v1, half);
    }
}

void elem_init_ref(struct elem_kernels *k)
{
    *k = (struct elem_kernels){
        .dot = dot,
        .sum = sum,
        .sumsq = sumsq,
        .max = max,
        .add = add,
        .axpy = axpy,
        .scale = scale,
        .mul = mul,
        .exp = exps,
        .sigmoid = sigmoid,
        .swiglu = swiglu,
        .swiglu_back = swiglu_back,
        .rmsnorm = rmsnorm,
        .rmsnorm_back = rmsnorm_back,
        .rope = rope,
        .softmax = softmax,
        .logsumexp = logsumexp,
        .cross_entropy = cross_entropy,
        .from_f32 = from_f32,
        .to_f32 = to_f32,
        .adamw = adamw,
    };
}
