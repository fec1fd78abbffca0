/* ledger.h - keys, prices, budgets and the usage of every request, in one database.
 *
 * A request's life here:
 *
 *   ledger_begin    budget checked, the most it can cost reserved
 *   meter_count     engine thread, any number of times: the counts so far
 *   ledger_end      the final counts and the reason; the caller lets go of the run
 *
 * A thread of the ledger's own writes everything that changed each flush_ms, in one transaction:
 * running requests as rows with the reason "running", ended ones for good. Rows are keyed by the
 * request id and totals are moved by the difference to the row that was there, so writing a row
 * again after a failure or a crash bills nothing twice. After a crash the next start marks the
 * rows that still run as "crashed" with the counts of the last flush.
 *
 * Several servers may share a PostgreSQL ledger; each has its own name. Budgets then hold up to
 * what the others spend within one flush interval.
 *
 * Threads: any, except open and close.
 */
#ifndef METER_LEDGER_H
#define METER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "meter/keys.h"
#include "meter/price.h"
#include "meter/usage.h"

struct err;
struct ledger;
struct meter_run;

struct ledger_opts {
    const char *path;   /* SQLite file; ":memory:" keeps nothing */
    const char *pgsql;  /* connection string; then path is not used */
    const char *server; /* this server's name among those sharing the ledger */
    int flush_ms;       /* 0: 1000 */
    double watts;       /* energy estimate where RAPL cannot be read; 0: 65 */
    const char *rapl;   /* 0: /sys/class/powercap */
    bool tool; /* opened by a command beside a running server: no thread, no recovery */
};

int ledger_open(struct ledger **out, const struct ledger_opts *o, struct err *e) must_check;
/* Writes what is left. NULL is fine. */
void ledger_close(struct ledger *l);

/* ---- keys ------------------------------------------------------------------------------------ */

/* Makes a key with the names and limits of *in; its clear text goes to `text`, its id to *id. */
int ledger_key_add(struct ledger *l, const struct key_info *in, char text[KEY_TEXT],
                   int64_t *id, struct err *e) must_check;
/* By id, or by name when exactly one live key has it. It works until the next refresh elsewhere
 * (one flush interval), here it ends at once. */
int ledger_key_revoke(struct ledger *l, struct span id_or_name, struct err *e) must_check;
/* Is there a live key at all? Without one, requests need none. */
bool ledger_has_keys(struct ledger *l);
/* True and *out when the text is a live key. Compares hashes in constant time. */
bool ledger_auth(struct ledger *l, struct span text, struct key_info *out);
/* Appends {"keys":[...]} with limits and spendings, never a key or a hash. */
int ledger_keys_json(struct ledger *l, struct buf *out, struct err *e) must_check;
/* What the key has spent of its budget now, reservations included. */
void ledger_spent(struct ledger *l, int64_t key_id, int64_t *total, int64_t *day,
                  int64_t *month);
uint64_t ledger_user_hash(struct ledger *l, struct span user_id);

/* ---- prices ---------------------------------------------------------------------------------- */

/* Stores a new version and puts it in force; takes the table over on success. */
int ledger_set_prices(struct ledger *l, struct price_table *t, struct err *e) must_check;
/* Appends the table in force in the file form with its version. */
void ledger_prices_json(struct ledger *l, struct buf *out);

/* ---- requests -------------------------------------------------------------------------------- */

/* Checks the key's budgets against start->n as the most the request can use, and reserves that.
 * ERR_QUOTA names the budget; ERR_BUSY when the ledger cannot be written. key may be NULL. */
int ledger_begin(struct ledger *l, struct meter_run **out, const struct usage_rec *start,
                 const struct key_info *key, struct err *e) must_check;
/* The counts so far. Lock-free, for the engine thread. The first call with output sets the time
 * of the first token. */
void meter_count(struct meter_run *r, const struct usage_counts *n);
/* The end; `reason` is copied; the run must not be used after. */
void ledger_end(struct ledger *l, struct meter_run *r, const char *reason);

/* ---- questions ------------------------------------------------------------------------------- */

enum usage_group { USAGE_BY_KEY, USAGE_BY_MODEL, USAGE_BY_DAY };

/* Appends {"from","to","group","rows":[{group, requests, hit, miss, output, reasoning, cost,
 * currency, energy_wh, elsewhere:{model: cost}}]} of requests that started in [from, to).
 * key_id -2: all keys. Flushes first, so the answer holds everything that has ended. */
int ledger_usage_json(struct ledger *l, int64_t from_ms, int64_t to_ms, enum usage_group g,
                      int64_t key_id, struct buf *out, struct err *e) must_check;
/* Writes now and waits. */
int ledger_flush(struct ledger *l, struct err *e) must_check;
const char *ledger_energy_source(const struct ledger *l);
/* Totals since the start, for /metrics: pico-units and microjoules. */
void ledger_totals(struct ledger *l, int64_t *cost, int64_t *energy_uj);

#endif
