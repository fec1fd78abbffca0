/* cli.h - what commands share.
 *
 * A command is one file cmd_<verb>.c with a table of options and a run function, listed in
 * commands.c. run gets the positionals, returns 0 or -1 with *e filled; the exit status follows
 * from the error's code (base/err.h). stdout carries only the product; everything else goes to
 * stderr. Under --json stdout holds one JSON object, or JSON lines.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/opt.h"

struct command {
    const char *verb;
    const char *args;              /* "MODEL [FILE]" */
    const char *summary;           /* one line */
    const char *details;           /* further lines of --help with an example; may be NULL */
    const struct opt *const *opts; /* NULL-terminated list of tables; may be NULL */
    int (*run)(int argc, char **argv, struct err *e);
};

extern const struct command *const commands[]; /* NULL-terminated, in the order of help */

/* Options every command has. */
struct cli_common {
    int64_t threads; /* 0: one per core */
    bool json;
    const char *log_level;
    bool log_json;
    bool help;
};
extern struct cli_common cli;

/* True when stderr is a terminal and NO_COLOR is unset. */
bool cli_color(void);
/* The threads to use: --threads, else TARN_THREADS, else the cores of this process. */
int cli_threads(void);
/* err_set(ERR_USAGE) with the command's synopsis as the hint. */
int cli_usage(const struct command *c, struct err *e);

/* Progress on stderr: a bar on a terminal, else a line every few seconds. */
struct cli_progress {
    const char *label;
    int64_t started_ns, shown_ns;
};
void cli_progress_begin(struct cli_progress *p, const char *label);
void cli_progress(struct cli_progress *p, uint64_t done, uint64_t total);
void cli_progress_end(struct cli_progress *p);

/* "1.23 GB", "45.6 MB"; powers of 1000. */
const char *cli_bytes(uint64_t n, char out[32]);

/* ---- models -------------------------------------------------------------------------------- */

struct model_source;

/* A MODEL argument as a path: itself if it exists (of a run its newest checkpoint), else a name
 * that `tarn list` shows. */
int cli_model_path(const char *arg, char *out, size_t size, struct err *e) must_check;
int cli_open_source(const char *arg, struct model_source **out, struct err *e) must_check;
/* Directories that hold models: TARN_MODELS, the user's data directory, the installed one. */
const char *cli_model_dir(int i); /* NULL past the last */

#endif
