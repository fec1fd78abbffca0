/* schema.h - a JSON schema as a grammar's text (grammar.h).
 *
 * What the grammar accepts satisfies the schema; it may be less than the schema allows: members
 * come in the order of `properties`, members that are not named there only where
 * additionalProperties says so in words, blanks are bounded (a model cannot stay in them), numbers
 * have at most 16 digits in each part. A keyword that cannot be enforced is an error that names it
 * and where it stands; annotations are passed over. Keywords imply their type when it is missing.
 *
 * Source: JSON Schema 2020-12, and definitions / items-as-list of draft 7.
 */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum { SCHEMA_TEXT_MAX = 256 << 10, SCHEMA_RULES_MAX = 1 << 14 };

/* Appends the grammar. ERR_FORMAT: not a schema. ERR_UNSUPPORTED: see above. ERR_LIMIT. */
int schema_grammar(struct span schema, struct buf *out, struct err *e) must_check;
/* The grammar of any JSON object. */
void schema_any_object(struct buf *out);

#endif
