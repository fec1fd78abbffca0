/* grad.h - gradients against central differences.
 *
 * A case builds y from input matrices and weights. L = sum of c * y with fixed random c, in double.
 * For every array (an input or a weight) the derivative along random directions v is compared:
 *
 *   (8 (L(+h) - L(-h)) - (L(+2h) - L(-2h))) / 12 h     with     g . v
 *
 * The difference may be TOLERANCE of |g| |v| / sqrt(n), the size g . v has by chance. Forward
 * passes are f32, so what limits the check is their rounding over h, about 1e-4 of that size; a
 * wrong term shows up as 1e-1 or more.
 */
#ifndef TESTS_GRAD_GRAD_H
#define TESTS_GRAD_GRAD_H

#include "../test.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/tape.h"

enum { GRAD_ARRAYS = 12, GRAD_DIRECTIONS = 3 };
#define GRAD_TOLERANCE 2e-3

struct grad_case {
    struct step *st;
    /* Inputs: made anew from `value` for every pass, so ops may change them in place. */
    struct {
        float *value;
        size_t n, c;
        struct tensor *t;
        float *grad; /* of the taped pass */
    } in[GRAD_ARRAYS];
    int n_in;
    struct weight w[GRAD_ARRAYS];
    int n_w;
    const void *extra;
    struct tensor *(*build)(struct grad_case *c);
};

struct grad_rig {
    struct arena arena, heads;
    struct pool *pool;
    struct step step;
    struct tape tape;
    struct grad_case c;
    float *scale;    /* c, up to 1 << 20 numbers */
    uint64_t stream; /* of random numbers */
};

static inline float *grad_random(struct grad_rig *g, size_t n, float sd)
{
    float *x = mem_alloc(n * sizeof *x);
    assert_non_null(x);
    struct rng r = rng_init(7, ++g->stream);
    rng_fill_normal(&r, x, n, sd);
    return x;
}

static inline void grad_open(struct grad_rig *g, int threads)
{
    struct err e;
    memset(g, 0, sizeof *g);
    arena_init(&g->arena, 1 << 24, 0);
    arena_init(&g->heads, 1 << 20, 0);
    must(pool_create(&g->pool, threads, &e));
    g->step = (struct step){.arena = &g->arena,
                            .heads = &g->heads,
                            .pool = g->pool,
                            .k = kernels(),
                            .tape = &g->tape,
                            .scratch_bytes = 1 << 22};
    g->step.scratch = mem_alloc(g->step.scratch_bytes * (size_t)threads);
    assert_non_null(g->step.scratch);
    g->c.st = &g->step;
    g->scale = grad_random(g, 1 << 16, 1);
}

static inline void grad_close(struct grad_rig *g)
{
    for (int i = 0; i < g->c.n_in; i++) {
        mem_free(g->c.in[i].value);
        mem_free(g->c.in[i].grad);
    }
    for (int i = 0; i < g->c.n_w; i++) {
        mem_free(g->c.w[i].data);
        mem_free(g->c.w[i].grad);
    }
    mem_free(g->scale);
    mem_free(g->step.scratch);
    pool_free(g->pool);
    arena_release(&g->arena);
    arena_release(&g->heads);
}

static inline void grad_input(struct grad_rig *g, size_t n, size_t c, float sd)
{
    int i = g->c.n_in++;
    g->c.in[i].value = grad_random(g, n * c, sd);
    g->c.in[i].grad = mem_alloc(n * c * sizeof(float));
    g->c.in[i].n = n;
    g->c.in[i].c = c;
}

/* n_out 0: a vector around 1. */
static inline struct weight *grad_weight(struct grad_rig *g, size_t n_stack, size_t n_out,
                                         size_t n_in, float sd)
{
    struct weight *w = &g->c.w[g->c.n_w];
    size_t n = n_stack * (n_out ? n_out : 1) * n_in;
    *w = (struct weight){.name = "weight",
                         .kind = n_out ? WEIGHT_MATRIX : WEIGHT_VECTOR,
                         .dt = DT_F32,
                         .n_stack = n_stack,
                         .n_out = n_out ? n_out : 1,
                         .n_in = n_in,
                         .data = grad_random(g, n, sd),
                         .grad = mem_calloc(n, sizeof(float)),
                         .id = g->c.n_w++};
    for (size_t i = 0; !n_out && i < n; i++) w->data[i] += 1;
    return w;
}

static inline struct tensor *grad_forward(struct grad_rig *g)
{
    struct err e;
    struct grad_case *c = &g->c;
    step_reset(&g->step);
    g->tape = (struct tape){.recompute = g->tape.recompute};
    for (int i = 0; i < c->n_in; i++) {
        c->in[i].t = step_tensor(&g->step, c->in[i].n, c->in[i].c);
        memcpy(c->in[i].t->v, c->in[i].value, c->in[i].n * c->in[i].c * sizeof(float));
    }
    struct tensor *y = c->build(c);
    must(step_failed(&g->step, &e));
    assert_true(y->n * y->c <= 1 << 16);
    return y;
}

static inline double grad_loss(struct grad_rig *g)
{
    const struct tensor *y = grad_forward(g);
    double sum = 0;
    for (size_t i = 0; i < y->n * y->c; i++) sum += (double)g->scale[i] * (double)y->v[i];
    return sum;
}

static inline void grad_backward(struct grad_rig *g)
{
    struct err e;
    struct tensor *y = grad_forward(g);
    bool add;
    float *dy = tensor_grad(&g->step, y, &add);
    memcpy(dy, g->scale, y->n * y->c * sizeof *dy);
    for (int i = 0; i < g->c.n_w; i++)
        memset(g->c.w[i].grad, 0,
               g->c.w[i].n_stack * g->c.w[i].n_out * g->c.w[i].n_in * sizeof(float));
    tape_back(&g->step);
    must(step_failed(&g->step, &e));
    for (int i = 0; i < g->c.n_in; i++) {
        assert_non_null(g->c.in[i].t->g);
        memcpy(g->c.in[i].grad, g->c.in[i].t->g, g->c.in[i].n * g->c.in[i].c * sizeof(float));
    }
}

/* value + a * v */
static inline void grad_move(float *value, const float *at, const float *v, size_t n, double a)
{
    for (size_t i = 0; i < n; i++) value[i] = (float)((double)at[i] + a * (double)v[i]);
}

typedef double (*grad_loss_fn)(void *ctx);

/* One array of n numbers at `value` with analytic gradient `grad`. Returns the largest difference,
 * relative as said above. */
static inline double grad_compare(float *value, const float *grad, size_t n, double h,
                                  uint64_t stream, grad_loss_fn loss, void *ctx)
{
    float *at = mem_alloc(n * sizeof *at), *v = mem_alloc(n * sizeof *v);
    double worst = 0;
    memcpy(at, value, n * sizeof *at);
    for (int d = 0; d < GRAD_DIRECTIONS; d++) {
        struct rng r = rng_init(11, stream * GRAD_DIRECTIONS + (uint64_t)d);
        rng_fill_normal(&r, v, n, 1);
        double l[4], gv = 0, gg = 0;
        static const double step[4] = {1, -1, 2, -2};
        for (int i = 0; i < 4; i++) {
            grad_move(value, at, v, n, step[i] * h);
            l[i] = loss(ctx);
        }
        memcpy(value, at, n * sizeof *at);
        double fd = (8 * (l[0] - l[1]) - (l[2] - l[3])) / (12 * h);
        for (size_t i = 0; i < n; i++) {
            gv += (double)grad[i] * (double)v[i];
            gg += (double)grad[i] * (double)grad[i];
        }
        double diff = fabs(fd - gv) / (sqrt(gg) + 1e-12);
        if (!(diff <= worst)) worst = diff;
    }
    mem_free(at);
    mem_free(v);
    return worst;
}

static inline double grad_case_loss(void *ctx)
{
    return grad_loss(ctx);
}

/* All arrays of the case; with one thread and with three the gradients are the same bits. */
static inline void grad_check(struct grad_rig *g, const char *what, double h)
{
    grad_backward(g);
    for (int i = 0; i < g->c.n_in; i++) {
        double d = grad_compare(g->c.in[i].value, g->c.in[i].grad, g->c.in[i].n * g->c.in[i].c,
                                h, (uint64_t)i, grad_case_loss, g);
        if (getenv("GRAD_SHOW")) printf("%s input %d: %.2e\n", what, i, d);
        if (!(d <= GRAD_TOLERANCE)) fail_msg("%s: input %d differs by %g", what, i, d);
    }
    for (int i = 0; i < g->c.n_w; i++) {
        struct weight *w = &g->c.w[i];
        double d = grad_compare(w->data, w->grad, w->n_stack * w->n_out * w->n_in, h,
                                (uint64_t)(100 + i), grad_case_loss, g);
        if (getenv("GRAD_SHOW")) printf("%s weight %d: %.2e\n", what, i, d);
        if (!(d <= GRAD_TOLERANCE)) fail_msg("%s: weight %d differs by %g", what, i, d);
    }
}

#endif
