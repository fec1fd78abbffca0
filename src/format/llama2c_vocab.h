/* llama2c_vocab.h - the tokenizer.bin of llama2.c: a SentencePiece vocabulary in a few bytes.
 *
 *   u32 length of the longest text | per token: f32 score, u32 length, text
 *
 * Ids 0, 1, 2 are unk, bos, eos (the file decorates the latter with line breaks), 3 to 258 the
 * byte tokens "<0x00>" to "<0xFF>", then ordinary ones with a plain space for U+2581. The number
 * of tokens is not stored: they go on to the end of the file.
 * Source: karpathy/llama2.c tokenizer.py (export).
 */
#ifndef FORMAT_LLAMA2C_VOCAB_H
#define FORMAT_LLAMA2C_VOCAB_H

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct vocab;

int vocab_from_llama2c(struct vocab **out, struct span bytes, const char *what,
                       struct err *e) must_check;
/* Only for vocabularies with the ids above. */
int vocab_to_llama2c(const struct vocab *v, struct buf *out, struct err *e) must_check;

#endif
