#include "rl/advantage.h"

#include <math.h>

static const double eps = 1e-6;

/* Mean of the judged rewards and how many there are; whether they differ. */
static size_t group_mean(const double *r, const bool *judged, size_t n, double *mean,
                         bool *differ)
{
    size_t m = 0;
    double sum = 0, lo = HUGE_VAL, hi = -HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        if (!judged[i]) continue;
        sum += r[i];
        lo = r[i] < lo ? r[i] : lo;
        hi = r[i] > hi ? r[i] : hi;
        m++;
    }
    *mean = m ? sum / (double)m : 0;
    *differ = m > 1 && hi - lo > 1e-9;
    return m;
}

static double deviation(const double *a, const bool *judged, size_t n, size_t m)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (judged[i]) sum += a[i] * a[i];
    return sqrt(sum / (double)m);
}

void advantages(enum advantage_kind kind, const double *reward, const bool *judged,
                size_t n_group, size_t n, double *adv, bool *flat)
{
    double square = 0;
    size_t total = 0;
    for (size_t g = 0; g < n_group; g++) {
        const double *r = reward + g * n;
        const bool *is = judged + g * n;
        double *a = adv + g * n, mean;
        bool differ;
        size_t m = group_mean(r, is, n, &mean, &differ);
        flat[g] = !differ;
        for (size_t i = 0; i < n; i++) a[i] = differ && is[i] ? r[i] - mean : 0;
        for (size_t i = 0; i < n; i++) square += a[i] * a[i];
        total += m;
        if (!differ) continue;
        double scale = 1;
        switch (kind) {
        case ADVANTAGE_GROUP: scale = 1 / (deviation(a, is, n, m) + eps); break;
        case ADVANTAGE_RLOO: scale = (double)m / (double)(m - 1); break;
        case ADVANTAGE_MEAN:
        case ADVANTAGE_BATCH: break;
        }
        for (size_t i = 0; i < n; i++) a[i] *= scale;
    }
    if (kind != ADVANTAGE_BATCH || total == 0) return;
    double scale = 1 / (sqrt(square / (double)total) + eps);
    for (size_t i = 0; i < n_group * n; i++) adv[i] *= scale;
}
