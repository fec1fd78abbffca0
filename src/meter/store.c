#include "meter/store.h"

#include "base/err.h"

int store_exec(struct store *s, const char *sql, const struct store_arg *arg, int n_arg,
               store_row_fn fn, void *ctx, struct err *e)
{
    return s->exec(s->self, sql, arg, n_arg, fn, ctx, e);
}

void store_close(struct store *s)
{
    if (s->close) s->close(s->self);
    *s = (struct store){0};
}

int64_t store_cell_i64(struct span cell)
{
    uint64_t v = 0;
    bool neg = cell.n && cell.p[0] == '-';
    for (size_t i = neg; i < cell.n && cell.p[i] >= '0' && cell.p[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(cell.p[i] - '0');
    return (int64_t)(neg ? -v : v);
}

#ifndef TARN_PGSQL
int store_pgsql_open(struct store *s, const char *conninfo, struct err *e)
{
    (void)conninfo;
    *s = (struct store){0};
    return err_set(e, ERR_UNSUPPORTED,
                   "this program was built without PostgreSQL; build it with PGSQL=1");
}

int store_pgsql_port(const char *conninfo)
{
    (void)conninfo;
    return 0;
}
#endif
