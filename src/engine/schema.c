/* Each subschema in use becomes a rule "s<n>"; a list of those still to be written takes the place
 * of recursion, and makes recursive references no different from others. */
#include "engine/schema.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/schema_int.h"

enum { MADE_MAX = 4096, MEMBERS_MAX = 4096, HOPS_MAX = 64 };

struct todo {
    const json_t *s;
    char where[112];
};

struct maker {
    struct buf *out;
    json_t *root;
    struct todo *todo;
    size_t n_todo, n_done, cap;
    struct map64 rule;      /* schema -> its number */
    json_t *made[MADE_MAX]; /* merged schemas, owned */
    size_t n_made;
    unsigned n_extra; /* rules made for the inside of a schema */
    struct err *e;
};

enum {
    T_OBJECT = 1,
    T_ARRAY = 2,
    T_STRING = 4,
    T_INTEGER = 8,
    T_NUMBER = 16,
    T_BOOL = 32,
    T_NULL = 64
};

static const struct {
    const char *name;
    int bit;
} types[] = {{"object", T_OBJECT},   {"array", T_ARRAY},   {"string", T_STRING},
             {"integer", T_INTEGER}, {"number", T_NUMBER}, {"boolean", T_BOOL},
             {"null", T_NULL}};

/* What a keyword is about: 0 for annotations, -1 for those that hold on their own. */
static const struct {
    const char *name;
    int bits;
} keywords[] = {{"type", -1},
                {"enum", -1},
                {"const", -1},
                {"anyOf", -1},
                {"oneOf", -1},
                {"allOf", -1},
                {"$ref", -1},
                {"properties", T_OBJECT},
                {"required", T_OBJECT},
                {"additionalProperties", T_OBJECT},
                {"minProperties", T_OBJECT},
                {"maxProperties", T_OBJECT},
                {"items", T_ARRAY},
                {"prefixItems", T_ARRAY},
                {"additionalItems", T_ARRAY},
                {"minItems", T_ARRAY},
                {"maxItems", T_ARRAY},
                {"minLength", T_STRING},
                {"maxLength", T_STRING},
                {"pattern", T_STRING},
                {"format", T_STRING},
                {"minimum", T_NUMBER},
                {"maximum", T_NUMBER},
                {"exclusiveMinimum", T_NUMBER},
                {"exclusiveMaximum", T_NUMBER},
                {"multipleOf", T_NUMBER},
                {"uniqueItems", 0}, /* true is refused */
                {"title", 0},
                {"description", 0},
                {"default", 0},
                {"examples", 0},
                {"example", 0},
                {"deprecated", 0},
                {"readOnly", 0},
                {"writeOnly", 0},
                {"nullable", 0}, /* true is refused */
                {"name", 0},
                {"strict", 0},
                {"contentMediaType", 0},
                {"contentEncoding", 0},
                {"$schema", 0},
                {"$id", 0},
                {"$comment", 0},
                {"$anchor", 0},
                {"$defs", 0},
                {"$def", 0},
                {"definitions", 0}};

static const char common_rules[] =
    "ws ::= (\" \" | \"\\n\" [ \\t]{0,20})?\n"
    "char ::= [^\\\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" ([\\\"\\\\/bfnrt] | \"u\" "
    "([0-9a-cA-CefEF] "
    "[0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))\n"
    "tail ::= ([^\\\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" ([\\\"\\\\/bfnrt] | \"u\" "
    "([0-9a-cA-CefEF] "
    "[0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2})))* \"\\\"\"\n"
    "string ::= \"\\\"\" tail\n"
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]{0,15}) (\".\" [0-9]{1,16})? ([eE] [-+]? [0-9] "
    "[0-9]?)?\n"
    "object ::= \"{\" ws (string ws \":\" ws any (ws \",\" ws string ws \":\" ws any)* ws)? "
    "\"}\"\n"
    "array ::= \"[\" ws (any (ws \",\" ws any)* ws)? \"]\"\n"
    "any ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n";

void schema_any_object(struct buf *out)
{
    buf_add_str(out, "root ::= object\n");
    buf_add_str(out, common_rules);
}

/* ---- rules to be written ------------------------------------------------------------------- */

/* The number of a schema's rule, which is written later if it has not been yet. */
static int use(struct maker *m, const json_t *s, const char *where, const char *key, size_t at,
               unsigned *rule)
{
    uint64_t known = map64_get(&m->rule, (uintptr_t)s);
    bool literal = json_is_boolean(s); /* one object stands for all of them */
    if (known != MAP_NONE && !literal) {
        *rule = (unsigned)known;
        return 0;
    }
    if (!json_is_object(s) && !literal)
        return err_set(m->e, ERR_FORMAT, "the schema at %s/%.40s: not a schema", where, key);
    if (m->n_todo == SCHEMA_RULES_MAX)
        return err_set(m->e, ERR_LIMIT, "the schema has more than %d parts", SCHEMA_RULES_MAX);
    if (m->n_todo == m->cap) {
        size_t want = m->cap ? 2 * m->cap : 64;
        struct todo *t = mem_realloc(m->todo, m->cap * sizeof *t, want * sizeof *t);
        if (!t) return err_oom(m->e, "schema", want * sizeof *t);
        m->todo = t;
        m->cap = want;
    }
    struct todo *t = &m->todo[m->n_todo];
    t->s = s;
    if (at == SIZE_MAX)
        snprintf(t->where, sizeof t->where, "%.60s/%.32s", where, key);
    else
        snprintf(t->where, sizeof t->where, "%.60s/%.20s/%zu", where, key, at);
    if (!map64_put(&m->rule, (uintptr_t)s, m->n_todo)) return err_oom(m->e, "schema", 16);
    *rule = (unsigned)m->n_todo++;
    return 0;
}

static int refuse(struct maker *m, const char *where, const char *key)
{
    return err_set(m->e, ERR_UNSUPPORTED, "the schema at %s: '%.64s' cannot be enforced", where,
                   key);
}

/* A schema that was put together here; takes the reference. */
static int adopt(struct maker *m, json_t *s)
{
    if (!s) return err_oom(m->e, "schema", 256);
    if (m->n_made == MADE_MAX) {
        json_decref(s);
        return err_set(m->e, ERR_LIMIT, "the schema needs more than %d merges", MADE_MAX);
    }
    m->made[m->n_made++] = s;
    return 0;
}

/* ---- references and merging ---------------------------------------------------------------- */

static const json_t *step_into(const json_t *at, const char *key)
{
    if (json_is_object(at)) return json_object_get(at, key);
    if (!json_is_array(at) || !*key) return NULL;
    size_t i = 0;
    for (; *key >= '0' && *key <= '9' && i < 1 << 20; key++) i = i * 10 + (size_t)(*key - '0');
    return *key ? NULL : json_array_get(at, i);
}

static int resolve(struct maker *m, const json_t *ref, const char *where, const json_t **out)
{
    const char *p = json_string_value(ref);
    if (!p) return err_set(m->e, ERR_FORMAT, "the schema at %s: '$ref' is not a string", where);
    if (*p != '#')
        return err_set(m->e, ERR_UNSUPPORTED,
                       "the schema at %s: '$ref' outside the schema ('%.64s')", where, p);
    const json_t *at = m->root;
    for (p++; at && *p == '/';) {
        char key[256];
        size_t n = 0;
        for (p++; *p && *p != '/' && n + 1 < sizeof key; p++) {
            char c = *p;
            if (c == '~' && (p[1] == '0' || p[1] == '1')) c = *++p == '0' ? '~' : '/';
            key[n++] = c;
        }
        key[n] = 0;
        at = step_into(at, key);
    }
    if (!at || *p || !(json_is_object(at) || json_is_boolean(at)))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: '$ref' to '%.64s' leads nowhere",
                       where, json_string_value(ref));
    *out = at;
    return 0;
}

static int keyword_bits(const char *name)
{
    for (size_t i = 0; i < countof(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0) return keywords[i].bits;
    return -2;
}

static bool constrains(const json_t *s, const char *but)
{
    const char *key;
    json_t *v, *o = json_incref((json_t *)(uintptr_t)s);
    bool yes = false;
    json_object_foreach(o, key, v) yes =
        yes || (keyword_bits(key) != 0 && (!but || strcmp(key, but) != 0));
    json_decref(o);
    return yes;
}

/* Both lists' members once (required), or those in both (type, enum). */
static json_t *combine_lists(const json_t *a, const json_t *b, bool both)
{
    json_t *out = json_array();
    for (int side = 0; out && side < (both ? 1 : 2); side++) {
        const json_t *from = side ? b : a;
        for (size_t i = 0; i < json_array_size(from); i++) {
            json_t *v = json_array_get(from, i);
            bool in_b = false, in_out = false;
            for (size_t k = 0; k < json_array_size(b); k++)
                in_b = in_b || json_equal(v, json_array_get(b, k));
            for (size_t k = 0; k < json_array_size(out); k++)
                in_out = in_out || json_equal(v, json_array_get(out, k));
            if (!in_out && (in_b || !both) && json_array_append(out, v)) return out;
        }
    }
    return out;
}

static int check_keywords(struct maker *m, const json_t *s, const char *where)
{
    const char *key;
    json_t *v, *o = (json_t *)(uintptr_t)s;
    json_object_foreach(o, key, v)
    {
        int bits = keyword_bits(key);
        bool off = strcmp(key, "uniqueItems") == 0 || strcmp(key, "nullable") == 0;
        if (bits == -2 || (off && json_is_true(v))) return refuse(m, where, key);
    }
    return 0;
}

/* into AND from, where that is a plain sum: members of objects, equal keywords, narrower ones. */
static int merge(struct maker *m, json_t *into, const json_t *from, const char *where)
{
    const char *key;
    json_t *v, *src = (json_t *)(uintptr_t)from;
    if (check_keywords(m, from, where)) return -1;
    json_object_foreach(src, key, v)
    {
        json_t *have = json_object_get(into, key);
        int bits = keyword_bits(key), rc = 0;
        if (bits == 0 || (have && json_equal(have, v))) continue;
        bool is_type = strcmp(key, "type") == 0;
        if (!have) {
            rc = json_object_set(into, key, v);
        } else if (strcmp(key, "properties") == 0 && json_is_object(have) &&
                   json_is_object(v)) {
            const char *name;
            json_t *p, *sum = json_copy(have);
            json_object_foreach(v, name, p)
            {
                json_t *old = json_object_get(sum, name);
                if (!old)
                    rc |= json_object_set(sum, name, p);
                else if (!json_equal(old, p))
                    rc |=
                        json_object_set_new(sum, name, json_pack("{s:[O,O]}", "allOf", old, p));
            }
            rc |= json_object_set_new(into, key, sum);
        } else if (strcmp(key, "required") == 0) {
            rc = json_object_set_new(into, key, combine_lists(have, v, false));
        } else if (strcmp(key, "enum") == 0 || is_type) {
            json_t *a = json_is_array(have) ? json_incref(have) : json_pack("[O]", have);
            json_t *b = json_is_array(v) ? json_incref(v) : json_pack("[O]", v);
            json_t *sum = combine_lists(a, b, true);
            json_decref(a);
            json_decref(b);
            if (json_array_size(sum) == 0) {
                json_decref(sum);
                return err_set(m->e, ERR_UNSUPPORTED,
                               "the schema at %s: nothing satisfies both '%s'", where, key);
            }
            rc = json_object_set_new(into, key, sum);
        } else {
            return err_set(m->e, ERR_UNSUPPORTED,
                           "the schema at %s: two different '%.64s' in one 'allOf'", where,
                           key);
        }
        if (rc) return err_oom(m->e, "schema", 256);
    }
    return 0;
}

/* s and its `key` (one of allOf, anyOf, $ref) away, and one more schema, as one. */
static int merged(struct maker *m, const json_t *s, const char *key, const json_t *more,
                  const char *where, const json_t **out)
{
    json_t *sum = json_copy((json_t *)(uintptr_t)s);
    if (adopt(m, sum)) return -1;
    if (key) (void)json_object_del(sum, key);
    *out = sum;
    if (json_is_true(more)) return 0;
    if (!json_is_object(more))
        return err_set(m->e, ERR_UNSUPPORTED, "the schema at %s: '%s' with a false schema",
                       where, key ? key : "allOf");
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        /* A branch that is nothing but a reference stands for what it names. */
        const json_t *ref = json_object_get(more, "$ref");
        if (!ref || constrains(more, "$ref")) break;
        if (resolve(m, ref, where, &more)) return -1;
        if (!json_is_object(more)) return json_is_true(more) ? 0 : refuse(m, where, "$ref");
    }
    return merge(m, sum, more, where);
}

static int merge_all(struct maker *m, const json_t *s, const char *where, const json_t **out)
{
    const json_t *list = json_object_get(s, "allOf");
    if (!json_is_array(list) || !json_array_size(list))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'allOf' is not a list", where);
    const json_t *sum = s;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *next;
        if (merged(m, sum, i == 0 ? "allOf" : NULL, json_array_get(list, i), where, &next))
            return -1;
        sum = next;
    }
    *out = sum;
    return 0;
}

/* ---- objects ------------------------------------------------------------------------------- */

struct member {
    struct span name;
    char *text; /* as JSON writes it, without the quotes; NULL for extra ones */
    unsigned rule;
    bool required;
};

static bool is_required(const json_t *list, struct span name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (json_is_string(v) && json_string_length(v) == name.n &&
            memcmp(json_string_value(v), name.p, name.n) == 0)
            return true;
    }
    return false;
}

static void key_literal(struct buf *out, const char *text)
{
    struct buf quoted;
    buf_init(&quoted, 1 << 20);
    buf_printf(&quoted, "\"%s\"", text);
    schema_literal(out, buf_span(&quoted));
    out->failed |= quoted.failed; /* else the grammar would lack a name */
    buf_release(&quoted);
}

static int by_text(const void *x, const void *y)
{
    const struct member *a = x, *b = y;
    return strcmp(a->text, b->text);
}

/* Members sorted by text; those with the first `depth` bytes of member `from`. */
static size_t same_front(const struct member *mem, size_t from, size_t end, size_t depth)
{
    size_t i = from + 1;
    while (i < end && strncmp(mem[i].text, mem[from].text, depth) == 0) i++;
    return i;
}

static bool plain(char c)
{
    return c != '\\' && (unsigned char)c < 0x80;
}

/* Rule k<id>: a string that is none of the members' names. It goes along their spelling letter by
 * letter (rule k<id>-<first member>-<depth>) and leaves at the first that differs. Escapes are
 * allowed only after that: they could spell a name. */
static void other_names(struct maker *m, struct member *mem, size_t n, unsigned id)
{
    qsort(mem, n, sizeof *mem, by_text);
    buf_printf(m->out, "k%u ::= \"\\\"\" k%u-0-0\n", id, id);
    for (size_t i = 0; i < n; i++) {
        for (size_t depth = 0; depth <= strlen(mem[i].text); depth++) {
            if (i > 0 && strncmp(mem[i - 1].text, mem[i].text, depth) == 0) continue;
            if (depth && !plain(mem[i].text[depth - 1])) break;
            size_t end = same_front(mem, i, n, depth);
            struct buf out_class;
            buf_init(&out_class, 1 << 16);
            bool is_name = mem[i].text[depth] == 0;
            buf_printf(m->out, "k%u-%zu-%zu ::= ", id, i, depth);
            if (!is_name) buf_add_str(m->out, "\"\\\"\" | ");
            for (size_t k = i; k < end; k = same_front(mem, k, end, depth + 1)) {
                char c = mem[k].text[depth];
                if (c == 0) continue;
                if ((unsigned char)c >= 0x80) { /* leave out all of Unicode beyond ASCII */
                    buf_add_str(&out_class, "\\x80-\\U0010FFFF");
                    continue;
                }
                if (c == '\\') continue;
                buf_add_str(&out_class, strchr("[]^-", c) ? "\\" : "");
                buf_add_char(&out_class, c);
                buf_add_str(m->out, strchr("[]^-", c) ? "[\\" : "[");
                buf_printf(m->out, "%c] k%u-%zu-%zu | ", c, id, k, depth + 1);
            }
            buf_printf(m->out, "[^\\\"\\\\\\x00-\\x1f\\x7f%s] tail\n", buf_str(&out_class));
            m->out->failed |= out_class.failed;
            buf_release(&out_class);
        }
    }
}

static int read_members(struct maker *m, const json_t *s, const json_t *extra,
                        const char *where, struct member *mem, size_t *n)
{
    const json_t *props = json_object_get(s, "properties"),
                 *req = json_object_get(s, "required");
    if (props && !json_is_object(props))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'properties' is not an object",
                       where);
    if (req && !json_is_array(req))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'required' is not a list", where);
    if (json_object_size(props) + json_array_size(req) > MEMBERS_MAX)
        return err_set(m->e, ERR_LIMIT, "the schema at %s: more than %d members", where,
                       MEMBERS_MAX);
    const char *name;
    json_t *v, *o = (json_t *)(uintptr_t)props;
    json_object_foreach(o, name, v)
    {
        struct member *at = &mem[(*n)++];
        at->name = span_of(name);
        at->required = is_required(req, at->name);
        if (json_is_false(v) && !at->required) {
            --*n;
            continue;
        }
        if (use(m, v, where, name, SIZE_MAX, &at->rule)) return -1;
    }
    for (size_t i = 0; i < json_array_size(req); i++) {
        const json_t *r = json_array_get(req, i);
        if (!json_is_string(r))
            return err_set(m->e, ERR_FORMAT, "the schema at %s: 'required' holds no string",
                           where);
        if (json_object_get(props, json_string_value(r))) continue;
        if (json_is_false(extra))
            return err_set(m->e, ERR_UNSUPPORTED,
                           "the schema at %s: '%.64s' is required and not allowed", where,
                           json_string_value(r));
        struct member *at = &mem[(*n)++];
        *at = (struct member){.name = span_of(json_string_value(r)), .required = true};
        if (use(m, extra && json_is_object(extra) ? extra : json_true(), where, at->name.p,
                SIZE_MAX, &at->rule))
            return -1;
    }
    for (size_t i = 0; i < *n; i++) {
        struct buf text;
        size_t len;
        buf_init(&text, 1 << 16);
        buf_add_json(&text, mem[i].name);
        if (buf_ok(&text, "name of a member", m->e)) return -1;
        char *q = buf_take(&text, &len);
        memmove(q, q + 1, len - 2);
        q[len - 2] = 0;
        mem[i].text = q;
    }
    return 0;
}

/* m<id>-<i>-<some>: members from i on, `some` saying whether any stands before. Calls in last
 * place, so nothing piles up. */
static void member_rules(struct maker *m, const struct member *mem, size_t n, unsigned id,
                         const char *others, int64_t lo, int64_t hi)
{
    for (size_t i = 0; i < n; i++)
        for (int some = 0; some < 2; some++) {
            buf_printf(m->out, "m%u-%zu-%d ::= %s", id, i, some, some ? "ws \",\" ws " : "");
            key_literal(m->out, mem[i].text);
            buf_printf(m->out, " ws \":\" ws s%u m%u-%zu-1", mem[i].rule, id, i + 1);
            if (!mem[i].required) buf_printf(m->out, " | m%u-%zu-%d", id, i + 1, some);
            buf_add_char(m->out, '\n');
        }
    for (int some = 0; some < 2; some++) {
        buf_printf(m->out, "m%u-%zu-%d ::= ", id, n, some);
        if (!others)
            buf_add_str(m->out, "\"\"");
        else if (some)
            buf_printf(m->out, "(ws \",\" ws %s)*", others);
        else if (hi < 0)
            buf_printf(m->out, "(%s (ws \",\" ws %s){%lld,})%s", others, others,
                       (long long)(lo > 0 ? lo - 1 : 0), lo > 0 ? "" : "?");
        else if (hi == 0)
            buf_add_str(m->out, "\"\"");
        else
            buf_printf(m->out, "(%s (ws \",\" ws %s){%lld,%lld})%s", others, others,
                       (long long)(lo > 0 ? lo - 1 : 0), (long long)(hi - 1),
                       lo > 0 ? "" : "?");
        buf_add_char(m->out, '\n');
    }
}

static int count_of(struct maker *m, const json_t *s, const char *key, const char *where,
                    int64_t *out)
{
    const json_t *v = json_object_get(s, key);
    if (!v) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1 << 20)
        return err_set(m->e, ERR_FORMAT, "the schema at %s: '%s' is not a count up to %d",
                       where, key, 1 << 20);
    *out = json_integer_value(v);
    return 0;
}

/* The expression of an object; the rules it needs follow the present one, in `after`. */
static int object_rule(struct maker *m, const json_t *s, const char *where, struct buf *expr)
{
    const json_t *extra = json_object_get(s, "additionalProperties");
    const json_t *props = json_object_get(s, "properties");
    int64_t lo = 0, hi = -1;
    if (count_of(m, s, "minProperties", where, &lo) ||
        count_of(m, s, "maxProperties", where, &hi))
        return -1;
    size_t n = 0,
           most = json_object_size(props) + json_array_size(json_object_get(s, "required"));
    unsigned id = m->n_extra++, rule = 0;
    struct member *mem = mem_calloc(most + 1, sizeof *mem);
    int rc = -1;
    if (!mem) return err_oom(m->e, "schema", most * sizeof *mem);
    if (read_members(m, s, extra, where, mem, &n)) goto out;
    if (n > 0 && (lo > 0 || hi >= 0)) {
        int64_t sure = 0;
        for (size_t i = 0; i < n; i++) sure += mem[i].required;
        bool more = json_is_object(extra) || json_is_true(extra);
        if (sure < lo || (hi >= 0 && ((int64_t)n > hi || more))) {
            rc = refuse(m, where, sure < lo ? "minProperties" : "maxProperties");
            goto out;
        }
    }
    bool others = json_is_object(extra) || json_is_true(extra) || (!extra && !props);
    char pair[64];
    if (others && use(m, json_is_object(extra) ? extra : json_true(), where,
                      "additionalProperties", SIZE_MAX, &rule))
        goto out;
    if (n > 0)
        snprintf(pair, sizeof pair, "k%u ws \":\" ws s%u", id, rule);
    else
        snprintf(pair, sizeof pair, "string ws \":\" ws s%u", rule);
    if (n == 0 && !others && lo > 0) {
        rc = refuse(m, where, "minProperties");
        goto out;
    }
    buf_printf(expr, "\"{\" ws m%u-0-0 ws \"}\"", id);
    member_rules(m, mem, n, id, others ? pair : NULL, lo, hi);
    if (others && n > 0) other_names(m, mem, n, id);
    rc = 0;
out:
    for (size_t i = 0; i < n; i++) mem_free(mem[i].text);
    mem_free(mem);
    return rc;
}

/* ---- arrays -------------------------------------------------------------------------------- */

static int array_rule(struct maker *m, const json_t *s, const char *where, struct buf *expr)
{
    const json_t *items = json_object_get(s, "items"),
                 *front = json_object_get(s, "prefixItems");
    int64_t lo = 0, hi = -1;
    if (count_of(m, s, "minItems", where, &lo) || count_of(m, s, "maxItems", where, &hi))
        return -1;
    if (hi >= 0 && hi < lo)
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'maxItems' is below 'minItems'",
                       where);
    if (!front && json_is_array(items)) { /* draft 7 */
        front = items;
        items = json_object_get(s, "additionalItems");
    }
    if (front && !json_is_array(front))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'prefixItems' is not a list",
                       where);
    int64_t n_front = (int64_t)json_array_size(front);
    if (hi >= 0 && n_front > hi) n_front = hi;
    bool rest = items ? !json_is_false(items) : n_front == 0 || lo > n_front;
    unsigned id = m->n_extra++, rule = 0;
    if (rest && use(m, items ? items : json_true(), where, "items", SIZE_MAX, &rule)) return -1;
    if (!rest && lo > n_front) return refuse(m, where, "minItems");
    /* a<id>-<i>: what comes after i elements. */
    for (int64_t i = 0; i < n_front; i++) {
        unsigned r;
        if (use(m, json_array_get(front, (size_t)i), where, "prefixItems", (size_t)i, &r))
            return -1;
        buf_printf(m->out, "a%u-%lld ::= %s%ss%u a%u-%lld\n", id, (long long)i,
                   i >= lo ? "\"\" | " : "", i ? "ws \",\" ws " : "", r, id, (long long)i + 1);
    }
    buf_printf(m->out, "a%u-%lld ::= ", id, (long long)n_front);
    int64_t least = lo > n_front ? lo - n_front : 0, most = hi < 0 ? -1 : hi - n_front;
    if (!rest || most == 0) {
        buf_add_str(m->out, "\"\"");
    } else {
        if (n_front == 0) {
            buf_printf(m->out, "(s%u ", rule);
            if (most > 0) most--;
            bool none = least == 0;
            least = none ? 0 : least - 1;
            buf_printf(m->out, "(ws \",\" ws s%u){%lld,", rule, (long long)least);
            if (most >= 0) buf_printf(m->out, "%lld", (long long)most);
            buf_printf(m->out, "})%s", none ? "?" : "");
        } else {
            buf_printf(m->out, "(ws \",\" ws s%u){%lld,", rule, (long long)least);
            if (most >= 0) buf_printf(m->out, "%lld", (long long)most);
            buf_add_char(m->out, '}');
        }
    }
    buf_add_char(m->out, '\n');
    buf_printf(expr, "\"[\" ws a%u-0 ws \"]\"", id);
    return 0;
}

/* ---- one schema ---------------------------------------------------------------------------- */

static int type_bits(struct maker *m, const json_t *s, const char *where, int *out)
{
    const json_t *t = json_object_get(s, "type");
    *out = 0;
    size_t n = json_is_array(t) ? json_array_size(t) : t ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_is_array(t) ? json_array_get(t, i) : t);
        int bit = 0;
        for (size_t k = 0; name && k < countof(types); k++)
            if (strcmp(types[k].name, name) == 0) bit = types[k].bit;
        if (!bit)
            return err_set(m->e, ERR_FORMAT, "the schema at %s: 'type' is not known", where);
        *out |= bit;
    }
    if (t && !n) return err_set(m->e, ERR_FORMAT, "the schema at %s: 'type' is empty", where);
    if (t) return 0;
    const char *key;
    json_t *v, *o = (json_t *)(uintptr_t)s;
    json_object_foreach(o, key, v)
    {
        int bits = keyword_bits(key);
        if (bits > 0) *out |= bits;
    }
    return 0;
}

static int json_bit(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return T_OBJECT;
    case JSON_ARRAY: return T_ARRAY;
    case JSON_STRING: return T_STRING;
    case JSON_INTEGER: return T_INTEGER | T_NUMBER;
    case JSON_REAL: return T_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE: return T_BOOL;
    case JSON_NULL: return T_NULL;
    }
    return 0;
}

static int values(struct maker *m, const json_t *s, const char *where, struct buf *expr)
{
    const json_t *list = json_object_get(s, "enum"), *one = json_object_get(s, "const");
    const char *key;
    json_t *v, *o = (json_t *)(uintptr_t)s;
    json_object_foreach(o, key, v)
    {
        int bits = keyword_bits(key);
        if (bits == 0 || !strcmp(key, "type") || !strcmp(key, "enum") || !strcmp(key, "const"))
            continue;
        return err_set(m->e, ERR_UNSUPPORTED, "the schema at %s: '%.64s' beside '%s'", where,
                       key, one ? "const" : "enum");
    }
    int bits;
    if (type_bits(m, s, where, &bits)) return -1;
    if (list && !json_is_array(list))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: 'enum' is not a list", where);
    size_t n = list ? json_array_size(list) : 1, written = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = list ? json_array_get(list, i) : one;
        if (list && one && !json_equal(x, one)) continue;
        if (bits && !(json_bit(x) & bits)) continue;
        if (written++) buf_add_str(expr, " | ");
        if (schema_value(expr, x, m->e)) return -1;
    }
    if (!written)
        return err_set(m->e, ERR_UNSUPPORTED, "the schema at %s: no value satisfies it", where);
    return 0;
}

static int branches(struct maker *m, const json_t *s, const char *key, const char *where,
                    struct buf *expr)
{
    const json_t *list = json_object_get(s, key);
    if (!json_is_array(list) || !json_array_size(list))
        return err_set(m->e, ERR_FORMAT, "the schema at %s: '%s' is not a list", where, key);
    bool alone = !constrains(s, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *b = json_array_get(list, i);
        unsigned rule;
        if (!alone && merged(m, s, key, b, where, &b)) return -1;
        if (use(m, b, where, key, i, &rule)) return -1;
        buf_printf(expr, "%ss%u", i ? " | " : "", rule);
    }
    return 0;
}

static int by_type(struct maker *m, const json_t *s, const char *where, struct buf *expr)
{
    int bits;
    if (type_bits(m, s, where, &bits)) return -1;
    if (!bits) {
        buf_add_str(expr, "any");
        return 0;
    }
    if (bits & T_NUMBER) bits &= ~T_INTEGER;
    for (bool first = true; bits; first = false) {
        int bit = bits & -bits, rc = 0;
        bits &= ~bit;
        if (!first) buf_add_str(expr, " | ");
        if (bit == T_OBJECT) rc = object_rule(m, s, where, expr);
        if (bit == T_ARRAY) rc = array_rule(m, s, where, expr);
        if (bit == T_STRING) rc = schema_string(expr, s, where, m->e);
        if (bit == T_INTEGER) rc = schema_number(expr, s, true, where, m->e);
        if (bit == T_NUMBER) rc = schema_number(expr, s, false, where, m->e);
        if (bit == T_BOOL) buf_add_str(expr, "\"true\" | \"false\"");
        if (bit == T_NULL) buf_add_str(expr, "\"null\"");
        if (rc) return -1;
    }
    return 0;
}

static int expression(struct maker *m, const json_t *s, const char *where, struct buf *expr)
{
    unsigned rule;
    if (json_is_true(s)) {
        buf_add_str(expr, "any");
        return 0;
    }
    if (json_is_false(s))
        return err_set(m->e, ERR_UNSUPPORTED, "the schema at %s: false allows no value", where);
    if (check_keywords(m, s, where)) return -1;
    const json_t *ref = json_object_get(s, "$ref"), *sum = s;
    if (ref) {
        if (resolve(m, ref, where, &sum)) return -1;
        if (constrains(s, "$ref") && merged(m, s, "$ref", sum, where, &sum)) return -1;
    } else if (json_object_get(s, "allOf")) {
        if (merge_all(m, s, where, &sum)) return -1;
    } else if (json_object_get(s, "anyOf")) {
        return branches(m, s, "anyOf", where, expr);
    } else if (json_object_get(s, "oneOf")) {
        return branches(m, s, "oneOf", where, expr);
    } else if (json_object_get(s, "enum") || json_object_get(s, "const")) {
        return values(m, s, where, expr);
    } else {
        return by_type(m, s, where, expr);
    }
    if (use(m, sum, where, ref ? "$ref" : "allOf", SIZE_MAX, &rule)) return -1;
    buf_printf(expr, "s%u", rule);
    return 0;
}

static int write_all(struct maker *m)
{
    while (m->n_done < m->n_todo) {
        size_t i = m->n_done++;
        struct todo t = m->todo[i];
        struct buf expr;
        buf_init(&expr, 1 << 20);
        int rc = expression(m, t.s, t.where, &expr);
        if (rc == 0) rc = buf_ok(&expr, "schema", m->e);
        if (rc == 0) {
            buf_printf(m->out, "s%zu ::= ", i);
            buf_add_span(m->out, buf_span(&expr));
            buf_add_char(m->out, '\n');
        }
        m->out->failed |= expr.failed;
        buf_release(&expr);
        if (rc == 0) rc = buf_ok(m->out, "grammar of the schema", m->e);
        if (rc) return -1;
    }
    return 0;
}

int schema_grammar(struct span schema, struct buf *out, struct err *e)
{
    if (schema.n > SCHEMA_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "the schema has %zu bytes, the limit is %d", schema.n,
                       SCHEMA_TEXT_MAX);
    struct maker *m = mem_calloc(1, sizeof *m);
    if (!m) return err_oom(e, "schema", sizeof *m);
    m->out = out;
    m->e = e;
    map64_init(&m->rule);
    int rc = -1;
    unsigned rule;
    /* Unlike files, a schema may be just true. */
    json_error_t je;
    m->root = json_loadb(schema.p, schema.n,
                         JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
    if (!m->root) {
        rc = err_set(e, ERR_FORMAT, "the schema: line %d, column %d: %s", je.line, je.column,
                     je.text);
        goto out;
    }
    buf_add_str(out, "root ::= s0\n");
    buf_add_str(out, common_rules);
    if (use(m, m->root, "", "", SIZE_MAX, &rule)) goto out;
    rc = write_all(m);
out:
    for (size_t i = 0; i < m->n_made; i++) json_decref(m->made[i]);
    json_decref(m->root);
    map64_release(&m->rule);
    mem_free(m->todo);
    mem_free(m);
    return rc;
}
