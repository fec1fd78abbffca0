#include "rl/learner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "model/source.h"

/* ---- open ---------------------------------------------------------------------------------- */

static int open_engine(struct learner *l, struct err *e)
{
    struct engine_opts eo;
    struct engine_plan plan;
    engine_opts_defaults(&eo);
    eo.n_ctx = l->r->rollout.max_prompt + l->r->rollout.max_tokens;
    eo.n_parallel = (int)l->r->rollout.parallel;
    eo.n_cache = eo.n_ctx * eo.n_parallel;
    eo.n_queue = 4 * eo.n_parallel + 64;
    eo.n_draft = 0;
    eo.cache_dt = DT_F32; /* what the trainer's attention reads */
    l->o.rollout.in_flight = 2 * eo.n_parallel + 64;
    return engine_make_plan(l->packed, l->engine_pool, &eo, &plan, e) ||
                   engine_open(&l->engine, l->packed, l->vocab, l->engine_pool, &eo, e)
               ? -1
               : 0;
}

static int open_reference(struct learner *l, struct model_source *from, struct err *e)
{
    if (l->o.policy.kl == KL_NONE) return 0;
    struct model_opts mo = l->p->m->opts;
    if (params_create(&l->ref_p, &l->p->m->c, &mo, e) || params_load(l->ref_p, from, e) ||
        pass_create(&l->reference, l->ref_p, l->pool, l->t->o.max_rows, true, e))
        return -1;
    l->reference->n_mtp = 0;
    l->reference->sharp = l->t->pass->sharp;
    return 0;
}

static int open_trainer(struct learner *l, struct model_source *from, struct err *e)
{
    struct model_config c;
    if (params_config(from, &c, e)) return -1;
    l->o.model.with_mtp = c.n_layer_mtp > 0;
    if (params_create(&l->p, &c, &l->o.model, e) || params_load(l->p, from, e) ||
        trainer_create(&l->t, l->p, l->pool, &l->o.trainer, e))
        return -1;
    /* Drafting layers are kept as they are: a policy gradient says nothing about them. */
    l->t->pass->n_mtp = 0;
    l->t->pass->sharp = 1 / (float)l->r->rollout.temperature; /* as the sampler divides */
    return params_packed(&l->packed, l->p, l->pool, e);
}

int learner_open(struct learner *l, const struct rl_recipe *r, struct model_source *from,
                 struct vocab *vocab, enum chat_template chat, int n_thread, struct err *e)
{
    struct span own = source_chat_template(from), text = chat_template_text(chat);
    *l = (struct learner){.r = r, .vocab = vocab};
    buf_init(&l->template_text, 1 << 20);
    /* The model's own words, unless the recipe names another form. */
    bool keep = own.n && (!*r->model.form || text.n == 0);
    buf_add_span(&l->template_text, keep ? own : text);
    if (rl_recipe_opts(r, &l->o, e) || rl_recipe_problems(r, &l->o, TASK_TRAIN, &l->train, e) ||
        (*r->task.families && rl_recipe_problems(r, &l->o, TASK_EVAL, &l->eval, e)))
        return -1;
    l->o.rollout.chat = chat;
    if (pool_create(&l->pool, n_thread, e) || pool_create(&l->engine_pool, n_thread, e) ||
        open_trainer(l, from, e) || open_reference(l, from, e) ||
        update_create(&l->u, l->t, l->reference, e) || open_engine(l, e))
        return -1;
    return 0;
}

static void drop_groups(struct learner *l)
{
    for (size_t i = 0; i < l->n_group; i++) group_release(&l->group[i]);
    mem_free(l->group);
    l->group = NULL;
    l->n_group = l->n_kept = 0;
}

void learner_close(struct learner *l)
{
    drop_groups(l);
    engine_close(l->engine);
    update_free(l->u);
    model_free(l->packed);
    pass_free(l->reference);
    params_free(l->ref_p);
    trainer_free(l->t);
    params_free(l->p);
    curriculum_release(&l->train);
    curriculum_release(&l->eval);
    pool_free(l->engine_pool);
    pool_free(l->pool);
    vocab_free(l->vocab);
    buf_release(&l->template_text);
}

size_t learner_bytes(const struct learner *l)
{
    size_t n = trainer_bytes(l->t) + l->p->total * sizeof(float);
    return n + (l->reference ? l->reference->bytes + l->p->total * sizeof(float) : 0);
}

/* ---- weights into the engine --------------------------------------------------------------- */

static void publish(void *ctx)
{
    struct learner *l = ctx;
    params_publish(l->packed, l->p, l->engine_pool);
}

/* ---- checkpoints --------------------------------------------------------------------------- */

int learner_save(struct learner *l, const char *run, char path[CKPT_PATH], struct err *e)
{
    json_t *c = curriculum_to_json(&l->train);
    json_t *x = c ? json_pack("{s:I, s:I, s:I, s:I, s:o}", "rl_step", (json_int_t)l->step,
                              "next_prompt", (json_int_t)l->next_prompt, "version",
                              (json_int_t)l->version, "reference_at",
                              (json_int_t)l->reference_at, "curriculum", c)
                  : NULL;
    int rc = x ? ckpt_save(run, l->t, x, l->vocab, buf_span(&l->template_text), path, e)
               : err_oom(e, "the checkpoint's state", 4096);
    json_decref(x);
    return rc ? -1 : ckpt_prune(run, (int)l->r->train.keep, e);
}

static int load_reference(struct learner *l, const char *run, struct err *e)
{
    char path[CKPT_PATH];
    struct model_source *s;
    if (!l->reference || l->reference_at == 0) return 0;
    snprintf(path, sizeof path, "%.900s/reference/ckpt-%09lld", run,
             (long long)l->reference_at);
    if (source_open(&s, path, e)) return err_wrap(e, "the reference");
    int rc = params_load(l->ref_p, s, e);
    source_close(s);
    return rc;
}

int learner_load(struct learner *l, const char *run, const char *path, struct err *e)
{
    json_t *x;
    int64_t next = 0;
    if (ckpt_load(path, l->t, &x, e)) return -1;
    int rc = json_get_i64(x, "rl_step", 0, INT64_MAX, &l->step, path, e) ||
             json_get_i64(x, "next_prompt", 0, INT64_MAX, &next, path, e) ||
             json_get_i64(x, "version", 0, INT64_MAX, &l->version, path, e) ||
             json_get_i64(x, "reference_at", 0, INT64_MAX, &l->reference_at, path, e) ||
             curriculum_from_json(&l->train, json_object_get(x, "curriculum"), e) ||
             load_reference(l, run, e);
    json_decref(x);
    if (rc) return -1;
    l->next_prompt = (uint64_t)next;
    engine_exclusive(l->engine, publish, l);
    return 0;
}

int learner_renew_reference(struct learner *l, const char *run, struct err *e)
{
    char path[CKPT_PATH], dir[CKPT_PATH];
    if (!l->reference) return 0;
    snprintf(dir, sizeof dir, "%.1000s/reference", run);
    if (ckpt_save(dir, l->t, NULL, NULL, (struct span){"", 0}, path, e) ||
        ckpt_prune(dir, 2, e))
        return -1;
    memcpy(l->ref_p->data, l->p->data, l->p->total * sizeof(float));
    l->reference_at = l->t->step;
    return 0;
}

/* ---- a step -------------------------------------------------------------------------------- */

int learner_take_groups(struct learner *l, size_t n, struct err *e)
{
    drop_groups(l);
    l->group = mem_calloc(n, sizeof *l->group);
    if (!l->group) return err_oom(e, "groups", n * sizeof *l->group);
    return 0;
}

/* A prompt that is too long is passed over; only a whole round of them is an error. */
static int next_group(struct learner *l, struct curriculum *c, uint64_t *number, size_t answers,
                      struct err *e)
{
    for (int tries = 0; tries < 64; tries++) {
        struct group *g = &l->group[l->n_group];
        uint64_t index;
        int stage;
        curriculum_choose(c, *number, &stage, &index);
        if (group_create(g, answers, e)) return -1;
        g->stage = stage;
        g->number = (*number)++;
        if (rollout_prompt(g, c->stage[stage].source, index, l->vocab, &l->o.rollout, e) == 0) {
            l->n_group++;
            return 0;
        }
        group_release(g);
        if (!e || e->code != ERR_CONTEXT) return -1;
    }
    return -1;
}

static void judge(struct learner *l, struct group *g, size_t n)
{
    size_t k = g->n;
    for (size_t i = 0; i < n; i++) {
        double right = 0;
        size_t judged = 0;
        for (size_t j = 0; j < k; j++) {
            judged += g[i].r[j].reward.judged;
            right += g[i].r[j].reward.judged ? g[i].r[j].reward.score : 0;
        }
        if (judged) curriculum_record(&l->train, g[i].stage, right / (double)judged);
    }
}

static int set_advantages(struct learner *l, struct group *g, size_t n, struct err *e)
{
    size_t k = g->n;
    double *x = mem_calloc(2 * n * k, sizeof *x), *adv = x + n * k;
    bool *is = mem_calloc(n * k + n, sizeof *is), *flat = is + n * k;
    if (!x || !is) {
        mem_free(x);
        mem_free(is);
        return err_oom(e, "advantages", n * k * 17);
    }
    for (size_t i = 0; i < n * k; i++) {
        x[i] = g[i / k].r[i % k].reward.total;
        is[i] = g[i / k].r[i % k].reward.judged;
    }
    advantages(l->o.advantage, x, is, n, k, adv, flat);
    for (size_t i = 0; i < n * k; i++) g[i / k].r[i % k].advantage = adv[i];
    for (size_t i = 0; i < n; i++) g[i].flat = flat[i];
    mem_free(x);
    mem_free(is);
    return 0;
}

/* Most checks failed: the numbers of this step would be about the checker, not the model. */
static int too_many_errors(const struct group *g, size_t n, struct err *e)
{
    size_t bad = 0, all = 0;
    const char *why = "";
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < g[i].n; k++, all++)
            if (!g[i].r[k].reward.judged) {
                bad++;
                why = g[i].r[k].reason;
            }
    if (2 * bad <= all) return 0;
    return err_set(e, ERR_FAILED, "%zu of %zu checks failed, the last one: %s", bad, all, why);
}

static int sample_round(struct learner *l, size_t n, const volatile int *stop,
                        struct rollout_times *t, struct err *e)
{
    size_t from = l->n_group;
    for (size_t i = 0; i < n; i++)
        if (next_group(l, &l->train, &l->next_prompt, (size_t)l->r->rollout.group, e))
            return -1;
    struct group *g = l->group + from;
    if (rollout_run(g, n, l->engine, l->vocab, &l->o.rollout, stop, t, e) ||
        too_many_errors(g, n, e))
        return -1;
    judge(l, g, n);
    return set_advantages(l, g, n, e);
}

/* Groups that are not flat come first, in their order. */
static size_t sort_kept(struct group *g, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (g[i].flat) continue;
        struct group keep = g[i];
        memmove(&g[at + 1], &g[at], (i - at) * sizeof *g);
        g[at++] = keep;
    }
    return at;
}

static int sample(struct learner *l, const volatile int *stop, struct step_result *s,
                  struct err *e)
{
    size_t want = (size_t)l->r->rollout.prompts, good = 0;
    size_t rounds = l->r->rl.dynamic ? (size_t)l->r->rl.rounds : 1;
    if (learner_take_groups(l, want * rounds, e)) return -1;
    for (s->rounds = 0; s->rounds < (int)rounds && good < want; s->rounds++) {
        if (sample_round(l, want, stop, &s->times.rollout, e)) return -1;
        if (l->r->rl.dynamic) good = sort_kept(l->group, l->n_group);
    }
    l->n_kept = l->r->rl.dynamic ? (good < want ? good : want) : l->n_group;
    s->n_sampled = l->n_group;
    if (l->r->rl.dynamic && good == 0)
        return err_set(
            e, ERR_LIMIT,
            "step %lld: after %d rounds of sampling every group is flat: the problems "
            "are all too easy or all too hard",
            (long long)l->step, s->rounds);
    /* The batch's spread is that of the groups it holds. */
    return l->r->rl.dynamic && l->o.advantage == ADVANTAGE_BATCH
               ? set_advantages(l, l->group, l->n_kept, e)
               : 0;
}

static int teach(struct learner *l, bool replayed, struct step_result *s, struct err *e)
{
    struct update_opts uo = {.policy = l->o.policy,
                             .updates = (int)l->r->rl.updates,
                             .mask_overlong = l->o.mask_overlong,
                             .seed = (uint64_t)l->r->rollout.seed,
                             .any_model = replayed};
    if (update_run(l->u, l->group, l->n_kept, &uo, l->step, &s->update, e)) return -1;
    s->times.reference_ns = s->update.reference_ns;
    s->times.update_ns = s->update.update_ns;
    int64_t t0 = clock_ns();
    if (s->update.updates) engine_exclusive(l->engine, publish, l);
    s->times.publish_ns = clock_ns() - t0;
    l->version += s->update.updates;
    s->step = l->step++;
    return 0;
}

void step_times_add(struct step_times *sum, const struct step_times *t)
{
    sum->rollout.wall_ns += t->rollout.wall_ns;
    sum->rollout.check_ns += t->rollout.check_ns;
    sum->rollout.tokens += t->rollout.tokens;
    sum->rollout.prompt_tokens += t->rollout.prompt_tokens;
    sum->rollout.cached_tokens += t->rollout.cached_tokens;
    sum->reference_ns += t->reference_ns;
    sum->update_ns += t->update_ns;
    sum->publish_ns += t->publish_ns;
    sum->save_ns += t->save_ns;
    sum->eval_ns += t->eval_ns;
    sum->total_ns += t->total_ns;
}

int learner_step(struct learner *l, const volatile int *stop, struct step_result *s,
                 struct err *e)
{
    int64_t t0 = clock_ns();
    *s = (struct step_result){.eval = (double)NAN, .version = l->version};
    if (sample(l, stop, s, e) || teach(l, false, s, e)) return -1;
    s->times.total_ns = clock_ns() - t0;
    return 0;
}

int learner_replay(struct learner *l, struct step_result *s, struct err *e)
{
    int64_t t0 = clock_ns();
    *s = (struct step_result){.eval = (double)NAN, .version = l->version, .rounds = 1};
    l->n_kept = s->n_sampled = l->n_group;
    if (set_advantages(l, l->group, l->n_group, e) || teach(l, true, s, e)) return -1;
    s->times.total_ns = clock_ns() - t0;
    return 0;
}

int learner_measure(struct learner *l, int64_t n, const volatile int *stop, double *share,
                    struct err *e)
{
    struct learner own = *l; /* a view: its groups are its own */
    struct rollout_times t = {0};
    uint64_t number = 0;
    double right = 0;
    *share = (double)NAN;
    if (l->eval.n_stage == 0) return 0;
    own.group = NULL;
    own.n_group = own.n_kept = 0;
    own.o.rollout.temperature = 0;
    own.eval.o.on = false;
    int rc = learner_take_groups(&own, (size_t)n, e);
    while (rc == 0 && own.n_group < (size_t)n) rc = next_group(&own, &own.eval, &number, 1, e);
    if (rc == 0)
        rc = rollout_run(own.group, own.n_group, l->engine, l->vocab, &own.o.rollout, stop, &t,
                         e);
    for (size_t i = 0; rc == 0 && i < own.n_group; i++) right += own.group[i].r[0].reward.score;
    if (rc == 0) *share = right / (double)n;
    drop_groups(&own);
    return rc;
}
