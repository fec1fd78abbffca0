#include "train/muon.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "kernel/kernel.h"

enum { ITERATIONS = 5 };

struct matrix {
    size_t at; /* in the arrays of all parameters */
    size_t n_out, n_in;
};

struct muon {
    struct params *p;
    struct matrix *matrix;
    size_t n;
    int n_thread;
    float *work;   /* (n_thread, work_floats) */
    char *scratch; /* (n_thread, gemm scratch) */
    size_t work_floats;
};

bool muon_takes(const struct param *q)
{
    return q->by_gradient && q->w->kind == WEIGHT_MATRIX && q->role != ROLE_EMBD &&
           q->role != ROLE_OUTPUT && q->role != ROLE_ROUTER;
}

static void list_matrices(struct muon *m)
{
    m->n = 0;
    for (size_t i = 0; i < m->p->n; i++) {
        const struct param *q = &m->p->param[i];
        if (!muon_takes(q)) continue;
        size_t size = q->w->n_out * q->w->n_in, r = size_min(q->w->n_out, q->w->n_in);
        m->work_floats = size_max(m->work_floats, 2 * size + 2 * r * r);
        for (size_t k = 0; k < q->w->n_stack; k++, m->n++)
            if (m->matrix)
                m->matrix[m->n] = (struct matrix){q->at + k * size, q->w->n_out, q->w->n_in};
    }
}

int muon_create(struct muon **out, struct params *p, int n_thread, struct err *e)
{
    *out = NULL;
    struct muon *m = mem_calloc(1, sizeof *m);
    if (!m) return err_oom(e, "Muon", sizeof *m);
    m->p = p;
    m->n_thread = n_thread;
    list_matrices(m);
    size_t threads = (size_t)n_thread;
    m->matrix = mem_alloc((m->n + 1) * sizeof *m->matrix);
    m->work = mem_alloc(threads * m->work_floats * sizeof *m->work + 1);
    m->scratch = mem_alloc(threads * gemm_scratch_bytes());
    if (!m->matrix || !m->work || !m->scratch) {
        size_t bytes = muon_bytes(m);
        muon_free(m);
        return err_oom(e, "Muon's work space", bytes);
    }
    list_matrices(m);
    *out = m;
    return 0;
}

void muon_free(struct muon *m)
{
    if (!m) return;
    mem_free(m->matrix);
    mem_free(m->work);
    mem_free(m->scratch);
    mem_free(m);
}

size_t muon_bytes(const struct muon *m)
{
    return (size_t)m->n_thread * (m->work_floats * sizeof(float) + gemm_scratch_bytes());
}

/* ---- one matrix ---------------------------------------------------------------------------- */

void muon_orthogonal(float *x, size_t r, size_t c, float *work, void *scratch)
{
    static const float a = 3.4445f, b = -4.7750f, d = 2.0315f;
    const struct kernels *k = kernels();
    float *xx = work, *poly = work + r * r, *next = work + 2 * r * r;
    float norm = sqrtf(k->elem.sumsq(x, r * c)), scale = 1 / (norm + 1e-7f);
    for (size_t i = 0; i < r * c; i++) x[i] *= scale;
    for (int it = 0; it < ITERATIONS; it++) {
        /* X = a X + (b A + d A A) X with A = X X^T */
        k->gemm.nt(xx, r, x, c, x, c, r, r, c, false, scratch);
        k->gemm.nn(poly, r, xx, r, xx, r, r, r, r, false, scratch);
        for (size_t i = 0; i < r * r; i++) poly[i] = b * xx[i] + d * poly[i];
        k->gemm.nn(next, c, poly, r, x, c, r, c, r, false, scratch);
        for (size_t i = 0; i < r * c; i++) x[i] = a * x[i] + next[i];
    }
}

struct muon_job {
    struct muon *m;
    float *momentum;
    float lr, beta, decay, grad_scale;
};

static void one_matrix(void *ctx, size_t i)
{
    const struct muon_job *j = ctx;
    struct muon *m = j->m;
    const struct matrix *q = &m->matrix[i];
    size_t n = q->n_out * q->n_in, self = (size_t)pool_self();
    bool tall = q->n_out > q->n_in; /* worked on lying down */
    size_t r = tall ? q->n_in : q->n_out, c = tall ? q->n_out : q->n_in;
    float *w = m->p->data + q->at, *g = m->p->grad + q->at, *v = j->momentum + q->at;
    float *x = m->work + self * m->work_floats, *work = x + n;
    for (size_t k = 0; k < n; k++) {
        float grad = g[k] * j->grad_scale;
        v[k] = j->beta * v[k] + grad;
        float u = grad + j->beta * v[k];
        x[tall ? k % q->n_in * q->n_out + k / q->n_in : k] = u;
    }
    muon_orthogonal(x, r, c, work, m->scratch + self * gemm_scratch_bytes());
    float size = 0.2f * sqrtf((float)c);
    for (size_t k = 0; k < n; k++) {
        float o = x[tall ? k % q->n_in * q->n_out + k / q->n_in : k];
        w[k] -= j->lr * (size * o + j->decay * w[k]);
    }
    memset(g, 0, n * sizeof *g);
}

void muon_step(struct muon *m, struct pool *pool, float *momentum, double lr, double beta,
               double decay, double grad_scale)
{
    struct muon_job j = {m, momentum, (float)lr, (float)beta, (float)decay, (float)grad_scale};
    pool_run(pool, one_matrix, &j, m->n);
}
