/* opt.h - command-line options from tables.
 *
 * One table per command says name, type, where the value goes, and its help line; parsing, help
 * text, shell completion and the manual page all come from it. Values are checked against the
 * limits in the table; what is wrong is said with the option's name.
 *
 *   --name VALUE, --name=VALUE, -n VALUE, flags as --name and --no-name; "--" ends options.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;
struct buf;

enum opt_type {
    OPT_END,
    OPT_FLAG, /* bool */
    OPT_INT, /* int64_t; accepts 4096, 4k, 32K, 2M (powers of 1024 when capital or small alike) */
    OPT_REAL, /* double */
    OPT_STR,  /* const char * into argv */
    OPT_LIST  /* struct opt_list: may be given several times */
};

struct opt_list {
    const char *item[32];
    int n;
};

struct opt {
    const char *name;
    char letter; /* 0: none */
    enum opt_type type;
    void *to;
    const char *arg;  /* "N", "FILE"; NULL for flags */
    const char *help; /* one line, without a full stop */
    double lo, hi;    /* OPT_INT, OPT_REAL: allowed range when lo < hi */
};

/* Options are taken out of argv; what remains (positionals, in order) is argv[0..*argc). Tables is
 * a NULL-terminated list: a command's own and the common ones. */
int opt_parse(const struct opt *const *tables, int *argc, char **argv,
              struct err *e) must_check;

/* "  -n, --name N    help" lines, aligned. */
void opt_help(const struct opt *table, struct buf *out);

/* A count with an optional k, M, G suffix (powers of 1024); false if it is not one. */
bool opt_parse_count(const char *s, int64_t *out);

#endif
