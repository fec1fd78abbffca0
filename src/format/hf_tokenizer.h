/* hf_tokenizer.h - tokenizer.json (byte-level BPE) to a vocabulary and back.
 *
 * Special ids come from tokenizer_config.json (bos_token, eos_token, pad_token, unk_token,
 * add_bos_token, add_eos_token). Without it, the beginning of the post processor's template is
 * bos, and DeepSeek's own marks, looked up by text, are bos and eos.
 *
 * An added token is a control token when the file calls it special or when its text looks like
 * a marker ("<|...|>" with either bar); other added tokens are always matched as a whole.
 * A normaliser NFC is accepted and not applied (docs/format.md).
 *
 * Source: tokens.md 1, 2.1. Threads: any.
 */
#ifndef FORMAT_HF_TOKENIZER_H
#define FORMAT_HF_TOKENIZER_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"

struct err;
struct vocab;

enum { HF_TOKENIZER_MAX = 256 << 20 };

/* config: tokenizer_config.json as an object, or NULL. */
int vocab_from_tokenizer_json(struct vocab **out, struct span text, const json_t *config,
                              const char *what, struct err *e) must_check;
/* The file's text, appended. Byte-level BPE only. */
int vocab_to_tokenizer_json(const struct vocab *v, struct buf *out, struct err *e) must_check;
/* tokenizer_config.json that goes with it; chat_template may be empty. */
int vocab_to_tokenizer_config(const struct vocab *v, struct span chat_template, struct buf *out,
                              struct err *e) must_check;

#endif
