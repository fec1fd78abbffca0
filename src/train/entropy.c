#include "train/entropy.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "nn/split.h"

struct job {
    const struct pass *s;
    float *out, *tmp; /* tmp (threads, 2, V) */
    size_t parts;
};

static void slice(void *ctx, size_t i)
{
    const struct job *j = ctx;
    const struct tensor *x = j->s->logits;
    const struct elem_kernels *k = &j->s->step.k->elem;
    float *logp = j->tmp + (size_t)pool_self() * 2 * x->c, *p = logp + x->c;
    struct slice rows = split_at(x->n, j->parts, i);
    for (size_t r = rows.begin; r < rows.end; r++) {
        const float *row = x->v + r * x->c;
        float lse = k->logsumexp(row, x->c);
        for (size_t v = 0; v < x->c; v++) logp[v] = row[v] - lse;
        k->exp(p, logp, x->c);
        j->out[r] = -k->dot(p, logp, x->c);
    }
}

int pass_entropy(const struct pass *s, float *out, struct err *e)
{
    if (s->n_out == 0) return 0;
    size_t n = (size_t)pool_threads(s->step.pool) * 2 * s->logits->c;
    struct job j = {.s = s, .out = out, .tmp = mem_alloc(n * sizeof(float))};
    if (!j.tmp) return err_oom(e, "the entropy", n * sizeof(float));
    j.parts = split_count(&s->step, s->n_out, 4);
    pool_run(s->step.pool, slice, &j, j.parts);
    mem_free(j.tmp);
    return 0;
}
