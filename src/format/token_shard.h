/* token_shard.h - tokens of many documents in one file.
 *
 *   0   8  "TARNTOK1"
 *   8   4  bytes of this header: 64
 *   12  4  n_vocab: every id is below it
 *   16  8  number of ids
 *   24  8  number of documents
 *   32  4  the id that ends a document (each document's last id, nowhere else)
 *   36  4  zero
 *   40  8  XXH3 of the ids' bytes
 *   48  8  XXH3 of the tokenizer's file, 0 if unknown: shards of one run must agree
 *   56  8  zero
 *   64     ids, u32 each; numbers are little-endian
 *
 * Reading maps the file and checks the header; the hash is checked on request. Threads: a reader
 * is read-only after open.
 */
#ifndef FORMAT_TOKEN_SHARD_H
#define FORMAT_TOKEN_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/file.h"

struct err;

enum { TOKEN_SHARD_HEADER = 64 };

struct token_shard {
    struct file_map map;
    const uint32_t *id; /* (n) */
    uint64_t n, n_doc, hash, tokenizer;
    uint32_t n_vocab, doc_end;
};

int token_shard_open(struct token_shard *s, const char *path, struct err *e) must_check;
void token_shard_close(struct token_shard *s);
/* Reads every id: the hash is the header's, ids are in range, the last one ends a document. */
int token_shard_verify(const struct token_shard *s, const char *path, struct err *e) must_check;

/* All documents at once: ids of n_doc documents one after the other, each ending with doc_end.
 * The file appears complete or not at all. */
int token_shard_write(const char *path, const uint32_t *id, uint64_t n, uint32_t n_vocab,
                      uint32_t doc_end, uint64_t tokenizer, struct err *e) must_check;

#endif
