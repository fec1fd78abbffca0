#include "cli/samples.h"

#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

static struct span text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return (struct span){"", 0};
    return (struct span){json_string_value(v), json_string_length(v)};
}

/* The number behind the fourth colon of a family's item, its place in the evaluation. */
static long place(const json_t *o)
{
    const char *at = text_of(o, "id").p;
    long n = LONG_MAX;
    for (int i = 0; at && i < 4; i++) {
        at = strchr(at, ':');
        if (at) at++;
    }
    if (at) sscanf(at, "%ld", &n);
    return n;
}

static bool before(const json_t *a, const json_t *b)
{
    long x = place(a), y = place(b);
    return x != y ? x < y : strcmp(text_of(a, "id").p, text_of(b, "id").p) < 0;
}

/* Keeps the list sorted and no longer than most; takes the reference. */
static void insert(json_t **out, size_t *n, size_t most, json_t *o)
{
    if (*n == most) {
        if (most == 0 || !before(o, out[most - 1])) {
            json_decref(o);
            return;
        }
        json_decref(out[--*n]);
    }
    size_t i = (*n)++;
    for (; i > 0 && before(o, out[i - 1]); i--) out[i] = out[i - 1];
    out[i] = o;
}

int samples_first(const char *dir, size_t n_most, json_t **out, size_t *n, struct err *e)
{
    struct file_map m;
    char *path = file_join(dir, "samples.jsonl");
    int rc = path ? file_map_open(&m, path, e) : err_oom(e, "a file name", strlen(dir));
    *n = 0;
    for (size_t at = 0; rc == 0 && at < m.size;) {
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t len = nl ? (size_t)(nl - line) : m.size - at;
        at += len + 1;
        json_t *o = len ? json_parse((struct span){line, len}, path, e) : NULL;
        if (len && !o) rc = -1;
        if (o && json_integer_value(json_object_get(o, "sample")) == 0)
            insert(out, n, n_most, o);
        else
            json_decref(o);
    }
    if (rc == 0) file_map_close(&m);
    mem_free(path);
    return rc;
}

struct sample_parts samples_parts(const json_t *sample)
{
    struct span r = text_of(sample, "response"), mark = span_of("</think>");
    size_t end = span_find(r, 0, mark);
    struct sample_parts p = {.right = json_number_value(json_object_get(sample, "score")) > 0};
    p.open = end == (size_t)-1;
    p.think = (struct span){r.p, p.open ? r.n : end};
    if (!p.open) p.answer = (struct span){r.p + end + mark.n, r.n - end - mark.n};
    while (p.think.n && p.think.p[p.think.n - 1] == '\n') p.think.n--;
    return p;
}

static void put(FILE *f, const char *before_line, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (i == 0 || s.p[i - 1] == '\n') fputs(before_line, f);
        fputc(s.p[i], f);
    }
}

void samples_print(const json_t *sample, bool color, FILE *f)
{
    struct sample_parts p = samples_parts(sample);
    const char *off = color ? "\x1b[0m" : "";
    struct span ask = text_of(sample, "prompt"), gold = text_of(sample, "gold");
    fprintf(f, "  %.*s\n", (int)ask.n, ask.p);
    if (color) fputs("\x1b[2m", f);
    if (p.think.n)
        put(f, "    ", p.think);
    else
        fputs("    (no thought)", f);
    fprintf(f, "%s\n  %s%s%s ", off, color ? (p.right ? "\x1b[32m" : "\x1b[31m") : "",
            p.right ? "right:" : "wrong:", off);
    if (p.open)
        fputs("it never stopped thinking", f);
    else
        fwrite(p.answer.p, 1, p.answer.n, f);
    if (!p.right) fprintf(f, "  (it is %.*s)", (int)gold.n, gold.p);
    fputs("\n\n", f);
}
