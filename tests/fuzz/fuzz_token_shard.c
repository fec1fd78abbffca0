/* Any bytes as a token shard: refused with a sentence, or ids that lie inside the file; what
 * verifies is written back as the same bytes. The hash is set right on a second try, so that what
 * lies behind it is reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"
#include "format/token_shard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) abort();
}

static void put_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    need(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void write_again(const struct token_shard *s, const char *path)
{
    struct file_map again;
    struct err e = {0};
    need(token_shard_write(path, s->id, s->n, s->n_vocab, s->doc_end, s->tokenizer, &e) == 0);
    need(file_map_open(&again, path, &e) == 0 && again.size == s->map.size);
    /* the two reserved fields come back as zeros */
    const uint8_t *a = s->map.data, *b = again.data;
    need(memcmp(a, b, 36) == 0 && memcmp(a + 40, b + 40, 16) == 0);
    need(memcmp(a + 64, b + 64, again.size - 64) == 0);
    file_map_close(&again);
}

static void try_file(const char *path, const char *second)
{
    struct token_shard s;
    struct err e = {0};
    if (token_shard_open(&s, path, &e)) {
        need(e.code != ERR_OK && e.msg[0]);
        return;
    }
    need(s.n == (s.map.size - TOKEN_SHARD_HEADER) / sizeof *s.id);
    if (token_shard_verify(&s, path, &e) == 0) {
        if (s.n) write_again(&s, second);
    } else {
        need(e.msg[0]);
    }
    token_shard_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[1024], second[1024];
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(path, sizeof path, "%s/tarn-fuzz-shard-%ld", dir, (long)getpid());
    snprintf(second, sizeof second, "%s/tarn-fuzz-shard-%ld-again", dir, (long)getpid());
    put_file(path, data, size);
    try_file(path, second);
    if (size > TOKEN_SHARD_HEADER && size <= 1 << 20) {
        uint8_t *copy = malloc(size);
        need(copy != NULL);
        memcpy(copy, data, size);
        uint64_t h = hash64(copy + TOKEN_SHARD_HEADER, size - TOKEN_SHARD_HEADER, 0);
        for (int i = 0; i < 8; i++) copy[40 + i] = (uint8_t)(h >> (8 * i));
        put_file(path, copy, size);
        free(copy);
        try_file(path, second);
    }
    unlink(path);
    unlink(second);
    return 0;
}
