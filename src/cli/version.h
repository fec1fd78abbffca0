/* version.h - what build this is. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#include <stdio.h>

const char *version_text(void); /* "0.1.0" */
const char *version_commit(void);
/* Version, commit, compiler, mode, CPU level: one line each. */
void version_print(FILE *to);

#endif
