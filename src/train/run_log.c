#include "train/run_log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum { LINE_MAX_BYTES = 1 << 20, CHUNK = 1 << 16 };

void run_log_init(struct run_log *l, const char *run)
{
    memset(l, 0, sizeof *l);
    snprintf(l->path, sizeof l->path, "%s/metrics.jsonl", run);
}

static void forget(struct run_log *l)
{
    for (size_t i = 0; i < l->n_series; i++) mem_free(l->series[i].v);
    mem_free(l->step);
    l->step = NULL;
    l->n = l->room = l->n_series = 0;
    l->offset = 0;
    l->first_time[0] = l->last_time[0] = 0;
}

void run_log_release(struct run_log *l)
{
    forget(l);
}

/* ---- taking lines -------------------------------------------------------------------------- */

static int grow(struct run_log *l, struct err *e)
{
    if (l->n < l->room) return 0;
    size_t room = l->room ? 2 * l->room : 1024;
    double *step = mem_realloc(l->step, l->n * sizeof *step, room * sizeof *step);
    if (!step) return err_oom(e, "a run's numbers", room * sizeof *step);
    l->step = step;
    for (size_t i = 0; i < l->n_series; i++) {
        double *v = mem_realloc(l->series[i].v, l->n * sizeof *v, room * sizeof *v);
        if (!v) return err_oom(e, "a run's numbers", room * sizeof *v);
        l->series[i].v = v;
    }
    l->room = room;
    return 0;
}

/* The series of a name, made when it is new; NULL past the limit or without memory. */
static double *series_of(struct run_log *l, const char *name)
{
    for (size_t i = 0; i < l->n_series; i++)
        if (strcmp(l->series[i].name, name) == 0) return l->series[i].v;
    if (l->n_series == RUN_LOG_SERIES || strlen(name) >= sizeof l->series[0].name) return NULL;
    struct run_series *s = &l->series[l->n_series];
    s->v = mem_alloc(l->room * sizeof *s->v);
    if (!s->v) return NULL;
    for (size_t i = 0; i < l->room; i++) s->v[i] = (double)NAN;
    memcpy(s->name, name, strlen(name) + 1);
    l->n_series++;
    return s->v;
}

static void take_time(struct run_log *l, const json_t *o)
{
    const char *t = json_string_value(json_object_get(o, "time"));
    if (!t || strlen(t) >= sizeof l->last_time) return;
    snprintf(l->last_time, sizeof l->last_time, "%s", t);
    if (!l->first_time[0]) snprintf(l->first_time, sizeof l->first_time, "%s", t);
}

static int take_line(struct run_log *l, struct span line, struct err *e)
{
    json_t *o = json_parse(line, "metrics.jsonl", NULL);
    const json_t *step = json_object_get(o, "step");
    int rc = 0;
    if (json_is_number(step)) {
        const char *name;
        json_t *v;
        rc = grow(l, e);
        for (size_t i = 0; rc == 0 && i < l->n_series; i++) l->series[i].v[l->n] = (double)NAN;
        if (rc == 0) l->step[l->n] = json_number_value(step);
        json_object_foreach(o, name, v)
        {
            double *s = rc == 0 && json_is_number(v) && strcmp(name, "step") != 0
                            ? series_of(l, name)
                            : NULL;
            if (s) s[l->n] = json_number_value(v);
        }
        take_time(l, o);
        l->n += rc == 0;
    }
    json_decref(o);
    return rc;
}

int run_log_read(struct run_log *l, bool *grew, struct err *e)
{
    struct stat st;
    struct buf b;
    size_t before = l->n;
    FILE *f = fopen(l->path, "rb");
    if (grew) *grew = false;
    if (!f) return err_errno(e, errno, "cannot read %s", l->path);
    if (fstat(fileno(f), &st) == 0 &&
        ((uint64_t)st.st_size < l->offset || (uint64_t)st.st_ino != l->inode)) {
        forget(l);
        l->inode = (uint64_t)st.st_ino;
        before = (size_t)-1;
    }
    buf_init(&b, LINE_MAX_BYTES + CHUNK);
    int rc = fseeko(f, (off_t)l->offset, SEEK_SET)
                 ? err_errno(e, errno, "cannot read %s", l->path)
                 : 0;
    while (rc == 0 && buf_reserve(&b, CHUNK)) {
        size_t got = fread(b.data + b.len, 1, CHUNK, f), from = 0, end;
        if (got == 0) break;
        b.len += got;
        while (rc == 0 && (end = span_find(buf_span(&b), from, span_of("\n"))) != (size_t)-1) {
            rc = take_line(l, (struct span){b.data + from, end - from}, e);
            l->offset += end + 1 - from;
            from = end + 1;
        }
        memmove(b.data, b.data + from, b.len - from);
        b.len -= from;
    }
    if (rc == 0 && b.failed) rc = buf_ok(&b, l->path, e);
    buf_release(&b);
    fclose(f);
    if (grew) *grew = l->n != before;
    return rc;
}

/* ---- asking -------------------------------------------------------------------------------- */

const double *run_log_find(const struct run_log *l, const char *name)
{
    for (size_t i = 0; i < l->n_series; i++)
        if (strcmp(l->series[i].name, name) == 0) return l->series[i].v;
    return NULL;
}

double run_log_last(const struct run_log *l, const double *v)
{
    for (size_t i = l->n; v && i-- > 0;)
        if (isfinite(v[i])) return v[i];
    return (double)NAN;
}

size_t run_log_bins(const struct run_log *l, const double *v, size_t n_bin, double *x,
                    double *y)
{
    size_t n = 0, at = 0;
    if (l->n == 0 || n_bin == 0) return 0;
    double lo = l->step[0], width = (l->step[l->n - 1] - lo + 1) / (double)n_bin;
    for (size_t b = 0; b < n_bin; b++) {
        double sx = 0, sy = 0, count = 0, end = lo + width * (double)(b + 1);
        for (; at < l->n && (l->step[at] < end || b + 1 == n_bin); at++) {
            if (!isfinite(v[at])) continue;
            sx += l->step[at];
            sy += v[at];
            count++;
        }
        if (count == 0) continue;
        x[n] = sx / count;
        y[n++] = sy / count;
    }
    return n;
}

/* Best first. RL's names and training's. */
static const char *const first[] = {
    "loss",         "eval_loss", "reward",       "accuracy",     "eval",
    "length",       "entropy",   "kl",           "truncated",    "clip_high",
    "flat",         "grad_norm", "mtp_loss",     "load_worst",   "lr",
    "tokens_per_s", "gflops",    "length_right", "length_wrong", "balance_loss"};
static const char *const never[] = {"ms", "rows", "targets", "version"};

static bool varies(const struct run_log *l, const double *v)
{
    double seen = (double)NAN;
    for (size_t i = 0; i < l->n; i++) {
        if (!isfinite(v[i])) continue;
        if (isfinite(seen) && v[i] != seen) return true;
        seen = v[i];
    }
    return false;
}

static bool is_in(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0) return true;
    return false;
}

size_t run_log_order(const struct run_log *l, size_t *index)
{
    size_t n = 0;
    for (size_t k = 0; k < countof(first); k++)
        for (size_t i = 0; i < l->n_series; i++)
            if (strcmp(l->series[i].name, first[k]) == 0 && varies(l, l->series[i].v))
                index[n++] = i;
    for (size_t i = 0; i < l->n_series; i++)
        if (!is_in(l->series[i].name, first, countof(first)) &&
            !is_in(l->series[i].name, never, countof(never)) && varies(l, l->series[i].v))
            index[n++] = i;
    return n;
}
