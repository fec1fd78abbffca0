#include "rl/policy_loss.h"

#include <math.h>
#include <stdbool.h>

void policy_stats_init(struct policy_stats *s)
{
    *s = (struct policy_stats){.ratio_min = HUGE_VAL, .ratio_max = -HUGE_VAL};
}

static double token_weight(const struct policy_opts *o, const struct policy_batch *b, size_t n)
{
    switch (o->kind) {
    case POLICY_GRPO:
    case POLICY_GSPO: return 1 / (b->n_sequence * (double)n);
    case POLICY_DAPO:
    case POLICY_CISPO: return 1 / b->n_token;
    case POLICY_DR_GRPO: return 1 / (b->n_sequence * o->longest);
    }
    return 0;
}

/* The surrogate of one ratio; *grad gets its derivative by the ratio's logarithm. */
static double surrogate(const struct policy_opts *o, double x, double adv, double l,
                        double *grad, struct policy_stats *s)
{
    double lo = 1 - o->clip_low, hi = o->clip_high > 0 ? 1 + o->clip_high : (double)INFINITY;
    bool low = adv < 0 && x<lo, high = adv> 0 && x > hi;
    if (o->kind == POLICY_CISPO) {
        double held = x < lo ? lo : x > hi ? hi : x;
        s->clip_low += x < lo;
        s->clip_high += x > hi;
        *grad = held * adv;
        return held * adv * l;
    }
    if (o->delta > 0 && adv < 0 && x > o->delta) {
        s->clip_high++;
        *grad = 0;
        return o->delta * adv;
    }
    s->clip_low += low;
    s->clip_high += high;
    *grad = low || high ? 0 : x * adv;
    return low ? lo * adv : high ? hi * adv : x * adv;
}

static double k3_of(double log_r)
{
    return exp(log_r) - log_r - 1;
}

/* The penalty; *grad gets its derivative by l. */
static double penalty(enum kl_kind kind, double l, double ref, double x, double *grad)
{
    double k1 = l - ref, log_r = -k1;
    bool held = log_r > 20 || log_r < -20;
    log_r = log_r > 20 ? 20 : log_r < -20 ? -20 : log_r;
    double r = exp(log_r), k3 = k3_of(log_r);
    switch (kind) {
    case KL_NONE: break;
    case KL_K1: *grad = 1; return k1;
    case KL_K2: *grad = k1; return k1 * k1 / 2;
    case KL_K3: *grad = held ? 0 : 1 - r; return k3;
    case KL_K3_UNBIASED: *grad = x * k3 + (held ? 0 : x * (1 - r)); return x * k3;
    }
    *grad = 0;
    return 0;
}

void policy_sequence(const struct policy_opts *o, const struct policy_batch *b,
                     const float *logp, const float *old, const float *ref, size_t n,
                     double adv, float *d, struct policy_stats *s)
{
    double w = token_weight(o, b, n), mean = 0;
    for (size_t t = 0; t < n; t++) mean += ((double)logp[t] - (double)old[t]) / (double)n;
    for (size_t t = 0; t < n; t++) {
        double l = (double)logp[t], x = exp(l - (double)old[t]), g, gk = 0, kl = 0;
        double used = o->kind == POLICY_GSPO ? exp(mean) : x;
        double j = surrogate(o, used, adv, l, &g, s);
        if (ref) {
            kl = penalty(o->kl, l, (double)ref[t], x, &gk);
            s->k1 += l - (double)ref[t];
            s->k3 += k3_of(fmax(-20, fmin(20, (double)ref[t] - l)));
        }
        d[t] = (float)(w * (g - o->beta * gk));
        s->surrogate += w * j;
        s->kl += w * o->beta * kl;
        s->ratio += used;
        s->ratio_min = fmin(s->ratio_min, used);
        s->ratio_max = fmax(s->ratio_max, used);
        s->kl_old += k3_of((double)old[t] - l);
    }
    s->n += (double)n;
}
