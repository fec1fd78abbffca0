/* vocab_load.h - a vocabulary from whatever holds one, and its files in a model directory. */
#ifndef FORMAT_VOCAB_LOAD_H
#define FORMAT_VOCAB_LOAD_H

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct vocab;

/* path: a GGUF file, a tokenizer.json (with tokenizer_config.json beside it when that is there),
 * a tokenizer.bin of llama2.c, or a directory with tokenizer.json or tokenizer.bin. What a file is
 * shows in its first bytes. Fails with ERR_NOT_FOUND when a directory holds neither. */
int vocab_load(struct vocab **out, const char *path, struct err *e) must_check;

/* Writes tokenizer.json and tokenizer_config.json (BPE) or tokenizer.bin (SentencePiece). */
int vocab_save(const struct vocab *v, const char *dir, struct span chat_template,
               struct err *e) must_check;

#endif
