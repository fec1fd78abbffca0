/* tarn usage: who used what and what it cost; and the price table. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/server_state.h"

extern const struct command cmd_usage;

enum { OUT_MAX = 64 << 20 };

static struct {
    const char *from, *to, *by, *set_prices;
    int64_t key;
    bool published, prices;
} o = {.key = -2};

static const struct opt own_opts[] = {
    {"from", 0, OPT_STR, &o.from, "TIME", "such as 2026-11-01 (default: the beginning)", 0, 0},
    {"to", 0, OPT_STR, &o.to, "TIME", "up to here, not included (default: now)", 0, 0},
    {"by", 0, OPT_STR, &o.by, "WHAT", "day (default), key or model", 0, 0},
    {"key", 0, OPT_INT, &o.key, "ID", "only this key", 0, 1e15},
    {"prices", 0, OPT_FLAG, &o.prices, NULL, "print the price table in force", 0, 0},
    {"published", 0, OPT_FLAG, &o.published, NULL,
     "print the hosted prices that ship with the program", 0, 0},
    {"set-prices", 0, OPT_STR, &o.set_prices, "FILE", "put a price table in force", 0, 0},
    {.type = OPT_END},
};

static void put(struct buf *b)
{
    fwrite(buf_str(b), 1, b->len, stdout);
    buf_release(b);
}

static int set_prices(struct ledger *l, struct err *e)
{
    struct price_table t;
    if (price_load(&t, o.set_prices, e)) return -1;
    size_t n = t.n;
    if (ledger_set_prices(l, &t, e)) {
        price_release(&t);
        return -1;
    }
    fprintf(stderr, "tarn: %zu prices are in force\n", n);
    return 0;
}

static long long count(const json_t *r, const char *key)
{
    return (long long)json_integer_value(json_object_get(r, key));
}

static int print_table(struct span json, struct err *e)
{
    json_t *j = json_parse(json, "the usage report", e);
    if (!j) return -1;
    const json_t *rows = json_object_get(j, "rows");
    const char *source = json_string_value(json_object_get(j, "energy_source"));
    printf("%-24s %8s %12s %12s %12s %12s %16s %10s\n",
           json_string_value(json_object_get(j, "group")), "requests", "cached", "prompt",
           "completion", "reasoning", "cost", "Wh");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *r = json_array_get(rows, i), *elsewhere = json_object_get(r, "elsewhere");
        printf("%-24s %8lld %12lld %12lld %12lld %12lld %12s %s %10.3f\n",
               json_string_value(json_object_get(r, "group")), count(r, "requests"),
               count(r, "prompt_cache_hit_tokens"), count(r, "prompt_cache_miss_tokens"),
               count(r, "completion_tokens"), count(r, "reasoning_tokens"),
               json_string_value(json_object_get(r, "cost")),
               json_string_value(json_object_get(r, "currency")),
               json_number_value(json_object_get(r, "energy_wh")));
        printf(
            "%-24s elsewhere: deepseek-reasoner %s USD, deepseek-flash %s USD, gpt-5 %s USD\n",
            "", json_string_value(json_object_get(elsewhere, "deepseek-reasoner")),
            json_string_value(json_object_get(elsewhere, "deepseek-flash")),
            json_string_value(json_object_get(elsewhere, "gpt-5")));
    }
    if (source && strcmp(source, "estimate") == 0)
        puts("energy is an estimate: a fixed power while tokens were produced");
    json_decref(j);
    return 0;
}

static int report(struct ledger *l, struct err *e)
{
    int64_t from = 0, to = clock_wall_ms() + 1;
    enum usage_group g = USAGE_BY_DAY;
    if (o.by && strcmp(o.by, "key") == 0)
        g = USAGE_BY_KEY;
    else if (o.by && strcmp(o.by, "model") == 0)
        g = USAGE_BY_MODEL;
    else if (o.by && strcmp(o.by, "day") != 0)
        return err_set(e, ERR_USAGE, "--by is '%s'; day, key and model are known", o.by);
    if ((o.from && price_parse_time(span_of(o.from), &from, e)) ||
        (o.to && price_parse_time(span_of(o.to), &to, e)))
        return -1;
    struct buf b;
    buf_init(&b, OUT_MAX);
    int rc = ledger_usage_json(l, from, to, g, o.key, &b, e);
    if (rc == 0 && cli.json) {
        put(&b);
        return 0;
    }
    if (rc == 0) rc = print_table(buf_span(&b), e);
    buf_release(&b);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct ledger *l;
    struct buf b;
    (void)argv;
    if (argc) return cli_usage(&cmd_usage, e);
    buf_init(&b, OUT_MAX);
    if (o.published) {
        price_write_rows(price_published, price_n_published, &b);
        put(&b);
        return 0;
    }
    if (server_ledger_open(&l, e)) return -1;
    int rc = 0;
    if (o.set_prices) {
        rc = set_prices(l, e);
    } else if (o.prices) {
        ledger_prices_json(l, &b);
        put(&b);
    } else {
        rc = report(l, e);
    }
    ledger_close(l);
    return rc;
}

static const struct opt *const tables[] = {own_opts, server_state_opts, NULL};

const struct command cmd_usage = {
    .verb = "usage",
    .args = "",
    .summary = "tokens, money and energy by day, key or model; the price table",
    .details = "  tarn usage --by key --from 2026-11-01\n"
               "  tarn usage --published > prices.json     (edit it, then)\n"
               "  tarn usage --set-prices prices.json",
    .opts = tables,
    .run = run,
};
