/* stat.h - means of shares with honest intervals.
 *
 * The unit is the problem: k samples of one problem are not k independent trials. So the standard
 * error is the deviation of the problems' own means over the root of their number. The interval is
 * Wilson's with the number of independent trials that would have this standard error, between n
 * and n * k: unlike mean +- 2 se it stays inside 0..1 and does not shrink to nothing when
 * everything was right.
 *
 * Sources: Wilson 1927; reasoning.md 6.3; Miller, "Adding Error Bars to Evals", arXiv 2411.00640.
 */
#ifndef EVAL_STAT_H
#define EVAL_STAT_H

#include <stddef.h>

struct interval {
    double mean, se, lo, hi; /* lo, hi: 95 % */
    size_t n;
};

/* x (n): a share for each problem, from k samples of it. All zero when n is 0. */
struct interval stat_share(const double *x, size_t n, size_t k);
/* The mean of any numbers, mean +- 1.96 se. */
struct interval stat_mean(const double *x, size_t n);
/* The mean of the means of groups, each weighing the same: macro average. */
struct interval stat_macro(const struct interval *group, size_t n);

/* Paired comparison of two lists over the same problems: the mean of a - b, and the probability of
 * a difference in signs at least this uneven if there were none (exact sign test; with one sample
 * a problem that is McNemar's test). */
struct paired {
    struct interval diff;
    size_t better, worse; /* problems where a is above, below b */
    double p;
};
struct paired stat_paired(const double *a, const double *b, size_t n);

#endif
