/* sample.h - from a row of logits to a token.
 *
 * Order: penalties (repetition, presence, frequency, DRY) and biases on the logits; tokens outside
 * the mask or the vocabulary removed; division by the temperature; then of the distribution that
 * results: top-k, typical, top-p, min-p; then the draw. That is the order of vLLM and Hugging
 * Face, for which R1's settings (0.6, 0.95) are published; llama.cpp divides by the temperature
 * last.
 *
 * The draw is a function of (seed, stream, index) alone, index being the token's place in its
 * completion: neighbours, speculation and preemption cannot change it. Reported log-probabilities
 * are those of the logits as the model gave them, before any of this.
 */
#ifndef ENGINE_SAMPLE_H
#define ENGINE_SAMPLE_H

#include "engine/request.h"

struct kernels;
struct err;

enum { SAMPLE_TOP_MAX = 20 };

/* Buffers for one row at a time; n_vocab: the longest row, a padded model's included. */
struct sample_work;
int sample_work_create(struct sample_work **out, size_t n_vocab, struct err *e) must_check;
void sample_work_free(struct sample_work *w);

struct sample_in {
    const float *logits; /* (n_vocab) of the tokens that the vocabulary knows */
    size_t n_vocab;
    size_t n_logits; /* of the whole row, more than n_vocab in a padded model; 0: n_vocab */
    const tok_id *history;       /* prompt and completion so far */
    int64_t n_history, n_prompt; /* presence and frequency look at the completion only */
    const uint32_t *mask;        /* a bit per token that may come, or NULL */
    const uint32_t *breaker;     /* a bit per token that ends a DRY match, or NULL */
    uint64_t stream, index;
};

struct sample_out {
    tok_id id; /* TOK_NONE when the mask leaves nothing or the logits are not finite */
    float logprob;
    struct gen_alt top[SAMPLE_TOP_MAX];
    int n_top;
};

void sample_token(struct sample_work *w, const struct kernels *k, const struct gen_sampling *o,
                  const struct sample_in *in, struct sample_out *out);

/* Log-probability of `id` and the best alternatives of a row, without choosing: for prompts.
 * Probabilities are over the whole row of n_logits, alternatives among the first n_vocab. */
void sample_score(struct sample_work *w, const struct kernels *k, const float *logits,
                  size_t n_logits, size_t n_vocab, tok_id id, int n_top,
                  struct sample_out *out);

/* 0, or ERR_USAGE naming the field that is out of its range. */
int sample_check(const struct gen_sampling *o, struct err *e) must_check;

#endif
