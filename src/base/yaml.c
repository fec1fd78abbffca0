#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/utf8.h"

enum { RECIPE_BYTES = 1 << 20, MAX_VALUE = 1024, MAX_DEPTH = 8, MAX_PATH_TEXT = 256 };

struct value {
    const char *path, *text;
    size_t line; /* 0: an override */
};

struct yaml {
    struct arena arena;
    char *what;
    struct value value[MAX_VALUE];
    size_t n;
};

/* ---- reading ------------------------------------------------------------------------------- */

static int wrong(const struct yaml *y, size_t line, const char *path, const char *sentence,
                 struct err *e)
{
    if (line == 0) return err_set(e, ERR_USAGE, "--set %s: %s", path, sentence);
    return err_set(e, ERR_FORMAT, "%s:%zu: %s%s%s", y->what, line, path, *path ? ": " : "",
                   sentence);
}

static int put(struct yaml *y, const char *path, const char *text, size_t line, struct err *e)
{
    size_t i = 0;
    while (i < y->n && strcmp(y->value[i].path, path) != 0) i++;
    if (i < y->n && line) return wrong(y, line, path, "given twice", e);
    if (i == MAX_VALUE) return wrong(y, line, path, "more than 1024 values", e);
    const char *p = arena_strndup(&y->arena, path, strlen(path));
    const char *t = arena_strndup(&y->arena, text, strlen(text));
    if (!p || !t) return err_oom(e, "a recipe", strlen(path) + strlen(text));
    y->value[i] = (struct value){p, t, line};
    if (i == y->n) y->n++;
    return 0;
}

/* Where the parser is: path of the open mappings, and the key whose value comes next. */
struct walk {
    char path[MAX_PATH_TEXT];
    size_t end[MAX_DEPTH]; /* of the path, per open mapping */
    int depth, documents;
    bool has_key;
};

/* What is printed again must read back: no control characters, no line breaks of other scripts. */
static bool is_plain(const yaml_event_t *ev)
{
    const char *p = (const char *)ev->data.scalar.value, *end = p + ev->data.scalar.length;
    for (size_t n; p < end; p += n) {
        uint32_t c = utf8_decode(p, (size_t)(end - p), &n);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
            c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

static int take_key(const struct yaml *y, struct walk *w, const yaml_event_t *ev, struct err *e)
{
    size_t at = w->end[w->depth - 1], line = ev->start_mark.line + 1;
    int n = snprintf(w->path + at, sizeof w->path - at, "%s%s", at ? "." : "",
                     (const char *)ev->data.scalar.value);
    if (n < 0 || at + (size_t)n >= sizeof w->path)
        return wrong(y, line, "", "the path of a key is longer than 255 bytes", e);
    w->has_key = true;
    return 0;
}

static int take_event(struct yaml *y, struct walk *w, const yaml_event_t *ev, struct err *e)
{
    size_t line = ev->start_mark.line + 1;
    switch ((int)ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (w->documents++) return wrong(y, line, "", "a recipe is one document", e);
        return 0;
    case YAML_MAPPING_START_EVENT:
        if (w->depth && !w->has_key) return wrong(y, line, w->path, "a key is a word", e);
        if (w->depth == MAX_DEPTH) return wrong(y, line, w->path, "nested too deeply", e);
        w->end[w->depth++] = w->has_key ? strlen(w->path) : 0;
        w->has_key = false;
        return 0;
    case YAML_MAPPING_END_EVENT:
        w->depth--;
        w->has_key = false;
        if (w->depth) w->path[w->end[w->depth - 1]] = 0;
        return 0;
    case YAML_SCALAR_EVENT:
        if (w->depth == 0) return wrong(y, line, "", "a recipe is a mapping", e);
        if (!is_plain(ev)) return wrong(y, line, w->path, "only printable text is allowed", e);
        if (!w->has_key) return take_key(y, w, ev, e);
        if (put(y, w->path, (const char *)ev->data.scalar.value, line, e)) return -1;
        w->path[w->end[w->depth - 1]] = 0;
        w->has_key = false;
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        return wrong(y, line, w->path, "lists have no place here", e);
    case YAML_ALIAS_EVENT: return wrong(y, line, w->path, "aliases have no place here", e);
    default: return 0;
    }
}

int yaml_parse(struct yaml **out, const char *text, size_t n, const char *what, struct err *e)
{
    *out = NULL;
    struct yaml *y = mem_calloc(1, sizeof *y);
    yaml_parser_t parser;
    if (!y) return err_oom(e, "a recipe", sizeof *y);
    arena_init(&y->arena, 1 << 14, 4 * RECIPE_BYTES);
    y->what = mem_strdup(what);
    if (!y->what || !yaml_parser_initialize(&parser)) {
        yaml_close(y);
        return err_oom(e, "a recipe", n);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    struct walk w = {.depth = 0};
    int rc = 0;
    for (bool done = false; !done && rc == 0;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&parser, &ev)) {
            rc = wrong(y, parser.problem_mark.line + 1, "",
                       parser.problem ? parser.problem : "not YAML", e);
            break;
        }
        done = ev.type == YAML_STREAM_END_EVENT;
        rc = take_event(y, &w, &ev, e);
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&parser);
    if (rc) {
        yaml_close(y);
        return -1;
    }
    *out = y;
    return 0;
}

int yaml_open(struct yaml **out, const char *path, struct err *e)
{
    struct buf b;
    *out = NULL;
    buf_init(&b, RECIPE_BYTES);
    int rc = file_read(path, &b, e);
    if (rc == 0) rc = yaml_parse(out, buf_str(&b), b.len, path, e);
    buf_release(&b);
    return rc;
}

void yaml_close(struct yaml *y)
{
    if (!y) return;
    arena_release(&y->arena);
    mem_free(y->what);
    mem_free(y);
}

int yaml_set(struct yaml *y, const char *assignment, struct err *e)
{
    char path[MAX_PATH_TEXT];
    const char *eq = strchr(assignment, '=');
    if (!eq || eq == assignment || (size_t)(eq - assignment) >= sizeof path)
        return err_set(e, ERR_USAGE, "--set %s: expected path.to.key=value", assignment);
    memcpy(path, assignment, (size_t)(eq - assignment));
    path[eq - assignment] = 0;
    return put(y, path, eq + 1, 0, e);
}

/* ---- names ------------------------------------------------------------------------------- */

/* The part of a value's path right behind `under` and a dot; false when it lies elsewhere. */
static bool part_after(const struct value *v, const char *under, struct span *name)
{
    size_t n = strlen(under);
    if (strncmp(v->path, under, n) != 0 || v->path[n] != '.') return false;
    const char *p = v->path + n + 1;
    *name = (struct span){p, strcspn(p, ".")};
    return true;
}

bool yaml_name(const struct yaml *y, const char *under, size_t i, struct span *name)
{
    for (size_t k = 0; k < y->n; k++) {
        struct span earlier;
        bool fresh = part_after(&y->value[k], under, name);
        for (size_t j = 0; fresh && j < k; j++)
            fresh = !part_after(&y->value[j], under, &earlier) || !span_eq(earlier, *name);
        if (fresh && i-- == 0) return true;
    }
    return false;
}

const char *yaml_text(const struct yaml *y, const char *path)
{
    for (size_t i = 0; i < y->n; i++)
        if (strcmp(y->value[i].path, path) == 0) return y->value[i].text;
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------- */

static int take_value(const struct yaml *y, const struct value *v, const struct yaml_field *f,
                      struct err *e)
{
    char limits[96], *end;
    double x = 0;
    int64_t i = 0;
    snprintf(limits, sizeof limits, "allowed is %.12g to %.12g", f->lo, f->hi);
    switch (f->type) {
    case YAML_TEXT: *(const char **)f->to = v->text; return 0;
    case YAML_BOOL:
        if (strcmp(v->text, "true") != 0 && strcmp(v->text, "false") != 0)
            return wrong(y, v->line, v->path, "expected true or false", e);
        *(bool *)f->to = v->text[0] == 't';
        return 0;
    case YAML_INT:
        if (!opt_parse_count(v->text, &i))
            return wrong(y, v->line, v->path, "expected a whole number", e);
        x = (double)i;
        break;
    case YAML_REAL:
        x = strtod(v->text, &end);
        if (end == v->text || *end) return wrong(y, v->line, v->path, "expected a number", e);
        break;
    case YAML_END: break;
    }
    if (f->lo < f->hi && !(x >= f->lo && x <= f->hi))
        return wrong(y, v->line, v->path, limits, e);
    if (f->type == YAML_INT)
        *(int64_t *)f->to = i;
    else
        *(double *)f->to = x;
    return 0;
}

int yaml_apply(const struct yaml *y, const struct yaml_field *table, struct err *e)
{
    for (size_t i = 0; i < y->n; i++) {
        const struct yaml_field *f = table;
        while (f->type != YAML_END && strcmp(f->path, y->value[i].path) != 0) f++;
        if (f->type == YAML_END)
            return wrong(y, y->value[i].line, y->value[i].path, "no such key in this recipe",
                         e);
        if (take_value(y, &y->value[i], f, e)) return -1;
    }
    return 0;
}

/* Fields of one group lie together in a table: a heading is printed when it changes. */
void yaml_print(const struct yaml_field *table, struct buf *out)
{
    char group[MAX_PATH_TEXT] = "";
    for (const struct yaml_field *f = table; f->type != YAML_END; f++) {
        const char *dot = strchr(f->path, '.'), *name = dot ? dot + 1 : f->path;
        size_t n = dot ? (size_t)(dot - f->path) : 0;
        if (n != strlen(group) || memcmp(group, f->path, n) != 0) {
            memcpy(group, f->path, n);
            group[n] = 0;
            if (n) buf_printf(out, "%s:\n", group);
        }
        buf_printf(out, "%s%s: ", dot ? "  " : "", name);
        switch (f->type) {
        case YAML_INT: buf_printf(out, "%lld", (long long)*(const int64_t *)f->to); break;
        case YAML_REAL: buf_printf(out, "%.17g", *(const double *)f->to); break;
        case YAML_BOOL: buf_add_str(out, *(const bool *)f->to ? "true" : "false"); break;
        case YAML_TEXT: {
            const char *text = *(const char *const *)f->to;
            buf_add_json(out, span_of(text ? text : ""));
            break;
        }
        case YAML_END: break;
        }
        buf_add_char(out, '\n');
    }
}
