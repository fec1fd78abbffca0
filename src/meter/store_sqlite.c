/* store_sqlite.c - the ledger in one SQLite file, write-ahead log, full synchronisation: a commit
 * that returned survives a power cut. Statements are prepared once and kept. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "meter/store.h"

enum { MAX_STATEMENTS = 64, MAX_CELLS = 32 };

struct sq {
    sqlite3 *db;
    char *path;
    int n;
    struct {
        const char *sql; /* a literal: its address is its name */
        sqlite3_stmt *st;
    } kept[MAX_STATEMENTS];
};

static int fail(struct sq *s, const char *doing, struct err *e)
{
    enum err_code code = sqlite3_errcode(s->db) == SQLITE_BUSY ? ERR_BUSY : ERR_IO;
    return err_set(e, code, "%s: %s: %s", s->path, doing, sqlite3_errmsg(s->db));
}

static sqlite3_stmt *prepared(struct sq *s, const char *sql)
{
    for (int i = 0; i < s->n; i++)
        if (s->kept[i].sql == sql) return s->kept[i].st;
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
        return NULL;
    if (s->n == MAX_STATEMENTS) {
        sqlite3_finalize(s->kept[0].st);
        s->kept[0] = s->kept[--s->n];
    }
    s->kept[s->n].sql = sql;
    s->kept[s->n++].st = st;
    return st;
}

static int bind(sqlite3_stmt *st, const struct store_arg *arg, int n)
{
    static const char names[][4] = {"$1",  "$2",  "$3",  "$4",  "$5",  "$6",  "$7",
                                    "$8",  "$9",  "$10", "$11", "$12", "$13", "$14",
                                    "$15", "$16", "$17", "$18", "$19", "$20"};
    for (int i = 0; i < n && i < (int)countof(names); i++) {
        int at = sqlite3_bind_parameter_index(st, names[i]);
        if (at == 0) continue;
        int rc = arg[i].is_text ? sqlite3_bind_text(st, at, arg[i].s.p ? arg[i].s.p : "",
                                                    (int)arg[i].s.n, SQLITE_TRANSIENT)
                                : sqlite3_bind_int64(st, at, arg[i].i);
        if (rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
}

static int sq_exec(void *self, const char *sql, const struct store_arg *arg, int n_arg,
                   store_row_fn fn, void *ctx, struct err *e)
{
    struct sq *s = self;
    sqlite3_stmt *st = prepared(s, sql);
    if (!st || bind(st, arg, n_arg) != SQLITE_OK) return fail(s, sql, e);
    int rc, result = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && result == 0) {
        struct span cell[MAX_CELLS];
        int n = sqlite3_column_count(st);
        if (n > MAX_CELLS) n = MAX_CELLS;
        for (int i = 0; i < n; i++) {
            const char *p = (const char *)sqlite3_column_text(st, i);
            cell[i] = (struct span){p ? p : "", (size_t)sqlite3_column_bytes(st, i)};
        }
        if (fn) result = fn(ctx, cell, n, e);
    }
    if (result == 0 && rc != SQLITE_DONE) result = fail(s, sql, e);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return result;
}

static void sq_close(void *self)
{
    struct sq *s = self;
    for (int i = 0; i < s->n; i++) sqlite3_finalize(s->kept[i].st);
    sqlite3_close(s->db);
    mem_free(s->path);
    mem_free(s);
}

int store_sqlite_open(struct store *out, const char *path, struct err *e)
{
    static const char *const setup[] = {
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        /* no temporary files: the sandbox would refuse them */
        "PRAGMA temp_store=MEMORY",
    };
    *out = (struct store){0};
    struct sq *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "the ledger", sizeof *s);
    *out = (struct store){s, sq_exec, sq_close};
    s->path = mem_strdup(path);
    /* The file is made by us first so that nobody else can read it. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(e, errno, "opening %s", path);
        goto fail;
    }
    close(fd);
    if (!s->path || sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                    NULL) != SQLITE_OK) {
        fail(s, "opening", e);
        goto fail;
    }
    sqlite3_busy_timeout(s->db, 5000);
    for (size_t i = 0; i < countof(setup); i++)
        if (sqlite3_exec(s->db, setup[i], NULL, NULL, NULL) != SQLITE_OK) {
            fail(s, setup[i], e);
            goto fail;
        }
    return 0;
fail:
    store_close(out);
    return -1;
}
