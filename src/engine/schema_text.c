/* schema_text.c - strings and numbers of a JSON schema: lengths, patterns, formats, ranges.
 *
 * A pattern is a regular expression over what the string says, the grammar reads how JSON writes
 * it: a quote is two characters there. So characters that need an escape are put in as their
 * escapes, and classes that exclude something exclude them too.
 */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/grammar.h"
#include "engine/schema_int.h"

enum { DIGITS = 15 };

void schema_literal(struct buf *out, struct span s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_str(out, "\\n");
        else
            buf_add_char(out, c);
    }
    buf_add_char(out, '"');
}

static int to_buf(const char *p, size_t n, void *ctx)
{
    buf_add(ctx, p, n);
    return 0;
}

int schema_value(struct buf *out, const json_t *v, struct err *e)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    (void)json_dump_callback(v, to_buf, &text, JSON_COMPACT | JSON_ENCODE_ANY);
    int rc = buf_ok(&text, "schema", e);
    if (rc == 0) schema_literal(out, buf_span(&text));
    out->failed |= text.failed;
    buf_release(&text);
    return rc;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static uint64_t power10(int n)
{
    uint64_t p = 1;
    while (n-- > 0) p *= 10;
    return p;
}

static void add_or(struct buf *out, bool *first)
{
    if (!*first) buf_add_str(out, " | ");
    *first = false;
}

/* All numbers from lo to hi without a leading zero: blocks "prefix, one digit range, any digits". */
static void digits(struct buf *out, uint64_t lo, uint64_t hi, const char *front,
                   const char *behind, bool *first)
{
    while (lo <= hi) {
        int k = 0;
        /* The block lo .. lo + n*10^k - 1 stays in lo's number of digits. */
        while (lo > 0 && k < DIGITS && lo % power10(k + 1) == 0 &&
               lo + power10(k + 1) - 1 <= hi)
            k++;
        uint64_t p = power10(k), d = lo / p % 10, last = d;
        while (last < 9 && lo + (last + 1 - d) * p + p - 1 <= hi) last++;
        add_or(out, first);
        buf_add_str(out, front);
        uint64_t head = lo / p / 10;
        if (head) buf_printf(out, " \"%llu\"", (unsigned long long)head);
        buf_printf(out, " [%c-%c]", (char)('0' + d), (char)('0' + last));
        if (k) buf_printf(out, " [0-9]{%d}", k);
        buf_add_str(out, behind);
        lo += (last + 1 - d) * p;
    }
}

struct bounds {
    double lo, hi;
    bool has_lo, has_hi, open_lo, open_hi;
};

static int read_bounds(const json_t *s, struct bounds *b, const char *where, struct err *e)
{
    static const char *const key[] = {"minimum", "exclusiveMinimum", "maximum",
                                      "exclusiveMaximum"};
    *b = (struct bounds){0};
    for (int i = 0; i < 4; i++) {
        const json_t *v = json_object_get(s, key[i]);
        if (!v) continue;
        double x = json_number_value(v);
        bool low = i < 2, open = i & 1;
        if (json_is_boolean(v))
            return err_set(e, ERR_UNSUPPORTED, "the schema at %s: '%s' as true or false", where,
                           key[i]);
        if (!json_is_number(v))
            return err_set(e, ERR_FORMAT, "the schema at %s: '%s' is not a number", where,
                           key[i]);
        if (!(fabs(x) < 1e15))
            return err_set(e, ERR_UNSUPPORTED, "the schema at %s: '%s' of 1e15 or more", where,
                           key[i]);
        if (low && (!b->has_lo || x > b->lo || (x == b->lo && open))) {
            b->lo = x;
            b->has_lo = true;
            b->open_lo = open;
        }
        if (!low && (!b->has_hi || x < b->hi || (x == b->hi && open))) {
            b->hi = x;
            b->has_hi = true;
            b->open_hi = open;
        }
    }
    return 0;
}

static const char int_any[] = "\"-\"? (\"0\" | [1-9] [0-9]{0,15})";
static const char num_any[] = "\"-\"? (\"0\" | [1-9] [0-9]{0,15}) (\".\" [0-9]{1,16})? "
                              "([eE] [-+]? [0-9] [0-9]?)?";

/* Whole numbers of [lo, hi]; with `fraction` also those between two of them. */
static void ranges(struct buf *out, int64_t lo, int64_t hi, bool fraction)
{
    bool first = true;
    static const char tail[] = " \".\" [0-9]{1,16}";
    if (lo <= hi && hi >= 0)
        digits(out, (uint64_t)(lo > 0 ? lo : 0), (uint64_t)hi, "", "", &first);
    if (lo < 0 && lo <= hi)
        digits(out, (uint64_t)(hi < 0 ? -hi : 1), (uint64_t)-lo, "\"-\"", "", &first);
    if (!fraction) return;
    /* n.ddd lies in [n, n + 1): for n up to hi - 1, and -n.ddd in (-n - 1, -n]. */
    if (hi >= 1 && lo <= hi - 1)
        digits(out, (uint64_t)(lo > 0 ? lo : 0), (uint64_t)(hi - 1), "", tail, &first);
    if (lo <= -1 && lo + 1 <= hi)
        digits(out, (uint64_t)(hi < 0 ? -hi : 0), (uint64_t)(-lo - 1), "\"-\"", tail, &first);
}

int schema_number(struct buf *out, const json_t *s, bool integer, const char *where,
                  struct err *e)
{
    struct bounds b;
    const json_t *multiple = json_object_get(s, "multipleOf");
    if (multiple && json_number_value(multiple) == 1.0)
        integer = true;
    else if (multiple)
        return err_set(e, ERR_UNSUPPORTED, "the schema at %s: 'multipleOf' other than 1",
                       where);
    if (read_bounds(s, &b, where, e)) return -1;
    if (!b.has_lo && !b.has_hi) {
        buf_add_str(out, integer ? int_any : num_any);
        return 0;
    }
    int64_t most = (int64_t)power10(DIGITS) - 1;
    int64_t lo = -most, hi = most;
    if (b.has_lo) lo = (int64_t)ceil(b.lo) + (b.open_lo && ceil(b.lo) == b.lo);
    if (b.has_hi) hi = (int64_t)floor(b.hi) - (b.open_hi && floor(b.hi) == b.hi);
    /* With a fraction, the unit next to an open limit would hold the limit itself ("4.0"): the
     * inner whole numbers above have left it out already. */
    if (lo > hi)
        return err_set(e, ERR_UNSUPPORTED,
                       "the schema at %s: a range without a whole number in it", where);
    ranges(out, lo, hi, !integer);
    return 0;
}

/* ---- strings ------------------------------------------------------------------------------- */

static const struct {
    const char *name, *body;
} formats[] = {
    {"date",
     "[12] [0-9]{3} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | \"1\" [0-9] | "
     "\"2\" [0-8])"},
    {"time",
     "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? "
     "(\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"},
    {"date-time",
     "[12] [0-9]{3} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" "
     "[0-8]) \"T\" ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" "
     "[0-9]{1,6})? (\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"},
    {"uuid", "[0-9a-f]{8} \"-\" [0-9a-f]{4} \"-\" [0-9a-f]{4} \"-\" [0-9a-f]{4} \"-\" "
             "[0-9a-f]{12}"},
    {"email", "[a-zA-Z0-9_+-]{1,32} (\".\" [a-zA-Z0-9_+-]{1,16}){0,2} \"@\" ([a-z0-9] "
              "([a-z0-9-]{0,30} [a-z0-9])? \".\"){1,4} [a-z]{2,12}"},
    {"hostname", "([a-z0-9] ([a-z0-9-]{0,30} [a-z0-9])? \".\"){0,4} [a-z] ([a-z0-9-]{0,30} "
                 "[a-z0-9])?"},
    {"ipv4", "((\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9] [0-9] | [1-9]? [0-9]) \".\"){3} "
             "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9] [0-9] | [1-9]? [0-9])"},
    {"ipv6", "([0-9a-f]{1,4} \":\"){7} [0-9a-f]{1,4}"},
};

/* A character of a string: \u only below surrogates, which would have to come in pairs. */
static const char one_char[] =
    "([^\\\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" ([\\\"\\\\/bfnrt] | \"u\" ([0-9a-cA-CefEF] "
    "[0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2})))";
static const char plain_char[] = "[^\\\"\\\\\\x00-\\x1f\\x7f]";

static int no_pattern(const char *what, const char *where, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "the schema at %s: 'pattern' with %s", where, what);
}

/* One literal character, as its spelling in JSON. */
static void put_char(struct buf *out, char c)
{
    if (c == '"')
        buf_add_str(out, "\"\\\\\\\"\"");
    else if (c == '\\')
        buf_add_str(out, "\"\\\\\\\\\"");
    else if (c == '\n')
        buf_add_str(out, "\"\\\\n\"");
    else if (c == '\t')
        buf_add_str(out, "\"\\\\t\"");
    else if (c == '\r')
        buf_add_str(out, "\"\\\\r\"");
    else
        buf_printf(out, "\"%c\"", c);
}

static const char *shorthand(char c)
{
    switch (c) {
    case 'd': return "0-9";
    case 'w': return "a-zA-Z0-9_";
    case 's': return " ";
    default: return NULL;
    }
}

static bool escaped_char(char c, char *out)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        *out = to[at - from];
        return true;
    }
    *out = c;
    return c && strchr("\\.[](){}*+?|^$/-\"'@:#&%,;=!<>_~` ", c);
}

static int pattern_class(struct buf *out, struct span s, size_t *at, const char *where,
                         struct err *e)
{
    struct buf in;
    buf_init(&in, 1 << 16);
    size_t i = *at + 1;
    bool negated = i < s.n && s.p[i] == '^', quote = false, slash = false;
    if (negated) i++;
    int rc = -1;
    for (size_t from = i; i < s.n && (s.p[i] != ']' || i == from); i++) {
        char c = s.p[i];
        if (c == '\\') {
            if (++i == s.n) break;
            const char *set = shorthand(s.p[i]);
            if (set) {
                buf_add_str(&in, set);
                continue;
            }
            if (!escaped_char(s.p[i], &c)) {
                rc = no_pattern("an escape that is not known", where, e);
                goto out;
            }
            bool range = i + 2 < s.n && s.p[i + 1] == '-' && s.p[i + 2] != ']';
            if (range && (c == '\\' || c == '"')) {
                rc = no_pattern("a class range from an escape", where, e);
                goto out;
            }
        }
        if (c == '"')
            quote = true;
        else if (c == '\\')
            slash = true;
        else if ((unsigned char)c < 0x20 && !negated) {
            rc = no_pattern("control characters in a class", where, e);
            goto out;
        } else if ((unsigned char)c < 0x20)
            continue; /* excluded anyway */
        else if (strchr("[]^", c) || (c == '-' && s.p[i - 1] == '\\'))
            buf_printf(&in, "\\%c", c);
        else
            buf_add_char(&in, c);
        /* A range that runs over a quote or a backslash would let them in bare. */
        if (c == '-' && s.p[i - 1] != '\\' && i > from && i + 1 < s.n && s.p[i + 1] != ']') {
            unsigned char a = (unsigned char)s.p[i - 1], b = (unsigned char)s.p[i + 1];
            if (!negated && a < 0x80 &&
                ((a <= '"' && b >= '"') || (a <= '\\' && b >= '\\') || b == '\\')) {
                rc = no_pattern("a class range over a quote or backslash", where, e);
                goto out;
            }
        }
    }
    if (i >= s.n) {
        rc = err_set(e, ERR_FORMAT,
                     "the schema at %s: 'pattern' has a class that is not closed", where);
        goto out;
    }
    *at = i;
    if (negated) {
        buf_printf(out, "[^\\\"\\\\\\x00-\\x1f\\x7f%s]", buf_str(&in));
    } else {
        buf_printf(out, "([%s]", buf_str(&in));
        if (quote) buf_add_str(out, " | \"\\\\\\\"\"");
        if (slash) buf_add_str(out, " | \"\\\\\\\\\"");
        buf_add_char(out, ')');
    }
    rc = buf_ok(&in, "pattern", e);
out:
    out->failed |= in.failed;
    buf_release(&in);
    return rc;
}

/* The expression between its anchors. The grammar's notation has the same operators. */
static int pattern_body(struct buf *out, struct span s, const char *where, struct err *e)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], lit;
        buf_add_char(out, ' ');
        switch (c) {
        case '[':
            if (pattern_class(out, s, &i, where, e)) return -1;
            break;
        case '(':
            if (i + 1 < s.n && s.p[i + 1] == '?') {
                if (i + 2 >= s.n || s.p[i + 2] != ':')
                    return no_pattern("look-around or named groups", where, e);
                i += 2;
            }
            buf_add_char(out, '(');
            break;
        case '.': buf_add_str(out, plain_char); break;
        case ')':
        case '|':
        case '*':
        case '+':
        case '?':
            buf_add_char(out, c);
            if (c != ')' && c != '|' && i + 1 < s.n && s.p[i + 1] == '?')
                i++; /* lazy: the same set */
            break;
        case '{':
            while (i < s.n && s.p[i] != '}') buf_add_char(out, s.p[i++]);
            buf_add_char(out, '}');
            if (i + 1 < s.n && s.p[i + 1] == '?') i++;
            break;
        case '^':
        case '$': return no_pattern("an anchor inside", where, e);
        case '\\':
            if (++i == s.n) return no_pattern("a backslash at its end", where, e);
            if (shorthand(s.p[i]))
                buf_printf(out, "[%s]", shorthand(s.p[i]));
            else if (escaped_char(s.p[i], &lit))
                put_char(out, lit);
            else
                return no_pattern("an escape that is not known", where, e);
            break;
        default:
            if ((unsigned char)c >= 0x80) { /* a whole character, so that "é+" repeats it */
                size_t n = 1;
                while (i + n < s.n && ((unsigned char)s.p[i + n] & 0xC0) == 0x80) n++;
                schema_literal(out, (struct span){s.p + i, n});
                i += n - 1;
            } else if ((unsigned char)c < 0x20 && (!c || !strchr("\n\r\t", c))) {
                return no_pattern("control characters", where, e);
            } else {
                put_char(out, c);
            }
        }
    }
    return 0;
}

static int pattern(struct buf *out, struct span s, const char *where, struct err *e)
{
    bool front = s.n && s.p[0] == '^', back = s.n && s.p[s.n - 1] == '$';
    if (back && s.n > 1 && s.p[s.n - 2] == '\\') back = false;
    if (front) s = (struct span){s.p + 1, s.n - 1};
    if (back) s.n--;
    int depth = 0;
    bool in_class = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\') {
            i++;
            continue;
        }
        if (s.p[i] == '[') in_class = true;
        if (s.p[i] == ']') in_class = false;
        if (in_class) continue;
        depth += (s.p[i] == '(') - (s.p[i] == ')');
        if (s.p[i] == '|' && depth == 0 && (front || back))
            return no_pattern("'|' beside an anchor", where, e);
    }
    if (!front) buf_printf(out, "%s* ", one_char);
    buf_add_char(out, '(');
    if (pattern_body(out, s, where, e)) return -1;
    buf_add_char(out, ')');
    if (!back) buf_printf(out, " %s*", one_char);
    return 0;
}

static int length_of(const json_t *s, const char *key, json_int_t *out, const char *where,
                     struct err *e)
{
    const json_t *v = json_object_get(s, key);
    if (!v) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return err_set(e, ERR_FORMAT, "the schema at %s: '%s' is not a count", where, key);
    *out = json_integer_value(v);
    if (*out > GRAMMAR_COUNT_MAX)
        return err_set(e, ERR_LIMIT, "the schema at %s: '%s' is above %d", where, key,
                       GRAMMAR_COUNT_MAX);
    return 0;
}

int schema_string(struct buf *out, const json_t *s, const char *where, struct err *e)
{
    const json_t *pat = json_object_get(s, "pattern"), *format = json_object_get(s, "format");
    json_int_t lo = 0, hi = -1;
    if (length_of(s, "minLength", &lo, where, e) || length_of(s, "maxLength", &hi, where, e))
        return -1;
    bool counted = lo > 0 || hi >= 0;
    if ((pat != NULL) + (format != NULL) + counted > 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "the schema at %s: more than one of 'pattern', 'format' and lengths",
                       where);
    if ((pat && !json_is_string(pat)) || (format && !json_is_string(format)))
        return err_set(e, ERR_FORMAT, "the schema at %s: '%s' is not a string", where,
                       pat ? "pattern" : "format");
    if (!pat && !format && !counted) {
        buf_add_str(out, "string");
        return 0;
    }
    buf_add_str(out, "\"\\\"\" ");
    if (counted && hi >= 0 && hi < lo)
        return err_set(e, ERR_FORMAT, "the schema at %s: 'maxLength' is below 'minLength'",
                       where);
    if (counted) buf_printf(out, "char{%d,", (int)lo);
    if (counted && hi >= 0) buf_printf(out, "%d", (int)hi);
    if (counted) buf_add_char(out, '}');
    if (pat) {
        struct span p = {json_string_value(pat), json_string_length(pat)};
        if (pattern(out, p, where, e)) return -1;
    }
    for (size_t i = 0; format && i < countof(formats); i++) {
        if (strcmp(formats[i].name, json_string_value(format)) != 0) continue;
        buf_printf(out, "(%s)", formats[i].body);
        format = NULL;
    }
    if (format)
        return err_set(e, ERR_UNSUPPORTED, "the schema at %s: 'format' of '%.64s'", where,
                       json_string_value(format));
    buf_add_str(out, " \"\\\"\"");
    return 0;
}
