/* sandbox.h - a program that nobody has read, run where it can do no harm.
 *
 * With bubblewrap: own user, process, network, mount and IPC namespaces, a file system of /usr
 * (read only), an empty /tmp and the job's folder. Without it: what the kernel allows of
 * namespaces, Landlock (read and execute under /usr, write in the job's folder). In both: no new
 * privileges, a seccomp filter that kills on calls no answer needs, and resource limits. What is
 * missing is named in `note`, never left out silently.
 */
#ifndef TASK_SANDBOX_H
#define TASK_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/proc.h"

struct err;

struct sandbox {
    bool bwrap, namespaces, landlock, seccomp;
    int filter_fd;  /* the seccomp program, -1: none */
    char note[240]; /* what protects, and what is missing */
};

/* Finds out by running /usr/bin/true in each form. no_bwrap: as if bubblewrap were not here. */
int sandbox_open(struct sandbox *s, bool no_bwrap, struct err *e) must_check;
void sandbox_close(struct sandbox *s);

struct sandbox_job {
    const char *const *argv; /* argv[0] is an absolute path; files of dir by their bare names */
    const char *dir;         /* the job's folder: its working directory */
    bool dir_writable;
    struct proc_limits limits;
    int64_t wall_ms;
};

/* As proc_run; a signal of the program is in result->code, also through bubblewrap. */
int sandbox_run(const struct sandbox *s, const struct sandbox_job *job, struct span input,
                struct buf *out, struct proc_result *r, struct err *e) must_check;

#endif
