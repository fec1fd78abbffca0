/* hf_pretok.h - the "pre_tokenizer" member of tokenizer.json to and from our rules. */
#ifndef FORMAT_HF_PRETOK_H
#define FORMAT_HF_PRETOK_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"
#include "text/vocab.h"

struct err;

/* Fails: ERR_UNSUPPORTED naming the step that no known rule has. */
int hf_pretok_read(const json_t *pre, enum pretok *out, const char *what,
                   struct err *e) must_check;
/* The member's value as JSON, appended. */
int hf_pretok_write(enum pretok rule, struct buf *out, struct err *e) must_check;

#endif
