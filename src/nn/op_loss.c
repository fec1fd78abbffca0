/* op_loss.c - from logits to the negative log-probability of given tokens, and back.
 *
 * The forward pass is the engine's: lse - logit, so a trainer's log-probabilities are the exact
 * negatives of the engine's (docs/numerics.md). Back, the logits are overwritten with their
 * gradient: they are the largest tensor of a step, and nobody reads them after that.
 */
#include <string.h>

#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/split.h"
#include "nn/tape.h"

struct nll_node {
    struct tape_node n;
    struct tensor *x, *y;
    const int32_t *target;
};

struct nll_job {
    const struct step *st;
    const struct nll_node *n;
    size_t parts;
};

static void nll_slice(void *ctx, size_t i)
{
    const struct nll_job *j = ctx;
    const struct tensor *x = j->n->x;
    struct slice s = split_at(x->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++) {
        const float *row = x->v + r * x->c;
        int32_t t = j->n->target[r];
        j->n->y->v[r] = t < 0 ? 0 : j->st->k->elem.logsumexp(row, x->c) - row[t];
    }
}

static void nll_back_slice(void *ctx, size_t i)
{
    const struct nll_job *j = ctx;
    const struct tensor *x = j->n->x;
    struct slice s = split_at(x->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++) {
        float *row = x->v + r * x->c, dy = j->n->y->g[r];
        int32_t t = j->n->target[r];
        if (t < 0 || dy == 0)
            memset(row, 0, x->c * sizeof *row);
        else
            (void)j->st->k->elem.cross_entropy(row, row, x->c, (size_t)t, dy, NULL);
    }
}

static void nll_back(struct step *st, struct tape_node *node)
{
    struct nll_node *n = (struct nll_node *)node;
    if (!n->y->g) return;
    n->x->g = n->x->v;
    if (st->dry) return;
    struct nll_job j = {st, n, split_count(st, n->x->n, 4)};
    pool_run(st->pool, nll_back_slice, &j, j.parts);
}

struct tensor *op_nll(struct step *st, struct tensor *logits, const int32_t *target)
{
    if (!logits) return NULL;
    for (size_t i = 0; i < logits->n && !st->dry; i++)
        if (target[i] < -1 || target[i] >= (int32_t)logits->c)
            return step_fail(st, ERR_FORMAT, "target %d is outside the vocabulary of %zu",
                             target[i], logits->c);
    struct tensor *y = step_tensor(st, logits->n, 1);
    if (!y) return NULL;
    struct nll_node here = {.x = logits, .y = y, .target = target};
    if (st->tape) {
        struct nll_node *n = tape_record(st, sizeof *n, nll_back);
        if (!n) return NULL;
        n->x = logits;
        n->y = y;
        n->target = target;
    }
    if (st->dry) return y;
    struct nll_job j = {st, &here, split_count(st, logits->n, 4)};
    pool_run(st->pool, nll_slice, &j, j.parts);
    return y;
}
