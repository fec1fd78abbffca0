#include "serve/api_err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "serve/http.h"

int api_fail(struct api_err *a, int status, const char *code, const char *param,
             const char *fmt, ...)
{
    va_list ap;
    *a = (struct api_err){.status = status, .code = code};
    if (param) snprintf(a->param, sizeof a->param, "%s", param);
    va_start(ap, fmt);
    vsnprintf(a->message, sizeof a->message, fmt, ap);
    va_end(ap);
    return -1;
}

int api_from_err(struct api_err *a, const struct err *e)
{
    int status = err_http_status(e->code);
    const char *code = NULL;
    bool no_retry = false;
    int retry = 0;
    switch (status) {
    case 400: code = e->code == ERR_CONTEXT ? "context_length_exceeded" : NULL; break;
    case 401: code = "invalid_api_key"; break;
    case 402: code = "insufficient_balance"; break;
    case 429:
        code = "rate_limit_exceeded";
        retry = 1;
        break;
    case 503:
        code = "overloaded";
        retry = 1;
        break;
    case 507:
        status = 503;
        code = "insufficient_memory";
        no_retry = true;
        break;
    case 499: status = 400; break;
    case 501:
        status = 400;
        code = "unsupported_parameter";
        break;
    case 500:
        code = "internal_error";
        no_retry = e->code == ERR_BUG || e->code == ERR_DEVICE;
        break;
    default: break;
    }
    api_fail(a, status, code, e->code == ERR_CONTEXT ? "messages" : NULL, "%s%s%s", e->msg,
             e->hint[0] ? "; " : "", e->hint);
    a->retry_after_s = retry;
    a->no_retry = no_retry;
    return -1;
}

const char *api_err_type(int status, enum api_style style)
{
    if (style == STYLE_ANTHROPIC) {
        switch (status) {
        case 401: return "authentication_error";
        case 402: return "billing_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 413: return "request_too_large";
        case 429: return "rate_limit_error";
        case 500: return "api_error";
        case 503: return "overloaded_error";
        case 504: return "timeout_error";
        default: return "invalid_request_error";
        }
    }
    switch (status) {
    case 401: return "authentication_error";
    case 402: return "insufficient_balance";
    case 403: return "permission_error";
    case 409: return "conflict_error";
    case 429: return "rate_limit_error";
    case 500:
    case 503: return "server_error";
    default: return "invalid_request_error";
    }
}

void api_err_write(const struct api_err *a, enum api_style style, const char *request_id,
                   struct buf *out)
{
    const char *type = api_err_type(a->status, style);
    if (style == STYLE_ANTHROPIC) {
        buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
        buf_add_json(out, span_of(a->message));
        buf_add_char(out, '}');
        if (request_id) buf_printf(out, ",\"request_id\":\"%s\"", request_id);
        buf_add_char(out, '}');
        return;
    }
    if (a->code && strcmp(a->code, "model_loading") == 0) type = "unavailable_error";
    buf_add_str(out, "{\"error\":{\"message\":");
    buf_add_json(out, span_of(a->message));
    buf_printf(out, ",\"type\":\"%s\",\"param\":", type);
    if (a->param[0])
        buf_add_json(out, span_of(a->param));
    else
        buf_add_str(out, "null");
    buf_add_str(out, ",\"code\":");
    if (a->code)
        buf_add_json(out, span_of(a->code));
    else
        buf_add_str(out, "null");
    if (a->n_ctx)
        buf_printf(out, ",\"n_prompt_tokens\":%lld,\"n_ctx\":%lld", (long long)a->n_prompt,
                   (long long)a->n_ctx);
    buf_add_str(out, "}}");
}

void api_err_reply(struct http_req *r, const struct api_err *a, enum api_style style)
{
    struct buf b;
    int status = a->status;
    buf_init(&b, 16384);
    api_err_write(a, style, http_id(r), &b);
    if (status == 401) http_set_header(r, "WWW-Authenticate", "Bearer");
    if (a->no_retry) http_set_header(r, "x-should-retry", "false");
    if (a->retry_after_s) {
        char s[16];
        snprintf(s, sizeof s, "%d", a->retry_after_s);
        http_set_header(r, "Retry-After", s);
    }
    /* Anthropic's clients know an overloaded server by a status of its own. */
    if (style == STYLE_ANTHROPIC && status == 503) status = 529;
    http_reply(r, status, "application/json", buf_span(&b));
    buf_release(&b);
}
