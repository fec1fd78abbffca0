/* ledger_int.h - what ledger.c and ledger_sql.c share. */
#ifndef METER_LEDGER_INT_H
#define METER_LEDGER_INT_H

#include "meter/ledger.h"
#include "meter/store.h"

struct spend { /* what the store says a key has spent, as of the last refresh */
    int64_t key_id;
    int64_t total, day, month;
    int64_t day_no, month_no; /* which day and month those are */
};

struct period { /* day and month numbers of a wall time, UTC */
    int64_t day, month;
};
struct period period_of(int64_t wall_ms);

int sql_setup(struct store *s, struct err *e) must_check;
int sql_mark_crashed(struct store *s, const char *server, struct err *e) must_check;
int sql_meta_get(struct store *s, const char *key, struct buf *out, struct err *e) must_check;
int sql_meta_set(struct store *s, const char *key, const char *value, struct err *e) must_check;

/* Writes the row and moves the totals by the difference to what was there. Inside a transaction. */
int sql_write_usage(struct store *s, const struct usage_rec *u, const char *server,
                    struct err *e) must_check;
int sql_load_spend(struct store *s, struct spend *sp, int64_t now_ms, struct err *e) must_check;

typedef int (*sql_key_fn)(void *ctx, const struct key_info *k, struct span hash, struct err *e);
int sql_each_key(struct store *s, sql_key_fn fn, void *ctx, struct err *e) must_check;
int sql_add_key(struct store *s, struct key_info *k, const char *hash,
                struct err *e) must_check;
int sql_revoke_key(struct store *s, struct span id_or_name, int64_t now_ms,
                   struct err *e) must_check;

int sql_add_prices(struct store *s, struct span json, int64_t now_ms, int64_t *version,
                   struct err *e) must_check;
/* *version 0 and nothing appended when there are none. */
int sql_load_prices(struct store *s, struct buf *json, int64_t *version,
                    struct err *e) must_check;

int sql_usage_json(struct store *s, int64_t from_ms, int64_t to_ms, enum usage_group g,
                   int64_t key_id, struct buf *out, struct err *e) must_check;

#endif
