/* conv.h - conversations kept on the server's side, one file each, for those who ask for it.
 *
 *   STATE/conversations/OWNER/ID.json     mode 0600, directories 0700; OWNER is the key's id
 *
 * With a passphrase each file is sealed: "TARNCNV1", a 24-byte nonce, XSalsa20-Poly1305 of the
 * JSON (libsodium's secretbox) under a key made by Argon2id from the passphrase and the salt in
 * STATE/conversations/salt. Deleting overwrites the file, flushes it and unlinks it.
 *
 * Threads: any; one lock around the directory.
 */
#ifndef SERVE_CONV_H
#define SERVE_CONV_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct conv_store;
struct err;

enum { CONV_MAX = 16 << 20, CONV_MAX_FILES = 10000 };

/* passphrase NULL: plain files. */
int conv_open(struct conv_store **out, const char *dir, const char *passphrase,
              struct err *e) must_check;
void conv_close(struct conv_store *c);
/* Appends {"conversations":[{id, title, updated, bytes}]}, newest first. */
int conv_list(struct conv_store *c, int64_t owner, struct buf *out, struct err *e) must_check;
/* Appends the stored JSON. ERR_NOT_FOUND, or ERR_AUTH when the passphrase is another one. */
int conv_get(struct conv_store *c, int64_t owner, struct span id, struct buf *out,
             struct err *e) must_check;
int conv_put(struct conv_store *c, int64_t owner, struct span id, struct span json,
             struct err *e) must_check;
int conv_delete(struct conv_store *c, int64_t owner, struct span id, struct err *e) must_check;

#endif
