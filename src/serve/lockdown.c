#define _GNU_SOURCE /* syscall, O_PATH */
#include "serve/lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* Debian 12's header knows ABI 1 and 2; the later bits are the kernel's own numbers. */
#define FS_TRUNCATE   (1ULL << 14)
#define FS_IOCTL_DEV  (1ULL << 15)
#define NET_CONNECT   (1ULL << 1)
#define RULE_NET_PORT 2
#define READ_RIGHTS   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

struct ruleset_attr { /* struct landlock_ruleset_attr of ABI 4 */
    uint64_t handled_fs, handled_net;
};
struct net_port_attr {
    uint64_t allowed, port;
};

static int add_path(int ruleset, const char *path, uint64_t rights, bool must, struct err *e)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat st;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0 || fstat(rule.parent_fd, &st)) {
        int saved = errno;
        if (rule.parent_fd >= 0) close(rule.parent_fd);
        return must ? err_errno(e, saved, "the sandbox: %s", path) : 0;
    }
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &=
            LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int saved = errno;
    close(rule.parent_fd);
    return rc ? err_errno(e, saved, "the sandbox: %s", path) : 0;
}

int lockdown_files(const struct lockdown_paths *p, struct err *e)
{
    /* What the program itself reads while it runs: the machine's memory and cores, random bytes. */
    static const char *const always[] = {
        "/proc/meminfo", "/proc/self",          "/proc/stat",          "/dev/urandom",
        "/dev/null",     "/sys/devices/system", "/sys/class/powercap", "/sys/fs/cgroup"};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        log_warn("serve",
                 "this kernel has no Landlock: the file system stays open to the server");
        return 0;
    }
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (abi >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3) all |= FS_TRUNCATE;
    if (abi >= 5) all |= FS_IOCTL_DEV;
    struct ruleset_attr attr = {.handled_fs = all, .handled_net = abi >= 4 ? NET_CONNECT : 0};
    size_t size = abi >= 4 ? sizeof attr : sizeof attr.handled_fs;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0) return err_errno(e, errno, "the sandbox");
    const uint64_t writing =
        (all & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | FS_IOCTL_DEV |
                           LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < countof(always); i++)
        rc = add_path(fd, always[i], READ_RIGHTS, false, e);
    for (int i = 0; rc == 0 && i < p->n_read; i++)
        rc = add_path(fd, p->read[i], READ_RIGHTS, true, e);
    for (int i = 0; rc == 0 && i < p->n_write; i++)
        rc = add_path(fd, p->write[i], writing, true, e);
    if (rc == 0 && p->connect_port && abi >= 4) {
        struct net_port_attr port = {NET_CONNECT, (uint64_t)p->connect_port};
        if (syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &port, 0))
            rc = err_errno(e, errno, "the sandbox: port %d", p->connect_port);
    }
    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        rc = err_errno(e, errno, "no_new_privs");
    if (rc == 0 && syscall(SYS_landlock_restrict_self, fd, 0))
        rc = err_errno(e, errno, "the sandbox");
    close(fd);
    if (rc == 0 && abi < 4)
        log_warn("serve", "this kernel's Landlock does not cover the network; seccomp does");
    return rc;
}

int lockdown_calls(bool allow_connect, struct err *e)
{
    static const int always[] = {
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(fork),
        SCMP_SYS(vfork),
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(setns),
        SCMP_SYS(unshare),
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(bind),
        SCMP_SYS(listen),
        SCMP_SYS(sendmmsg),
        SCMP_SYS(socketpair),
    };
    static const int network[] = {SCMP_SYS(socket), SCMP_SYS(connect)};
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f) return err_oom(e, "the system call filter", 4096);
    int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; rc == 0 && i < countof(always); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), always[i], 0);
    for (size_t i = 0; rc == 0 && !allow_connect && i < countof(network); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), network[i], 0);
    /* A datagram needs no connect: refuse sendto and sendmsg with an address. */
    const struct scmp_arg_cmp has_address = {
        .arg = 4, .op = SCMP_CMP_NE, .datum_a = 0, .datum_b = 0};
    if (rc == 0 && !allow_connect)
        rc =
            seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendto), 1, &has_address);
    if (rc == 0) rc = seccomp_load(f);
    seccomp_release(f);
    if (rc == -EINVAL || rc == -ENOSYS) {
        log_warn("serve",
                 "this kernel has no seccomp filters: system calls stay open to the server");
        return 0;
    }
    return rc ? err_errno(e, -rc, "the system call filter") : 0;
}
