#include "task/command.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"

enum { LINE_MAX_BYTES = 4 << 20 };

struct task_command {
    struct proc proc;
    struct proc_spec spec;
    struct buf line, rest; /* the reply; what was read behind it */
    int64_t ms;
    int restarts;
};

static int start(struct task_command *c, struct err *e)
{
    buf_clear(&c->rest);
    if (proc_start(&c->proc, &c->spec, e)) return err_wrap(e, "the task command");
    return 0;
}

int task_command_open(struct task_command **out, const char *const *argv,
                      const char *const *env, int64_t ms, struct err *e)
{
    struct task_command *c = mem_calloc(1, sizeof *c);
    if (!c) return err_oom(e, "a task command", sizeof *c);
    c->ms = ms;
    c->spec = (struct proc_spec){.argv = argv, .env = env};
    buf_init(&c->line, LINE_MAX_BYTES);
    buf_init(&c->rest, LINE_MAX_BYTES);
    if (start(c, e)) {
        task_command_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

void task_command_close(struct task_command *c)
{
    if (!c) return;
    proc_kill(&c->proc);
    buf_release(&c->line);
    buf_release(&c->rest);
    mem_free(c);
}

int task_command_restarts(const struct task_command *c)
{
    return c->restarts;
}

static int append(const char *text, size_t n, void *to)
{
    struct buf *b = to;
    buf_add(b, text, n);
    return b->failed ? -1 : 0;
}

/* Sends an object (its reference is taken), reads one line of JSON. NULL with *e filled. */
static json_t *request(struct task_command *c, json_t *q, struct err *e)
{
    int64_t deadline = clock_ns() + c->ms * 1000000;
    json_t *reply = NULL;
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    bool written = q && json_dump_callback(q, append, &text, JSON_COMPACT) == 0;
    buf_add_char(&text, '\n');
    json_decref(q);
    if (!written || text.failed) {
        err_set(e, ERR_LIMIT, "a request to the task command is larger than %d bytes",
                LINE_MAX_BYTES);
        goto out;
    }
    if (c->proc.pid < 0) {
        c->restarts++;
        if (start(c, e)) goto out;
    }
    buf_clear(&c->line);
    if (!proc_write(&c->proc, text.data, text.len, deadline) ||
        !proc_read_line(&c->proc, &c->line, &c->rest, deadline)) {
        bool late = clock_ns() >= deadline;
        proc_kill(&c->proc);
        err_set(e, ERR_FAILED, "the task command %s",
                late ? "did not answer in time" : "ended");
        goto out;
    }
    reply = json_parse(buf_span(&c->line), "the task command's reply", e);
    if (reply && !json_is_object(reply)) {
        err_set(e, ERR_FORMAT, "the task command's reply is no JSON object");
        json_decref(reply);
        reply = NULL;
    }
out:
    buf_release(&text);
    return reply;
}

int task_command_item(struct task_command *c, const struct task_ask *ask, json_t **item,
                      struct err *e)
{
    struct span prompt;
    json_t *o = request(c,
                        json_pack("{s:s, s:s, s:I, s:I, s:i}", "op", "item", "split",
                                  task_split_name(ask->split), "seed", (json_int_t)ask->seed,
                                  "index", (json_int_t)ask->index, "level", ask->level),
                        e);
    if (!o) return -1;
    if (json_get_str(o, "prompt", &prompt, "the task command's item", e)) {
        json_decref(o);
        return -1;
    }
    *item = o;
    return 0;
}

int task_command_check(struct task_command *c, const json_t *item, struct span response,
                       double *score, struct buf *reason, struct err *e)
{
    struct span why = {"", 0};
    json_t *q = json_object(), *copy = json_deep_copy(item);
    if (!q || json_object_set_new(q, "op", json_string("check")) ||
        json_object_set_new(q, "item", copy) ||
        json_object_set_new(q, "response", json_stringn(response.p, response.n))) {
        json_decref(q);
        return err_set(e, ERR_FORMAT, "the response is no valid UTF-8 or memory is out");
    }
    json_t *o = request(c, q, e);
    if (!o) return -1;
    int rc = json_get_f64(o, "score", score, "the task command's verdict", e) ||
                     json_get_str_opt(o, "reason", &why, "the task command's verdict", e)
                 ? -1
                 : 0;
    if (rc == 0 && !(*score >= 0 && *score <= 1))
        rc =
            err_set(e, ERR_FORMAT, "the task command's score is %g, allowed is 0 to 1", *score);
    if (rc == 0 && reason) buf_add_span(reason, why);
    json_decref(o);
    return rc;
}
