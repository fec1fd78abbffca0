/* passk.h - scores of one problem from n samples of which c are right.
 *
 * All are exact hypergeometric expectations over the samples drawn without replacement, computed
 * as running products, never 1-(1-c/n)^k. The average over problems is the caller's.
 *
 * Sources: Chen et al. 2021 (pass@k); Liu et al. 2024, "Are Your LLMs Capable of Stable
 * Reasoning?" (G-Pass@k and its mean).
 */
#ifndef EVAL_PASSK_H
#define EVAL_PASSK_H

#include <stddef.h>

/* Some of k samples is right: 1 - C(n-c,k)/C(n,k); 1 when n-c < k. Needs 1 <= k <= n, c <= n. */
double pass_at_k(size_t n, size_t c, size_t k);
/* All of k samples are right: C(c,k)/C(n,k). */
double pass_hat_k(size_t n, size_t c, size_t k);
/* At least max(1, ceil(tau k)) of k samples are right. */
double g_pass_at_k(size_t n, size_t c, size_t k, double tau);
/* 2/k times the sum of g_pass_at_k over thresholds i/k, i from ceil(k/2)+1 to k. */
double mg_pass_at_k(size_t n, size_t c, size_t k);
/* c/n, the estimate of pass@1. */
double avg_at_n(size_t n, size_t c);

/* cons_at_k - the largest class of the first k answers, or -1 when none has an answer.
 *
 *   cls  the class of each answer: answers are equivalent when their classes are equal; -1 is
 *        "no answer", which cannot win
 *
 * Ties go to the class that was seen first. */
int cons_at_k(const int *cls, size_t k);
/* How often class `right` wins among k of n samples: for k = n once, for k < n over the n windows
 * of k consecutive samples (wrapping around), an estimate better than the first window alone. */
double cons_mean(const int *cls, size_t n, size_t k, int right);

#endif
