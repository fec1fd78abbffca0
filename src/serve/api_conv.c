/* api_conv.c - stored conversations and feedback over HTTP; each key sees only its own. */
#include "base/err.h"
#include "serve/router.h"
#include "serve/serve_int.h"

static void reply_err(struct http_req *r, const struct err *e)
{
    struct api_err a;
    api_from_err(&a, e);
    api_err_reply(r, &a, STYLE_OPENAI);
}

static bool off(const void *store, struct http_req *r)
{
    struct api_err a;
    if (store) return false;
    api_fail(&a, 404, "storage_off", NULL,
             "this server stores nothing: it was started without a state directory");
    api_err_reply(r, &a, STYLE_OPENAI);
    return true;
}

static void reply_ok(struct http_req *r, const char *json)
{
    http_reply(r, 200, "application/json", span_of(json));
}

void api_conv_list(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    struct buf b;
    if (off(s->conv, r)) return;
    buf_init(&b, 16 << 20);
    if (conv_list(s->conv, c->key.id, &b, &e)) {
        buf_release(&b);
        reply_err(r, &e);
        return;
    }
    reply_json(r, 200, &b);
}

void api_conv_get(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    struct buf b;
    if (off(s->conv, r)) return;
    buf_init(&b, CONV_MAX);
    if (conv_get(s->conv, c->key.id, c->id, &b, &e)) {
        buf_release(&b);
        reply_err(r, &e);
        return;
    }
    reply_json(r, 200, &b);
}

void api_conv_put(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    struct err e = {0};
    if (off(s->conv, r)) return;
    json_t *j = body_parse(http_body(r), &a);
    if (!j) {
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    json_decref(j);
    if (conv_put(s->conv, c->key.id, c->id, http_body(r), &e))
        reply_err(r, &e);
    else
        reply_ok(r, "{\"stored\":true}");
}

void api_conv_delete(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    if (off(s->conv, r)) return;
    if (conv_delete(s->conv, c->key.id, c->id, &e))
        reply_err(r, &e);
    else
        reply_ok(r, "{\"deleted\":true}");
}

void api_feedback(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    if (off(s->feedback, r)) return;
    json_t *j = body_parse(http_body(r), &a);
    int rc = j ? feedback_add(s->feedback, c->key.id, j, &a) : -1;
    json_decref(j);
    if (rc)
        api_err_reply(r, &a, STYLE_OPENAI);
    else
        reply_ok(r, "{\"stored\":true}");
}

void api_feedback_export(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct err e = {0};
    struct buf b;
    struct span as = http_query(r, "as");
    enum feedback_form form = FEEDBACK_STORED;
    if (off(s->feedback, r)) return;
    if (as.p && span_is(as, "sft")) form = FEEDBACK_SFT;
    if (as.p && span_is(as, "pairs")) form = FEEDBACK_PAIRS;
    if (as.p && form == FEEDBACK_STORED) {
        struct api_err a;
        api_fail(&a, 400, "invalid_parameter", "as", "as is '%.*s'; sft and pairs are known",
                 (int)(as.n < 40 ? as.n : 40), as.p);
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    buf_init(&b, 256 << 20);
    if (feedback_export(s->feedback, c->key.id, form, &b, &e))
        reply_err(r, &e);
    else
        http_reply(r, 200, "application/x-ndjson", buf_span(&b));
    buf_release(&b);
}
