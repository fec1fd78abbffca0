/* ledger_sql.c - the ledger's tables and every statement, in SQL that SQLite and PostgreSQL share.
 *
 *   meta    key, value                       secret of the key hashes, change counters
 *   keys    one row per key, revoked ones too
 *   prices  every version of the price table, as its file form
 *   usage   one row per request (usage.h)
 *   spend   totals per key and period: 'all', 'd' + days since 1970, 'm' + months since 0
 *
 * spend is what budgets read. It only moves together with usage, in one transaction, by the
 * difference between the new row and the old one.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "meter/ledger_int.h"

static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS meta (k TEXT PRIMARY KEY, v TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS keys (id BIGINT PRIMARY KEY, name TEXT NOT NULL, "
    "hash TEXT NOT NULL UNIQUE, shown TEXT NOT NULL, created_ms BIGINT NOT NULL, "
    "revoked_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, admin BIGINT NOT NULL, "
    "models TEXT NOT NULL, budget BIGINT NOT NULL, budget_day BIGINT NOT NULL, "
    "budget_month BIGINT NOT NULL, rpm BIGINT NOT NULL, tpm BIGINT NOT NULL, "
    "concurrent BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS prices (version BIGINT PRIMARY KEY, created_ms BIGINT NOT "
    "NULL, "
    "body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS usage (id TEXT PRIMARY KEY, server TEXT NOT NULL, "
    "key_id BIGINT NOT NULL, user_hash BIGINT NOT NULL, model TEXT NOT NULL, "
    "route TEXT NOT NULL, start_ms BIGINT NOT NULL, first_ms BIGINT NOT NULL, "
    "end_ms BIGINT NOT NULL, hit BIGINT NOT NULL, miss BIGINT NOT NULL, output BIGINT NOT "
    "NULL, "
    "reasoning BIGINT NOT NULL, reason TEXT NOT NULL, price_version BIGINT NOT NULL, "
    "currency TEXT NOT NULL, cost BIGINT NOT NULL, energy_uj BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS usage_start ON usage (start_ms)",
    "CREATE INDEX IF NOT EXISTS usage_running ON usage (server) WHERE reason = 'running'",
    "CREATE TABLE IF NOT EXISTS spend (key_id BIGINT NOT NULL, period TEXT NOT NULL, "
    "cost BIGINT NOT NULL, tokens BIGINT NOT NULL, requests BIGINT NOT NULL, "
    "PRIMARY KEY (key_id, period))",
};

int sql_setup(struct store *s, struct err *e)
{
    for (size_t i = 0; i < countof(schema); i++)
        if (store_exec(s, schema[i], NULL, 0, NULL, NULL, e)) return -1;
    return 0;
}

int sql_mark_crashed(struct store *s, const char *server, struct err *e)
{
    struct store_arg a[] = {store_z(server)};
    return store_exec(s,
                      "UPDATE usage SET reason = 'crashed' WHERE reason = 'running' "
                      "AND server = $1",
                      a, 1, NULL, NULL, e);
}

static int first_cell(void *ctx, const struct span *cell, int n, struct err *e)
{
    (void)n;
    (void)e;
    buf_clear(ctx);
    buf_add_span(ctx, cell[0]);
    return 0;
}

int sql_meta_get(struct store *s, const char *key, struct buf *out, struct err *e)
{
    struct store_arg a[] = {store_z(key)};
    return store_exec(s, "SELECT v FROM meta WHERE k = $1", a, 1, first_cell, out, e);
}

int sql_meta_set(struct store *s, const char *key, const char *value, struct err *e)
{
    struct store_arg a[] = {store_z(key), store_z(value)};
    return store_exec(s,
                      "INSERT INTO meta (k, v) VALUES ($1, $2) "
                      "ON CONFLICT (k) DO UPDATE SET v = excluded.v",
                      a, 2, NULL, NULL, e);
}

/* ---- usage ----------------------------------------------------------------------------------- */

struct period period_of(int64_t wall_ms)
{
    char iso[24];
    int y = 0, m = 0;
    clock_iso8601(wall_ms, iso);
    for (int i = 0; i < 4; i++) y = y * 10 + (iso[i] - '0');
    m = (iso[5] - '0') * 10 + (iso[6] - '0');
    return (struct period){wall_ms / 86400000, (int64_t)y * 12 + m - 1};
}

static int old_row(void *ctx, const struct span *cell, int n, struct err *e)
{
    (void)n;
    (void)e;
    int64_t *old = ctx;
    old[0] = store_cell_i64(cell[0]);
    old[1] = store_cell_i64(cell[1]);
    old[2] = 1;
    return 0;
}

static int move_total(struct store *s, int64_t key, const char *period, int64_t cost,
                      int64_t tokens, int64_t requests, struct err *e)
{
    struct store_arg a[] = {store_i(key), store_z(period), store_i(cost), store_i(tokens),
                            store_i(requests)};
    return store_exec(s,
                      "INSERT INTO spend (key_id, period, cost, tokens, requests) "
                      "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key_id, period) DO UPDATE SET "
                      "cost = spend.cost + excluded.cost, "
                      "tokens = spend.tokens + excluded.tokens, "
                      "requests = spend.requests + excluded.requests",
                      a, 5, NULL, NULL, e);
}

int sql_write_usage(struct store *s, const struct usage_rec *u, const char *server,
                    struct err *e)
{
    int64_t old[3] = {0}; /* cost, tokens, was there */
    struct store_arg id[] = {store_z(u->id)};
    if (store_exec(s, "SELECT cost, hit + miss + output FROM usage WHERE id = $1", id, 1,
                   old_row, old, e))
        return -1;
    struct store_arg a[] = {store_z(u->id),
                            store_z(server),
                            store_i(u->key_id),
                            store_i((int64_t)u->user),
                            store_z(u->model),
                            store_z(u->route),
                            store_i(u->start_ms),
                            store_i(u->first_ms),
                            store_i(u->end_ms),
                            store_i(u->n.hit),
                            store_i(u->n.miss),
                            store_i(u->n.output),
                            store_i(u->n.reasoning),
                            store_z(u->reason),
                            store_i(u->price_version),
                            store_z(u->currency),
                            store_i(u->cost),
                            store_i(u->energy_uj)};
    if (store_exec(s,
                   "INSERT INTO usage (id, server, key_id, user_hash, model, route, start_ms, "
                   "first_ms, end_ms, hit, miss, output, reasoning, reason, price_version, "
                   "currency, cost, energy_uj) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
                   "$10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT (id) DO UPDATE "
                   "SET first_ms = excluded.first_ms, end_ms = excluded.end_ms, "
                   "hit = excluded.hit, miss = excluded.miss, output = excluded.output, "
                   "reasoning = excluded.reasoning, reason = excluded.reason, "
                   "cost = excluded.cost, energy_uj = excluded.energy_uj",
                   a, (int)countof(a), NULL, NULL, e))
        return -1;
    int64_t cost = u->cost - old[0];
    int64_t tokens = u->n.hit + u->n.miss + u->n.output - old[1], requests = !old[2];
    struct period p = period_of(u->start_ms);
    char day[32], month[32];
    snprintf(day, sizeof day, "d%lld", (long long)p.day);
    snprintf(month, sizeof month, "m%lld", (long long)p.month);
    return move_total(s, u->key_id, "all", cost, tokens, requests, e) ||
                   move_total(s, u->key_id, day, cost, tokens, requests, e) ||
                   move_total(s, u->key_id, month, cost, tokens, requests, e)
               ? -1
               : 0;
}

static int spend_row(void *ctx, const struct span *cell, int n, struct err *e)
{
    struct spend *sp = ctx;
    (void)n;
    (void)e;
    int64_t v = store_cell_i64(cell[1]);
    if (cell[0].p[0] == 'a')
        sp->total = v;
    else if (cell[0].p[0] == 'd')
        sp->day = v;
    else
        sp->month = v;
    return 0;
}

int sql_load_spend(struct store *s, struct spend *sp, int64_t now_ms, struct err *e)
{
    struct period p = period_of(now_ms);
    char day[32], month[32];
    snprintf(day, sizeof day, "d%lld", (long long)p.day);
    snprintf(month, sizeof month, "m%lld", (long long)p.month);
    *sp = (struct spend){.key_id = sp->key_id, .day_no = p.day, .month_no = p.month};
    struct store_arg a[] = {store_i(sp->key_id), store_z(day), store_z(month)};
    return store_exec(s,
                      "SELECT period, cost FROM spend WHERE key_id = $1 AND "
                      "(period = 'all' OR period = $2 OR period = $3)",
                      a, 3, spend_row, sp, e);
}

/* ---- keys and prices ------------------------------------------------------------------------- */

struct key_walk {
    sql_key_fn fn;
    void *ctx;
};

static void cell_text(struct span cell, char *out, size_t size)
{
    size_t n = cell.n < size - 1 ? cell.n : size - 1;
    memcpy(out, cell.p, n);
    out[n] = 0;
}

static int key_row(void *ctx, const struct span *c, int n, struct err *e)
{
    const struct key_walk *w = ctx;
    struct key_info k = {.id = store_cell_i64(c[0]),
                         .created_ms = store_cell_i64(c[4]),
                         .revoked_ms = store_cell_i64(c[5]),
                         .expires_ms = store_cell_i64(c[6]),
                         .admin = store_cell_i64(c[7]) != 0,
                         .budget = store_cell_i64(c[9]),
                         .budget_day = store_cell_i64(c[10]),
                         .budget_month = store_cell_i64(c[11]),
                         .rpm = store_cell_i64(c[12]),
                         .tpm = store_cell_i64(c[13]),
                         .concurrent = store_cell_i64(c[14])};
    (void)n;
    cell_text(c[1], k.name, sizeof k.name);
    cell_text(c[3], k.shown, sizeof k.shown);
    cell_text(c[8], k.models, sizeof k.models);
    return w->fn(w->ctx, &k, c[2], e);
}

int sql_each_key(struct store *s, sql_key_fn fn, void *ctx, struct err *e)
{
    struct key_walk w = {fn, ctx};
    return store_exec(
        s,
        "SELECT id, name, hash, shown, created_ms, revoked_ms, expires_ms, admin, "
        "models, budget, budget_day, budget_month, rpm, tpm, concurrent "
        "FROM keys ORDER BY id",
        NULL, 0, key_row, &w, e);
}

static int number_row(void *ctx, const struct span *cell, int n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)ctx = store_cell_i64(cell[0]);
    return 0;
}

int sql_add_key(struct store *s, struct key_info *k, const char *hash, struct err *e)
{
    if (store_exec(s, "SELECT COALESCE(MAX(id), 0) + 1 FROM keys", NULL, 0, number_row, &k->id,
                   e))
        return -1;
    struct store_arg a[] = {
        store_i(k->id),         store_z(k->name),       store_z(hash),
        store_z(k->shown),      store_i(k->created_ms), store_i(k->revoked_ms),
        store_i(k->expires_ms), store_i(k->admin),      store_z(k->models),
        store_i(k->budget),     store_i(k->budget_day), store_i(k->budget_month),
        store_i(k->rpm),        store_i(k->tpm),        store_i(k->concurrent)};
    return store_exec(s,
                      "INSERT INTO keys (id, name, hash, shown, created_ms, revoked_ms, "
                      "expires_ms, admin, models, budget, budget_day, budget_month, rpm, tpm, "
                      "concurrent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
                      "$13, $14, $15)",
                      a, (int)countof(a), NULL, NULL, e);
}

int sql_revoke_key(struct store *s, struct span id_or_name, int64_t now_ms, struct err *e)
{
    int64_t id = 0, n = 0;
    struct store_arg name[] = {store_s(id_or_name)};
    if (store_exec(s,
                   "SELECT COUNT(*) FROM keys WHERE revoked_ms = 0 AND "
                   "(name = $1 OR CAST(id AS TEXT) = $1)",
                   name, 1, number_row, &n, e) ||
        store_exec(s,
                   "SELECT id FROM keys WHERE revoked_ms = 0 AND "
                   "(name = $1 OR CAST(id AS TEXT) = $1)",
                   name, 1, number_row, &id, e))
        return -1;
    if (n != 1)
        return err_set(e, n ? ERR_USAGE : ERR_NOT_FOUND,
                       n ? "%lld live keys are called '%.*s'; name one by its id"
                         : "no live key out of %lld has the id or name '%.*s'",
                       (long long)n, (int)(id_or_name.n < 64 ? id_or_name.n : 64),
                       id_or_name.p);
    struct store_arg a[] = {store_i(now_ms), store_i(id)};
    return store_exec(s, "UPDATE keys SET revoked_ms = $1 WHERE id = $2", a, 2, NULL, NULL, e);
}

int sql_add_prices(struct store *s, struct span json, int64_t now_ms, int64_t *version,
                   struct err *e)
{
    if (store_exec(s, "SELECT COALESCE(MAX(version), 0) + 1 FROM prices", NULL, 0, number_row,
                   version, e))
        return -1;
    struct store_arg a[] = {store_i(*version), store_i(now_ms), store_s(json)};
    return store_exec(s, "INSERT INTO prices (version, created_ms, body) VALUES ($1, $2, $3)",
                      a, 3, NULL, NULL, e);
}

struct price_walk {
    struct buf *json;
    int64_t *version;
};

static int price_row_cells(void *ctx, const struct span *cell, int n, struct err *e)
{
    struct price_walk *w = ctx;
    (void)n;
    (void)e;
    *w->version = store_cell_i64(cell[0]);
    buf_clear(w->json);
    buf_add_span(w->json, cell[1]);
    return 0;
}

int sql_load_prices(struct store *s, struct buf *json, int64_t *version, struct err *e)
{
    struct price_walk w = {json, version};
    *version = 0;
    return store_exec(s, "SELECT version, body FROM prices ORDER BY version DESC LIMIT 1", NULL,
                      0, price_row_cells, &w, e);
}

/* ---- usage queries --------------------------------------------------------------------------- */

struct usage_walk {
    struct buf *out;
    enum usage_group g;
    int64_t now_ms;
    int n;
};

/* The same tokens at the newest standard price of each published model. */
static void elsewhere(struct buf *out, const struct usage_counts *n, int64_t now_ms)
{
    static const char *const models[] = {
        "deepseek-reasoner", "deepseek-flash", "deepseek-v4-pro", "o1", "o3", "gpt-4o", "gpt-5",
        "gpt-5-mini"};
    bool first = true;
    buf_add_str(out, ",\"elsewhere\":{");
    for (size_t i = 0; i < countof(models); i++) {
        const struct price_row *best = NULL;
        for (size_t j = 0; j < price_n_published; j++) {
            const struct price_row *p = &price_published[j];
            if (strcmp(p->model, models[i]) == 0 && p->n_win == 0 && p->from_ms <= now_ms)
                best = p;
        }
        int64_t cost;
        char text[32];
        if (!best || price_cost(best, n, &cost, NULL)) continue;
        price_format_exact(cost, text);
        buf_printf(out, "%s\"%s\":\"%s\"", first ? "" : ",", models[i], text);
        first = false;
    }
    buf_add_char(out, '}');
}

static int usage_row(void *ctx, const struct span *c, int n_cell, struct err *e)
{
    struct usage_walk *w = ctx;
    struct usage_counts n = {.hit = store_cell_i64(c[2]),
                             .miss = store_cell_i64(c[3]),
                             .output = store_cell_i64(c[4]),
                             .reasoning = store_cell_i64(c[5])};
    char money[32];
    (void)n_cell;
    (void)e;
    buf_add_str(w->out, w->n++ ? ",\n{\"group\":" : "\n{\"group\":");
    if (w->g == USAGE_BY_DAY) {
        char iso[24];
        clock_iso8601(store_cell_i64(c[0]) * 86400000, iso);
        buf_add_json(w->out, (struct span){iso, 10});
    } else {
        buf_add_json(w->out, c[0]);
    }
    price_format_exact(store_cell_i64(c[6]), money);
    buf_printf(w->out,
               ",\"requests\":%lld,\"prompt_cache_hit_tokens\":%lld,"
               "\"prompt_cache_miss_tokens\":%lld,\"completion_tokens\":%lld,"
               "\"reasoning_tokens\":%lld,\"cost\":\"%s\",\"currency\":",
               (long long)store_cell_i64(c[1]), (long long)n.hit, (long long)n.miss,
               (long long)n.output, (long long)n.reasoning, money);
    buf_add_json(w->out, c[8]);
    buf_printf(w->out, ",\"energy_wh\":%.6f", (double)store_cell_i64(c[7]) / 3.6e9);
    elsewhere(w->out, &n, w->now_ms);
    buf_add_char(w->out, '}');
    return 0;
}

#define SUMS                                                                          \
    "COUNT(*), CAST(SUM(hit) AS BIGINT), CAST(SUM(miss) AS BIGINT), "                 \
    "CAST(SUM(output) AS BIGINT), CAST(SUM(reasoning) AS BIGINT), "                   \
    "CAST(SUM(cost) AS BIGINT), CAST(SUM(energy_uj) AS BIGINT), currency FROM usage " \
    "WHERE start_ms >= $1 AND start_ms < $2 AND ($3 = -2 OR key_id = $3) "

int sql_usage_json(struct store *s, int64_t from_ms, int64_t to_ms, enum usage_group g,
                   int64_t key_id, struct buf *out, struct err *e)
{
    static const char *const sql[] = {
        [USAGE_BY_KEY] = "SELECT key_id, " SUMS "GROUP BY key_id, currency ORDER BY key_id",
        [USAGE_BY_MODEL] = "SELECT model, " SUMS "GROUP BY model, currency ORDER BY model",
        [USAGE_BY_DAY] = "SELECT start_ms / 86400000, " SUMS
                         "GROUP BY start_ms / 86400000, currency ORDER BY 1",
    };
    static const char *const names[] = {"key", "model", "day"};
    struct usage_walk w = {out, g, clock_wall_ms(), 0};
    struct store_arg a[] = {store_i(from_ms), store_i(to_ms), store_i(key_id)};
    char from[24], to[24];
    clock_iso8601(from_ms, from);
    clock_iso8601(to_ms, to);
    buf_printf(out, "{\"from\":\"%s\",\"to\":\"%s\",\"group\":\"%s\",\"rows\":[", from, to,
               names[g]);
    if (store_exec(s, sql[g], a, 3, usage_row, &w, e)) return -1;
    buf_add_str(out, "]");
    return buf_ok(out, "the usage report", e);
}
