/* tarn train: pretraining from a recipe.
 *
 *   recipe -> data, model, trainer -> [steps] -> RUN/ckpt-*, metrics.jsonl, run.yaml
 *
 * --resume goes on from the newest checkpoint of --run; what happens then is what would have
 * happened without the stop. Ctrl-C saves a checkpoint and ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "format/vocab_load.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "model/source.h"
#include "text/vocab.h"
#include "train/ckpt.h"
#include "train/data.h"
#include "train/recipe.h"
#include "train/train_log.h"

extern const struct command cmd_train;

static struct {
    struct opt_list set;
    bool dry_run, resume, keys;
    const char *run;
} o = {.run = "run"};

static const struct opt opts[] = {
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
    struct train_log log;
    char path[CKPT_PATH]; /* of the checkpoint to go on from */
    double peak;          /* multiply-add operations per second */
    int64_t shown_ns, begun_ns, first;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
    (void)sig;
    stopped = 1;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int read_recipe(struct session *s, const char *path, struct err *e)
{
    recipe_init(&s->r);
    if (yaml_open(&s->yaml, path, e)) return -1;
    for (int i = 0; i < o.set.n; i++)
        if (yaml_set(s->yaml, o.set.item[i], e)) return -1;
    if (yaml_apply(s->yaml, s->r.field, e)) return -1;
    if (s->r.train.batch_rows % s->r.train.micro_rows != 0)
        return err_set(e, ERR_USAGE, "train.batch_rows %lld is no multiple of micro_rows %lld",
                       (long long)s->r.train.batch_rows, (long long)s->r.train.micro_rows);
    if (!*s->r.data.path) return err_set(e, ERR_USAGE, "the recipe names no data.path");
    return 0;
}

static int open_data(struct session *s, struct err *e)
{
    struct data_opts d = {.path = s->r.data.path,
                          .seed = (uint64_t)s->r.data.seed,
                          .batch_rows = (size_t)s->r.train.micro_rows,
                          .seq_rows = (size_t)s->r.data.seq_rows,
                          .verify = true};
    if (data_open(&s->data, &d, e)) return -1;
    d.path = s->r.data.eval;
    if (*d.path && data_open(&s->eval, &d, e)) return -1;
    if (*s->r.data.tokenizer && vocab_load(&s->vocab, s->r.data.tokenizer, e)) return -1;
    return 0;
}

/* The source whose weights are the start: a checkpoint, model.from, or none. */
static int open_model(struct session *s, struct err *e)
{
    struct model_source *from = NULL;
    struct model_config c;
    struct model_opts mo;
    struct trainer_opts to;
    if (o.resume && ckpt_latest(o.run, s->path, e)) return -1;
    if (o.resume && source_open(&from, s->path, e)) return -1;
    if (!o.resume && *s->r.model.from && cli_open_source(s->r.model.from, &from, e)) return -1;
    int rc = from ? params_config(from, &c, e)
                  : recipe_config(&s->r, data_n_vocab(s->data), data_doc_end(s->data), &c, e);
    if (rc == 0 && (uint32_t)c.n_vocab < data_n_vocab(s->data))
        rc = err_set(e, ERR_FORMAT, "the data has %u ids, the model %d", data_n_vocab(s->data),
                     c.n_vocab);
    if (rc == 0)
        rc = recipe_model_opts(&s->r, &c, &mo, e) || recipe_trainer(&s->r, &to, e) ||
             params_create(&s->p, &c, &mo, e);
    if (rc == 0 && from && !o.resume) rc = params_load(s->p, from, e);
    if (rc == 0 && !from)
        params_init(s->p, (uint64_t)s->r.model.seed, (float)s->r.model.init_std);
    source_close(from);
    return rc || trainer_create(&s->t, s->p, s->pool, &to, e) ? -1 : 0;
}

static int go_on(struct session *s, struct err *e)
{
    json_t *x;
    struct data_place at = {0};
    if (ckpt_load(s->path, s->t, &x, e)) return -1;
    int rc = json_get_i64(x, "epoch", 0, INT64_MAX, &at.epoch, s->path, e) ||
             json_get_i64(x, "shard", 0, INT64_MAX, &at.shard, s->path, e) ||
             json_get_i64(x, "doc", 0, INT64_MAX, &at.doc, s->path, e) ||
             json_get_i64(x, "used", 0, INT64_MAX, &at.used, s->path, e) ||
             data_seek(s->data, at, e);
    json_decref(x);
    return rc ? -1 : 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static int save(struct session *s, struct err *e)
{
    struct data_place at = data_place(s->data);
    char path[CKPT_PATH];
    json_t *x =
        json_pack("{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)at.epoch, "shard",
                  (json_int_t)at.shard, "doc", (json_int_t)at.doc, "used", (json_int_t)at.used);
    int rc = x ? ckpt_save(o.run, s->t, x, s->vocab, (struct span){"", 0}, path, e)
               : err_oom(e, "the checkpoint's state", 256);
    json_decref(x);
    if (rc == 0) rc = ckpt_prune(o.run, (int)s->r.train.keep, e);
    if (rc == 0 && !cli.json) fprintf(stderr, "saved %s\n", path);
    return rc;
}

/* The same first batches every time. */
static int measure(struct session *s, double *loss, struct err *e)
{
    double sum = 0, weight = 0, l, w;
    if (data_seek(s->eval, (struct data_place){0}, e)) return -1;
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
    fprintf(stderr,
            "step %" PRId64 "/%" PRId64 "  loss %.4f  norm %.2f  lr %.2e  %.0f tok/s  "
            "%.0f%% of peak  %.0f s left",
            m->step + 1, s->r.train.steps, m->loss, m->grad_norm, m->lr,
            (double)m->rows / ns_to_s(m->ns), 100 * m->model_flops / ns_to_s(m->ns) / s->peak,
            left);
    if (m->load_worst > 0) fprintf(stderr, "  load %.2f", m->load_worst);
    if (isfinite(eval_loss)) fprintf(stderr, "  eval %.4f", eval_loss);
    fputc('\n', stderr);
}

static int one_step(struct session *s, struct err *e)
{
    struct step_metrics m;
    double eval_loss = NAN;
    int64_t micro = s->r.train.micro_rows, from = s->r.train.batch_from;
    int64_t rows = schedule_ramp(from ? from : s->r.train.batch_rows, s->r.train.batch_rows,
                                 from ? s->r.train.batch_ramp : 0, micro, s->t->step);
    trainer_begin(s->t, (double)rows, (size_t)rows); /* every row of the data has a target */
    for (int64_t i = 0; i < rows / micro; i++) {
        struct train_batch b;
        if (data_next(s->data, 0, &b, e) || trainer_add(s->t, &b, e)) return -1;
    }
    if (trainer_finish(s->t, &m, e)) return -1;
    int64_t every = s->r.train.eval_every;
    if (s->eval && every && (s->t->step % every == 0 || s->t->step == s->r.train.steps) &&
        measure(s, &eval_loss, e))
        return -1;
    if (train_log_step(&s->log, &m, eval_loss, e)) return -1;
    show(s, &m, eval_loss);
    return 0;
}

static int write_recipe(const struct session *s, struct err *e)
{
    struct buf b;
    char *path = file_join(o.run, "run.yaml");
    buf_init(&b, 1 << 20);
    yaml_print(s->r.field, &b);
    int rc = buf_ok(&b, "run.yaml", e);
    if (rc == 0) rc = path ? file_replace(path, buf_str(&b), b.len, e) : err_oom(e, o.run, 256);
    mem_free(path);
    buf_release(&b);
    return rc;
}

static void plan(const struct session *s)
{
    const struct trainer *t = s->t;
    double tokens = (double)s->r.train.steps * (double)s->r.train.batch_rows;
    double flops = 6 * (double)model_active_macs(s->p->m) * tokens;
    char a[32], b[32];
    if (cli.json) {
        printf("{\"parameters\":%zu,\"bytes\":%zu,\"activation_bytes\":%zu,\"tokens\":%.0f,"
               "\"flops\":%.4g,\"data_tokens\":%" PRIu64 ",\"seconds_at_60_percent\":%.0f}\n",
               s->p->total, trainer_bytes(t), t->pass->bytes, tokens, flops,
               data_tokens(s->data), flops / (0.6 * s->peak));
        return;
    }
    printf("parameters   %.2f M\n"
           "memory       %s, of it activations %s\n"
           "tokens       %.3g in %" PRId64 " steps; the data has %.3g\n"
           "work         %.3g FLOP, %.0f s at 60%% of this machine's %.0f GFLOP/s\n",
           (double)s->p->total * 1e-6, cli_bytes(trainer_bytes(t), a),
           cli_bytes(t->pass->bytes, b), tokens, s->r.train.steps, (double)data_tokens(s->data),
           flops, flops / (0.6 * s->peak), s->peak * 1e-9);
}

static int train(struct session *s, struct err *e)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    if (o.resume && go_on(s, e)) return -1;
    if (!o.resume && file_is_dir(o.run) && ckpt_latest(o.run, s->path, NULL) == 0)
        return err_set(e, ERR_USAGE, "%s has checkpoints: --resume, or another --run", o.run);
    if (file_make_dirs(o.run, e) || write_recipe(s, e) ||
        train_log_open(&s->log, o.run, s->t->step, e))
        return -1;
    sigaction(SIGINT, &act, NULL);
    s->begun_ns = clock_ns();
    s->first = s->t->step;
    while (s->t->step < s->r.train.steps && !stopped) {
        if (one_step(s, e)) return err_hint(e, "the last good checkpoint is in %s", o.run);
        int64_t every = s->r.train.save_every;
        if (every && s->t->step % every == 0 && save(s, e)) return -1;
    }
    if (save(s, e)) return -1;
    return stopped ? err_set(e, ERR_CANCELLED, "stopped after %lld steps; --resume goes on",
                             (long long)s->t->step)
                   : 0;
}

static void list_keys(void)
{
    struct recipe r;
    recipe_init(&r);
    for (const struct yaml_field *f = r.field; f->type != YAML_END; f++)
        printf("%-28s %s\n", f->path, f->help);
}

static int run(int argc, char **argv, struct err *e)
{
    static struct session s; /* large */
    struct roof roof;
    if (o.keys) {
        list_keys();
        return 0;
    }
    if (argc != 1) return cli_usage(&cmd_train, e);
    int rc = -1;
    if (read_recipe(&s, argv[0], e) || open_data(&s, e) ||
        pool_create(&s.pool, cli_threads(), e) || open_model(&s, e) ||
        roof_measure(&roof, s.pool, kernels()->level, e))
        goto out;
    s.peak = roof.fma.all;
    if (!cli.json || o.dry_run) plan(&s);
    rc = o.dry_run ? 0 : train(&s, e);
out:
    train_log_close(&s.log);
    trainer_free(s.t);
    params_free(s.p);
    vocab_free(s.vocab);
    data_close(s.eval);
    data_close(s.data);
    pool_free(s.pool);
    yaml_close(s.yaml);
    return rc;
}

const struct command cmd_train = {
    .verb = "train",
    .args = "RECIPE",
    .summary = "pretrain a model from a recipe",
    .details = "  tarn train recipes/tiny-english.yaml --run runs/english\n"
               "  tarn train recipes/tiny-english.yaml --run runs/english --resume\n",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
