/* listen.h - listening sockets: TCP on an address, or a Unix socket.
 *
 * "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:8080", "localhost:8080", ":8080" (loopback), "8080",
 * "unix:/path". Names are not resolved, so nothing leaves the machine.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>

#include "base/attr.h"

struct err;

/* The open socket in *fd; *local says that only this machine can reach it. A Unix socket is made
 * with mode 0600; a stale one in its place is removed. */
int listen_open(const char *where, int *fd, bool *local, struct err *e) must_check;
/* Of a socket somebody else opened. */
bool listen_is_local(int fd);
int listen_port(int fd); /* 0: not TCP */

#endif
