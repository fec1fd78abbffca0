#include "eval/stat.h"

#include <math.h>

static const double z95 = 1.959963984540054;

static struct interval mean_and_se(const double *x, size_t n)
{
    struct interval r = {.n = n};
    if (n == 0) return r;
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    r.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - r.mean) * (x[i] - r.mean);
    if (n > 1) r.se = sqrt(square / (double)(n - 1) / (double)n);
    return r;
}

struct interval stat_mean(const double *x, size_t n)
{
    struct interval r = mean_and_se(x, n);
    r.lo = r.mean - z95 * r.se;
    r.hi = r.mean + z95 * r.se;
    return r;
}

struct interval stat_share(const double *x, size_t n, size_t k)
{
    struct interval r = mean_and_se(x, n);
    if (n == 0) return r;
    double p = r.mean, most = (double)n * (double)(k ? k : 1), trials = (double)n;
    if (r.se > 0) trials = p * (1 - p) / (r.se * r.se);
    if (trials < (double)n) trials = (double)n;
    if (trials > most) trials = most;
    double z2 = z95 * z95 / trials;
    double mid = (p + z2 / 2) / (1 + z2);
    double half = z95 / (1 + z2) * sqrt(p * (1 - p) / trials + z2 / (4 * trials));
    r.lo = mid - half > 0 && p > 0 ? mid - half : 0;
    r.hi = mid + half < 1 && p < 1 ? mid + half : 1;
    return r;
}

struct interval stat_macro(const struct interval *group, size_t n)
{
    struct interval r = {.n = n};
    double var = 0;
    if (n == 0) return r;
    for (size_t i = 0; i < n; i++) {
        r.mean += group[i].mean / (double)n;
        /* A group without spread is not known exactly: its interval says how well it is. */
        double se = (group[i].hi - group[i].lo) / (2 * z95);
        var += se * se;
    }
    r.se = sqrt(var) / (double)n;
    r.lo = fmax(0, r.mean - z95 * r.se);
    r.hi = fmin(1, r.mean + z95 * r.se);
    return r;
}

/* P(X <= k) for X binomial(n, 1/2). */
static double half_tail(size_t k, size_t n)
{
    double sum = 0, log_half = -(double)n * log(2);
    for (size_t i = 0; i <= k && i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
                   log_half);
    return sum < 1 ? sum : 1;
}

struct paired stat_paired(const double *a, const double *b, size_t n)
{
    struct paired r = {.p = 1};
    double sum = 0, square = 0;
    r.diff.n = n;
    if (n == 0) return r;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] - b[i];
        r.better += a[i] > b[i];
        r.worse += a[i] < b[i];
    }
    r.diff.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i] - r.diff.mean;
        square += d * d;
    }
    if (n > 1) r.diff.se = sqrt(square / (double)(n - 1) / (double)n);
    r.diff.lo = r.diff.mean - z95 * r.diff.se;
    r.diff.hi = r.diff.mean + z95 * r.diff.se;
    size_t few = r.better < r.worse ? r.better : r.worse;
    double p = 2 * half_tail(few, r.better + r.worse);
    r.p = p < 1 ? p : 1;
    return r;
}
