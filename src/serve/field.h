/* field.h - request bodies by table: every field the API knows, with its type, its range and what
 * happens to it. One reader checks them all, so no number reaches the program unchecked, and the
 * OpenAPI document is written from the same rows, so it cannot drift.
 *
 * A field is honoured, ignored on purpose (it does not change the answer), or rejected by name
 * (silent neglect would mislead). Fields in no table are ignored: clients add new ones monthly.
 */
#ifndef SERVE_FIELD_H
#define SERVE_FIELD_H

#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct api_err;

enum field_type { FT_BOOL, FT_INT, FT_NUM, FT_STR, FT_OBJ, FT_ARR, FT_ANY };
enum field_policy { FP_HONOUR, FP_IGNORE, FP_REJECT };

struct opt_bool { /* where FT_BOOL goes */
    bool set, v;
};
struct opt_int {
    bool set;
    int64_t v;
};
struct opt_num {
    bool set;
    double v;
};

struct field {
    const char *name;
    enum field_type type; /* FT_STR: struct span; FT_OBJ, FT_ARR, FT_ANY: json_t * */
    enum field_policy policy;
    double lo, hi; /* of numbers, included; FT_INT uses them up to 2^53, INT64 beyond */
    bool lo_open;  /* lo itself is out */
    bool required;
    size_t at; /* offset in the destination */
    const char *doc;
};

/* Reads the members of `o` that the table names into dst (zeroed by the caller). `path` stands in
 * front of names in messages: "" or "reasoning.". */
int field_read(const struct field *f, size_t n, const json_t *o, const char *path, void *dst,
               struct api_err *a) must_check;

/* Strict JSON: RFC 8259, valid UTF-8, depth at most 128, at most a million values, the last of
 * duplicate keys wins. NULL and a 400 in *a otherwise. The text must hold an object. */
json_t *body_parse(struct span text, struct api_err *a) must_check;

const char *json_kind(const json_t *v); /* "a string" */
static inline struct span json_span(const json_t *s)
{
    return (struct span){json_string_value(s), json_string_length(s)};
}
/* The member, or NULL when it is absent or null. */
json_t *member(const json_t *o, const char *key);

#endif
