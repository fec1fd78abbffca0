#include "serve/field.h"

#include <math.h>
#include <stdio.h>

#include "base/utf8.h"
#include "serve/api_err.h"

enum { MAX_DEPTH = 128, MAX_VALUES = 1000000 };

json_t *member(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

const char *json_kind(const json_t *v)
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

/* Depth and number of values, counted before anything is built from the text. */
static int count_values(struct span s, struct api_err *a)
{
    size_t values = 1, depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            for (i++; i < s.n && s.p[i] != '"'; i++)
                if (s.p[i] == '\\') i++;
            break;
        case '[':
        case '{':
            if (++depth > MAX_DEPTH)
                return api_fail(a, 400, NULL, NULL, "the body nests deeper than %d levels",
                                MAX_DEPTH);
            values++;
            break;
        case ']':
        case '}':
            if (depth) depth--;
            break;
        case ',':
            if (++values > MAX_VALUES)
                return api_fail(a, 400, NULL, NULL, "the body holds more than %d values",
                                MAX_VALUES);
            break;
        default: break;
        }
    }
    return 0;
}

json_t *body_parse(struct span text, struct api_err *a)
{
    json_error_t je;
    if (text.n == 0) {
        api_fail(a, 400, NULL, NULL, "the body is empty; a JSON object is needed");
        return NULL;
    }
    size_t ok = utf8_valid_prefix(text.p, text.n);
    if (ok < text.n) {
        api_fail(a, 400, NULL, NULL, "the body is not valid UTF-8 at byte %zu", ok);
        return NULL;
    }
    if (count_values(text, a)) return NULL;
    json_t *j = json_loadb(text.p, text.n, JSON_ALLOW_NUL, &je);
    if (!j) {
        api_fail(a, 400, NULL, NULL, "the body is not valid JSON at line %d, column %d: %s",
                 je.line, je.column, je.text);
        return NULL;
    }
    if (!json_is_object(j)) {
        api_fail(a, 400, NULL, NULL, "the body is %s; a JSON object is needed", json_kind(j));
        json_decref(j);
        return NULL;
    }
    return j;
}

static int wrong_type(const struct field *f, const json_t *v, const char *path,
                      struct api_err *a)
{
    static const char *const want[] = {
        [FT_BOOL] = "true or false", [FT_INT] = "an integer", [FT_NUM] = "a number",
        [FT_STR] = "a string",       [FT_OBJ] = "an object",  [FT_ARR] = "an array",
        [FT_ANY] = "a value"};
    char name[128];
    snprintf(name, sizeof name, "%s%s", path, f->name);
    return api_fail(a, 400, "invalid_type", name, "%s is %s; %s is needed", name, json_kind(v),
                    want[f->type]);
}

static int out_of_range(const struct field *f, const char *path, struct api_err *a)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", path, f->name);
    return api_fail(a, 400, "invalid_parameter", name, "%s must be %s%.17g%s to %.17g", name,
                    f->lo_open ? "above " : "", f->lo, f->lo_open ? ", up" : "", f->hi);
}

static int read_int(const struct field *f, const json_t *v, const char *path,
                    struct opt_int *out, struct api_err *a)
{
    int64_t n;
    if (json_is_integer(v)) {
        n = json_integer_value(v);
    } else if (json_is_real(v)) {
        double d = json_real_value(v);
        if (d < -9007199254740992.0 || d > 9007199254740992.0 || floor(d) != d)
            return wrong_type(f, v, path, a);
        n = (int64_t)d;
    } else {
        return wrong_type(f, v, path, a);
    }
    if ((double)n < f->lo || (double)n > f->hi) return out_of_range(f, path, a);
    *out = (struct opt_int){true, n};
    return 0;
}

static int read_num(const struct field *f, const json_t *v, const char *path,
                    struct opt_num *out, struct api_err *a)
{
    if (!json_is_number(v)) return wrong_type(f, v, path, a);
    double d = json_number_value(v);
    if (d < f->lo || d > f->hi || (f->lo_open && d <= f->lo)) return out_of_range(f, path, a);
    *out = (struct opt_num){true, d};
    return 0;
}

/* Values that say "not used" are accepted for fields that are otherwise rejected. */
static bool says_nothing(const json_t *v)
{
    return json_is_false(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_number(v) && json_number_value(v) == 0.0);
}

static int read_one(const struct field *f, json_t *v, const char *path, char *dst,
                    struct api_err *a)
{
    void *to = dst + f->at;
    char name[128];
    snprintf(name, sizeof name, "%s%s", path, f->name);
    switch (f->policy) {
    case FP_IGNORE: return 0;
    case FP_REJECT:
        if (says_nothing(v)) return 0;
        return api_fail(a, 400, "unsupported_parameter", name, "%s is not supported: %s", name,
                        f->doc);
    case FP_HONOUR: break;
    }
    switch (f->type) {
    case FT_BOOL:
        if (!json_is_boolean(v)) return wrong_type(f, v, path, a);
        *(struct opt_bool *)to = (struct opt_bool){true, json_is_true(v)};
        return 0;
    case FT_INT: return read_int(f, v, path, to, a);
    case FT_NUM: return read_num(f, v, path, to, a);
    case FT_STR:
        if (!json_is_string(v)) return wrong_type(f, v, path, a);
        *(struct span *)to = json_span(v);
        return 0;
    case FT_OBJ:
        if (!json_is_object(v)) return wrong_type(f, v, path, a);
        break;
    case FT_ARR:
        if (!json_is_array(v)) return wrong_type(f, v, path, a);
        break;
    case FT_ANY: break;
    }
    *(json_t **)to = v;
    return 0;
}

int field_read(const struct field *f, size_t n, const json_t *o, const char *path, void *dst,
               struct api_err *a)
{
    for (size_t i = 0; i < n; i++) {
        json_t *v = member(o, f[i].name);
        if (v) {
            if (read_one(&f[i], v, path, dst, a)) return -1;
        } else if (f[i].required) {
            char name[128];
            snprintf(name, sizeof name, "%s%s", path, f[i].name);
            return api_fail(a, 400, "missing_required_parameter", name, "%s is missing: %s",
                            name, f[i].doc);
        }
    }
    return 0;
}
