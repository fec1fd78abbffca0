/* http.h - HTTP/1.1 behind a narrow door: a whole request comes in, one answer or one stream goes
 * out. The only file that knows libmicrohttpd is http.c.
 *
 * Life of a request:
 *
 *   headers read   framing guard; `early` may refuse (its answer is sent after the body was read
 *                  and thrown away, so the client can see it)
 *   body read      up to max_body, else 413
 *   queued         to the worker threads; a full queue is a 503
 *   fn             on a worker: must end in http_reply, http_stream or http_hold
 *     http_reply   the whole answer
 *     http_stream  the source's pull is called on the io thread whenever the socket takes bytes
 *     http_hold    nothing is sent yet; the source is told of time and of a gone client, and
 *                  later http_reply or http_stream is called, once, from any thread
 *   release        the source's release is called once, on the io thread; after that the request
 *                  is gone and its pointer must not be used
 *
 * A client that leaves is seen within milliseconds by a watcher thread (EPOLLRDHUP), also while
 * nothing is written to it; the source's gone is called then.
 *
 * Threads: one io thread per listening socket, the workers, the watcher. A source's tick and gone
 * run on the watcher under its lock: they must not block.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct http;
struct http_req;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

enum http_pull { HTTP_WAIT, HTTP_MORE, HTTP_END, HTTP_BREAK };

struct http_source {
    void *ctx;
    /* Appends what there is to send. HTTP_WAIT: nothing more now, http_wake will come; HTTP_END:
     * this was the last; HTTP_BREAK: cut the connection. */
    enum http_pull (*pull)(void *ctx, struct buf *out);
    void (*gone)(void *ctx);
    void (*tick)(void *ctx, int64_t now_ns); /* about twice a second */
    void (*release)(void *ctx);
};

struct http_opts {
    const int *fd; /* listening sockets; taken over on success */
    int n_fd;
    size_t max_body;                              /* 0: 32 MiB */
    int max_conns;                                /* per listening socket; 0: 1024 */
    int max_per_ip;                               /* 0: no limit */
    int workers;                                  /* 0: 2 */
    int idle_s;                                   /* 0: 30 */
    const char *tls_cert, *tls_key;               /* PEM texts, both or none */
    bool (*early)(void *ctx, struct http_req *r); /* io thread; true: it has replied */
    void (*fn)(void *ctx, struct http_req *r);
    void (*ended)(void *ctx, struct http_req *r, int status, int64_t ns); /* io thread */
    void *ctx;
};

int http_open(struct http **out, const struct http_opts *o, struct err *e) must_check;
/* No new connections; later requests on old connections are answered with Connection: close. */
void http_quiesce(struct http *h);
/* Requests whose answer is not sent fully. */
int http_busy(struct http *h);
int http_conns(struct http *h);
/* Cuts what is left and joins the threads. NULL is fine. */
void http_close(struct http *h);

/* ---- asking a request (valid from `early` on) ------------------------------------------------ */

enum http_method http_method(const struct http_req *r);
const char *http_method_name(const struct http_req *r);
struct span http_path(const struct http_req *r); /* percent-decoded, without the query */
/* The value of ?name=, percent-decoded; p NULL when absent. */
struct span http_query(const struct http_req *r, const char *name);
struct span http_header(const struct http_req *r, const char *name); /* p NULL when absent */
struct span http_body(const struct http_req *r);
/* The peer came over a Unix socket or from a loopback address. */
bool http_peer_is_local(const struct http_req *r);
/* Unguessable: "req_" and 24 characters. */
const char *http_id(const struct http_req *r);
/* Zeroed room for the users of this request: what `early` found out for fn. The first call makes
 * it; NULL when memory is out. */
void *http_note(struct http_req *r, size_t size);
bool http_is_gone(const struct http_req *r);

/* ---- answering ------------------------------------------------------------------------------- */

/* Before reply or stream; name is a literal, value is copied. */
void http_set_header(struct http_req *r, const char *name, const char *value);
/* type is a literal, NULL: none. The body is copied. */
void http_reply(struct http_req *r, int status, const char *type, struct span body);
/* As http_reply, with bytes that live as long as the program. */
void http_reply_static(struct http_req *r, int status, const char *type, struct span body);
void http_hold(struct http_req *r, const struct http_source *src);
/* src may be NULL after http_hold: the held source goes on. */
void http_stream(struct http_req *r, int status, const char *type,
                 const struct http_source *src);
/* The source has something: any thread, until release. */
void http_wake(struct http_req *r);
/* Runs fn(ctx) on a worker; false when the workers' queue is full or closed. */
bool http_defer(struct http *h, void (*fn)(void *ctx), void *ctx) must_check;

#endif
