/* tarn watch: the curves of a run in the terminal, while it goes on or afterwards.
 *
 * As many panels as the terminal has room for, the most telling first; at 80 by 24 four. `s` shows
 * the last samples instead, `r` writes report.html, `q` ends. A resized terminal is drawn anew. Without
 * a terminal, or with --once, one picture is printed.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/plot.h"
#include "train/report.h"
#include "train/run_info.h"

extern const struct command cmd_watch;

enum { WIDE = 38, TALL = 8, MAX_PANEL = 24, TEXT_MAX = 1 << 22 };

static struct {
    bool once, report;
    int64_t cols, rows;
    double every;
} o = {.every = 1};

static const struct opt opts[] = {
    {"once", 0, OPT_FLAG, &o.once, NULL, "print one picture and end", 0, 0},
    {"report", 0, OPT_FLAG, &o.report, NULL, "write RUN/report.html and end", 0, 0},
    {"every", 0, OPT_REAL, &o.every, "S", "seconds between looks (default 1)", 0.1, 3600},
    {"cols", 0, OPT_INT, &o.cols, "N", "width, instead of the terminal's", 40, PLOT_MAX_COLS},
    {"rows", 0, OPT_INT, &o.rows, "N", "height, instead of the terminal's", 8, PLOT_MAX_ROWS},
    {.type = OPT_END},
};

struct watch {
    const char *run;
    struct run_log log;
    size_t cols, rows;
    bool samples; /* shown instead of the curves */
    char note[128];
};

static volatile sig_atomic_t resized, ended;

static void on_signal(int sig)
{
    if (sig == SIGWINCH)
        resized = 1;
    else
        ended = 1;
}

static void measure_terminal(struct watch *w)
{
    struct winsize s = {.ws_col = 80, .ws_row = 24};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &s);
    w->cols = o.cols ? (size_t)o.cols : size_max(40, s.ws_col);
    w->rows = o.rows ? (size_t)o.rows : size_max(8, s.ws_row);
    w->cols = size_min(w->cols, PLOT_MAX_COLS);
    w->rows = size_min(w->rows, PLOT_MAX_ROWS);
}

/* ---- lines --------------------------------------------------------------------------------- */

/* A line of ASCII, cut at the width. */
static void put_line(struct buf *out, const struct watch *w, const char *text, bool dim)
{
    if (dim && cli_color()) buf_add_str(out, "\x1b[2m");
    buf_add(out, text, size_min(strlen(text), w->cols));
    if (dim && cli_color()) buf_add_str(out, "\x1b[0m");
    buf_add_char(out, '\n');
}

static double seconds_per_step(const struct run_log *l)
{
    const double *ms = run_log_find(l, "ms");
    double sum = 0, n = 0;
    for (size_t i = l->n; ms && i-- > 0 && n < 50;) {
        if (!isfinite(ms[i])) continue;
        sum += ms[i] * 1e-3;
        n++;
    }
    return n > 0 ? sum / n : 0;
}

static void put_head(struct buf *out, const struct watch *w, const struct run_info *r)
{
    char text[512], speed[16];
    int n = snprintf(text, sizeof text, "%s  %s  step %" PRId64, r->name, r->kind, r->step);
    if (r->steps)
        n += snprintf(text + n, sizeof text - (size_t)n, "/%" PRId64 " (%.0f%%)", r->steps,
                      100 * (double)r->step / (double)r->steps);
    double tok = run_log_last(&w->log, run_log_find(&w->log, "tokens_per_s"));
    double each = seconds_per_step(&w->log);
    if (isfinite(tok)) {
        plot_number(tok, speed);
        n += snprintf(text + n, sizeof text - (size_t)n, "  %s tok/s", speed);
    }
    if (each > 0 && r->steps > r->step && r->state == RUN_RUNNING)
        n += snprintf(text + n, sizeof text - (size_t)n, "  %.0f min left",
                      each * (double)(r->steps - r->step) / 60);
    if (r->per_hour > 0 && each > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "  $%.2f",
                      each * (double)r->step / 3600 * r->per_hour);
    snprintf(text + n, sizeof text - (size_t)n, "  %s", run_state_name(r->state));
    put_line(out, w, text, false);
}

/* ---- curves -------------------------------------------------------------------------------- */

static void put_curves(struct buf *out, const struct watch *w, size_t rows)
{
    static const int color[] = {36, 33, 32, 35, 34, 31};
    size_t order[RUN_LOG_SERIES], n = run_log_order(&w->log, order);
    size_t across = size_max(1, w->cols / WIDE), down = size_max(1, rows / TALL);
    n = size_min(size_min(n, across * down), MAX_PANEL);
    if (n == 0) {
        put_line(out, w, "no numbers yet", true);
        return;
    }
    across = size_min(across, n);
    down = (n + across - 1) / across;
    size_t cols = w->cols / across, tall = rows / down;
    struct buf line[PLOT_MAX_ROWS];
    for (size_t r = 0; r < tall; r++) buf_init(&line[r], 1 << 16);
    for (size_t d = 0; d < down; d++) {
        for (size_t r = 0; r < tall; r++) buf_clear(&line[r]);
        for (size_t a = 0; a < across && d * across + a < n; a++) {
            size_t i = d * across + a;
            const struct run_series *s = &w->log.series[order[i]];
            plot_panel(&w->log, s->name, s->v, cols, tall,
                       cli_color() ? color[i % countof(color)] : 0, line);
        }
        for (size_t r = 0; r < tall; r++) {
            buf_add_span(out, buf_span(&line[r]));
            buf_add_char(out, '\n');
        }
    }
    for (size_t r = 0; r < tall; r++) buf_release(&line[r]);
}

/* ---- samples ------------------------------------------------------------------------------- */

/* Outside text without control characters, folded at the width; stops after `rows` lines. */
static size_t put_folded(struct buf *out, const struct watch *w, struct span s, size_t rows)
{
    size_t used = 0, col = 0;
    for (size_t i = 0; i < s.n && used < rows;) {
        size_t len;
        char utf8[4];
        uint32_t cp = utf8_decode(s.p + i, s.n - i, &len);
        bool wraps = cp != '\n' && col + 2 > w->cols; /* two: the character may be wide */
        i += wraps ? 0 : len;
        if (cp == '\n' || wraps) {
            buf_add_char(out, '\n');
            used++;
            col = 0;
            continue;
        }
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) continue;
        buf_add(out, utf8, utf8_encode(cp, utf8));
        col += cp >= 0x1100 ? 2 : 1;
    }
    if (col) {
        buf_add_char(out, '\n');
        used++;
    }
    return used;
}

static struct span member(const json_t *line, const char *key)
{
    const json_t *v = json_object_get(line, key);
    return json_is_string(v) ? (struct span){json_string_value(v), json_string_length(v)}
                             : (struct span){"", 0};
}

static void put_sample(struct buf *out, const struct watch *w, const json_t *line, size_t rows)
{
    char head[128];
    const json_t *reward = json_object_get(line, "reward");
    if (!reward) reward = json_object_get(line, "score");
    snprintf(head, sizeof head, "step %lld  reward %.3g",
             (long long)json_integer_value(json_object_get(line, "step")),
             json_number_value(reward));
    put_line(out, w, head, true);
    size_t used = 1;
    static const char *const key[] = {"prompt", "response", "text", "reason"};
    for (size_t i = 0; i < countof(key) && used < rows; i++)
        used += put_folded(out, w, member(line, key[i]), rows - used);
}

static void put_samples(struct buf *out, const struct watch *w, size_t rows)
{
    char path[1100];
    struct buf text;
    snprintf(path, sizeof path, "%s/samples.jsonl", w->run);
    buf_init(&text, TEXT_MAX);
    if (!file_exists(path) || file_read(path, &text, NULL) || text.len == 0) {
        put_line(out, w, "this run keeps no samples", true);
    } else {
        size_t end = text.len - (text.data[text.len - 1] == '\n'), at = end;
        while (at > 0 && text.data[at - 1] != '\n') at--;
        json_t *line = json_parse((struct span){text.data + at, end - at}, path, NULL);
        if (line) put_sample(out, w, line, rows);
        json_decref(line);
    }
    buf_release(&text);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int picture(struct watch *w, bool keys, struct buf *out, struct err *e)
{
    struct run_info r;
    int64_t step = w->log.n ? (int64_t)w->log.step[w->log.n - 1] + 1 : 0;
    if (run_info_read(&r, w->run, step, e)) return -1;
    put_head(out, w, &r);
    size_t rows = w->rows - 1 - keys;
    if (w->samples)
        put_samples(out, w, rows);
    else
        put_curves(out, w, rows);
    if (keys) {
        char text[256];
        snprintf(text, sizeof text, "q quit  s %s  r report  %s",
                 w->samples ? "curves" : "samples", w->note);
        put_line(out, w, text, true);
    }
    return buf_ok(out, "a picture", e);
}

/* The picture in place of the last one: no flicker, no leftovers. */
static void send_frame(const struct watch *w, const struct buf *b)
{
    struct buf f;
    size_t from = 0, row = 0, end;
    buf_init(&f, 1 << 24);
    while (row < w->rows && (end = span_find(buf_span(b), from, span_of("\n"))) != (size_t)-1) {
        buf_printf(&f, "\x1b[%zu;1H", ++row);
        buf_add(&f, b->data + from, end - from);
        buf_add_str(&f, "\x1b[K");
        from = end + 1;
    }
    buf_add_str(&f, "\x1b[J");
    fputs(buf_str(&f), stdout);
    fflush(stdout);
    buf_release(&f);
}

static void on_key(struct watch *w, char c)
{
    struct err e;
    char path[1100];
    if (c == 'q' || c == 3 || c == 27) ended = 1;
    if (c == 's') w->samples = !w->samples;
    if (c != 'r') return;
    if (report_write(w->run, path, &e))
        snprintf(w->note, sizeof w->note, "%.120s", e.msg);
    else
        snprintf(w->note, sizeof w->note, "wrote %.100s", path);
}

/* Waits for a key, a signal, or the next look; true when something must be drawn. */
static bool wait_for_news(struct watch *w, struct err *e)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int n = poll(&in, 1, (int)(o.every * 1000));
    char c;
    if (n > 0 && (in.revents & POLLIN) && read(STDIN_FILENO, &c, 1) == 1) {
        on_key(w, c);
        return true;
    }
    if (n > 0) { /* the input is gone: look at the file only */
        clock_sleep_ns((int64_t)(o.every * 1e9));
    }
    bool grew = false;
    if (run_log_read(&w->log, &grew, e)) err_clear(e);
    return grew || resized;
}

static int live(struct watch *w, struct err *e)
{
    struct termios old, raw;
    struct sigaction act = {.sa_handler = on_signal};
    struct buf b;
    bool keys = tcgetattr(STDIN_FILENO, &old) == 0;
    if (keys) {
        raw = old;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    sigaction(SIGWINCH, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    fputs("\x1b[?1049h\x1b[?25l\x1b[2J", stdout);
    buf_init(&b, 1 << 24);
    int rc = 0;
    for (bool news = true; rc == 0 && !ended;) {
        if (news) {
            if (resized) fputs("\x1b[2J", stdout);
            resized = 0;
            measure_terminal(w);
            buf_clear(&b);
            rc = picture(w, true, &b, e);
            if (rc == 0) send_frame(w, &b);
        }
        news = wait_for_news(w, e);
    }
    buf_release(&b);
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    if (keys) (void)tcsetattr(STDIN_FILENO, TCSANOW, &old);
    return rc;
}

static int once(struct watch *w, struct err *e)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    measure_terminal(w);
    int rc = picture(w, false, &b, e);
    if (rc == 0) fputs(buf_str(&b), stdout);
    buf_release(&b);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct watch w = {0};
    char path[1100];
    if (argc != 1) return cli_usage(&cmd_watch, e);
    w.run = argv[0];
    if (!run_info_is(w.run)) {
        err_set(e, ERR_NOT_FOUND, "%s is no run: it has no run.yaml and metrics.jsonl", w.run);
        return err_hint(e, "`tarn runs` lists them");
    }
    if (o.report) {
        if (report_write(w.run, path, e)) return -1;
        puts(path);
        return 0;
    }
    run_log_init(&w.log, w.run);
    int rc = run_log_read(&w.log, NULL, e);
    if (rc == 0) rc = o.once || !isatty(STDOUT_FILENO) ? once(&w, e) : live(&w, e);
    run_log_release(&w.log);
    return rc;
}

const struct command cmd_watch = {
    .verb = "watch",
    .args = "RUN",
    .summary = "a training run's curves in the terminal, while it goes on",
    .details = "  tarn watch runs/english\n  tarn watch runs/english --once\n"
               "  tarn watch runs/english --report",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
