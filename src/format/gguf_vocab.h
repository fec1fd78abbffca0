/* gguf_vocab.h - the tokenizer.* keys of GGUF to a vocabulary and back.
 *
 * tokenizer.ggml.model "gpt2" is byte-level BPE, "llama" SentencePiece. Source: tokens.md 2.2.
 */
#ifndef FORMAT_GGUF_VOCAB_H
#define FORMAT_GGUF_VOCAB_H

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct gguf;
struct gguf_writer;
struct vocab;

/* Fails: ERR_NOT_FOUND when the file has no vocabulary (no model, or "none"). */
int vocab_from_gguf(struct vocab **out, const struct gguf *g, struct err *e) must_check;
/* All keys of the vocabulary; tokens are padded with unused ones up to n_vocab (0: not). */
void vocab_to_gguf(const struct vocab *v, size_t n_vocab, struct span chat_template,
                   struct gguf_writer *w);

#endif
