/* check_math_server.c - math_grade in a child process with limits on memory and time. The child
 * reads {gold length, answer length, mode}, both texts, and writes one struct math_verdict. When
 * it dies or is too slow it is killed, the pair is "unknown", and the next pair gets a new one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/proc.h"
#include "task/check_math_int.h"

struct request {
    uint32_t gold, answer, mode;
};

struct math_server {
    struct proc proc;
    struct proc_spec spec;
    int ms, restarts;
};

static bool read_all(int fd, void *data, size_t n)
{
    char *b = data;
    for (ssize_t r; n > 0; b += r, n -= (size_t)r)
        if ((r = read(fd, b, n)) <= 0) return false;
    return true;
}

static int serve(int in, int out, void *arg)
{
    static char text[2 * MATH_MAX_BYTES]; /* the child's own copy */
    struct request q;
    (void)arg;
    while (read_all(in, &q, sizeof q)) {
        struct math_verdict v;
        memset(&v, 0, sizeof v);
        if (!read_all(in, text, (size_t)q.gold + q.answer)) break;
        math_grade((struct span){text, q.gold}, (struct span){text + q.gold, q.answer},
                   (enum math_mode)q.mode, &v);
        math_values_done();
        if (write(out, &v, sizeof v) != sizeof v) break;
    }
    return 0;
}

int math_server_open(struct math_server **out, int memory_mb, int ms, struct err *e)
{
    struct math_server *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "the grader", sizeof *s);
    s->ms = ms;
    s->spec = (struct proc_spec){.worker = serve, .no_stderr = true};
    s->spec.limits =
        (struct proc_limits){.memory_bytes = (uint64_t)memory_mb << 20, .n_file = 16};
#ifdef __SANITIZE_ADDRESS__
    s->spec.limits.memory_bytes = 0; /* its shadow is larger than any limit */
#endif
    if (proc_start(&s->proc, &s->spec, e)) {
        mem_free(s);
        return err_wrap(e, "starting the grader");
    }
    *out = s;
    return 0;
}

void math_server_close(struct math_server *s)
{
    if (!s) return;
    proc_kill(&s->proc);
    mem_free(s);
}

int math_server_restarts(const struct math_server *s)
{
    return s->restarts;
}

void math_server_grade(struct math_server *s, struct span gold, struct span answer,
                       enum math_mode mode, struct math_verdict *v)
{
    int64_t deadline = clock_ns() + (int64_t)s->ms * 1000000;
    struct request q = {(uint32_t)gold.n, (uint32_t)answer.n, (uint32_t)mode};
    struct err e;
    *v = (struct math_verdict){.equal = MATH_UNKNOWN};
    if (gold.n > MATH_MAX_BYTES || answer.n > MATH_MAX_BYTES) {
        snprintf(v->how, sizeof v->how, "too long");
        return;
    }
    if (s->proc.pid < 0 && proc_start(&s->proc, &s->spec, &e)) {
        snprintf(v->how, sizeof v->how, "the grader does not start");
        return;
    }
    if (proc_write(&s->proc, &q, sizeof q, deadline) &&
        proc_write(&s->proc, gold.p, gold.n, deadline) &&
        proc_write(&s->proc, answer.p, answer.n, deadline) &&
        proc_read(&s->proc, v, sizeof *v, deadline))
        return;
    bool late = clock_ns() >= deadline;
    *v = (struct math_verdict){.equal = MATH_UNKNOWN};
    snprintf(v->how, sizeof v->how, late ? "time" : "crash");
    proc_kill(&s->proc);
    s->restarts++;
}
