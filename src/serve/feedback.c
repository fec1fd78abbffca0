#include "serve/feedback.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/api_err.h"
#include "serve/field.h"

enum { LINE_MAX_BYTES = 4 << 20, FILE_MAX_BYTES = 256 << 20 };

struct feedback {
    pthread_mutex_t lock; /* guards the files */
    char *dir;
};

int feedback_open(struct feedback **out, const char *dir, struct err *e)
{
    *out = NULL;
    if (file_make_dirs(dir, e)) return -1;
    if (chmod(dir, 0700)) return err_errno(e, errno, "chmod %s", dir);
    struct feedback *f = mem_calloc(1, sizeof *f);
    if (!f) return err_oom(e, "the feedback store", sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    f->dir = mem_strdup(dir);
    *out = f;
    return 0;
}

void feedback_close(struct feedback *f)
{
    if (!f) return;
    mem_free(f->dir);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

static int need_text(const json_t *b, const char *key, struct api_err *a)
{
    const json_t *v = member(b, key);
    if (json_is_string(v)) return 0;
    return api_fail(a, 400, "invalid_type", key, "%s is %s; a string is needed", key,
                    v ? json_kind(v) : "missing");
}

static int check(const json_t *b, struct api_err *a)
{
    const json_t *type = member(b, "type"), *rating = member(b, "rating");
    if (!json_is_array(member(b, "messages")))
        return api_fail(a, 400, "invalid_type", "messages", "messages must be an array");
    struct span t = json_is_string(type) ? json_span(type) : span_of("");
    if (span_is(t, "rating")) {
        bool ok = json_is_integer(rating) &&
                  (json_integer_value(rating) == 1 || json_integer_value(rating) == -1);
        return ok ? 0
                  : api_fail(a, 400, "invalid_parameter", "rating", "rating must be 1 or -1");
    }
    if (span_is(t, "correction")) return need_text(b, "corrected", a);
    if (span_is(t, "preference"))
        return need_text(b, "chosen", a) || need_text(b, "rejected", a) ? -1 : 0;
    return api_fail(a, 400, "invalid_parameter", "type",
                    "type must be rating, correction or preference");
}

static void add_value(struct buf *out, const json_t *v)
{
    size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!buf_reserve(out, n)) return;
    json_dumpb(v, out->data + out->len, n, JSON_COMPACT | JSON_ENCODE_ANY);
    out->len += n;
    out->data[out->len] = 0;
}

/* Only the members that belong to the record, in a fixed order. */
static void write_line(const json_t *b, struct buf *out)
{
    static const char *const keys[] = {"type",      "model",
                                       "rating",    "messages",
                                       "chosen",    "chosen_reasoning",
                                       "rejected",  "rejected_reasoning",
                                       "corrected", "comment",
                                       "tags"};
    char iso[24];
    clock_iso8601(clock_wall_ms(), iso);
    buf_printf(out, "{\"time\":\"%s\"", iso);
    for (size_t i = 0; i < countof(keys); i++) {
        const json_t *v = member(b, keys[i]);
        if (!v) continue;
        buf_printf(out, ",\"%s\":", keys[i]);
        add_value(out, v);
    }
    buf_add_str(out, "}\n");
}

static void path_of(const struct feedback *f, int64_t owner, char out[1024])
{
    snprintf(out, 1024, "%.900s/k%lld.jsonl", f->dir, (long long)owner);
}

int feedback_add(struct feedback *f, int64_t owner, const json_t *body, struct api_err *a)
{
    char path[1024];
    struct buf line;
    if (check(body, a)) return -1;
    buf_init(&line, LINE_MAX_BYTES);
    write_line(body, &line);
    if (line.failed) {
        buf_release(&line);
        return api_fail(a, 413, NULL, NULL, "the feedback is larger than %d bytes",
                        LINE_MAX_BYTES);
    }
    path_of(f, owner, path);
    pthread_mutex_lock(&f->lock);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, line.data, line.len);
    bool ok = n == (ssize_t)line.len && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    pthread_mutex_unlock(&f->lock);
    buf_release(&line);
    return ok ? 0
              : api_fail(a, 500, "internal_error", NULL, "the feedback could not be stored");
}

/* ---- forms for training ---------------------------------------------------------------------- */

/* The last message when it is the assistant's, else NULL. */
static const json_t *judged(const json_t *messages)
{
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const json_t *role = json_is_object(last) ? member(last, "role") : NULL;
    return json_is_string(role) && span_is(json_span(role), "assistant") ? last : NULL;
}

/* The first n messages, in brackets unless more are to follow. */
static void add_messages(struct buf *out, const json_t *messages, size_t n)
{
    buf_add_str(out, "{\"messages\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) buf_add_char(out, ',');
        add_value(out, json_array_get(messages, i));
    }
}

static void add_example(const json_t *line, struct buf *out)
{
    const json_t *messages = member(line, "messages"), *rating = member(line, "rating");
    const json_t *better = member(line, "corrected"), *answer = judged(messages);
    const json_t *thinking = NULL;
    size_t n = json_array_size(messages);
    if (!better) {
        better = member(line, "chosen");
        thinking = member(line, "chosen_reasoning");
    }
    if (!better && !(answer && json_integer_value(rating) == 1)) return;
    if (better && answer) n--; /* the thinking that led to it goes too */
    add_messages(out, messages, n);
    if (better) {
        buf_add_str(out, n ? ",{\"role\":\"assistant\",\"content\":"
                           : "{\"role\":\"assistant\",\"content\":");
        add_value(out, better);
        if (json_is_string(thinking)) {
            buf_add_str(out, ",\"reasoning_content\":");
            add_value(out, thinking);
        }
        buf_add_char(out, '}');
    }
    buf_add_str(out, "]}\n");
}

static void add_thinking(struct buf *out, const json_t *line, const char *key)
{
    const json_t *v = member(line, key);
    if (!json_is_string(v)) return;
    buf_printf(out, ",\"%s\":", key);
    add_value(out, v);
}

static void add_pair(const json_t *line, struct buf *out)
{
    const json_t *messages = member(line, "messages"), *answer = judged(messages);
    const json_t *chosen = member(line, "chosen"), *rejected = member(line, "rejected");
    size_t n = json_array_size(messages) - (answer != NULL);
    if (!chosen) {
        chosen = member(line, "corrected");
        rejected = answer ? member(answer, "content") : NULL;
    }
    if (!json_is_string(chosen) || !json_is_string(rejected)) return;
    add_messages(out, messages, n);
    buf_add_str(out, "],\"chosen\":");
    add_value(out, chosen);
    add_thinking(out, line, "chosen_reasoning");
    buf_add_str(out, ",\"rejected\":");
    add_value(out, rejected);
    add_thinking(out, line, "rejected_reasoning");
    buf_add_str(out, "}\n");
}

static void transform(struct span text, enum feedback_form form, struct buf *out)
{
    for (size_t at = 0, end; at < text.n; at = end + 1) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        end = nl ? (size_t)(nl - text.p) : text.n;
        json_t *line = json_loadb(text.p + at, end - at, JSON_ALLOW_NUL, NULL);
        if (line && form == FEEDBACK_SFT) add_example(line, out);
        if (line && form == FEEDBACK_PAIRS) add_pair(line, out);
        json_decref(line);
    }
}

int feedback_export(struct feedback *f, int64_t owner, enum feedback_form form, struct buf *out,
                    struct err *e)
{
    char path[1024];
    struct buf stored;
    buf_init(&stored, 256 << 20);
    path_of(f, owner, path);
    pthread_mutex_lock(&f->lock);
    int rc = file_exists(path) ? file_read(path, &stored, e) : 0;
    pthread_mutex_unlock(&f->lock);
    if (rc == 0 && form == FEEDBACK_STORED) buf_add_span(out, buf_span(&stored));
    if (rc == 0 && form != FEEDBACK_STORED) transform(buf_span(&stored), form, out);
    if (rc == 0) rc = buf_ok(out, "the feedback", e);
    buf_release(&stored);
    return rc;
}
