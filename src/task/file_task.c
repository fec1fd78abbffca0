#include "task/file_task.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "task/check_choice.h"
#include "task/task.h"

struct item {
    struct span prompt, answer;
    enum file_grade grade;
};

struct file_task {
    struct arena text;
    struct item *item;
    size_t n, size;
};

static const char *const grade_name[] = {"math", "exact", "choice"};

static int add(struct file_task *t, struct item it, struct err *e)
{
    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 64;
        struct item *p = mem_realloc(t->item, t->size * sizeof *p, size * sizeof *p);
        if (!p) return err_oom(e, "the items of a task file", size * sizeof *p);
        t->item = p;
        t->size = size;
    }
    char *a = arena_strndup(&t->text, it.prompt.p, it.prompt.n);
    char *b = arena_strndup(&t->text, it.answer.p, it.answer.n);
    if (!a || !b) return err_oom(e, "the texts of a task file", it.prompt.n + it.answer.n);
    it.prompt.p = a;
    it.answer.p = b;
    t->item[t->n++] = it;
    return 0;
}

static int read_line(struct file_task *t, struct span line, enum file_grade standard,
                     const char *what, struct err *e)
{
    struct item it = {.grade = standard};
    struct span grade = {NULL, 0};
    int rc = -1;
    json_t *o = json_parse(line, what, e);
    if (!o) return -1;
    if (json_get_str(o, "prompt", &it.prompt, what, e) ||
        json_get_str(o, "answer", &it.answer, what, e) ||
        json_get_str_opt(o, "grade", &grade, what, e))
        goto out;
    for (int i = 0; grade.p && i < 3; i++)
        if (span_is(grade, grade_name[i])) {
            it.grade = (enum file_grade)i;
            grade.p = NULL;
        }
    if (grade.p)
        err_set(e, ERR_FORMAT, "%s: \"grade\" is %.*s, allowed are math, exact and choice",
                what, (int)(grade.n < 40 ? grade.n : 40), grade.p);
    else
        rc = add(t, it, e);
out:
    json_decref(o);
    return rc;
}

int file_task_open(struct file_task **out, const char *path, enum file_grade standard,
                   struct err *e)
{
    struct file_map m;
    struct file_task *t = mem_calloc(1, sizeof *t);
    int rc = 0, n_line = 0;
    if (!t) return err_oom(e, "a task file", sizeof *t);
    arena_init(&t->text, 1 << 16, 0);
    if (file_map_open(&m, path, e)) {
        file_task_close(t);
        return -1;
    }
    for (size_t at = 0; at < m.size && rc == 0;) {
        char what[300];
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t len = nl ? (size_t)(nl - line) : m.size - at;
        snprintf(what, sizeof what, "%.256s line %d", path, ++n_line);
        at += len + 1;
        if (len > 0) rc = read_line(t, (struct span){line, len}, standard, what, e);
    }
    file_map_close(&m);
    if (rc == 0 && t->n == 0) rc = err_set(e, ERR_FORMAT, "%s has no items", path);
    if (rc)
        file_task_close(t);
    else
        *out = t;
    return rc;
}

void file_task_close(struct file_task *t)
{
    if (!t) return;
    arena_release(&t->text);
    mem_free(t->item);
    mem_free(t);
}

size_t file_task_count(const struct file_task *t)
{
    return t->n;
}

struct span file_task_prompt(const struct file_task *t, size_t i)
{
    return t->item[i].prompt;
}

struct span file_task_answer(const struct file_task *t, size_t i)
{
    return t->item[i].answer;
}

static struct span trimmed(struct span s)
{
    while (s.n && strchr(" \t\r\n", s.p[0])) s = (struct span){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1])) s.n--;
    return s;
}

bool file_task_check(const struct file_task *t, size_t i, struct span response, bool in_think,
                     enum math_mode mode, struct math_server *s, struct math_verdict *v)
{
    const struct item *it = &t->item[i];
    struct span visible, a;
    bool tagged, ok = false;
    const char *why = "";
    *v = (struct math_verdict){.equal = MATH_DIFFERENT};
    bool found = task_extract(response, in_think, &a, &tagged, &why);
    if (!task_visible(response, in_think, &visible, &why)) {
        snprintf(v->how, sizeof v->how, "%s", why);
        return false;
    }
    switch (it->grade) {
    case GRADE_MATH: /* tags, or a box or another anchor in what follows the thinking */
        if (!found || !tagged) a = visible;
        if (s)
            math_server_grade(s, it->answer, a, mode, v);
        else
            math_grade(it->answer, a, mode, v);
        return v->equal == MATH_EQUAL;
    case GRADE_EXACT: ok = found && span_eq(trimmed(a), trimmed(it->answer)); break;
    case GRADE_CHOICE:
        if (!found && mode == MATH_EVAL) a = visible;
        ok = (found || mode == MATH_EVAL) && choice_equal(it->answer, a);
        break;
    }
    v->equal = ok ? MATH_EQUAL : MATH_DIFFERENT;
    snprintf(v->how, sizeof v->how, "%s", grade_name[it->grade]);
    return ok;
}
