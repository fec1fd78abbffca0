/* api_runs.c - training runs for the page: GET /runs lists them, GET /runs/ID/events sends what a run
 * has written and then each line as it comes.
 *
 * A run is a directory below --runs (or that directory itself) that holds metrics.jsonl. Its lines
 * go out as they stand: `event: metrics` for metrics.jsonl, `event: sample` for samples.jsonl, in
 * front of all `event: run` with what the list says. Only whole lines are sent; a file that got
 * shorter (a run that goes on from a checkpoint drops lines) is followed from its new end.
 *
 * Reading happens on the io thread, at most 64 KiB a turn, from files that were just written. The
 * watcher's tick, twice a second, is what makes it look again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/router.h"
#include "serve/serve_int.h"
#include "serve/sse.h"

enum {
    MAX_RUNS = 1000,
    TAIL_BYTES = 64 << 10,
    TURN_BYTES = 64 << 10,
    LINE_MAX_BYTES = 16 << 20,
    ALIVE_S = 300, /* a run that wrote within this time is running */
    PATH_BYTES = 4096
};

/* ---- what a run says about itself ------------------------------------------------------------ */

static bool path_in(char out[PATH_BYTES], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
    return n > 0 && n < PATH_BYTES;
}

/* The step of the last whole line; -1 when there is none. */
static int64_t last_step(const char *path)
{
    int64_t step = -1;
    FILE *f = fopen(path, "re");
    char *tail = mem_alloc(TAIL_BYTES + 1);
    if (f && tail && fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f), from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
        size_t n = fseek(f, from, SEEK_SET) == 0 ? fread(tail, 1, TAIL_BYTES, f) : 0;
        while (n && tail[n - 1] != '\n') n--;
        tail[n] = 0;
        if (n) tail[n - 1] = 0;
        const char *line = strrchr(tail, '\n');
        const char *at = strstr(line ? line : tail, "\"step\":");
        if (at) step = strtoll(at + 7, NULL, 10);
    }
    if (f) fclose(f);
    mem_free(tail);
    return step;
}

/* train.steps, or rl.steps: the recipe that a run keeps is written by us, two blanks deep. */
static int64_t planned_steps(const char *path)
{
    struct buf b;
    struct err e;
    int64_t n = 0;
    buf_init(&b, 1 << 20);
    if (file_read(path, &b, &e) == 0) {
        const char *at = strstr(buf_str(&b), "\n  steps: ");
        if (at) n = strtoll(at + 10, NULL, 10);
    }
    buf_release(&b);
    return n;
}

/* Appends the object; false when the directory holds no run. */
static bool add_run(struct buf *out, const char *dir, const char *id, bool comma)
{
    char path[PATH_BYTES];
    struct stat metrics, recipe, samples;
    if (!path_in(path, dir, "metrics.jsonl") || stat(path, &metrics)) return false;
    int64_t step = last_step(path), steps = 0, now = clock_wall_ms() / 1000;
    int64_t started = 0;
    if (path_in(path, dir, "run.yaml") && stat(path, &recipe) == 0) {
        steps = planned_steps(path);
        started = (int64_t)recipe.st_mtime * 1000;
    }
    bool is_rl = path_in(path, dir, "samples.jsonl") && stat(path, &samples) == 0;
    bool over = steps > 0 && step >= steps - 1;
    bool alive = now - (int64_t)metrics.st_mtime < ALIVE_S;
    if (comma) buf_add_char(out, ',');
    buf_add_str(out, "{\"id\":");
    buf_add_json(out, span_of(id));
    buf_printf(out, ",\"kind\":\"%s\",\"state\":\"%s\"", is_rl ? "rl" : "train",
               over    ? "done"
               : alive ? "running"
                       : "stopped");
    if (started) buf_printf(out, ",\"started\":%lld", (long long)started);
    if (step >= 0) buf_printf(out, ",\"step\":%lld", (long long)step);
    if (steps > 0) buf_printf(out, ",\"steps\":%lld", (long long)steps);
    buf_add_char(out, '}');
    return true;
}

static const char *own_name(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    return slash && slash[1] ? slash + 1 : dir;
}

/* A run's directory by its id. */
static bool find_run(const struct serve *s, struct span id, char dir[PATH_BYTES],
                     char name[256])
{
    char path[PATH_BYTES];
    if (!s->o.runs_dir || id.n == 0 || id.n > 255 || id.p[0] == '.') return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] == '/' || id.p[i] == 0) return false;
    memcpy(name, id.p, id.n);
    name[id.n] = 0;
    bool below = path_in(dir, s->o.runs_dir, name) && path_in(path, dir, "metrics.jsonl") &&
                 file_exists(path);
    if (below) return true;
    if (strcmp(name, own_name(s->o.runs_dir)) != 0) return false;
    snprintf(dir, PATH_BYTES, "%s", s->o.runs_dir);
    return path_in(path, dir, "metrics.jsonl") && file_exists(path);
}

void api_runs(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf out;
    char dir[PATH_BYTES];
    bool any = false;
    (void)c;
    if (!s->o.runs_dir) {
        struct api_err a;
        api_fail(&a, 404, "no_runs", NULL, "this server shows no runs; start it with --runs");
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    buf_init(&out, 4 << 20);
    buf_add_str(&out, "{\"object\":\"list\",\"data\":[");
    any = add_run(&out, s->o.runs_dir, own_name(s->o.runs_dir), false);
    DIR *d = opendir(s->o.runs_dir);
    const struct dirent *f;
    for (int n = 0; d && n < MAX_RUNS && (f = readdir(d));) {
        if (f->d_name[0] == '.' || !path_in(dir, s->o.runs_dir, f->d_name)) continue;
        if (!add_run(&out, dir, f->d_name, any)) continue;
        any = true;
        n++;
    }
    if (d) closedir(d);
    buf_add_str(&out, "]}");
    reply_json(r, 200, &out);
}

/* ---- following ------------------------------------------------------------------------------- */

struct tail {
    int fd; /* -1: not there yet */
    const char *event;
    char path[PATH_BYTES];
    int64_t at;
    struct buf part; /* a line that is not whole yet */
};

struct follower {
    struct serve *s;
    struct http_req *req;
    struct tail file[2];
    char dir[PATH_BYTES], name[256];
    bool began;
    int64_t last_ns; /* when something was sent */
};

static void tail_reset(struct tail *t)
{
    struct stat st;
    if (fstat(t->fd, &st) || st.st_size >= t->at) return;
    t->at = st.st_size;
    buf_clear(&t->part);
}

/* Adds the whole lines of one turn; true when there may be more at once. */
static bool tail_read(struct tail *t, struct buf *out)
{
    char *chunk = NULL;
    if (t->fd < 0) t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
    if (t->fd < 0) return false;
    tail_reset(t);
    chunk = mem_alloc(TURN_BYTES);
    ssize_t n = chunk ? pread(t->fd, chunk, TURN_BYTES, (off_t)t->at) : 0;
    if (n > 0) t->at += n;
    for (ssize_t from = 0; from < n;) {
        const char *end = memchr(chunk + from, '\n', (size_t)(n - from));
        size_t len = end ? (size_t)(end - chunk - from) : (size_t)(n - from);
        buf_add(&t->part, chunk + from, len);
        from += (ssize_t)len + 1;
        if (!end) break;
        if (t->part.len && !t->part.failed) {
            sse_open_named(out, t->event);
            buf_add_span(out, buf_span(&t->part));
            sse_close(out);
        }
        buf_clear(&t->part);
    }
    mem_free(chunk);
    return n == TURN_BYTES;
}

static enum http_pull pull(void *ctx, struct buf *out)
{
    struct follower *f = ctx;
    size_t before = out->len;
    if (f->s->draining) return HTTP_END;
    if (!f->began) {
        sse_open_named(out, "run");
        if (!add_run(out, f->dir, f->name, false)) return HTTP_BREAK;
        sse_close(out);
        f->began = true;
    }
    bool more = tail_read(&f->file[0], out);
    more |= tail_read(&f->file[1], out);
    int64_t now = clock_ns();
    if (out->len == before && now - f->last_ns > (int64_t)f->s->o.keep_alive_s * 1000000000)
        sse_keep_alive(out);
    if (out->len > before) f->last_ns = now;
    return more ? HTTP_MORE : HTTP_WAIT;
}

static void tick(void *ctx, int64_t now_ns)
{
    struct follower *f = ctx;
    (void)now_ns;
    http_wake(f->req);
}

static void gone(void *ctx)
{
    (void)ctx;
}

static void release(void *ctx)
{
    struct follower *f = ctx;
    for (int i = 0; i < 2; i++) {
        if (f->file[i].fd >= 0) close(f->file[i].fd);
        buf_release(&f->file[i].part);
    }
    mem_free(f);
}

void api_run_events(struct serve *s, struct http_req *r, const struct caller *c)
{
    static const char *const name[] = {"metrics.jsonl", "samples.jsonl"};
    static const char *const event[] = {"metrics", "sample"};
    struct api_err a;
    struct span id = c->id;
    static const char end[] = "/events";
    size_t n = sizeof end - 1;
    struct follower *f = mem_calloc(1, sizeof *f);
    bool ours = id.n > n && memcmp(id.p + id.n - n, end, n) == 0;
    if (f && ours && find_run(s, (struct span){id.p, id.n - n}, f->dir, f->name)) {
        f->s = s;
        f->req = r;
        f->last_ns = clock_ns();
        for (int i = 0; i < 2; i++) {
            f->file[i] = (struct tail){.fd = -1, .event = event[i]};
            buf_init(&f->file[i].part, LINE_MAX_BYTES);
            if (!path_in(f->file[i].path, f->dir, name[i])) f->file[i].path[0] = 0;
        }
        http_set_header(r, "Cache-Control", "no-cache");
        http_stream(r, 200, "text/event-stream",
                    &(struct http_source){f, pull, gone, tick, release});
        return;
    }
    mem_free(f);
    api_fail(&a, 404, "run_not_found", NULL, "there is no run of this name; /runs lists them");
    api_err_reply(r, &a, STYLE_OPENAI);
}
