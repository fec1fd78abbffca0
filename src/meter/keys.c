#include "meter/keys.h"

#include <sodium.h>

#include "base/err.h"

int keys_setup(struct err *e)
{
    return sodium_init() < 0 ? err_set(e, ERR_FAILED, "libsodium could not be started") : 0;
}

void random_text(char *out, size_t n)
{
    static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char r[64];
    size_t have = 0;
    for (size_t i = 0; i < n;) {
        if (have == 0) {
            randombytes_buf(r, sizeof r);
            have = sizeof r;
        }
        unsigned v = r[--have];
        if (v < 248) out[i++] = set[v % 62]; /* 248 = 4 * 62: no character is more likely */
    }
    out[n] = 0;
}

void random_bytes(void *out, size_t n)
{
    randombytes_buf(out, n);
}

uint64_t random_u64(void)
{
    uint64_t v;
    randombytes_buf(&v, sizeof v);
    return v;
}

void key_generate(char out[KEY_TEXT])
{
    memcpy(out, "sk-tarn-", 8);
    random_text(out + 8, 43);
}

void key_hash(const unsigned char secret[KEY_SECRET], struct span key, char out[KEY_HASH_HEX])
{
    unsigned char h[KEY_HASH];
    crypto_generichash(h, sizeof h, (const unsigned char *)key.p, key.n, secret, KEY_SECRET);
    sodium_bin2hex(out, KEY_HASH_HEX, h, sizeof h);
}

uint64_t key_hash64(const unsigned char secret[KEY_SECRET], struct span s)
{
    unsigned char h[KEY_HASH];
    uint64_t v;
    crypto_generichash(h, sizeof h, (const unsigned char *)s.p, s.n, secret, KEY_SECRET);
    memcpy(&v, h, sizeof v);
    return v;
}

bool key_hash_equal(const char a[KEY_HASH_HEX], const char b[KEY_HASH_HEX])
{
    return sodium_memcmp(a, b, KEY_HASH_HEX - 1) == 0;
}

bool key_may_use(const struct key_info *k, struct span model)
{
    const char *p = k->models;
    if (!*p) return true;
    while (*p) {
        size_t n = strcspn(p, " ");
        if (n == model.n && memcmp(p, model.p, n) == 0) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

void key_info_defaults(struct key_info *k)
{
    *k = (struct key_info){.budget = -1, .budget_day = -1, .budget_month = -1};
}
