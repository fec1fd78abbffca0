/* problem_file.c - lines of outside files: finding out their layout, asking, running programs. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "task/problem_int.h"

enum { MAX_ASSERTS = 256 };

/* ---- reading ------------------------------------------------------------------------------- */

/* The member as text: a string as it is, an integer in decimal digits. False when it is neither. */
static bool text_of(struct line_file *f, const json_t *o, const char *key, struct span *out)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_string(v)) {
        *out = (struct span){json_string_value(v), json_string_length(v)};
        return true;
    }
    if (!json_is_integer(v)) return false;
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(v));
    char *kept = arena_strndup(&f->text, digits, (size_t)n);
    if (!kept) return false;
    *out = (struct span){kept, (size_t)n};
    return true;
}

static bool first_of(struct line_file *f, const json_t *o, const char *const *keys,
                     struct span *out)
{
    for (; *keys; keys++)
        if (text_of(f, o, *keys, out)) return true;
    return false;
}

/* "Level 5" and 5 are 5. */
static int level_of(const json_t *o)
{
    const json_t *v = json_object_get(o, "level");
    if (json_is_integer(v)) return (int)json_integer_value(v);
    const char *s = json_string_value(v);
    while (s && *s && !(*s >= '0' && *s <= '9')) s++;
    long n = s ? strtol(s, NULL, 10) : 0;
    return n >= 0 && n <= INT_MAX ? (int)n : 0;
}

static struct span after_last(struct span s, const char *mark)
{
    size_t at = (size_t)-1, n = strlen(mark);
    for (size_t i = 0; (i = span_find(s, i, (struct span){mark, n})) != (size_t)-1; i++) at = i;
    if (at == (size_t)-1) return (struct span){0};
    s.p += at + n;
    s.n -= at + n;
    while (s.n && strchr(" \t\r\n", s.p[0])) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1])) s.n--;
    return s;
}

static int grade_of(const json_t *o, enum line_kind *kind, const char *what, struct err *e)
{
    static const char *const name[] = {"math", "exact", "choice"};
    const char *g = json_string_value(json_object_get(o, "grade"));
    *kind = LINE_MATH;
    if (!g) return 0;
    for (int i = 0; i < 3; i++) {
        if (strcmp(g, name[i]) != 0) continue;
        *kind = (enum line_kind)i;
        return 0;
    }
    return err_set(e, ERR_FORMAT, "%s: \"grade\" is %.40s, allowed are math, exact and choice",
                   what, g);
}

static int read_programs(struct line_file *f, struct line *l, const char *what, struct err *e)
{
    const char *const ask[] = {"text", "prompt", NULL};
    const json_t *o = l->json, *tests = json_object_get(o, "test_list");
    if (!first_of(f, o, ask, &l->prompt))
        return err_set(e, ERR_FORMAT, "%s has tests but no \"text\" or \"prompt\"", what);
    if (!tests) {
        l->kind = LINE_FUNCTION;
        if (!text_of(f, o, "test", &l->test))
            return err_set(e, ERR_FORMAT, "%s has \"entry_point\" but no \"test\"", what);
        return 0;
    }
    l->kind = LINE_ASSERTS;
    (void)text_of(f, o, "test_setup_code", &l->setup);
    size_t n = json_array_size(tests);
    if (n == 0 || n > MAX_ASSERTS)
        return err_set(e, ERR_FORMAT, "%s: \"test_list\" has %zu entries, allowed are 1 to %d",
                       what, n, MAX_ASSERTS);
    for (size_t i = 0; i < n; i++)
        if (!json_is_string(json_array_get(tests, i)))
            return err_set(e, ERR_FORMAT, "%s: entry %zu of \"test_list\" is no text", what, i);
    return 0;
}

static int read_layout(struct line_file *f, struct line *l, const char *what, struct err *e)
{
    const char *const question[] = {"prompt", "question", "problem", "Problem", NULL};
    const char *const subject[] = {"subject", "type", NULL};
    const json_t *o = l->json;
    struct span given;
    l->level = level_of(o);
    (void)first_of(f, o, subject, &l->subject);
    if (json_object_get(o, "test_list") || text_of(f, o, "entry_point", &l->entry))
        return read_programs(f, l, what, e);
    if ((json_object_get(o, "task") && json_object_get(o, "key")) ||
        (json_object_get(o, "id") && !first_of(f, o, question, &l->prompt))) {
        l->kind = LINE_ITEM;
        (void)text_of(f, o, "prompt", &l->prompt);
        return 0;
    }
    if (!first_of(f, o, question, &l->prompt))
        return err_set(e, ERR_FORMAT,
                       "%s has none of the members prompt, question, problem, text", what);
    if (grade_of(o, &l->kind, what, e)) return -1;
    if (text_of(f, o, "answer", &given) || text_of(f, o, "Answer", &given)) {
        struct span end = after_last(given, "####"); /* GSM8K: the work, then the result */
        l->gold = end.n ? end : given;
        return 0;
    }
    if (text_of(f, o, "solution", &given)) {
        l->gold = math_extract(given);
        return 0;
    }
    return err_set(e, ERR_FORMAT, "%s has neither \"answer\" nor \"solution\"", what);
}

static int add_line(struct line_file *f, struct span text, const char *what, struct err *e)
{
    if (f->n == f->size) {
        size_t size = f->size ? 2 * f->size : 256;
        struct line *p = mem_realloc(f->line, f->size * sizeof *p, size * sizeof *p);
        if (!p) return err_oom(e, "the lines of a file", size * sizeof *p);
        f->line = p;
        f->size = size;
    }
    struct line *l = &f->line[f->n];
    *l = (struct line){.json = json_parse(text, what, e)};
    if (!l->json) return -1;
    f->n++;
    return read_layout(f, l, what, e);
}

int line_file_open(struct line_file *f, const char *path, struct err *e)
{
    struct file_map m;
    int rc = 0, number = 0;
    *f = (struct line_file){0};
    arena_init(&f->text, 1 << 14, 0);
    if (file_map_open(&m, path, e)) return -1;
    for (size_t at = 0; at < m.size && rc == 0;) {
        char what[300];
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t n = nl ? (size_t)(nl - line) : m.size - at;
        snprintf(what, sizeof what, "%.256s line %d", path, ++number);
        at += n + 1;
        while (n && strchr(" \t\r", line[n - 1])) n--;
        if (n) rc = add_line(f, (struct span){line, n}, what, e);
    }
    file_map_close(&m);
    if (rc == 0 && f->n == 0) rc = err_set(e, ERR_FORMAT, "%s has no items", path);
    if (rc) line_file_close(f);
    return rc;
}

void line_file_close(struct line_file *f)
{
    for (size_t i = 0; i < f->n; i++) json_decref(f->line[i].json);
    mem_free(f->line);
    arena_release(&f->text);
    *f = (struct line_file){0};
}

/* ---- programs ------------------------------------------------------------------------------ */

static struct span assert_at(const struct line *l, size_t i)
{
    const json_t *t = json_array_get(json_object_get(l->json, "test_list"), i);
    return (struct span){json_string_value(t), json_string_length(t)};
}

static size_t n_asserts(const struct line *l)
{
    return json_array_size(json_object_get(l->json, "test_list"));
}

void line_prompt(const struct line *l, struct buf *out)
{
    if (l->kind == LINE_FUNCTION) buf_add_str(out, "Complete this Python function.\n\n");
    buf_add_span(out, l->prompt);
    if (l->kind != LINE_ASSERTS) return;
    buf_add_str(out, "\nThe code must pass these tests:\n");
    for (size_t i = 0; i < n_asserts(l); i++) {
        buf_add_span(out, assert_at(l, i));
        buf_add_char(out, '\n');
    }
}

/* The program of a response to a HumanEval prompt: whole, or the rest of the prompt's. */
static void whole_program(const struct line *l, struct span program, struct buf *out)
{
    char def[128];
    snprintf(def, sizeof def, "def %.*s(", (int)(l->entry.n < 100 ? l->entry.n : 100),
             l->entry.p);
    /* The prompt comes first in any case: its imports and helpers are part of the task. */
    buf_add_span(out, l->prompt);
    if (span_find(program, 0, span_of(def)) != (size_t)-1) buf_add_str(out, "\n    pass\n\n");
    buf_add_span(out, program);
    buf_add_char(out, '\n');
}

void line_check_code(const struct line *l, const struct sandbox *s, struct span visible,
                     struct problem_verdict *v)
{
    struct span test[MAX_ASSERTS];
    struct code_limits lim = code_default_limits();
    struct code_verdict cv;
    struct buf source, call;
    struct err e;
    size_t n = 0;
    struct span program = code_extract(visible);
    v->answered = program.n > 0;
    buf_init(&source, 1 << 20);
    buf_init(&call, 1 << 20);
    if (l->kind == LINE_ASSERTS) {
        buf_add_span(&source, program);
        for (; n < n_asserts(l); n++) test[n] = assert_at(l, n);
    } else {
        whole_program(l, program, &source);
        buf_add_span(&call, l->test);
        buf_printf(&call, "\ncheck(%.*s)\n", (int)l->entry.n, l->entry.p);
        test[n++] = buf_span(&call);
    }
    if (buf_ok(&source, "a program", &e) || buf_ok(&call, "a program's test", &e) ||
        code_check_asserts(s, buf_span(&source), l->setup, test, n, &lim, &cv, &e)) {
        v->errored = true;
        snprintf(v->reason, sizeof v->reason, "%.190s", e.msg);
    } else {
        v->score = cv.end == CODE_PASS;
        snprintf(v->reason, sizeof v->reason, "%s%s%.150s", code_end_name(cv.end),
                 cv.detail[0] ? ": " : "", cv.detail);
    }
    buf_release(&source);
    buf_release(&call);
}
