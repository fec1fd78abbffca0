/* recipe_field.h - one line of a recipe's list as a member with its default and a row of the table.
 *
 * A list is a macro FIELDS(T, I, R, B) of lines like I(train, steps, 1000, 1, 1e12, "optimizer
 * steps"). With `r` the recipe and `f` the next free struct yaml_field in scope,
 *
 *   FIELDS(RECIPE_TEXT, RECIPE_INT, RECIPE_REAL, RECIPE_BOOL)
 *
 * sets r->train.steps = 1000 and writes the row "train.steps".
 */
#ifndef TRAIN_RECIPE_FIELD_H
#define TRAIN_RECIPE_FIELD_H

#include "base/attr.h"
#include "base/yaml.h"

struct err;

#define RECIPE_ROW(g, key, def, type, lo, hi, text) \
    r->g.key = def;                                 \
    *f++ = (struct yaml_field){#g "." #key, type, &r->g.key, lo, hi, text};
#define RECIPE_TEXT(g, key, def, text)         RECIPE_ROW(g, key, def, YAML_TEXT, 0, 0, text)
#define RECIPE_INT(g, key, def, lo, hi, text)  RECIPE_ROW(g, key, def, YAML_INT, lo, hi, text)
#define RECIPE_REAL(g, key, def, lo, hi, text) RECIPE_ROW(g, key, def, YAML_REAL, lo, hi, text)
#define RECIPE_BOOL(g, key, def, text)         RECIPE_ROW(g, key, def, YAML_BOOL, 0, 0, text)

/* The index of a word in a NULL-terminated list; -1 with a sentence that names all of them. */
int recipe_word(const char *key, const char *have, const char *const *names,
                struct err *e) must_check;

#endif
