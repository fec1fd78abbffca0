/* manual.h - the manual page and the shell completion, from the commands' own option tables. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include <stdio.h>

struct opt;

/* common: the options that every command has. */
void manual_print_page(FILE *to, const struct opt *common);       /* roff, for man(1) */
void manual_print_completion(FILE *to, const struct opt *common); /* for bash */

#endif
