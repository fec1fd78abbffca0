#include "cli/train_run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "cli/distill_run.h"
#include "cli/run_dir.h"
#include "cli/signals.h"
#include "format/vocab_load.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "model/source.h"
#include "text/chat.h"
#include "text/vocab.h"
#include "train/ckpt.h"
#include "train/report.h"
#include "train/spend.h"
#include "train/train_log.h"

static struct {
    struct opt_list set;
    bool dry_run, resume, keys;
    const char *run;
} o = {.run = "run"};

const struct opt train_opt_table[] = {
    {"set", 0, OPT_LIST, &o.set, "KEY=VALUE", "override a key of the recipe", 0, 0},
    {"run", 0, OPT_STR, &o.run, "DIR", "where checkpoints and metrics go (default run)", 0, 0},
    {"resume", 0, OPT_FLAG, &o.resume, NULL, "go on from the run's newest checkpoint", 0, 0},
    {"dry-run", 0, OPT_FLAG, &o.dry_run, NULL, "show the plan and stop", 0, 0},
    {"keys", 0, OPT_FLAG, &o.keys, NULL, "list the keys of a recipe", 0, 0},
    {.type = OPT_END},
};

struct session {
    struct recipe r;
    struct yaml *yaml;
    struct data *data, *eval;
    struct pool *pool;
    struct params *p;
    struct trainer *t;
    struct vocab *vocab;
    struct model_source *from; /* where weights come from; NULL: none */
    enum chat_template form;
    struct buf form_text; /* jinja, kept with every checkpoint */
    struct distill_run distill;
    struct train_log log;
    struct spend spend;
    char path[CKPT_PATH]; /* of the checkpoint to go on from */
    double peak;          /* multiply-add operations per second */
    struct train_batch batch[DATA_BUFFERS];
    int64_t shown_ns, begun_ns, first;
};

/* ---- opening ------------------------------------------------------------------------------- */

static int read_recipe(struct session *s, const char *path, enum recipe_use use, struct err *e)
{
    recipe_init(&s->r, use);
    if (run_read_yaml(&s->yaml, path, &o.set, e) || recipe_read(&s->r, s->yaml, e)) return -1;
    if (use == RECIPE_DISTILL && distill_begin(&s->distill, &s->r, o.run, e)) return -1;
    if (use != RECIPE_TRAIN && !*s->r.init) {
        err_set(e, ERR_USAGE, "the recipe has no init: the model that is to learn");
        return err_hint(e, "init: a checkpoint, a run, a .gguf file or a model directory");
    }
    return 0;
}

/* The source whose weights are the start: a checkpoint, init, or none. */
static int open_source(struct session *s, struct err *e)
{
    const char *init = s->r.init;
    if (o.resume)
        return ckpt_latest(o.run, s->path, e) || source_open(&s->from, s->path, e) ? -1 : 0;
    if (!*init) return 0;
    return cli_open_source(init, &s->from, e);
}

/* Vocabulary: the recipe's, else that of the model to start from. Template likewise. */
static int open_text(struct session *s, struct err *e)
{
    const char *form = s->r.data.form;
    struct span own = s->from ? source_chat_template(s->from) : (struct span){"", 0};
    if (*s->r.data.tokenizer) {
        if (vocab_load(&s->vocab, s->r.data.tokenizer, e)) return -1;
    } else if (s->from && source_vocab(s->from, &s->vocab, e)) {
        if (e->code != ERR_NOT_FOUND) return -1;
        err_clear(e);
    }
    s->form = CHAT_TARN;
    if (*form ? chat_template_parse(span_of(form), &s->form, e)
              : own.n && chat_template_recognise(own, &s->form, e))
        return -1;
    bool keep = own.n && (!*form || chat_template_text(s->form).n == 0);
    buf_init(&s->form_text, 1 << 22);
    buf_add_span(&s->form_text, keep ? own : chat_template_text(s->form));
    return buf_ok(&s->form_text, "the chat template", e);
}

static int open_data(struct session *s, struct err *e)
{
    struct data_opts d;
    bool ready = true;
    if (s->r.use == RECIPE_DISTILL) {
        if (!o.dry_run && file_make_dirs(o.run, e)) return -1;
        if (distill_ask(&s->distill, o.dry_run, &stop_asked, &ready, e)) return -1;
        /* Nothing to read: the student answers, or the teacher has not yet. */
        if (s->distill.tokens == DISTILL_STUDENT || !ready) return 0;
    }
    recipe_data(&s->r, &d);
    d.vocab = s->vocab;
    d.form = s->form;
    if (data_open(&s->data, &d, e)) return -1;
    d.path = s->r.data.eval;
    d.n_part = 0;
    return *d.path ? data_open(&s->eval, &d, e) : 0;
}

static int open_model(struct session *s, struct err *e)
{
    struct model_config c;
    struct model_opts mo;
    struct trainer_opts to;
    int rc = s->from
                 ? params_config(s->from, &c, e)
                 : recipe_config(&s->r, data_n_vocab(s->data), data_doc_end(s->data), &c, e);
    if (rc == 0 && s->data && (uint32_t)c.n_vocab < data_n_vocab(s->data))
        rc = err_set(e, ERR_FORMAT, "the data has %u ids, the model %d", data_n_vocab(s->data),
                     c.n_vocab);
    if (rc == 0)
        rc = recipe_model_opts(&s->r, &c, &mo, e) || recipe_trainer(&s->r, &to, e) ||
             params_create(&s->p, &c, &mo, e);
    if (rc == 0 && s->from && !o.resume) rc = params_load(s->p, s->from, e);
    if (rc == 0 && !s->from)
        params_init(s->p, (uint64_t)s->r.model.seed, (float)s->r.model.init_std);
    source_close(s->from);
    s->from = NULL;
    if (rc || trainer_create(&s->t, s->p, s->pool, &to, e)) return -1;
    return s->r.use == RECIPE_DISTILL && !o.dry_run
               ? distill_attach(&s->distill, s->t, s->vocab, s->form, e)
               : 0;
}

static int go_on(struct session *s, struct err *e)
{
    json_t *x;
    if (ckpt_load(s->path, s->t, &x, e)) return -1;
    int rc = (s->data && data_seek(s->data, x, e)) || spend_load(&s->spend, x, e);
    json_decref(x);
    return rc ? -1 : 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static int save(struct session *s, struct err *e)
{
    char path[CKPT_PATH];
    json_t *x = s->data ? data_place(s->data) : json_object();
    int rc = x ? spend_save(&s->spend, x, e) : err_oom(e, "the checkpoint's state", 256);
    if (rc == 0) rc = ckpt_save(o.run, s->t, x, s->vocab, buf_span(&s->form_text), path, e);
    json_decref(x);
    if (rc == 0) rc = ckpt_prune(o.run, (int)s->r.train.keep, e);
    if (rc == 0 && !cli.json) fprintf(stderr, "saved %s\n", path);
    return rc;
}

/* The same first batches every time. */
static int measure(struct session *s, double *loss, struct err *e)
{
    double sum = 0, weight = 0, l, w;
    if (data_rewind(s->eval, e)) return -1;
    for (int64_t i = 0; i < s->r.train.eval_batches; i++) {
        struct train_batch b;
        if (data_next(s->eval, 0, &b, e) || trainer_eval(s->t, &b, &l, &w, e)) return -1;
        sum += l * w;
        weight += w;
    }
    *loss = weight > 0 ? sum / weight : (double)NAN;
    return 0;
}

static void show(struct session *s, const struct step_metrics *m, double eval_loss)
{
    int64_t now = clock_ns(), done = m->step + 1 - s->first;
    bool last = m->step + 1 == s->r.train.steps;
    if (!last && !isfinite(eval_loss) && s->shown_ns && now - s->shown_ns < 2000000000) return;
    double left =
        ns_to_s(now - s->begun_ns) / (double)done * (double)(s->r.train.steps - m->step - 1);
    s->shown_ns = now;
    struct spent spent = spend_now(&s->spend);
    fprintf(stderr,
            "step %" PRId64 "/%" PRId64 "  loss %.4f  norm %.2f  lr %.2e  %.0f tok/s  "
            "%.0f%% of peak  %.0f s left",
            m->step + 1, s->r.train.steps, m->loss, m->grad_norm, m->lr,
            (double)m->rows / ns_to_s(m->ns), 100 * m->model_flops / ns_to_s(m->ns) / s->peak,
            left);
    if (spent.joules > 0) fprintf(stderr, "  %.3f kWh", spent.joules / 3.6e6);
    if (spent.dollars > 0) fprintf(stderr, "  $%.2f", spent.dollars);
    if (m->load_worst > 0) fprintf(stderr, "  load %.2f", m->load_worst);
    if (isfinite(eval_loss)) fprintf(stderr, "  eval %.4f", eval_loss);
    fputc('\n', stderr);
}

static int one_step(struct session *s, struct err *e)
{
    struct step_metrics m;
    double eval_loss = (double)NAN;
    int64_t micro = s->r.train.micro_rows, from = s->r.train.batch_from;
    int64_t rows = schedule_ramp(from ? from : s->r.train.batch_rows, s->r.train.batch_rows,
                                 from ? s->r.train.batch_ramp : 0, micro, s->t->step);
    size_t n = (size_t)(rows / micro);
    if (s->data ? data_step(s->data, (int)n, s->batch, e)
                : distill_step(&s->distill, s->t, s->vocab, &stop_asked, s->batch, &n, e))
        return -1;
    if (trainer_step(s->t, s->batch, n, &m, e)) return -1;
    distill_publish(&s->distill, s->t);
    int64_t every = s->r.train.eval_every;
    if (s->eval && every && (s->t->step % every == 0 || s->t->step == s->r.train.steps) &&
        measure(s, &eval_loss, e))
        return -1;
    if (train_log_step(&s->log, &m, eval_loss, e)) return -1;
    show(s, &m, eval_loss);
    return 0;
}

static void plan_data(const struct session *s)
{
    for (size_t i = 0; s->data && i < data_n_feed(s->data); i++) {
        struct data_share d;
        data_share(s->data, i, &d);
        printf("data         %-16s %5.1f%%  ", d.name, 100 * d.weight);
        if (d.counts.tokens >= 0)
            printf("%.3g tokens\n", (double)d.counts.tokens);
        else if (d.counts.records >= 0)
            printf("%.3g records\n", (double)d.counts.records);
        else
            printf("made as they are needed\n");
    }
}

static void plan(const struct session *s)
{
    const struct trainer *t = s->t;
    double tokens = (double)s->r.train.steps * (double)s->r.train.batch_rows;
    double flops = 6 * (double)model_active_macs(s->p->m) * tokens;
    double seconds = flops / (0.6 * s->peak);
    char a[32], b[32];
    if (cli.json) {
        printf("{\"parameters\":%zu,\"bytes\":%zu,\"activation_bytes\":%zu,\"tokens\":%.0f,"
               "\"flops\":%.4g,\"seconds_at_60_percent\":%.0f,\"dollars\":%.2f}\n",
               s->p->total, trainer_bytes(t), t->pass->bytes, tokens, flops, seconds,
               seconds / 3600 * s->r.cost.per_hour);
        return;
    }
    printf("parameters   %.2f M\n"
           "memory       %s, of it activations %s\n"
           "tokens       %.3g in %" PRId64 " steps\n",
           (double)s->p->total * 1e-6, cli_bytes(trainer_bytes(t), a),
           cli_bytes(t->pass->bytes, b), tokens, s->r.train.steps);
    plan_data(s);
    printf("work         %.3g FLOP, %.0f s at 60%% of this machine's %.0f GFLOP/s\n", flops,
           seconds, s->peak * 1e-9);
    if (s->r.cost.per_hour > 0)
        printf("money        $%.2f at $%g an hour\n", seconds / 3600 * s->r.cost.per_hour,
               s->r.cost.per_hour);
}

static void say_skipped(const struct session *s)
{
    for (size_t i = 0; s->data && i < data_n_feed(s->data); i++) {
        struct data_share d;
        data_share(s->data, i, &d);
        if (d.counts.skipped_bad || d.counts.skipped_long)
            fprintf(stderr,
                    "%s: %" PRId64 " bad records and %" PRId64 " too long ones skipped\n",
                    d.name, d.counts.skipped_bad, d.counts.skipped_long);
    }
}

static int train(struct session *s, struct err *e)
{
    spend_begin(&s->spend, s->r.cost.per_hour, s->r.cost.watts);
    if (o.resume && go_on(s, e)) return -1;
    if ((!o.resume && run_check_new(o.run, e)) || run_write_recipe(o.run, s->r.field, e) ||
        train_log_open(&s->log, o.run, s->t->step, e))
        return -1;
    distill_publish(&s->distill, s->t);
    s->begun_ns = clock_ns();
    s->first = s->t->step;
    int64_t saved = -1, every = s->r.train.save_every;
    while (s->t->step < s->r.train.steps && !stop_asked) {
        if (one_step(s, e)) {
            if (stop_asked && e->code == ERR_CANCELLED)
                break; /* nothing has changed in this step */
            return err_hint(e, "the last good checkpoint is in %s", o.run);
        }
        if (!every || s->t->step % every != 0) continue;
        if (save(s, e)) return -1;
        saved = s->t->step;
    }
    if (saved != s->t->step && save(s, e)) return -1;
    char page[1100];
    say_skipped(s);
    if (report_write(o.run, page, e)) return -1;
    if (!cli.json) fprintf(stderr, "wrote %s\n", page);
    return stop_asked ? err_set(e, ERR_CANCELLED, "stopped after %lld steps; --resume goes on",
                                (long long)s->t->step)
                      : 0;
}

bool train_run_keys(enum recipe_use use)
{
    struct recipe r;
    if (!o.keys) return false;
    recipe_init(&r, use);
    if (recipe_add_part(&r, span_of("NAME"), NULL)) return true;
    run_print_keys(r.field);
    return true;
}

int train_run(const char *recipe, enum recipe_use use, struct err *e)
{
    static struct session s; /* large */
    struct roof roof;
    int rc = -1;
    if (!o.dry_run) stop_on_signals(false);
    if (read_recipe(&s, recipe, use, e) || open_source(&s, e) || open_text(&s, e) ||
        open_data(&s, e) || pool_create(&s.pool, cli_threads(), e) || open_model(&s, e))
        goto out;
    roof_measure_fma(&roof, s.pool, kernels()->level);
    s.peak = roof.fma.all;
    if (!cli.json || o.dry_run) plan(&s);
    rc = o.dry_run ? 0 : train(&s, e);
out:
    train_log_close(&s.log);
    distill_end(&s.distill);
    trainer_free(s.t);
    params_free(s.p);
    data_close(s.eval);
    data_close(s.data);
    buf_release(&s.form_text);
    vocab_free(s.vocab);
    source_close(s.from);
    pool_free(s.pool);
    yaml_close(s.yaml);
    return rc;
}
