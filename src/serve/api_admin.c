/* api_admin.c - keys, usage, prices, models over HTTP, for admins; and everybody's own usage. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "serve/router.h"
#include "serve/serve_int.h"

static bool no_ledger(struct serve *s, struct http_req *r)
{
    struct api_err a;
    if (s->ledger) return false;
    api_fail(&a, 404, "metering_off", NULL, "metering is off on this server");
    api_err_reply(r, &a, STYLE_OPENAI);
    return true;
}

static void reply_err(struct http_req *r, const struct err *e)
{
    struct api_err a;
    api_from_err(&a, e);
    api_err_reply(r, &a, STYLE_OPENAI);
}

void api_keys_list(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    struct err e = {0};
    (void)c;
    if (no_ledger(s, r)) return;
    buf_init(&b, 16 << 20);
    if (ledger_keys_json(s->ledger, &b, &e)) {
        buf_release(&b);
        reply_err(r, &e);
        return;
    }
    reply_json(r, 200, &b);
}

struct key_body {
    struct span name, models, budget, budget_day, budget_month, expires;
    struct opt_int rpm, tpm, concurrent;
    struct opt_bool admin;
};

#define KF(name, type, lo, hi, m)                                                     \
    {                                                                                 \
        name, type, FP_HONOUR, lo, hi, false, false, offsetof(struct key_body, m), "" \
    }
static const struct field key_fields[] = {
    KF("name", FT_STR, 0, 0, name),
    KF("models", FT_STR, 0, 0, models),
    KF("budget", FT_STR, 0, 0, budget),
    KF("budget_day", FT_STR, 0, 0, budget_day),
    KF("budget_month", FT_STR, 0, 0, budget_month),
    KF("expires", FT_STR, 0, 0, expires),
    KF("rpm", FT_INT, 0, 1e9, rpm),
    KF("tpm", FT_INT, 0, 1e12, tpm),
    KF("concurrent", FT_INT, 0, 1e6, concurrent),
    KF("admin", FT_BOOL, 0, 0, admin),
};

static int take_text(struct span s, char *out, size_t size, const char *name, struct api_err *a)
{
    if (s.n >= size || (s.n && memchr(s.p, 0, s.n)))
        return api_fail(a, 400, "invalid_parameter", name, "%s is longer than %zu characters",
                        name, size - 1);
    if (s.n) memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return 0;
}

static int take_money(struct span s, int64_t *out, const char *name, struct api_err *a)
{
    struct err e = {0};
    if (!s.p || price_parse_amount(s, out, &e) == 0) return 0;
    return api_fail(a, 400, "invalid_parameter", name, "%s: %s", name, e.msg);
}

static int read_key(const json_t *j, struct key_info *k, struct api_err *a)
{
    struct key_body b = {0};
    struct err e = {0};
    key_info_defaults(k);
    if (field_read(key_fields, countof(key_fields), j, "", &b, a) ||
        take_text(b.name, k->name, sizeof k->name, "name", a) ||
        take_text(b.models, k->models, sizeof k->models, "models", a) ||
        take_money(b.budget, &k->budget, "budget", a) ||
        take_money(b.budget_day, &k->budget_day, "budget_day", a) ||
        take_money(b.budget_month, &k->budget_month, "budget_month", a))
        return -1;
    if (b.expires.p && price_parse_time(b.expires, &k->expires_ms, &e))
        return api_fail(a, 400, "invalid_parameter", "expires", "expires: %s", e.msg);
    k->rpm = b.rpm.v;
    k->tpm = b.tpm.v;
    k->concurrent = b.concurrent.v;
    k->admin = b.admin.v;
    return 0;
}

void api_keys_add(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct err e = {0};
    struct key_info k;
    char text[KEY_TEXT];
    int64_t id;
    struct buf b;
    (void)c;
    if (no_ledger(s, r)) return;
    json_t *j = body_parse(http_body(r), &a);
    int rc = j ? read_key(j, &k, &a) : -1;
    if (rc == 0 && ledger_key_add(s->ledger, &k, text, &id, &e)) rc = api_from_err(&a, &e);
    json_decref(j);
    if (rc) {
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    buf_init(&b, 4096);
    buf_printf(&b, "{\"id\":%lld,\"key\":\"%s\",\"note\":\"the key is shown this once\"}",
               (long long)id, text);
    reply_json(r, 200, &b);
}

void api_keys_revoke(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    struct buf b;
    if (no_ledger(s, r)) return;
    if (ledger_key_revoke(s->ledger, c->id, &e)) {
        reply_err(r, &e);
        return;
    }
    buf_init(&b, 64);
    buf_add_str(&b, "{\"revoked\":true}");
    reply_json(r, 200, &b);
}

static int read_range(struct http_req *r, int64_t *from, int64_t *to, enum usage_group *g,
                      struct api_err *a)
{
    struct err e = {0};
    struct span f = http_query(r, "from"), t = http_query(r, "to"), by = http_query(r, "group");
    *from = 0;
    *to = clock_wall_ms() + 86400000;
    *g = USAGE_BY_DAY;
    if (f.n && price_parse_time(f, from, &e))
        return api_fail(a, 400, NULL, "from", "from: %s", e.msg);
    if (t.n && price_parse_time(t, to, &e))
        return api_fail(a, 400, NULL, "to", "to: %s", e.msg);
    if (span_is(by, "key"))
        *g = USAGE_BY_KEY;
    else if (span_is(by, "model"))
        *g = USAGE_BY_MODEL;
    else if (by.n && !span_is(by, "day"))
        return api_fail(a, 400, NULL, "group", "group must be key, model or day");
    return 0;
}

static void usage(struct serve *s, struct http_req *r, int64_t key_id)
{
    struct api_err a;
    struct err e = {0};
    struct buf b;
    int64_t from, to;
    enum usage_group g;
    if (no_ledger(s, r)) return;
    if (read_range(r, &from, &to, &g, &a)) {
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    buf_init(&b, 64 << 20);
    if (ledger_usage_json(s->ledger, from, to, g, key_id, &b, &e)) {
        buf_release(&b);
        reply_err(r, &e);
        return;
    }
    reply_json(r, 200, &b);
}

void api_usage(struct serve *s, struct http_req *r, const struct caller *c)
{
    (void)c;
    usage(s, r, -2);
}

void api_own_usage(struct serve *s, struct http_req *r, const struct caller *c)
{
    usage(s, r, c->has_key ? c->key.id : 0);
}

void api_prices(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    if (no_ledger(s, r)) return;
    buf_init(&b, 64 << 20);
    ledger_prices_json(s->ledger, &b);
    reply_json(r, 200, &b);
}

void api_prices_set(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    struct price_table t;
    struct buf b;
    (void)c;
    if (no_ledger(s, r)) return;
    if (price_parse(&t, http_body(r), "body", &e)) {
        reply_err(r, &e);
        return;
    }
    if (ledger_set_prices(s->ledger, &t, &e)) {
        price_release(&t);
        reply_err(r, &e);
        return;
    }
    buf_init(&b, 64 << 20);
    ledger_prices_json(s->ledger, &b);
    reply_json(r, 200, &b);
}

static void want(struct serve *s, struct http_req *r, enum model_state wanted)
{
    struct api_err a;
    struct buf b;
    json_t *j = body_parse(http_body(r), &a);
    const json_t *name = j ? member(j, "model") : NULL;
    struct model_slot *m =
        json_is_string(name) ? model_find(&s->models, json_span(name)) : NULL;
    bool failed = true;
    if (j && !json_is_string(name))
        api_fail(&a, 400, "missing_required_parameter", "model",
                 "model is missing: a model's id");
    else if (j && !m)
        api_fail(&a, 404, "model_not_found", "model", "no model of this name; see /v1/models");
    else if (j && (!s->o.load || !s->o.unload))
        api_fail(&a, 404, "unknown_url", NULL, "this server's models stay as they are");
    else if (j && m->state == MODEL_LOADING)
        api_fail(&a, 409, "model_loading", "model", "model %s is being loaded", m->id);
    else
        failed = j == NULL;
    if (failed) {
        api_err_reply(r, &a, STYLE_OPENAI);
    } else {
        serve_want(s, m, wanted);
        buf_init(&b, 1024);
        buf_add_str(&b, "{\"id\":");
        buf_add_json(&b, span_of(m->id));
        buf_printf(&b, ",\"status\":{\"value\":\"%s\"},\"wanted\":\"%s\"}", model_state_name(m),
                   wanted == MODEL_LOADED ? "loaded" : "unloaded");
        reply_json(r, 202, &b);
    }
    json_decref(j);
}

void api_model_load(struct serve *s, struct http_req *r, const struct caller *c)
{
    (void)c;
    want(s, r, MODEL_LOADED);
}

void api_model_unload(struct serve *s, struct http_req *r, const struct caller *c)
{
    (void)c;
    want(s, r, MODEL_UNLOADED);
}
