#include "rl/rollout_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { FILE_MAX = 1 << 30, MAX_GROUPS = 1 << 20 };

/* ---- writing ------------------------------------------------------------------------------- */

static void add_text(struct buf *b, const char *key, struct span s)
{
    buf_printf(b, ",\"%s\":", key);
    buf_add_json(b, s);
}

static void add_ids(struct buf *b, const char *key, const tok_id *id, size_t n)
{
    buf_printf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) buf_printf(b, i ? ",%d" : "%d", id[i]);
    buf_add_char(b, ']');
}

static const char *yes(bool b)
{
    return b ? "true" : "false";
}

static void add_answer(struct buf *b, const struct step_result *r, size_t at,
                       const struct group *g, size_t k)
{
    const struct rollout *a = &g->r[k];
    buf_printf(b,
               "{\"step\":%" PRId64 ",\"version\":%" PRId64
               ",\"group\":%zu,\"sample\":%zu,\"samples\":%zu,\"stage\":%d,\"number\":%" PRIu64,
               r->step, r->version, at, k, g->n, g->stage, g->number);
    add_text(b, "id", span_of(g->problem.id));
    add_text(b, "task", span_of(g->problem.task));
    buf_printf(b, ",\"level\":%d,\"inside\":%s", g->problem.level, yes(g->inside));
    add_text(b, "prompt", buf_span(&g->problem.prompt));
    add_text(b, "response", buf_span(&a->text));
    add_text(b, "answer", buf_span(&a->answer));
    add_text(b, "gold", buf_span(&g->problem.gold));
    add_text(b, "reason", span_of(a->reason));
    buf_printf(b,
               ",\"score\":%.17g,\"reward\":%.17g,\"form\":%g,\"language\":%.17g,"
               "\"length_penalty\":%.17g,\"judged\":%s,\"truncated\":%s",
               a->reward.score, a->reward.total, a->reward.form, a->reward.language,
               a->reward.length, yes(a->reward.judged), yes(a->truncated));
    buf_printf(b, ",\"prompt_hash\":\"%016" PRIx64 "\"", g->hash);
    add_ids(b, "prompt_ids", g->prompt.id, g->prompt.n);
    add_ids(b, "ids", a->id, a->n);
    buf_add_str(b, ",\"logprobs\":[");
    for (size_t i = 0; i < a->n; i++) buf_printf(b, i ? ",%.9g" : "%.9g", (double)a->logp[i]);
    buf_add_str(b, "]}\n");
}

static char *file_of(const char *run, int64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "rollouts/step-%09" PRId64 ".jsonl", step);
    return file_join(run, name);
}

int rollout_file_write(const char *run, const struct learner *l, const struct step_result *r,
                       int64_t keep, struct err *e)
{
    struct buf b;
    char *dir = file_join(run, "rollouts"), *path = file_of(run, r->step);
    char *old = file_of(run, r->step - keep);
    int rc = dir && path && old ? file_make_dirs(dir, e) : err_oom(e, "a file name", 256);
    buf_init(&b, FILE_MAX);
    for (size_t i = 0; i < l->n_kept; i++)
        for (size_t k = 0; k < l->group[i].n; k++) add_answer(&b, r, i, &l->group[i], k);
    if (rc == 0) rc = buf_ok(&b, "a step's rollouts", e);
    if (rc == 0) rc = file_replace(path, buf_str(&b), b.len, e);
    if (rc == 0 && r->step >= keep) (void)unlink(old); /* may be gone already */
    buf_release(&b);
    mem_free(dir);
    mem_free(path);
    mem_free(old);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_ids(const json_t *o, const char *key, tok_id **out, size_t *n, const char *what,
                    struct err *e)
{
    const json_t *a = json_object_get(o, key);
    *n = json_array_size(a);
    if (!json_is_array(a)) return err_set(e, ERR_FORMAT, "%s: \"%s\" is no array", what, key);
    *out = mem_alloc((*n + 1) * sizeof **out);
    if (!*out) return err_oom(e, "ids", *n * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const json_t *v = json_array_get(a, i);
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return err_set(e, ERR_FORMAT, "%s: entry %zu of \"%s\" is no id", what, i, key);
        (*out)[i] = (tok_id)id;
    }
    return 0;
}

static int read_logp(const json_t *o, struct rollout *r, const char *what, struct err *e)
{
    const json_t *a = json_object_get(o, "logprobs");
    if (json_array_size(a) != r->n)
        return err_set(e, ERR_FORMAT, "%s: %zu ids and %zu logprobs", what, r->n,
                       json_array_size(a));
    r->logp = mem_alloc((r->n + 1) * sizeof *r->logp);
    if (!r->logp) return err_oom(e, "log-probabilities", r->n * sizeof *r->logp);
    for (size_t i = 0; i < r->n; i++)
        r->logp[i] = (float)json_number_value(json_array_get(a, i));
    return 0;
}

static int read_answer(const json_t *o, struct rollout *r, const char *what, struct err *e)
{
    struct span text, reason = {0};
    if (json_get_str(o, "response", &text, what, e) ||
        json_get_str_opt(o, "reason", &reason, what, e) ||
        json_get_f64(o, "score", &r->reward.score, what, e) ||
        json_get_f64(o, "reward", &r->reward.total, what, e) ||
        json_get_f64_opt(o, "form", &r->reward.form, what, e) ||
        json_get_f64_opt(o, "language", &r->reward.language, what, e) ||
        json_get_f64_opt(o, "length_penalty", &r->reward.length, what, e) ||
        json_get_bool_opt(o, "judged", &r->reward.judged, what, e) ||
        json_get_bool_opt(o, "truncated", &r->truncated, what, e) ||
        read_ids(o, "ids", &r->id, &r->n, what, e) || read_logp(o, r, what, e))
        return -1;
    buf_add_span(&r->text, text);
    snprintf(r->reason, sizeof r->reason, "%.*s", (int)(reason.n < 199 ? reason.n : 199),
             reason.p ? reason.p : "");
    return buf_ok(&r->text, "an answer", e);
}

static int read_group(struct learner *l, struct group *g, const json_t *o, const char *what,
                      struct err *e)
{
    struct span id, task = {0}, prompt = {0}, gold = {0};
    int64_t samples, stage = 0, level = 0;
    if (json_get_i64(o, "samples", 1, 64, &samples, what, e) ||
        json_get_i64_opt(o, "stage", 0, l->train.n_stage - 1, &stage, what, e) ||
        json_get_i64_opt(o, "level", 0, 1 << 20, &level, what, e) ||
        json_get_str(o, "id", &id, what, e) || json_get_str_opt(o, "task", &task, what, e) ||
        json_get_str_opt(o, "prompt", &prompt, what, e) ||
        json_get_str_opt(o, "gold", &gold, what, e) || group_create(g, (size_t)samples, e))
        return -1;
    g->stage = (int)stage;
    g->problem.level = (int)level;
    snprintf(g->problem.id, sizeof g->problem.id, "%.*s", (int)(id.n < 159 ? id.n : 159), id.p);
    snprintf(g->problem.task, sizeof g->problem.task, "%.*s", (int)(task.n < 63 ? task.n : 63),
             task.p ? task.p : "");
    buf_add_span(&g->problem.prompt, prompt);
    buf_add_span(&g->problem.gold, gold);
    if (read_ids(o, "prompt_ids", &g->prompt.id, &g->prompt.n, what, e)) return -1;
    g->prompt.size = g->prompt.n + 1;
    g->hash = prompt_hash(g->prompt.id, g->prompt.n);
    return 0;
}

static int read_line(struct learner *l, const json_t *o, const char *what, struct err *e)
{
    int64_t at, k;
    if (json_get_i64(o, "group", 0, MAX_GROUPS - 1, &at, what, e) ||
        json_get_i64(o, "sample", 0, 63, &k, what, e))
        return -1;
    if (at > (int64_t)l->n_group || (at == (int64_t)l->n_group && k != 0))
        return err_set(e, ERR_FORMAT, "%s: group %lld comes out of order", what, (long long)at);
    struct group *g = &l->group[at];
    if (at == (int64_t)l->n_group) {
        l->n_group++;
        if (read_group(l, g, o, what, e)) return -1;
    }
    if (k >= (int64_t)g->n || g->r[k].id)
        return err_set(e, ERR_FORMAT,
                       "%s: sample %lld of group %lld is there twice or too many", what,
                       (long long)k, (long long)at);
    tok_id *ids = NULL;
    size_t n = 0;
    int rc = read_ids(o, "prompt_ids", &ids, &n, what, e);
    if (rc == 0 && prompt_hash(ids, n) != g->hash)
        rc = err_set(e, ERR_FORMAT, "%s: group %lld has two prompts", what, (long long)at);
    mem_free(ids);
    return rc || read_answer(o, &g->r[k], what, e) ? -1 : 0;
}

static size_t count_lines(const struct file_map *m)
{
    size_t n = 1;
    for (size_t i = 0; i < m->size; i++) n += m->data[i] == '\n';
    return n;
}

int rollout_file_read(struct learner *l, const char *path, struct err *e)
{
    struct file_map m;
    if (file_map_open(&m, path, e)) return -1;
    int rc = learner_take_groups(l, count_lines(&m), e), number = 0;
    for (size_t at = 0; rc == 0 && at < m.size;) {
        char what[300];
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t n = nl ? (size_t)(nl - line) : m.size - at;
        at += n + 1;
        snprintf(what, sizeof what, "%.256s line %d", path, ++number);
        if (n == 0) continue;
        json_t *o = json_parse((struct span){line, n}, what, e);
        rc = o ? read_line(l, o, what, e) : -1;
        json_decref(o);
    }
    file_map_close(&m);
    for (size_t i = 0; rc == 0 && i < l->n_group; i++)
        for (size_t k = 0; k < l->group[i].n; k++)
            if (!l->group[i].r[k].id || l->group[i].n != l->group[0].n)
                return err_set(e, ERR_FORMAT, "%s: group %zu is not complete", path, i);
    if (rc == 0 && l->n_group == 0) rc = err_set(e, ERR_FORMAT, "%s has no answers", path);
    return rc;
}
