/* tarn runs: the runs of a directory, one line each; or what DIR/story.json tells about them
 * (cli/story.h). */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/plot.h"
#include "cli/story.h"
#include "train/run_info.h"

extern const struct command cmd_runs;

enum { PAGE_MAX = 32 << 20, STORY_COLS = 100 };

static struct {
    bool story;
    const char *page;
} o;

static const struct opt opts[] = {
    {"story", 0, OPT_FLAG, &o.story, NULL,
     "bars, curves and targets as DIR/story.json has them", 0, 0},
    {"page", 0, OPT_STR, &o.page, "FILE", "the same as a page that stands alone", 0, 0},
    {.type = OPT_END},
};

static void age_text(int64_t s, char out[32])
{
    if (s < 120)
        snprintf(out, 32, "%lld s ago", (long long)s);
    else if (s < 7200)
        snprintf(out, 32, "%lld min ago", (long long)(s / 60));
    else if (s < 172800)
        snprintf(out, 32, "%lld h ago", (long long)(s / 3600));
    else
        snprintf(out, 32, "%lld days ago", (long long)(s / 86400));
}

static void print_json(const struct run_info *r, const char *dir, const struct run_log *l)
{
    static const char *const shown[] = {"loss", "eval_loss", "reward", "accuracy",
                                        "tokens_per_s"};
    struct buf b;
    buf_init(&b, 1 << 14);
    buf_add_str(&b, "{\"name\":");
    buf_add_json(&b, span_of(r->name));
    buf_add_str(&b, ",\"path\":");
    buf_add_json(&b, span_of(dir));
    buf_printf(&b,
               ",\"kind\":\"%s\",\"state\":\"%s\",\"step\":%lld,\"steps\":%lld,"
               "\"checkpoints\":%lld,\"age_s\":%lld",
               r->kind, run_state_name(r->state), (long long)r->step, (long long)r->steps,
               (long long)r->n_ckpt, (long long)r->age_s);
    for (size_t i = 0; i < countof(shown); i++) {
        double x = run_log_last(l, run_log_find(l, shown[i]));
        if (isfinite(x)) buf_printf(&b, ",\"%s\":%.9g", shown[i], x);
    }
    buf_add_char(&b, '}');
    puts(buf_str(&b));
    buf_release(&b);
}

/* "loss 2.134", "reward 0.81": the number that says most. */
static void best_number(const struct run_log *l, char out[64])
{
    static const char *const name[] = {"accuracy", "reward", "eval_loss", "loss"};
    out[0] = 0;
    for (size_t i = 0; i < countof(name); i++) {
        char num[16];
        double x = run_log_last(l, run_log_find(l, name[i]));
        if (!isfinite(x)) continue;
        plot_number(x, num);
        snprintf(out, 64, "%s %s", name[i], num);
        return;
    }
}

static int show(const char *dir, struct err *e)
{
    struct run_log l;
    struct run_info r;
    run_log_init(&l, dir);
    int rc = run_log_read(&l, NULL, e);
    int64_t step = l.n ? (int64_t)l.step[l.n - 1] + 1 : 0;
    if (rc == 0) rc = run_info_read(&r, dir, step, e);
    if (rc == 0 && cli.json) {
        print_json(&r, dir, &l);
    } else if (rc == 0) {
        char best[64], age[32], steps[48];
        best_number(&l, best);
        age_text(r.age_s, age);
        snprintf(steps, sizeof steps, "%lld/%lld", (long long)r.step, (long long)r.steps);
        printf("%-28s %-8s %-8s %15s  %-20s %s\n", r.name, r.kind, run_state_name(r.state),
               steps, best, age);
    }
    run_log_release(&l);
    return rc;
}

static int tell(const char *dir, struct err *e)
{
    static struct story s; /* large */
    struct buf b;
    if (story_open(&s, dir, e)) return -1;
    buf_init(&b, PAGE_MAX);
    int rc = 0;
    if (o.story) {
        rc = cli.json
                 ? story_json(&s, &b, e)
                 : story_print(&s, STORY_COLS, isatty(STDOUT_FILENO) && cli_color(), &b, e);
        if (rc == 0) fputs(buf_str(&b), stdout);
    }
    buf_clear(&b);
    if (rc == 0 && o.page) {
        rc = story_page(&s, &b, e);
        if (rc == 0) rc = file_replace(o.page, buf_str(&b), b.len, e);
    }
    buf_release(&b);
    story_close(&s);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    const char *dir = argc ? argv[0] : "runs";
    struct dirent **entry;
    int count = 0;
    if (argc > 1) return cli_usage(&cmd_runs, e);
    if (o.story || o.page) return tell(dir, e);
    if (run_info_is(dir)) return show(dir, e);
    int n = scandir(dir, &entry, NULL, alphasort);
    if (n < 0) return err_set(e, ERR_NOT_FOUND, "there is no directory %s", dir);
    for (int k = 0; k < n; k++) {
        struct err ignored;
        char *path = entry[k]->d_name[0] != '.' ? file_join(dir, entry[k]->d_name) : NULL;
        if (path && run_info_is(path)) {
            count++;
            if (show(path, &ignored)) fprintf(stderr, "%s: %s\n", path, ignored.msg);
        }
        mem_free(path);
        (free)(entry[k]); /* scandir's own memory */
    }
    (free)(entry);
    if (count == 0 && !cli.json) fprintf(stderr, "no runs in %s\n", dir);
    return 0;
}

const struct command cmd_runs = {
    .verb = "runs",
    .args = "[DIR]",
    .summary = "training runs of a directory (default: runs): state, steps, last numbers",
    .details = "  tarn runs\n  tarn runs /data/runs --json\n"
               "  tarn runs learn --story --page learn/report.html",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
