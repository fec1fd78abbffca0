#include "cli/lines.h"

#include <errno.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 64 << 20 };

static int read_line(struct buf *line, bool *end, struct err *e)
{
    int c;
    buf_clear(line);
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') buf_add_char(line, (char)c);
    *end = c == EOF && line->len == 0;
    if (ferror(stdin)) return err_errno(e, errno, "cannot read standard input");
    return buf_ok(line, "a line of standard input", e);
}

int lines_run(int (*fn)(void *ctx, struct span line, struct buf *out, struct err *e), void *ctx,
              struct err *e)
{
    struct buf line, out;
    bool end = false;
    int rc = 0;
    buf_init(&line, LINE_MAX_BYTES);
    buf_init(&out, LINE_MAX_BYTES);
    for (long n = 1; rc == 0 && !end; n++) {
        rc = read_line(&line, &end, e);
        if (rc || end || line.len == 0) continue;
        buf_clear(&out);
        rc = fn(ctx, buf_span(&line), &out, e);
        if (rc) {
            err_wrap(e, "line %ld", n);
            break;
        }
        fwrite(buf_str(&out), 1, out.len, stdout);
        if (out.len == 0 || out.data[out.len - 1] != '\n') putchar('\n');
        fflush(stdout);
    }
    buf_release(&line);
    buf_release(&out);
    return rc;
}
