#define XXH_INLINE_ALL
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/err.h"
#include "base/mem.h"

uint64_t hash64(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

struct hash128 hash128(const void *p, size_t n, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);
    return (struct hash128){h.low64, h.high64};
}

struct sha256 {
    EVP_MD_CTX *md;
};

struct sha256 *sha256_create(void)
{
    struct sha256 *h = mem_alloc(sizeof *h);
    if (!h) return NULL;
    h->md = EVP_MD_CTX_new();
    if (!h->md || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(h->md);
        mem_free(h);
        return NULL;
    }
    return h;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    EVP_DigestUpdate(h->md, p, n);
}

void sha256_finish(struct sha256 *h, unsigned char out[SHA256_BYTES])
{
    unsigned n = 0;
    EVP_DigestFinal_ex(h->md, out, &n);
    EVP_MD_CTX_free(h->md);
    mem_free(h);
}

void sha256_hex(const unsigned char in[SHA256_BYTES], char out[SHA256_HEX])
{
    for (int i = 0; i < SHA256_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", in[i]);
}

int sha256_file(const char *path, unsigned char out[SHA256_BYTES], struct err *e)
{
    FILE *f = fopen(path, "rbe");
    if (!f) return err_errno(e, errno, "cannot open %s", path);
    struct sha256 *h = sha256_create();
    if (!h) {
        fclose(f);
        return err_oom(e, "sha256", 1);
    }
    static const size_t CHUNK = 65536;
    unsigned char *chunk = mem_alloc(CHUNK);
    size_t n;
    while (chunk && (n = fread(chunk, 1, CHUNK, f)) > 0) sha256_add(h, chunk, n);
    int bad = !chunk ? ENOMEM : ferror(f) ? EIO : 0;
    mem_free(chunk);
    sha256_finish(h, out);
    fclose(f);
    return bad ? err_errno(e, bad, "cannot read %s", path) : 0;
}
