#include "eval/score.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "eval/passk.h"

void scores_init(struct scores *s, size_t k)
{
    *s = (struct scores){.k = k};
    arena_init(&s->mem, 1 << 16, 0);
}

void scores_release(struct scores *s)
{
    arena_release(&s->mem);
    mem_free(s->row);
    mem_free(s->problem);
    *s = (struct scores){0};
}

int scores_row(struct scores *s, const char *task, int level, double chance, size_t *row,
               struct err *e)
{
    for (size_t i = 0; i < s->n_row; i++) {
        *row = i;
        if (s->row[i].level == level && strcmp(s->row[i].task, task) == 0) return 0;
    }
    if (s->n_row == s->cap_row) {
        size_t cap = s->cap_row ? 2 * s->cap_row : 32;
        struct score_row *p = mem_realloc(s->row, s->cap_row * sizeof *p, cap * sizeof *p);
        if (!p) return err_oom(e, "the rows of a table", cap * sizeof *p);
        s->row = p;
        s->cap_row = cap;
    }
    char *name = arena_strndup(&s->mem, task, strlen(task));
    if (!name) return err_oom(e, "a row's name", strlen(task));
    *row = s->n_row;
    s->row[s->n_row++] = (struct score_row){name, level, chance};
    return 0;
}

int scores_add(struct scores *s, const char *id, size_t row, struct score_problem **out,
               struct err *e)
{
    if (s->n_problem == s->cap_problem) {
        size_t cap = s->cap_problem ? 2 * s->cap_problem : 256;
        struct score_problem *p =
            mem_realloc(s->problem, s->cap_problem * sizeof *p, cap * sizeof *p);
        if (!p) return err_oom(e, "the problems of an evaluation", cap * sizeof *p);
        s->problem = p;
        s->cap_problem = cap;
    }
    struct score_problem p = {.id = arena_strndup(&s->mem, id, strlen(id)), .row = row};
    p.sample = arena_calloc(&s->mem, s->k, sizeof *p.sample);
    if (!p.id || !p.sample) return err_oom(e, "a problem's samples", s->k * sizeof *p.sample);
    *out = &s->problem[s->n_problem++];
    **out = p;
    return 0;
}

/* ---- from a file --------------------------------------------------------------------------- */

struct line_fields {
    struct span id, task;
    int64_t level, sample, k, cls, tokens, think;
    double score, chance;
    bool truncated, answered, errored;
};

static int read_fields(const json_t *o, struct line_fields *f, const char *what, struct err *e)
{
    *f = (struct line_fields){0};
    return json_get_str(o, "id", &f->id, what, e) ||
                   json_get_str(o, "task", &f->task, what, e) ||
                   json_get_i64(o, "level", 0, 1 << 20, &f->level, what, e) ||
                   json_get_i64(o, "samples", 1, 1 << 20, &f->k, what, e) ||
                   json_get_i64(o, "sample", 0, f->k - 1, &f->sample, what, e) ||
                   json_get_i64(o, "class", -1, 1 << 20, &f->cls, what, e) ||
                   json_get_i64(o, "tokens", 0, INT64_MAX, &f->tokens, what, e) ||
                   json_get_i64(o, "think_tokens", 0, INT64_MAX, &f->think, what, e) ||
                   json_get_f64(o, "score", &f->score, what, e) ||
                   json_get_f64_opt(o, "chance", &f->chance, what, e) ||
                   json_get_bool_opt(o, "truncated", &f->truncated, what, e) ||
                   json_get_bool_opt(o, "answered", &f->answered, what, e) ||
                   json_get_bool_opt(o, "errored", &f->errored, what, e)
               ? -1
               : 0;
}

static int add_line(struct scores *s, struct map *at, const json_t *o, const char *what,
                    struct err *e)
{
    struct line_fields f;
    struct score_problem *p;
    char task[128];
    size_t row;
    if (read_fields(o, &f, what, e)) return -1;
    if (s->k == 0) s->k = (size_t)f.k;
    if ((size_t)f.k != s->k)
        return err_set(e, ERR_FORMAT, "%s: %lld samples a problem, the lines before have %zu",
                       what, (long long)f.k, s->k);
    uint64_t have = map_get(at, f.id);
    if (have == MAP_NONE) {
        snprintf(task, sizeof task, "%.*s", (int)(f.task.n < 127 ? f.task.n : 127), f.task.p);
        if (scores_row(s, task, (int)f.level, f.chance, &row, e) ||
            scores_add(s, f.id.p, row, &p, e))
            return -1;
        have = s->n_problem - 1;
        if (!map_put(at, f.id, have))
            return err_oom(e, "a table of problems", s->n_problem * 16);
    }
    p = &s->problem[have];
    if (p->n < s->k) p->n++;
    p->sample[f.sample] = (struct score_sample){.score = f.score,
                                                .cls = (int)f.cls,
                                                .tokens = f.tokens,
                                                .think_tokens = f.think,
                                                .truncated = f.truncated,
                                                .answered = f.answered,
                                                .errored = f.errored};
    return 0;
}

int scores_read(struct scores *s, const char *path, struct err *e)
{
    struct file_map m;
    struct map at;
    char *inside = file_is_dir(path) ? file_join(path, "samples.jsonl") : NULL;
    int rc = file_map_open(&m, inside ? inside : path, e), number = 0;
    if (rc) goto out;
    map_init(&at);
    for (size_t i = 0; i < m.size && rc == 0;) {
        char what[300];
        const char *line = (const char *)m.data + i, *nl = memchr(line, '\n', m.size - i);
        size_t n = nl ? (size_t)(nl - line) : m.size - i;
        i += n + 1;
        snprintf(what, sizeof what, "%.256s line %d", path, ++number);
        if (n == 0) continue;
        json_t *o = json_parse((struct span){line, n}, what, e);
        rc = o ? add_line(s, &at, o, what, e) : -1;
        json_decref(o);
    }
    map_release(&at);
    file_map_close(&m);
    if (rc == 0 && s->n_problem == 0)
        rc = err_set(e, ERR_FORMAT, "%s: there are no samples", path);
out:
    mem_free(inside);
    return rc;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static double pass1(const struct score_problem *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) sum += p->sample[i].score;
    return sum / (double)p->n;
}

static size_t n_right(const struct score_problem *p)
{
    size_t c = 0;
    for (size_t i = 0; i < p->n; i++) c += p->sample[i].score >= 1;
    return c;
}

/* Whether the largest class is right: its first member says so. */
static double consensus(const struct score_problem *p, int *cls)
{
    for (size_t i = 0; i < p->n; i++) cls[i] = p->sample[i].cls;
    int best = cons_at_k(cls, p->n);
    for (size_t i = 0; best >= 0 && i < p->n; i++)
        if (cls[i] == best) return p->sample[i].score >= 1;
    return 0;
}

struct totals {
    double tokens, right, wrong, think;
    size_t n, n_right, truncated, unanswered, errored, has_class;
};

static void count(const struct score_problem *p, struct totals *t)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct score_sample *s = &p->sample[i];
        bool right = s->score >= 1;
        t->n++;
        t->n_right += right;
        t->tokens += (double)s->tokens;
        t->think += (double)s->think_tokens;
        *(right ? &t->right : &t->wrong) += (double)s->tokens;
        t->truncated += s->truncated;
        t->unanswered += !s->answered;
        t->errored += s->errored;
        t->has_class += s->cls >= 0;
    }
}

static double over(double a, size_t b)
{
    return b ? a / (double)b : 0;
}

int scores_sum(const struct scores *s, size_t row, struct summary *out, struct err *e)
{
    double *x = mem_calloc(2 * s->n_problem + 1, sizeof *x), *c = x + s->n_problem;
    int *cls = mem_calloc(s->k + 1, sizeof *cls);
    struct totals t = {0};
    size_t n = 0;
    *out = (struct summary){.k = s->k};
    if (!x || !cls) {
        mem_free(x);
        mem_free(cls);
        return err_oom(e, "a summary", s->n_problem * 16);
    }
    for (size_t i = 0; i < s->n_problem; i++) {
        const struct score_problem *p = &s->problem[i];
        if ((row != SIZE_MAX && p->row != row) || p->n == 0) continue;
        x[n] = pass1(p);
        c[n++] = consensus(p, cls);
        count(p, &t);
        out->chance += s->row[p->row].chance;
        size_t right = n_right(p);
        for (int b = 0; b < SCORE_PASS_K && (size_t)1 << b <= p->n; b++)
            out->pass[b] += pass_at_k(p->n, right, (size_t)1 << b);
    }
    out->pass1 = stat_share(x, n, s->k);
    out->cons = stat_share(c, n, 1);
    out->has_cons = t.has_class > 0 && s->k > 1;
    while (out->n_pass < SCORE_PASS_K && (size_t)1 << out->n_pass <= s->k)
        out->pass[out->n_pass++] /= n ? (double)n : 1;
    out->n_problem = n;
    out->n_sample = t.n;
    out->chance = over(out->chance, n);
    out->truncated = over((double)t.truncated, t.n);
    out->unanswered = over((double)t.unanswered, t.n);
    out->errored = over((double)t.errored, t.n);
    out->tokens = over(t.tokens, t.n);
    out->think_tokens = over(t.think, t.n);
    out->tokens_right = over(t.right, t.n_right);
    out->tokens_wrong = over(t.wrong, t.n - t.n_right);
    out->tokens_per_solved = t.n_right ? t.tokens / (double)t.n_right : (double)INFINITY;
    mem_free(x);
    mem_free(cls);
    return 0;
}

int scores_macro(const struct scores *s, struct interval *out, struct err *e)
{
    struct interval *row = mem_calloc(s->n_row + 1, sizeof *row);
    size_t n = 0;
    int rc = row ? 0 : err_oom(e, "an average", s->n_row * sizeof *row);
    for (size_t i = 0; rc == 0 && i < s->n_row; i++) {
        struct summary one;
        rc = scores_sum(s, i, &one, e);
        if (rc == 0 && one.n_problem) row[n++] = one.pass1;
    }
    if (rc == 0) *out = stat_macro(row, n);
    mem_free(row);
    return rc;
}

int scores_compare(const struct scores *a, const struct scores *b, struct paired *out,
                   struct err *e)
{
    double *x = mem_calloc(2 * a->n_problem + 1, sizeof *x), *y = x + a->n_problem;
    struct map at;
    size_t n = 0;
    int rc = x ? 0 : err_oom(e, "a comparison", a->n_problem * 16);
    map_init(&at);
    for (size_t i = 0; rc == 0 && i < b->n_problem; i++)
        if (!map_put(&at, span_of(b->problem[i].id), i))
            rc = err_oom(e, "a comparison", b->n_problem * 16);
    for (size_t i = 0; rc == 0 && i < a->n_problem; i++) {
        uint64_t k = map_get(&at, span_of(a->problem[i].id));
        if (k == MAP_NONE || a->problem[i].n == 0 || b->problem[k].n == 0) continue;
        x[n] = pass1(&a->problem[i]);
        y[n++] = pass1(&b->problem[k]);
    }
    if (rc == 0 && n == 0)
        rc = err_set(e, ERR_NOT_FOUND, "the two results have no problem in common");
    if (rc == 0) *out = stat_paired(x, y, n);
    map_release(&at);
    mem_free(x);
    return rc;
}
