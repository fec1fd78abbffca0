/* main.c - the program: find the command, parse its options, run it, report. The only exit. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/manual.h"
#include "cli/version.h"
#include "kernel/kernel.h"

enum { MAX_TABLES = 8 }; /* of options, per command */

struct cli_common cli;

static const struct opt common_opts[] = {
    {"threads", 't', OPT_INT, &cli.threads, "N",
     "threads to compute with (default: one per core)", 0, 256},
    {"json", 0, OPT_FLAG, &cli.json, NULL, "JSON on stdout and nothing else there", 0, 0},
    {"log", 0, OPT_STR, &cli.log_level, "LEVEL", "error, warn, info, debug or trace", 0, 0},
    {"log-json", 0, OPT_FLAG, &cli.log_json, NULL, "log lines as JSON", 0, 0},
    {"help", 'h', OPT_FLAG, &cli.help, NULL, "this text", 0, 0},
    {.type = OPT_END},
};

static void print_commands(FILE *to)
{
    fprintf(to,
            "tarn %s - run, train, teach and serve reasoning models on your own machine\n\n"
            "usage: tarn COMMAND [arguments] [options]\n\n",
            version_text());
    for (const struct command *const *c = commands; *c; c++)
        fprintf(to, "  %-12s %s\n", (*c)->verb, (*c)->summary);
    fputs(
        "\n`tarn COMMAND --help` explains one. A MODEL is a .gguf file, a Hugging Face "
        "directory,\n"
        "a training checkpoint, or a name that `tarn list` shows.\n\n"
        "environment: TARN_MODELS (directory of models), TARN_THREADS, TARN_CPU (ref, avx2,\n"
        "avx512, vnni, neon, dotprod), NO_COLOR\n"
        "exit status: 0 done, 1 failed, 2 usage, 3 stopped by a limit, 4 input or file error,\n"
        "5 does not fit, 6 unsupported, 130 interrupted\n",
        to);
}

static void print_help(const struct command *c)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "usage: tarn %s %s\n\n%s\n", c->verb, c->args, c->summary);
    if (c->details) buf_printf(&b, "\n%s\n", c->details);
    buf_add_str(&b, "\noptions:\n");
    for (const struct opt *const *t = c->opts; t && *t; t++) opt_help(*t, &b);
    opt_help(common_opts, &b);
    fputs(buf_str(&b), stdout);
    buf_release(&b);
}

static const struct command *find_command(const char *verb)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->verb, verb) == 0) return *c;
    return NULL;
}

int cli_usage(const struct command *c, struct err *e)
{
    err_set(e, ERR_USAGE, "`tarn %s` was called with the wrong arguments", c->verb);
    return err_hint(e, "usage: tarn %s %s", c->verb, c->args);
}

static int set_up(struct err *e)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", "trace"};
    int level = LOG_WARN;
    if (cli.log_level) {
        level = -1;
        for (int i = 0; i < (int)countof(levels); i++)
            if (strcmp(levels[i], cli.log_level) == 0) level = i;
        if (level < 0)
            return err_set(e, ERR_USAGE,
                           "--log is \"%s\", allowed are error warn info debug trace",
                           cli.log_level);
    }
    log_setup((enum log_level)level, cli.log_json);
    const char *cpu = getenv("TARN_CPU");
    enum cpu_level unused;
    if (cpu && *cpu && !cpu_level_parse(cpu, &unused))
        return err_set(e, ERR_USAGE,
                       "TARN_CPU is \"%s\", which this program does not know here", cpu);
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    if (!first)
        return err_set(e, ERR_UNSUPPORTED,
                       "this machine is big-endian, which is not supported");
    return 0;
}

static int report(const struct err *e)
{
    fprintf(stderr, "tarn: %s\n", e->msg[0] ? e->msg : err_text(e->code));
    if (e->hint[0]) fprintf(stderr, "hint: %s\n", e->hint);
    int status = err_exit_status(e->code);
    return status ? status : 1;
}

/* Mapped files are checked before they are read; who cuts one off in just that moment, or a disk
 * that fails, ends here. */
static void on_bus_error(int sig)
{
    static const char text[] =
        "tarn: a model file cannot be read any more: it became shorter, or "
        "the disk failed\n";
    (void)sig;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(1);
    _exit(err_exit_status(ERR_IO));
}

int main(int argc, char **argv)
{
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, reported like any other */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
    signal(SIGBUS, on_bus_error);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_commands(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        version_print(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--man") == 0 || strcmp(argv[1], "--completion") == 0) {
        (argv[1][2] == 'm' ? manual_print_page : manual_print_completion)(stdout, common_opts);
        return 0;
    }
    const struct command *c = find_command(argv[1]);
    if (!c) {
        err_set(&e, ERR_USAGE, "there is no command \"%s\"", argv[1]);
        err_hint(&e, "`tarn --help` lists the commands");
        return report(&e);
    }
    const struct opt *tables[MAX_TABLES + 2];
    size_t n = 0;
    while (c->opts && c->opts[n] && n < MAX_TABLES) {
        tables[n] = c->opts[n];
        n++;
    }
    tables[n++] = common_opts;
    tables[n] = NULL;
    argc -= 2;
    argv += 2;
    if (opt_parse(tables, &argc, argv, &e)) {
        if (!e.hint[0]) err_hint(&e, "`tarn %s --help` lists the options", c->verb);
        return report(&e);
    }
    if (cli.help) {
        print_help(c);
        return 0;
    }
    if (set_up(&e) || c->run(argc, argv, &e)) {
        fflush(stdout);
        return report(&e);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        err_set(&e, ERR_IO, "cannot write to standard output");
        return report(&e);
    }
    return 0;
}
