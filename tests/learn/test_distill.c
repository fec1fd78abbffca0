/* Distillation: gradients of the divergences against differences in double, a student that comes to
 * its teacher's distributions, vocabularies that differ. */
#include "../test.h"

#include <unistd.h>

#include "../naive_bpe.h"
#include "../tiny_models.h"
#include "base/rng.h"
#include "base/thread.h"
#include "model/source.h"
#include "text/chat.h"
#include "text/marks.h"
#include "train/ckpt.h"
#include "train/teacher.h"

enum { V = 37, ROWS = 64 };

static double log_sum(const double *x, double tau)
{
    double sum = 0;
    for (int i = 0; i < V; i++) sum += exp(x[i] / tau);
    return log(sum);
}

/* The loss as the header states it. */
static double loss_of(const struct teacher_opts *o, const double *s, const double *t, int token)
{
    double ls = log_sum(s, o->tau), lt = log_sum(t, o->tau), kl = 0;
    for (int i = 0; i < V; i++) {
        double lp = s[i] / o->tau - ls, lq = t[i] / o->tau - lt;
        kl += o->kind == DIVERGENCE_FORWARD ? exp(lq) * (lq - lp) : exp(lp) * (lp - lq);
    }
    return (1 - o->ce) * o->tau * o->tau * kl + o->ce * (log_sum(s, 1) - s[token]);
}

static void test_gradient(void **state)
{
    (void)state;
    static const struct teacher_opts opts[] = {
        {DIVERGENCE_FORWARD, 1, 0, 0, 0},   {DIVERGENCE_REVERSE, 1, 0, 0, 0},
        {DIVERGENCE_FORWARD, 2, 0.3, 0, 0}, {DIVERGENCE_REVERSE, 0.7, 0.5, 0, 0},
        {DIVERGENCE_FORWARD, 1, 1, 0, 0},
    };
    struct rng r = rng_init(5, 6);
    for (size_t k = 0; k < countof(opts); k++) {
        float s[V], t[V], work[4 * V];
        double ds[V], dt[V];
        for (int i = 0; i < V; i++) {
            s[i] = (float)(2 * rng_normal(&r));
            t[i] = (float)(2 * rng_normal(&r));
            ds[i] = (double)s[i];
            dt[i] = (double)t[i];
        }
        double want = loss_of(&opts[k], ds, dt, 11);
        double got = teacher_row(&opts[k], s, t, V, 11, 0.25, work);
        assert_true(fabs(got - want) < 2e-5 * (1 + want));
        for (int i = 0; i < V; i++) {
            double h = 1e-5, keep = ds[i];
            ds[i] = keep + h;
            double up = loss_of(&opts[k], ds, dt, 11);
            ds[i] = keep - h;
            double down = loss_of(&opts[k], ds, dt, 11);
            ds[i] = keep;
            assert_true(fabs((double)s[i] - 0.25 * (up - down) / (2 * h)) < 2e-6);
        }
    }
}

static struct vocab *vocab_of(int steps, struct naive_model **m)
{
    const char *const *marks;
    size_t n = chat_tarn_marks(&marks);
    *m = naive_train(span_of("the the the answer answer other"), PRETOK_TARN, marks, (int)n,
                     steps, 1, 16);
    struct vocab *v = naive_vocab(*m, PRETOK_TARN);
    struct vocab_special s = *vocab_special(v);
    s.bos = vocab_find(v, span_of(MARK_BOS));
    s.eos = vocab_find(v, span_of(MARK_EOS));
    vocab_set_special(v, &s);
    return v;
}

static struct trainer *new_trainer(const struct vocab *v, enum tiny which, uint64_t seed,
                                   struct pool *pool)
{
    struct err e;
    struct params *p;
    struct trainer *t;
    struct model_config c = tiny_config(which);
    struct model_opts mo = {.mla = MLA_EXPANDED, .act = ACT_F32, .with_mtp = true};
    struct trainer_opts o = trainer_default();
    c.n_vocab = (int32_t)vocab_size(v);
    c.eos[0] = vocab_special(v)->eos;
    o.max_rows = ROWS;
    o.spike_factor = 0;
    o.optim.decay = 0;
    o.lr = (struct schedule){.kind = SCHEDULE_CONSTANT, .lr = 5e-3, .steps = 100};
    must(params_create(&p, &c, &mo, &e));
    params_init(p, seed, 0.15f);
    must(trainer_create(&t, p, pool, &o, &e));
    return t;
}

static void free_trainer(struct trainer *t)
{
    struct params *p = t->p;
    trainer_free(t);
    params_free(p);
}

static void test_student(void **state)
{
    (void)state;
    char dir[] = "/tmp/tarn-distill-XXXXXX", path[CKPT_PATH], cmd[64];
    struct err e;
    struct pool *pool;
    struct naive_model *m, *m2;
    struct vocab *v = vocab_of(20, &m), *other = vocab_of(3, &m2);
    struct model_source *s;
    assert_non_null(mkdtemp(dir));
    must(pool_create(&pool, 2, &e));
    struct trainer *big = new_trainer(v, TINY_QWEN3, 1, pool);
    must(ckpt_save(dir, big, NULL, v, (struct span){"", 0}, path, &e));
    must(source_open(&s, path, &e));
    for (int kind = 0; kind < 2; kind++)
        for (int which = 0; which < 2; which++) {
            struct teacher_opts o = {
                .kind = (enum divergence)kind, .tau = 1, .max_rows = ROWS, .mla = MLA_EXPANDED};
            struct teacher *t;
            struct step_metrics sm;
            struct trainer *small = new_trainer(v, which ? TINY_MLA : TINY_QWEN2, 2, pool);
            must_fail(teacher_open(&t, s, other, pool, &o, &e), ERR_UNSUPPORTED,
                      "cannot be compared");
            must(teacher_open(&t, s, v, pool, &o, &e));
            small->loss = (struct trainer_loss){teacher_loss, t};
            double first = 0, last = 0;
            for (int i = 0; i < 100; i++) {
                int32_t id[ROWS], pos[ROWS], target[ROWS], seq[ROWS];
                struct rng r = rng_init(9, (uint64_t)i % 4);
                for (int k = 0; k < ROWS; k++) {
                    id[k] = (int32_t)rng_below(&r, vocab_size(v));
                    pos[k] = k % 16;
                    seq[k] = k / 16;
                    target[k] = k % 3 ? (int32_t)rng_below(&r, vocab_size(v)) : -1;
                }
                struct train_batch b = {.n = ROWS,
                                        .id = id,
                                        .pos = pos,
                                        .target = target,
                                        .row_seq = seq,
                                        .n_seq = ROWS / 16};
                must(trainer_step(small, &b, 1, &sm, &e));
                if (i < 4) first += sm.loss / 4;
                if (i >= 96) last += sm.loss / 4;
            }
            if (last > 0.4 * first) fail_msg("divergence %g, at first %g", last, first);
            teacher_free(t);
            free_trainer(small);
        }
    source_close(s);
    free_trainer(big);
    vocab_free(v);
    vocab_free(other);
    naive_free(m);
    naive_free(m2);
    pool_free(pool);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_student),
    };
    return cmocka_run_group_tests_name("distillation", tests, NULL, NULL);
}
