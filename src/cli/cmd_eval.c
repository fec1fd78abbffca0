/* tarn eval: a model against problems with exact checkers, and two models against each other.
 *
 *   MODEL, tasks or files -> samples -> DIR/samples.jsonl, table or JSON
 *
 * A directory that holds samples.jsonl stands for the model that wrote it: nothing is run then. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "cli/samples.h"
#include "cli/signals.h"
#include "eval/evaluate.h"
#include "meter/price.h"

extern const struct command cmd_eval;

enum { MAX_SOURCES = 512, REPORT_MAX = 16 << 20 };

static struct {
    const char *right, *choose;
    int64_t right_max;
    double from, to;
    const char *task, *level, *split, *variant, *out, *against, *system, *suffix, *think,
        *command;
    struct opt_list data;
    int64_t count, first, samples, max, seed, task_seed, show;
    double temperature, top_p, hour_price;
    bool held_out, instructions, as_is;
} o = {.level = "all",
       .split = "eval",
       .variant = "plain",
       .count = 100,
       .samples = 1,
       .max = 1024,
       .temperature = -1,
       .top_p = -1,
       .right_max = 1,
       .from = 0.2,
       .to = 0.8};

static const struct opt opts[] = {
    {"task", 0, OPT_STR, &o.task, "NAME,..", "families (tarn task --list), core, or all", 0, 0},
    {"level", 'l', OPT_STR, &o.level, "L",
     "N, N-M, all (default), up (the held-out one), or all,up", 0, 0},
    {"split", 0, OPT_STR, &o.split, "NAME", "eval (default) or train", 0, 0},
    {"variant", 0, OPT_STR, &o.variant, "NAME", "plain (default), twin or ill", 0, 0},
    {"held-out-phrasing", 0, OPT_FLAG, &o.held_out, NULL, "wordings never trained on", 0, 0},
    {"task-seed", 0, OPT_INT, &o.task_seed, "N", "seed of the items (default 0)", 0, 9e15},
    {"data", 0, OPT_LIST, &o.data, "FILE.jsonl",
     "outside problems: GSM8K, MATH, AIME, MBPP, HumanEval layouts", 0, 0},
    {"command", 0, OPT_STR, &o.command, "CMD", "a program of your own that asks and checks", 0,
     0},
    {"count", 'n', OPT_INT, &o.count, "N", "problems of each task and level (default 100)", 1,
     1e9},
    {"first", 0, OPT_INT, &o.first, "N", "first problem (default 0)", 0, 9e15},
    {"samples", 'k', OPT_INT, &o.samples, "K", "answers to each problem (default 1)", 1, 4096},
    {"temperature", 0, OPT_REAL, &o.temperature, "T",
     "default 0 for one sample, 0.6 for several", 0, 100},
    {"top-p", 0, OPT_REAL, &o.top_p, "P", "default 0.95", 0, 1},
    {"max", 0, OPT_INT, &o.max, "N", "most tokens of an answer (default 1024)", 1, 1 << 24},
    {"seed", 0, OPT_INT, &o.seed, "N", "of sampling (default 0)", 0, 9e15},
    {"think", 0, OPT_STR, &o.think, "HOW", "on, off, or a budget in tokens", 0, 0},
    {"system", 's', OPT_STR, &o.system, "TEXT", "system message", 0, 0},
    {"suffix", 0, OPT_STR, &o.suffix, "TEXT", "put behind every question", 0, 0},
    {"instructions", 0, OPT_FLAG, &o.instructions, NULL, "tell the model the form of answers",
     0, 0},
    {"as-is", 0, OPT_FLAG, &o.as_is, NULL, "do not tell it for outside files either", 0, 0},
    {"out", 'o', OPT_STR, &o.out, "DIR", "where samples go (default eval-MODEL)", 0, 0},
    {"right", 0, OPT_STR, &o.right, "FILE",
     "write right answers as examples for tarn sft, the shortest of each problem", 0, 0},
    {"right-max", 0, OPT_INT, &o.right_max, "N", "different ones of a problem (default 1)", 1,
     64},
    {"choose", 0, OPT_STR, &o.choose, "FILE",
     "write problems solved between --from and --to of the time, for task.data", 0, 0},
    {"from", 0, OPT_REAL, &o.from, "X", "default 0.2", 0, 1},
    {"to", 0, OPT_REAL, &o.to, "X", "default 0.8", 0, 1},
    {"against", 0, OPT_STR, &o.against, "MODEL",
     "compare with another model or an earlier DIR, problem by problem", 0, 0},
    {"show", 0, OPT_INT, &o.show, "N", "print the first answer to each of the first N problems",
     0, SAMPLES_MOST},
    {"hour-price", 0, OPT_REAL, &o.hour_price, "X", "what an hour of this machine costs", 0,
     1e9},
    {.type = OPT_END},
};

/* ---- what is asked ------------------------------------------------------------------------- */

struct sources {
    struct problem_source *s[MAX_SOURCES];
    int n;
};

static int add_source(struct sources *all, struct problem_source *s, struct err *e)
{
    if (all->n == MAX_SOURCES) {
        problem_source_close(s);
        return err_set(e, ERR_LIMIT, "more than %d tasks and levels", MAX_SOURCES);
    }
    all->s[all->n++] = s;
    return 0;
}

/* The next word of a comma list; false at its end. */
static bool next_name(const char **at, struct span *out)
{
    if (!**at) return false;
    const char *end = strchr(*at, ',');
    *out = (struct span){*at, end ? (size_t)(end - *at) : strlen(*at)};
    *at += out->n + (end != NULL);
    return true;
}

static int level_range(struct span word, const struct task_family *f, int *lo, int *hi,
                       struct err *e)
{
    *lo = 1;
    *hi = f->levels;
    if (span_is(word, "all")) return 0;
    if (span_is(word, "up")) {
        *lo = *hi = f->levels + 1;
        return 0;
    }
    char text[16], tail;
    snprintf(text, sizeof text, "%.*s", (int)(word.n < 15 ? word.n : 15), word.p);
    if (sscanf(text, "%d-%d%c", lo, hi, &tail) == 2 && *lo >= 1 && *lo <= *hi) {
        if (*hi > f->levels + 1) *hi = f->levels + 1;
        return 0;
    }
    if (sscanf(text, "%d%c", lo, &tail) == 1 && *lo >= 1) {
        *hi = *lo;
        return 0;
    }
    return err_set(e, ERR_USAGE, "--level is \"%s\", allowed are N, N-M, all and up", o.level);
}

static int read_ask(struct task_ask *ask, struct err *e)
{
    bool train = strcmp(o.split, "train") == 0;
    *ask = (struct task_ask){.split = train ? TASK_TRAIN : TASK_EVAL,
                             .seed = (uint64_t)o.task_seed,
                             .held_out_phrasing = o.held_out};
    if (!train && strcmp(o.split, "eval") != 0)
        return err_set(e, ERR_USAGE, "--split is \"%s\", allowed are train and eval", o.split);
    for (int v = 0; v < 3; v++) {
        ask->variant = (enum task_variant)v;
        if (strcmp(o.variant, task_variant_name(ask->variant)) == 0) return 0;
    }
    return err_set(e, ERR_USAGE, "--variant is \"%s\", allowed are plain, twin and ill",
                   o.variant);
}

static int add_family(struct sources *all, struct span name, struct task_ask ask, struct err *e)
{
    const struct task_family *f = task_find(name);
    if (!f) {
        err_set(e, ERR_USAGE, "there is no task \"%.*s\"", (int)(name.n < 64 ? name.n : 64),
                name.p);
        return err_hint(e, "`tarn task --list` shows them");
    }
    const char *at = o.level;
    struct span word;
    while (next_name(&at, &word)) {
        int lo, hi;
        if (level_range(word, f, &lo, &hi, e)) return -1;
        for (ask.level = lo; ask.level <= hi; ask.level++) {
            struct problem_source *s;
            if (problem_source_task(&s, f, &ask, false, e) || add_source(all, s, e)) return -1;
        }
    }
    return 0;
}

static int open_sources(struct sources *all, struct err *e)
{
    struct task_ask ask;
    struct problem_source *s;
    struct span name;
    if (read_ask(&ask, e)) return -1;
    if (!o.task && !o.data.n && !o.command) {
        err_set(e, ERR_USAGE, "nothing to ask");
        return err_hint(e, "--task core, --task NAME,.. or --data FILE.jsonl");
    }
    for (const char *at = o.task ? o.task : ""; next_name(&at, &name);) {
        if (span_is(name, "all")) {
            for (const struct task_family *const *f = task_list(); *f; f++)
                if (add_family(all, span_of((*f)->name), ask, e)) return -1;
            continue;
        }
        if (!span_is(name, "core")) {
            if (add_family(all, name, ask, e)) return -1;
            continue;
        }
        for (const char *c = task_core(); next_name(&c, &name);)
            if (add_family(all, name, ask, e)) return -1;
    }
    for (int i = 0; i < o.data.n; i++)
        if (problem_source_file(&s, o.data.item[i], e) || add_source(all, s, e)) return -1;
    ask.level = 1;
    if (o.command && (problem_source_command(&s, o.command, &ask, e) || add_source(all, s, e)))
        return -1;
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

struct result {
    struct scores own; /* of a directory */
    struct evaluation *ev;
    const struct scores *scores;
    const char *name;
    char dir[300]; /* where its samples are */
    double seconds;
    struct gen_counts n;
};

static int on_tick(void *ctx, const struct scores *s, size_t done, size_t n, struct err *e)
{
    (void)s;
    cli_progress(ctx, done, n);
    if (stop_asked) return err_set(e, ERR_CANCELLED, "interrupted");
    return 0;
}

static void base_name(const char *path, char out[128])
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t at = n;
    while (at > 0 && path[at - 1] != '/') at--;
    snprintf(out, 128, "%.*s", (int)(n - at < 120 ? n - at : 120), path + at);
    char *dot = strrchr(out, '.');
    if (dot && dot != out && strcmp(dot, ".gguf") == 0) *dot = 0;
}

static int fill_opts(struct eval_opts *eo, struct err *e)
{
    struct gen_request r;
    gen_request_defaults(&r);
    eo->sampling = r.sampling;
    eo->budget = r.thinking;
    eo->system = o.system;
    eo->suffix = o.suffix;
    eo->instructions = o.instructions;
    eo->outside = !o.as_is;
    eo->samples = (int)o.samples;
    eo->max_tokens = o.max;
    eo->detect_loops = true;
    if (o.temperature < 0) o.temperature = o.samples > 1 ? 0.6 : 0;
    if (o.top_p < 0) o.top_p = 0.95;
    eo->sampling.temperature = (float)o.temperature;
    eo->sampling.top_p = (float)o.top_p;
    eo->sampling.seed = (uint64_t)o.seed;
    if (!o.think || strcmp(o.think, "on") == 0) {
        eo->thinking = o.think ? CHAT_THINK_ON : CHAT_THINK_DEFAULT;
        return 0;
    }
    eo->thinking = CHAT_THINK_OFF;
    if (strcmp(o.think, "off") == 0) return 0;
    int64_t n;
    if (!opt_parse_count(o.think, &n) || n < 0 || n > 1 << 30)
        return err_set(e, ERR_USAGE, "--think is \"%s\", allowed are on, off or a number",
                       o.think);
    eo->thinking = CHAT_THINK_ON;
    eo->budget.budget = (int)n;
    return 0;
}

/* The engine for these prompts: as many sequences as asked for, or 32, with room for each. */
static int open_engine(struct loaded *l, const struct evaluation *ev, struct err *e)
{
    struct engine_opts *eo = &l->engine_opts;
    int64_t longest = eval_longest_prompt(ev) + o.max;
    if (load_opts.parallel == 0) eo->n_parallel = 32;
    if (load_opts.draft < 0 && eo->n_parallel > 2) eo->n_draft = 0;
    if (longest > l->model->n_ctx) longest = l->model->n_ctx;
    if (load_opts.ctx == 0) eo->n_ctx = longest;
    eo->n_cache = eo->n_ctx * eo->n_parallel;
    eo->n_queue = 4 * eo->n_parallel + 64;
    return engine_make_plan(l->model, l->pool, eo, &l->plan, e) ||
                   engine_open(&l->engine, l->model, l->vocab, l->pool, eo, e)
               ? -1
               : 0;
}

static int close_file(struct file_writer *w, bool keep, struct err *e)
{
    if (!w->f) return 0;
    if (keep) return file_replace_commit(w, e);
    file_replace_abort(w);
    return 0;
}

static int evaluate(struct loaded *l, struct result *r, const char *dir, struct err *e)
{
    struct file_writer w, right = {0}, chosen = {0};
    struct cli_progress bar;
    char *path = file_join(dir, "samples.jsonl");
    if (!path) return err_oom(e, "a file name", strlen(dir));
    int rc = file_make_dirs(dir, e) || file_replace_open(&w, path, e) ? -1 : 0;
    mem_free(path);
    if (rc) return -1;
    cli_progress_begin(&bar, r->name);
    if ((o.right && file_replace_open(&right, o.right, e)) ||
        (o.choose && file_replace_open(&chosen, o.choose, e))) {
        file_replace_abort(&w);
        return -1;
    }
    struct eval_watch watch = {.samples = w.f,
                               .right = right.f,
                               .right_max = (int)o.right_max,
                               .chosen = chosen.f,
                               .from = o.from,
                               .to = o.to,
                               .tick = on_tick,
                               .ctx = &bar,
                               .in_flight = 2 * l->engine_opts.n_parallel + 64};
    int64_t t0 = clock_ns();
    rc = eval_run(r->ev, l->engine, &watch, e);
    r->seconds = ns_to_s(clock_ns() - t0);
    cli_progress_end(&bar);
    r->n = *eval_counts(r->ev);
    r->scores = eval_scores(r->ev);
    bool keep = rc == 0 || e->code == ERR_CANCELLED;
    struct err later;
    return close_file(&w, keep, rc ? &later : e) || close_file(&right, keep, rc ? &later : e) ||
                   close_file(&chosen, keep, rc ? &later : e)
               ? -1
               : rc;
}

static int run_model(struct result *r, const struct sources *all, const char *model,
                     const char *dir, struct err *e)
{
    struct loaded l;
    struct eval_opts eo = {0};
    if (fill_opts(&eo, e) || load_weights(&l, model, e)) return -1;
    int rc = -1;
    if (!l.vocab) {
        err_set(e, ERR_NOT_FOUND, "%s carries no vocabulary", model);
        err_hint(e, "--tokenizer FILE takes one from elsewhere");
        goto out;
    }
    if (load_template(l.model->source, &eo.chat, e) || eval_create(&r->ev, l.vocab, &eo, e))
        goto out;
    for (int i = 0; i < all->n; i++)
        if (eval_add(r->ev, all->s[i], (uint64_t)o.first, (uint64_t)o.count, e)) goto out;
    if (eval_n(r->ev) == 0) {
        err_set(e, ERR_USAGE, "there are no problems from number %lld on", (long long)o.first);
        goto out;
    }
    rc = open_engine(&l, r->ev, e) ? -1 : evaluate(&l, r, dir, e);
out:
    loaded_release(&l);
    return rc;
}

static bool has_file(const char *dir, const char *name)
{
    char *p = file_join(dir, name);
    bool has = p && file_exists(p);
    mem_free(p);
    return has;
}

/* A run of tarn rl has samples too, of another kind, and metrics beside them: it is a model. */
static bool is_result(const char *path)
{
    return file_is_dir(path) && has_file(path, "samples.jsonl") &&
           !has_file(path, "metrics.jsonl");
}

static int get_result(struct result *r, struct sources *all, const char *model, const char *out,
                      struct err *e)
{
    char name[128], dir[256];
    r->name = model;
    snprintf(r->dir, sizeof r->dir, "%.290s", model);
    if (is_result(model)) {
        scores_init(&r->own, 0);
        r->scores = &r->own;
        return scores_read(&r->own, model, e);
    }
    if (all->n == 0 && open_sources(all, e)) return -1;
    base_name(model, name);
    snprintf(dir, sizeof dir, "eval-%s", name);
    snprintf(r->dir, sizeof r->dir, "%.290s", out ? out : dir);
    int rc = run_model(r, all, model, r->dir, e);
    if (r->scores && !cli.json) fprintf(stderr, "samples are in %s\n", r->dir);
    return rc;
}

static void result_release(struct result *r)
{
    eval_free(r->ev);
    scores_release(&r->own);
}

/* ---- report -------------------------------------------------------------------------------- */

static double hosted_cost(const struct result *r)
{
    struct price_table t = {.row = (struct price_row *)(uintptr_t)price_published,
                            .n = price_n_published};
    const struct price_row *p = price_find(&t, span_of("deepseek-flash"), clock_wall_ms());
    if (!p) return 0;
    double miss = (double)(r->n.prompt_tokens - r->n.cached_tokens);
    return 1e-12 * ((double)p->hit * (double)r->n.cached_tokens + (double)p->miss * miss +
                    (double)p->out * (double)r->n.completion_tokens);
}

static void json_interval(struct buf *b, const char *key, const struct interval *x)
{
    buf_printf(b, "\"%s\":%.6g,\"%s_lo\":%.6g,\"%s_hi\":%.6g", key, x->mean, key, x->lo, key,
               x->hi);
}

static void json_summary(struct buf *b, const struct summary *s)
{
    buf_printf(b, "\"problems\":%zu,\"samples\":%zu,", s->n_problem, s->k);
    json_interval(b, "pass@1", &s->pass1);
    buf_add_str(b, ",\"pass@k\":{");
    for (int i = 0; i < s->n_pass; i++)
        buf_printf(b, "%s\"%d\":%.6g", i ? "," : "", 1 << i, s->pass[i]);
    buf_add_char(b, '}');
    if (s->has_cons) {
        buf_add_char(b, ',');
        json_interval(b, "cons@k", &s->cons);
    }
    buf_printf(b,
               ",\"chance\":%.4g,\"truncated\":%.6g,\"unanswered\":%.6g,\"errored\":%.6g,"
               "\"tokens\":%.2f,\"think_tokens\":%.2f,\"tokens_right\":%.2f,"
               "\"tokens_wrong\":%.2f",
               s->chance, s->truncated, s->unanswered, s->errored, s->tokens, s->think_tokens,
               s->tokens_right, s->tokens_wrong);
    if (isfinite(s->tokens_per_solved))
        buf_printf(b, ",\"tokens_per_solved\":%.2f", s->tokens_per_solved);
}

static int json_result(struct buf *b, const struct result *r, struct err *e)
{
    struct summary all, one;
    struct interval macro;
    if (scores_sum(r->scores, SIZE_MAX, &all, e) || scores_macro(r->scores, &macro, e))
        return -1;
    buf_add_str(b, "{\"model\":");
    buf_add_json(b, span_of(r->name));
    if (r->ev) {
        double solved = (double)all.n_sample * all.pass1.mean;
        buf_printf(b,
                   ",\"temperature\":%g,\"top_p\":%g,\"max_tokens\":%lld,\"seed\":%lld,"
                   "\"seconds\":%.3f,\"tokens_per_s\":%.1f,\"prompt_tokens\":%lld,"
                   "\"cached_tokens\":%lld,\"completion_tokens\":%lld,\"drafted\":%lld,"
                   "\"accepted\":%lld",
                   o.temperature, o.top_p, (long long)o.max, (long long)o.seed, r->seconds,
                   (double)r->n.completion_tokens / r->seconds, (long long)r->n.prompt_tokens,
                   (long long)r->n.cached_tokens, (long long)r->n.completion_tokens,
                   (long long)r->n.draft_tokens, (long long)r->n.draft_accepted);
        if (solved > 0) {
            buf_printf(b, ",\"seconds_per_solved\":%.4f,\"hosted_usd_per_solved\":%.8f",
                       r->seconds / solved, hosted_cost(r) / solved);
            if (o.hour_price > 0)
                buf_printf(b, ",\"cost_per_solved\":%.8f",
                           r->seconds / 3600 * o.hour_price / solved);
        }
    }
    buf_add_str(b, ",\"all\":{");
    json_summary(b, &all);
    buf_add_str(b, "},\"macro\":{");
    json_interval(b, "pass@1", &macro);
    buf_add_str(b, "},\"rows\":[");
    for (size_t i = 0; i < r->scores->n_row; i++) {
        if (scores_sum(r->scores, i, &one, e)) return -1;
        buf_add_str(b, i ? ",{\"task\":" : "{\"task\":");
        buf_add_json(b, span_of(r->scores->row[i].task));
        buf_printf(b, ",\"level\":%d,", r->scores->row[i].level);
        json_summary(b, &one);
        buf_add_char(b, '}');
    }
    buf_add_str(b, "]}");
    return 0;
}

static void print_row(const char *task, int level, const struct summary *s)
{
    char lv[16] = "";
    if (level) snprintf(lv, sizeof lv, "%d", level);
    printf("%-18.18s %3s %6zu  %5.1f [%5.1f,%6.1f]", task, lv, s->n_problem,
           100 * s->pass1.mean, 100 * s->pass1.lo, 100 * s->pass1.hi);
    if (s->k > 1) {
        if (s->has_cons)
            printf("  %5.1f", 100 * s->cons.mean);
        else
            printf("  %5s", "-");
        printf("  %5.1f", 100 * s->pass[s->n_pass - 1]);
    }
    printf("  %5.1f  %5.1f  %5.1f  %6.0f", 100 * s->chance, 100 * s->truncated,
           100 * s->unanswered, s->tokens);
    if (isfinite(s->tokens_per_solved))
        printf("  %8.0f", s->tokens_per_solved);
    else
        printf("  %8s", "-");
    if (s->errored > 0) printf("  %.1f%% errored", 100 * s->errored);
    putchar('\n');
}

static int print_result(const struct result *r, struct err *e)
{
    struct summary s;
    struct interval macro;
    size_t k = r->scores->k;
    if (scores_sum(r->scores, SIZE_MAX, &s, e) || scores_macro(r->scores, &macro, e)) return -1;
    printf("%s: %zu problems, %zu sample%s each", r->name, s.n_problem, k, k > 1 ? "s" : "");
    if (r->ev)
        printf(", temperature %g, top-p %g, at most %lld tokens, seed %lld", o.temperature,
               o.top_p, (long long)o.max, (long long)o.seed);
    printf("\n\n%-18s %3s %6s  %-21s", "task", "lvl", "n", "pass@1 [95%]");
    if (k > 1) {
        char name[32];
        printf("  cons%c", '@');
        snprintf(name, sizeof name, "pass@%d", 1 << (s.n_pass - 1));
        printf("  %s", name);
    }
    printf(" chance  trunc no-ans  tokens  /solved\n");
    for (size_t i = 0; i < r->scores->n_row; i++) {
        struct summary one;
        if (scores_sum(r->scores, i, &one, e)) return -1;
        if (one.n_problem) print_row(r->scores->row[i].task, r->scores->row[i].level, &one);
    }
    print_row("all", 0, &s);
    printf("rows alike (macro)  pass@1 %.1f [%.1f, %.1f]\n", 100 * macro.mean, 100 * macro.lo,
           100 * macro.hi);
    if (k > 1) {
        printf("pass@k             ");
        for (int i = 0; i < s.n_pass; i++) printf(" %d: %.1f", 1 << i, 100 * s.pass[i]);
        putchar('\n');
    }
    printf("mean tokens         right %.0f, wrong %.0f, thinking %.0f\n", s.tokens_right,
           s.tokens_wrong, s.think_tokens);
    double solved = (double)s.n_sample * s.pass1.mean;
    if (r->ev && solved > 0) {
        printf("speed               %.1f s, %.0f tokens/s; %.3f s for a solved answer\n",
               r->seconds, (double)r->n.completion_tokens / r->seconds, r->seconds / solved);
        printf("cost                a solved answer at deepseek-flash's API price: $%.7f",
               hosted_cost(r) / solved);
        if (o.hour_price > 0)
            printf("; on this machine: %.7f", r->seconds / 3600 * o.hour_price / solved);
        putchar('\n');
    }
    if (r->n.draft_tokens > 0)
        printf("drafts              %.1f%% of %lld accepted\n",
               100 * (double)r->n.draft_accepted / (double)r->n.draft_tokens,
               (long long)r->n.draft_tokens);
    return 0;
}

static int report(const struct result *a, const struct result *b, struct err *e)
{
    struct paired p = {.p = 1};
    struct buf t;
    if (b->scores && scores_compare(a->scores, b->scores, &p, e)) return -1;
    if (!cli.json) {
        if (print_result(a, e)) return -1;
        if (!b->scores) return 0;
        putchar('\n');
        if (print_result(b, e)) return -1;
        printf(
            "\n%s against %s, pass@1 on the %zu problems of both: %+.1f points [%+.1f, %+.1f]\n"
            "better on %zu, worse on %zu; sign test p = %.3g\n",
            a->name, b->name, p.diff.n, 100 * p.diff.mean, 100 * p.diff.lo, 100 * p.diff.hi,
            p.better, p.worse, p.p);
        return 0;
    }
    buf_init(&t, REPORT_MAX);
    int rc = json_result(&t, a, e);
    if (rc == 0 && b->scores) {
        t.len--; /* into the object */
        buf_add_str(&t, ",\"against\":");
        rc = json_result(&t, b, e);
        buf_printf(&t,
                   ",\"paired\":{\"problems\":%zu,\"difference\":%.6g,\"lo\":%.6g,\"hi\":%.6g,"
                   "\"better\":%zu,\"worse\":%zu,\"p\":%.6g}}",
                   p.diff.n, p.diff.mean, p.diff.lo, p.diff.hi, p.better, p.worse, p.p);
    }
    buf_add_char(&t, '\n');
    if (rc == 0) rc = buf_ok(&t, "the report", e);
    if (rc == 0) fwrite(buf_str(&t), 1, t.len, stdout);
    buf_release(&t);
    return rc;
}

static int show_samples(const char *dir, struct err *e)
{
    json_t *s[SAMPLES_MOST];
    size_t n;
    if (samples_first(dir, (size_t)o.show, s, &n, e)) return -1;
    if (n) puts("");
    for (size_t i = 0; i < n; i++) {
        samples_print(s[i], isatty(STDOUT_FILENO) && cli_color(), stdout);
        json_decref(s[i]);
    }
    return 0;
}

static int run(int argc, char **argv, struct err *e)
{
    static struct sources all;
    struct result a = {0}, b = {0};
    char second[300];
    if (argc != 1) return cli_usage(&cmd_eval, e);
    stop_on_signals(false);
    int rc = get_result(&a, &all, argv[0], o.out, e);
    if (o.out) snprintf(second, sizeof second, "%.280s-against", o.out);
    if (rc == 0 && o.against) rc = get_result(&b, &all, o.against, o.out ? second : NULL, e);
    bool partly = rc && e->code == ERR_CANCELLED && a.scores;
    if (rc == 0 || partly) {
        struct err later;
        int shown = report(&a, &b, partly ? &later : e);
        if (shown == 0 && o.show && !cli.json) shown = show_samples(a.dir, partly ? &later : e);
        if (rc == 0) rc = shown;
    }
    result_release(&a);
    result_release(&b);
    for (int i = 0; i < all.n; i++) problem_source_close(all.s[i]);
    return rc;
}

const struct command cmd_eval = {
    .verb = "eval",
    .args = "MODEL | DIR",
    .summary = "how many problems a model solves, with intervals; two models compared",
    .details =
        "  tarn eval model.gguf --task core --samples 4\n"
        "  tarn eval model.gguf --task addition,countdown --level up --held-out-phrasing\n"
        "  tarn eval model.gguf --data gsm8k.jsonl --count 200\n"
        "  tarn eval eval-b --against eval-a",
    .opts = (const struct opt *const[]){opts, load_opt_table, NULL},
    .run = run,
};
