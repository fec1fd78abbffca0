/* keys.h - API keys: made from 256 random bits, kept only as a keyed hash.
 *
 * A key is "sk-tarn-" and 43 characters of [A-Za-z0-9]. The ledger stores BLAKE2b-256 of it under
 * a secret of the ledger's own, so a stolen table is of no use against another server and cannot
 * be looked up in tables of hashes. The clear text is shown once, when the key is made.
 * libsodium is used here and in serve/conv_crypt.c only.
 */
#ifndef METER_KEYS_H
#define METER_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum { KEY_TEXT = 52, KEY_HASH = 32, KEY_HASH_HEX = 65, KEY_SECRET = 32, KEY_SHOWN = 14 };

struct key_info {
    int64_t id;
    char name[64];
    char shown[KEY_SHOWN + 1];                  /* the first characters, to recognise it by */
    int64_t created_ms, revoked_ms, expires_ms; /* 0: not */
    bool admin;
    char models[512];                         /* names separated by blanks; empty: all */
    int64_t budget, budget_day, budget_month; /* pico-units, -1: none */
    int64_t rpm, tpm, concurrent;             /* 0: none */
};

/* Once per process, before threads start. */
int keys_setup(struct err *e) must_check;
void key_generate(char out[KEY_TEXT]);
/* Lower-case hex of the keyed hash. */
void key_hash(const unsigned char secret[KEY_SECRET], struct span key, char out[KEY_HASH_HEX]);
/* Constant time for equal lengths. */
bool key_hash_equal(const char a[KEY_HASH_HEX], const char b[KEY_HASH_HEX]);
bool key_may_use(const struct key_info *k, struct span model);
void key_info_defaults(struct key_info *k);

/* n random characters of [A-Za-z0-9] and a zero; 22 of them hold 130 bits. */
void random_text(char *out, size_t n);
void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/* Keyed 64-bit hash of a client's user_id: the same inside one ledger, useless outside it. */
uint64_t key_hash64(const unsigned char secret[KEY_SECRET], struct span s);

#endif
