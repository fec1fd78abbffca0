#include "train/teacher.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "model/source.h"
#include "text/vocab.h"

struct teacher {
    struct teacher_opts o;
    struct params *p;
    struct pass *pass;
    double *row; /* (max_rows) losses */
    float *work; /* (threads * PARTS, WORK V) */
};

enum { PARTS = 4, WORK = 4 }; /* parts of the rows per thread; floats per id */

static int same_vocab(const struct model_source *s, const struct vocab *student, struct err *e)
{
    struct vocab *v;
    if (source_vocab(s, &v, e)) return err_wrap(e, "the teacher");
    bool same = vocab_size(v) == vocab_size(student) && vocab_hash(v) == vocab_hash(student);
    size_t n = vocab_size(v);
    vocab_free(v);
    if (same) return 0;
    err_set(
        e, ERR_UNSUPPORTED,
        "the teacher's vocabulary of %zu ids is not the student's of %zu: their distributions "
        "cannot be compared",
        n, vocab_size(student));
    return err_hint(e, "distill.from: samples needs no common vocabulary");
}

int teacher_open(struct teacher **out, const struct model_source *s,
                 const struct vocab *student, struct pool *pool, const struct teacher_opts *o,
                 struct err *e)
{
    struct model_config c;
    struct model_opts mo = {.mla = o->mla, .act = ACT_F32};
    *out = NULL;
    if (same_vocab(s, student, e) || params_config(s, &c, e)) return -1;
    struct teacher *t = mem_calloc(1, sizeof *t);
    if (!t) return err_oom(e, "a teacher", sizeof *t);
    t->o = *o;
    size_t work = WORK * (size_t)c.n_vocab * (size_t)pool_threads(pool) * PARTS;
    t->row = mem_alloc(o->max_rows * sizeof *t->row);
    t->work = mem_alloc(work * sizeof *t->work);
    int rc = t->row && t->work ? 0 : err_oom(e, "a teacher", work * sizeof *t->work);
    if (rc == 0)
        rc = params_create(&t->p, &c, &mo, e) || params_load(t->p, s, e) ||
             pass_create(&t->pass, t->p, pool, o->max_rows, true, e);
    if (rc) {
        teacher_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void teacher_free(struct teacher *t)
{
    if (!t) return;
    pass_free(t->pass);
    params_free(t->p);
    mem_free(t->row);
    mem_free(t->work);
    mem_free(t);
}

size_t teacher_bytes(const struct teacher *t)
{
    return t->p->total * sizeof(float) + t->pass->bytes;
}

/* ---- the loss ------------------------------------------------------------------------------ */

/* lp = ln softmax(x / tau), p = softmax(x / tau); lp may be x. */
static void distribution(const struct kernels *k, const float *x, size_t n, double tau,
                         float *lp, float *p)
{
    float scale = (float)(1 / tau);
    for (size_t i = 0; i < n; i++) lp[i] = x[i] * scale;
    memcpy(p, lp, n * sizeof *p);
    (void)k->elem.softmax(p, n);
    float lse = k->elem.logsumexp(lp, n);
    for (size_t i = 0; i < n; i++) lp[i] -= lse;
}

double teacher_row(const struct teacher_opts *o, float *student, const float *of_teacher,
                   size_t n, int32_t token, double weight, float *work)
{
    const struct kernels *k = kernels();
    float *p = work, *q = work + n, *lq = work + 2 * n, *hard = work + 3 * n, *lp = student;
    double kl = 0, ce = 0, share = weight * (1 - o->ce) * o->tau;
    if (o->ce > 0) /* its gradient, from the logits as they are */
        ce = (double)k->elem.cross_entropy(hard, student, n, (size_t)token,
                                           (float)(weight * o->ce), NULL);
    distribution(k, of_teacher, n, o->tau, lq, q);
    distribution(k, student, n, o->tau, lp, p);
    bool forward = o->kind == DIVERGENCE_FORWARD;
    const float *by = forward ? q : p;
    for (size_t i = 0; i < n; i++) kl += (double)by[i] * ((double)lq[i] - (double)lp[i]);
    if (!forward) kl = -kl;
    for (size_t i = 0; i < n; i++) {
        double d = forward ? (double)p[i] - (double)q[i]
                           : (double)p[i] * ((double)lp[i] - (double)lq[i] - kl);
        student[i] = (float)(share * d) + (o->ce > 0 ? hard[i] : 0);
    }
    return (1 - o->ce) * o->tau * o->tau * kl + o->ce * ce;
}

struct loss_job {
    struct teacher *t;
    struct trainer *of;
    const struct train_batch *b;
    size_t parts;
};

static void loss_slice(void *ctx, size_t part)
{
    const struct loss_job *j = ctx;
    struct pass *s = j->of->pass;
    size_t n = s->n_out, v = s->logits->c;
    float *work = j->t->work + WORK * v * part;
    for (size_t i = n * part / j->parts; i < n * (part + 1) / j->parts; i++) {
        double w = j->b->weight ? (double)j->b->weight[s->out[i]] : 1;
        float *x = s->logits->v + i * v;
        j->t->row[i] = w * teacher_row(&j->t->o, x, j->t->pass->logits->v + i * v, v,
                                       s->out_target[i], w / j->of->weight, work);
    }
}

int teacher_loss(void *teacher, struct trainer *of, const struct train_batch *b, double *sum,
                 struct err *e)
{
    struct teacher *t = teacher;
    struct pass *s = of->pass;
    if (pass_forward(t->pass, b, e)) return err_wrap(e, "the teacher");
    if (s->n_out == 0) return 0;
    if (t->pass->n_out != s->n_out || t->pass->logits->c != s->logits->c)
        return err_set(e, ERR_BUG, "teacher and student gave different rows");
    struct loss_job j = {t, of, b, (size_t)pool_threads(of->pool) * PARTS};
    pool_run(of->pool, loss_slice, &j, j.parts);
    for (size_t i = 0; i < s->n_out; i++) *sum += t->row[i];
    return 0;
}
