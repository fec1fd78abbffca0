#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"

size_t span_find(struct span hay, size_t from, struct span needle)
{
    if (needle.n == 0) return from <= hay.n ? from : (size_t)-1;
    while (from + needle.n <= hay.n) {
        const char *p = memchr(hay.p + from, needle.p[0], hay.n - from - needle.n + 1);
        if (!p) break;
        from = (size_t)(p - hay.p);
        if (memcmp(p, needle.p, needle.n) == 0) return from;
        from++;
    }
    return (size_t)-1;
}

void buf_init(struct buf *b, size_t cap)
{
    *b = (struct buf){.cap = cap};
}

void buf_release(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.cap = b->cap};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

bool buf_reserve(struct buf *b, size_t more)
{
    size_t need, size;
    if (b->failed) return false;
    if (size_add(b->len, more, &need) || need > b->cap) goto fail;
    if (need < b->size) return true; /* strictly: one byte is kept for the closing zero */
    size = size_max(need + 1, size_min(b->size * 2, b->cap + 1));
    size = size_max(size, 64);
    char *p = mem_realloc(b->data, b->data ? b->len + 1 : 0, size);
    if (!p) goto fail;
    b->data = p;
    b->size = size;
    return true;
fail:
    b->failed = true;
    return false;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!buf_reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_zeros(struct buf *b, size_t n)
{
    if (!buf_reserve(b, n)) return;
    memset(b->data + b->len, 0, n);
    b->len += n;
    b->data[b->len] = 0;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !buf_reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_add_json(struct buf *b, struct span s)
{
    static const char hex[] = "0123456789abcdef";
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80) {
            size_t n = utf8_seq_len(s.p + i, s.n - i);
            if (n)
                buf_add(b, s.p + i, n);
            else
                buf_add_str(b, "\xef\xbf\xbd");
            i += n ? n : 1;
            continue;
        }
        i++;
        switch (c) {
        case '"': buf_add_str(b, "\\\""); break;
        case '\\': buf_add_str(b, "\\\\"); break;
        case '\n': buf_add_str(b, "\\n"); break;
        case '\r': buf_add_str(b, "\\r"); break;
        case '\t': buf_add_str(b, "\\t"); break;
        default:
            if (c < 0x20 || c == 0x7f) {
                char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
                buf_add(b, u, sizeof u);
            } else {
                buf_add_char(b, (char)c);
            }
        }
    }
    buf_add_char(b, '"');
}

int buf_ok(const struct buf *b, const char *what, struct err *e)
{
    if (!b->failed) return 0;
    return err_set(e, ERR_LIMIT,
                   "%s is larger than its limit of %zu bytes or than memory allows", what,
                   b->cap);
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

struct span buf_span(const struct buf *b)
{
    return (struct span){buf_str(b), b->len};
}

char *buf_take(struct buf *b, size_t *len)
{
    if (!b->failed && !b->data) buf_add(b, "", 0);
    if (b->failed) {
        buf_release(b);
        return NULL;
    }
    char *p = b->data;
    if (len) *len = b->len;
    *b = (struct buf){.cap = b->cap};
    return p;
}
