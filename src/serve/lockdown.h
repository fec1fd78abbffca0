/* lockdown.h - what the server gives up so that a mistake in it, or in a library, cannot send a
 * prompt away or read another file.
 *
 *   files   Landlock: the file system is closed except for the paths named; TCP connects are
 *           refused (kernel ABI 4 and later). It binds the calling thread and those it starts, so
 *           it comes first of all.
 *   calls   seccomp on all threads: no program is started, no socket is made or connected, no
 *           other process is looked at. Such a call fails with EPERM; it does not kill.
 *
 * Where the kernel lacks one of them, a line in the log says so and the rest still holds.
 */
#ifndef SERVE_LOCKDOWN_H
#define SERVE_LOCKDOWN_H

#include <stdbool.h>

#include "base/attr.h"

struct err;

struct lockdown_paths {
    const char *const *read; /* files or directories that stay readable */
    int n_read;
    const char *const *write; /* directories that stay writable */
    int n_write;
    int connect_port; /* of a shared ledger; 0: no TCP connect at all */
};

int lockdown_files(const struct lockdown_paths *p, struct err *e) must_check;
/* allow_connect: a shared ledger must be able to connect again. */
int lockdown_calls(bool allow_connect, struct err *e) must_check;

#endif
