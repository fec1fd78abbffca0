#define _DEFAULT_SOURCE /* wait4, close_range's number */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

/* ---- in the child: only calls that are safe after fork ------------------------------------- */

static bool limit(int what, uint64_t value)
{
    if (value == 0) return true;
    /* CPU time ends with SIGXCPU; the hard limit's SIGKILL would look like any other. */
    struct rlimit r = {(rlim_t)value, (rlim_t)value + (what == (int)RLIMIT_CPU)};
    return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

static bool set_limits(const struct proc_limits *l)
{
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && limit(RLIMIT_CPU, l->cpu_s) &&
           limit(RLIMIT_AS, l->memory_bytes) && limit(RLIMIT_FSIZE, l->file_bytes) &&
           limit(RLIMIT_NPROC, l->n_process) && limit(RLIMIT_NOFILE, l->n_file);
}

static void close_from(int fd)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)fd, ~0u, 0) == 0) return;
#endif
    long n = sysconf(_SC_OPEN_MAX);
    for (int i = fd; i < (n > 0 && n < 65536 ? n : 65536); i++) (void)close(i);
}

static void set_signals(void)
{
    sigset_t none;
    struct sigaction sa = {.sa_handler = SIG_DFL};
    sigemptyset(&none);
    for (int s = 1; s < 32; s++) (void)sigaction(s, &sa, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Never returns. What failed is reported through the report pipe as one int. */
static void child(const struct proc_spec *s, int in, int out, int report)
{
    static char *const no_env[] = {NULL};
    int null = open("/dev/null", O_RDWR);
    /* Away from 0 to 4 first, wherever they are. */
    int high_in = fcntl(in, F_DUPFD, 10), high_out = fcntl(out, F_DUPFD, 10);
    int pass = s->pass_fd > 0 ? fcntl(s->pass_fd, F_DUPFD, 10) : -1;
    int high_report = fcntl(report, F_DUPFD, 10);
    (void)setpgid(0, 0);
    set_signals();
    if (dup2(high_report, 3) < 0) goto fail;
    if (dup2(high_in, 0) < 0 || dup2(high_out, 1) < 0 || (s->no_stderr && dup2(null, 2) < 0))
        goto fail;
    if (pass >= 0 && dup2(pass, 4) < 0) goto fail;
    close_from(pass >= 0 ? 5 : 4);
    (void)fcntl(3, F_SETFD, FD_CLOEXEC);
    if (s->dir && chdir(s->dir) != 0) goto fail;
    if (!set_limits(&s->limits)) goto fail;
    if (s->worker) {
        (void)close(3);
        _exit(s->worker(0, 1, s->arg));
    }
    if (s->before && !s->before(s->arg)) _exit(127);
    char *const *argv, *const *env = no_env;
    memcpy(&argv, &s->argv, sizeof argv); /* execve takes its arrays without const */
    if (s->env) memcpy(&env, &s->env, sizeof env);
    (void)execve(s->argv[0], argv, env);
fail:;
    int code = errno;
    ssize_t n = write(3, &code, sizeof code);
    _exit(n == sizeof code ? 127 : 126);
}

/* ---- in the parent ------------------------------------------------------------------------- */

static void shut(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

static bool open_pipe(int fd[2])
{
    if (pipe(fd) != 0) {
        fd[0] = fd[1] = -1;
        return false;
    }
    for (int i = 0; i < 2; i++) (void)fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    return true;
}

int proc_start(struct proc *p, const struct proc_spec *s, struct err *e)
{
    int in[2], out[2] = {-1, -1}, report[2] = {-1, -1}, code = 0;
    const char *name = s->argv ? s->argv[0] : "a worker";
    *p = (struct proc){-1, -1, -1};
    if (!open_pipe(in) || !open_pipe(out) || !open_pipe(report)) {
        err_errno(e, errno, "making pipes for %s", name);
        goto fail;
    }
    p->pid = fork();
    if (p->pid < 0) {
        err_errno(e, errno, "starting %s", name);
        goto fail;
    }
    if (p->pid == 0) child(s, in[0], out[1], report[1]);
    (void)setpgid(p->pid, p->pid); /* both sides do it: whoever is first */
    shut(&in[0]);
    shut(&out[1]);
    shut(&report[1]);
    p->in = in[1];
    p->out = out[0];
    (void)fcntl(p->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(p->out, F_SETFL, O_NONBLOCK);
    ssize_t n = read(report[0], &code, sizeof code); /* ends when the program runs */
    shut(&report[0]);
    if (n != sizeof code) return 0;
    proc_kill(p);
    return err_errno(e, code, "starting %s", name);
fail:
    for (int i = 0; i < 2; i++) {
        shut(&in[i]);
        shut(&out[i]);
        shut(&report[i]);
    }
    p->pid = -1;
    return -1;
}

void proc_kill(struct proc *p)
{
    if (p->pid > 0) {
        (void)kill(-p->pid, SIGKILL);
        (void)kill(p->pid, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {}
    }
    p->pid = -1;
    shut(&p->in);
    shut(&p->out);
}

int proc_wait(struct proc *p, int64_t timeout_ms, int *status)
{
    int64_t end = clock_ns() + timeout_ms * 1000000, nap = 100000;
    if (p->pid <= 0) return 0;
    for (;;) {
        pid_t r = waitpid(p->pid, status, WNOHANG);
        if (r == p->pid) {
            (void)kill(-p->pid, SIGKILL); /* what it started and left behind */
            p->pid = -1;
            return 1;
        }
        if (r < 0 && errno != EINTR) return 0;
        if (clock_ns() >= end) return 0;
        clock_sleep_ns(nap);
        if (nap < 5000000) nap *= 2;
    }
}

/* Waits for the descriptor; false when the time is over. */
static bool ready(int fd, short what, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = deadline_ns - clock_ns();
        if (left <= 0) return false;
        struct pollfd f = {.fd = fd, .events = what};
        int r = poll(&f, 1, (int)(left / 1000000 < 60000 ? left / 1000000 + 1 : 60000));
        if (r > 0) return true;
        if (r < 0 && errno != EINTR) return false;
    }
}

/* A write to a child that is gone must be an error, not a signal for the whole program. */
static ssize_t write_quietly(int fd, const void *data, size_t n)
{
    sigset_t pipe_only, old, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
    ssize_t w = write(fd, data, n);
    int code = errno;
    if (w < 0 && code == EPIPE && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE)) {
        struct timespec now = {0, 0};
        (void)sigtimedwait(&pipe_only, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    return w;
}

bool proc_write(struct proc *p, const void *data, size_t n, int64_t deadline_ns)
{
    const char *b = data;
    while (n > 0) {
        ssize_t w = write_quietly(p->in, b, n);
        if (w > 0) {
            b += w;
            n -= (size_t)w;
        } else if (w < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!ready(p->in, POLLOUT, deadline_ns)) {
            return false;
        }
    }
    return true;
}

/* Some bytes, 0 at the end of the pipe, -1 when the time is over or on an error. */
static ssize_t read_some(struct proc *p, void *data, size_t n, int64_t deadline_ns)
{
    for (;;) {
        ssize_t r = read(p->out, data, n);
        if (r >= 0) return r;
        if (errno != EAGAIN && errno != EINTR) return -1;
        if (!ready(p->out, POLLIN, deadline_ns)) return -1;
    }
}

bool proc_read(struct proc *p, void *data, size_t n, int64_t deadline_ns)
{
    char *b = data;
    while (n > 0) {
        ssize_t r = read_some(p, b, n, deadline_ns);
        if (r <= 0) return false;
        b += r;
        n -= (size_t)r;
    }
    return true;
}

bool proc_read_line(struct proc *p, struct buf *line, struct buf *rest, int64_t deadline_ns)
{
    size_t from = 0;
    for (;;) {
        const char *nl =
            rest->len > from ? memchr(rest->data + from, '\n', rest->len - from) : NULL;
        if (nl) {
            size_t n = (size_t)(nl - rest->data);
            buf_add(line, rest->data, n);
            memmove(rest->data, nl + 1, rest->len - n - 1);
            rest->len -= n + 1;
            return !line->failed;
        }
        from = rest->len;
        char chunk[4096];
        ssize_t r = read_some(p, chunk, sizeof chunk, deadline_ns);
        if (r <= 0) return false;
        buf_add(rest, chunk, (size_t)r);
        if (rest->failed) return false;
    }
}

static int64_t cpu_ns(const struct rusage *u)
{
    return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000000 +
           (int64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1000;
}

/* Feeds and reads until the child closes its output. */
static enum proc_end talk(struct proc *p, struct span input, int64_t deadline, struct buf *out)
{
    char chunk[8192];
    size_t sent = 0;
    for (;;) {
        if (p->in >= 0 && sent == input.n) shut(&p->in);
        struct pollfd f[2] = {{.fd = p->out, .events = POLLIN},
                              {.fd = p->in, .events = POLLOUT}};
        int64_t left = deadline - clock_ns();
        if (left <= 0) return PROC_TIMEOUT;
        int r = poll(f, p->in >= 0 ? 2 : 1,
                     (int)(left / 1000000 < 60000 ? left / 1000000 + 1 : 60000));
        if (r < 0 && errno != EINTR) return PROC_TIMEOUT;
        if (r <= 0) continue;
        if (p->in >= 0 && f[1].revents) {
            ssize_t w = write_quietly(p->in, input.p + sent, input.n - sent);
            if (w > 0) sent += (size_t)w;
            if (w < 0 && errno != EAGAIN && errno != EINTR)
                sent = input.n; /* it does not read */
        }
        if (!f[0].revents) continue;
        ssize_t n = read(p->out, chunk, sizeof chunk);
        if (n == 0) return PROC_EXITED;
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) continue;
            return PROC_EXITED;
        }
        buf_add(out, chunk, (size_t)n);
        if (out->failed) return PROC_TOO_MUCH;
    }
}

int proc_run(const struct proc_spec *s, struct span input, int64_t timeout_ms, struct buf *out,
             struct proc_result *r, struct err *e)
{
    struct proc p;
    int64_t t0 = clock_ns(), deadline = t0 + timeout_ms * 1000000, nap = 50000;
    int status = 0;
    struct rusage use;
    *r = (struct proc_result){.end = PROC_EXITED};
    memset(&use, 0, sizeof use);
    if (proc_start(&p, s, e)) return -1;
    r->end = talk(&p, input, deadline, out);
    /* Its output is closed; it may still run. */
    pid_t done = 0;
    while (r->end == PROC_EXITED && (done = wait4(p.pid, &status, WNOHANG, &use)) == 0) {
        if (clock_ns() >= deadline) r->end = PROC_TIMEOUT;
        clock_sleep_ns(nap);
        if (nap < 2000000) nap *= 2;
    }
    (void)kill(-p.pid, SIGKILL);
    if (done != p.pid) {
        (void)kill(p.pid, SIGKILL);
        while ((done = wait4(p.pid, &status, 0, &use)) < 0 && errno == EINTR) {}
    }
    p.pid = -1;
    proc_kill(&p); /* closes the pipes */
    r->wall_ns = clock_ns() - t0;
    r->cpu_ns = cpu_ns(&use);
    r->memory_bytes = (uint64_t)use.ru_maxrss * 1024;
    if (r->end == PROC_EXITED && WIFSIGNALED(status)) r->end = PROC_SIGNALED;
    r->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}
