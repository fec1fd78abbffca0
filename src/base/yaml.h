/* yaml.h - recipes: nested YAML mappings of scalars, as dotted paths.
 *
 *   model:
 *     n_embd: 256        ->  model.n_embd = "256", line 2
 *
 * A command describes its recipe by a table of fields; every value of the file must be one of them
 * and within its limits, what is not given keeps its default. Overrides ("model.n_embd=512") come
 * after the file. Errors name file, line and path. Sequences and anchors have no place in a recipe
 * and are refused.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct yaml;

enum yaml_type {
    YAML_END,
    YAML_INT,  /* int64_t; 4096, 4k, 2M as in opt.h */
    YAML_REAL, /* double */
    YAML_BOOL, /* bool: true, false */
    YAML_TEXT  /* const char *, owned by the struct yaml */
};

struct yaml_field {
    const char *path;
    enum yaml_type type;
    void *to;
    double lo, hi; /* INT, REAL: allowed range when lo < hi */
    const char *help;
};

int yaml_open(struct yaml **out, const char *path, struct err *e) must_check;
/* From text; `what` stands for the file. */
int yaml_parse(struct yaml **out, const char *text, size_t n, const char *what,
               struct err *e) must_check;
void yaml_close(struct yaml *y); /* NULL is fine */

/* "path.to.key=value"; replaces or adds. */
int yaml_set(struct yaml *y, const char *assignment, struct err *e) must_check;

/* The i-th different name right under a path ("data.mix" -> "books"), in the order of the file, or
 * false past the last. For groups whose names the recipe's writer chooses. The span belongs to y. */
bool yaml_name(const struct yaml *y, const char *under, size_t i, struct span *name);

/* The text of one value, or NULL. */
const char *yaml_text(const struct yaml *y, const char *path);

/* Values into the fields' places. */
int yaml_apply(const struct yaml *y, const struct yaml_field *table, struct err *e) must_check;

/* The fields' present values as YAML: the effective recipe. */
void yaml_print(const struct yaml_field *table, struct buf *out);

#endif
