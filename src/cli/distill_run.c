#include "cli/distill_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "train/recipe_field.h"

int distill_begin(struct distill_run *d, struct recipe *r, const char *run, struct err *e)
{
    static const char *const from[] = {"samples", "logits", NULL},
                             *const tokens[] = {"teacher", "student", "data", NULL},
                             *const kind[] = {"forward", "reverse", NULL},
                             *const mla[] = {"absorbed", "expanded", NULL};
    *d = (struct distill_run){.r = r};
    int f = recipe_word("distill.from", r->distill.from, from, e);
    int t = recipe_word("distill.tokens", r->distill.tokens, tokens, e);
    int m = recipe_word("model.mla", r->model.mla, mla, e);
    if (f < 0 || t < 0 || m < 0) return -1;
    d->logits = f == 1;
    d->tokens = d->logits ? (enum distill_tokens)t : DISTILL_TEACHER;
    const char *div = r->distill.divergence;
    if (!*div) div = kind[d->tokens == DISTILL_STUDENT];
    int k = recipe_word("distill.divergence", div, kind, e);
    if (k < 0) return -1;
    if (!*r->distill.teacher) return err_set(e, ERR_USAGE, "the recipe has no distill.teacher");
    if (d->tokens == DISTILL_DATA && !*r->data.path && r->n_part == 0)
        return err_set(e, ERR_USAGE,
                       "distill.tokens is data: the recipe needs data.path or data.mix");
    if (d->logits) {
        r->distill.reject = false;
        r->train.spike_factor = 0; /* divergences begin near anything and fall to near 0 */
    }
    d->o = (struct teacher_opts){.kind = (enum divergence)k,
                                 .tau = r->distill.tau,
                                 .ce = r->distill.ce,
                                 .max_rows = (size_t)r->train.micro_rows,
                                 .mla = (enum mla_form)m};
    snprintf(d->path, sizeof d->path, "%s/teacher.jsonl", run);
    return 0;
}

/* ---- the teacher's answers ----------------------------------------------------------------- */

static void show(void *ctx, const struct harvest_counts *c)
{
    int64_t *shown = ctx;
    if (*shown && clock_ns() - *shown < 2000000000) return;
    *shown = clock_ns();
    fprintf(stderr,
            "teacher  %" PRId64 " problems  %" PRId64 " answers  %.1f%% right  %" PRId64
            " kept  %.0f tok/s\n",
            c->prompts, c->answers,
            100 * (double)c->right / (double)(c->answers ? c->answers : 1), c->kept,
            c->ns ? (double)c->tokens / ns_to_s(c->ns) : 0.0);
}

static int ask_teacher(struct distill_run *d, const volatile int *stop, struct err *e)
{
    struct loaded l;
    struct harvest h = {0};
    enum chat_template form;
    int64_t shown = 0;
    load_opts.parallel = d->r->distill.parallel;
    load_opts.ctx = d->r->distill.max_prompt + d->r->distill.max_tokens;
    if (load_engine(&l, d->r->distill.teacher, e)) return err_wrap(e, "the teacher");
    int rc = load_template(l.model->source, &form, e);
    if (rc == 0) rc = harvest_init(&h, d->r, form, e);
    if (rc == 0)
        rc = harvest_file(&h, d->path, l.engine, l.vocab, d->r->distill.prompts, stop, show,
                          &shown, &d->counts, e);
    harvest_release(&h);
    loaded_release(&l);
    if (rc == 0 && d->counts.kept == 0)
        rc = err_set(e, ERR_FAILED,
                     "the teacher gave no answer to learn from: %" PRId64 " answers, %" PRId64
                     " right, %" PRId64 " cut off",
                     d->counts.answers, d->counts.right, d->counts.truncated);
    return rc;
}

static int add_part(struct recipe *r, const char *path, struct err *e)
{
    if (r->n_part == DATA_MAX_FEED)
        return err_set(e, ERR_LIMIT, "data.mix has no room for the teacher's answers");
    if (*r->data.path) /* the one source becomes a part of the mixture */
        r->mix[r->n_part++] =
            (struct data_part){.name = "data", .path = r->data.path, .weight = 1};
    r->mix[r->n_part++] =
        (struct data_part){.name = "teacher", .path = path, .weight = r->distill.weight};
    return 0;
}

int distill_ask(struct distill_run *d, bool dry, const volatile int *stop, bool *ready,
                struct err *e)
{
    *ready = true;
    if (d->tokens != DISTILL_TEACHER) return 0;
    if (!dry && ask_teacher(d, stop, e)) return -1;
    *ready = file_exists(d->path);
    return *ready ? add_part(d->r, d->path, e) : 0;
}

/* ---- in the steps -------------------------------------------------------------------------- */

static int open_student(struct distill_run *d, struct trainer *t, const struct vocab *v,
                        enum chat_template form, struct err *e)
{
    struct engine_opts o;
    engine_opts_defaults(&o);
    o.n_parallel = (int)d->r->distill.parallel;
    o.n_ctx = d->r->distill.max_prompt + d->r->distill.max_tokens;
    o.n_cache = o.n_ctx * o.n_parallel;
    o.n_queue = 4096;
    o.n_draft = 0;
    o.cache_dt = DT_F32;
    if (harvest_init(&d->harvest, d->r, form, e)) return -1;
    d->has_harvest = true;
    return pool_create(&d->pool, pool_threads(t->pool), e) ||
                   params_packed(&d->packed, t->p, t->pool, e) ||
                   engine_open(&d->engine, d->packed, v, d->pool, &o, e)
               ? -1
               : 0;
}

int distill_attach(struct distill_run *d, struct trainer *t, const struct vocab *v,
                   enum chat_template form, struct err *e)
{
    struct model_source *s;
    if (!d->logits) return 0;
    if (!v) return err_set(e, ERR_USAGE, "the student has no vocabulary: give data.tokenizer");
    if (cli_open_source(d->r->distill.teacher, &s, e)) return err_wrap(e, "the teacher");
    int rc = teacher_open(&d->teacher, s, v, t->pool, &d->o, e);
    source_close(s);
    if (rc) return -1;
    t->loss = (struct trainer_loss){teacher_loss, d->teacher};
    return d->tokens == DISTILL_STUDENT ? open_student(d, t, v, form, e) : 0;
}

int distill_step(struct distill_run *d, const struct trainer *t, const struct vocab *v,
                 const volatile int *stop, struct train_batch *b, size_t *n, struct err *e)
{
    uint64_t prompts = (uint64_t)d->r->distill.prompts;
    return harvest_batches(&d->harvest, d->engine, v, (uint64_t)t->step * prompts, prompts,
                           stop, b, n, &d->counts, e);
}

struct publish_job {
    struct distill_run *d;
    const struct trainer *t;
};

static void publish(void *ctx)
{
    const struct publish_job *j = ctx;
    params_publish(j->d->packed, j->t->p, j->t->pool);
}

void distill_publish(struct distill_run *d, const struct trainer *t)
{
    struct publish_job j = {d, t};
    if (d->engine) engine_exclusive(d->engine, publish, &j);
}

void distill_end(struct distill_run *d)
{
    engine_close(d->engine);
    model_free(d->packed);
    pool_free(d->pool);
    if (d->has_harvest) harvest_release(&d->harvest);
    teacher_free(d->teacher);
}
