/* api_ops.c - health, version, properties, slots, metrics, the OpenAPI document. */
#include <stdio.h>

#include "base/clock.h"
#include "serve/auth.h"
#include "serve/generate.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

void api_health(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 4096);
    for (size_t i = 0; i < s->models.n; i++) {
        if (s->models.slot[i].state != MODEL_LOADED) continue;
        buf_add_str(&b, "{\"status\":\"ok\"}");
        reply_json(r, 200, &b);
        return;
    }
    const struct model_slot *m = s->models.n ? &s->models.slot[0] : NULL;
    bool loading = m && m->state == MODEL_LOADING;
    buf_printf(&b,
               "{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"type\":\"unavailable_error\","
               "\"param\":null,\"progress\":%.3f}}",
               loading ? "model_loading" : "no_model",
               loading ? "Loading model" : "No model is loaded",
               m ? m->progress_permille / 1000.0 : 0.0);
    http_set_header(r, "Retry-After", "5");
    reply_json(r, 503, &b);
}

void api_ready(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    bool ready = false;
    (void)c;
    for (size_t i = 0; i < s->models.n; i++) ready |= s->models.slot[i].state == MODEL_LOADED;
    ready = ready && !s->draining;
    buf_init(&b, 256);
    buf_printf(&b, "{\"alive\":true,\"ready\":%s}", ready ? "true" : "false");
    reply_json(r, ready ? 200 : 503, &b);
}

void api_version(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 4096);
    buf_add_str(&b, "{\"version\":");
    buf_add_json(&b, span_of(s->o.version));
    buf_add_str(&b, ",\"commit\":");
    buf_add_json(&b, span_of(s->o.commit));
    buf_add_str(&b, ",\"build\":");
    buf_add_json(&b, span_of(__VERSION__));
    buf_add_str(&b, ",\"cpu\":");
    buf_add_json(&b, span_of(s->o.cpu));
    buf_add_str(&b, ",\"gpu\":null}");
    reply_json(r, 200, &b);
}

static void model_props(const struct serve *s, struct model_slot *m, struct buf *b)
{
    const struct model_meta *x = &m->meta;
    struct render *render = m->render;
    buf_add_str(b, "{\"id\":");
    buf_add_json(b, span_of(m->id));
    buf_printf(b, ",\"status\":\"%s\",\"file\":", model_state_name(m));
    buf_add_json(b, span_of(x->file ? x->file : ""));
    buf_add_str(b, ",\"architecture\":");
    buf_add_json(b, span_of(x->arch ? x->arch : ""));
    buf_add_str(b, ",\"quantization\":");
    buf_add_json(b, span_of(x->quantization ? x->quantization : ""));
    buf_add_str(b, ",\"chat_template\":");
    buf_add_json(b, span_of(render ? render_template_name(render) : ""));
    buf_printf(b,
               ",\"n_params\":%lld,\"n_vocab\":%lld,\"n_ctx\":%lld,\"n_ctx_train\":%lld,"
               "\"total_slots\":%d,\"can_think\":%s,\"can_fill_in_the_middle\":%s,"
               "\"default_generation_settings\":{\"temperature\":%.4g,\"top_p\":%.4g},"
               "\"memory\":{\"weights\":%lld,\"cache\":%lld,\"scratch\":%lld}}",
               (long long)x->n_params, (long long)model_n_vocab(m), (long long)model_n_ctx(m),
               (long long)x->n_ctx_train, x->n_parallel, x->can_think ? "true" : "false",
               x->can_fim ? "true" : "false", model_temperature(m, s->o.temperature),
               model_top_p(m, s->o.top_p), (long long)x->mem_weights, (long long)x->mem_cache,
               (long long)x->mem_scratch);
}

void api_props(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, "{\"version\":");
    buf_add_json(&b, span_of(s->o.version));
    buf_add_str(&b, ",\"models\":[");
    for (size_t i = 0; i < s->models.n; i++) {
        if (i) buf_add_char(&b, ',');
        model_props(s, &s->models.slot[i], &b);
    }
    buf_printf(&b,
               "],\"limits\":{\"n\":%d,\"queue\":%d,\"body_bytes\":%zu,\"request_s\":%d},"
               "\"features\":{\"batch_invariant\":true,\"tool_calls\":true,\"reasoning\":true,"
               "\"prompt_logprobs\":true,\"metering\":%s,\"conversations\":%s,\"keys\":%s}}",
               s->o.max_n, s->o.max_queue, s->o.max_body ? s->o.max_body : (size_t)32 << 20,
               s->o.time_limit_s, s->ledger ? "true" : "false", s->conv ? "true" : "false",
               auth_keys_exist(s) ? "true" : "false");
    reply_json(r, 200, &b);
}

void api_slots(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 16 << 20);
    gen_slots_json(s, &b);
    reply_json(r, 200, &b);
}

void api_metrics(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 4 << 20);
    metrics_write(s, &b);
    http_reply(r, 200, "text/plain; version=0.0.4", buf_span(&b));
    buf_release(&b);
}

void api_openapi(struct serve *s, struct http_req *r, const struct caller *c)
{
    struct buf b;
    (void)c;
    buf_init(&b, 4 << 20);
    serve_openapi(s->o.version, &b);
    reply_json(r, 200, &b);
}
