/* static.h - the chat page's files, compiled into the program by tools/embed from web/dist.
 *
 * A file whose name holds a hash never changes: it is served with a cache time of a year. Each
 * file may come in gzip and Brotli forms, made at build time; the client's Accept-Encoding picks.
 */
#ifndef SERVE_STATIC_H
#define SERVE_STATIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct static_file {
    const char *path; /* "/index.html" */
    const char *type;
    const char *etag; /* with its quotes */
    bool hashed;
    const unsigned char *plain, *gzip, *brotli; /* gzip, brotli: NULL when not smaller */
    size_t n_plain, n_gzip, n_brotli;
};

extern const struct static_file static_files[];
extern const size_t n_static_files;

#endif
