/* story_page.c - a story as one page: accuracies with their intervals, curves of the runs, pass@k,
 * the thoughts themselves, targets, commands. Charts are SVG (train/page.h); there is no script. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/size.h"
#include "cli/samples.h"
#include "cli/story.h"
#include "train/page.h"
#include "train/run_log.h"

enum { POINTS = 300, ROW = 30, HEAD = 26, N_COLOR = 6 };

static const char more_style[] =
    "h1{font-size:28px;letter-spacing:-.01em}.lead{max-width:70ch;margin:6px 0 18px}"
    ".three{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));"
    "gap:14px}figcaption{display:block}figcaption small{display:block;font-weight:400;"
    "color:var(--dim);min-height:2.6em;line-height:1.3}.key{display:flex;flex-wrap:wrap;"
    "gap:4px 16px;font-weight:400;font-size:13px}.key i{display:inline-block;width:14px;"
    "height:3px;border-radius:2px;vertical-align:middle;margin-right:6px}"
    ".s0,.s1,.s2,.s3,.s4,.s5{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}"
    ".s4{stroke:var(--s4)}.s5{stroke:var(--s5)}.d0{fill:var(--s0)}.d1{fill:var(--s1)}"
    ".d2{fill:var(--s2)}.d3{fill:var(--s3)}.d4{fill:var(--s4)}.d5{fill:var(--s5)}"
    ".b0{background:var(--s0)}.b1{background:var(--s1)}.b2{background:var(--s2)}"
    ".b3{background:var(--s3)}.b4{background:var(--s4)}.b5{background:var(--s5)}"
    ".vote{fill:var(--card);stroke-width:1.5}.name{font-size:12px;fill:var(--fg)}"
    ".big{font-size:12px;fill:var(--fg);font-weight:600}"
    ".wrap{overflow-x:auto}.wrap td,.wrap th{white-space:nowrap}td.t{white-space:normal}"
    "tr+tr td{border-top:1px solid var(--line)}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".think{display:grid;gap:10px;grid-template-columns:repeat(auto-fit,minmax(min(100%,190px),"
    "1fr));margin:0 0 22px}.think div{border:1px solid var(--line);border-radius:8px;"
    "background:var(--card);overflow:hidden}.think b{display:block;padding:6px 10px;"
    "border-bottom:1px solid var(--line);font-size:13px}.think pre{border:0;margin:0;"
    "padding:8px 10px;color:var(--dim);font-size:12px;min-height:3em}.think p{margin:0;"
    "padding:6px 10px;border-top:1px solid var(--line)}q{font-weight:600}"
    "ol{padding-left:20px}.targets td:first-child{font-weight:600}"
    "@media print{body{max-width:none}figure{break-inside:avoid}}";

static void text(struct buf *b, const char *tag, struct span s)
{
    buf_printf(b, "<%s>", tag);
    page_escape(b, s);
    buf_printf(b, "</%.*s>", (int)strcspn(tag, " "), tag);
}

/* ---- accuracies ---------------------------------------------------------------------------- */

static double dot_x(const struct chart *c, double share)
{
    return chart_x(c, fmin(fmax(share, 0), 1));
}

/* One model's row: interval as a line, pass@1 as a dot, the vote as a ring. */
static void accuracy_row(struct buf *b, const struct chart *c, const struct story *s, size_t m,
                         size_t col)
{
    const struct story_cell *x = &s->cell[m][col];
    double y = HEAD + ROW * ((double)m + 0.5);
    unsigned color = (unsigned)(m % N_COLOR);
    buf_printf(b, "<text class=\"name\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", c->left - 10,
               y + 4);
    page_escape(b, s->model[m].label);
    buf_add_str(b, "</text>");
    if (!x->has) {
        buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\">not measured</text>", dot_x(c, 0), y + 4);
        return;
    }
    buf_printf(b, "<g><title>pass@1 %.1f%% [%.1f, %.1f], %g problems, %d answers each",
               100 * x->pass1, 100 * x->lo, 100 * x->hi, x->problems, x->samples);
    if (x->has_cons)
        buf_printf(b, "; vote %.1f%% [%.1f, %.1f]", 100 * x->cons, 100 * x->cons_lo,
                   100 * x->cons_hi);
    buf_printf(b,
               "</title><line class=\"s%u\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
               color, dot_x(c, x->lo), dot_x(c, x->hi), y, y);
    if (x->has_cons)
        buf_printf(b, "<circle class=\"s%u vote\" cx=\"%.1f\" cy=\"%.1f\" r=\"5.5\"/>", color,
                   dot_x(c, x->cons), y);
    buf_printf(b, "<circle class=\"d%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></g>", color,
               dot_x(c, x->pass1), y);
    buf_printf(b, "<text class=\"big\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f%%</text>",
               c->w + 40, y + 4, 100 * x->pass1);
}

static void accuracies(struct buf *b, const struct story *s)
{
    buf_add_str(b, "<h2>What each stage added</h2><div class=\"three\">\n");
    for (size_t col = 0; col < s->n_column; col++) {
        int h = HEAD + ROW * (int)s->n_model + 6;
        struct chart c = {.x1 = 1, .hi = 1, .w = 380, .h = h, .left = 118};
        buf_add_str(b, "<figure><figcaption>");
        page_escape(b, s->column[col].label);
        text(b, "small", s->column[col].text);
        buf_printf(b, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", c.w,
                   h);
        page_escape(b, s->column[col].label);
        buf_add_str(b, "\">");
        c.w -= 42; /* for the numbers */
        for (int t = 0; t <= 4; t++)
            buf_printf(b,
                       "<line class=\"ax\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                       "<text x=\"%.1f\" y=\"14\" text-anchor=\"middle\">%d</text>",
                       chart_x(&c, t / 4.0), chart_x(&c, t / 4.0), HEAD - 6, h - 4,
                       chart_x(&c, t / 4.0), 25 * t);
        struct chart wide = c;
        for (size_t m = 0; m < s->n_model; m++) accuracy_row(b, &wide, s, m, col);
        buf_add_str(b, "</svg></figure>\n");
    }
    buf_add_str(b,
                "</div><p class=\"dim\">Per cent of answers that are right. Dot: pass@1, a "
                "single answer drawn at temperature 1; line: its 95 % interval, clustered by "
                "problem; ring: the vote of all answers to a problem (cons@k).</p>\n");
}

static void numbers(struct buf *b, const struct story *s)
{
    buf_add_str(b, "<div class=\"wrap\"><table><tr><th></th><th>made by</th>");
    for (size_t c = 0; c < s->n_column; c++) text(b, "th", s->column[c].label);
    buf_add_str(b, "<th>thought</th><th>time</th></tr>\n");
    for (size_t m = 0; m < s->n_model; m++) {
        const struct story_cell *x = s->cell[m];
        buf_printf(b, "<tr><td><b>");
        page_escape(b, s->model[m].label);
        buf_add_str(b, "</b></td>");
        buf_add_str(b, "<td class=\"t\">");
        page_escape(b, s->model[m].text);
        buf_add_str(b, "</td>");
        for (size_t c = 0; c < s->n_column; c++) {
            if (!x[c].has) {
                buf_add_str(b, "<td class=\"dim\">not measured</td>");
                continue;
            }
            buf_printf(b, "<td>%.1f <span class=\"dim\">[%.1f, %.1f]", 100 * x[c].pass1,
                       100 * x[c].lo, 100 * x[c].hi);
            if (x[c].has_cons) buf_printf(b, " vote %.1f", 100 * x[c].cons);
            buf_add_str(b, "</span></td>");
        }
        if (x[0].has)
            buf_printf(b, "<td>%.0f tokens</td>", x[0].think);
        else
            buf_add_str(b, "<td></td>");
        if (s->seconds[m] > 0)
            buf_printf(b, "<td>%.1f min</td></tr>\n", s->seconds[m] / 60);
        else
            buf_add_str(b, "<td></td></tr>\n");
    }
    buf_add_str(b, "</table></div>\n");
}

static void targets(struct buf *b, const struct story *s)
{
    if (s->n_target == 0) return;
    buf_add_str(b, "<h2>What it was to show</h2><table class=\"targets\">\n");
    for (size_t i = 0; i < s->n_target; i++) {
        const struct story_target *t = &s->target[i];
        bool known = isfinite(t->value) && isfinite(t->bound);
        buf_printf(b, "<tr><td class=\"%s\">%s</td><td class=\"t\">",
                   !known   ? "dim"
                   : t->met ? "good"
                            : "bad",
                   !known   ? "? not measured"
                   : t->met ? "✓ reached"
                            : "✗ missed");
        page_escape(b, t->text);
        if (known)
            buf_printf(b, "</td><td>%.1f %%, to be %s %.1f %%</td></tr>\n", 100 * t->value,
                       t->above ? "above" : "below", 100 * t->bound);
        else
            buf_add_str(b, "</td><td></td></tr>\n");
    }
    buf_add_str(b, "</table>\n");
}

/* ---- curves -------------------------------------------------------------------------------- */

struct line {
    double x[POINTS], y[POINTS];
    size_t n;
    int model;
};

static void key(struct buf *b, const struct story *s, const struct line *l, size_t n)
{
    buf_add_str(b, "<span class=\"key\">");
    for (size_t i = 0; i < n; i++) {
        if (l[i].n == 0) continue;
        buf_printf(b, "<span><i class=\"b%d\"></i>", l[i].model % N_COLOR);
        page_escape(b, s->model[l[i].model].label);
        buf_add_str(b, "</span>");
    }
    buf_add_str(b, "</span>");
}

static void draw(struct buf *b, const struct story *s, struct chart *c, struct span title,
                 struct span note, const struct line *l, size_t n)
{
    char class[8];
    for (size_t i = 0; i < n; i++) chart_range(c, l[i].x, l[i].y, l[i].n);
    if (!c->any) return;
    if (c->percent) {
        c->lo = 0;
        c->hi = 1;
    } else {
        c->lo = fmin(c->lo, 0);
    }
    buf_add_str(b, "<figure><figcaption>");
    page_escape(b, title);
    text(b, "small", note);
    key(b, s, l, n);
    buf_add_str(b, "</figcaption>");
    chart_begin(b, c, title);
    for (size_t i = 0; i < n; i++) {
        snprintf(class, sizeof class, "s%d", l[i].model % N_COLOR);
        chart_line(b, c, class, l[i].x, l[i].y, l[i].n);
    }
    chart_end(b);
    buf_add_str(b, "</figure>\n");
}

static int read_line(const struct story *s, struct span run, const char *series, struct line *l,
                     struct err *e)
{
    char path[1200];
    struct run_log log;
    l->n = 0;
    l->model = story_model(s, run);
    if (l->model < 0)
        return err_set(e, ERR_FORMAT,
                       "story.json: a curve's run \"%.*s\" is none of the models",
                       (int)size_min(run.n, 64), run.p);
    snprintf(path, sizeof path, "%.1000s/%.*s", s->dir, (int)size_min(run.n, 64), run.p);
    run_log_init(&log, path);
    int rc = run_log_read(&log, NULL, e);
    if (rc && e->code == ERR_NOT_FOUND) { /* this stage is still to come */
        err_clear(e);
        rc = 0;
    }
    const double *v = run_log_find(&log, series);
    if (rc == 0 && v) l->n = run_log_bins(&log, v, POINTS, l->x, l->y);
    if (l->n > 40) page_smooth(l->y, l->n, (double)l->n / 25);
    run_log_release(&log);
    return rc;
}

static int curves(struct buf *b, const struct story *s, struct err *e)
{
    static struct line l[STORY_MODELS]; /* large; one thread writes pages */
    const json_t *list = json_object_get(s->json, "curves");
    buf_add_str(b, "<h2>How it learned</h2><div class=\"grid\">\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i), *runs = json_object_get(o, "runs");
        struct chart c = chart_new(520, 220);
        char series[64];
        struct span name = story_text(o, "series");
        size_t n = size_min(json_array_size(runs), STORY_MODELS);
        snprintf(series, sizeof series, "%.*s", (int)size_min(name.n, 63), name.p);
        c.percent = json_is_true(json_object_get(o, "percent"));
        for (size_t k = 0; k < n; k++) {
            const char *run = json_string_value(json_array_get(runs, k));
            if (read_line(s, span_of(run ? run : ""), series, &l[k], e)) return -1;
        }
        draw(b, s, &c, story_text(o, "title"), story_text(o, "note"), l, n);
    }
    buf_add_str(b, "</div>\n");
    return 0;
}

/* Taught or only sharpened: chances of one right answer among k. x is log2 k. */
static void pass_curves(struct buf *b, const struct story *s)
{
    static struct line l[STORY_MODELS];
    struct span name = story_text(s->json, "passk");
    struct chart c = chart_new(520, 240);
    size_t col = 0;
    while (col < s->n_column && !span_eq(s->column[col].name, name)) col++;
    if (col == s->n_column) return;
    for (size_t m = 0; m < s->n_model; m++) {
        const struct story_cell *x = &s->cell[m][col];
        l[m].n = x->has ? (size_t)x->n_pass : 0;
        l[m].model = (int)m;
        for (size_t k = 0; k < l[m].n; k++) {
            l[m].x[k] = (double)k;
            l[m].y[k] = x->pass[k];
        }
    }
    c.percent = true;
    c.powers = true;
    buf_add_str(b, "<h2>Taught, or only sharpened?</h2><div class=\"grid\">\n");
    draw(b, s, &c, s->column[col].label,
         span_of("pass@k: at least one right answer among k. Where a curve starts low and ends "
                 "high the model could do it and rarely did."),
         l, s->n_model);
    buf_add_str(b, "</div>\n");
}

/* ---- thoughts ------------------------------------------------------------------------------ */

static void thought(struct buf *b, const struct story *s, int m, const json_t *o)
{
    struct sample_parts p = samples_parts(o);
    buf_add_str(b, "<div><b>");
    page_escape(b, s->model[m].label);
    buf_add_str(b, "</b><pre>");
    page_escape(b, p.think.n ? p.think : span_of("(no thought)"));
    buf_printf(b, "</pre><p class=\"%s\">%s ", p.right ? "good" : "bad", p.right ? "✓" : "✗");
    page_escape(b, p.open ? span_of("never stopped thinking") : p.answer);
    buf_add_str(b, "</p></div>\n");
}

static int thoughts(struct buf *b, const struct story *s, struct err *e)
{
    const json_t *o = json_object_get(s->json, "thoughts"), *who = json_object_get(o, "models");
    struct span col = story_text(o, "column");
    json_int_t count = json_integer_value(json_object_get(o, "count"));
    size_t most = count < 0 ? 0 : size_min((size_t)count, SAMPLES_MOST), n[STORY_MODELS] = {0};
    size_t n_who = size_min(json_array_size(who), STORY_MODELS), n_shown = 0;
    static json_t *found[STORY_MODELS][SAMPLES_MOST];
    int model[STORY_MODELS], rc = 0;
    for (size_t k = 0; k < n_who && rc == 0; k++) {
        const char *name = json_string_value(json_array_get(who, k));
        char dir[1200];
        model[k] = story_model(s, span_of(name ? name : ""));
        snprintf(dir, sizeof dir, "%.800s/eval/%.64s-%.*s", s->dir, name ? name : "",
                 (int)size_min(col.n, 64), col.p);
        if (model[k] < 0 || !file_is_dir(dir)) continue;
        rc = samples_first(dir, most, found[k], &n[k], e);
        if (n[k] > n_shown) n_shown = n[k];
    }
    buf_add_str(
        b, "<h2>The thoughts</h2><p class=\"dim\">The first problems of the evaluation and "
           "each model's first answer to them; nothing is picked.</p>\n");
    for (size_t i = 0; i < n_shown; i++) {
        const json_t *any = NULL;
        for (size_t k = 0; k < n_who; k++)
            if (!any && i < n[k]) any = found[k][i];
        buf_add_str(b, "<p>");
        text(b, "q", story_text(any, "prompt"));
        buf_add_str(b, " <span class=\"dim\">(");
        page_escape(b, story_text(any, "gold"));
        buf_add_str(b, ")</span></p><div class=\"think\">\n");
        for (size_t k = 0; k < n_who; k++)
            if (i < n[k]) thought(b, s, model[k], found[k][i]);
        buf_add_str(b, "</div>\n");
    }
    for (size_t k = 0; k < n_who; k++)
        for (size_t i = 0; i < n[k]; i++) json_decref(found[k][i]);
    return rc;
}

static void commands_list(struct buf *b, const struct story *s)
{
    const json_t *list = json_object_get(s->json, "commands");
    if (json_array_size(list) == 0) return;
    buf_add_str(b, "<h2>How to make it again</h2><pre>");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *line = json_string_value(json_array_get(list, i));
        page_escape(b, span_of(line ? line : ""));
        buf_add_char(b, '\n');
    }
    buf_add_str(b, "</pre>\n");
}

int story_page(const struct story *s, struct buf *b, struct err *e)
{
    page_begin(b, s->title, more_style);
    text(b, "h1", s->title);
    buf_add_str(b, "<p class=\"lead\">");
    page_escape(b, s->lead);
    if (s->all_seconds > 0)
        buf_printf(b, " Everything together took %.1f minutes.", s->all_seconds / 60);
    buf_add_str(b, "</p>\n");
    accuracies(b, s);
    numbers(b, s);
    targets(b, s);
    if (curves(b, s, e)) return -1;
    pass_curves(b, s);
    if (thoughts(b, s, e)) return -1;
    commands_list(b, s);
    page_end(b);
    return buf_ok(b, "the page", e);
}
