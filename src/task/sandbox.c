#define _GNU_SOURCE /* unshare, syscall, memfd_create */
#include "task/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/err.h"
#include "base/file.h"

enum { MAX_FILTER = 1024, MAX_ARG = 64 };

static const char *const bwrap_path = "/usr/bin/bwrap";
static const char *const env[] = {
    "PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", "TMPDIR=.", "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONHASHSEED=0",   NULL};

/* ---- the filter --------------------------------------------------------------------------- */

/* Calls that no program which reads its input and prints an answer makes. */
static int filter_rules(scmp_filter_ctx f)
{
    static const int kill_on[] = {
        SCMP_SYS(ptrace),
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(pivot_root),
        SCMP_SYS(bpf),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(io_uring_enter),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(kexec_load),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(delete_module),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(setns),
        SCMP_SYS(unshare),
        SCMP_SYS(reboot),
        SCMP_SYS(swapon),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(chroot),
    };
    for (size_t i = 0; i < countof(kill_on); i++)
        if (seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, kill_on[i], 0)) return -1;
    if (seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
                         SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0)))
        return -1;
    return seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1,
                            SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
}

/* The program in memory behind a descriptor, or -1. */
static int make_filter(void)
{
    int fd = -1;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f) return -1;
    if (filter_rules(f) == 0) {
        fd = (int)syscall(SYS_memfd_create, "filter", MFD_CLOEXEC);
        if (fd >= 0 && seccomp_export_bpf(f, fd) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    seccomp_release(f);
    return fd;
}

/* ---- without bubblewrap: in the child, before the program starts --------------------------- */

struct enter {
    const struct sandbox *s;
    const struct sandbox_job *job;
    struct sock_filter code[MAX_FILTER];
    struct sock_fprog prog;
};

static bool read_filter(struct enter *x)
{
    if (x->s->filter_fd < 0) return false;
    ssize_t n = pread(x->s->filter_fd, x->code, sizeof x->code, 0);
    if (n <= 0 || (size_t)n == sizeof x->code) return false;
    x->prog = (struct sock_fprog){(unsigned short)((size_t)n / sizeof *x->code), x->code};
    return true;
}

static void allow_path(int rules, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr a = {.allowed_access = access};
    a.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (a.parent_fd < 0) return;
    (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
    (void)close(a.parent_fd);
}

static bool restrict_files(const struct sandbox_job *job)
{
    const uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    const uint64_t read =
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    struct landlock_ruleset_attr attr = {.handled_access_fs = all};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0) return false;
    allow_path(rules, "/usr", read);
    allow_path(rules, "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE);
    allow_path(rules, "/dev/null",
               LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow_path(rules, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE);
    allow_path(rules, job->dir, job->dir_writable ? all : read);
    bool ok = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    (void)close(rules);
    return ok;
}

/* Each protection that was found at the start must work again, or the program does not run. */
static bool enter(void *arg)
{
    const struct enter *x = arg;
    const struct sandbox *s = x->s;
    if (s->namespaces &&
        unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    if (s->landlock && !restrict_files(x->job)) return false;
    return !s->seccomp || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &x->prog, 0, 0) == 0;
}

static int run_own(const struct sandbox *s, const struct sandbox_job *job, struct span input,
                   struct buf *out, struct proc_result *r, struct err *e)
{
    struct enter x = {.s = s, .job = job};
    struct proc_spec spec = {.argv = job->argv,
                             .env = env,
                             .dir = job->dir,
                             .before = enter,
                             .arg = &x,
                             .no_stderr = true,
                             .limits = job->limits};
    if (s->seccomp && !read_filter(&x))
        return err_set(e, ERR_BUG, "the seccomp filter is not readable");
    return proc_run(&spec, input, job->wall_ms, out, r, e);
}

/* ---- with bubblewrap ----------------------------------------------------------------------- */

static int run_bwrap(const struct sandbox *s, const struct sandbox_job *job, struct span input,
                     struct buf *out, struct proc_result *r, struct err *e)
{
    const char *arg[MAX_ARG] = {bwrap_path,      "--unshare-all", "--die-with-parent",
                                "--new-session", "--cap-drop",    "ALL",
                                "--ro-bind",     "/usr",          "/usr",
                                "--symlink",     "usr/lib",       "/lib",
                                "--symlink",     "usr/lib64",     "/lib64",
                                "--symlink",     "usr/bin",       "/bin",
                                "--dev",         "/dev",          "--proc",
                                "/proc",         "--tmpfs",       "/tmp",
                                "--chdir",       "/box"};
    size_t n = 0;
    while (arg[n]) n++;
    arg[n++] = job->dir_writable ? "--bind" : "--ro-bind";
    arg[n++] = job->dir;
    arg[n++] = "/box";
    if (s->seccomp) {
        arg[n++] = "--seccomp";
        arg[n++] = "4";
    }
    for (size_t i = 0; job->argv[i]; i++) {
        if (n + 1 >= MAX_ARG)
            return err_set(e, ERR_LIMIT, "a sandboxed program takes at most 24 arguments");
        arg[n++] = job->argv[i];
    }
    struct proc_spec spec = {.argv = arg,
                             .env = env,
                             .no_stderr = true,
                             .limits = job->limits,
                             .pass_fd = s->filter_fd};
    if (s->filter_fd >= 0 && lseek(s->filter_fd, 0, SEEK_SET) < 0)
        return err_errno(e, errno, "rewinding the seccomp filter");
    if (proc_run(&spec, input, job->wall_ms, out, r, e)) return -1;
    if (r->end == PROC_EXITED && r->code > 128 &&
        r->code < 128 + 65) { /* as a shell reports it */
        r->end = PROC_SIGNALED;
        r->code -= 128;
    }
    return 0;
}

int sandbox_run(const struct sandbox *s, const struct sandbox_job *job, struct span input,
                struct buf *out, struct proc_result *r, struct err *e)
{
    return s->bwrap ? run_bwrap(s, job, input, out, r, e) : run_own(s, job, input, out, r, e);
}

/* ---- what works here ----------------------------------------------------------------------- */

static bool works(const struct sandbox *s)
{
    static const char *const argv[] = {"/usr/bin/true", NULL};
    struct sandbox_job job = {.argv = argv, .dir = "/tmp", .wall_ms = 5000};
    struct proc_result r;
    struct buf out;
    buf_init(&out, 4096);
    bool ok = sandbox_run(s, &job, (struct span){"", 0}, &out, &r, NULL) == 0 &&
              r.end == PROC_EXITED && r.code == 0;
    buf_release(&out);
    return ok;
}

int sandbox_open(struct sandbox *s, bool no_bwrap, struct err *e)
{
    *s = (struct sandbox){.filter_fd = make_filter()};
    s->seccomp = s->filter_fd >= 0;
    s->bwrap = !no_bwrap && file_exists(bwrap_path);
    if (s->bwrap && !works(s)) s->bwrap = false;
    if (!s->bwrap) {
        s->namespaces = true;
        if (!works(s)) s->namespaces = false;
        s->landlock = true;
        if (!works(s)) s->landlock = false;
        if (s->seccomp && !works(s)) s->seccomp = false;
        if (!works(s)) {
            sandbox_close(s);
            return err_set(e, ERR_UNSUPPORTED,
                           "no program can be run in a sandbox on this machine");
        }
    }
    snprintf(s->note, sizeof s->note, "%s, %s, %s, limits",
             s->bwrap        ? "bubblewrap (namespaces, own file system)"
             : s->namespaces ? "no bubblewrap: own user, network and IPC namespaces"
                             : "NO namespaces: the network is shut by seccomp alone",
             s->bwrap || s->landlock ? "files fenced" : "NO fence around files (no Landlock)",
             s->seccomp ? "seccomp" : "NO seccomp");
    return 0;
}

void sandbox_close(struct sandbox *s)
{
    if (s->filter_fd >= 0) (void)close(s->filter_fd);
    s->filter_fd = -1;
}
