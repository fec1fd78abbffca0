/* block_fit.c - the searches of block_fit.h in four lanes.
 *
 * Vectors are the compilers' own (attr.h: vector_of), so one text serves SSE, NEON and
 * whatever follows. Conditions are masks; both sides of a selection are computed, and lanes
 * whose result is not wanted may hold infinities or NaN on the way. Clamping comes before
 * rounding: the bounds are integers, so the result is the same and the rounding trick never
 * leaves its range.
 */
#include "tensor/block_fit.h"

#include <string.h>

#include "base/attr.h"
#include "tensor/block.h"

enum { LANES = 4 };

typedef float f32x4 vector_of(16);
typedef int32_t i32x4 vector_of(16);

/* Largest magnitude that counts as zero. */
#define TINY 1e-15f

static inline f32x4 all(float v)
{
    return (f32x4){v, v, v, v};
}

static inline f32x4 pick(i32x4 m, f32x4 a, f32x4 b)
{
    return (f32x4)((m & (i32x4)a) | (~m & (i32x4)b));
}

static inline f32x4 magnitude(f32x4 v)
{
    return (f32x4)((i32x4)v & 0x7fffffff);
}

static inline bool any(i32x4 m)
{
    return (m[0] | m[1] | m[2] | m[3]) != 0;
}

/* Nearest integers, halves to even, in [lo, hi]; NaN gives lo. */
static inline f32x4 nearest(f32x4 v, f32x4 lo, f32x4 hi)
{
    v = pick(v > lo, v, lo);
    v = pick(v < hi, v, hi);
    return v + 0x1.8p23f - 0x1.8p23f;
}

/* Element i of up to four sub-blocks into lanes; missing lanes are zero. */
static void load_lanes(f32x4 *out, const float *x, size_t n_lane, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        f32x4 v = all(0);
        for (size_t l = 0; l < n_lane; l++) v[l] = x[l * n + i];
        out[i] = v;
    }
}

static void store_codes(uint8_t *codes, const f32x4 *v, size_t n_lane, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < n_lane; l++) codes[l * n + i] = (uint8_t)v[i][l];
    }
}

static void store_lanes(float *out, f32x4 v, size_t n_lane)
{
    for (size_t l = 0; l < n_lane; l++) out[l] = v[l];
}

static size_t lanes_left(size_t n_sub, size_t done)
{
    return n_sub - done < LANES ? n_sub - done : LANES;
}

/* ---- affine ------------------------------------------------------------------------------- */

struct affine {
    f32x4 scale, min, code[FIT_MAX];
};

/* The weighted error of scale * code + min against x. */
static inline f32x4 affine_error(const f32x4 *x, const f32x4 *w, const f32x4 *code, size_t n,
                                 f32x4 scale, f32x4 min, bool absolute)
{
    f32x4 sum = all(0);
    for (size_t i = 0; i < n; i++) {
        f32x4 diff = scale * code[i] + min - x[i];
        sum += w[i] * (absolute ? magnitude(diff) : diff * diff);
    }
    return sum;
}

/* Called with constants for `absolute`, so that each call becomes its own loop. */
static inline void affine4(const struct fit_affine *p, const f32x4 *x, const f32x4 *w, size_t n,
                           struct affine *a, bool absolute)
{
    const f32x4 zero = all(0), top = all(p->top);
    f32x4 min = x[0], max = x[0], sum_w = w[0], sum_x = w[0] * x[0];
    for (size_t i = 1; i < n; i++) {
        min = pick(x[i] < min, x[i], min);
        max = pick(x[i] > max, x[i], max);
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    min = pick(min > zero, zero, min);
    i32x4 live = max > min;
    f32x4 inverse = top / (max - min), scale = 1.0f / inverse;
    for (size_t i = 0; i < n; i++) a->code[i] = nearest(inverse * (x[i] - min), zero, top);
    f32x4 best = affine_error(x, w, a->code, n, scale, min, absolute);

    for (int t = 0; t <= p->n_try; t++) {
        f32x4 code[FIT_MAX], sum_l = zero, sum_l2 = zero, sum_xl = zero;
        inverse = (p->from + p->step * (float)t + p->top) / (max - min);
        for (size_t i = 0; i < n; i++) {
            f32x4 l = nearest(inverse * (x[i] - min), zero, top), wl = w[i] * l;
            code[i] = l;
            sum_l += wl;
            sum_l2 += wl * l;
            sum_xl += wl * x[i];
        }
        f32x4 det = sum_w * sum_l2 - sum_l * sum_l;
        f32x4 new_scale = (sum_w * sum_xl - sum_x * sum_l) / det;
        f32x4 new_min = (sum_l2 * sum_x - sum_l * sum_xl) / det;
        i32x4 above = new_min > zero; /* minima are stored without sign: at most zero */
        new_scale = pick(above, sum_xl / sum_l2, new_scale);
        new_min = pick(above, zero, new_min);
        f32x4 error = affine_error(x, w, code, n, new_scale, new_min, absolute);
        i32x4 better = live & (det > zero) & (error < best);
        if (!any(better)) continue;
        for (size_t i = 0; i < n; i++) a->code[i] = pick(better, code[i], a->code[i]);
        best = pick(better, error, best);
        scale = pick(better, new_scale, scale);
        min = pick(better, new_min, min);
    }
    for (size_t i = 0; i < n; i++) a->code[i] = pick(live, a->code[i], zero);
    a->scale = pick(live, scale, zero);
    a->min = -min;
}

void fit_affine(const struct fit_affine *p, const float *x, const float *w, size_t n_sub,
                size_t n, float *scale, float *min, uint8_t *codes)
{
    if (n == 0) return;
    for (size_t s = 0; s < n_sub; s += LANES) {
        f32x4 xs[FIT_MAX], ws[FIT_MAX];
        struct affine a;
        size_t lanes = lanes_left(n_sub, s);
        load_lanes(xs, x + s * n, lanes, n);
        load_lanes(ws, w + s * n, lanes, n);
        if (p->absolute)
            affine4(p, xs, ws, n, &a, true);
        else
            affine4(p, xs, ws, n, &a, false);
        store_lanes(scale + s, a.scale, lanes);
        store_lanes(min + s, a.min, lanes);
        store_codes(codes + s * n, a.code, lanes, n);
    }
}

/* ---- signed ------------------------------------------------------------------------------- */

/* The element of largest magnitude, with its sign; the first one where several are equal. */
static inline f32x4 extreme(const f32x4 *x, size_t n)
{
    f32x4 max = all(0);
    for (size_t i = 0; i < n; i++) max = pick(magnitude(x[i]) > magnitude(max), x[i], max);
    return max;
}

/* Sums of the least-squares scale, sum(w x q) / sum(w q q), for codes rounded by `inverse`. */
static inline void signed_sums(const f32x4 *x, const f32x4 *w, size_t n, f32x4 inverse,
                               f32x4 lo, f32x4 hi, f32x4 *sum_xl, f32x4 *sum_l2)
{
    f32x4 xl = all(0), l2 = all(0);
    for (size_t i = 0; i < n; i++) {
        f32x4 l = nearest(inverse * x[i], lo, hi);
        xl += w[i] * x[i] * l;
        l2 += w[i] * l * l;
    }
    *sum_xl = xl;
    *sum_l2 = l2;
}

void fit_signed(int top, const float *x, const float *w, size_t n_sub, size_t n, float *scale,
                uint8_t *codes)
{
    const f32x4 zero = all(0), lo = all((float)-top), hi = all((float)(top - 1));
    for (size_t s = 0; s < n_sub; s += LANES) {
        f32x4 xs[FIT_MAX], ws[FIT_MAX], sum_xl, sum_l2;
        size_t lanes = lanes_left(n_sub, s);
        load_lanes(xs, x + s * n, lanes, n);
        load_lanes(ws, w + s * n, lanes, n);
        f32x4 max = extreme(xs, n), inverse = lo / max;
        i32x4 live = magnitude(max) >= all(TINY);
        signed_sums(xs, ws, n, inverse, lo, hi, &sum_xl, &sum_l2);
        f32x4 fit = pick(sum_l2 != zero, sum_xl / sum_l2, zero), best = fit * sum_xl;
        for (int t = -9; t <= 9; t++) {
            if (t == 0) continue;
            f32x4 inv = -((float)top + 0.1f * (float)t) / max;
            signed_sums(xs, ws, n, inv, lo, hi, &sum_xl, &sum_l2);
            i32x4 better = (sum_l2 > zero) & (sum_xl * sum_xl > best * sum_l2);
            fit = pick(better, sum_xl / sum_l2, fit);
            best = pick(better, fit * sum_xl, best);
            inverse = pick(better, inv, inverse);
        }
        for (size_t i = 0; i < n; i++)
            ws[i] = pick(live, nearest(inverse * xs[i], lo, hi) - lo, zero);
        store_lanes(scale + s, pick(live, fit, zero), lanes);
        store_codes(codes + s * n, ws, lanes, n);
    }
}

void fit_descent(int top, const float *x, size_t n_sub, float *scale, uint8_t *codes)
{
    enum { N = 16, ROUNDS = 5 };
    const f32x4 zero = all(0), lo = all((float)-top), hi = all((float)(top - 1));
    for (size_t s = 0; s < n_sub; s += LANES) {
        f32x4 xs[N], ws[N], code[N], sum_xl = zero, sum_l2 = zero;
        size_t lanes = lanes_left(n_sub, s);
        load_lanes(xs, x + s * N, lanes, N);
        f32x4 max = extreme(xs, N), inverse = lo / max;
        i32x4 live = magnitude(max) >= all(TINY);
        for (size_t i = 0; i < N; i++) {
            f32x4 l = nearest(inverse * xs[i], lo, hi);
            ws[i] = xs[i] * xs[i];
            code[i] = l;
            sum_xl += ws[i] * xs[i] * l;
            sum_l2 += ws[i] * l * l;
        }
        for (int round = 0; round < ROUNDS; round++) {
            i32x4 changed = {0};
            for (size_t i = 0; i < N;
                 i++) { /* the best code for i with the others as they are */
                f32x4 wx = ws[i] * xs[i];
                f32x4 xl = sum_xl - wx * code[i];
                f32x4 l2 = sum_l2 - ws[i] * code[i] * code[i];
                f32x4 l = nearest(xs[i] * l2 / xl, lo, hi);
                i32x4 better = (xl > zero) & (l != code[i]);
                xl += wx * l;
                l2 += ws[i] * l * l;
                better &= (l2 > zero) & (xl * xl * sum_l2 > sum_xl * sum_xl * l2);
                code[i] = pick(better, l, code[i]);
                sum_xl = pick(better, xl, sum_xl);
                sum_l2 = pick(better, l2, sum_l2);
                changed |= better;
            }
            if (!any(changed & live)) break;
        }
        for (size_t i = 0; i < N; i++) code[i] = pick(live, code[i] - lo, zero);
        store_lanes(scale + s, pick(live & (sum_l2 > zero), sum_xl / sum_l2, zero), lanes);
        store_codes(codes + s * N, code, lanes, N);
    }
}

/* ---- IQ4 ---------------------------------------------------------------------------------- */

/* Values ascend, so the nearest one is found by counting the midpoints that v has reached. */
static inline float iq4_mid(int k)
{
    return 0.5f * (float)(block_iq4_value[k - 1] + block_iq4_value[k]);
}

struct iq4_table {
    f32x4 first, mid[15], step[15];
};

static void iq4_table_init(struct iq4_table *t)
{
    t->first = all((float)block_iq4_value[0]);
    for (int k = 1; k < 16; k++) {
        t->mid[k - 1] = all(iq4_mid(k));
        t->step[k - 1] = all((float)(block_iq4_value[k] - block_iq4_value[k - 1]));
    }
}

static inline void iq4_sums(const struct iq4_table *t, const f32x4 *x, const f32x4 *w,
                            f32x4 inverse, f32x4 *sum_xq, f32x4 *sum_q2)
{
    f32x4 xq = all(0), q2 = all(0);
    for (size_t i = 0; i < BLOCK_SMALL; i++) {
        f32x4 v = inverse * x[i], q = t->first;
        for (int k = 0; k < 15; k++) q += (f32x4)((v >= t->mid[k]) & (i32x4)t->step[k]);
        xq += w[i] * q * x[i];
        q2 += w[i] * q * q;
    }
    *sum_xq = xq;
    *sum_q2 = q2;
}

void fit_iq4(const float *x, const float *w, size_t n_sub, float *scale)
{
    const f32x4 zero = all(0);
    struct iq4_table table;
    iq4_table_init(&table);
    for (size_t s = 0; s < n_sub; s += LANES) {
        f32x4 xs[BLOCK_SMALL], ws[BLOCK_SMALL], sum_xq, sum_q2;
        size_t lanes = lanes_left(n_sub, s);
        load_lanes(xs, x + s * BLOCK_SMALL, lanes, BLOCK_SMALL);
        load_lanes(ws, w + s * BLOCK_SMALL, lanes, BLOCK_SMALL);
        f32x4 max = extreme(xs, BLOCK_SMALL);
        i32x4 live = magnitude(max) >= all(TINY);
        iq4_sums(&table, xs, ws, 1.0f / (-max / table.first), &sum_xq, &sum_q2);
        f32x4 fit = pick(sum_q2 > zero, sum_xq / sum_q2, zero), best = fit * sum_xq;
        for (int t = -7; t <= 7; t++) {
            iq4_sums(&table, xs, ws, (table.first + (float)t) / max, &sum_xq, &sum_q2);
            i32x4 better = (sum_q2 > zero) & (sum_xq * sum_xq > best * sum_q2);
            fit = pick(better, sum_xq / sum_q2, fit);
            best = pick(better, fit * sum_xq, best);
        }
        store_lanes(scale + s, pick(live, fit, zero), lanes);
    }
}

void fit_iq4_codes(const float *x, size_t n, float inverse, uint8_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        float v = inverse * x[i];
        int q = 0;
        for (int k = 1; k < 16; k++) q += v >= iq4_mid(k);
        codes[i] = (uint8_t)q;
    }
}

/* ---- second level ------------------------------------------------------------------------- */

float fit_positive(int top, const float *x, const float *w, size_t n, uint8_t *codes)
{
    enum { ROUNDS = 5 };
    float max = 0;
    for (size_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    memset(codes, 0, n);
    if (!(max >= TINY)) return 0;

    float inverse = (float)top / max, best = 0;
    for (int t = -5; t <= 4; t++) { /* the plain scale first, then its neighbours */
        if (t == 0) continue;
        float inv = t == -5 ? (float)top / max : (0.1f * (float)t + (float)top) / max;
        float fit = 1.0f / inv, error = 0;
        for (size_t i = 0; i < n; i++) {
            float diff = x[i] - fit * (float)fit_round(inv * x[i], 0, top);
            error += w[i] * diff * diff;
        }
        if (t == -5 || error < best) {
            best = error;
            inverse = inv;
        }
    }
    float sum_xl = 0, sum_l2 = 0;
    for (size_t i = 0; i < n; i++) {
        int l = fit_round(inverse * x[i], 0, top);
        codes[i] = (uint8_t)l;
        sum_xl += w[i] * x[i] * (float)l;
        sum_l2 += w[i] * (float)l * (float)l;
    }
    for (int round = 0; round < ROUNDS; round++) {
        bool changed = false;
        for (size_t i = 0; i < n; i++) {
            float wx = w[i] * x[i], old = (float)codes[i];
            float xl = sum_xl - wx * old, l2 = sum_l2 - w[i] * old * old;
            if (!(xl > 0 && l2 > 0)) continue;
            int l = fit_round(x[i] * l2 / xl, 0, top);
            if (l == codes[i]) continue;
            xl += wx * (float)l;
            l2 += w[i] * (float)l * (float)l;
            if (xl * xl * sum_l2 > sum_xl * sum_xl * l2) {
                codes[i] = (uint8_t)l;
                sum_xl = xl;
                sum_l2 = l2;
                changed = true;
            }
        }
        if (!changed) break;
    }
    return sum_l2 > 0 ? sum_xl / sum_l2 : 0;
}
