/* usage.h - the record of one request: who asked which model for how many tokens, and the bill.
 *
 * One record per request, written when it ends for any reason. While the request runs its row
 * stands in the ledger as "running" with the counts so far, so a crash loses at most one flush
 * interval. A record never holds text of a prompt or an answer.
 */
#ifndef METER_USAGE_H
#define METER_USAGE_H

#include <stdint.h>

struct usage_counts {
    int64_t hit;       /* prompt tokens taken from the cache */
    int64_t miss;      /* prompt tokens computed */
    int64_t output;    /* tokens produced, reasoning included: what is billed */
    int64_t reasoning; /* of them inside the reasoning */
};

struct usage_rec {
    char id[48];    /* request id: the ledger's primary key */
    int64_t key_id; /* 0: no key was needed, -1: the key given on the command line */
    uint64_t user;  /* hash of the client's user_id, 0: none */
    char model[96];
    char route[48];
    int64_t start_ms, first_ms, end_ms; /* wall times; 0: not yet */
    struct usage_counts n;
    char reason[32]; /* stop, length, tool_calls, cancelled, disconnected, error, running ... */
    int64_t price_version;
    char currency[4];
    int64_t cost;      /* pico-units (1e-12) of the currency */
    int64_t energy_uj; /* microjoules */
};

#endif
