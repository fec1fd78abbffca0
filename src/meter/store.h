/* store.h - the few things the ledger asks of a database.
 *
 * The SQL is written once, in the part that SQLite and PostgreSQL share: placeholders $1 $2 ...,
 * BIGINT and TEXT columns, INSERT ... ON CONFLICT. store_sqlite.c and store_pgsql.c run it.
 *
 * Threads: one caller at a time per store; the ledger holds a lock around each use.
 */
#ifndef METER_STORE_H
#define METER_STORE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

struct store_arg {
    bool is_text;
    int64_t i;
    struct span s;
};

static inline struct store_arg store_i(int64_t i)
{
    return (struct store_arg){.i = i};
}

static inline struct store_arg store_s(struct span s)
{
    return (struct store_arg){.is_text = true, .s = s};
}

static inline struct store_arg store_z(const char *s)
{
    return store_s(span_of(s));
}

/* One result row: every cell as text, valid during the call. Nonzero stops and fails. */
typedef int (*store_row_fn)(void *ctx, const struct span *cell, int n, struct err *e);

struct store {
    void *self;
    int (*exec)(void *self, const char *sql, const struct store_arg *arg, int n_arg,
                store_row_fn fn, void *ctx, struct err *e);
    void (*close)(void *self);
};

/* A file; created with mode 0600, write-ahead log, every commit flushed to the disk. */
int store_sqlite_open(struct store *s, const char *path, struct err *e) must_check;
/* A connection string as libpq takes it. ERR_UNSUPPORTED in builds without PGSQL=1. */
int store_pgsql_open(struct store *s, const char *conninfo, struct err *e) must_check;
/* The port it names, or libpq's default: the one port a server's sandbox leaves open. */
int store_pgsql_port(const char *conninfo);
void store_close(struct store *s);

int store_exec(struct store *s, const char *sql, const struct store_arg *arg, int n_arg,
               store_row_fn fn, void *ctx, struct err *e) must_check;
int64_t store_cell_i64(struct span cell);

#endif
