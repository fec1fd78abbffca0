/* proc.h - child processes with pipes, limits, a time-out, and no shell.
 *
 * Every child starts a process group of its own, which is killed as a whole; it gets only the
 * three standard descriptors. A worker is a forked copy of this process that runs a function (for
 * work that may crash or take too long); a program is argv with an environment given in full.
 *
 * Threads: one owner per process. Starting a child from several threads at once is safe.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

/* 0: not limited. */
struct proc_limits {
    uint64_t cpu_s, memory_bytes, file_bytes, n_process, n_file;
};

struct proc_spec {
    const char *const *argv;                   /* a program ... */
    const char *const *env;                    /* NULL: empty */
    const char *dir;                           /* NULL: as it is */
    int (*worker)(int in, int out, void *arg); /* ... or a function; its result is the status */
    void *arg;
    bool (*before)(void *arg); /* in the child before the program starts; false: status 127 */
    int pass_fd;               /* > 0: open in the child as descriptor 4 */
    bool no_stderr; /* the child's stderr goes to /dev/null, else to this process's */
    struct proc_limits limits;
};

struct proc {
    pid_t pid;   /* -1: none */
    int in, out; /* our ends: its stdin, its stdout; -1: closed */
};

/* Fails: ERR_FAILED, ERR_NOT_FOUND when argv[0] cannot be executed. */
int proc_start(struct proc *p, const struct proc_spec *s, struct err *e) must_check;
/* Kills the group, waits, closes both ends. A process that was never started is fine. */
void proc_kill(struct proc *p);
/* Waits until the child ends or the time is over: 1 ended with *status as of waitpid, 0 not. */
int proc_wait(struct proc *p, int64_t timeout_ms, int *status);

/* Exactly n bytes before the deadline (clock_ns); false when the pipe or the time ends. */
bool proc_write(struct proc *p, const void *data, size_t n, int64_t deadline_ns);
bool proc_read(struct proc *p, void *data, size_t n, int64_t deadline_ns);
/* One line without its newline, appended to *line; the bytes behind it stay in *rest, which the
 * caller keeps for the next call. False when the pipe or the time ends, or line is full. */
bool proc_read_line(struct proc *p, struct buf *line, struct buf *rest, int64_t deadline_ns);

enum proc_end { PROC_EXITED, PROC_SIGNALED, PROC_TIMEOUT, PROC_TOO_MUCH };

struct proc_result {
    enum proc_end end;
    int code; /* exit status or signal */
    int64_t wall_ns, cpu_ns;
    uint64_t memory_bytes; /* the largest resident set */
};

/* proc_run - start, write input to its stdin, read its stdout into *out until the end, wait.
 * Output beyond out's cap ends the child with PROC_TOO_MUCH. */
int proc_run(const struct proc_spec *s, struct span input, int64_t timeout_ms, struct buf *out,
             struct proc_result *r, struct err *e) must_check;

#endif
