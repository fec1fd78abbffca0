#include "serve/conv_crypt.h"

#include <sodium.h>

#include "base/err.h"

_Static_assert(CRYPT_KEY == crypto_secretbox_KEYBYTES, "key size");
_Static_assert(CRYPT_SALT == crypto_pwhash_SALTBYTES, "salt size");

static const char magic[CRYPT_MAGIC + 1] = "TARNCNV1";

int crypt_key(unsigned char key[CRYPT_KEY], const char *passphrase,
              const unsigned char salt[CRYPT_SALT], struct err *e)
{
    if (crypto_pwhash(key, CRYPT_KEY, passphrase, strlen(passphrase), salt,
                      crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                      crypto_pwhash_ALG_ARGON2ID13))
        return err_set(e, ERR_MEMORY, "no memory to derive a key from the passphrase (64 MiB)");
    return 0;
}

int crypt_seal(const unsigned char key[CRYPT_KEY], struct span plain, struct buf *out,
               struct err *e)
{
    unsigned char nonce[crypto_secretbox_NONCEBYTES];
    randombytes_buf(nonce, sizeof nonce);
    buf_add(out, magic, CRYPT_MAGIC);
    buf_add(out, nonce, sizeof nonce);
    size_t at = out->len;
    buf_add_zeros(out, plain.n + crypto_secretbox_MACBYTES);
    if (buf_ok(out, "the sealed conversation", e)) return -1;
    crypto_secretbox_easy((unsigned char *)out->data + at, (const unsigned char *)plain.p,
                          plain.n, nonce, key);
    return 0;
}

bool crypt_is_sealed(struct span s)
{
    return s.n >= CRYPT_MAGIC && memcmp(s.p, magic, CRYPT_MAGIC) == 0;
}

int crypt_open(const unsigned char key[CRYPT_KEY], struct span sealed, struct buf *out,
               struct err *e)
{
    const size_t head = CRYPT_MAGIC + crypto_secretbox_NONCEBYTES;
    if (sealed.n < head + crypto_secretbox_MACBYTES || !crypt_is_sealed(sealed))
        return err_set(e, ERR_FORMAT, "the stored conversation is cut off");
    const unsigned char *p = (const unsigned char *)sealed.p;
    size_t n = sealed.n - head - crypto_secretbox_MACBYTES, at = out->len;
    buf_add_zeros(out, n);
    if (buf_ok(out, "the conversation", e)) return -1;
    if (crypto_secretbox_open_easy((unsigned char *)out->data + at, p + head, sealed.n - head,
                                   p + CRYPT_MAGIC, key)) {
        out->len = at;
        return err_set(
            e, ERR_AUTH,
            "the conversation cannot be opened: another passphrase, or a changed file");
    }
    return 0;
}

void crypt_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}
