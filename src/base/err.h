/* err.h - errors: a code, one whole sentence, and sometimes a hint.
 *
 * A function that can fail returns int (0, or -1 with *e filled) and takes a `struct err *` as
 * its last argument; the struct lives on the caller's stack. Messages are sentences without a
 * full stop and carry the values that matter. Callers pass an error up unchanged or put context
 * in front with err_wrap. `e` may be NULL where the caller does not care for the words.
 *
 * The table below is the only place where a code gets its name, exit status, HTTP status and API
 * error type.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

/*        code           text                   exit  http  api type */
#define ERR_MAP(X)                                                        \
    X(ERR_OK, "ok", 0, 200, "")                                           \
    X(ERR_FAILED, "failed", 1, 500, "server_error")                       \
    X(ERR_USAGE, "usage", 2, 400, "invalid_request_error")                \
    X(ERR_LIMIT, "limit reached", 3, 400, "invalid_request_error")        \
    X(ERR_IO, "input or output", 4, 500, "server_error")                  \
    X(ERR_FORMAT, "malformed data", 4, 400, "invalid_request_error")      \
    X(ERR_NOT_FOUND, "not found", 4, 404, "not_found_error")              \
    X(ERR_MEMORY, "does not fit", 5, 507, "insufficient_system_resource") \
    X(ERR_CONTEXT, "context too long", 5, 400, "context_length_exceeded") \
    X(ERR_UNSUPPORTED, "unsupported", 6, 501, "not_implemented")          \
    X(ERR_NUMERIC, "not a finite number", 1, 500, "server_error")         \
    X(ERR_BUSY, "busy", 1, 503, "overloaded_error")                       \
    X(ERR_AUTH, "not allowed", 1, 401, "authentication_error")            \
    X(ERR_QUOTA, "quota used up", 1, 402, "insufficient_quota")           \
    X(ERR_RATE, "too many requests", 1, 429, "rate_limit_error")          \
    X(ERR_CANCELLED, "interrupted", 130, 499, "cancelled")                \
    X(ERR_DEVICE, "device", 1, 500, "server_error")                       \
    X(ERR_BUG, "internal error", 1, 500, "server_error")

enum err_code {
#define X(code, text, exit_status, http, api) code,
    ERR_MAP(X)
#undef X
};

struct err {
    enum err_code code;
    char msg[768];
    char hint[256];
};

/* err_set - fill *e (may be NULL) with a code and a sentence; returns -1 so that a failure is one
 * line: `return err_set(e, ERR_FORMAT, "...")`. Control characters that came from outside data
 * are shown as '?', so a message is always one printable line. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) printf_like(3, 4);
/* err_wrap - "context: " in front of the message that is there; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);
/* err_hint - a second sentence: what the reader can do; returns -1. */
int err_hint(struct err *e, const char *fmt, ...) printf_like(2, 3);
/* err_errno - "doing PATH: strerror"; ENOENT becomes ERR_NOT_FOUND, ENOMEM ERR_MEMORY. */
int err_errno(struct err *e, int errnum, const char *fmt, ...) printf_like(3, 4);
void err_clear(struct err *e);

const char *err_text(enum err_code code);
int err_exit_status(enum err_code code);
int err_http_status(enum err_code code);
const char *err_api_type(enum err_code code);

#endif
