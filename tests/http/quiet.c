/* quiet.c - runs a command in a network of its own, with loopback and one Ethernet interface that leads
 * to us, and fails when the command sends anything out of it.
 *   quiet PROGRAM [ARGUMENT ...]
 * First a datagram is sent on purpose: the interface must hear it. Exit status: the command's; 1 when
 * a frame went out; 77 where no namespaces can be made. Without arguments it only says so, because
 * the test runner starts every program once. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int skip(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    return 77;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, text, strlen(text)) < 0) errno = 0;
    close(fd);
}

static int enter(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) return -1;
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    put("/proc/self/gid_map", map);
    /* The kernel's own greetings are not the command's. */
    put("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    put("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    return 0;
}

static int set_up(int s, const char *name, const char *address)
{
    struct ifreq r = {0};
    struct sockaddr_in a = {.sin_family = AF_INET};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    inet_pton(AF_INET, address, &a.sin_addr);
    memcpy(&r.ifr_addr, &a, sizeof a);
    if (ioctl(s, SIOCSIFADDR, &r)) return -1;
    inet_pton(AF_INET, "255.255.255.0", &a.sin_addr);
    memcpy(&r.ifr_netmask, &a, sizeof a);
    if (ioctl(s, SIOCSIFNETMASK, &r) || ioctl(s, SIOCGIFFLAGS, &r)) return -1;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP | IFF_RUNNING);
    return ioctl(s, SIOCSIFFLAGS, &r);
}

/* Everything that is not loopback goes out by the interface. */
static int default_route(int s)
{
    struct rtentry r = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in a = {.sin_family = AF_INET};
    memcpy(&r.rt_dst, &a, sizeof a);
    memcpy(&r.rt_genmask, &a, sizeof a);
    inet_pton(AF_INET, "10.99.0.1", &a.sin_addr);
    memcpy(&r.rt_gateway, &a, sizeof a);
    return ioctl(s, SIOCADDRT, &r);
}

/* Frames that came within the time. */
static int heard(int tap, int ms)
{
    unsigned char frame[2048];
    struct pollfd p = {.fd = tap, .events = POLLIN};
    int n = 0;
    while (poll(&p, 1, ms) > 0) {
        ssize_t got = read(tap, frame, sizeof frame);
        if (got <= 0) break;
        n++;
        if (n <= 5) printf("a frame of %zd bytes, type %02x%02x\n", got, frame[12], frame[13]);
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        puts("a program for the HTTP tests; see tests/http");
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (enter()) return skip("a network namespace is not allowed");
    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(r.ifr_name, sizeof r.ifr_name, "tap0");
    if (tap < 0 || ioctl(tap, TUNSETIFF, &r)) return skip("a tap interface is not allowed");
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (set_up(s, "lo", "127.0.0.1") || set_up(s, "tap0", "10.99.0.2") || default_route(s))
        return skip("the interfaces cannot be set up");
    heard(tap, 500);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, "9.9.9.9", &to.sin_addr);
    if (sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof to) < 0) return skip("no route");
    close(s);
    printf("the interface hears:\n");
    if (heard(tap, 3500) == 0) {
        puts("FAILED: the interface does not hear what is sent");
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    printf("now %s:\n", argv[1]);
    int status = 0, n = 0;
    do {
        n += heard(tap, 100);
    } while (waitpid(child, &status, WNOHANG) == 0);
    n += heard(tap, 500);
    if (n) {
        printf("FAILED: %d frames went out\n", n);
        return 1;
    }
    puts("nothing went out");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
