/* router.h - every route of the API in one table: method, paths, who may call it, the handler and
 * a line for the OpenAPI document.
 *
 * The early handler runs on the io thread after the headers: guard against foreign hosts and
 * origins, route, key, content type. Only what passes it reaches a worker.
 */
#ifndef SERVE_ROUTER_H
#define SERVE_ROUTER_H

#include "serve/api_err.h"
#include "serve/body.h"
#include "serve/http.h"

struct caller;
struct serve;

enum route_auth { AUTH_NONE, AUTH_KEY, AUTH_ADMIN };

typedef void (*route_fn)(struct serve *s, struct http_req *r, const struct caller *c);

struct route {
    enum http_method method;
    const char *paths; /* separated by blanks; a last part of "*" takes the rest as {id} */
    const char *name;  /* the label in logs and metrics: the first path */
    enum route_auth auth;
    enum api_style style;
    route_fn fn;
    const struct body_table *body; /* NULL: none */
    const char *doc;
};

extern const struct route routes[];
extern const size_t n_routes;
const char *route_name(int i);

/* http_opts.early and .fn */
bool route_early(void *serve, struct http_req *r);
void route_dispatch(void *serve, struct http_req *r);
void route_ended(void *serve, struct http_req *r, int status, int64_t ns);

/* Answers with JSON. */
void reply_json(struct http_req *r, int status, struct buf *b);

/* ---- the handlers, by file ------------------------------------------------------------------- */

/* api_chat.c */
void api_chat(struct serve *s, struct http_req *r, const struct caller *c);
void api_chat_count(struct serve *s, struct http_req *r, const struct caller *c);
void api_control(struct serve *s, struct http_req *r, const struct caller *c);
void api_apply_template(struct serve *s, struct http_req *r, const struct caller *c);
/* api_completions.c */
void api_completions(struct serve *s, struct http_req *r, const struct caller *c);
/* api_responses.c */
void api_responses(struct serve *s, struct http_req *r, const struct caller *c);
void api_responses_count(struct serve *s, struct http_req *r, const struct caller *c);
/* api_messages.c */
void api_messages(struct serve *s, struct http_req *r, const struct caller *c);
void api_messages_count(struct serve *s, struct http_req *r, const struct caller *c);
/* api_models.c */
void api_models(struct serve *s, struct http_req *r, const struct caller *c);
void api_model(struct serve *s, struct http_req *r, const struct caller *c);
void api_balance(struct serve *s, struct http_req *r, const struct caller *c);
void api_embeddings(struct serve *s, struct http_req *r, const struct caller *c);
/* api_tokens.c */
void api_tokenize(struct serve *s, struct http_req *r, const struct caller *c);
void api_detokenize(struct serve *s, struct http_req *r, const struct caller *c);
void api_tokenizer_info(struct serve *s, struct http_req *r, const struct caller *c);
/* api_ops.c */
void api_health(struct serve *s, struct http_req *r, const struct caller *c);
void api_ready(struct serve *s, struct http_req *r, const struct caller *c);
void api_version(struct serve *s, struct http_req *r, const struct caller *c);
void api_props(struct serve *s, struct http_req *r, const struct caller *c);
void api_slots(struct serve *s, struct http_req *r, const struct caller *c);
void api_metrics(struct serve *s, struct http_req *r, const struct caller *c);
void api_openapi(struct serve *s, struct http_req *r, const struct caller *c);
/* api_admin.c */
void api_keys_list(struct serve *s, struct http_req *r, const struct caller *c);
void api_keys_add(struct serve *s, struct http_req *r, const struct caller *c);
void api_keys_revoke(struct serve *s, struct http_req *r, const struct caller *c);
void api_usage(struct serve *s, struct http_req *r, const struct caller *c);
void api_own_usage(struct serve *s, struct http_req *r, const struct caller *c);
void api_prices(struct serve *s, struct http_req *r, const struct caller *c);
void api_prices_set(struct serve *s, struct http_req *r, const struct caller *c);
void api_model_load(struct serve *s, struct http_req *r, const struct caller *c);
void api_model_unload(struct serve *s, struct http_req *r, const struct caller *c);
/* api_conv.c */
void api_conv_list(struct serve *s, struct http_req *r, const struct caller *c);
void api_conv_get(struct serve *s, struct http_req *r, const struct caller *c);
void api_conv_put(struct serve *s, struct http_req *r, const struct caller *c);
void api_conv_delete(struct serve *s, struct http_req *r, const struct caller *c);
void api_feedback(struct serve *s, struct http_req *r, const struct caller *c);
void api_feedback_export(struct serve *s, struct http_req *r, const struct caller *c);
/* api_runs.c */
void api_runs(struct serve *s, struct http_req *r, const struct caller *c);
void api_run_events(struct serve *s, struct http_req *r, const struct caller *c);
/* static.c */
void api_static(struct serve *s, struct http_req *r, const struct caller *c);

#endif
