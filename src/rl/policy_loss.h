/* policy_loss.h - policy-gradient objectives as weights on log-probabilities.
 *
 * For a sampled token with log-probability l under the policy, l_old under the weights that
 * sampled it and l_ref under the reference, with x = exp(l - l_old) and r = exp(l_ref - l):
 *
 *   J = sum of w * (surrogate - beta * kl)           to be maximised; loss = -J
 *   d = dL / d(-l) = dJ / dl                         what pass_backward wants
 *
 *   loss      surrogate, and its part of d                                    w
 *   grpo      min(x A, clip(x) A)          x A, or 0 where clipped            1 / (S n)
 *   dapo      the same                                                        1 / N
 *   dr_grpo   the same                                                        1 / (S L)
 *   gspo      with the sequence's ratio s = exp(mean(l - l_old)); d has s A   1 / (S n)
 *   cispo     stop(clip(x)) A l            clip(x) A, never 0                 1 / N
 *
 * S sequences with N tokens in the update, n in this one, L the longest allowed. clip bounds the
 * ratio to [1 - low, 1 + high]; the bound acts where it lowers the surrogate. delta > 0 also bounds
 * it for A < 0 from above (INTELLECT-2).
 *
 *   kl   k1 = l - l_ref;  k2 = k1^2 / 2;  k3 = r - ln r - 1;  k3x = x * k3 with x's own gradient
 *
 * ln r is held within +-20 for k3.
 *
 * Sources: training.md 9, 13; MiniMax-M1 report (CISPO).
 */
#ifndef RL_POLICY_LOSS_H
#define RL_POLICY_LOSS_H

#include <stddef.h>

enum policy_kind { POLICY_GRPO, POLICY_DAPO, POLICY_DR_GRPO, POLICY_GSPO, POLICY_CISPO };
enum kl_kind { KL_NONE, KL_K1, KL_K2, KL_K3, KL_K3_UNBIASED };

struct policy_opts {
    enum policy_kind kind;
    enum kl_kind kl;
    double clip_low, clip_high; /* high <= 0: no upper bound */
    double delta;               /* 0: none */
    double beta;
    double longest; /* L of dr_grpo */
};

/* The whole update, for the divisors. */
struct policy_batch {
    double n_sequence, n_token;
};

/* Sums over tokens; divide by n. */
struct policy_stats {
    double n, surrogate, kl, ratio, ratio_min, ratio_max;
    double clip_low, clip_high; /* tokens (gspo: all of the sequence's) where the bound acted */
    double kl_old;              /* k3 from the sampling weights to these */
    double k1, k3;              /* to the reference, whatever opts.kl says */
};
void policy_stats_init(struct policy_stats *s);

/* policy_sequence - d[0..n) of one sequence.
 *
 *   logp, old   log-probabilities of its tokens now and when sampled
 *   ref         under the reference, or NULL when there is none
 *   adv         its advantage
 *
 * Adds to *s. */
void policy_sequence(const struct policy_opts *o, const struct policy_batch *b,
                     const float *logp, const float *old, const float *ref, size_t n,
                     double adv, float *d, struct policy_stats *s);

#endif
