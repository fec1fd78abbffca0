/* tarn keys: API keys of the server on this machine, or of a shared ledger. A running server
 * takes changes over within its flush interval. */
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/server_state.h"

extern const struct command cmd_keys;

enum { OUT_MAX = 64 << 20 };

static struct {
    const char *budget, *day, *month, *models, *expires;
    int64_t rpm, tpm, concurrent;
    bool admin;
} o;

static const struct opt own_opts[] = {
    {"budget", 0, OPT_STR, &o.budget, "AMOUNT", "most money in all, such as 12.50", 0, 0},
    {"budget-day", 0, OPT_STR, &o.day, "AMOUNT", "per day (UTC)", 0, 0},
    {"budget-month", 0, OPT_STR, &o.month, "AMOUNT", "per month (UTC)", 0, 0},
    {"models", 0, OPT_STR, &o.models, "NAMES",
     "the models it may use, blanks between (default: all)", 0, 0},
    {"expires", 0, OPT_STR, &o.expires, "TIME", "such as 2026-12-31 or 2026-12-31T12:00Z", 0,
     0},
    {"rpm", 0, OPT_INT, &o.rpm, "N", "requests per minute", 0, 1000000000},
    {"tpm", 0, OPT_INT, &o.tpm, "N", "tokens per minute", 0, 1e12},
    {"concurrent", 0, OPT_INT, &o.concurrent, "N", "requests at once", 0, 1000000},
    {"admin", 0, OPT_FLAG, &o.admin, NULL, "may make keys and see everybody's usage", 0, 0},
    {.type = OPT_END},
};

static int amount(const char *s, int64_t *out, struct err *e)
{
    return s ? price_parse_amount(span_of(s), out, e) : 0;
}

static int add(struct ledger *l, const char *name, struct err *e)
{
    struct key_info k;
    char text[KEY_TEXT];
    int64_t id;
    key_info_defaults(&k);
    snprintf(k.name, sizeof k.name, "%s", name);
    if (o.models) snprintf(k.models, sizeof k.models, "%s", o.models);
    if (strlen(name) >= sizeof k.name || (o.models && strlen(o.models) >= sizeof k.models))
        return err_set(e, ERR_USAGE, "the name or the list of models is too long");
    if (amount(o.budget, &k.budget, e) || amount(o.day, &k.budget_day, e) ||
        amount(o.month, &k.budget_month, e) ||
        (o.expires && price_parse_time(span_of(o.expires), &k.expires_ms, e)))
        return -1;
    k.rpm = o.rpm;
    k.tpm = o.tpm;
    k.concurrent = o.concurrent;
    k.admin = o.admin;
    if (ledger_key_add(l, &k, text, &id, e)) return -1;
    if (cli.json)
        printf("{\"id\":%lld,\"key\":\"%s\"}\n", (long long)id, text);
    else
        printf("%s\n", text);
    fprintf(stderr, "tarn: key %lld; it is shown this once\n", (long long)id);
    return 0;
}

static const char *text_of(const json_t *o_, const char *key)
{
    const char *s = json_string_value(json_object_get(o_, key));
    return s ? s : "-";
}

static int list(struct ledger *l, struct err *e)
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    int rc = ledger_keys_json(l, &b, e);
    if (rc == 0 && cli.json) {
        fwrite(buf_str(&b), 1, b.len, stdout);
    } else if (rc == 0) {
        json_t *j = json_parse(buf_span(&b), "the keys", e);
        const json_t *keys = json_object_get(j, "keys");
        printf("%4s  %-20s %-15s %-6s %-10s %-12s %-12s %s\n", "id", "name", "begins", "admin",
               "state", "spent", "budget", "models");
        for (size_t i = 0; i < json_array_size(keys); i++) {
            const json_t *k = json_array_get(keys, i);
            const char *models = text_of(k, "models");
            printf("%4lld  %-20s %-15s %-6s %-10s %-12s %-12s %s\n",
                   (long long)json_integer_value(json_object_get(k, "id")), text_of(k, "name"),
                   text_of(k, "begins"),
                   json_is_true(json_object_get(k, "admin")) ? "yes" : "no",
                   json_is_string(json_object_get(k, "revoked")) ? "revoked" : "live",
                   text_of(k, "spent"), text_of(k, "budget"), *models ? models : "all");
        }
        json_decref(j);
    }
    buf_release(&b);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct ledger *l;
    bool is_list = argc == 1 && strcmp(argv[0], "list") == 0;
    bool is_add = argc == 2 && strcmp(argv[0], "add") == 0;
    bool is_revoke = argc == 2 && strcmp(argv[0], "revoke") == 0;
    if (!is_list && !is_add && !is_revoke) return cli_usage(&cmd_keys, e);
    if (server_ledger_open(&l, e)) return -1;
    int rc = is_list  ? list(l, e)
             : is_add ? add(l, argv[1], e)
                      : ledger_key_revoke(l, span_of(argv[1]), e);
    ledger_close(l);
    return rc;
}

static const struct opt *const tables[] = {own_opts, server_state_opts, NULL};

const struct command cmd_keys = {
    .verb = "keys",
    .args = "add NAME | list | revoke ID_OR_NAME",
    .summary = "API keys with budgets, rates and model lists",
    .details = "  tarn keys add anna --budget-month 5 --rpm 60\n"
               "  tarn keys list\n"
               "  tarn keys revoke anna",
    .opts = tables,
    .run = run,
};
