#include "text/json_text.h"

#include <stdint.h>

#include "base/json.h"
#include "base/utf8.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct span s, size_t i)
{
    while (i < s.n && is_blank(s.p[i])) i++;
    return i;
}

bool json_text_check(struct span text)
{
    /* jansson reads only arrays and objects on the top level unless told otherwise. */
    json_t *j = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_decref(j);
    return j != NULL;
}

bool json_text_check_object(struct span text)
{
    size_t i = skip_blanks(text, 0);
    return i < text.n && text.p[i] == '{' && json_text_check(text);
}

/* Behind the string literal that starts at i. */
static size_t string_end(struct span s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++) i += s.p[i] == '\\';
    return i + 1 < s.n ? i + 1 : s.n;
}

/* Behind the value that starts at i. */
static size_t value_end(struct span s, size_t i)
{
    size_t depth = 0;
    while (i < s.n) {
        char c = s.p[i];
        if (c == '"') {
            i = string_end(s, i);
            if (!depth) return i;
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']' || is_blank(c))) return i;
        if (c == '{' || c == '[') depth++;
        if ((c == '}' || c == ']') && --depth == 0) return i + 1;
        i++;
    }
    return s.n;
}

bool json_text_member(struct span object, size_t *at, struct span *key, struct span *value)
{
    size_t i = skip_blanks(object, *at);
    while (i < object.n && (object.p[i] == '{' || object.p[i] == ',' || is_blank(object.p[i])))
        i++;
    if (i >= object.n || object.p[i] != '"') return false;
    size_t end = string_end(object, i);
    *key = (struct span){object.p + i, end - i};
    i = skip_blanks(object, skip_blanks(object, end) + 1); /* the colon */
    end = value_end(object, i);
    *value = (struct span){object.p + i, end - i};
    *at = end;
    return true;
}

bool json_text_get(struct span object, const char *key, struct span *value)
{
    struct span k, v;
    for (size_t at = 0; json_text_member(object, &at, &k, &v);) {
        if (k.n < 2 || !span_is((struct span){k.p + 1, k.n - 2}, key)) continue;
        *value = v;
        return !span_is(v, "null");
    }
    return false;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        v = v * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v;
}

void json_text_unquote(struct span literal, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t end = literal.n ? literal.n - 1 : 0; /* the closing quote */
    for (size_t i = 1; i < end; i++) {
        char c = literal.p[i];
        if (c != '\\') {
            buf_add_char(out, c);
            continue;
        }
        c = literal.p[++i];
        const char *k = c ? strchr(from, c) : NULL;
        if (c != 'u') {
            buf_add_char(out, k && c ? to[k - from] : c);
            continue;
        }
        uint32_t cp = hex4(literal.p + i + 1);
        i += 4;
        if (cp >= 0xd800 && cp < 0xdc00 && i + 6 < end + 1 && literal.p[i + 1] == '\\') {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (hex4(literal.p + i + 3) - 0xdc00);
            i += 6;
        }
        char utf8[4];
        buf_add(out, utf8, utf8_encode(cp, utf8));
    }
}

void json_text_quote(struct span text, struct buf *out)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        size_t len = utf8_seq_len(text.p + i, text.n - i);
        const char *k = c ? strchr(from, c) : NULL;
        if (!len) {
            buf_add_str(out, "\xef\xbf\xbd");
        } else if (k) {
            buf_add_char(out, '\\');
            buf_add_char(out, to[k - from]);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_add(out, text.p + i, len);
        }
        i += len ? len : 1;
    }
    buf_add_char(out, '"');
}

static void new_line(struct buf *out, int spaces)
{
    buf_add_char(out, '\n');
    for (int i = 0; i < spaces; i++) buf_add_char(out, ' ');
}

void json_text_respace(struct span text, int indent, struct buf *out)
{
    struct buf plain;
    int depth = 0;
    buf_init(&plain, out->cap);
    for (size_t i = skip_blanks(text, 0); i < text.n; i = skip_blanks(text, i)) {
        char c = text.p[i];
        if (c == '"') {
            size_t end = string_end(text, i);
            buf_clear(&plain);
            json_text_unquote((struct span){text.p + i, end - i}, &plain);
            json_text_quote(buf_span(&plain), out);
            out->failed |= plain.failed;
            i = end;
            continue;
        }
        i++;
        if (c == '{' || c == '[') {
            size_t next = skip_blanks(text, i);
            buf_add_char(out, c);
            if (next < text.n && (text.p[next] == '}' || text.p[next] == ']')) {
                buf_add_char(out, text.p[next]);
                i = next + 1;
            } else {
                depth++;
                if (indent) new_line(out, depth * indent);
            }
        } else if (c == '}' || c == ']') {
            depth--;
            if (indent) new_line(out, depth * indent);
            buf_add_char(out, c);
        } else if (c == ',') {
            buf_add_char(out, ',');
            if (indent)
                new_line(out, depth * indent);
            else
                buf_add_char(out, ' ');
        } else if (c == ':') {
            buf_add_str(out, ": ");
        } else {
            buf_add_char(out, c);
        }
    }
    buf_release(&plain);
}
