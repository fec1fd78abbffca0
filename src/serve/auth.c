#include "serve/auth.h"

#include <strings.h>

#include "serve/api_err.h"

static struct span presented(struct http_req *r)
{
    struct span s = http_header(r, "Authorization");
    if (s.n >= 6 && strncasecmp(s.p, "Bearer", 6) == 0) {
        s.p += 6;
        s.n -= 6;
        while (s.n && (*s.p == ' ' || *s.p == '\t')) {
            s.p++;
            s.n--;
        }
        if (s.n) return s;
    }
    s = http_header(r, "x-api-key");
    if (s.n) return s;
    return http_header(r, "api-key");
}

bool auth_keys_exist(struct serve *s)
{
    return s->o.n_api_keys > 0 || (s->ledger && ledger_has_keys(s->ledger));
}

/* The command line's keys: id -1, everything allowed. */
static bool static_key(const struct serve *s, struct span key)
{
    static const unsigned char salt[KEY_SECRET] = "tarn static key comparison";
    char want[KEY_HASH_HEX], have[KEY_HASH_HEX];
    bool found = false;
    key_hash(salt, key, have);
    for (int i = 0; i < s->o.n_api_keys; i++) {
        key_hash(salt, span_of(s->o.api_keys[i]), want);
        found |= key_hash_equal(have, want);
    }
    return found;
}

int auth_check(struct serve *s, struct http_req *r, struct caller *c, struct api_err *a)
{
    struct span key = presented(r);
    key_info_defaults(&c->key);
    if (!auth_keys_exist(s)) {
        c->admin = http_peer_is_local(r);
        return 0;
    }
    if (key.n && static_key(s, key)) {
        c->key.id = -1;
        c->has_key = c->admin = true;
        return 0;
    }
    if (key.n && s->ledger && ledger_auth(s->ledger, key, &c->key)) {
        c->has_key = true;
        c->admin = c->key.admin;
        return 0;
    }
    return api_fail(a, 401, "invalid_api_key", NULL,
                    key.n
                        ? "the API key is not valid"
                        : "an API key is needed: Authorization: Bearer KEY, or x-api-key: KEY");
}
