/* json.h - thin helpers over jansson: limits, errors that name the file and the member.
 *
 * Parsing is strict: duplicate keys, trailing bytes and nesting deeper than jansson's limit
 * (2048) are errors. This is the one header outside serve/ that shows <jansson.h>.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

/* Both return a new reference (json_decref) or NULL with *e filled. `what` names the source in
 * messages. Files larger than max_bytes are refused before they are read. */
json_t *json_parse(struct span text, const char *what, struct err *e) must_check;
json_t *json_parse_file(const char *path, size_t max_bytes, struct err *e) must_check;

/* Members of an object. The _opt form leaves *out unchanged when the member is absent or null;
 * the plain form makes absence an error that names `what` and the key. A wrong type is an error
 * in both, and integers outside [lo, hi] are an error that shows the limits. */
int json_get_i64(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                 const char *what, struct err *e) must_check;
int json_get_i64_opt(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out,
                     const char *what, struct err *e) must_check;
int json_get_f64(const json_t *o, const char *key, double *out, const char *what,
                 struct err *e) must_check;
int json_get_f64_opt(const json_t *o, const char *key, double *out, const char *what,
                     struct err *e) must_check;
int json_get_bool_opt(const json_t *o, const char *key, bool *out, const char *what,
                      struct err *e) must_check;
/* The span points into the json_t and lives as long as it. */
int json_get_str(const json_t *o, const char *key, struct span *out, const char *what,
                 struct err *e) must_check;
int json_get_str_opt(const json_t *o, const char *key, struct span *out, const char *what,
                     struct err *e) must_check;

#endif
