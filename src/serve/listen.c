#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

enum { BACKLOG = 1024 };

static int listen_unix(const char *path, int *fd, struct err *e)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof sa.sun_path)
        return err_set(e, ERR_USAGE, "the socket path %s is longer than %zu bytes", path,
                       sizeof sa.sun_path - 1);
    memcpy(sa.sun_path, path, strlen(path));
    if (stat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(e, ERR_USAGE, "%s is there already and is not a socket", path);
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(probe, (struct sockaddr *)&sa, sizeof sa);
        close(probe);
        if (rc == 0) return err_set(e, ERR_USAGE, "another server listens on %s", path);
        unlink(path);
    }
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0) return err_errno(e, errno, "socket");
    mode_t old = umask(0177);
    int rc = bind(*fd, (struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (rc || listen(*fd, BACKLOG)) {
        err_errno(e, errno, "listening on %s", path);
        close(*fd);
        return -1;
    }
    return 0;
}

/* Splits into host and port; host of at most 63 characters without brackets. */
static int split(const char *where, char host[64], uint16_t *port, struct err *e)
{
    const char *colon = strrchr(where, ':');
    const char *digits = colon ? colon + 1 : where;
    size_t n = colon ? (size_t)(colon - where) : 0;
    char *end;
    unsigned long v = strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || v > 65535)
        return err_set(e, ERR_USAGE,
                       "'%s' is not an address such as 127.0.0.1:8080 or unix:/path", where);
    if (n >= 2 && where[0] == '[' && where[n - 1] == ']') {
        where++;
        n -= 2;
    }
    if (n >= 64) return err_set(e, ERR_USAGE, "the address '%s' is too long", where);
    memcpy(host, where, n);
    host[n] = 0;
    *port = (uint16_t)v;
    if (n == 0 || strcmp(host, "localhost") == 0) memcpy(host, "127.0.0.1", 10);
    return 0;
}

int listen_open(const char *where, int *fd, bool *local, struct err *e)
{
    char host[64];
    uint16_t port;
    if (strncmp(where, "unix:", 5) == 0) {
        *local = true;
        return listen_unix(where + 5, fd, e);
    }
    if (split(where, host, &port, e)) return -1;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool v6 = strchr(host, ':') != NULL;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, host,
                  v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
        return err_set(e, ERR_USAGE, "'%s' is not an IP address; names are not looked up",
                       host);
    *fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0) return err_errno(e, errno, "socket");
    int one = 1;
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = v6 ? bind(*fd, (struct sockaddr *)&in6, sizeof in6)
                : bind(*fd, (struct sockaddr *)&in, sizeof in);
    if (rc || listen(*fd, BACKLOG)) {
        err_errno(e, errno, "listening on %s", where);
        if (errno == EADDRINUSE)
            err_hint(e, "another program uses port %u; choose one with --listen", port);
        close(*fd);
        return -1;
    }
    *local = listen_is_local(*fd);
    return 0;
}

static bool address(int fd, struct sockaddr_storage *sa)
{
    socklen_t n = sizeof *sa;
    return getsockname(fd, (struct sockaddr *)sa, &n) == 0;
}

bool listen_is_local(int fd)
{
    struct sockaddr_storage sa = {0};
    if (!address(fd, &sa)) return false;
    if (sa.ss_family == AF_UNIX) return true;
    if (sa.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)(void *)&sa)->sin_addr.s_addr) >> 24 == 127;
    if (sa.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&sa)->sin6_addr);
    return false;
}

int listen_port(int fd)
{
    struct sockaddr_storage sa = {0};
    if (!address(fd, &sa)) return 0;
    if (sa.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)(void *)&sa)->sin_port);
    if (sa.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)(void *)&sa)->sin6_port);
    return 0;
}
