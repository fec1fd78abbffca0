/* hash.h - XXH3 for caches and maps, SHA-256 for files people compare. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

uint64_t hash64(const void *p, size_t n, uint64_t seed);

struct hash128 {
    uint64_t lo, hi;
};
struct hash128 hash128(const void *p, size_t n, uint64_t seed);

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

struct sha256;
struct sha256 *sha256_create(void) must_check; /* NULL when memory is out */
void sha256_add(struct sha256 *h, const void *p, size_t n);
/* Ends and frees. */
void sha256_finish(struct sha256 *h, unsigned char out[SHA256_BYTES]);
void sha256_hex(const unsigned char in[SHA256_BYTES], char out[SHA256_HEX]);
int sha256_file(const char *path, unsigned char out[SHA256_BYTES], struct err *e) must_check;

#endif
