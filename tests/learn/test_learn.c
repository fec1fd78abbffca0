/* Shards, the order of their documents, and learning: tiny models reach a stated loss in a stated
 * number of steps, from shards to metrics. */
#include "../test.h"

#include <unistd.h>

#include "../tiny_models.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "format/token_shard.h"
#include "train/data.h"
#include "train/train_log.h"
#include "train/trainer.h"

enum { VOCAB = 96, END = 0, DOCS = 400 };

/* Documents that count: start, step, then start + k * step mod 90, each number one token. From the
 * third token on every next one is certain, so the best loss is that of two tokens in the length. */
static void write_shard(const char *path, uint64_t seed)
{
    struct err e;
    static uint32_t id[DOCS * 40];
    size_t n = 0;
    for (uint64_t d = 0; d < DOCS; d++) {
        struct rng r = rng_init(seed, d);
        uint32_t at = (uint32_t)rng_below(&r, 90), step = 1 + (uint32_t)rng_below(&r, 3);
        size_t len = 10 + (size_t)rng_below(&r, 20);
        for (size_t i = 0; i < len; i++) id[n++] = 1 + (at + step * (uint32_t)i) % 90;
        id[n++] = END;
    }
    must(token_shard_write(path, id, n, VOCAB, END, 7, &e));
}

static char dir[64];

static int setup(void **state)
{
    (void)state;
    char path[96];
    strcpy(dir, "/tmp/tarn-learn-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%d.shard", dir, i);
        write_shard(path, (uint64_t)i + 1);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static struct data *open_data(size_t rows)
{
    struct err e;
    struct data *d;
    struct data_opts o = {
        .path = dir, .seed = 4, .batch_rows = rows, .seq_rows = 16, .verify = true};
    must(data_open(&d, &o, &e));
    return d;
}

/* One epoch shows every pair (id, next) of the shards once; a place brings back the same batches. */
static void test_order(void **state)
{
    (void)state;
    struct err e;
    struct data *d = open_data(100), *again = open_data(100);
    struct train_batch b, c;
    struct data_share share;
    json_t *at = NULL;
    uint64_t rows = 0, starts = 0;
    data_share(d, 0, &share);
    uint64_t all = (uint64_t)share.counts.tokens - 3 * DOCS; /* the ends are targets only */
    for (int i = 0; share.counts.epoch == 0; i++) {
        if (i == 57) at = data_place(d);
        must(data_next(d, 0, &b, &e));
        assert_int_equal(b.n, 100);
        for (size_t r = 0; r < b.n; r++) {
            bool first = r == 0 || b.row_seq[r] != b.row_seq[r - 1];
            assert_int_equal(b.pos[r], first ? 0 : b.pos[r - 1] + 1);
            assert_true(b.pos[r] < 16 && b.row_seq[r] < (int32_t)b.n_seq);
            if (!first) assert_int_equal(b.id[r], b.target[r - 1]);
            rows += 1;
            starts += first;
        }
        data_share(d, 0, &share);
        assert_int_equal(share.rows, rows);
    }
    assert_true(rows >= all && rows < all + 100);
    assert_true(starts > 3 * DOCS);
    must(data_seek(again, at, &e));
    must(data_seek(d, at, &e));
    for (int i = 0; i < 300; i++) { /* into the next epoch */
        must(data_next(d, 0, &b, &e));
        must(data_next(again, 1, &c, &e));
        assert_memory_equal(b.id, c.id, 400 * sizeof *b.id);
    }
    json_object_set_new(at, "shard", json_integer(9));
    must_fail(data_seek(d, at, &e), ERR_FORMAT, "place");
    json_decref(at);
    data_close(d);
    data_close(again);
}

static void test_shard_errors(void **state)
{
    (void)state;
    struct err e;
    struct token_shard s;
    char path[96];
    static const uint32_t open_end[] = {1, 2, 3}, outside[] = {1, 200, 0};
    snprintf(path, sizeof path, "%s/bad", dir);
    must_fail(token_shard_write(path, open_end, 3, VOCAB, END, 0, &e), ERR_FORMAT,
              "does not end");
    must_fail(token_shard_write(path, outside, 3, VOCAB, END, 0, &e), ERR_FORMAT, "outside");
    write_shard(path, 1);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    fputc(5, f);
    fclose(f);
    must(token_shard_open(&s, path, &e));
    must_fail(token_shard_verify(&s, path, &e), ERR_FORMAT, "hash");
    token_shard_close(&s);
    assert_int_equal(truncate(path, 1001), 0);
    must_fail(token_shard_open(&s, path, &e), ERR_FORMAT, "the header speaks");
    assert_int_equal(truncate(path, 20), 0);
    must_fail(token_shard_open(&s, path, &e), ERR_FORMAT, "not a token shard");
    unlink(path);
}

/* Loss after `steps` steps of 512 rows; *worst gets the last load_worst. */
static double learn(enum tiny which, struct trainer_opts o, int64_t steps, double *worst)
{
    struct err e;
    struct pool *pool;
    struct params *p;
    struct trainer *t;
    struct step_metrics m = {0};
    struct train_log log;
    struct train_batch b;
    struct model_config c = tiny_config(which);
    struct model_opts mo = {.mla = MLA_EXPANDED, .act = ACT_F32, .with_mtp = true};
    struct data *d = open_data(512);
    o.max_rows = 512;
    o.lr = (struct schedule){.kind = SCHEDULE_WSD,
                             .lr = 6e-3,
                             .lr_end = 6e-4,
                             .warmup = 10,
                             .steps = steps,
                             .decay = 0.3};
    must(pool_create(&pool, 2, &e));
    must(params_create(&p, &c, &mo, &e));
    params_init(p, 1, 0.08f);
    must(trainer_create(&t, p, pool, &o, &e));
    must(train_log_open(&log, dir, 0, &e));
    double sum = 0;
    for (int64_t i = 0; i < steps; i++) {
        must(data_next(d, 0, &b, &e));
        must(trainer_step(t, &b, 1, &m, &e));
        must(train_log_step(&log, &m, (double)NAN, &e));
        if (i == 0) assert_true(fabs(m.loss - 4.564) < 0.5); /* nothing known: ln V */
        if (i >= steps - 5) sum += m.loss / 5;
    }
    train_log_close(&log);
    if (worst) *worst = m.load_worst;
    trainer_free(t);
    params_free(p);
    pool_free(pool);
    data_close(d);
    return sum;
}

/* Best possible: about ln(90)/19 for the start, ln(3)/19 for the step, and where a document ends:
 * near 0.45 with sequences of 16 rows that begin anew. */
static void test_dense(void **state)
{
    (void)state;
    double loss = learn(TINY_QWEN3, trainer_default(), 120, NULL);
    printf("dense: %.3f\n", loss);
    assert_true(loss < 0.75);
}

static void test_bf16_moments(void **state)
{
    (void)state;
    struct trainer_opts o = trainer_default();
    o.optim.moment = DT_BF16;
    double loss = learn(TINY_QWEN3, o, 120, NULL);
    printf("dense, bf16 moments: %.3f\n", loss);
    assert_true(loss < 0.75);
}

/* Balance by the correction bias: even loads, without a loss of its own; and by the auxiliary loss
 * for a softmax gate. */
static void test_experts(void **state)
{
    (void)state;
    struct trainer_opts o = trainer_default();
    double worst;
    o.bias_speed = 0.02;
    double loss = learn(TINY_MLA, o, 120, &worst);
    printf("experts, bias: %.3f, worst load %.2f\n", loss, worst);
    assert_true(loss < 0.75);
    assert_true(worst < 1.6);
    double free_worst;
    o.bias_speed = o.balance_weight = 0;
    (void)learn(TINY_MLA, o, 120, &free_worst);
    printf("experts, unbalanced: worst load %.2f\n", free_worst);
    assert_true(worst < free_worst);
    o.balance_weight = 0.02;
    o.balance_by_sequence = false;
    loss = learn(TINY_V2, o, 120, &worst);
    printf("experts, softmax: %.3f, worst load %.2f\n", loss, worst);
    assert_true(loss < 0.75);
    assert_true(worst < 1.6);
}

/* A run that goes on from step 40 has every line once. */
static void test_log(void **state)
{
    (void)state;
    struct err e;
    struct train_log log;
    struct step_metrics m = {.step = 40, .ns = 1};
    struct buf b;
    char path[96];
    must(train_log_open(&log, dir, 40, &e));
    must(train_log_step(&log, &m, 1.5, &e));
    train_log_close(&log);
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    buf_init(&b, 1 << 24);
    must(file_read(path, &b, &e));
    int64_t n = 0;
    for (size_t at = 0, end; at < b.len; at = end + 1) {
        end = span_find(buf_span(&b), at, span_of("\n"));
        json_t *o = json_parse((struct span){b.data + at, end - at}, "line", &e);
        assert_non_null(o);
        assert_int_equal(json_integer_value(json_object_get(o, "step")), n++);
        json_decref(o);
    }
    assert_int_equal(n, 41);
    buf_release(&b);
}

static void test_schedule(void **state)
{
    (void)state;
    struct schedule s = {SCHEDULE_COSINE, 1, 0.1, 10, 110, 0};
    assert_true(fabs(schedule_at(&s, 0) - 0.1) < 1e-12);
    assert_true(fabs(schedule_at(&s, 9) - 1) < 1e-12);
    assert_true(fabs(schedule_at(&s, 60) - 0.55) < 1e-12);
    assert_true(fabs(schedule_at(&s, 110) - 0.1) < 1e-12);
    assert_true(fabs(schedule_at(&s, 500) - 0.1) < 1e-12);
    s = (struct schedule){SCHEDULE_WSD, 1, 0, 0, 100, 0.2};
    assert_true(schedule_at(&s, 79) == 1);
    assert_true(fabs(schedule_at(&s, 85) - 0.5) < 1e-12);
    assert_true(schedule_at(&s, 100) == 0);
    assert_int_equal(schedule_ramp(3072, 15360, 100, 16, 0), 3072);
    assert_int_equal(schedule_ramp(3072, 15360, 100, 16, 50) % 16, 0);
    assert_int_equal(schedule_ramp(3072, 15360, 100, 16, 100), 15360);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_shard_errors),
        cmocka_unit_test(test_schedule),     cmocka_unit_test(test_dense),
        cmocka_unit_test(test_bf16_moments), cmocka_unit_test(test_experts),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests_name("learning", tests, setup, teardown);
}
