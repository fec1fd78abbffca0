/* store_pgsql.c - the ledger in PostgreSQL, for several servers that share keys, budgets and
 * prices. Compiled with PGSQL=1. A broken connection is made anew at the next use; the ledger
 * rolls back and writes the same rows again, which changes nothing twice. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "meter/store.h"

enum { MAX_ARGS = 20, MAX_CELLS = 32, NUM_TEXT = 24 };

struct pg {
    PGconn *conn;
};

static int fail(struct pg *s, const char *doing, struct err *e)
{
    const char *m = PQerrorMessage(s->conn);
    int n = (int)strcspn(m, "\n");
    return err_set(e, ERR_IO, "PostgreSQL: %s: %.*s", doing, n, m);
}

static int pg_exec(void *self, const char *sql, const struct store_arg *arg, int n_arg,
                   store_row_fn fn, void *ctx, struct err *e)
{
    struct pg *s = self;
    char num[MAX_ARGS][NUM_TEXT];
    const char *value[MAX_ARGS];
    char *copy[MAX_ARGS] = {0};
    int result = -1;
    if (PQstatus(s->conn) == CONNECTION_BAD) PQreset(s->conn);
    for (int i = 0; i < n_arg; i++) {
        if (i == MAX_ARGS) return err_set(e, ERR_BUG, "a statement with %d arguments", n_arg);
        if (arg[i].is_text) {
            value[i] = copy[i] = mem_strndup(arg[i].s.p ? arg[i].s.p : "", arg[i].s.n);
            if (!copy[i]) {
                err_oom(e, "a statement's argument", arg[i].s.n);
                goto out;
            }
        } else {
            snprintf(num[i], NUM_TEXT, "%lld", (long long)arg[i].i);
            value[i] = num[i];
        }
    }
    PGresult *r = PQexecParams(s->conn, sql, n_arg, NULL, value, NULL, NULL, 0);
    ExecStatusType st = PQresultStatus(r);
    result = st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK ? 0 : fail(s, sql, e);
    int cols = PQnfields(r) < MAX_CELLS ? PQnfields(r) : MAX_CELLS;
    for (int row = 0; result == 0 && fn && row < PQntuples(r); row++) {
        struct span cell[MAX_CELLS];
        for (int i = 0; i < cols; i++)
            cell[i] = (struct span){PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i)};
        result = fn(ctx, cell, cols, e);
    }
    PQclear(r);
out:
    for (int i = 0; i < n_arg && i < MAX_ARGS; i++) mem_free(copy[i]);
    return result;
}

static void pg_close(void *self)
{
    struct pg *s = self;
    PQfinish(s->conn);
    mem_free(s);
}

static void quiet(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

int store_pgsql_open(struct store *out, const char *conninfo, struct err *e)
{
    *out = (struct store){0};
    struct pg *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "the ledger", sizeof *s);
    s->conn = PQconnectdb(conninfo);
    if (PQstatus(s->conn) != CONNECTION_OK) {
        fail(s, "connecting", e);
        pg_close(s);
        return -1;
    }
    PQsetNoticeProcessor(s->conn, quiet, NULL);
    *out = (struct store){s, pg_exec, pg_close};
    return 0;
}

static int port_of(const PQconninfoOption *o)
{
    for (; o && o->keyword; o++)
        if (strcmp(o->keyword, "port") == 0 && o->val) return (int)strtol(o->val, NULL, 10);
    return 0;
}

int store_pgsql_port(const char *conninfo)
{
    PQconninfoOption *said = PQconninfoParse(conninfo, NULL), *dflt = PQconndefaults();
    int port = port_of(said);
    if (!port) port = port_of(dflt);
    PQconninfoFree(said);
    PQconninfoFree(dflt);
    return port;
}
