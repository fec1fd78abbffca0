/* api_models.c - the model list (the union of what clients read), balance, embeddings. */
#include <stdio.h>

#include "base/clock.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

static void aliases(const struct model_slot *m, bool first, struct buf *b)
{
    bool any = false;
    buf_add_str(b, ",\"aliases\":[");
    for (const char *p = m->aliases ? m->aliases : ""; *p; p += strspn(p, " ")) {
        struct span one = {p, strcspn(p, " ")};
        if (any) buf_add_char(b, ',');
        buf_add_json(b, one);
        any = true;
        p += one.n;
    }
    if (first) buf_printf(b, "%s\"deepseek-chat\",\"deepseek-reasoner\"", any ? "," : "");
    buf_add_char(b, ']');
}

static void write_model(const struct serve *s, struct model_slot *m, struct buf *b)
{
    const struct model_meta *x = &m->meta;
    long long ctx = (long long)model_n_ctx(m);
    buf_add_str(b, "{\"id\":");
    buf_add_json(b, span_of(m->id));
    buf_printf(b, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"tarn\",\"name\":",
               (long long)m->created_s);
    buf_add_json(b, span_of(x->name ? x->name : m->id));
    buf_printf(
        b,
        ",\"context_window\":%lld,\"max_output_tokens\":%lld,\"input_modalities\":[\"text\"],"
        "\"output_modalities\":[\"text\"],\"effort\":{\"supported_levels\":[\"none\",\"low\","
        "\"high\",\"max\"],\"default_level\":\"high\"},\"api_capabilities\":["
        "\"chat_completions\",\"completions\",\"responses\",\"messages\",\"tools\","
        "\"json_schema\",\"logprobs\"%s],\"max_model_len\":%lld,\"root\":",
        ctx, x->max_output ? (long long)x->max_output : ctx, x->can_fim ? ",\"fim\"" : "", ctx);
    buf_add_json(b, span_of(m->id));
    buf_add_str(b, ",\"parent\":null");
    aliases(m, m == s->models.slot, b);
    buf_printf(
        b,
        ",\"meta\":{\"n_vocab\":%lld,\"n_ctx_train\":%lld,\"n_params\":%lld,\"size\":%lld,"
        "\"quantization\":",
        (long long)model_n_vocab(m), (long long)x->n_ctx_train, (long long)x->n_params,
        (long long)x->n_bytes);
    buf_add_json(b, span_of(x->quantization ? x->quantization : ""));
    buf_printf(b, "},\"status\":{\"value\":\"%s\"}}", model_state_name(m));
}

static void write_anthropic(struct model_slot *m, struct buf *b)
{
    char iso[24];
    clock_iso8601(m->created_s * 1000, iso);
    buf_add_str(b, "{\"type\":\"model\",\"id\":");
    buf_add_json(b, span_of(m->id));
    buf_add_str(b, ",\"display_name\":");
    buf_add_json(b, span_of(m->meta.name ? m->meta.name : m->id));
    buf_printf(b, ",\"created_at\":\"%s\",\"max_input_tokens\":%lld,\"max_tokens\":%lld}", iso,
               (long long)model_n_ctx(m),
               (long long)(m->meta.max_output ? m->meta.max_output : model_n_ctx(m)));
}

static bool visible(const struct caller *c, const struct model_slot *m)
{
    return !c->has_key || key_may_use(&c->key, span_of(m->id));
}

void api_models(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    bool anthropic = http_header(r, "anthropic-version").n > 0;
    const struct model_slot *first = NULL, *last = NULL;
    buf_init(&b, 4 << 20);
    buf_add_str(&b, anthropic ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < s->models.n; i++) {
        struct model_slot *m = &s->models.slot[i];
        if (!visible(c, m)) continue;
        if (first) buf_add_char(&b, ',');
        if (!first) first = m;
        last = m;
        if (anthropic)
            write_anthropic(m, &b);
        else
            write_model(s, m, &b);
    }
    buf_add_char(&b, ']');
    if (anthropic) {
        buf_add_str(&b, ",\"has_more\":false,\"first_id\":");
        buf_add_json(&b, span_of(first ? first->id : ""));
        buf_add_str(&b, ",\"last_id\":");
        buf_add_json(&b, span_of(last ? last->id : ""));
    }
    buf_add_char(&b, '}');
    reply_json(r, 200, &b);
}

void api_model(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct model_slot *m = model_find(&s->models, c->id);
    struct api_err a;
    struct buf b;
    bool known = m && (span_is(c->id, m->id) || name_in(m->aliases, c->id) ||
                       span_starts(c->id, "deepseek-"));
    if (!known || !visible(c, m)) {
        api_fail(&a, 404, "model_not_found", "model",
                 "the model '%.*s' is not served here; see /v1/models",
                 (int)(c->id.n < 100 ? c->id.n : 100), c->id.p);
        api_err_reply(r, &a, STYLE_OPENAI);
        return;
    }
    buf_init(&b, 1 << 20);
    if (http_header(r, "anthropic-version").n)
        write_anthropic(m, &b);
    else
        write_model(s, m, &b);
    reply_json(r, 200, &b);
}

void api_balance(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    int64_t left = 1000000000000000000, total, day, month; /* a million units: nobody counts */
    buf_init(&b, 4096);
    if (s->ledger && c->has_key && c->key.budget >= 0) {
        ledger_spent(s->ledger, c->key.id, &total, &day, &month);
        left = c->key.budget - total;
    }
    char text[32];
    price_format(left > 0 ? left : 0, text);
    buf_printf(&b,
               "{\"is_available\":%s,\"balance_infos\":[{\"currency\":\"USD\",\"total_"
               "balance\":\"%s\","
               "\"granted_balance\":\"0.00\",\"topped_up_balance\":\"%s\"}]}",
               left > 0 ? "true" : "false", text, text);
    reply_json(r, 200, &b);
}

void api_embeddings(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct api_err a;
    (void)s;
    (void)c;
    api_fail(&a, 404, "unknown_url", NULL,
             "this server has no embeddings: its models write text");
    api_err_reply(r, &a, STYLE_OPENAI);
}
