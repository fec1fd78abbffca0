#include "rl/update.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/entropy.h"

enum { STREAM_ORDER = 0x75706474 };

struct item {
    const struct group *g;
    const struct rollout *r;
};

struct update {
    struct trainer *t;
    struct pass *reference;
    size_t max_rows;
    int32_t *id, *pos, *target, *seq; /* (max_rows) */
    float *d, *logp, *ref, *entropy;  /* (max_rows) */
    struct item *item;                /* (n_item) those that teach, in the step's order */
    size_t n_item, cap_item;
};

int update_create(struct update **out, struct trainer *t, struct pass *reference, struct err *e)
{
    struct update *u = mem_calloc(1, sizeof *u);
    size_t n = t->o.max_rows;
    if (!u) return err_oom(e, "an update", sizeof *u);
    u->t = t;
    u->reference = reference;
    u->max_rows = n;
    u->id = mem_calloc(4 * n, sizeof *u->id);
    u->d = mem_calloc(4 * n, sizeof *u->d);
    if (!u->id || !u->d) {
        update_free(u);
        return err_oom(e, "an update", 32 * n);
    }
    u->pos = u->id + n;
    u->target = u->id + 2 * n;
    u->seq = u->id + 3 * n;
    u->logp = u->d + n;
    u->ref = u->d + 2 * n;
    u->entropy = u->d + 3 * n;
    *out = u;
    return 0;
}

void update_free(struct update *u)
{
    if (!u) return;
    mem_free(u->id);
    mem_free(u->d);
    mem_free(u->item);
    mem_free(u);
}

/* ---- what teaches -------------------------------------------------------------------------- */

static bool teaches(const struct group *g, const struct rollout *r, const struct update_opts *o)
{
    if (g->flat || !r->reward.judged || r->n == 0) return false;
    if (o->mask_overlong && r->truncated) return false;
    return r->advantage != 0 || o->policy.kl != KL_NONE;
}

static int add_item(struct update *u, const struct group *g, const struct rollout *r,
                    struct err *e)
{
    if (u->n_item == u->cap_item) {
        size_t cap = u->cap_item ? 2 * u->cap_item : 256;
        struct item *p = mem_realloc(u->item, u->cap_item * sizeof *p, cap * sizeof *p);
        if (!p) return err_oom(e, "an update's answers", cap * sizeof *p);
        u->item = p;
        u->cap_item = cap;
    }
    u->item[u->n_item++] = (struct item){g, r};
    return 0;
}

static size_t rows_of(const struct item *it)
{
    return it->g->prompt.n + it->r->n - 1;
}

/* Every group has one prompt, and an answer fits into a pass. */
static int check_group(const struct update *u, const struct group *g, struct err *e)
{
    if (prompt_hash(g->prompt.id, g->prompt.n) != g->hash || g->prompt.n == 0)
        return err_set(e, ERR_BUG, "the group of %s has lost its prompt", g->problem.id);
    for (size_t i = 0; i < g->n; i++)
        if (g->prompt.n + g->r[i].n > u->max_rows + 1)
            return err_set(e, ERR_LIMIT,
                           "%s: prompt and answer have %zu tokens, a pass holds %zu",
                           g->problem.id, g->prompt.n + g->r[i].n, u->max_rows);
    return 0;
}

static int collect(struct update *u, const struct group *g, size_t n,
                   const struct update_opts *o, struct update_stats *s, struct err *e)
{
    u->n_item = 0;
    for (size_t i = 0; i < n; i++) {
        if (check_group(u, &g[i], e)) return -1;
        for (size_t k = 0; k < g[i].n; k++) {
            const struct rollout *r = &g[i].r[k];
            bool yes = teaches(&g[i], r, o);
            s->tokens += (int64_t)r->n;
            s->sequences += yes;
            s->skipped += !yes;
            s->skipped_tokens += yes ? 0 : (int64_t)r->n;
            if (yes && add_item(u, &g[i], r, e)) return -1;
        }
    }
    return 0;
}

static void shuffle(struct update *u, uint64_t seed, int64_t step)
{
    struct rng r = rng_init(seed ^ STREAM_ORDER, (uint64_t)step);
    for (size_t i = u->n_item; i > 1; i--) {
        size_t k = (size_t)rng_below(&r, i);
        struct item it = u->item[i - 1];
        u->item[i - 1] = u->item[k];
        u->item[k] = it;
    }
}

/* ---- one pass ------------------------------------------------------------------------------ */

/* Rows of items [from, from + n): a prompt's last row and every answer's row but the last have the
 * next token of the answer as target. */
static struct train_batch fill(struct update *u, const struct item *it, size_t n)
{
    size_t row = 0;
    for (size_t q = 0; q < n; q++) {
        size_t np = it[q].g->prompt.n, rows = rows_of(&it[q]);
        for (size_t i = 0; i < rows; i++, row++) {
            u->id[row] = i < np ? it[q].g->prompt.id[i] : it[q].r->id[i - np];
            u->pos[row] = (int32_t)i;
            u->seq[row] = (int32_t)q;
            u->target[row] = i + 1 < np ? -1 : it[q].r->id[i + 1 - np];
        }
    }
    return (struct train_batch){.n = row,
                                .id = u->id,
                                .pos = u->pos,
                                .target = u->target,
                                .row_seq = u->seq,
                                .n_seq = n};
}

static int compare(const struct update *u, const struct item *it, size_t n, int64_t step,
                   struct update_stats *s, struct err *e)
{
    size_t at = 0;
    for (size_t q = 0; q < n; q++)
        for (size_t i = 0; i < it[q].r->n; i++, at++, s->compared++) {
            if (u->logp[at] == it[q].r->logp[i]) continue;
            err_set(
                e, ERR_NUMERIC,
                "step %lld, %s: the sampler gave token %zu of an answer the log-probability "
                "%.9g, the trainer %.9g",
                (long long)step, it[q].g->problem.id, i, (double)it[q].r->logp[i],
                (double)u->logp[at]);
            return err_hint(e, "weights, attention form, cache type or template differ");
        }
    return 0;
}

static int not_finite(const struct item *it, int64_t step, struct err *e)
{
    return err_set(e, ERR_NUMERIC, "step %lld, %s: a log-probability is not finite",
                   (long long)step, it->g->problem.id);
}

static int reference_pass(struct update *u, const struct train_batch *b, struct update_stats *s,
                          struct err *e)
{
    int64_t t0 = clock_ns();
    if (pass_forward(u->reference, b, e)) return err_wrap(e, "the reference");
    for (size_t i = 0; i < u->reference->n_out; i++) u->ref[i] = -u->reference->nll->v[i];
    s->reference_ns += clock_ns() - t0;
    return 0;
}

struct part { /* what all passes of an update share */
    const struct update_opts *o;
    struct policy_batch batch;
    bool fresh; /* the weights are those that sampled */
    bool learn;
    int64_t step;
};

static int one_pass(struct update *u, const struct item *it, size_t n, const struct part *p,
                    struct update_stats *s, struct err *e)
{
    struct pass *pass = u->t->pass;
    struct train_batch b = fill(u, it, n);
    bool kl = p->o->policy.kl != KL_NONE && p->learn;
    if (kl && reference_pass(u, &b, s, e)) return -1;
    if (pass_forward(pass, &b, e)) return -1;
    for (size_t i = 0; i < pass->n_out; i++) u->logp[i] = -pass->nll->v[i];
    if (p->fresh && !p->o->any_model && compare(u, it, n, p->step, s, e)) return -1;
    if (!p->learn) return 0;
    if (pass_entropy(pass, u->entropy, e)) return -1;
    size_t at = 0;
    for (size_t q = 0; q < n; q++) {
        const struct rollout *r = it[q].r;
        policy_sequence(&p->o->policy, &p->batch, u->logp + at, r->logp,
                        kl ? u->ref + at : NULL, r->n, r->advantage, u->d + at, &s->policy);
        for (size_t i = 0; i < r->n; i++) {
            s->entropy += (double)u->entropy[at + i];
            if (!isfinite(u->d[at + i])) return not_finite(&it[q], p->step, e);
        }
        at += r->n;
    }
    u->t->now.rows += (int64_t)b.n;
    u->t->now.targets += (int64_t)at;
    return pass_backward(pass, u->d, NULL, e);
}

/* All passes of items [0, n): as many answers in each as fit. */
static int passes(struct update *u, const struct item *it, size_t n, const struct part *p,
                  struct update_stats *s, struct err *e)
{
    for (size_t from = 0; from < n;) {
        size_t k = 0, rows = 0;
        while (from + k < n && rows + rows_of(&it[from + k]) <= u->max_rows)
            rows += rows_of(&it[from + k++]);
        if (one_pass(u, it + from, k, p, s, e)) return -1;
        from += k;
    }
    return 0;
}

/* One optimizer update over items [0, n). */
static int one_update(struct update *u, const struct item *it, size_t n, const struct part *p,
                      struct update_stats *s, struct err *e)
{
    struct step_metrics m;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += rows_of(&it[i]);
    int64_t before = s->reference_ns, t0 = clock_ns();
    trainer_begin(u->t, 1, rows);
    if (passes(u, it, n, p, s, e) || trainer_finish(u->t, &m, e)) return -1;
    s->update_ns += clock_ns() - t0 - (s->reference_ns - before);
    s->updates++;
    s->rows += m.rows;
    s->targets += m.targets;
    s->grad_norm = fmax(s->grad_norm, m.grad_norm);
    s->lr = m.lr;
    s->load_worst = m.load_worst;
    return 0;
}

static const struct rollout *first_answer(const struct group *g, size_t n,
                                          const struct group **of)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < g[i].n; k++)
            if (g[i].r[k].n > 0) {
                *of = &g[i];
                return &g[i].r[k];
            }
    return NULL;
}

int update_run(struct update *u, const struct group *g, size_t n, const struct update_opts *o,
               int64_t step, struct update_stats *s, struct err *e)
{
    *s = (struct update_stats){0};
    policy_stats_init(&s->policy);
    if (collect(u, g, n, o, s, e)) return -1;
    struct part p = {.o = o, .fresh = true, .learn = u->n_item > 0, .step = step};
    if (u->n_item == 0) {
        const struct group *of = NULL;
        const struct rollout *r = first_answer(g, n, &of);
        struct moe_watch *watch = u->t->pass->step.watch;
        u->t->pass->step.watch = NULL; /* nothing of it counts */
        int rc = r && (add_item(u, of, r, e) || passes(u, u->item, 1, &p, s, e)) ? -1 : 0;
        u->t->pass->step.watch = watch;
        return rc;
    }
    shuffle(u, o->seed, step);
    /* Parts of the answers that teach; each stands for its share of the whole step. */
    size_t parts = (size_t)o->updates < u->n_item ? (size_t)o->updates : u->n_item;
    p.batch.n_sequence = (double)(s->sequences + s->skipped) / (double)parts;
    p.batch.n_token = (double)s->tokens / (double)parts;
    for (size_t i = 0; i < parts; i++) {
        size_t from = u->n_item * i / parts, to = u->n_item * (i + 1) / parts;
        if (one_update(u, u->item + from, to - from, &p, s, e)) return -1;
        p.fresh = false;
    }
    return 0;
}
