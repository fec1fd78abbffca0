/* schema_int.h - the parts of schemas that are texts and numbers. Private to engine/. */
#ifndef ENGINE_SCHEMA_INT_H
#define ENGINE_SCHEMA_INT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"

struct err;

/* A literal of the grammar for these bytes, and for a value written as JSON. */
void schema_literal(struct buf *out, struct span s);
int schema_value(struct buf *out, const json_t *v, struct err *e) must_check;
/* The bodies of rules; `where` names the place in messages. */
int schema_string(struct buf *out, const json_t *s, const char *where,
                  struct err *e) must_check;
int schema_number(struct buf *out, const json_t *s, bool integer, const char *where,
                  struct err *e) must_check;

#endif
