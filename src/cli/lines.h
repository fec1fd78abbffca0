/* lines.h - commands that read JSON lines from standard input and answer each with one. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "base/buf.h"
#include "base/err.h"

/* Calls fn for every line that is not empty; what it appends to out is written with a newline.
 * A failing line is an error that names its number and ends the run. */
int lines_run(int (*fn)(void *ctx, struct span line, struct buf *out, struct err *e), void *ctx,
              struct err *e) must_check;

#endif
