#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "train/run_info.h"
#include "train/run_log.h"

enum {
    PAGE_MAX = 32 << 20,
    FILE_MAX = 64 << 20,
    POINTS = 600, /* of a curve */
    W = 520,
    H = 220,
    LEFT = 62,
    BOTTOM = 26,
    TOP = 10,
    RIGHT = 12,
    N_SAMPLE = 6,
    SAMPLE_BYTES = 4000
};

static const char style[] =
    ":root{--fg:#1b1f24;--dim:#66707b;--bg:#fff;--card:#f6f8fa;--line:#d0d7de;--c:#0b62c4;"
    "--raw:#9cc3ef}"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#93a0ad;--bg:#0d1117;"
    "--card:#161b22;--line:#30363d;--c:#6cb2ff;--raw:#2b5d94}}"
    "body{margin:0 auto;max-width:1140px;padding:24px;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,sans-serif}h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;"
    "margin:28px 0 10px}.dim{color:var(--dim)}.grid{display:grid;"
    "grid-template-columns:repeat(auto-fill,minmax(min(100%,500px),1fr));gap:14px}"
    "figure{margin:0;padding:10px;background:var(--card);border:1px solid var(--line);"
    "border-radius:8px}figcaption{display:flex;justify-content:space-between;font-weight:600}"
    "svg{width:100%;height:auto;display:block}text{font-size:11px;fill:var(--dim)}"
    ".ax{stroke:var(--line);stroke-width:1}.raw{fill:none;stroke:var(--raw);stroke-width:1}"
    ".run{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}"
    "pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;"
    "overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}"
    "table{border-collapse:collapse}td,th{padding:3px 14px 3px 0;text-align:left;"
    "font-variant-numeric:tabular-nums}";

/* ---- text ---------------------------------------------------------------------------------- */

static void escape(struct buf *b, struct span s)
{
    for (size_t i = 0; i < s.n;) {
        size_t len;
        uint32_t cp = utf8_decode(s.p + i, s.n - i, &len);
        char utf8[4];
        switch (cp) {
        case '<': buf_add_str(b, "&lt;"); break;
        case '>': buf_add_str(b, "&gt;"); break;
        case '&': buf_add_str(b, "&amp;"); break;
        case '"': buf_add_str(b, "&quot;"); break;
        default:
            if (cp >= 0x20 || cp == '\n' || cp == '\t') buf_add(b, utf8, utf8_encode(cp, utf8));
        }
        i += len;
    }
}

static void number(struct buf *b, double x)
{
    if (!isfinite(x))
        buf_add_str(b, "-");
    else
        buf_printf(b, fabs(x) >= 1e5 || (x != 0 && fabs(x) < 1e-3) ? "%.3g" : "%.5g", x);
}

/* ---- curves -------------------------------------------------------------------------------- */

struct frame {
    double x0, x1, lo, hi;
};

static double px(const struct frame *f, double x)
{
    return LEFT + (x - f->x0) / (f->x1 > f->x0 ? f->x1 - f->x0 : 1) * (W - LEFT - RIGHT);
}

static double py(const struct frame *f, double y)
{
    return TOP + (f->hi - y) / (f->hi > f->lo ? f->hi - f->lo : 1) * (H - TOP - BOTTOM);
}

static void polyline(struct buf *b, const char *class, const struct frame *f, const double *x,
                     const double *y, size_t n)
{
    buf_printf(b, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < n; i++) buf_printf(b, "%.1f,%.1f ", px(f, x[i]), py(f, y[i]));
    buf_add_str(b, "\"/>");
}

/* 1, 2 or 5 times a power of ten, about a fifth of the range. */
static double tick(double range)
{
    double raw = range / 4, p = pow(10, floor(log10(raw > 0 ? raw : 1))), m = raw / p;
    return p * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void axes(struct buf *b, const struct frame *f)
{
    double t = tick(f->hi - f->lo);
    for (double y = ceil(f->lo / t) * t; y <= f->hi + t * 1e-9; y += t) {
        buf_printf(b,
                   "<line class=\"ax\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                   LEFT, W - RIGHT, py(f, y), py(f, y), LEFT - 6, py(f, y) + 4);
        number(b, fabs(y) < t * 1e-9 ? 0 : y);
        buf_add_str(b, "</text>");
    }
    t = tick(f->x1 - f->x0);
    for (double x = ceil(f->x0 / t) * t; x <= f->x1; x += t) {
        buf_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", px(f, x), H - 8);
        number(b, x);
        buf_add_str(b, "</text>");
    }
}

static void curve(struct buf *b, const struct run_log *l, const struct run_series *s)
{
    double x[POINTS], y[POINTS], mean[POINTS];
    size_t n = run_log_bins(l, s->v, POINTS, x, y);
    if (n == 0) return;
    struct frame f = {x[0], x[n - 1], y[0], y[0]};
    double keep = n > 60 ? 1 - 20.0 / (double)n : 0, m = y[0];
    for (size_t i = 0; i < n; i++) {
        f.lo = fmin(f.lo, y[i]);
        f.hi = fmax(f.hi, y[i]);
        m = keep * m + (1 - keep) * y[i];
        mean[i] = m;
    }
    if (f.hi <= f.lo) f.hi = f.lo + (f.lo != 0 ? fabs(f.lo) : 1) * 1e-3;
    buf_add_str(b, "<figure><figcaption><span>");
    escape(b, span_of(s->name));
    buf_add_str(b, "</span><span>");
    number(b, run_log_last(l, s->v));
    buf_printf(b, "</span></figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
               W, H);
    escape(b, span_of(s->name));
    buf_add_str(b, " over steps\">");
    axes(b, &f);
    if (keep > 0) polyline(b, "raw", &f, x, y, n);
    polyline(b, "run", &f, x, mean, n);
    buf_add_str(b, "</svg></figure>\n");
}

/* ---- parts --------------------------------------------------------------------------------- */

static void head(struct buf *b, const struct run_info *r, const struct run_log *l)
{
    buf_add_str(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "style-src 'unsafe-inline'\"><title>");
    escape(b, span_of(r->name));
    buf_printf(b, "</title><style>%s</style></head><body>\n<h1>", style);
    escape(b, span_of(r->name));
    buf_printf(b, "</h1><div class=\"dim\">%s, step %lld", r->kind, (long long)r->step);
    if (r->steps) buf_printf(b, " of %lld", (long long)r->steps);
    buf_printf(b, ", %s", run_state_name(r->state));
    if (*l->first_time) {
        buf_add_str(b, "; ");
        escape(b, span_of(l->first_time));
        buf_add_str(b, " to ");
        escape(b, span_of(l->last_time));
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
        escape(b, span_of(l->series[i].name));
        const double cell[] = {first, run_log_last(l, v), lo, hi};
        for (size_t c = 0; c < countof(cell); c++) {
            buf_add_str(b, "</td><td>");
            number(b, cell[c]);
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
    escape(b, s);
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
        escape(b, buf_span(&text));
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
    buf_add_str(b, "</body></html>\n");
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
