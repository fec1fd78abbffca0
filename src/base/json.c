#include "base/json.h"

#include "base/err.h"
#include "base/file.h"

json_t *json_parse(struct span text, const char *what, struct err *e)
{
    json_error_t je;
    json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
    if (!j)
        err_set(e, ERR_FORMAT, "%s: line %d, column %d: %s", what, je.line, je.column, je.text);
    return j;
}

json_t *json_parse_file(const char *path, size_t max_bytes, struct err *e)
{
    struct file_map m;
    json_t *j = NULL;
    if (file_map_open(&m, path, e)) return NULL;
    if (m.size > max_bytes)
        err_set(e, ERR_LIMIT, "%s has %zu bytes, the limit is %zu", path, m.size, max_bytes);
    else
        j = json_parse((struct span){(const char *)m.data, m.size}, path, e);
    file_map_close(&m);
    return j;
}

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "unknown";
}

static int missing(const char *key, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: \"%s\" is missing", what, key);
}

static int wrong(const json_t *v, const char *key, const char *want, const char *what,
                 struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: \"%s\" is %s where %s is needed", what, key,
                   type_name(v), want);
}

static const json_t *member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

int json_get_i64_opt(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                     const char *what, struct err *e)
{
    const json_t *v = member(o, key);
    if (!v) return 0;
    int64_t n;
    if (json_is_integer(v)) {
        n = json_integer_value(v);
    } else if (json_is_real(v) && json_real_value(v) >= -9e15 && json_real_value(v) <= 9e15 &&
               (double)(int64_t)json_real_value(v) == json_real_value(v)) {
        n = (int64_t)json_real_value(v); /* 131072.0: some converters write counts so */
    } else {
        return wrong(v, key, "an integer", what, e);
    }
    if (n < lo || n > hi)
        return err_set(e, ERR_FORMAT, "%s: \"%s\" is %lld, allowed is %lld to %lld", what, key,
                       (long long)n, (long long)lo, (long long)hi);
    *out = n;
    return 0;
}

int json_get_i64(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                 const char *what, struct err *e)
{
    if (!member(o, key)) return missing(key, what, e);
    return json_get_i64_opt(o, key, lo, hi, out, what, e);
}

int json_get_f64_opt(const json_t *o, const char *key, double *out, const char *what,
                     struct err *e)
{
    const json_t *v = member(o, key);
    if (!v) return 0;
    if (!json_is_number(v)) return wrong(v, key, "a number", what, e);
    *out = json_number_value(v);
    return 0;
}

int json_get_f64(const json_t *o, const char *key, double *out, const char *what, struct err *e)
{
    if (!member(o, key)) return missing(key, what, e);
    return json_get_f64_opt(o, key, out, what, e);
}

int json_get_bool_opt(const json_t *o, const char *key, bool *out, const char *what,
                      struct err *e)
{
    const json_t *v = member(o, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return wrong(v, key, "a boolean", what, e);
    *out = json_is_true(v);
    return 0;
}

int json_get_str_opt(const json_t *o, const char *key, struct span *out, const char *what,
                     struct err *e)
{
    const json_t *v = member(o, key);
    if (!v) return 0;
    if (!json_is_string(v)) return wrong(v, key, "a string", what, e);
    *out = (struct span){json_string_value(v), json_string_length(v)};
    return 0;
}

int json_get_str(const json_t *o, const char *key, struct span *out, const char *what,
                 struct err *e)
{
    if (!member(o, key)) return missing(key, what, e);
    return json_get_str_opt(o, key, out, what, e);
}
