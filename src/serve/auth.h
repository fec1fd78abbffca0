/* auth.h - who is calling: Authorization: Bearer, x-api-key or api-key, against the keys of the
 * command line and of the ledger. Only keyed hashes are kept and compared, in constant time. */
#ifndef SERVE_AUTH_H
#define SERVE_AUTH_H

#include "serve/serve_int.h"

struct api_err;

/* Fills c->key, has_key, admin. 0, or -1 with a 401 in *a. Without any key configured everybody
 * who can connect may call, and callers on this machine are admins. */
int auth_check(struct serve *s, struct http_req *r, struct caller *c,
               struct api_err *a) must_check;
bool auth_keys_exist(struct serve *s);

#endif
