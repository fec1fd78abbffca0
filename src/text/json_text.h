/* json_text.h - JSON as text: spacing, members, strings, without building values.
 *
 * Templates want JSON as Python's json.dumps writes it, with the client's numbers and key order
 * untouched; parsers of model output pass values on as they stand. All functions but the first
 * expect text that json_text_check has accepted.
 */
#ifndef TEXT_JSON_TEXT_H
#define TEXT_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

bool json_text_check(struct span text);        /* one JSON value and nothing else */
bool json_text_check_object(struct span text); /* an object */

/* The members of an object in order, as raw text: *at starts at 0. False behind the last one. */
bool json_text_member(struct span object, size_t *at, struct span *key, struct span *value);
/* The value of a key that needs no escapes; false when it is absent or null. */
bool json_text_get(struct span object, const char *key, struct span *value);

/* The characters of a string literal, escapes undone. */
void json_text_unquote(struct span literal, struct buf *out);
/* A string literal with the escapes of Python's json.dumps(ensure_ascii=False). */
void json_text_quote(struct span text, struct buf *out);
/* The value with ", " and ": " between its parts, or, with indent > 0, one part per line. */
void json_text_respace(struct span text, int indent, struct buf *out);

#endif
