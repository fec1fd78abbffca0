#include "train/train_log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { LOG_MAX = 1 << 30 };

/* Lines of steps before `from`. */
static void keep_lines(const struct buf *old, int64_t from, struct buf *kept)
{
    for (size_t at = 0; at < old->len;) {
        size_t end = span_find(buf_span(old), at, span_of("\n"));
        if (end == (size_t)-1) return;
        struct span line = {old->data + at, end - at};
        json_t *o = json_parse(line, "metrics.jsonl", NULL);
        const json_t *step = json_object_get(o, "step");
        if (json_is_integer(step) && json_integer_value(step) < from)
            buf_add(kept, line.p, line.n + 1);
        json_decref(o);
        at = end + 1;
    }
}

int train_log_file(FILE **out, const char *run, const char *name, int64_t from_step,
                   struct err *e)
{
    char *path = file_join(run, name);
    struct buf old, kept;
    int rc = 0;
    *out = NULL;
    buf_init(&old, LOG_MAX);
    buf_init(&kept, LOG_MAX);
    if (!path) rc = err_oom(e, "a file name", strlen(run));
    if (rc == 0 && file_exists(path)) {
        rc = file_read(path, &old, e);
        if (rc == 0) keep_lines(&old, from_step, &kept);
        if (rc == 0) rc = buf_ok(&kept, name, e);
        if (rc == 0) rc = file_replace(path, buf_str(&kept), kept.len, e);
    }
    if (rc == 0 && !(*out = fopen(path, "a")))
        rc = err_errno(e, errno, "cannot write %s", path);
    buf_release(&old);
    buf_release(&kept);
    mem_free(path);
    return rc;
}

int train_log_open(struct train_log *l, const char *run, int64_t from_step, struct err *e)
{
    return train_log_file(&l->f, run, "metrics.jsonl", from_step, e);
}

int train_log_step(struct train_log *l, const struct step_metrics *m, double eval_loss,
                   struct err *e)
{
    char time[24];
    clock_iso8601(clock_wall_ms(), time);
    fprintf(l->f,
            "{\"step\":%" PRId64 ",\"time\":\"%s\",\"loss\":%.6f,\"mtp_loss\":%.6f,"
            "\"balance_loss\":%.8f,\"grad_norm\":%.6f,\"lr\":%.8g,\"load_worst\":%.4f,"
            "\"rows\":%" PRId64 ",\"targets\":%" PRId64 ",\"ms\":%.3f,\"tokens_per_s\":%.1f,"
            "\"gflops\":%.2f",
            m->step, time, m->loss, m->mtp_loss, m->balance_loss, m->grad_norm, m->lr,
            m->load_worst, m->rows, m->targets, (double)m->ns * 1e-6,
            (double)m->rows / ns_to_s(m->ns), m->model_flops / (double)m->ns);
    if (isfinite(eval_loss)) fprintf(l->f, ",\"eval_loss\":%.6f", eval_loss);
    fprintf(l->f, "}\n");
    return fflush(l->f) == 0 ? 0 : err_errno(e, errno, "cannot write metrics.jsonl");
}

void train_log_close(struct train_log *l)
{
    if (l->f) fclose(l->f);
    l->f = NULL;
}
