/* conv_crypt.h - sealing of stored conversations (conv.h). Uses libsodium. */
#ifndef SERVE_CONV_CRYPT_H
#define SERVE_CONV_CRYPT_H

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum { CRYPT_KEY = 32, CRYPT_SALT = 16, CRYPT_MAGIC = 8 };

int crypt_key(unsigned char key[CRYPT_KEY], const char *passphrase,
              const unsigned char salt[CRYPT_SALT], struct err *e) must_check;
int crypt_seal(const unsigned char key[CRYPT_KEY], struct span plain, struct buf *out,
               struct err *e) must_check;
/* ERR_AUTH when the key is another one or the file was changed. */
int crypt_open(const unsigned char key[CRYPT_KEY], struct span sealed, struct buf *out,
               struct err *e) must_check;
bool crypt_is_sealed(struct span s);
void crypt_wipe(void *p, size_t n);

#endif
