#include "train/page.h"

#include <math.h>

#include "base/utf8.h"

enum { TOP = 10, RIGHT = 12, BOTTOM = 26 };

static const char style[] =
    ":root{--fg:#1b1f24;--dim:#66707b;--bg:#fff;--card:#f6f8fa;--line:#d0d7de;--c:#0b62c4;"
    "--raw:#9cc3ef;--s0:#8a94a0;--s1:#0b62c4;--s2:#b3590b;--s3:#1a7f4b;--s4:#8a3ffc;"
    "--s5:#c2185b;--good:#1a7f4b;--bad:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#93a0ad;--bg:#0d1117;"
    "--card:#161b22;--line:#30363d;--c:#6cb2ff;--raw:#2b5d94;--s0:#8a94a0;--s1:#6cb2ff;"
    "--s2:#f0a35e;--s3:#4cc38a;--s4:#be95ff;--s5:#ff7eb6;--good:#4cc38a;--bad:#ff8f87}}"
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

void page_begin(struct buf *b, struct span title, const char *more)
{
    buf_add_str(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "style-src 'unsafe-inline'\"><title>");
    page_escape(b, title);
    buf_printf(b, "</title><style>%s%s</style></head><body>\n", style, more);
}

void page_end(struct buf *b)
{
    buf_add_str(b, "</body></html>\n");
}

void page_escape(struct buf *b, struct span s)
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

void page_number(struct buf *b, double x)
{
    if (!isfinite(x))
        buf_add_str(b, "-");
    else
        buf_printf(b, fabs(x) >= 1e5 || (x != 0 && fabs(x) < 1e-3) ? "%.3g" : "%.5g", x);
}

/* ---- charts -------------------------------------------------------------------------------- */

struct chart chart_new(int w, int h)
{
    return (struct chart){.w = w, .h = h, .left = 62};
}

void chart_range(struct chart *c, const double *x, const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!c->any) {
            c->x0 = c->x1 = x[i];
            c->lo = c->hi = y[i];
            c->any = true;
        }
        c->x0 = fmin(c->x0, x[i]);
        c->x1 = fmax(c->x1, x[i]);
        c->lo = fmin(c->lo, y[i]);
        c->hi = fmax(c->hi, y[i]);
    }
}

double chart_x(const struct chart *c, double x)
{
    return c->left +
           (x - c->x0) / (c->x1 > c->x0 ? c->x1 - c->x0 : 1) * (c->w - c->left - RIGHT);
}

double chart_y(const struct chart *c, double y)
{
    return TOP + (c->hi - y) / (c->hi > c->lo ? c->hi - c->lo : 1) * (c->h - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, about a fifth of the range. */
static double tick(double range)
{
    double raw = range / 4, p = pow(10, floor(log10(raw > 0 ? raw : 1))), m = raw / p;
    return p * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void axes(struct buf *b, const struct chart *c)
{
    double t = tick(c->hi - c->lo);
    for (double y = ceil(c->lo / t) * t; y <= c->hi + t * 1e-9; y += t) {
        buf_printf(b,
                   "<line class=\"ax\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                   c->left, c->w - RIGHT, chart_y(c, y), chart_y(c, y), c->left - 6,
                   chart_y(c, y) + 4);
        page_number(b, (fabs(y) < t * 1e-9 ? 0 : y) * (c->percent ? 100 : 1));
        buf_add_str(b, c->percent ? "%</text>" : "</text>");
    }
    t = c->powers ? 1 : tick(c->x1 - c->x0);
    for (double x = ceil(c->x0 / t) * t; x <= c->x1; x += t) {
        buf_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", chart_x(c, x),
                   c->h - 8);
        page_number(b, c->powers ? exp2(x) : x);
        buf_add_str(b, "</text>");
    }
}

void chart_begin(struct buf *b, struct chart *c, struct span label)
{
    if (c->hi <= c->lo) c->hi = c->lo + (c->lo != 0 ? fabs(c->lo) : 1) * 1e-3;
    buf_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", c->w, c->h);
    page_escape(b, label);
    buf_add_str(b, "\">");
    axes(b, c);
}

void chart_line(struct buf *b, const struct chart *c, const char *class, const double *x,
                const double *y, size_t n)
{
    buf_printf(b, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%.1f,%.1f ", chart_x(c, x[i]), chart_y(c, y[i]));
    buf_add_str(b, "\"/>");
}

void chart_end(struct buf *b)
{
    buf_add_str(b, "</svg>");
}

void page_smooth(double *y, size_t n, double width)
{
    double keep = width > 1 ? 1 - 1 / width : 0, m = n ? y[0] : 0;
    for (size_t i = 0; i < n; i++) {
        m = keep * m + (1 - keep) * y[i];
        y[i] = m;
    }
}
