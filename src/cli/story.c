#include "cli/story.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/size.h"
#include "cli/plot.h"
#include "train/run_log.h"

enum { FILE_MAX = 16 << 20, PATH = 1200, LABEL = 22, PANEL_ROWS = 8 };

/* ---- reading ------------------------------------------------------------------------------- */

struct span story_text(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return (struct span){"", 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

static double real(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static size_t names(const json_t *list, struct story_name *out, size_t most)
{
    size_t n = size_min(json_array_size(list), most);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        out[i] = (struct story_name){story_text(o, "name"), story_text(o, "label"),
                                     story_text(o, "text")};
        if (!out[i].label.n) out[i].label = out[i].name;
    }
    return n;
}

int story_model(const struct story *s, struct span name)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (span_eq(s->model[i].name, name)) return (int)i;
    return -1;
}

static int column_of(const struct story *s, struct span name)
{
    for (size_t i = 0; i < s->n_column; i++)
        if (span_eq(s->column[i].name, name)) return (int)i;
    return -1;
}

static void read_cell(struct story_cell *c, const json_t *all)
{
    const json_t *k = json_object_get(all, "pass@k");
    c->has = true;
    c->pass1 = real(all, "pass@1");
    c->lo = real(all, "pass@1_lo");
    c->hi = real(all, "pass@1_hi");
    c->cons = real(all, "cons@k");
    c->cons_lo = real(all, "cons@k_lo");
    c->cons_hi = real(all, "cons@k_hi");
    c->has_cons = isfinite(c->cons);
    c->problems = real(all, "problems");
    c->samples = (int)real(all, "samples");
    c->tokens = real(all, "tokens");
    c->think = real(all, "think_tokens");
    for (c->n_pass = 0; c->n_pass < STORY_PASS; c->n_pass++) {
        char key[16];
        snprintf(key, sizeof key, "%d", 1 << c->n_pass);
        c->pass[c->n_pass] = real(k, key);
        if (!isfinite(c->pass[c->n_pass])) break;
    }
}

static int read_cells(struct story *s, struct err *e)
{
    for (size_t m = 0; m < s->n_model; m++)
        for (size_t c = 0; c < s->n_column; c++) {
            char path[PATH];
            snprintf(path, sizeof path, "%.800s/eval/%.*s-%.*s.json", s->dir,
                     (int)size_min(s->model[m].name.n, 64), s->model[m].name.p,
                     (int)size_min(s->column[c].name.n, 64), s->column[c].name.p);
            if (!file_exists(path)) continue;
            json_t *o = json_parse_file(path, FILE_MAX, e);
            if (!o) return -1;
            const json_t *all = json_object_get(o, "all");
            if (json_is_object(all)) read_cell(&s->cell[m][c], all);
            json_decref(o);
        }
    return 0;
}

static int read_times(struct story *s, struct err *e)
{
    char path[PATH], name[80];
    struct buf b;
    double seconds;
    snprintf(path, sizeof path, "%.1000s/times", s->dir);
    if (!file_exists(path)) return 0;
    buf_init(&b, FILE_MAX);
    int rc = file_read(path, &b, e);
    for (const char *at = buf_str(&b); rc == 0 && at && *at;) {
        if (sscanf(at, "%79s %lf", name, &seconds) == 2) {
            int m = story_model(s, span_of(name));
            if (m >= 0) s->seconds[m] += seconds;
            s->all_seconds += seconds;
        }
        at = strchr(at, '\n');
        if (at) at++;
    }
    buf_release(&b);
    return rc;
}

static double number_of(const struct story_cell *c, struct span what)
{
    if (!c->has) return (double)NAN;
    if (span_is(what, "pass@k") && c->n_pass) return c->pass[c->n_pass - 1];
    if (span_is(what, "cons@k")) return c->cons;
    if (span_is(what, "cons-pass")) return c->cons - c->pass1;
    return c->pass1;
}

static void read_targets(struct story *s)
{
    const json_t *list = json_object_get(s->json, "targets");
    s->n_target = size_min(json_array_size(list), STORY_TARGETS);
    for (size_t i = 0; i < s->n_target; i++) {
        const json_t *o = json_array_get(list, i);
        struct story_target *t = &s->target[i];
        struct span what = story_text(o, "number");
        int m = story_model(s, story_text(o, "model")),
            c = column_of(s, story_text(o, "column"));
        t->above = json_object_get(o, "above") != NULL;
        const char *key = t->above ? "above" : "below";
        int other = story_model(s, story_text(o, key));
        t->text = story_text(o, "text");
        t->value = m >= 0 && c >= 0 ? number_of(&s->cell[m][c], what) : (double)NAN;
        t->bound = other >= 0 && c >= 0 ? number_of(&s->cell[other][c], what) : real(o, key);
        t->met = t->above ? t->value > t->bound : t->value < t->bound; /* NAN: false */
    }
}

int story_open(struct story *s, const char *dir, struct err *e)
{
    char path[PATH];
    *s = (struct story){.dir = dir};
    snprintf(path, sizeof path, "%.1000s/story.json", dir);
    s->json = json_parse_file(path, FILE_MAX, e);
    if (!s->json) return -1;
    s->title = story_text(s->json, "title");
    s->lead = story_text(s->json, "lead");
    s->n_column = names(json_object_get(s->json, "columns"), s->column, STORY_COLUMNS);
    s->n_model = names(json_object_get(s->json, "models"), s->model, STORY_MODELS);
    if (s->n_column == 0 || s->n_model == 0) {
        err_set(e, ERR_FORMAT, "%s needs columns and models", path);
    } else if (read_cells(s, e) == 0 && read_times(s, e) == 0) {
        read_targets(s);
        return 0;
    }
    story_close(s);
    return -1;
}

void story_close(struct story *s)
{
    json_decref(s->json);
    s->json = NULL;
}

/* ---- for a terminal ------------------------------------------------------------------------ */

/* A share as a bar of at most `cells` cells, in eighths; the interval's upper end as a mark. */
static void bar(struct buf *b, double share, size_t cells)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t eighths = (size_t)lround(fmin(fmax(share, 0), 1) * 8 * (double)cells);
    for (size_t i = 0; i < eighths / 8; i++) buf_add_str(b, "█");
    buf_add_str(b, part[eighths % 8]);
    for (size_t i = (eighths + 7) / 8; i < cells; i++) buf_add_char(b, ' ');
}

static void print_column(const struct story *s, size_t c, size_t cells, bool color,
                         struct buf *b)
{
    static const int palette[] = {90, 34, 33, 32, 35, 36, 31, 37};
    const struct story_name *n = &s->column[c];
    buf_printf(b, "\n%.*s", (int)n->label.n, n->label.p);
    if (n->text.n) buf_printf(b, " - %.*s", (int)n->text.n, n->text.p);
    buf_add_char(b, '\n');
    for (size_t m = 0; m < s->n_model; m++) {
        const struct story_cell *x = &s->cell[m][c];
        buf_printf(b, "  %-*.*s", LABEL, (int)size_min(s->model[m].label.n, LABEL),
                   s->model[m].label.p);
        if (!x->has) {
            buf_add_str(b, "not measured\n");
            continue;
        }
        if (color) buf_printf(b, "\x1b[%dm", palette[m % countof(palette)]);
        bar(b, x->pass1, cells);
        if (color) buf_add_str(b, "\x1b[0m");
        buf_printf(b, " %5.1f%% [%4.1f, %4.1f]", 100 * x->pass1, 100 * x->lo, 100 * x->hi);
        if (x->has_cons) buf_printf(b, "  vote %5.1f%%", 100 * x->cons);
        buf_add_char(b, '\n');
    }
}

/* Curves of a story two beside each other, those of their first run. */
static int print_curves(const struct story *s, size_t cols, bool color, struct buf *b,
                        struct err *e)
{
    const json_t *list = json_object_get(s->json, "curves");
    size_t n = json_array_size(list), across = cols >= 76 ? 2 : 1, width = cols / across;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i += across) {
        struct buf line[2][PANEL_ROWS];
        size_t shown = 0;
        for (size_t k = 0; k < across && i + k < n && rc == 0; k++) {
            const json_t *o = json_array_get(list, i + k);
            struct span run = {"", 0}, series = story_text(o, "series");
            const json_t *first = json_array_get(json_object_get(o, "runs"), 0);
            char path[PATH], name[64], title[128];
            struct run_log l;
            if (json_is_string(first)) run = span_of(json_string_value(first));
            snprintf(path, sizeof path, "%.1000s/%.*s", s->dir, (int)size_min(run.n, 64),
                     run.p);
            snprintf(name, sizeof name, "%.*s", (int)size_min(series.n, 63), series.p);
            snprintf(title, sizeof title, "%s, %.*s:", name, (int)size_min(run.n, 32), run.p);
            run_log_init(&l, path);
            struct err missing;
            const double *v = NULL;
            if (run_log_read(&l, NULL, &missing) == 0) v = run_log_find(&l, name);
            if (v) {
                for (size_t r = 0; r < PANEL_ROWS; r++) buf_init(&line[shown][r], 1 << 14);
                plot_panel(&l, title, v, width, PANEL_ROWS, color ? 34 : 0, line[shown++]);
            }
            run_log_release(&l);
        }
        for (size_t r = 0; r < PANEL_ROWS && shown; r++) {
            for (size_t k = 0; k < shown; k++) {
                if (rc == 0) rc = buf_ok(&line[k][r], "a plot", e);
                buf_add_span(b, buf_span(&line[k][r]));
                buf_release(&line[k][r]);
            }
            buf_add_char(b, '\n');
        }
    }
    return rc;
}

static void print_target(const struct story_target *t, bool color, struct buf *b)
{
    const char *word = !isfinite(t->value) || !isfinite(t->bound) ? "unknown"
                       : t->met                                   ? "reached"
                                                                  : "MISSED ";
    if (color) buf_printf(b, "\x1b[%dm", t->met ? 32 : 31);
    buf_printf(b, "  %s", word);
    if (color) buf_add_str(b, "\x1b[0m");
    buf_printf(b, "  %.*s", (int)t->text.n, t->text.p);
    if (isfinite(t->value) && isfinite(t->bound))
        buf_printf(b, ": %.1f%%, to be %s %.1f%%", 100 * t->value, t->above ? "above" : "below",
                   100 * t->bound);
    buf_add_char(b, '\n');
}

int story_print(const struct story *s, size_t cols, bool color, struct buf *b, struct err *e)
{
    size_t tail = 38, cells = cols > LABEL + tail + 12 ? cols - LABEL - tail - 2 : 10;
    buf_printf(b, "%.*s\n", (int)s->title.n, s->title.p);
    for (size_t c = 0; c < s->n_column; c++) print_column(s, c, cells, color, b);
    buf_add_char(b, '\n');
    if (print_curves(s, cols, color, b, e)) return -1;
    buf_add_str(b, "\ntargets\n");
    for (size_t i = 0; i < s->n_target; i++) print_target(&s->target[i], color, b);
    if (s->all_seconds > 0) {
        buf_printf(b, "\ntime      %.1f minutes:", s->all_seconds / 60);
        for (size_t m = 0; m < s->n_model; m++)
            if (s->seconds[m] > 0)
                buf_printf(b, "%s %.*s %.1f", m ? "," : "", (int)s->model[m].name.n,
                           s->model[m].name.p, s->seconds[m] / 60);
        buf_add_char(b, '\n');
    }
    return buf_ok(b, "the story", e);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_number(struct buf *b, const char *key, double x)
{
    buf_printf(b, ",\"%s\":", key);
    if (isfinite(x))
        buf_printf(b, "%.6g", x);
    else
        buf_add_str(b, "null");
}

int story_json(const struct story *s, struct buf *b, struct err *e)
{
    buf_add_str(b, "{\"models\":[");
    for (size_t m = 0; m < s->n_model; m++) {
        const char *comma = "";
        buf_add_str(b, m ? ",{\"name\":" : "{\"name\":");
        buf_add_json(b, s->model[m].name);
        json_number(b, "seconds", s->seconds[m] > 0 ? s->seconds[m] : (double)NAN);
        buf_add_str(b, ",\"columns\":{");
        for (size_t c = 0; c < s->n_column; c++) {
            const struct story_cell *x = &s->cell[m][c];
            if (!x->has) continue;
            buf_add_str(b, comma);
            buf_add_json(b, s->column[c].name);
            buf_printf(b, ":{\"problems\":%g", x->problems);
            json_number(b, "pass@1", x->pass1);
            json_number(b, "pass@1_lo", x->lo);
            json_number(b, "pass@1_hi", x->hi);
            json_number(b, "cons@k", x->cons);
            buf_add_char(b, '}');
            comma = ",";
        }
        buf_add_str(b, "}}");
    }
    buf_add_str(b, "],\"targets\":[");
    for (size_t i = 0; i < s->n_target; i++) {
        const struct story_target *t = &s->target[i];
        buf_add_str(b, i ? ",{\"text\":" : "{\"text\":");
        buf_add_json(b, t->text);
        json_number(b, "value", t->value);
        json_number(b, t->above ? "above" : "below", t->bound);
        buf_printf(b, ",\"met\":%s}", t->met ? "true" : "false");
    }
    buf_add_str(b, "]}\n");
    return buf_ok(b, "the story", e);
}
