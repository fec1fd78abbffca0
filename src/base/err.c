#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text, *api;
    int exit_status, http;
} err_table[] = {
#define X(code, text, exit_status, http, api) {#code, text, api, exit_status, http},
    ERR_MAP(X)
#undef X
};

/* One printable line: control bytes become '?', and a UTF-8 sequence cut by the buffer is cut
 * back to its start. */
static void tidy(char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f) s[i] = '?';
    }
    size_t back = 0;
    while (back < n && back < 4 && ((unsigned char)s[n - 1 - back] & 0xc0) == 0x80) back++;
    if (back < n) {
        unsigned char lead = (unsigned char)s[n - 1 - back];
        size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
        if (need > back) s[n - 1 - back] = 0;
    }
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e) return -1;
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    e->hint[0] = 0;
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    tidy(e->msg);
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e) return -1;
    char old[sizeof e->msg];
    memcpy(old, e->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    size_t at = n < 0 ? 0 : (size_t)n;
    if (at > sizeof e->msg - 1) at = sizeof e->msg - 1;
    size_t room = sizeof e->msg - at, len = strlen(old);
    if (room > 3) {
        memcpy(e->msg + at, ": ", 2);
        len = len < room - 3 ? len : room - 3;
        memcpy(e->msg + at + 2, old, len);
        e->msg[at + 2 + len] = 0;
    }
    tidy(e->msg);
    return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
    if (!e) return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
    tidy(e->hint);
    return -1;
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    if (!e) return -1;
    e->code = errnum == ENOENT ? ERR_NOT_FOUND : errnum == ENOMEM ? ERR_MEMORY : ERR_IO;
    e->hint[0] = 0;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    size_t at = n < 0 ? 0 : (size_t)n;
    if (at > sizeof e->msg - 1) at = sizeof e->msg - 1;
    snprintf(e->msg + at, sizeof e->msg - at, ": %s", strerror(errnum));
    tidy(e->msg);
    return -1;
}

void err_clear(struct err *e)
{
    if (e) *e = (struct err){.code = ERR_OK};
}

const char *err_text(enum err_code code)
{
    return err_table[code].text;
}

int err_exit_status(enum err_code code)
{
    return err_table[code].exit_status;
}

int err_http_status(enum err_code code)
{
    return err_table[code].http;
}

const char *err_api_type(enum err_code code)
{
    return err_table[code].api;
}
