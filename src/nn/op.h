/* op.h - every op: shapes, what it computes, its gradient.
 *
 * N rows of a step, C width, H heads, D head width, E experts, K experts used. Ops run when they
 * are called and return a tensor in the step arena (NULL after a failure, see step.h). With a tape
 * they also record themselves; gradients are stated as d<input> in terms of dy.
 * Threads: engine or trainer thread; each op spreads its rows or outputs over the pool.
 */
#ifndef NN_OP_H
#define NN_OP_H

#include "nn/kv_view.h"
#include "nn/step.h"
#include "nn/weight.h"

/* ---- embed, norm, add ---------------------------------------------------------------------- */

/* y (n, C): row i is row ids[i] of w (LOOKUP, or the packed/plain matrix when tied).
 * dw[ids[i]] += dy[i]. Fails: ERR_FORMAT for an id outside w. */
struct tensor *op_embed(struct step *st, struct weight *w, const int32_t *ids, size_t n);

/* y = x / sqrt(mean(x^2) + eps) * g over each group of g->n_in numbers of a row: with g as wide as
 * the row it is the usual norm, with g of one head's width it is the per-head norm of Qwen3. */
struct tensor *op_rmsnorm(struct step *st, struct tensor *x, struct weight *g, float eps);

/* y = a + b. Without a tape the result is a itself, overwritten. da = db = dy. */
struct tensor *op_add(struct step *st, struct tensor *a, struct tensor *b);

/* y (n, c): columns [from, from + c) of x. dx[, from..] += dy. */
struct tensor *op_cols(struct step *st, struct tensor *x, size_t from, size_t c);

/* y (n, C): row i is row idx[i] of x. */
struct tensor *op_pick_rows(struct step *st, struct tensor *x, const int32_t *idx, size_t n);

/* y (N, a.c + b.c): rows of a, then of b. */
struct tensor *op_concat(struct step *st, struct tensor *a, struct tensor *b);

/* ---- products ------------------------------------------------------------------------------ */

/* y (N, n_out) = x W^T + bias; bias (n_out) or NULL. dx = dy W, dW = dy^T x, dbias = sum dy.
 * 8-bit activations are used when st->act asks for them and w's type has an 8-bit form. */
struct tensor *op_linear(struct step *st, struct tensor *x, struct weight *w,
                         struct weight *bias);

/* y[i] = op_linear(x, l[i].w, l[i].bias) for i in [0, n), in one go. */
struct linear {
    struct weight *w, *bias;
};
void op_linears(struct step *st, struct tensor *x, const struct linear *l, size_t n,
                struct tensor **y);

/* down(silu(gate x) * up x): the products and op_swiglu in one go. */
struct tensor *op_ffn(struct step *st, struct tensor *x, struct weight *gate, struct weight *up,
                      struct weight *down);

/* Head h of y (N, H*n_out) = head h of x times W_h^T, W a stack of H. Head h of x begins at column
 * h * x_head + x_from. */
struct tensor *op_linear_heads(struct step *st, struct tensor *x, size_t x_head, size_t x_from,
                               struct weight *w);

/* ---- activations --------------------------------------------------------------------------- */

/* y = silu(g) * u. */
struct tensor *op_swiglu(struct step *st, struct tensor *g, struct tensor *u);

/* ---- rope ---------------------------------------------------------------------------------- */

/* Angles of one step: cos and sin (N, n_pair), magnitude factor included. */
struct rope {
    float *cos, *sin;
    float *sin_back; /* -sin, in a taped step */
    size_t n_pair;
    bool interleaved;
};

/* Frequencies of a model, made once: freq (n_pair) radians per position, and the magnitude that
 * multiplies cos and sin. */
struct rope_freq {
    float freq[512];
    size_t n_pair;
    float magnitude;
    bool interleaved;
};

struct rope *op_rope_table(struct step *st, const struct rope_freq *f, const int32_t *pos,
                           size_t n);

/* Rotates in place columns [from + i*stride, + 2*n_pair) of each row for i in [0, count).
 * The gradient is the rotation by the negative angle. Returns x. */
struct tensor *op_rope(struct step *st, struct tensor *x, size_t from, size_t stride,
                       size_t count, const struct rope *r);

/* ---- attention ----------------------------------------------------------------------------- */

/* Writes the rows' keys (and values) of `layer` into the cache, rounding to the cache's type.
 *   k (N, Hkv*d_k), v (N, Hkv*d_v) or NULL when latent */
void op_kv_store(struct step *st, const struct kv_view *kv, int32_t layer, struct tensor *k,
                 struct tensor *v);

/* y (N, H*d_v): softmax(scale * q k^T) v over positions 0..row_pos[i] of each row's own sequence.
 *   q (N, H*d_k); H is a multiple of the layout's n_head_kv
 * The rows' own keys must have been stored. */
struct tensor *op_attn(struct step *st, struct tensor *q, const struct kv_view *kv,
                       int32_t layer, float scale);

/* Expanded latent attention: kv (N, H*(nope + dv)) from kv_b, kr (N, dr) the shared rotary key.
 * *k (N, H*(nope + dr)): per head its own nope part, then kr; *v (N, H*dv).
 * dkv and dkr gather from dk and dv; dkr sums over heads in ascending order. */
void op_mla_split(struct step *st, struct tensor *kv, struct tensor *kr, size_t n_head,
                  size_t nope, size_t dv, struct tensor **k, struct tensor **v);

/* Absorbed latent attention: y (N, H*(rank + dr)): per head qa's rank numbers, then the rotary
 * part of q, which is the last dr of each head of q (N, H*(nope + dr)). */
struct tensor *op_mla_query(struct step *st, struct tensor *qa, struct tensor *q, size_t n_head,
                            size_t dr);

/* ---- mixture of experts -------------------------------------------------------------------- */

struct moe {
    struct weight *router;     /* (E, C) f32 or any float type; computed with f32 activations */
    struct weight *correction; /* (E) or NULL */
    struct weight *gate, *up, *down; /* stacks of E: (F, C), (F, C), (C, F) */
    int32_t n_expert, n_used, n_group, topk_group;
    bool sigmoid, normalise, group_max; /* group_max: V2's group score (max), else top-2 sum */
    float scale;
};

/* y (N, C) = sum over the chosen experts in rank order of weight * down(silu(gate x) * up x).
 * Gradients go to x, the experts, and the router through the weights of the chosen experts (and
 * st->watch's balance loss); who is chosen is a constant, and the correction gets none. */
struct tensor *op_moe(struct step *st, struct tensor *x, const struct moe *m);

/* What training wants of every op_moe of a taped step (step->watch). */
struct moe_watch {
    int64_t *const
        *load;        /* by the router's weight id: (E) tokens it sent to each expert, added */
    double alpha;     /* of the balance loss; 0: none */
    bool by_sequence; /* balance inside each sequence (V3), else over all rows (V2) */
    const int32_t *row_seq; /* (N) below n_seq */
    size_t n_seq;
    double row_weight; /* a row's share of the loss */
    double loss;       /* of the balance, added */
};

/* ---- loss ---------------------------------------------------------------------------------- */

/* y (n, 1) = -log softmax(logits)[target], natural logarithm; a row with target -1 gives 0.
 * The walk back puts dy * (softmax - onehot) in the place of the logits. Fails: ERR_FORMAT for a
 * target outside the vocabulary. */
struct tensor *op_nll(struct step *st, struct tensor *logits, const int32_t *target);

#endif
