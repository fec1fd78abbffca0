/* guard.h - against web pages that talk to a server on this machine: DNS rebinding (Host), foreign
 * origins (Origin), and the CORS headers for those that are allowed. */
#ifndef SERVE_GUARD_H
#define SERVE_GUARD_H

#include "base/attr.h"

struct api_err;
struct http_req;
struct serve;

/* 0, or -1 with a 403 in *a. Sets the CORS headers of allowed origins. Io thread. */
int guard_check(struct serve *s, struct http_req *r, struct api_err *a) must_check;

#endif
