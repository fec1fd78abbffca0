#include "task/problem.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "task/check_choice.h"
#include "task/command.h"
#include "task/problem_int.h"

enum {
    TEXT_MAX = 1 << 20,
    GRADER_MB = 512,
    GRADER_MS = 2000,
    COMMAND_MS = 10000,
    MAX_WORDS = 64
};

enum kind { KIND_TASK, KIND_FILE, KIND_COMMAND };

struct problem_source {
    enum kind kind;
    char name[64];
    const struct task_family *family;
    struct task_ask ask;
    bool mix;
    struct line_file file;
    bool has_math, has_code; /* lines that need one */
    struct math_server *math;
    struct sandbox sandbox;
    bool sandbox_open;
    struct task_command *command;
    char *words;                 /* of the command, cut up */
    const char *argv[MAX_WORDS]; /* into words */
};

/* ---- sources ------------------------------------------------------------------------------- */

static struct problem_source *source_new(enum kind kind, const char *name, struct err *e)
{
    struct problem_source *s = mem_calloc(1, sizeof *s);
    if (!s) {
        err_oom(e, "a source of problems", sizeof *s);
        return NULL;
    }
    s->kind = kind;
    snprintf(s->name, sizeof s->name, "%.63s", name);
    return s;
}

int problem_source_task(struct problem_source **out, const struct task_family *f,
                        const struct task_ask *ask, bool mix, struct err *e)
{
    struct problem_source *s = source_new(KIND_TASK, f->name, e);
    if (!s) return -1;
    s->family = f;
    s->ask = *ask;
    s->mix = mix;
    *out = s;
    return 0;
}

static void name_of_file(const char *path, char out[64])
{
    const char *slash = strrchr(path, '/');
    snprintf(out, 64, "%.63s", slash ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    if (dot && dot != out) *dot = 0;
}

/* Checkers are started when something needs them, not in the middle of a run. */
static int start_checkers(struct problem_source *s, struct err *e)
{
    for (size_t i = 0; i < s->file.n; i++) {
        enum line_kind k = s->file.line[i].kind;
        s->has_math |= k == LINE_MATH;
        s->has_code |= k == LINE_ASSERTS || k == LINE_FUNCTION;
    }
    if (s->has_math && math_server_open(&s->math, GRADER_MB, GRADER_MS, e)) return -1;
    if (s->has_code) {
        if (sandbox_open(&s->sandbox, false, e)) return -1;
        s->sandbox_open = true;
    }
    return 0;
}

int problem_source_file(struct problem_source **out, const char *path, struct err *e)
{
    char name[64];
    name_of_file(path, name);
    struct problem_source *s = source_new(KIND_FILE, name, e);
    if (!s) return -1;
    if (line_file_open(&s->file, path, e) || start_checkers(s, e)) {
        problem_source_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int problem_source_command(struct problem_source **out, const char *command,
                           const struct task_ask *ask, struct err *e)
{
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                                      NULL};
    char name[64];
    size_t n = 0;
    struct problem_source *s = source_new(KIND_COMMAND, "command", e);
    if (!s) return -1;
    s->ask = *ask;
    s->words = mem_strdup(command);
    char *save = NULL;
    for (char *w = s->words ? strtok_r(s->words, " \t", &save) : NULL; w && n < MAX_WORDS - 1;
         w = strtok_r(NULL, " \t", &save))
        s->argv[n++] = w;
    if (n == 0) {
        problem_source_close(s);
        return err_set(e, ERR_USAGE, "a task command without a program");
    }
    name_of_file(s->argv[0], name);
    memcpy(s->name, name, sizeof s->name);
    if (task_command_open(&s->command, s->argv, env, COMMAND_MS, e)) {
        problem_source_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void problem_source_close(struct problem_source *s)
{
    if (!s) return;
    if (s->math) math_server_close(s->math);
    if (s->sandbox_open) sandbox_close(&s->sandbox);
    task_command_close(s->command);
    line_file_close(&s->file);
    mem_free(s->words);
    mem_free(s);
}

const char *problem_source_name(const struct problem_source *s)
{
    return s->name;
}

uint64_t problem_source_count(const struct problem_source *s)
{
    return s->kind == KIND_FILE ? s->file.n : UINT64_MAX;
}

double problem_source_chance(const struct problem_source *s)
{
    return s->family ? s->family->chance : 0;
}

const char *problem_source_instructions(const struct problem_source *s)
{
    if (s->kind == KIND_COMMAND) return "";
    if (s->kind == KIND_TASK || s->file.line[0].kind == LINE_ITEM) return task_instructions();
    switch (s->file.line[0].kind) {
    case LINE_ASSERTS:
    case LINE_FUNCTION:
        return "Answer with one Python code block that holds the whole program.";
    case LINE_CHOICE: return "End with the letter of the right choice alone in \\boxed{}.";
    case LINE_MATH:
    case LINE_EXACT:
    case LINE_ITEM: break;
    }
    /* The wording R1's authors give for mathematics. */
    return "Please reason step by step, and put your final answer within \\boxed{}.";
}

bool problem_source_outside(const struct problem_source *s)
{
    return s->kind == KIND_FILE && s->file.line[0].kind != LINE_ITEM;
}

int problem_source_restarts(const struct problem_source *s)
{
    return (s->math ? math_server_restarts(s->math) : 0) +
           (s->command ? task_command_restarts(s->command) : 0);
}

/* ---- problems ------------------------------------------------------------------------------ */

void problem_init(struct problem *p)
{
    *p = (struct problem){0};
    buf_init(&p->prompt, TEXT_MAX);
    buf_init(&p->gold, TEXT_MAX);
    task_item_init(&p->item);
}

void problem_release(struct problem *p)
{
    buf_release(&p->prompt);
    buf_release(&p->gold);
    task_item_release(&p->item);
    json_decref(p->own);
    p->own = NULL;
}

static void from_item(struct problem *p)
{
    snprintf(p->task, sizeof p->task, "%s", p->item.family->name);
    p->level = p->item.ask.level;
    buf_add_span(&p->prompt, buf_span(&p->item.prompt));
    buf_add_span(&p->gold, buf_span(&p->item.answer));
    char id[128];
    task_id(&p->item, id);
    snprintf(p->id, sizeof p->id, "%s", id);
}

static int make_task(struct problem_source *s, struct problem *p, struct err *e)
{
    struct task_ask ask = s->ask;
    ask.index += p->index;
    if (s->mix) task_ask_mix(s->family, &ask);
    if (task_make(s->family, &ask, &p->item, e)) return -1;
    from_item(p);
    return 0;
}

/* By its id when it has one; else the key is enough to check, and the prompt stands in the line. */
static int line_item(const struct line *l, struct task_item *it, struct err *e)
{
    const char *id = json_string_value(json_object_get(l->json, "id"));
    const struct task_family *f;
    struct task_ask ask;
    if (id) return task_parse_id(id, &f, &ask, e) || task_make(f, &ask, it, e) ? -1 : 0;
    if (task_item_from_json(l->json, it, e)) return -1;
    it->ask.level = l->level;
    buf_add_span(&it->prompt, l->prompt);
    return l->prompt.n ? 0 : err_set(e, ERR_FORMAT, "an item needs an id or a prompt");
}

static int make_line(struct problem_source *s, struct problem *p, struct err *e)
{
    if (p->index >= s->file.n)
        return err_set(e, ERR_LIMIT, "%s has %zu problems, number %llu was asked for", s->name,
                       s->file.n, (unsigned long long)p->index);
    const struct line *l = &s->file.line[p->index];
    if (l->kind == LINE_ITEM) {
        if (line_item(l, &p->item, e))
            return err_wrap(e, "%s, item %llu", s->name, (unsigned long long)p->index);
        from_item(p);
        return 0;
    }
    snprintf(p->id, sizeof p->id, "%s:%llu", s->name, (unsigned long long)p->index);
    snprintf(p->task, sizeof p->task, "%.40s%s%.20s", s->name, l->subject.n ? "/" : "",
             l->subject.n ? l->subject.p : "");
    p->level = l->level;
    line_prompt(l, &p->prompt);
    buf_add_span(&p->gold, l->gold);
    return 0;
}

static int make_own(struct problem_source *s, struct problem *p, struct err *e)
{
    struct task_ask ask = s->ask;
    struct span prompt, gold = {0};
    ask.index += p->index;
    if (task_command_item(s->command, &ask, &p->own, e) ||
        json_get_str(p->own, "prompt", &prompt, s->name, e) ||
        json_get_str_opt(p->own, "answer", &gold, s->name, e))
        return -1;
    snprintf(p->id, sizeof p->id, "%s:%s:%llu:%llu:%d", s->name, task_split_name(ask.split),
             (unsigned long long)ask.seed, (unsigned long long)ask.index, ask.level);
    snprintf(p->task, sizeof p->task, "%s", s->name);
    p->level = ask.level;
    buf_add_span(&p->prompt, prompt);
    buf_add_span(&p->gold, gold);
    return 0;
}

int problem_make(struct problem_source *s, uint64_t index, struct problem *p, struct err *e)
{
    buf_clear(&p->prompt);
    buf_clear(&p->gold);
    json_decref(p->own);
    p->own = NULL;
    p->source = s;
    p->index = index;
    int rc = -1;
    switch (s->kind) {
    case KIND_TASK: rc = make_task(s, p, e); break;
    case KIND_FILE: rc = make_line(s, p, e); break;
    case KIND_COMMAND: rc = make_own(s, p, e); break;
    }
    return rc || buf_ok(&p->prompt, "a problem's prompt", e) ||
                   buf_ok(&p->gold, "a problem's answer", e)
               ? -1
               : 0;
}

/* ---- checking ------------------------------------------------------------------------------ */

void problem_verdict_init(struct problem_verdict *v)
{
    *v = (struct problem_verdict){0};
    buf_init(&v->answer, TEXT_MAX);
}

void problem_verdict_release(struct problem_verdict *v)
{
    buf_release(&v->answer);
}

static void check_item(const struct problem *p, struct span response, bool in_think,
                       struct problem_verdict *v)
{
    struct task_verdict tv;
    struct span answer;
    const char *why;
    task_check(&p->item, response, in_think, &tv);
    v->answered = task_extract(response, in_think, &answer, &v->tagged, &why);
    v->tagged = v->answered; /* one short line behind the thinking is as good as tags */
    if (v->answered) buf_add_span(&v->answer, answer);
    v->score = tv.score;
    snprintf(v->reason, sizeof v->reason, "%s", tv.reason);
}

static void check_gold(const struct line *l, struct math_server *math, struct span response,
                       struct span visible, bool in_think, enum math_mode mode,
                       struct problem_verdict *v)
{
    struct math_verdict mv;
    struct span a;
    const char *why = "";
    bool found = task_extract(response, in_think, &a, &v->tagged, &why), ok = false;
    if (l->kind == LINE_MATH) {
        /* Tags, or a box or another anchor in what follows the thinking. */
        if (!found || !v->tagged) a = visible;
        struct span at = math_extract(a);
        v->tagged |= at.n < a.n && at.n > 0;
        v->answered = at.n > 0;
        buf_add_span(&v->answer, at);
        math_server_grade(math, l->gold, a, mode, &mv);
        v->score = mv.equal == MATH_EQUAL;
        v->errored = mv.equal == MATH_UNKNOWN &&
                     (strcmp(mv.how, "time") == 0 || strcmp(mv.how, "crash") == 0);
        snprintf(v->reason, sizeof v->reason, "%s", mv.how);
        return;
    }
    v->answered = v->tagged = found;
    if (!found) {
        snprintf(v->reason, sizeof v->reason, "%s", why);
        if (l->kind == LINE_EXACT || mode == MATH_REWARD) return;
        a = visible;
    }
    buf_add_span(&v->answer, a);
    ok = l->kind == LINE_EXACT ? span_eq(a, l->gold) : choice_equal(l->gold, a);
    v->score = ok;
    snprintf(v->reason, sizeof v->reason, "%s", ok ? "right" : "another answer");
}

static void check_own(const struct problem *p, struct span response, struct problem_verdict *v)
{
    struct buf reason;
    struct err e;
    buf_init(&reason, 4096);
    if (task_command_check(p->source->command, p->own, response, &v->score, &reason, &e)) {
        v->errored = true;
        v->score = 0;
        snprintf(v->reason, sizeof v->reason, "%.190s", e.msg);
    } else {
        v->answered = v->tagged = true;
        snprintf(v->reason, sizeof v->reason, "%.190s", buf_str(&reason));
    }
    buf_release(&reason);
}

void problem_check(const struct problem *p, struct span response, bool in_think,
                   enum math_mode mode, struct problem_verdict *v)
{
    struct problem_source *s = p->source;
    struct span visible;
    const char *why = "";
    v->score = 0;
    v->errored = v->answered = v->tagged = false;
    v->reason[0] = 0;
    buf_clear(&v->answer);
    if (s->kind == KIND_COMMAND) {
        check_own(p, response, v);
        return;
    }
    const struct line *l = s->kind == KIND_FILE ? &s->file.line[p->index] : NULL;
    if (!l || l->kind == LINE_ITEM) {
        check_item(p, response, in_think, v);
        return;
    }
    if (!task_visible(response, in_think, &visible, &why))
        snprintf(v->reason, sizeof v->reason, "%s", why);
    else if (l->kind == LINE_ASSERTS || l->kind == LINE_FUNCTION)
        line_check_code(l, &s->sandbox, visible, v);
    else
        check_gold(l, s->math, response, visible, in_think, mode, v);
}

json_t *problem_to_json(const struct problem *p)
{
    const struct problem_source *s = p->source;
    if (s->kind == KIND_COMMAND) return NULL;
    const struct line *l = s->kind == KIND_FILE ? &s->file.line[p->index] : NULL;
    if (l && l->kind != LINE_ITEM) return json_incref(l->json);
    return json_pack("{s:s}", "id", p->id);
}

bool problem_same(const struct problem *p, struct span a, struct span b)
{
    struct math_verdict v;
    if (span_eq(a, b)) return true;
    if (p->source->kind != KIND_FILE) return false;
    if (p->source->file.line[p->index].kind != LINE_MATH) return false;
    math_server_grade(p->source->math, a, b, MATH_EVAL, &v);
    return v.equal == MATH_EQUAL;
}
