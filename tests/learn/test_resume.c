/* Stopping and going on changes no bit; a kill inside any file of a checkpoint, or between files,
 * leaves a directory from which the run goes on; a run that diverges stops and keeps its weights. */
#include "../test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tiny_models.h"
#include "base/clock.h"
#include "model/source.h"
#include "trainer_rig.h"

enum { N = 48, FIRST = 30 };

static void open_run(struct run *r, const struct model_config *c, enum dtype moment,
                     int threads)
{
    struct trainer_opts o = trainer_default();
    o.optim.moment = moment;
    o.bias_speed = 0.01;
    rig_open(r, c, MLA_ABSORBED, o, threads);
}

static void train(struct run *r, int n)
{
    for (int i = 0; i < n; i++) rig_step(r, 2, N, FIRST);
}

static void same_state(const struct run *a, const struct run *b)
{
    size_t bytes = a->p->total * a->t->optim->moment_bytes;
    assert_int_equal(a->t->step, b->t->step);
    assert_memory_equal(a->p->data, b->p->data, a->p->total * sizeof(float));
    assert_memory_equal(a->t->optim->m, b->t->optim->m, bytes);
    assert_memory_equal(a->t->optim->v, b->t->optim->v, bytes);
    assert_true(a->t->mean_loss == b->t->mean_loss);
}

static void save(struct run *r, const char *dir, char path[CKPT_PATH])
{
    struct err e;
    json_t *extra = json_pack("{s:I}", "cursor", (json_int_t)r->t->step * 2);
    must(ckpt_save(dir, r->t, extra, NULL, (struct span){"", 0}, path, &e));
    json_decref(extra);
}

/* A trainer from a checkpoint's own config. */
static void resume(struct run *r, const char *path, enum dtype moment, int threads)
{
    struct err e;
    struct model_source *s;
    struct model_config c;
    json_t *extra;
    must(source_open(&s, path, &e));
    must(params_config(s, &c, &e));
    source_close(s);
    open_run(r, &c, moment, threads);
    must(ckpt_load(path, r->t, &extra, &e));
    assert_int_equal(json_integer_value(json_object_get(extra, "cursor")), r->t->step * 2);
    json_decref(extra);
}

static void check_resume(enum tiny which, enum dtype moment)
{
    char dir[] = "/tmp/tarn-resume-XXXXXX", path[CKPT_PATH];
    struct model_config c = tiny_config(which);
    struct run whole, first, second;
    struct err e;
    assert_non_null(mkdtemp(dir));
    open_run(&whole, &c, moment, 2);
    train(&whole, 6);
    open_run(&first, &c, moment, 1);
    train(&first, 3);
    save(&first, dir, path);
    train(&first, 1); /* lost by the stop */
    save(&first, dir, path);
    must(ckpt_prune(dir, 2, &e));
    snprintf(path, sizeof path, "%s/ckpt-000000003", dir);
    resume(&second, path, moment, 3);
    train(&second, 3);
    same_state(&whole, &second);
    must(ckpt_latest(dir, path, &e));
    assert_non_null(strstr(path, "ckpt-000000004"));
    must(ckpt_prune(dir, 1, &e));
    close_run(&whole);
    close_run(&first);
    close_run(&second);
    remove_all(dir);
}

static void test_resume(void **state)
{
    (void)state;
    check_resume(TINY_QWEN3, DT_F32);
    check_resume(TINY_QWEN2, DT_BF16);
    check_resume(TINY_MLA, DT_F32);
}

/* The latest checkpoint of a directory after a kill: step 1's or, complete, step 2's. */
static int64_t survivor(const char *dir)
{
    char path[CKPT_PATH];
    struct err e;
    struct run r;
    must(ckpt_latest(dir, path, &e));
    resume(&r, path, DT_F32, 1);
    int64_t step = r.t->step;
    close_run(&r);
    return step;
}

/* Files may not grow beyond a limit: the writer is killed inside the first one that does. The files
 * come in ascending size, so every one of them is cut, also at its very end. */
static void test_kill_inside(void **state)
{
    (void)state;
    char dir[] = "/tmp/tarn-kill-XXXXXX", path[CKPT_PATH];
    struct model_config c = tiny_config(TINY_QWEN2);
    struct run r;
    assert_non_null(mkdtemp(dir));
    open_run(&r, &c, DT_F32, 1);
    train(&r, 1);
    save(&r, dir, path);
    train(&r, 1);
    static const rlim_t limit[] = {0,      100,    400,    700,    1000,  100000,
                                   200000, 400000, 450000, 500000, 600000};
    int killed = 0;
    for (size_t i = 0; i < countof(limit); i++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit l = {limit[i], limit[i]};
            signal(SIGXFSZ, SIG_DFL);
            if (setrlimit(RLIMIT_FSIZE, &l) != 0) _exit(3);
            save(&r, dir, path);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) break; /* everything fitted */
        assert_int_equal(WTERMSIG(status), SIGXFSZ);
        killed++;
        assert_int_equal(survivor(dir), 1);
    }
    assert_true(killed >= 6);
    save(&r, dir, path); /* removes what was left */
    assert_int_equal(survivor(dir), 2);
    close_run(&r);
    remove_all(dir);
}

/* kill -9 at any time: whatever is there is complete. */
static void test_kill_between(void **state)
{
    (void)state;
    char dir[] = "/tmp/tarn-kill9-XXXXXX", path[CKPT_PATH];
    struct model_config c = tiny_config(TINY_QWEN2);
    struct run r;
    assert_non_null(mkdtemp(dir));
    open_run(&r, &c, DT_F32, 1);
    save(&r, dir, path);
    for (int i = 0; i < 25; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct err e;
            for (int64_t s = 1; s < 1000; s++) {
                r.t->step = s;
                json_t *extra = json_pack("{s:I}", "cursor", (json_int_t)s * 2);
                if (ckpt_save(dir, r.t, extra, NULL, (struct span){"", 0}, path, &e) ||
                    ckpt_prune(dir, 2, &e))
                    _exit(2);
                json_decref(extra);
            }
            _exit(0);
        }
        int status;
        clock_sleep_ns(1000000 + (int64_t)(rng_at(3, 4, (uint64_t)i) % 12000000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        (void)survivor(dir);
    }
    close_run(&r);
    remove_all(dir);
}

static void test_not_finite(void **state)
{
    (void)state;
    struct model_config c = tiny_config(TINY_QWEN2);
    struct run r;
    struct err e;
    struct step_metrics m;
    open_run(&r, &c, DT_F32, 1);
    train(&r, 2);
    rig_fill(&r, 9, 9, N, FIRST);
    struct weight *w = r.p->param[4].w;
    float was = w->data[3];
    w->data[3] = NAN;
    must_fail(trainer_step(r.t, &r.b, 1, &m, &e), ERR_NUMERIC, w->name);
    w->data[3] = was;
    params_zero_grad(r.p, r.pool);
    r.t->mean_loss = 0.01;
    must_fail(trainer_step(r.t, &r.b, 1, &m, &e), ERR_NUMERIC, "running mean");
    assert_int_equal(r.t->step, 2);
    close_run(&r);
}

static void test_damage(void **state)
{
    (void)state;
    char dir[] = "/tmp/tarn-damage-XXXXXX", path[CKPT_PATH], file[CKPT_PATH + 32];
    struct model_config c = tiny_config(TINY_QWEN2);
    struct run r;
    struct err e;
    json_t *extra;
    assert_non_null(mkdtemp(dir));
    must_fail(ckpt_latest(dir, path, &e), ERR_NOT_FOUND, "no checkpoint");
    open_run(&r, &c, DT_F32, 1);
    save(&r, dir, path);
    snprintf(file, sizeof file, "%s/weights.safetensors", path);
    FILE *f = fopen(file, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -5, SEEK_END), 0);
    fputc(0x55, f);
    fclose(f);
    must_fail(ckpt_load(path, r.t, &extra, &e), ERR_FORMAT, "not those that were written");
    close_run(&r);
    remove_all(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),       cmocka_unit_test(test_kill_inside),
        cmocka_unit_test(test_kill_between), cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("stopping and going on", tests, NULL, NULL);
}
