/* Reinforcement learning from end to end on models of a few thousand parameters: reward goes from
 * chance to nearly everything right; sampler and trainer agree to the last bit in every step; a
 * killed run gives the curve of one that was not; kept rollouts make the same weights again.
 *
 * The world: 16 questions, each with one right letter of eight. A model is first shown answers in
 * their form, one in six of them right and the others letters drawn at random; the rest it can
 * only learn by trying. */
#include "../test.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tiny_models.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "model/source.h"
#include "rl/rl_log.h"
#include "rl/rollout_file.h"
#include "text/bpe_train.h"

enum { QUESTIONS = 16, ROWS = 512, PRETRAIN = 200 };

static char world[64]; /* a directory: problems.jsonl, dense/ckpt-*, mla/ckpt-* */

static void question(int i, char out[64])
{
    snprintf(out, 64, "%d %c", i * 7 % 10, "abcdefgh"[i * 5 % 8]);
}

static char right_letter(int i)
{
    return "stuvwxyz"[(i * i + i / 3) % 8];
}

/* ---- the model that knows the form --------------------------------------------------------- */

static struct vocab *make_vocab(void)
{
    struct err e;
    struct vocab *v;
    struct bpe_trainer *t;
    const char *const *name;
    struct span mark[64];
    size_t n = chat_tarn_marks(&name);
    for (size_t i = 0; i < n; i++) mark[i] = span_of(name[i]);
    struct bpe_train_opts o = {
        .n_vocab = n + 256 + 1, .rule = PRETOK_TARN, .special = mark, .n_special = n};
    must(bpe_trainer_create(&t, &o, &e));
    must(bpe_trainer_add(t, span_of("a b a b a b"), &e));
    must(bpe_trainer_finish(t, &v, &e));
    bpe_trainer_free(t);
    return v;
}

/* Question i with any letter as its answer, appended to the rows. */
static size_t show(const struct vocab *v, int i, char letter, int32_t *id, int32_t *pos,
                   int32_t *target, size_t n)
{
    struct err e;
    char text[64], answer[64];
    struct tok_list l = {0};
    bool inside;
    question(i, text);
    snprintf(answer, sizeof answer, "</think>%c", letter);
    struct chat_msg msg = {.role = CHAT_USER, .content = span_of(text)};
    struct chat_opts co = {.add_generation_prompt = true};
    must(chat_render_ids(v, CHAT_TARN, &msg, 1, &co, &l, &inside, &e));
    assert_true(inside);
    size_t np = l.n;
    must(vocab_encode(v, span_of(answer), true, false, &l, &e));
    must(tok_list_add(&l, vocab_special(v)->eos, &e));
    for (size_t k = 0; k + 1 < l.n; k++) {
        id[n + k] = l.id[k];
        pos[n + k] = (int32_t)k;
        target[n + k] = k + 1 < np ? -1 : l.id[k + 1];
    }
    n += l.n - 1;
    tok_list_release(&l);
    return n;
}

static void make_model(const char *name, enum tiny which)
{
    static int32_t id[ROWS], pos[ROWS], target[ROWS], seq[ROWS];
    struct err e;
    struct pool *pool;
    struct params *p;
    struct trainer *t;
    struct step_metrics m;
    struct vocab *v = make_vocab();
    struct model_config c = tiny_config(which);
    struct model_opts mo = {.mla = MLA_EXPANDED, .act = ACT_F32, .with_mtp = c.n_layer_mtp > 0};
    struct trainer_opts o = trainer_default();
    struct rng r = rng_init(11, 5);
    char path[CKPT_PATH], dir[128];
    c.n_vocab = (int32_t)vocab_size(v) + 7; /* padded, as published models are */
    c.n_ctx = 128;
    c.eos[0] = vocab_special(v)->eos;
    o.max_rows = ROWS;
    o.lr = (struct schedule){.lr = 5e-3, .lr_end = 1e-3, .steps = PRETRAIN, .warmup = 5};
    must(pool_create(&pool, 2, &e));
    must(params_create(&p, &c, &mo, &e));
    params_init(p, 17, 0.08f);
    must(trainer_create(&t, p, pool, &o, &e));
    for (int step = 0; step < PRETRAIN; step++) {
        size_t n = 0, from;
        int s = 0;
        for (; n + 24 <= ROWS; s++) {
            from = n;
            int i = (int)rng_below(&r, QUESTIONS);
            char letter = "stuvwxyz"[rng_below(&r, 8)];
            if (rng_below(&r, 6) == 0) letter = right_letter(i);
            n = show(v, i, letter, id, pos, target, n);
            for (size_t k = from; k < n; k++) seq[k] = s;
        }
        struct train_batch b = {
            .n = n, .id = id, .pos = pos, .target = target, .row_seq = seq, .n_seq = (size_t)s};
        must(trainer_step(t, &b, 1, &m, &e));
    }
    snprintf(dir, sizeof dir, "%s/%s", world, name);
    must(ckpt_save(dir, t, NULL, v, (struct span){"", 0}, path, &e));
    trainer_free(t);
    params_free(p);
    pool_free(pool);
    vocab_free(v);
}

static int make_world(void **state)
{
    (void)state;
    char path[128], text[64];
    strcpy(world, "/tmp/tarn-rl-XXXXXX");
    assert_non_null(mkdtemp(world));
    snprintf(path, sizeof path, "%s/problems.jsonl", world);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < QUESTIONS; i++) {
        question(i, text);
        fprintf(f, "{\"prompt\":\"%s\",\"answer\":\"%c\",\"grade\":\"exact\"}\n", text,
                right_letter(i));
    }
    fclose(f);
    make_model("dense", TINY_QWEN3);
    make_model("mla", TINY_MLA);
    return 0;
}

static int remove_world(void **state)
{
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", world);
    return system(cmd);
}

/* ---- runs ---------------------------------------------------------------------------------- */

struct run {
    struct rl_recipe r;
    struct yaml *yaml;
    struct learner l;
};

static void open_task(struct run *run, const char *model, const char *task, const char *more,
                      int threads)
{
    struct err e;
    struct model_source *from;
    struct vocab *v;
    char text[2048], path[128];
    int n = snprintf(text, sizeof text,
                     "init: %s/%s/ckpt-000000200\n"
                     "task:\n  %s\n"
                     "rollout:\n  max_prompt: 32\n  max_tokens: 8\n  parallel: 32\n%s",
                     world, model, task, more);
    rl_recipe_init(&run->r);
    must(yaml_parse(&run->yaml, text, (size_t)n, "recipe", &e));
    must(rl_recipe_apply(&run->r, run->yaml, &e));
    snprintf(path, sizeof path, "%s/%s/ckpt-000000200", world, model);
    must(source_open(&from, path, &e));
    must(source_vocab(from, &v, &e));
    must(learner_open(&run->l, &run->r, from, v, CHAT_TARN, threads, &e));
    source_close(from);
}

static void open_run(struct run *run, const char *model, const char *more, int threads)
{
    char task[128];
    snprintf(task, sizeof task, "data: %s/problems.jsonl", world);
    open_task(run, model, task, more, threads);
}

static void close_run(struct run *run)
{
    learner_close(&run->l);
    yaml_close(run->yaml);
}

static double one_step(struct run *run, struct step_result *s)
{
    struct err e;
    struct rl_summary m;
    must(learner_step(&run->l, NULL, s, &e));
    rl_summary(&run->l, &m);
    /* What was trained was compared, all of it when there is one update. */
    assert_true(s->update.compared > 0);
    if (s->update.updates == 1)
        assert_int_equal(s->update.compared, (int64_t)s->update.policy.n);
    return m.accuracy;
}

static void same_weights(const struct run *a, const struct run *b)
{
    const struct params *p = a->l.p, *q = b->l.p;
    assert_memory_equal(p->data, q->data, p->total * sizeof(float));
    assert_memory_equal(a->l.t->optim->m, b->l.t->optim->m, p->total * sizeof(float));
    assert_memory_equal(a->l.t->optim->v, b->l.t->optim->v, p->total * sizeof(float));
}

static const char usual[] =
    "  prompts: 16\n  group: 8\ntrain:\n  lr: 0.002\n  micro_rows: 1024\n";

static void test_learns(void **state)
{
    (void)state;
    /* The first steps of the curve, to six digits: a change of these numbers is a change of what
     * the program computes, and must be meant. */
    static const double golden[] = {0.218750, 0.179688, 0.132812, 0.148438,
                                    0.218750, 0.242188, 0.257812, 0.312500};
    struct run run;
    struct step_result s;
    double got[8] = {0}, last = 0;
    int64_t t0 = clock_ns();
    bool same = true;
    open_run(&run, "dense", usual, 2);
    int step = 0;
    for (; step < 150 && last < 0.97; step++) {
        double right = one_step(&run, &s);
        if (step < 8) got[step] = right;
        last = step ? 0.7 * last + 0.3 * right : right;
    }
    printf("  right answers from %.0f%% to %.0f%% in %d steps, %.1f s\n", 100 * got[0],
           100 * last, step, ns_to_s(clock_ns() - t0));
    for (int i = 0; i < 8; i++) same = same && fabs(got[i] - golden[i]) < 1e-6;
    if (!same) {
        printf("  the curve begins with");
        for (int i = 0; i < 8; i++) printf(" %.6f,", got[i]);
        printf("\n");
    }
    assert_true(got[0] < 0.3 && last >= 0.97);
    assert_true(same);
    close_run(&run);
}

static const struct {
    const char *what, *model, *more;
} kinds[] = {
    {"grpo", "dense", "  prompts: 8\n  group: 4\ntrain:\n  lr: 0.003\n  micro_rows: 256\n"},
    {"r1, its reference renewed, two updates", "mla",
     "  prompts: 6\n  group: 4\nrl:\n  preset: r1\n  reference_every: 2\n  updates: 2\ntrain:\n"
     "  lr: 0.003\n  micro_rows: 256\n  bias_speed: 0.001\n"},
    {"dapo, dynamic", "dense",
     "  prompts: 6\n  group: 4\nrl:\n  preset: dapo\ncurriculum:\n  on: true\ntrain:\n  lr: "
     "0.003\n"
     "  micro_rows: 256\n"},
    {"r1 at temperature 0.6, two updates", "mla",
     "  prompts: 6\n  group: 4\n  temperature: 0.6\nrl:\n  preset: r1\n  updates: 2\ntrain:\n"
     "  lr: 0.003\n  micro_rows: 256\n"},
    {"dr_grpo at temperature 1.3", "dense",
     "  prompts: 6\n  group: 4\n  temperature: 1.3\nrl:\n  preset: dr_grpo\ntrain:\n"
     "  lr: 0.003\n  micro_rows: 256\n"},
    {"gspo, three updates", "mla",
     "  prompts: 6\n  group: 4\nrl:\n  preset: gspo\n  updates: 3\ntrain:\n  lr: 0.003\n"
     "  micro_rows: 256\n"},
};

static void steps(struct run *run, const char *dir, int n)
{
    struct err e;
    struct step_result s;
    for (int i = 0; i < n; i++) {
        one_step(run, &s);
        int64_t every = run->r.rl.reference_every;
        if (every && run->l.step % every == 0) must(learner_renew_reference(&run->l, dir, &e));
    }
}

static void load(struct run *run, const char *dir)
{
    struct err e;
    char path[CKPT_PATH];
    must(ckpt_latest(dir, path, &e));
    must(learner_load(&run->l, dir, path, &e));
}

static void test_resume(void **state)
{
    (void)state;
    for (size_t k = 0; k < countof(kinds); k++) {
        struct err e;
        struct run whole, first, second;
        char dir[128], path[CKPT_PATH];
        const char *more = kinds[k].more;
        snprintf(dir, sizeof dir, "%s/resume-%zu", world, k);
        open_run(&whole, kinds[k].model, more, 2);
        steps(&whole, dir, 5);
        open_run(&first, kinds[k].model, more, 1);
        steps(&first, dir, 3);
        must(learner_save(&first.l, dir, path, &e));
        close_run(&first);
        open_run(&second, kinds[k].model, more, 3);
        load(&second, dir);
        assert_int_equal(second.l.step, 3);
        steps(&second, dir, 2);
        assert_int_equal(second.l.next_prompt, whole.l.next_prompt);
        assert_int_equal(second.l.version, whole.l.version);
        if (whole.l.ref_p)
            assert_memory_equal(whole.l.ref_p->data, second.l.ref_p->data,
                                whole.l.p->total * sizeof(float));
        same_weights(&whole, &second);
        close_run(&whole);
        close_run(&second);
    }
}

/* ---- temperature --------------------------------------------------------------------------- */

static double sum_nll(struct pass *pass, const struct train_batch *b)
{
    struct err e;
    double sum = 0;
    must(pass_forward(pass, b, &e));
    for (size_t i = 0; i < pass->n_out; i++) sum += (double)pass->nll->v[i];
    return sum;
}

/* The gradient of log-probabilities at a temperature against central differences, where it is
 * largest: there f32 sums tell the difference from a gradient that forgot to divide. */
static void test_temperature_gradient(void **state)
{
    (void)state;
    enum { N = 12 };
    struct err e;
    struct run run;
    int32_t id[N], pos[N], target[N], seq[N] = {0};
    float one[N];
    open_run(&run, "dense", "  temperature: 0.5\ntrain:\n  micro_rows: 64\n", 1);
    struct params *p = run.l.p;
    struct pass *pass = run.l.t->pass;
    for (int i = 0; i < N; i++) {
        id[i] = 40 + 7 * i % 50;
        target[i] = 40 + 7 * (i + 1) % 50;
        pos[i] = i;
        one[i] = 1;
    }
    struct train_batch b = {
        .n = N, .id = id, .pos = pos, .target = target, .row_seq = seq, .n_seq = 1};
    memset(p->grad, 0, p->total * sizeof *p->grad);
    (void)sum_nll(pass, &b);
    must(pass_backward(pass, one, NULL, &e));
    size_t at[4] = {0};
    for (size_t i = 0; i < p->total; i++)
        if (fabsf(p->grad[i]) > fabsf(p->grad[at[i % 4]])) at[i % 4] = i;
    for (size_t k = 0; k < 4; k++) {
        float was = p->data[at[k]], h = 0.004f;
        p->data[at[k]] = was + h;
        params_changed(p);
        double up = sum_nll(pass, &b);
        p->data[at[k]] = was - h;
        params_changed(p);
        double down = sum_nll(pass, &b), want = (up - down) / (2 * (double)h);
        p->data[at[k]] = was;
        params_changed(p);
        double got = (double)p->grad[at[k]];
        assert_true(fabs(got) > 0.1);
        if (fabs(got - want) > 0.05 * fabs(want))
            fail_msg("parameter %zu: gradient %g, differences %g", at[k], got, want);
    }
    close_run(&run);
}

/* ---- kill -9 ------------------------------------------------------------------------------- */

static void live(const char *dir, int until)
{
    struct err e;
    struct run run;
    struct step_result s;
    char path[CKPT_PATH];
    struct rl_log log;
    open_run(&run, "dense", usual, 2);
    if (ckpt_latest(dir, path, NULL) == 0) load(&run, dir);
    must(rl_log_open(&log, dir, run.l.step, &e));
    while (run.l.step < until) {
        struct rl_summary m;
        struct rl_alarms a;
        one_step(&run, &s);
        rl_summary(&run.l, &m);
        rl_alarms(&log.history, &m, &s, &a);
        must(rl_log_step(&log, &run.l, &s, &m, &a, &e));
        if (run.l.step % 2 == 0) must(learner_save(&run.l, dir, path, &e));
    }
    rl_log_close(&log);
    close_run(&run);
}

/* The reward of every step of a run's log, in order. */
static int read_curve(const char *dir, double *reward, int max)
{
    char path[256], line[65536];
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    FILE *f = fopen(path, "r");
    int n = 0, step;
    assert_non_null(f);
    while (n < max && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"reward\":");
        assert_non_null(at);
        assert_int_equal(sscanf(line, "{\"step\":%d", &step), 1);
        assert_int_equal(step, n);
        reward[n++] = strtod(at + 9, NULL);
    }
    fclose(f);
    return n;
}

static void test_kill(void **state)
{
    (void)state;
    enum { STEPS = 12 };
    char whole[128], cut[128];
    double a[STEPS + 1], b[STEPS + 1];
    struct rng r = rng_init(1, 77);
    int kills = 0;
    snprintf(whole, sizeof whole, "%s/whole", world);
    snprintf(cut, sizeof cut, "%s/cut", world);
    assert_int_equal(mkdir(whole, 0777), 0);
    assert_int_equal(mkdir(cut, 0777), 0);
    live(whole, STEPS);
    for (bool done = false; !done;) {
        pid_t child = fork();
        if (child == 0) {
            live(cut, STEPS);
            _exit(0);
        }
        int status;
        if (kills < 6) {
            clock_sleep_ns(100000000 + (int64_t)rng_below(&r, 500000000));
            kill(child, SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        done = WIFEXITED(status);
        if (done) assert_int_equal(WEXITSTATUS(status), 0);
        kills += !done;
    }
    assert_int_equal(read_curve(whole, a, STEPS + 1), STEPS);
    assert_int_equal(read_curve(cut, b, STEPS + 1), STEPS);
    assert_memory_equal(a, b, STEPS * sizeof *a);
    printf("  %d kills, the same curve\n", kills);
}

/* ---- replay, and what must not pass -------------------------------------------------------- */

static void test_replay(void **state)
{
    (void)state;
    struct err e;
    struct run a, b;
    struct step_result s;
    char path[256];
    open_run(&a, "mla", usual, 2);
    open_run(&b, "mla", usual, 1);
    for (int i = 0; i < 3; i++) {
        one_step(&a, &s);
        must(rollout_file_write(world, &a.l, &s, 2, &e));
        snprintf(path, sizeof path, "%s/rollouts/step-%09d.jsonl", world, i);
        must(rollout_file_read(&b.l, path, &e));
        must(learner_replay(&b.l, &s, &e));
        same_weights(&a, &b);
    }
    snprintf(path, sizeof path, "%s/rollouts/step-%09d.jsonl", world, 0);
    assert_false(file_exists(path)); /* two are kept */
    close_run(&a);
    close_run(&b);
}

/* The engine gets other weights than the trainer has: by a thousandth, everywhere. */
static void spoil(void *ctx)
{
    struct learner *l = ctx;
    size_t n = l->p->total;
    float *keep = mem_alloc(n * sizeof *keep);
    assert_non_null(keep);
    memcpy(keep, l->p->data, n * sizeof *keep);
    for (size_t i = 0; i < n; i++) l->p->data[i] *= 1.001f;
    params_publish(l->packed, l->p, l->engine_pool);
    memcpy(l->p->data, keep, n * sizeof *keep);
    mem_free(keep);
}

static void test_stale_weights(void **state)
{
    (void)state;
    struct err e;
    struct run run;
    struct step_result s;
    open_run(&run, "dense", usual, 2);
    one_step(&run, &s);
    float *before = mem_alloc(run.l.p->total * sizeof *before);
    assert_non_null(before);
    memcpy(before, run.l.p->data, run.l.p->total * sizeof *before);
    engine_exclusive(run.l.engine, spoil, &run.l);
    must_fail(learner_step(&run.l, NULL, &s, &e), ERR_NUMERIC, "the sampler gave token");
    assert_memory_equal(before, run.l.p->data, run.l.p->total * sizeof *before);
    mem_free(before);
    close_run(&run);
}

/* A group in a file with two prompts is found. */
static void test_wrong_group(void **state)
{
    (void)state;
    struct err e;
    struct run run;
    struct step_result s;
    char path[256], cmd[600];
    open_run(&run, "dense", usual, 1);
    one_step(&run, &s);
    must(rollout_file_write(world, &run.l, &s, 9, &e));
    snprintf(path, sizeof path, "%s/rollouts/step-%09d.jsonl", world, 0);
    snprintf(cmd, sizeof cmd, "sed -i '3s/\"prompt_ids\":\\[[0-9]*,/\"prompt_ids\":[7,/' %s",
             path);
    assert_int_equal(system(cmd), 0);
    must_fail(rollout_file_read(&run.l, path, &e), ERR_FORMAT, "has two prompts");
    close_run(&run);
}

/* A checker that breaks is no score of 0: half of the answers unjudged is an error, fewer are
 * counted and left out. */
static void test_broken_checker(void **state)
{
    (void)state;
    struct err e;
    struct run run;
    struct step_result s;
    struct rl_summary m;
    char path[128], task[160];
    for (int always = 0; always < 2; always++) {
        snprintf(path, sizeof path, "%s/task-%d", world, always);
        FILE *f = fopen(path, "w");
        fprintf(
            f,
            "#!/bin/sh\nn=0\nwhile read -r line; do case \"$line\" in\n"
            "*'\"item\"'*'\"seed\"'*) echo '{\"prompt\":\"0 a\"}';;\n"
            "*) n=$((n+1)); [ %d = 1 ] && exit 1; [ $((n %% 4)) = 3 ] && exit 1\n"
            "case \"$line\" in *'</think>s'*) echo '{\"score\":1}';; *) echo '{\"score\":0}';; "
            "esac;;\nesac; done\n",
            always);
        fclose(f);
        assert_int_equal(chmod(path, 0755), 0);
        snprintf(task, sizeof task, "command: %s", path);
        open_task(&run, "dense", task,
                  "  prompts: 4\n  group: 8\ntrain:\n  micro_rows: 256\n  lr: 0.003\n", 1);
        if (always) {
            must_fail(learner_step(&run.l, NULL, &s, &e), ERR_FAILED, "checks failed");
        } else {
            must(learner_step(&run.l, NULL, &s, &e));
            rl_summary(&run.l, &m);
            assert_true(m.errored > 0 && m.errored < 0.5 && m.judged < m.n);
            for (size_t i = 0; i < run.l.n_group; i++)
                for (size_t k = 0; k < run.l.group[i].n; k++)
                    if (!run.l.group[i].r[k].reward.judged)
                        assert_true(run.l.group[i].r[k].advantage == 0);
        }
        close_run(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_learns),
                                       cmocka_unit_test(test_resume),
                                       cmocka_unit_test(test_temperature_gradient),
                                       cmocka_unit_test(test_kill),
                                       cmocka_unit_test(test_replay),
                                       cmocka_unit_test(test_stale_weights),
                                       cmocka_unit_test(test_wrong_group),
                                       cmocka_unit_test(test_broken_checker)};
    return cmocka_run_group_tests_name("rl", tests, make_world, remove_world);
}
