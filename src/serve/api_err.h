/* api_err.h - an error as the HTTP API tells it: status, type, code, the JSON path at fault, and
 * a sentence that says what would be accepted. One struct for all formats; the body is written in
 * the OpenAI form or the Anthropic one. */
#ifndef SERVE_API_ERR_H
#define SERVE_API_ERR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct http_req;

enum api_style { STYLE_OPENAI, STYLE_ANTHROPIC };

struct api_err {
    int status;
    const char *code; /* NULL: null */
    char param[160];  /* empty: null */
    char message[1024];
    int64_t n_prompt, n_ctx; /* context_length_exceeded */
    int retry_after_s;       /* 0: no header */
    bool no_retry;           /* x-should-retry: false */
};

/* Fills *a; returns -1. param may be NULL. */
int api_fail(struct api_err *a, int status, const char *code, const char *param,
             const char *fmt, ...) printf_like(5, 6);
/* From an error of the layers below, with the status its code stands for; returns -1. */
int api_from_err(struct api_err *a, const struct err *e);
const char *api_err_type(int status, enum api_style style);
void api_err_write(const struct api_err *a, enum api_style style, const char *request_id,
                   struct buf *out);
/* The whole answer: headers and body. */
void api_err_reply(struct http_req *r, const struct api_err *a, enum api_style style);

#endif
