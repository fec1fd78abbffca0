#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

bool opt_parse_count(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || errno) return false;
    int64_t unit = 1;
    switch (tolower((unsigned char)*end)) {
    case 'k': unit = (int64_t)1 << 10; break;
    case 'm': unit = (int64_t)1 << 20; break;
    case 'g': unit = (int64_t)1 << 30; break;
    case 0: break;
    default: return false;
    }
    if (*end && end[1]) return false;
    return !__builtin_mul_overflow((int64_t)v, unit, out);
}

static int out_of_range(const struct opt *o, const char *value, struct err *e)
{
    return err_set(e, ERR_USAGE, "--%s is %s, allowed is %g to %g", o->name, value, o->lo,
                   o->hi);
}

static int set_value(const struct opt *o, char *value, struct err *e)
{
    bool limited = o->lo < o->hi;
    switch (o->type) {
    case OPT_END:
    case OPT_FLAG: return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
    case OPT_INT: {
        int64_t v;
        if (!opt_parse_count(value, &v))
            return err_set(e, ERR_USAGE, "--%s needs a whole number, not \"%s\"", o->name,
                           value);
        if (limited && ((double)v < o->lo || (double)v > o->hi))
            return out_of_range(o, value, e);
        *(int64_t *)o->to = v;
        return 0;
    }
    case OPT_REAL: {
        char *end;
        double v = strtod(value, &end);
        if (end == value || *end || !isfinite(v))
            return err_set(e, ERR_USAGE, "--%s needs a number, not \"%s\"", o->name, value);
        if (limited && (v < o->lo || v > o->hi)) return out_of_range(o, value, e);
        *(double *)o->to = v;
        return 0;
    }
    case OPT_STR: *(const char **)o->to = value; return 0;
    case OPT_LIST: {
        struct opt_list *l = o->to;
        if (l->n == (int)countof(l->item))
            return err_set(e, ERR_USAGE, "--%s is given more than %d times", o->name, l->n);
        l->item[l->n++] = value;
        return 0;
    }
    }
    return 0;
}

/* The option that a word names. *off: it was --no-name. *value: what follows '=', or NULL. */
static const struct opt *find(const struct opt *const *tables, char *word, bool *off,
                              char **value)
{
    *off = false;
    *value = NULL;
    bool is_long = word[1] == '-';
    size_t n = strlen(word);
    if (is_long && strchr(word, '=')) {
        *value = strchr(word, '=') + 1;
        n = (size_t)(*value - word) - 1;
    }
    for (; *tables; tables++) {
        for (const struct opt *o = *tables; o->type != OPT_END; o++) {
            if (!is_long) {
                if (o->letter && word[1] == o->letter && !word[2]) return o;
                continue;
            }
            size_t len = strlen(o->name);
            if (n == len + 2 && memcmp(word + 2, o->name, len) == 0) return o;
            if (o->type == OPT_FLAG && n == len + 5 && memcmp(word, "--no-", 5) == 0 &&
                memcmp(word + 5, o->name, len) == 0) {
                *off = true;
                return o;
            }
        }
    }
    return NULL;
}

int opt_parse(const struct opt *const *tables, int *argc, char **argv, struct err *e)
{
    int n = 0;
    for (int i = 0; i < *argc; i++) {
        char *word = argv[i], *value;
        bool off;
        if (strcmp(word, "--") == 0) {
            while (++i < *argc) argv[n++] = argv[i];
            break;
        }
        /* "-" is stdin, "-5" a number. */
        if (word[0] != '-' || !word[1] || isdigit((unsigned char)word[1])) {
            argv[n++] = word;
            continue;
        }
        const struct opt *o = find(tables, word, &off, &value);
        if (!o) return err_set(e, ERR_USAGE, "there is no option %s", word);
        if (o->type == OPT_FLAG) {
            if (value) return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
            *(bool *)o->to = !off;
            continue;
        }
        if (!value) {
            if (i + 1 >= *argc) return err_set(e, ERR_USAGE, "--%s needs a value", o->name);
            value = argv[++i];
        }
        if (set_value(o, value, e)) return -1;
    }
    *argc = n;
    return 0;
}

void opt_help(const struct opt *table, struct buf *out)
{
    for (const struct opt *o = table; o->type != OPT_END; o++) {
        size_t from = out->len;
        if (o->letter)
            buf_printf(out, "  -%c, --%s", o->letter, o->name);
        else
            buf_printf(out, "      --%s", o->name);
        if (o->arg) buf_printf(out, " %s", o->arg);
        while (out->len - from < 30 && !out->failed) buf_add_char(out, ' ');
        buf_printf(out, "  %s\n", o->help);
    }
}
