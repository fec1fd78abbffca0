#define _DEFAULT_SOURCE /* mkdtemp, getrandom's header */
#include "task/check_code.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { EXIT_MEMORY = 77 };

static const struct {
    const char *name, *file, *program;
} lang_info[] = {
    {"c", "answer.c", "/usr/bin/gcc"},
    {"python", "answer.py", "/usr/bin/python3"},
    {"sh", "answer.sh", "/usr/bin/sh"},
};

/* Reads the line to print from stdin, so that no file holds it; runs set-up, program and tests in
 * one name space, as MBPP's own harness does. */
static const char harness[] = "def run():\n"
                              "    import sys\n"
                              "    line, end = sys.stdin.readline(), sys.stdout.write\n"
                              "    space = {'__name__': '__main__'}\n"
                              "    try:\n"
                              "        for name in ('setup.py', 'answer.py', 'tests.py'):\n"
                              "            with open(name, encoding='utf-8') as f:\n"
                              "                code = compile(f.read(), name, 'exec')\n"
                              "            exec(code, space)\n"
                              "    except MemoryError:\n"
                              "        sys.exit(77)\n"
                              "    sys.stdout.flush()\n"
                              "    end('\\n' + line)\n"
                              "run()\n";

struct code_limits code_default_limits(void)
{
    return (struct code_limits){.wall_ms = 6000,
                                .cpu_s = 4,
                                .memory_bytes = 1u << 30,
                                .output_bytes = 1 << 20,
                                .n_process = 32};
}

const char *code_end_name(enum code_end e)
{
    static const char *const name[] = {"pass",  "wrong",     "timeout",          "memory",
                                       "crash", "forbidden", "output-too-large", "no-build"};
    return name[e];
}

bool code_lang_parse(struct span name, enum code_lang *out)
{
    for (size_t i = 0; i < countof(lang_info); i++)
        if (span_is(name, lang_info[i].name)) {
            *out = (enum code_lang)i;
            return file_exists(lang_info[i].program);
        }
    return false;
}

struct span code_extract(struct span s)
{
    struct span fence = span_of("```"), out = s;
    size_t open = (size_t)-1, end_think = (size_t)-1;
    for (size_t i = 0; (i = span_find(s, i, span_of("</think>"))) != (size_t)-1; i++)
        end_think = i + 8;
    if (end_think != (size_t)-1) out = s = (struct span){s.p + end_think, s.n - end_think};
    for (size_t i = 0; (i = span_find(s, i, fence)) != (size_t)-1; i += 3) {
        if (open == (size_t)-1) {
            const char *nl = memchr(s.p + i, '\n', s.n - i); /* behind the language's name */
            if (!nl) break;
            open = (size_t)(nl - s.p) + 1;
        } else {
            if (i >= open) out = (struct span){s.p + open, i - open};
            open = (size_t)-1;
        }
    }
    return out;
}

/* ---- the job's folder ---------------------------------------------------------------------- */

struct folder {
    char path[64];
};

static int folder_make(struct folder *f, struct err *e)
{
    snprintf(f->path, sizeof f->path, "/tmp/tarn-code-XXXXXX");
    if (mkdtemp(f->path)) return 0;
    return err_errno(e, errno, "making a folder for a program in /tmp");
}

static int folder_write(const struct folder *f, const char *name, struct span text,
                        struct err *e)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    FILE *out = fopen(path, "wb");
    if (!out) return err_errno(e, errno, "writing %s", path);
    size_t n = text.n ? fwrite(text.p, 1, text.n, out) : 0;
    if (fclose(out) != 0 || n != text.n) return err_errno(e, errno, "writing %s", path);
    return 0;
}

/* The folder holds only what we wrote and the compiler's output. */
static void folder_remove(const struct folder *f)
{
    static const char *const name[] = {"answer.c", "answer.py", "answer.sh", "answer",
                                       "setup.py", "tests.py",  "harness.py"};
    char path[128];
    for (size_t i = 0; i < countof(name); i++) {
        snprintf(path, sizeof path, "%s/%s", f->path, name[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->path);
}

/* ---- one run ------------------------------------------------------------------------------- */

static enum code_end judge(const struct proc_result *r, const struct code_limits *lim)
{
    bool cpu_out = r->cpu_ns >= (int64_t)lim->cpu_s * 1000000000 - 100000000;
    switch (r->end) {
    case PROC_TIMEOUT: return CODE_TIMEOUT;
    case PROC_TOO_MUCH: return CODE_TOO_MUCH;
    case PROC_EXITED:
        return r->code == 0 ? CODE_PASS : r->code == EXIT_MEMORY ? CODE_MEMORY : CODE_WRONG;
    case PROC_SIGNALED: break;
    }
    if (r->code == SIGXCPU || (r->code == SIGKILL && cpu_out)) return CODE_TIMEOUT;
    if (r->code == SIGSYS) return CODE_FORBIDDEN;
    if (r->code == SIGXFSZ) return CODE_TOO_MUCH;
    if (r->code == SIGKILL || r->memory_bytes > lim->memory_bytes / 10 * 9) return CODE_MEMORY;
    return CODE_CRASH;
}

static struct sandbox_job job_of(const char *const *argv, const struct folder *f,
                                 const struct code_limits *lim)
{
    struct sandbox_job job = {.argv = argv, .dir = f->path, .wall_ms = lim->wall_ms};
    job.limits = (struct proc_limits){.cpu_s = lim->cpu_s,
                                      .memory_bytes = lim->memory_bytes,
                                      .file_bytes = lim->output_bytes,
                                      .n_process = lim->n_process,
                                      .n_file = 64};
    return job;
}

/* C is compiled inside the sandbox too: an #include must not read the host's files. */
static int build(const struct sandbox *s, const struct folder *f, const struct code_limits *lim,
                 struct code_verdict *v, struct err *e)
{
    static const char *const argv[] = {"/usr/bin/gcc", "-O1",      "-w",  "-o",
                                       "answer",       "answer.c", "-lm", NULL};
    struct sandbox_job job = job_of(argv, f, lim);
    struct proc_result r;
    struct buf out;
    job.dir_writable = true;
    job.wall_ms = 20000;
    job.limits =
        (struct proc_limits){.cpu_s = 15, .memory_bytes = 2u << 30, .file_bytes = 64 << 20};
    buf_init(&out, 1 << 20);
    int rc = sandbox_run(s, &job, (struct span){"", 0}, &out, &r, e);
    buf_release(&out);
    if (rc) return -1;
    if (r.end != PROC_EXITED || r.code != 0) {
        v->end = CODE_NO_BUILD;
        snprintf(v->detail, sizeof v->detail, "the compiler refuses the program");
    }
    return 0;
}

static bool next_line(struct span *rest, struct span *line)
{
    if (rest->n == 0) return false;
    const char *nl = memchr(rest->p, '\n', rest->n);
    size_t n = nl ? (size_t)(nl - rest->p) : rest->n;
    *line = (struct span){rest->p, n};
    rest->p += n + (nl != NULL);
    rest->n -= n + (nl != NULL);
    while (line->n && strchr(" \t\r", line->p[line->n - 1])) line->n--;
    return true;
}

static bool same_output(struct span got, struct span want)
{
    struct span x, y;
    for (;;) {
        bool a = next_line(&got, &x), b = next_line(&want, &y);
        while (a && !b && x.n == 0) a = next_line(&got, &x);
        while (b && !a && y.n == 0) b = next_line(&want, &y);
        if (!a || !b) return !a && !b;
        if (!span_eq(x, y)) return false;
    }
}

int code_check_io(const struct sandbox *s, enum code_lang lang, struct span source,
                  const struct code_case *cases, size_t n, const struct code_limits *lim,
                  struct code_verdict *v, struct err *e)
{
    static const char *const run[][4] = {
        {"/box/answer", NULL},
        {"/usr/bin/python3", "-I", "answer.py", NULL},
        {"/usr/bin/sh", "answer.sh", NULL},
    };
    char own[80];
    const char *own_argv[] = {own, NULL};
    struct folder f;
    struct buf out;
    int rc = -1;
    *v = (struct code_verdict){.end = CODE_PASS, .n = n};
    if (folder_make(&f, e)) return -1;
    snprintf(own, sizeof own, "%s/answer", f.path); /* without bubblewrap there is no /box */
    buf_init(&out, lim->output_bytes);
    if (folder_write(&f, lang_info[lang].file, source, e)) goto out;
    if (lang == CODE_C && build(s, &f, lim, v, e)) goto out;
    for (size_t i = 0; i < n && v->end == CODE_PASS; i++) {
        struct sandbox_job job =
            job_of(lang == CODE_C && !s->bwrap ? own_argv : run[lang], &f, lim);
        struct proc_result r;
        buf_clear(&out);
        if (sandbox_run(s, &job, cases[i].input, &out, &r, e)) goto out;
        v->end = judge(&r, lim);
        if (v->end == CODE_PASS && !same_output(buf_span(&out), cases[i].expected))
            v->end = CODE_WRONG;
        if (v->end == CODE_PASS)
            v->n_pass++;
        else
            snprintf(v->detail, sizeof v->detail, "case %zu: %s", i + 1, code_end_name(v->end));
    }
    rc = 0;
out:
    buf_release(&out);
    folder_remove(&f);
    return rc;
}

/* 32 hexadecimal digits the program cannot know. */
static int make_line(char out[34], struct err *e)
{
    unsigned char r[16];
    if (getrandom(r, sizeof r, 0) != sizeof r)
        return err_errno(e, errno, "reading random bytes");
    for (size_t i = 0; i < sizeof r; i++) snprintf(out + 2 * i, 3, "%02x", r[i]);
    memcpy(out + 32, "\n", 2);
    return 0;
}

static bool ends_with(struct span s, const char *line)
{
    size_t n = strlen(line);
    return s.n >= n && memcmp(s.p + s.n - n, line, n) == 0;
}

int code_check_asserts(const struct sandbox *s, struct span source, struct span setup,
                       const struct span *asserts, size_t n, const struct code_limits *lim,
                       struct code_verdict *v, struct err *e)
{
    static const char *const argv[] = {"/usr/bin/python3", "-I", "harness.py", NULL};
    struct folder f;
    struct buf tests, out;
    char line[34];
    int rc = -1;
    *v = (struct code_verdict){.end = CODE_WRONG, .n = n};
    if (make_line(line, e) || folder_make(&f, e)) return -1;
    buf_init(&tests, 1 << 20);
    buf_init(&out, lim->output_bytes);
    for (size_t i = 0; i < n; i++) {
        buf_add_span(&tests, asserts[i]);
        buf_add_char(&tests, '\n');
    }
    if (buf_ok(&tests, "the tests of a program", e) ||
        folder_write(&f, "harness.py", span_of(harness), e) ||
        folder_write(&f, "setup.py", setup, e) || folder_write(&f, "answer.py", source, e) ||
        folder_write(&f, "tests.py", buf_span(&tests), e))
        goto out;
    struct sandbox_job job = job_of(argv, &f, lim);
    struct proc_result r;
    if (sandbox_run(s, &job, span_of(line), &out, &r, e)) goto out;
    v->end = judge(&r, lim);
    if (v->end == CODE_PASS && !ends_with(buf_span(&out), line)) {
        v->end = CODE_WRONG;
        snprintf(v->detail, sizeof v->detail, "the program ended before its tests did");
    } else if (v->end == CODE_PASS) {
        v->n_pass = n;
    } else {
        snprintf(v->detail, sizeof v->detail, "%s", code_end_name(v->end));
    }
    rc = 0;
out:
    buf_release(&tests);
    buf_release(&out);
    folder_remove(&f);
    return rc;
}
