/* bench_rl.c - where a step of reinforcement learning spends its time, and what batching gives.
 *
 * Shares are of wall time over the measured steps. Checking runs on the caller's thread beside the engine,
 * so its share lies inside that of rollouts. The rates are tokens the engine produced per second,
 * with so many answers in flight, over whole answers of the recipe's own prompts: the end, where the last
 * answers run alone, counts. */
#include "cli/bench_rl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/rl_session.h"

enum { PROMPTS = 64, ALONE = 8 };

static int measure_steps(struct learner *l, int64_t steps, struct step_times *t, int64_t *rows,
                         struct err *e)
{
    struct step_result r;
    *rows = 0;
    for (int64_t i = 0; i <= steps; i++) { /* the first one fills caches and is not counted */
        if (learner_step(l, NULL, &r, e)) return -1;
        if (i == 0) continue;
        step_times_add(t, &r.times);
        *rows += r.update.rows;
    }
    return 0;
}

static void print_shares(const struct step_times *t, int64_t steps, int64_t rows)
{
    double all = (double)t->total_ns,
           part[] = {(double)t->rollout.wall_ns, (double)t->rollout.check_ns,
                     (double)t->reference_ns, (double)t->update_ns, (double)t->publish_ns};
    static const char *const name[] = {"rollout", "checking", "reference", "update", "publish"};
    double rest = all - part[0] - part[2] - part[3] - part[4];
    double update_s = ns_to_s(t->update_ns);
    if (cli.json) {
        printf("{\"test\":\"shares\",\"steps\":%lld,\"seconds\":%.4f", (long long)steps,
               ns_to_s(t->total_ns));
        for (size_t i = 0; i < countof(name); i++)
            printf(",\"%s\":%.4f", name[i], part[i] / all);
        printf(",\"rest\":%.4f,\"rollout_tokens\":%lld,\"update_rows\":%lld}\n", rest / all,
               (long long)t->rollout.tokens, (long long)rows);
        return;
    }
    printf("a step       %.2f s, mean of %lld\n", ns_to_s(t->total_ns) / (double)steps,
           (long long)steps);
    printf("  rollout    %5.1f%%  %.0f tokens/s", 100 * part[0] / all,
           (double)t->rollout.tokens / ns_to_s(t->rollout.wall_ns));
    printf("\n  checking   %5.1f%%  beside the rollouts\n", 100 * part[1] / all);
    printf("  reference  %5.1f%%\n", 100 * part[2] / all);
    printf("  update     %5.1f%%", 100 * part[3] / all);
    if (update_s > 0) printf("  %.0f rows/s", (double)rows / update_s);
    printf("\n  weights to the engine %4.1f%%, rest %.1f%%\n", 100 * part[4] / all,
           100 * rest / all);
}

/* n prompts, one answer each, at most `parallel` at once. */
static int rate(struct learner *l, size_t n, int parallel, double *tokens_per_s, struct err *e)
{
    struct rollout_opts ro = l->o.rollout;
    struct rollout_times t = {0};
    ro.group = 1;
    ro.in_flight = parallel;
    if (learner_take_groups(l, n, e)) return -1;
    for (size_t i = 0; i < n; i++) {
        int stage;
        uint64_t index;
        struct group *g = &l->group[i];
        curriculum_choose(&l->train, l->next_prompt + i, &stage, &index);
        if (group_create(g, 1, e) ||
            rollout_prompt(g, l->train.stage[stage].source, index, l->vocab, &ro, e))
            return -1;
        g->stage = stage;
        g->number = l->next_prompt + i;
        l->n_group = i + 1;
    }
    if (rollout_run(l->group, n, l->engine, l->vocab, &ro, NULL, &t, e)) return -1;
    *tokens_per_s = (double)t.tokens / ns_to_s(t.wall_ns);
    return 0;
}

static int measure_rates(struct learner *l, struct err *e)
{
    static const int parallel[] = {1, 8, 64};
    double one = 0;
    for (size_t i = 0; i < countof(parallel); i++) {
        double x;
        if (parallel[i] > l->r->rollout.parallel) {
            if (!cli.json)
                printf("  %2d at once   the recipe's rollout.parallel is %lld\n", parallel[i],
                       (long long)l->r->rollout.parallel);
            continue;
        }
        if (rate(l, parallel[i] == 1 ? ALONE : PROMPTS * 2, parallel[i], &x, e)) return -1;
        if (parallel[i] == 1) one = x;
        if (cli.json)
            printf(
                "{\"test\":\"engine\",\"sequences\":%d,\"tokens_per_s\":%.1f,\"times\":%.3f}\n",
                parallel[i], x, x / one);
        else
            printf("  %2d at once   %8.0f tokens/s  %.2f x\n", parallel[i], x, x / one);
    }
    return 0;
}

int bench_rl(const char *recipe, const struct opt_list *set, int64_t steps, struct err *e)
{
    static struct rl_session s; /* large */
    struct step_times t = {0};
    int64_t rows;
    int rc = rl_session_open(&s, recipe, set, e);
    if (rc == 0) rc = measure_steps(&s.l, steps, &t, &rows, e);
    if (rc == 0) {
        print_shares(&t, steps, rows);
        if (!cli.json) printf("engine, whole answers of the recipe's prompts\n");
        rc = measure_rates(&s.l, e);
    }
    rl_session_close(&s);
    return rc;
}
