#include "eval/passk.h"

#include <math.h>

double pass_at_k(size_t n, size_t c, size_t k)
{
    double none = 1;
    if (n - c < k) return 1;
    for (size_t i = n - c + 1; i <= n; i++) none *= 1.0 - (double)k / (double)i;
    return 1 - none;
}

double pass_hat_k(size_t n, size_t c, size_t k)
{
    double all = 1;
    for (size_t i = 0; i < k; i++) all *= c > i ? (double)(c - i) / (double)(n - i) : 0;
    return all;
}

/* C(c,j) C(n-c,k-j) / C(n,k), by the order in which j right and k-j wrong ones are drawn. */
static double exactly(size_t n, size_t c, size_t k, size_t j)
{
    double p = 1;
    if (j > c || k - j > n - c) return 0;
    for (size_t i = 0; i < j; i++) p *= (double)(c - i) / (double)(n - i);
    for (size_t i = 0; i < k - j; i++) p *= (double)(n - c - i) / (double)(n - j - i);
    for (size_t i = 1; i <= j; i++) p *= (double)(k - j + i) / (double)i; /* C(k,j) orders */
    return p;
}

static double at_least(size_t n, size_t c, size_t k, size_t least)
{
    double sum = 0;
    for (size_t j = least; j <= k; j++) sum += exactly(n, c, k, j);
    return sum;
}

double g_pass_at_k(size_t n, size_t c, size_t k, double tau)
{
    double least = ceil(tau * (double)k - 1e-9);
    return at_least(n, c, k, least < 1 ? 1 : (size_t)least);
}

double mg_pass_at_k(size_t n, size_t c, size_t k)
{
    double sum = 0;
    for (size_t i = (k + 1) / 2 + 1; i <= k; i++) sum += at_least(n, c, k, i);
    return 2 * sum / (double)k;
}

double avg_at_n(size_t n, size_t c)
{
    return (double)c / (double)n;
}

/* The winner among k answers of a ring of n, starting at `from`. */
static int winner(const int *cls, size_t n, size_t from, size_t k)
{
    int best = -1;
    size_t best_count = 0;
    for (size_t i = 0; i < k; i++) {
        int x = cls[(from + i) % n];
        size_t count = 0;
        if (x < 0) continue;
        for (size_t j = 0; j < k; j++) count += cls[(from + j) % n] == x;
        if (count > best_count) { /* strictly: the first seen keeps a tie */
            best = x;
            best_count = count;
        }
    }
    return best;
}

int cons_at_k(const int *cls, size_t k)
{
    return winner(cls, k, 0, k);
}

double cons_mean(const int *cls, size_t n, size_t k, int right)
{
    size_t hits = 0, windows = k < n ? n : 1;
    for (size_t i = 0; i < windows; i++) hits += winner(cls, n, i, k) == right;
    return (double)hits / (double)windows;
}
