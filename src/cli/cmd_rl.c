/* tarn rl: reinforcement learning on problems whose answers can be checked.
 *
 *   recipe -> learner -> [rollouts, rewards, update] -> RUN/ckpt-*, metrics.jsonl, samples.jsonl,
 *                                                        rollouts/, run.yaml
 *
 * --stress holds attacks against every checker instead; --replay teaches kept rollouts again. The
 * first Ctrl-C (or SIGTERM) ends after the present step with a checkpoint, the second at once without one.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/rl_session.h"
#include "cli/run_dir.h"
#include "cli/signals.h"
#include "rl/rl_log.h"
#include "rl/rollout_file.h"

extern const struct command cmd_rl;

enum { STRESS_ITEMS = 200 };

static struct {
    struct opt_list set, replay;
    bool dry_run, resume, keys, stress;
    const char *run;
} o = {.run = "run"};

static const struct opt opts[] = {
    {"set", 0, OPT_LIST, &o.set, "KEY=VALUE", "override a key of the recipe", 0, 0},
    {"run", 0, OPT_STR, &o.run, "DIR", "where everything goes (default run)", 0, 0},
    {"resume", 0, OPT_FLAG, &o.resume, NULL, "go on from the run's newest checkpoint", 0, 0},
    {"dry-run", 0, OPT_FLAG, &o.dry_run, NULL, "show the plan and stop", 0, 0},
    {"keys", 0, OPT_FLAG, &o.keys, NULL, "list the keys of a recipe", 0, 0},
    {"replay", 0, OPT_LIST, &o.replay, "FILE", "teach these rollouts, a step each, in order", 0,
     0},
    {"stress", 0, OPT_FLAG, &o.stress, NULL, "attack the checkers: all, or the families named",
     0, 0},
    {.type = OPT_END},
};

struct session {
    struct rl_session in;
    struct rl_log log;
    struct step_times total; /* of this process */
    int64_t save_ns;         /* since the last line */
};

/* ---- attacks ------------------------------------------------------------------------------- */

static int stress_family(const struct task_family *f, size_t *all, size_t *holes, struct err *e)
{
    struct buf hole;
    size_t tried = 0, passed = 0;
    buf_init(&hole, 1 << 20);
    int rc = task_stress(f, STRESS_ITEMS, 1, &tried, &passed, &hole, e);
    if (rc == 0 && cli.json) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_printf(&b, "{\"task\":\"%s\",\"attacks\":%zu,\"passed\":%zu,\"hole\":", f->name,
                   tried, passed);
        buf_add_json(&b, buf_span(&hole));
        printf("%s}\n", buf_str(&b));
        buf_release(&b);
    } else if (rc == 0) {
        printf("%-16s %8zu attacks  %zu passed%s%.200s\n", f->name, tried, passed,
               passed ? ": " : "", buf_str(&hole));
    }
    *all += tried;
    *holes += passed;
    buf_release(&hole);
    return rc;
}

static int stress(int argc, char **argv, struct err *e)
{
    size_t all = 0, holes = 0;
    for (int i = 0; i < argc; i++) {
        const struct task_family *f = task_find(span_of(argv[i]));
        if (!f) return err_set(e, ERR_USAGE, "there is no task \"%s\"", argv[i]);
        if (stress_family(f, &all, &holes, e)) return -1;
    }
    for (const struct task_family *const *f = task_list(); argc == 0 && *f; f++)
        if (stress_family(*f, &all, &holes, e)) return -1;
    if (!cli.json) printf("%zu attacks, %zu passed\n", all, holes);
    return holes ? err_set(e, ERR_FAILED, "%zu attacks were rewarded", holes) : 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static int save(struct session *s, struct err *e)
{
    char path[CKPT_PATH];
    int64_t t0 = clock_ns();
    if (learner_save(&s->in.l, o.run, path, e)) return -1;
    s->save_ns += clock_ns() - t0;
    if (!cli.json) fprintf(stderr, "saved %s\n", path);
    return 0;
}

static void show(const struct session *s, const struct step_result *r,
                 const struct rl_summary *m, const struct rl_alarms *a)
{
    const struct policy_stats *p = &r->update.policy;
    double t = ns_to_s(r->times.total_ns), roll = ns_to_s(r->times.rollout.wall_ns);
    fprintf(stderr,
            "step %" PRId64 "/%" PRId64 "  reward %.3f  right %.1f%%  flat %.0f%%  "
            "tokens %.0f (right %.0f, wrong %.0f)  cut %.0f%%",
            r->step + 1, s->in.r.train.steps, m->reward, 100 * m->accuracy, 100 * m->flat,
            m->length, m->length_right, m->length_wrong, 100 * m->truncated);
    if (p->n > 0)
        fprintf(stderr, "  entropy %.3f  norm %.2f", r->update.entropy / p->n,
                r->update.grad_norm);
    if (p->n > 0 && s->in.l.reference) fprintf(stderr, "  kl %.4f", p->k3 / p->n);
    if (r->update.updates > 1)
        fprintf(stderr, "  clip %.1f%%", 100 * (p->clip_low + p->clip_high) / p->n);
    if (isfinite(r->eval)) fprintf(stderr, "  eval %.1f%%", 100 * r->eval);
    fprintf(stderr, "  %.1f s", t);
    if (roll > 0) fprintf(stderr, " (%.0f tok/s)", (double)r->times.rollout.tokens / roll);
    fputc('\n', stderr);
    for (int i = 0; i < a->n; i++) fprintf(stderr, "  warning: %s\n", a->text[i]);
}

static void show_shares(const struct session *s)
{
    const struct step_times *t = &s->total;
    double all = (double)t->total_ns / 100;
    if (t->total_ns == 0) return;
    double known = (double)(t->rollout.wall_ns + t->reference_ns + t->update_ns +
                            t->publish_ns + t->save_ns + t->eval_ns);
    printf("time: rollout %.1f%% (checking beside it %.1f%%), reference %.1f%%, update %.1f%%, "
           "weights to the engine %.1f%%, checkpoints %.1f%%, evaluation %.1f%%, rest %.1f%% "
           "of %.1f s\n",
           (double)t->rollout.wall_ns / all, (double)t->rollout.check_ns / all,
           (double)t->reference_ns / all, (double)t->update_ns / all,
           (double)t->publish_ns / all, (double)t->save_ns / all, (double)t->eval_ns / all,
           100 - known / all, ns_to_s(t->total_ns));
}

/* What follows a step that was taught: measurement, reference, log, checkpoint. */
static int after_step(struct session *s, struct step_result *r, struct err *e)
{
    struct learner *l = &s->in.l;
    struct rl_summary m;
    struct rl_alarms a;
    int64_t every = s->in.r.eval.every, t0 = clock_ns();
    rl_summary(l, &m);
    if (s->in.r.rollout.keep && !o.replay.n &&
        rollout_file_write(o.run, l, r, s->in.r.rollout.keep, e))
        return -1;
    if (every && (l->step % every == 0 || l->step == s->in.r.train.steps) &&
        learner_measure(l, s->in.r.eval.count, &stop_now, &r->eval, e))
        return -1;
    r->times.eval_ns = every ? clock_ns() - t0 : 0;
    if (s->in.r.rl.reference_every && l->step % s->in.r.rl.reference_every == 0 &&
        learner_renew_reference(l, o.run, e))
        return -1;
    r->times.total_ns += clock_ns() - t0;
    r->times.save_ns = s->save_ns; /* of the step before: this one's comes behind its line */
    r->times.total_ns += s->save_ns;
    s->save_ns = 0;
    rl_alarms(&s->log.history, &m, r, &a);
    step_times_add(&s->total, &r->times);
    if (!cli.json) show(s, r, &m, &a);
    /* The line first: a kill between the two then loses a checkpoint, not a line. */
    if (rl_log_step(&s->log, l, r, &m, &a, e)) return -1;
    every = s->in.r.train.save_every;
    return every && l->step % every == 0 ? save(s, e) : 0;
}

static int teach(struct session *s, struct err *e)
{
    struct step_result r;
    while (s->in.l.step < s->in.r.train.steps && !stop_asked) {
        if (learner_step(&s->in.l, &stop_now, &r, e) || after_step(s, &r, e))
            return err_hint(e, "the last checkpoint is in %s", o.run);
    }
    return 0;
}

static int replay(struct session *s, struct err *e)
{
    struct step_result r;
    for (int i = 0; i < o.replay.n && !stop_asked; i++)
        if (rollout_file_read(&s->in.l, o.replay.item[i], e) ||
            learner_replay(&s->in.l, &r, e) || after_step(s, &r, e))
            return -1;
    return 0;
}

static void plan(const struct session *s)
{
    const struct rl_recipe *r = &s->in.r;
    const struct learner *l = &s->in.l;
    int64_t answers = r->rollout.prompts * r->rollout.group;
    double tokens = (double)answers * (double)r->rollout.max_tokens;
    char a[32];
    if (cli.json) {
        printf("{\"parameters\":%zu,\"bytes\":%zu,\"problems\":%" PRId64 ",\"answers\":%" PRId64
               ",\"updates\":%" PRId64 ",\"steps\":%" PRId64 ",\"tokens_at_most\":%.0f,"
               "\"stages\":%d}\n",
               l->p->total, learner_bytes(l), r->rollout.prompts, answers, r->rl.updates,
               r->train.steps, tokens * (double)r->train.steps, l->train.n_stage);
        return;
    }
    printf("parameters   %.2f M\n"
           "memory       %s for training, and the engine's\n"
           "a step       %" PRId64 " problems x %" PRId64 " answers = %" PRId64
           " answers, at most %.0f tokens; %" PRId64 " update%s\n"
           "problems     %d tasks, %d with their levels\n"
           "run          %" PRId64 " steps, at most %.3g tokens\n",
           (double)l->p->total * 1e-6, cli_bytes(learner_bytes(l), a), r->rollout.prompts,
           r->rollout.group, answers, tokens, r->rl.updates, r->rl.updates > 1 ? "s" : "",
           l->train.n_track, l->train.n_stage, r->train.steps, tokens * (double)r->train.steps);
}

static int start(struct session *s, struct err *e)
{
    char path[CKPT_PATH];
    if (o.resume && (ckpt_latest(o.run, path, e) || learner_load(&s->in.l, o.run, path, e)))
        return -1;
    if ((!o.resume && run_check_new(o.run, e)) || run_write_recipe(o.run, s->in.r.field, e) ||
        rl_log_open(&s->log, o.run, s->in.l.step, e))
        return -1;
    int rc = o.replay.n ? replay(s, e) : teach(s, e);
    if (rc == 0) rc = save(s, e);
    if (!cli.json) show_shares(s);
    if (rc == 0 && stop_asked)
        rc = err_set(e, ERR_CANCELLED, "stopped after %lld steps; --resume goes on",
                     (long long)s->in.l.step);
    return rc;
}

static void list_keys(void)
{
    struct rl_recipe r;
    rl_recipe_init(&r);
    run_print_keys(r.field);
}

static int run(int argc, char **argv, struct err *e)
{
    static struct session s; /* large */
    if (o.stress) return stress(argc, argv, e);
    if (o.keys) {
        list_keys();
        return 0;
    }
    if (argc != 1) return cli_usage(&cmd_rl, e);
    int rc = -1;
    if (!o.dry_run) stop_on_signals(true);
    if (rl_session_open(&s.in, argv[0], &o.set, e) == 0) {
        if (!cli.json || o.dry_run) plan(&s);
        rc = o.dry_run ? 0 : start(&s, e);
    }
    rl_log_close(&s.log);
    rl_session_close(&s.in);
    return rc;
}

const struct command cmd_rl = {
    .verb = "rl",
    .args = "RECIPE | --stress [TASK ...]",
    .summary = "teach a model by rewards on problems with exact checkers",
    .details = "  tarn rl recipes/rl-r1-zero.yaml --run runs/zero\n"
               "  tarn rl recipes/rl-r1-zero.yaml --run runs/zero --resume\n"
               "  tarn rl recipes/rl-r1-zero.yaml --run again --replay "
               "runs/zero/rollouts/step-000000000.jsonl\n"
               "  tarn rl --stress",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
