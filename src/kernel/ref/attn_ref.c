/* attn_ref.c - attention in plain C: the text of the order in kernel/attn.h. One query after the
 * other, one key after the other; scratch holds a row of keys and the query's running output. */
#include "kernel/attn.h"

#include <math.h>
#include <string.h>

#include "kernel/fmath.h"

enum { LANES = 16, Q8_LEN = 32, Q8_BYTES = 34 };

static float element(enum dtype dt, const unsigned char *row, size_t i)
{
    float x = 0.0f;
    uint16_t h;
    if (dt == DT_F32) {
        memcpy(&x, row + 4 * i, 4);
        return x;
    }
    if (dt == DT_Q8_0) {
        const unsigned char *b = row + i / Q8_LEN * Q8_BYTES;
        memcpy(&h, b, 2);
        return (float)(int8_t)b[2 + i % Q8_LEN] * f16_to_f32(h);
    }
    memcpy(&h, row + 2 * i, 2);
    return dt == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

static const unsigned char *token(const void *const *blocks, size_t stride, size_t t)
{
    return (const unsigned char *)blocks[t / ATTN_BLOCK] + t % ATTN_BLOCK * stride;
}

static float tree(float lane[LANES])
{
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++) lane[j] = lane[j] + lane[j + half];
    return lane[0];
}

/* out (d_v) and the log-sum-exp of query q (d_k) of the job's i-th row against positions 0..pos. */
static float one_query(const struct attn_job *job, size_t i_row, float *out, const float *q,
                       size_t pos)
{
    const void *const *ks = job->k, *const *vs = job->v;
    float m = -INFINITY, lane[LANES] = {0}, w[ATTN_TILE];
    float *o = job->scratch;
    for (size_t i = 0; i < job->d_v; i++) o[i] = 0.0f;
    for (size_t t0 = 0; t0 <= pos; t0 += ATTN_TILE) {
        size_t n = pos + 1 - t0 < ATTN_TILE ? pos + 1 - t0 : ATTN_TILE;
        float top = m;
        if (job->own && t0 >= job->common) {
            ks = job->own[i_row].k;
            vs = job->own[i_row].v;
        }
        for (size_t t = 0; t < n; t++) {
            const unsigned char *k = token(ks, job->k_stride, t0 + t);
            float s = 0.0f;
            for (size_t i = 0; i < job->d_k; i++) s = fmaf(q[i], element(job->k_dt, k, i), s);
            w[t] = s * job->scale;
            if (w[t] > top) top = w[t];
        }
        float c = fm_exp(m - top);
        m = top;
        for (size_t j = 0; j < LANES; j++) lane[j] = lane[j] * c;
        for (size_t i = 0; i < job->d_v; i++) o[i] = o[i] * c;
        for (size_t t = 0; t < n; t++) {
            const unsigned char *v = token(vs, job->v_stride, t0 + t);
            w[t] = fm_exp(w[t] - m);
            lane[t % LANES] = lane[t % LANES] + w[t];
            for (size_t i = 0; i < job->d_v; i++)
                o[i] = fmaf(w[t], element(job->v_dt, v, i), o[i]);
        }
    }
    float sum = tree(lane), inv = 1.0f / sum;
    for (size_t i = 0; i < job->d_v; i++) out[i] = o[i] * inv;
    return fm_log(sum) + m;
}

static void run(const struct attn_job *job)
{
    for (size_t i = 0; i < job->n_row; i++) {
        size_t r = job->row ? (size_t)job->row[i] : i;
        for (size_t h = 0; h < job->n_rep; h++) {
            float *out = job->out + r * job->out_stride + h * job->d_v;
            const float *q = job->q + r * job->q_stride + h * job->q_head;
            float lse = one_query(job, i, out, q, (size_t)job->pos[r]);
            if (job->lse) job->lse[r * job->n_rep + h] = lse;
        }
    }
}

/* ---- backward ------------------------------------------------------------------------------ */

static float chain(const float *a, const float *b, size_t n)
{
    float s = 0.0f;
    for (size_t i = 0; i < n; i++) s = fmaf(a[i], b[i], s);
    return s;
}

static float lane_dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) lane[i % LANES] = fmaf(a[i], b[i], lane[i % LANES]);
    return tree(lane);
}

static void add_scaled(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

/* All pairs of queries [i0, i1) with keys [t0, t1). */
static void back_pair(const struct attn_back_job *job, size_t i0, size_t i1, size_t t0,
                      size_t t1)
{
    const float *delta = job->scratch;
    for (size_t i = i0; i < i1; i++) {
        size_t r = i / job->n_rep, h = i % job->n_rep;
        size_t at_q = r * job->q_stride + h * job->q_head;
        size_t at_o = r * job->out_stride + h * job->out_head;
        for (size_t t = t0; t < t1; t++) {
            const float *k = job->k + t * job->k_stride, *v = job->v + t * job->v_stride;
            float p = 0.0f, ds = 0.0f;
            if (t <= (size_t)job->pos[r]) {
                float s = chain(job->q + at_q, k, job->d_k) * job->scale;
                p = fm_exp(s - job->lse[i]);
                ds = (p * (chain(job->dout + at_o, v, job->d_v) - delta[i])) * job->scale;
            }
            add_scaled(job->dv + t * job->v_stride, p, job->dout + at_o, job->d_v);
            add_scaled(job->dk + t * job->k_stride, ds, job->q + at_q, job->d_k);
            add_scaled(job->dq + at_q, ds, k, job->d_k);
        }
    }
}

static void back(const struct attn_back_job *job)
{
    size_t n = job->n_row * job->n_rep;
    float *delta = job->scratch;
    for (size_t t = 0; t < job->n_key; t++) {
        memset(job->dk + t * job->k_stride, 0, job->d_k * sizeof(float));
        memset(job->dv + t * job->v_stride, 0, job->d_v * sizeof(float));
    }
    for (size_t i = 0; i < n; i++) {
        size_t r = i / job->n_rep, h = i % job->n_rep;
        size_t at_o = r * job->out_stride + h * job->out_head;
        memset(job->dq + r * job->q_stride + h * job->q_head, 0, job->d_k * sizeof(float));
        delta[i] = lane_dot(job->dout + at_o, job->out + at_o, job->d_v);
    }
    for (size_t t0 = 0; t0 < job->n_key; t0 += ATTN_TILE)
        for (size_t i0 = 0; i0 < n; i0 += ATTN_TILE) {
            size_t t1 = t0 + ATTN_TILE < job->n_key ? t0 + ATTN_TILE : job->n_key;
            size_t i1 = i0 + ATTN_TILE < n ? i0 + ATTN_TILE : n;
            bool seen = false;
            for (size_t i = i0; i < i1; i++)
                if ((size_t)job->pos[i / job->n_rep] >= t0) seen = true;
            if (seen) back_pair(job, i0, i1, t0, t1);
        }
}

void attn_init_ref(struct attn_kernels *k)
{
    *k = (struct attn_kernels){.run = run, .back = back};
}
