/* tarn doctor: is this machine well set up for answering? One line for each thing looked at; what is
 * wrong says what to do. Status 1 when something does not work, 0 when all does, warnings or not. */
#define _GNU_SOURCE /* O_DIRECT */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/size.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "kernel/roof.h"

extern const struct command cmd_doctor;

enum { READ_CHUNK = 8 << 20, READ_TOTAL = 256 << 20, REPLY_S = 5, SAY_TOKENS = 16 };

static struct {
    int64_t port;
    bool quick;
} o = {.port = 8080};

static const struct opt own_opts[] = {
    {"port", 0, OPT_INT, &o.port, "N", "the server's port (8080)", 1, 65535},
    {"quick", 0, OPT_FLAG, &o.quick, NULL, "do not measure the memory's speed", 0, 0},
    {.type = OPT_END},
};

/* ---- lines --------------------------------------------------------------------------------- */

enum verdict { GOOD, NOTE, BAD };

static struct {
    struct buf json;
    int n_bad, n_note;
} report;

static void say(enum verdict v, const char *what, const char *fmt, ...) printf_like(3, 4);
static void say(enum verdict v, const char *what, const char *fmt, ...)
{
    static const char *const word[] = {"ok", "note", "BAD"};
    static const char *const paint[] = {"\033[32m", "\033[33m", "\033[31m"};
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    report.n_bad += v == BAD;
    report.n_note += v == NOTE;
    if (cli.json) {
        buf_printf(&report.json,
                   "%s{\"check\":\"%s\",\"state\":\"%s\",\"text\":", report.json.len ? "," : "",
                   what, word[v]);
        buf_add_json(&report.json, span_of(text));
        buf_add_char(&report.json, '}');
        return;
    }
    bool color = cli_color() && isatty(STDOUT_FILENO);
    printf("%s%-4s%s  %-9s %s\n", color ? paint[v] : "", word[v], color ? "\033[0m" : "", what,
           text);
    fflush(stdout);
}

/* ---- processor and memory ------------------------------------------------------------------ */

static void check_cpu(void)
{
    enum cpu_level has = cpu_detect(), used = kernels()->level;
    int threads = cli_threads(), cores = thread_cores();
    if (used != has)
        say(NOTE, "cpu", "%s is used though this processor has %s: unset TARN_CPU",
            cpu_level_name(used), cpu_level_name(has));
    else if (used == CPU_REF)
        say(NOTE, "cpu",
            "plain C is used: this processor has no instructions we have kernels for");
    else
        say(GOOD, "cpu", "%s, all that this processor has", cpu_level_name(used));
    if (threads > cores)
        say(NOTE, "threads", "%d threads on %d cores: more than cores makes it slower", threads,
            cores);
    else
        say(GOOD, "threads", "%d of %d cores", threads, cores);
}

/* A line "NAME:  N kB" of a file under /proc, in bytes; 0 if there is none. */
static uint64_t proc_value(const char *path, const char *name)
{
    char line[256];
    unsigned long long kb;
    uint64_t value = 0;
    FILE *f = fopen(path, "re");
    size_t n = strlen(name);
    while (f && !value && fgets(line, sizeof line, f))
        if (strncmp(line, name, n) == 0 && line[n] == ':' &&
            sscanf(line + n + 1, "%llu", &kb) == 1)
            value = kb * 1024;
    if (f) fclose(f);
    return value;
}

static void check_memory(void)
{
    char a[32], b[32];
    uint64_t total = proc_value("/proc/meminfo", "MemTotal"),
             free = proc_value("/proc/meminfo", "MemAvailable");
    say(total && free < total / 10 ? NOTE : GOOD, "memory", "%s free of %s", cli_bytes(free, a),
        cli_bytes(total, b));
    char mode[64] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (!f) return;
    if (!fgets(mode, sizeof mode, f)) mode[0] = 0;
    fclose(f);
    if (strstr(mode, "[never]"))
        say(NOTE, "pages",
            "huge pages are off: \"madvise\" in "
            "/sys/kernel/mm/transparent_hugepage/enabled makes large models faster");
    else
        say(GOOD, "pages", "huge pages can be had");
}

/* Bytes a second that all threads read, 0 when not measured. */
static double check_bandwidth(void)
{
    struct pool *pool;
    struct roof r;
    struct err e;
    if (o.quick || proc_value("/proc/meminfo", "MemAvailable") < 4UL * ROOF_BUFFER_BYTES)
        return 0;
    if (pool_create(&pool, cli_threads(), &e)) return 0;
    int rc = roof_measure(&r, pool, kernels()->level, &e);
    pool_free(pool);
    if (rc) {
        say(BAD, "bandwidth", "%s", e.msg);
        return 0;
    }
    say(GOOD, "bandwidth", "memory reads %.1f GB/s with %d threads, %.1f with one",
        r.read.all * 1e-9, r.n_thread, r.read.one * 1e-9);
    return r.read.all;
}

/* ---- disk ---------------------------------------------------------------------------------- */

/* Reads the first part of a file past the system's cache, where that is possible. */
static void check_disk(const char *path)
{
    struct stat st;
    char size[32];
    bool direct = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd < 0) {
        direct = false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    unsigned char *to = mem_map(READ_CHUNK);
    if (fd < 0 || !to || fstat(fd, &st) != 0) {
        say(BAD, "disk", "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    int64_t t0 = clock_ns(), total = 0;
    ssize_t n;
    while (total < READ_TOTAL && (n = pread(fd, to, READ_CHUNK, (off_t)total)) > 0) total += n;
    double rate = (double)total / (ns_to_s(clock_ns() - t0) + 1e-9);
    if (total == 0)
        say(BAD, "disk", "cannot read %s: %s", path, strerror(errno));
    else if (!direct)
        say(GOOD, "disk", "%.2f GB/s, but perhaps from the system's cache", rate * 1e-9);
    else
        say(rate < 100e6 ? NOTE : GOOD, "disk", "reads %.2f GB/s: %s in about %.0f s",
            rate * 1e-9, cli_bytes((uint64_t)st.st_size, size), (double)st.st_size / rate);
out:
    mem_unmap(to, READ_CHUNK);
    if (fd >= 0) close(fd);
}

/* ---- the port ------------------------------------------------------------------------------ */

/* Looks through /proc/net/tcp or tcp6 for somebody who listens on the port. Returns 0 for nobody, 1
 * for loopback only, 2 for more. */
static int listens(const char *path, unsigned port)
{
    char line[512], addr[40];
    unsigned p, state;
    int found = 0;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, " %*d: %39[0-9A-F]:%4X %*39[0-9A-F]:%*4X %2X", addr, &p, &state) !=
                3 ||
            state != 0x0a || p != port)
            continue;
        bool loop = strlen(addr) == 8 ? strcmp(addr + 6, "7F") == 0
                                      : strcmp(addr, "00000000000000000000000001000000") == 0;
        if (found < 1 + !loop) found = 1 + !loop;
    }
    if (f) fclose(f);
    return found;
}

/* Status of GET path from 127.0.0.1:port without a key; -1 when nothing answers in time. */
static int get_status(const char *path)
{
    char text[512];
    int status = -1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)o.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = REPLY_S};
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", path,
                     (int)o.port);
    ssize_t got = -1;
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, text, (size_t)n, MSG_NOSIGNAL) == n)
        got = recv(fd, text, sizeof text - 1, 0);
    if (got > 0) {
        text[got] = 0;
        if (sscanf(text, "HTTP/1.%*d %d", &status) != 1) status = -1;
    }
    close(fd);
    return status;
}

static void check_port(void)
{
    int four = listens("/proc/net/tcp", (unsigned)o.port),
        six = listens("/proc/net/tcp6", (unsigned)o.port), most = four > six ? four : six;
    if (most == 0) {
        say(GOOD, "port", "nobody listens on %d", (int)o.port);
        return;
    }
    int health = get_status("/health"), models = get_status("/v1/models");
    if (most == 2 && models == 200)
        say(BAD, "port",
            "%d is open to the network and answers without a key: listen on 127.0.0.1, or "
            "`tarn "
            "keys add`",
            (int)o.port);
    else if (most == 2)
        say(NOTE, "port", "%d is open to the network%s", (int)o.port,
            models == 401 ? "; a key is asked for" : "");
    else
        say(GOOD, "port", "%d listens on this machine only%s", (int)o.port,
            models == 401 ? " and asks for a key" : "");
    if (health == 200)
        say(GOOD, "server", "answers on %d", (int)o.port);
    else if (health < 0)
        say(NOTE, "server", "%d is taken, but does not speak HTTP to us", (int)o.port);
    else
        say(NOTE, "server", "/health on %d says %d", (int)o.port, health);
}

/* ---- a model ------------------------------------------------------------------------------- */

/* The smallest model in the model directories. False when there is none. */
static bool find_model(char *out, size_t size)
{
    const char *dir;
    uint64_t best = UINT64_MAX;
    for (int i = 0; (dir = cli_model_dir(i)); i++) {
        DIR *d = opendir(dir);
        for (struct dirent *de; d && (de = readdir(d));) {
            size_t n = strlen(de->d_name);
            struct err ignored;
            uint64_t bytes;
            char *path = n > 5 && strcmp(de->d_name + n - 5, ".gguf") == 0
                             ? file_join(dir, de->d_name)
                             : NULL;
            if (path && file_size(path, &bytes, &ignored) == 0 && bytes < best &&
                strlen(path) < size) {
                best = bytes;
                memcpy(out, path, strlen(path) + 1);
            }
            mem_free(path);
        }
        if (d) closedir(d);
    }
    return best != UINT64_MAX;
}

/* Greedy, a few tokens; the same answer twice, the second time from the cached prefix. */
static int ask_twice(struct loaded *l, struct answer a[2], struct err *e)
{
    struct tok_list ids = {0};
    int rc = vocab_encode(l->vocab,
                          span_of("What is six times seven? Think about it step by step, and "
                                  "then give the number alone."),
                          false, true, &ids, e);
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct gen_request r;
        gen_request_defaults(&r);
        r.prompt = ids.id;
        r.n_prompt = (int64_t)ids.n;
        r.max_tokens = SAY_TOKENS;
        r.ignore_eos = true;
        a[i] = (struct answer){0};
        rc = answer_run(&a[i], l->engine, &r, e);
        if (rc) answer_release(&a[i]);
        if (rc && i == 1) answer_release(&a[0]);
    }
    tok_list_release(&ids);
    return rc;
}

static void check_answer(struct loaded *l, double bandwidth)
{
    struct answer a[2];
    struct err e;
    if (ask_twice(l, a, &e)) {
        say(BAD, "request", "%s", e.msg);
        return;
    }
    bool same = a[0].text.len + a[0].reasoning.len == a[1].text.len + a[1].reasoning.len &&
                memcmp(buf_str(&a[0].text), buf_str(&a[1].text), a[0].text.len) == 0;
    double s = ns_to_s(a[1].times.decode_ns);
    double rate = s > 0 ? (double)(a[1].counts.completion_tokens - 1) / s : 0;
    if (!same)
        say(BAD, "request", "the same question was answered differently twice");
    else
        say(GOOD, "request",
            "answers itself, twice the same; %.1f tokens/s, first after %.2f s", rate,
            ns_to_s(a[0].times.prefill_ns));
    double bytes = (double)model_active_bytes(l->model);
    if (bandwidth > 0 && bytes > 64e6 && rate < 0.4 * bandwidth / bytes)
        say(NOTE, "speed", "%.0f %% of what memory allows: is something else running?",
            100 * rate * bytes / bandwidth);
    answer_release(&a[0]);
    answer_release(&a[1]);
}

static void check_model(const char *arg, double bandwidth)
{
    char path[4096], a[32], b[32], c[32], d[32];
    struct loaded l;
    struct err e;
    if (cli_model_path(arg, path, sizeof path, &e)) {
        say(BAD, "model", "%s", e.msg);
        return;
    }
    if (!file_is_dir(path)) check_disk(path);
    uint64_t free_now = proc_value("/proc/meminfo", "MemAvailable"),
             before = proc_value("/proc/self/status", "VmRSS");
    if (!load_opts.ctx) load_opts.ctx = 4096;
    if (load_engine(&l, path, &e)) {
        say(BAD, "model", "%s%s%s", e.msg, e.hint[0] ? "; " : "", e.hint);
        return;
    }
    say(l.plan.total > free_now && free_now ? NOTE : GOOD, "plan",
        "%s needs %s: weights %s, cache %s, scratch %s", path, cli_bytes(l.plan.total, a),
        cli_bytes(l.plan.weights, b), cli_bytes(l.plan.cache, c), cli_bytes(l.plan.scratch, d));
    check_answer(&l, bandwidth);
    uint64_t now = proc_value("/proc/self/status", "VmRSS");
    uint64_t most = l.plan.total + l.plan.total / 10 + (64 << 20);
    uint64_t taken = now > before ? now - before : 0;
    say(taken > most ? BAD : GOOD, "resident",
        "%s taken of %s planned (the cache fills as it is used)", cli_bytes(taken, a),
        cli_bytes(l.plan.total, b));
    loaded_release(&l);
}

static int run(int argc, char **argv, struct err *e)
{
    char found[4096];
    if (argc > 1) return cli_usage(&cmd_doctor, e);
    buf_init(&report.json, 1 << 20);
    check_cpu();
    check_memory();
    double bandwidth = check_bandwidth();
    check_port();
    if (argc == 1)
        check_model(argv[0], bandwidth);
    else if (find_model(found, sizeof found))
        check_model(found, bandwidth);
    else
        say(NOTE, "model",
            "none here; name one to have its plan, the disk and a request checked");
    if (cli.json)
        printf("{\"checks\":[%s],\"bad\":%d,\"notes\":%d}\n", buf_str(&report.json),
               report.n_bad, report.n_note);
    buf_release(&report.json);
    if (report.n_bad == 0) return 0;
    return err_set(e, ERR_DEVICE, "%d of the checks failed", report.n_bad);
}

const struct command cmd_doctor = {
    .verb = "doctor",
    .args = "[MODEL]",
    .summary = "checks of this machine: processor, memory, disk, port, a request to itself",
    .details = "Without MODEL the smallest one that `tarn list` shows is taken.\n"
               "  tarn doctor model.gguf --ctx 8192",
    .opts = (const struct opt *const[]){own_opts, load_opt_table, NULL},
    .run = run,
};
