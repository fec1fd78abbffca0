#include "format/token_shard.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/size.h"

static const char magic[8] = {'T', 'A', 'R', 'N', 'T', 'O', 'K', '1'};

static int bad(const char *path, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s", path, what);
}

static int read_header(struct token_shard *s, const char *path, struct err *e)
{
    const unsigned char *h = s->map.data;
    uint64_t bytes;
    if (s->map.size < TOKEN_SHARD_HEADER || memcmp(h, magic, sizeof magic) != 0)
        return bad(path, "not a token shard: it does not begin with TARNTOK1", e);
    if (load_le32(h + 8) != TOKEN_SHARD_HEADER)
        return bad(path, "a token shard with another header than of 64 bytes", e);
    s->n_vocab = load_le32(h + 12);
    s->n = load_le64(h + 16);
    s->n_doc = load_le64(h + 24);
    s->doc_end = load_le32(h + 32);
    s->hash = load_le64(h + 40);
    s->tokenizer = load_le64(h + 48);
    if (size_mul(s->n, sizeof(uint32_t), &bytes) || bytes != s->map.size - TOKEN_SHARD_HEADER)
        return err_set(e, ERR_FORMAT,
                       "%s: the header speaks of %" PRIu64 " ids, the file has %zu", path, s->n,
                       (s->map.size - TOKEN_SHARD_HEADER) / sizeof(uint32_t));
    if (s->n_vocab == 0 || s->n_vocab > INT32_MAX || s->doc_end >= s->n_vocab)
        return err_set(e, ERR_FORMAT,
                       "%s: the id that ends a document is %u, outside the vocabulary of %u",
                       path, s->doc_end, s->n_vocab);
    if (s->n_doc > s->n)
        return err_set(e, ERR_FORMAT,
                       "%s: the header speaks of %" PRIu64 " documents in %" PRIu64 " ids",
                       path, s->n_doc, s->n);
    s->id = (const uint32_t *)(const void *)(h + TOKEN_SHARD_HEADER);
    return 0;
}

int token_shard_open(struct token_shard *s, const char *path, struct err *e)
{
    memset(s, 0, sizeof *s);
    if (file_map_open(&s->map, path, e)) return -1;
    if (read_header(s, path, e) == 0) return 0;
    file_map_close(&s->map);
    return -1;
}

void token_shard_close(struct token_shard *s)
{
    file_map_close(&s->map);
}

int token_shard_verify(const struct token_shard *s, const char *path, struct err *e)
{
    uint64_t docs = 0;
    if (hash64(s->id, s->n * sizeof *s->id, 0) != s->hash)
        return bad(path, "its ids are not those that were written (hash)", e);
    for (uint64_t i = 0; i < s->n; i++) {
        if (s->id[i] >= s->n_vocab)
            return err_set(e, ERR_FORMAT, "%s: id %u is outside the vocabulary of %u", path,
                           s->id[i], s->n_vocab);
        docs += s->id[i] == s->doc_end;
    }
    if (docs != s->n_doc || (s->n && s->id[s->n - 1] != s->doc_end))
        return bad(path, "its documents are not those of the header", e);
    return 0;
}

static void store_le(unsigned char *to, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) to[i] = (unsigned char)(v >> (8 * i));
}

int token_shard_write(const char *path, const uint32_t *id, uint64_t n, uint32_t n_vocab,
                      uint32_t doc_end, uint64_t tokenizer, struct err *e)
{
    unsigned char h[TOKEN_SHARD_HEADER] = {0};
    struct file_writer w;
    uint64_t docs = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (id[i] >= n_vocab)
            return err_set(e, ERR_FORMAT, "%s: id %u is outside the vocabulary of %u", path,
                           id[i], n_vocab);
        docs += id[i] == doc_end;
    }
    if (n == 0 || id[n - 1] != doc_end)
        return bad(path, "the last document does not end with the id that ends documents", e);
    memcpy(h, magic, sizeof magic);
    store_le(h + 8, TOKEN_SHARD_HEADER, 4);
    store_le(h + 12, n_vocab, 4);
    store_le(h + 16, n, 8);
    store_le(h + 24, docs, 8);
    store_le(h + 32, doc_end, 4);
    store_le(h + 40, hash64(id, n * sizeof *id, 0), 8);
    store_le(h + 48, tokenizer, 8);
    if (file_replace_open(&w, path, e)) return -1;
    file_replace_write(&w, h, sizeof h);
    file_replace_write(&w, id, n * sizeof *id);
    return file_replace_commit(&w, e);
}
