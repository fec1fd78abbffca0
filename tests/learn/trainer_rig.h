/* trainer_rig.h - a trainer on a tiny model and made-up batches, for tests that compare whole runs. */
#ifndef TESTS_LEARN_TRAINER_RIG_H
#define TESTS_LEARN_TRAINER_RIG_H

#include "base/rng.h"
#include "base/thread.h"
#include "train/ckpt.h"

enum { RIG_ROWS = 80 };

struct run {
    struct pool *pool;
    struct params *p;
    struct trainer *t;
    int32_t id[RIG_ROWS], pos[RIG_ROWS], target[RIG_ROWS], seq[RIG_ROWS];
    struct train_batch b;
};

/* Eight steps of a cosine; o->max_rows is RIG_ROWS. */
static inline void rig_open(struct run *r, const struct model_config *c, enum mla_form mla,
                            struct trainer_opts o, int threads)
{
    struct err e;
    struct model_opts mo = {.mla = mla, .act = ACT_F32, .with_mtp = true};
    o.max_rows = RIG_ROWS;
    o.lr = (struct schedule){.kind = SCHEDULE_COSINE, .lr = 3e-3, .lr_end = 1e-4, .steps = 8};
    must(pool_create(&r->pool, threads, &e));
    must(params_create(&r->p, c, &mo, &e));
    params_init(r->p, 17, 0.1f);
    must(trainer_create(&r->t, r->p, r->pool, &o, &e));
}

static inline void close_run(struct run *r)
{
    trainer_free(r->t);
    params_free(r->p);
    pool_free(r->pool);
}

/* Batch k of step i: two sequences of numbers of its own, the first `first` rows long. */
static inline void rig_fill(struct run *r, int64_t i, uint64_t k, int rows, int first)
{
    struct rng g = rng_init((uint64_t)i, k);
    for (int n = 0; n < rows; n++) {
        r->seq[n] = n >= first;
        r->pos[n] = n < first ? n : n - first;
        r->id[n] = (int32_t)(rng_below(&g, 12) * 7);
        r->target[n] = (r->id[n] + 5) % 96;
    }
    r->b = (struct train_batch){.n = (size_t)rows,
                                .id = r->id,
                                .pos = r->pos,
                                .target = r->target,
                                .row_seq = r->seq,
                                .n_seq = 2};
}

/* One optimizer step over n batches. */
static inline void rig_step(struct run *r, int n, int rows, int first)
{
    struct err e;
    struct step_metrics m;
    trainer_begin(r->t, n * rows, (size_t)(n * rows));
    for (int k = 0; k < n; k++) {
        rig_fill(r, r->t->step, (uint64_t)k, rows, first);
        must(trainer_add(r->t, &r->b, &e));
    }
    must(trainer_finish(r->t, &m, &e));
    assert_true(m.loss > 0 && m.grad_norm > 0);
}

static inline void remove_all(const char *dir)
{
    char cmd[CKPT_PATH + 16];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

#endif
