#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "train/page.h"
#include "train/run_info.h"
#include "train/run_log.h"

enum {
    PAGE_MAX = 32 << 20,
    FILE_MAX = 64 << 20,
    POINTS = 600, /* of a curve */
    W = 520,
    H = 220,
    N_SAMPLE = 6,
    SAMPLE_BYTES = 4000
};

/* ---- curves -------------------------------------------------------------------------------- */

static void curve(struct buf *b, const struct run_log *l, const struct run_series *s)
{
    double x[POINTS], y[POINTS], mean[POINTS];
    size_t n = run_log_bins(l, s->v, POINTS, x, y);
    if (n == 0) return;
    struct chart c = chart_new(W, H);
    char label[96];
    snprintf(label, sizeof label, "%s over steps", s->name);
    chart_range(&c, x, y, n);
    memcpy(mean, y, n * sizeof *y);
    page_smooth(mean, n, n > 60 ? (double)n / 20 : 1);
    buf_add_str(b, "<figure><figcaption><span>");
    page_escape(b, span_of(s->name));
    buf_add_str(b, "</span><span>");
    page_number(b, run_log_last(l, s->v));
    buf_add_str(b, "</span></figcaption>");
    chart_begin(b, &c, span_of(label));
    if (n > 60) chart_line(b, &c, "raw", x, y, n);
    chart_line(b, &c, "run", x, mean, n);
    chart_end(b);
    buf_add_str(b, "</figure>\n");
}

/* ---- parts --------------------------------------------------------------------------------- */

static void head(struct buf *b, const struct run_info *r, const struct run_log *l)
{
    page_begin(b, span_of(r->name), "");
    buf_add_str(b, "<h1>");
    page_escape(b, span_of(r->name));
    buf_printf(b, "</h1><div class=\"dim\">%s, step %lld", r->kind, (long long)r->step);
    if (r->steps) buf_printf(b, " of %lld", (long long)r->steps);
    buf_printf(b, ", %s", run_state_name(r->state));
    if (*l->first_time) {
        buf_add_str(b, "; ");
        page_escape(b, span_of(l->first_time));
        buf_add_str(b, " to ");
        page_escape(b, span_of(l->last_time));
    }
    buf_add_str(b, "</div>\n");
}

static void table(struct buf *b, const struct run_log *l)
{
    buf_add_str(b, "<h2>Last numbers</h2><table><tr><th>name</th><th>first</th><th>last</th>"
                   "<th>least</th><th>most</th></tr>\n");
    for (size_t i = 0; i < l->n_series; i++) {
        const double *v = l->series[i].v;
        double first = (double)NAN, lo = (double)INFINITY, hi = -(double)INFINITY;
        for (size_t k = 0; k < l->n; k++) {
            if (!isfinite(v[k])) continue;
            if (!isfinite(first)) first = v[k];
            lo = fmin(lo, v[k]);
            hi = fmax(hi, v[k]);
        }
        buf_add_str(b, "<tr><td>");
        page_escape(b, span_of(l->series[i].name));
        const double cell[] = {first, run_log_last(l, v), lo, hi};
        for (size_t c = 0; c < countof(cell); c++) {
            buf_add_str(b, "</td><td>");
            page_number(b, cell[c]);
        }
        buf_add_str(b, "</td></tr>\n");
    }
    buf_add_str(b, "</table>\n");
}

static void sample_part(struct buf *b, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return;
    struct span s = {json_string_value(v), json_string_length(v)};
    if (s.n > SAMPLE_BYTES) s.n = SAMPLE_BYTES;
    page_escape(b, s);
    buf_add_char(b, '\n');
}

/* The last few lines of samples.jsonl. */
static int samples(struct buf *b, const char *run, struct err *e)
{
    char path[1100];
    struct buf text;
    snprintf(path, sizeof path, "%s/samples.jsonl", run);
    if (!file_exists(path)) return 0;
    buf_init(&text, FILE_MAX);
    if (file_read(path, &text, e)) {
        buf_release(&text);
        return -1;
    }
    size_t at = text.len, lines = 0;
    while (at > 0 && lines <= N_SAMPLE) lines += text.data[--at] == '\n';
    if (at > 0) at++;
    buf_add_str(b, "<h2>Last samples</h2>\n");
    for (size_t end; at < text.len; at = end + 1) {
        end = span_find(buf_span(&text), at, span_of("\n"));
        if (end == (size_t)-1) end = text.len;
        json_t *o = json_parse((struct span){text.data + at, end - at}, path, NULL);
        if (json_is_object(o)) {
            const json_t *step = json_object_get(o, "step"),
                         *score = json_object_get(o, "reward");
            if (!score) score = json_object_get(o, "score");
            buf_printf(b, "<pre><span class=\"dim\">step %lld, reward %.3g</span>\n",
                       (long long)json_integer_value(step), json_number_value(score));
            sample_part(b, o, "prompt");
            buf_add_char(b, '\n');
            sample_part(b, o, "response");
            sample_part(b, o, "text");
            sample_part(b, o, "reason");
            buf_add_str(b, "</pre>\n");
        }
        json_decref(o);
    }
    buf_release(&text);
    return 0;
}

static int recipe(struct buf *b, const char *run, struct err *e)
{
    char path[1100];
    struct buf text;
    snprintf(path, sizeof path, "%s/run.yaml", run);
    buf_init(&text, 1 << 20);
    int rc = file_read(path, &text, e);
    if (rc == 0) {
        buf_add_str(b, "<h2>Recipe</h2><pre>");
        page_escape(b, buf_span(&text));
        buf_add_str(b, "</pre>\n");
    }
    buf_release(&text);
    return rc;
}

static int write_page(struct buf *b, const char *run, const struct run_log *l, struct err *e)
{
    struct run_info r;
    size_t order[RUN_LOG_SERIES];
    int64_t step = l->n ? (int64_t)l->step[l->n - 1] + 1 : 0;
    if (run_info_read(&r, run, step, e)) return -1;
    head(b, &r, l);
    size_t n = run_log_order(l, order);
    buf_add_str(b, "<h2>Curves</h2><div class=\"grid\">\n");
    for (size_t i = 0; i < n; i++) curve(b, l, &l->series[order[i]]);
    buf_add_str(b, "</div>\n");
    if (samples(b, run, e)) return -1;
    table(b, l);
    if (recipe(b, run, e)) return -1;
    page_end(b);
    return buf_ok(b, "report.html", e);
}

int report_write(const char *run, char *path, struct err *e)
{
    struct run_log l;
    struct buf b;
    run_log_init(&l, run);
    buf_init(&b, PAGE_MAX);
    snprintf(path, 1100, "%s/report.html", run);
    int rc = run_log_read(&l, NULL, e);
    if (rc == 0) rc = write_page(&b, run, &l, e);
    if (rc == 0) rc = file_replace(path, buf_str(&b), b.len, e);
    buf_release(&b);
    run_log_release(&l);
    return rc;
}
