#include "serve/router.h"

#include <stdio.h>
#include <strings.h>

#include "base/log.h"
#include "serve/auth.h"
#include "serve/guard.h"
#include "serve/serve_int.h"

#define P4(path) path " /v1" path " /beta" path " /beta/v1" path

const struct route routes[] = {
    {HTTP_POST, P4("/chat/completions"), "/v1/chat/completions", AUTH_KEY, STYLE_OPENAI,
     api_chat, &body_chat, "Chat completion, plain or streamed"},
    {HTTP_POST, P4("/completions"), "/v1/completions", AUTH_KEY, STYLE_OPENAI, api_completions,
     &body_completions, "Text completion, scoring, fill in the middle"},
    {HTTP_POST, "/v1/responses /responses", "/v1/responses", AUTH_KEY, STYLE_OPENAI,
     api_responses, &body_responses, "Responses format, stateless"},
    {HTTP_POST, "/v1/responses/input_tokens /responses/input_tokens",
     "/v1/responses/input_tokens", AUTH_KEY, STYLE_OPENAI, api_responses_count, &body_responses,
     "Tokens of a Responses body"},
    {HTTP_POST, "/v1/messages /anthropic/v1/messages", "/v1/messages", AUTH_KEY,
     STYLE_ANTHROPIC, api_messages, &body_messages, "Anthropic Messages format"},
    {HTTP_POST, "/v1/messages/count_tokens /anthropic/v1/messages/count_tokens",
     "/v1/messages/count_tokens", AUTH_KEY, STYLE_ANTHROPIC, api_messages_count,
     &body_count_tokens, "Tokens of a Messages body"},
    {HTTP_POST, "/v1/chat/completions/input_tokens /chat/completions/input_tokens",
     "/v1/chat/completions/input_tokens", AUTH_KEY, STYLE_OPENAI, api_chat_count, &body_chat,
     "Tokens of a chat body"},
    {HTTP_POST, "/v1/chat/completions/control /chat/completions/control",
     "/v1/chat/completions/control", AUTH_KEY, STYLE_OPENAI, api_control, NULL,
     "End the thinking of a running request, or cancel it: {id, action: reasoning_end | "
     "cancel}"},
    {HTTP_GET, "/v1/models /models /beta/models /anthropic/v1/models", "/v1/models", AUTH_KEY,
     STYLE_OPENAI, api_models, NULL, "The models served here"},
    {HTTP_GET, "/v1/models/* /models/* /beta/models/* /anthropic/v1/models/*",
     "/v1/models/{id}", AUTH_KEY, STYLE_OPENAI, api_model, NULL, "One model"},
    {HTTP_GET, "/user/balance /v1/user/balance", "/user/balance", AUTH_KEY, STYLE_OPENAI,
     api_balance, NULL, "What is left of the key's budget"},
    {HTTP_POST, "/v1/embeddings /embeddings", "/v1/embeddings", AUTH_KEY, STYLE_OPENAI,
     api_embeddings, NULL, "Not offered: answers 404"},
    {HTTP_POST, "/tokenize /v1/tokenize", "/tokenize", AUTH_KEY, STYLE_OPENAI, api_tokenize,
     NULL, "Text or messages to token ids"},
    {HTTP_POST, "/detokenize /v1/detokenize", "/detokenize", AUTH_KEY, STYLE_OPENAI,
     api_detokenize, NULL, "Token ids to text"},
    {HTTP_GET, "/tokenizer_info /v1/tokenizer_info", "/tokenizer_info", AUTH_KEY, STYLE_OPENAI,
     api_tokenizer_info, NULL, "Special tokens and chat template"},
    {HTTP_POST, "/apply-template /v1/apply-template", "/apply-template", AUTH_KEY, STYLE_OPENAI,
     api_apply_template, NULL, "The prompt a chat body becomes"},
    {HTTP_GET, "/health /v1/health", "/health", AUTH_NONE, STYLE_OPENAI, api_health, NULL,
     "200 when a model can answer, 503 while it loads"},
    {HTTP_GET, "/ready /v1/ready", "/ready", AUTH_NONE, STYLE_OPENAI, api_ready, NULL,
     "Process alive; ready or not"},
    {HTTP_GET, "/version", "/version", AUTH_NONE, STYLE_OPENAI, api_version, NULL,
     "Version, commit, processor"},
    {HTTP_GET, "/props", "/props", AUTH_KEY, STYLE_OPENAI, api_props, NULL,
     "Model, memory plan, defaults, features"},
    {HTTP_GET, "/slots", "/slots", AUTH_KEY, STYLE_OPENAI, api_slots, NULL,
     "The running requests, without their text"},
    {HTTP_GET, "/metrics", "/metrics", AUTH_KEY, STYLE_OPENAI, api_metrics, NULL,
     "Prometheus text format"},
    {HTTP_GET, "/openapi.json /v1/openapi.json", "/openapi.json", AUTH_NONE, STYLE_OPENAI,
     api_openapi, NULL, "This document"},
    {HTTP_GET, "/usage /v1/usage", "/usage", AUTH_KEY, STYLE_OPENAI, api_own_usage, NULL,
     "The caller's own usage: ?from=&to=&group=key|model|day"},
    {HTTP_GET, "/admin/keys", "/admin/keys", AUTH_ADMIN, STYLE_OPENAI, api_keys_list, NULL,
     "Keys with limits and spendings"},
    {HTTP_POST, "/admin/keys", "/admin/keys", AUTH_ADMIN, STYLE_OPENAI, api_keys_add, NULL,
     "Make a key: {name, models, budget, budget_day, budget_month, rpm, tpm, concurrent, "
     "admin}"},
    {HTTP_DELETE, "/admin/keys/*", "/admin/keys/{id}", AUTH_ADMIN, STYLE_OPENAI,
     api_keys_revoke, NULL, "Revoke a key by id or name"},
    {HTTP_GET, "/admin/usage", "/admin/usage", AUTH_ADMIN, STYLE_OPENAI, api_usage, NULL,
     "Everybody's usage: ?from=&to=&group=key|model|day"},
    {HTTP_GET, "/prices /v1/prices", "/prices", AUTH_KEY, STYLE_OPENAI, api_prices, NULL,
     "The price table in force"},
    {HTTP_GET, "/admin/prices", "/admin/prices", AUTH_ADMIN, STYLE_OPENAI, api_prices, NULL,
     "The price table in force"},
    {HTTP_PUT, "/admin/prices", "/admin/prices", AUTH_ADMIN, STYLE_OPENAI, api_prices_set, NULL,
     "A new version of the price table"},
    {HTTP_GET, "/conversations", "/conversations", AUTH_KEY, STYLE_OPENAI, api_conv_list, NULL,
     "Stored conversations of this user"},
    {HTTP_GET, "/conversations/*", "/conversations/{id}", AUTH_KEY, STYLE_OPENAI, api_conv_get,
     NULL, "One conversation"},
    {HTTP_PUT, "/conversations/*", "/conversations/{id}", AUTH_KEY, STYLE_OPENAI, api_conv_put,
     NULL, "Store a conversation"},
    {HTTP_DELETE, "/conversations/*", "/conversations/{id}", AUTH_KEY, STYLE_OPENAI,
     api_conv_delete, NULL, "Delete a conversation from the disk"},
    {HTTP_POST, "/feedback", "/feedback", AUTH_KEY, STYLE_OPENAI, api_feedback, NULL,
     "A rating, a correction or a preference"},
    {HTTP_GET, "/feedback", "/feedback", AUTH_KEY, STYLE_OPENAI, api_feedback_export, NULL,
     "The caller's feedback as JSON lines"},
    {HTTP_POST, "/admin/models/load", "/admin/models/load", AUTH_ADMIN, STYLE_OPENAI,
     api_model_load, NULL, "Load a model again: {model}"},
    {HTTP_POST, "/admin/models/unload", "/admin/models/unload", AUTH_ADMIN, STYLE_OPENAI,
     api_model_unload, NULL, "Let a model go when its running requests have ended: {model}"},
    {HTTP_GET, "/runs", "/runs", AUTH_ADMIN, STYLE_OPENAI, api_runs, NULL, "Training runs"},
    {HTTP_GET, "/runs/*", "/runs/{id}/events", AUTH_ADMIN, STYLE_OPENAI, api_run_events, NULL,
     "An event stream of what a run writes: run, metrics, sample"},
    {HTTP_GET, "/ /*", "/", AUTH_NONE, STYLE_OPENAI, api_static, NULL,
     "The chat page and its files"},
};
const size_t n_routes = countof(routes);
_Static_assert(countof(routes) < METRIC_ROUTES, "METRIC_ROUTES is too small");

const char *route_name(int i)
{
    return i >= 0 && (size_t)i < n_routes ? routes[i].name : "other";
}

/* Does one pattern fit? *id is what the star took. */
static bool fits(struct span pattern, struct span path, struct span *id)
{
    *id = (struct span){"", 0};
    if (pattern.n && pattern.p[pattern.n - 1] == '*') {
        size_t n = pattern.n - 1;
        if (path.n <= n || memcmp(path.p, pattern.p, n) != 0) return false;
        *id = (struct span){path.p + n, path.n - n};
        return true;
    }
    return span_eq(pattern, path);
}

static bool path_fits(const struct route *rt, struct span path, struct span *id)
{
    for (const char *p = rt->paths; *p;) {
        size_t n = strcspn(p, " ");
        if (fits((struct span){p, n}, path, id)) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

/* The route, or NULL with 404 or 405 in *a. HEAD is served as GET. */
static const struct route *find(struct http_req *r, struct span *id, struct api_err *a)
{
    struct span path = http_path(r);
    enum http_method m = http_method(r) == HTTP_HEAD ? HTTP_GET : http_method(r);
    char allow[64] = "";
    if (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
    for (size_t i = 0; i < n_routes; i++) {
        const struct route *rt = &routes[i];
        bool page = rt->fn == api_static;
        if (!path_fits(rt, path, id)) continue;
        if (rt->method == m && !(page && allow[0])) return rt;
        if (page) continue;
        const char *name = rt->method == HTTP_GET      ? "GET"
                           : rt->method == HTTP_POST   ? "POST"
                           : rt->method == HTTP_PUT    ? "PUT"
                           : rt->method == HTTP_DELETE ? "DELETE"
                                                       : "";
        if (!strstr(allow, name))
            snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s",
                     allow[0] ? ", " : "", name);
    }
    if (allow[0]) {
        http_set_header(r, "Allow", allow);
        api_fail(a, 405, NULL, NULL, "%s is not possible on %.*s; allowed: %s",
                 http_method_name(r), (int)(path.n < 200 ? path.n : 200), path.p, allow);
    } else {
        api_fail(a, 404, "unknown_url", NULL, "there is nothing at %s %.*s; see /openapi.json",
                 http_method_name(r), (int)(path.n < 200 ? path.n : 200), path.p);
    }
    return NULL;
}

static enum api_style style_of_path(struct http_req *r)
{
    struct span path = http_path(r);
    return span_find(path, 0, span_of("/messages")) != (size_t)-1 ||
                   span_starts(path, "/anthropic/")
               ? STYLE_ANTHROPIC
               : STYLE_OPENAI;
}

static bool is_json(struct span type)
{
    size_t n = 0;
    while (n < type.n && type.p[n] != ';' && type.p[n] != ' ') n++;
    return n == 16 && strncasecmp(type.p, "application/json", 16) == 0;
}

struct caller *caller_of(struct http_req *r)
{
    return http_note(r, sizeof(struct caller));
}

bool route_early(void *ctx, struct http_req *r)
{
    struct serve *s = ctx;
    struct caller *c = caller_of(r);
    struct api_err a;
    if (!c) {
        http_reply(r, 503, NULL, (struct span){"", 0});
        return true;
    }
    enum http_method m = http_method(r);
    if (guard_check(s, r, &a)) goto fail;
    if (m == HTTP_OPTIONS) {
        http_reply(r, 204, NULL, (struct span){"", 0});
        return true;
    }
    c->route = find(r, &c->id, &a);
    if (!c->route) goto fail;
    if (c->route->auth != AUTH_NONE && auth_check(s, r, c, &a)) goto fail;
    if (c->route->auth == AUTH_ADMIN && !c->admin) {
        api_fail(&a, 403, NULL, NULL, "%s needs an admin key", c->route->name);
        goto fail;
    }
    if ((m == HTTP_POST || m == HTTP_PUT) && !c->has_key &&
        !is_json(http_header(r, "Content-Type"))) {
        api_fail(&a, 415, NULL, NULL,
                 "Content-Type must be application/json (with curl: -H 'Content-Type: "
                 "application/json')");
        goto fail;
    }
    return false;
fail:
    c->early_failed = true;
    api_err_reply(r, &a, style_of_path(r));
    return true;
}

void route_dispatch(void *ctx, struct http_req *r)
{
    struct serve *s = ctx;
    const struct caller *c = caller_of(r);
    pthread_rwlock_rdlock(&s->models_lock);
    c->route->fn(s, r, c);
    pthread_rwlock_unlock(&s->models_lock);
}

void route_ended(void *ctx, struct http_req *r, int status, int64_t ns)
{
    struct serve *s = ctx;
    const struct caller *c = caller_of(r);
    int route = c && c->route ? (int)(c->route - routes) : METRIC_ROUTES - 1;
    if (!status) status = 499; /* the client left before there was an answer */
    metrics_http(&s->metrics, route, status);
    log_debug("http", "%s %s %s %d %.1f ms", http_id(r), http_method_name(r), route_name(route),
              status, (double)ns * 1e-6);
}

void reply_json(struct http_req *r, int status, struct buf *b)
{
    if (b->failed) {
        struct api_err a;
        api_fail(&a, 500, "internal_error", NULL, "the answer does not fit into memory");
        api_err_reply(r, &a, STYLE_OPENAI);
    } else {
        http_reply(r, status, "application/json", buf_span(b));
    }
    buf_release(b);
}
