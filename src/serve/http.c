/* http.c - see http.h. The library is libmicrohttpd with one epoll thread per listening socket
 * and suspended connections: a connection is suspended while workers or the engine have it, and
 * while a stream has nothing to send.
 *
 * Rules that hold:
 *   - A suspended connection is resumed only under the request's lock, with `suspended` cleared
 *     first, so it is resumed once.
 *   - The framing guard runs in the first call for a request, before a byte of body is taken.
 *   - Between that first call and NOTIFY_COMPLETED the request is in the `live` list; the watcher
 *     walks that list under `live_lock`.
 *   - Lock order: live_lock, then a request's lock, then the library's own.
 *
 * Source: RFC 9112 (framing), RFC 9110 5.6.2 (token); microhttpd's manual for suspend and resume.
 */
#include "serve/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/queue.h"
#include "meter/keys.h"

enum {
    MAX_FDS = 16,
    MAX_WORKERS = 16,
    MAX_HEADERS_OUT = 16,
    HEADER_LIMIT = 32 << 10,
    /* microhttpd keeps the header bytes, its own records of them and the write buffer of an
     * answer in one pool per connection; pages are touched only as they are used. */
    CONN_POOL = 72 << 10,
    PULL_MAX = 64 << 10,
    JOB_QUEUE = 2048,
    TICK_MS = 400,
    HEAD_LIMIT_S = 120, /* from the last answer to the end of the next header */
    BODY_LIMIT_S = 600,
    LEFT_LIMIT_S = 1, /* to read what came before the other side's end */
    STALL_S = 600,    /* a reader that takes nothing for so long is cut */
};

enum req_state {
    REQ_READING, /* header seen, body on its way */
    REQ_HANDLED, /* a worker has it */
    REQ_HELD,    /* waits for its answer */
    REQ_READY,   /* the answer is known */
    REQ_SENDING  /* the answer is the library's */
};

struct header {
    const char *name;
    char *value;
};

struct conn { /* one connection */
    struct http *h;
    struct conn *next, *prev;
    int fd;
    uint32_t slot;
    bool local, cut;
    struct http_req *req;
    int64_t since_ns; /* when waiting for a request, or reading its body, began */
    int64_t left_ns;  /* when the other side said it sends no more, or 0 */
};

struct http_req {
    struct http *h;
    struct conn *conn;
    struct http_req *next, *prev; /* live list */
    struct MHD_Connection *mc;
    pthread_mutex_t lock; /* guards state, suspended, woken, src and the answer */
    enum req_state state;
    bool suspended, woken, has_source;
    _Atomic bool gone;
    bool discard, must_close;
    struct http_source src;

    enum http_method method;
    const char *method_name;
    struct arena arena; /* path, headers out, note */
    struct span path;
    struct buf body;
    size_t discarded;
    void *note;
    char id[32];
    int64_t start_ns;

    int status;
    struct header header[MAX_HEADERS_OUT];
    int n_header;
    const char *type;
    struct buf answer; /* http_reply */
    struct span answer_static;
    struct buf out; /* http_stream: what the socket did not take yet */
    size_t out_at;
    bool is_stream, out_ended;
};

struct job {
    void (*fn)(void *ctx);
    void *ctx;
};

struct slot { /* the watcher's table: an epoll event carries slot and generation */
    struct conn *conn;
    uint32_t gen;
};

struct http {
    struct http_opts o;
    struct MHD_Daemon *daemon[MAX_FDS];
    int n_daemon;
    struct queue jobs;
    pthread_t worker[MAX_WORKERS], watcher;
    int n_worker;
    bool has_watcher;
    int epfd;
    _Atomic bool stop, quiet;
    pthread_mutex_t live_lock; /* guards the lists, the slots and what conns hold */
    struct http_req *live;
    int n_live;
    struct conn *conns;
    int n_conn;
    struct slot *slot;
    uint32_t n_slot;
};

/* ---- the framing guard ----------------------------------------------------------------------- */

struct guard {
    int n_length, n_coding, n_host;
    size_t bytes;
    const char *bad;
};

static bool is_token(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            continue;
        if (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)) return false;
    }
    return n > 0;
}

static bool names(const char *key, size_t n, const char *want)
{
    return n == strlen(want) && strncasecmp(key, want, n) == 0;
}

static enum MHD_Result guard_header(void *ctx, enum MHD_ValueKind kind, const char *key,
                                    size_t n_key, const char *value, size_t n)
{
    struct guard *g = ctx;
    (void)kind;
    g->bytes += n_key + n + 4;
    if (!is_token(key, n_key)) {
        g->bad = "a header name holds a character that is not allowed there";
        return MHD_YES;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            g->bad = "a header value holds a control byte";
    }
    if (names(key, n_key, "Content-Length")) {
        g->n_length++;
        if (n == 0 || n > 18) g->bad = "Content-Length is empty or too long";
        for (size_t i = 0; i < n; i++)
            if (value[i] < '0' || value[i] > '9') g->bad = "Content-Length is not a number";
    } else if (names(key, n_key, "Transfer-Encoding")) {
        g->n_coding++;
        if (!names(value, n, "chunked")) g->bad = "Transfer-Encoding is not exactly chunked";
    } else if (names(key, n_key, "Host")) {
        g->n_host++;
    }
    return MHD_YES;
}

static const char *guard_check(struct MHD_Connection *mc, int *status)
{
    struct guard g = {0};
    MHD_get_connection_values_n(mc, MHD_HEADER_KIND, guard_header, &g);
    *status = 400;
    if (g.bad) return g.bad;
    if (g.n_length > 1) return "Content-Length is given more than once";
    if (g.n_coding > 1) return "Transfer-Encoding is given more than once";
    if (g.n_length && g.n_coding) return "Content-Length and Transfer-Encoding are both given";
    if (g.n_host > 1) return "Host is given more than once";
    if (g.bytes > HEADER_LIMIT) {
        *status = 431;
        return "the header is larger than 32 KiB";
    }
    return NULL;
}

/* ---- waking and suspending ------------------------------------------------------------------- */

/* Under r->lock. */
static void resume(struct http_req *r)
{
    r->woken = true;
    if (!r->suspended) return;
    r->suspended = false;
    MHD_resume_connection(r->mc);
}

/* Under r->lock, on the io thread. */
static void suspend(struct http_req *r)
{
    r->suspended = true;
    MHD_suspend_connection(r->mc);
}

void http_wake(struct http_req *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->state == REQ_SENDING || r->state == REQ_READY) resume(r);
    pthread_mutex_unlock(&r->lock);
}

/* ---- answers --------------------------------------------------------------------------------- */

void http_set_header(struct http_req *r, const char *name, const char *value)
{
    if (r->n_header == MAX_HEADERS_OUT) return;
    char *copy = arena_strndup(&r->arena, value, strlen(value));
    if (!copy) return;
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' ';
    r->header[r->n_header++] = (struct header){name, copy};
}

/* False when the request was answered already. Under r->lock. */
static bool answer_once(struct http_req *r, int status, const char *type)
{
    if (r->state == REQ_READY || r->state == REQ_SENDING) return false;
    r->status = status;
    r->type = type;
    return true;
}

void http_reply(struct http_req *r, int status, const char *type, struct span body)
{
    pthread_mutex_lock(&r->lock);
    if (answer_once(r, status, type)) {
        buf_add_span(&r->answer, body);
        r->answer_static = buf_span(&r->answer);
        r->state = REQ_READY;
        resume(r);
    }
    pthread_mutex_unlock(&r->lock);
}

void http_reply_static(struct http_req *r, int status, const char *type, struct span body)
{
    pthread_mutex_lock(&r->lock);
    if (answer_once(r, status, type)) {
        r->answer_static = body;
        r->state = REQ_READY;
        resume(r);
    }
    pthread_mutex_unlock(&r->lock);
}

void http_hold(struct http_req *r, const struct http_source *src)
{
    pthread_mutex_lock(&r->lock);
    r->src = *src;
    r->has_source = true;
    r->state = REQ_HELD;
    bool gone = r->gone;
    pthread_mutex_unlock(&r->lock);
    if (gone && src->gone) src->gone(src->ctx);
    if (!gone) return;
    pthread_mutex_lock(&r->lock);
    resume(r);
    pthread_mutex_unlock(&r->lock);
}

void http_stream(struct http_req *r, int status, const char *type,
                 const struct http_source *src)
{
    pthread_mutex_lock(&r->lock);
    if (answer_once(r, status, type)) {
        if (src) {
            r->src = *src;
            r->has_source = true;
        }
        r->is_stream = true;
        r->state = REQ_READY;
        /* A client that is gone already: the reader finds out, and on_completed tells the source
         * by its release. */
        resume(r);
    }
    pthread_mutex_unlock(&r->lock);
}

/* The library wants bytes. The request's lock is not held while the source runs. */
static ssize_t reader(void *cls, uint64_t pos, char *to, size_t max)
{
    struct http_req *r = cls;
    (void)pos;
    for (;;) {
        if (r->out_at < r->out.len) {
            size_t n = r->out.len - r->out_at;
            if (n > max) n = max;
            memcpy(to, r->out.data + r->out_at, n);
            r->out_at += n;
            if (r->out_at == r->out.len && r->out.size > PULL_MAX) {
                buf_release(&r->out);
                r->out_at = 0;
            }
            return (ssize_t)n;
        }
        if (r->out_ended) return MHD_CONTENT_READER_END_OF_STREAM;
        if (r->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
        pthread_mutex_lock(&r->lock);
        r->woken = false;
        pthread_mutex_unlock(&r->lock);
        buf_clear(&r->out);
        r->out_at = 0;
        enum http_pull p = r->src.pull(r->src.ctx, &r->out);
        if (p == HTTP_BREAK || r->out.failed) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (p == HTTP_END) r->out_ended = true;
        if (r->out.len || p != HTTP_WAIT) continue;
        pthread_mutex_lock(&r->lock);
        bool again = r->woken || r->gone;
        if (!again) suspend(r);
        pthread_mutex_unlock(&r->lock);
        if (!again) return 0;
    }
}

static enum MHD_Result send_answer(struct http_req *r)
{
    struct MHD_Response *resp;
    if (r->is_stream)
        resp = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, reader, r, NULL);
    else
        resp = MHD_create_response_from_buffer(
            r->answer_static.n, (void *)(uintptr_t)r->answer_static.p, MHD_RESPMEM_PERSISTENT);
    if (!resp) return MHD_NO;
    if (r->type) MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
    for (int i = 0; i < r->n_header; i++)
        MHD_add_response_header(resp, r->header[i].name, r->header[i].value);
    MHD_add_response_header(resp, "x-request-id", r->id);
    if (r->must_close || r->h->quiet)
        MHD_add_response_header(resp, MHD_HTTP_HEADER_CONNECTION, "close");
    MHD_set_connection_option(r->mc, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)STALL_S);
    enum MHD_Result ok = MHD_queue_response(r->mc, (unsigned)r->status, resp);
    MHD_destroy_response(resp);
    return ok;
}

/* ---- requests -------------------------------------------------------------------------------- */

static enum http_method method_of(const char *name)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS"};
    for (int i = 0; i < HTTP_OTHER; i++)
        if (strcmp(name, names[i]) == 0) return (enum http_method)i;
    return HTTP_OTHER;
}

static struct http_req *req_create(struct conn *c, struct MHD_Connection *mc,
                                   const char *method, const char *url)
{
    struct http *h = c->h;
    struct http_req *r = mem_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->h = h;
    r->conn = c;
    r->mc = mc;
    r->start_ns = clock_ns();
    r->method = method_of(method);
    pthread_mutex_init(&r->lock, NULL);
    arena_init(&r->arena, 1024, 256 << 10);
    buf_init(&r->body, h->o.max_body);
    buf_init(&r->answer, (size_t)1 << 31);
    buf_init(&r->out, (size_t)1 << 31);
    memcpy(r->id, "req_", 4);
    random_text(r->id + 4, 24);
    size_t n = strlen(url);
    const char *path = arena_strndup(&r->arena, url, n);
    const char *name = arena_strndup(&r->arena, method, strlen(method));
    r->path = (struct span){path ? path : "", path ? n : 0};
    r->method_name = name ? name : "";
    pthread_mutex_lock(&h->live_lock);
    r->next = h->live;
    if (h->live) h->live->prev = r;
    h->live = r;
    h->n_live++;
    c->req = r;
    c->since_ns = r->start_ns;
    r->gone = c->left_ns != 0;
    pthread_mutex_unlock(&h->live_lock);
    return r;
}

static void req_free(struct http_req *r)
{
    struct http *h = r->h;
    pthread_mutex_lock(&h->live_lock);
    if (r->prev)
        r->prev->next = r->next;
    else
        h->live = r->next;
    if (r->next) r->next->prev = r->prev;
    h->n_live--;
    r->conn->req = NULL;
    r->conn->since_ns = clock_ns();
    pthread_mutex_unlock(&h->live_lock);
    if (r->has_source && r->src.release) r->src.release(r->src.ctx);
    if (h->o.ended) h->o.ended(h->o.ctx, r, r->status, clock_ns() - r->start_ns);
    buf_release(&r->body);
    buf_release(&r->answer);
    buf_release(&r->out);
    arena_release(&r->arena);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void run_request(void *ctx)
{
    struct http_req *r = ctx;
    r->h->o.fn(r->h->o.ctx, r);
}

static void refuse(struct http_req *r, int status, const char *why)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_add_str(&b, "{\"error\":{\"message\":");
    buf_add_json(&b, span_of(why));
    buf_printf(&b, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}",
               status == 503 ? "server_error" : "invalid_request_error",
               status == 503 ? "\"overloaded\"" : "null");
    http_reply(r, status, "application/json", buf_span(&b));
    buf_release(&b);
}

/* The first call for a request: its headers are known. True: answer now, without the body. */
static bool first_call(struct http_req *r)
{
    int status;
    const char *bad = guard_check(r->mc, &status);
    if (bad) {
        r->must_close = true;
        refuse(r, status, bad);
        return true;
    }
    struct span length = http_header(r, "Content-Length");
    uint64_t n = 0;
    for (size_t i = 0; i < length.n; i++) n = n * 10 + (uint64_t)(length.p[i] - '0');
    if (n > r->h->o.max_body) {
        char why[96];
        snprintf(why, sizeof why, "the body has %llu bytes, the limit is %zu",
                 (unsigned long long)n, r->h->o.max_body);
        r->discard = true;
        refuse(r, 413, why);
        /* A little too much is read and thrown away so that the client sees the answer. */
        if (n / 4 > r->h->o.max_body) r->must_close = true;
    } else if (r->h->o.early && r->h->o.early(r->h->o.ctx, r)) {
        r->discard = true;
    }
    if (!r->discard) return false;
    bool has_body = n > 0 || http_header(r, "Transfer-Encoding").n;
    return !has_body || r->must_close || http_header(r, "Expect").n;
}

static void take_body(struct http_req *r, const char *data, size_t n)
{
    buf_add(&r->body, data, n);
    if (!r->body.failed) return;
    char why[96];
    snprintf(why, sizeof why, "the body is larger than the limit of %zu bytes",
             r->h->o.max_body);
    buf_release(&r->body);
    r->discard = true;
    refuse(r, 413, why);
}

/* The whole body is here, or the connection was resumed. */
static enum MHD_Result whole_request(struct http_req *r)
{
    enum MHD_Result rc = MHD_YES;
    bool full = false, send = false;
    pthread_mutex_lock(&r->lock);
    if (r->state == REQ_READING) {
        struct job *j = mem_alloc(sizeof *j);
        if (j) *j = (struct job){run_request, r};
        r->state = REQ_HANDLED;
        suspend(r); /* before a worker can see it: its answer resumes */
        full = !j || !queue_put(&r->h->jobs, j);
        if (full) mem_free(j);
    } else if (r->state == REQ_READY) {
        r->state = REQ_SENDING;
        send = true;
    } else if (r->gone && r->state == REQ_HELD) {
        rc = MHD_NO; /* the client left before there was an answer */
    } else {
        suspend(r); /* resumed without a cause of ours */
    }
    pthread_mutex_unlock(&r->lock);
    if (full) {
        http_set_header(r, "Retry-After", "1");
        refuse(r, 503, "too many requests are waiting to be read, try again soon");
    }
    return send ? send_answer(r) : rc;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mc, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **per_req)
{
    struct http_req *r = *per_req;
    (void)cls;
    (void)version;
    if (!r) {
        const union MHD_ConnectionInfo *ci =
            MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (!ci || !ci->socket_context) return MHD_NO;
        r = req_create(ci->socket_context, mc, method, url);
        if (!r) return MHD_NO;
        *per_req = r;
        if (!first_call(r)) return MHD_YES;
        pthread_mutex_lock(&r->lock);
        r->state = REQ_SENDING;
        pthread_mutex_unlock(&r->lock);
        return send_answer(r);
    }
    if (*n_data == 0) return whole_request(r);
    if (r->discard) {
        r->discarded += *n_data;
        if (r->discarded / 4 > r->h->o.max_body) return MHD_NO;
    } else {
        take_body(r, data, *n_data);
    }
    *n_data = 0;
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *mc, void **per_req,
                         enum MHD_RequestTerminationCode why)
{
    struct http_req *r = *per_req;
    (void)cls;
    if (!r) return;
    *per_req = NULL;
    if (why != MHD_REQUEST_TERMINATED_COMPLETED_OK && !atomic_exchange(&r->gone, true))
        if (r->has_source && r->src.gone) r->src.gone(r->src.ctx);
    MHD_set_connection_option(mc, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)r->h->o.idle_s);
    req_free(r);
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool address_is_local(const struct sockaddr *sa)
{
    if (!sa || sa->sa_family == AF_UNIX) return true;
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof in);
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) return in.sin6_addr.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
    }
    return false;
}

/* Under live_lock. */
static bool take_slot(struct http *h, struct conn *c)
{
    uint32_t i = 0;
    while (i < h->n_slot && h->slot[i].conn) i++;
    if (i == h->n_slot) {
        uint32_t n = h->n_slot ? h->n_slot * 2 : 64;
        struct slot *s = mem_realloc(h->slot, h->n_slot * sizeof *s, n * sizeof *s);
        if (!s) return false;
        memset(s + h->n_slot, 0, (n - h->n_slot) * sizeof *s);
        h->slot = s;
        h->n_slot = n;
    }
    h->slot[i].conn = c;
    h->slot[i].gen++;
    c->slot = i;
    return true;
}

/* A connection without a context here is refused at its first request. */
static void conn_start(struct http *h, struct MHD_Connection *mc, void **socket_context)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *addr =
        MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct conn *c = mem_calloc(1, sizeof *c);
    if (!c || !fd) {
        mem_free(c);
        return;
    }
    c->h = h;
    c->fd = fd->connect_fd;
    c->local = address_is_local(addr ? addr->client_addr : NULL);
    c->since_ns = clock_ns();
    pthread_mutex_lock(&h->live_lock);
    bool ok = take_slot(h, c);
    if (ok) {
        c->next = h->conns;
        if (h->conns) h->conns->prev = c;
        h->conns = c;
        h->n_conn++;
        struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT,
                                 .data.u64 = (uint64_t)h->slot[c->slot].gen << 32 | c->slot};
        epoll_ctl(h->epfd, EPOLL_CTL_ADD, c->fd, &ev);
    }
    pthread_mutex_unlock(&h->live_lock);
    if (ok)
        *socket_context = c;
    else
        mem_free(c);
}

static void on_connection(void *cls, struct MHD_Connection *mc, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_start(h, mc, socket_context);
        return;
    }
    struct conn *c = *socket_context;
    if (!c) return;
    pthread_mutex_lock(&h->live_lock);
    epoll_ctl(h->epfd, EPOLL_CTL_DEL, c->fd, NULL);
    h->slot[c->slot].conn = NULL;
    if (c->prev)
        c->prev->next = c->next;
    else
        h->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    h->n_conn--;
    pthread_mutex_unlock(&h->live_lock);
    mem_free(c);
    *socket_context = NULL;
}

/* ---- the watcher ----------------------------------------------------------------------------- */

/* Under live_lock. */
static void client_left(struct http_req *r)
{
    if (atomic_exchange(&r->gone, true)) return;
    pthread_mutex_lock(&r->lock);
    bool held = r->has_source;
    struct http_source src = r->src;
    pthread_mutex_unlock(&r->lock);
    if (held && src.gone) src.gone(src.ctx);
    pthread_mutex_lock(&r->lock);
    /* A worker that still has the request answers it by and by; waking it now would let the
     * library finish it under the worker's hands. */
    if (r->state != REQ_READING && r->state != REQ_HANDLED) resume(r);
    pthread_mutex_unlock(&r->lock);
}

static void tick_all(struct http *h, int64_t now)
{
    pthread_mutex_lock(&h->live_lock);
    for (struct http_req *r = h->live; r; r = r->next) {
        pthread_mutex_lock(&r->lock);
        bool has = r->has_source && r->src.tick;
        struct http_source src = r->src;
        pthread_mutex_unlock(&r->lock);
        if (has) src.tick(src.ctx, now);
    }
    for (struct conn *c = h->conns; c; c = c->next) {
        bool reading = !c->req;
        if (c->req) {
            pthread_mutex_lock(&c->req->lock);
            reading = c->req->state == REQ_READING ||
                      (c->req->state == REQ_READY && !c->req->suspended); /* refused early */
            pthread_mutex_unlock(&c->req->lock);
        }
        int64_t limit = c->left_ns ? LEFT_LIMIT_S : c->req ? BODY_LIMIT_S : HEAD_LIMIT_S;
        int64_t since = c->left_ns > c->since_ns ? c->left_ns : c->since_ns;
        if (c->cut || !reading || now - since < limit * 1000000000) continue;
        c->cut = true;
        /* A request that trickles in for ever, or of which the rest will not come: when data and
         * end arrive together the library sees the data alone. */
        shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&h->live_lock);
}

static void *watch(void *arg)
{
    struct http *h = arg;
    int64_t next = clock_ns();
    while (!h->stop) {
        struct epoll_event ev[64];
        int n = epoll_wait(h->epfd, ev, countof(ev), TICK_MS);
        pthread_mutex_lock(&h->live_lock);
        for (int i = 0; i < n; i++) {
            uint32_t slot = (uint32_t)ev[i].data.u64, gen = (uint32_t)(ev[i].data.u64 >> 32);
            if (slot >= h->n_slot || h->slot[slot].gen != gen || !h->slot[slot].conn) continue;
            struct conn *c = h->slot[slot].conn;
            c->left_ns = clock_ns();
            if (c->req) client_left(c->req);
        }
        pthread_mutex_unlock(&h->live_lock);
        int64_t now = clock_ns();
        if (now < next) continue;
        next = now + (int64_t)TICK_MS * 1000000;
        tick_all(h, now);
    }
    return NULL;
}

static void *work(void *arg)
{
    struct http *h = arg;
    struct job *j;
    while ((j = queue_get(&h->jobs))) {
        struct job copy = *j;
        mem_free(j);
        copy.fn(copy.ctx);
    }
    return NULL;
}

bool http_defer(struct http *h, void (*fn)(void *ctx), void *ctx)
{
    struct job *j = mem_alloc(sizeof *j);
    if (!j) return false;
    *j = (struct job){fn, ctx};
    if (queue_put(&h->jobs, j)) return true;
    mem_free(j);
    return false;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* A path ends where its string ends: a NUL byte in it would hide the rest, so such an address stays
 * as it was written, and nothing answers there. */
static size_t unescape(void *cls, struct MHD_Connection *mc, char *s)
{
    (void)cls;
    (void)mc;
    return strstr(s, "%00") ? strlen(s) : MHD_http_unescape(s);
}

static void library_says(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void library_says(void *cls, const char *fmt, va_list ap)
{
    char line[256];
    (void)cls;
    int n = vsnprintf(line, sizeof line, fmt, ap);
    while (n > 0 && n < (int)sizeof line && line[n - 1] == '\n') line[--n] = 0;
    log_debug("http", "%s", line);
}

static int start_daemon(struct http *h, int fd, struct err *e)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | MHD_USE_ITC | (h->o.tls_cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)h->o.tls_cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)h->o.tls_key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    h->daemon[h->n_daemon] = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, library_says, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)h->o.idle_s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->o.max_conns,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)h->o.max_per_ip,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_POOL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY,
        h->o.tls_cert ? tls : none, MHD_OPTION_END);
    if (!h->daemon[h->n_daemon])
        return err_set(e, ERR_FAILED, "the HTTP server could not be started on descriptor %d%s",
                       fd,
                       h->o.tls_cert ? "; are the TLS certificate and key a PEM pair?" : "");
    h->n_daemon++;
    return 0;
}

int http_open(struct http **out, const struct http_opts *o, struct err *e)
{
    *out = NULL;
    if (o->n_fd < 1 || o->n_fd > MAX_FDS)
        return err_set(e, ERR_USAGE, "%d listening sockets, 1 to %d are possible", o->n_fd,
                       MAX_FDS);
    struct http *h = mem_calloc(1, sizeof *h);
    if (!h) return err_oom(e, "the HTTP server", sizeof *h);
    h->o = *o;
    if (!h->o.max_body) h->o.max_body = 32 << 20;
    if (!h->o.max_conns) h->o.max_conns = 1024;
    if (!h->o.workers) h->o.workers = 2;
    if (h->o.workers > MAX_WORKERS) h->o.workers = MAX_WORKERS;
    if (!h->o.idle_s) h->o.idle_s = 30;
    pthread_mutex_init(&h->live_lock, NULL);
    h->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (h->epfd < 0) {
        err_errno(e, errno, "epoll");
        goto fail;
    }
    if (queue_init(&h->jobs, JOB_QUEUE, e)) goto fail;
    if (pthread_create(&h->watcher, NULL, watch, h)) goto no_thread;
    h->has_watcher = true;
    for (; h->n_worker < h->o.workers; h->n_worker++)
        if (pthread_create(&h->worker[h->n_worker], NULL, work, h)) goto no_thread;
    for (int i = 0; i < o->n_fd; i++)
        if (start_daemon(h, o->fd[i], e)) goto fail;
    *out = h;
    return 0;
no_thread:
    err_set(e, ERR_FAILED, "a thread of the HTTP server could not be started");
fail:
    http_close(h);
    return -1;
}

void http_quiesce(struct http *h)
{
    if (atomic_exchange(&h->quiet, true)) return;
    for (int i = 0; i < h->n_daemon; i++) {
        int fd = MHD_quiesce_daemon(h->daemon[i]);
        if (fd >= 0) close(fd);
    }
}

int http_busy(struct http *h)
{
    pthread_mutex_lock(&h->live_lock);
    int n = h->n_live;
    pthread_mutex_unlock(&h->live_lock);
    return n;
}

int http_conns(struct http *h)
{
    pthread_mutex_lock(&h->live_lock);
    int n = h->n_conn;
    pthread_mutex_unlock(&h->live_lock);
    return n;
}

/* Nothing may be suspended when the library stops. */
static void cut_all(struct http *h)
{
    for (int wait = 0; wait < 200; wait++) {
        pthread_mutex_lock(&h->live_lock);
        int left = h->n_live;
        for (struct http_req *r = h->live; r; r = r->next) {
            client_left(r);
            pthread_mutex_lock(&r->lock);
            if (r->state != REQ_HANDLED) resume(r);
            pthread_mutex_unlock(&r->lock);
        }
        pthread_mutex_unlock(&h->live_lock);
        if (!left) break;
        clock_sleep_ns(10000000);
    }
}

void http_close(struct http *h)
{
    if (!h) return;
    http_quiesce(h);
    if (h->jobs.item) queue_close(&h->jobs); /* workers answer what they hold, then end */
    for (int i = 0; i < h->n_worker; i++) pthread_join(h->worker[i], NULL);
    if (h->n_daemon) cut_all(h);
    for (int i = 0; i < h->n_daemon; i++) MHD_stop_daemon(h->daemon[i]);
    h->stop = true;
    if (h->has_watcher) pthread_join(h->watcher, NULL);
    queue_release(&h->jobs);
    if (h->epfd >= 0) close(h->epfd);
    mem_free(h->slot);
    pthread_mutex_destroy(&h->live_lock);
    mem_free(h);
}

/* ---- asking ---------------------------------------------------------------------------------- */

enum http_method http_method(const struct http_req *r)
{
    return r->method;
}

const char *http_method_name(const struct http_req *r)
{
    return r->method_name;
}

struct span http_path(const struct http_req *r)
{
    return r->path;
}

struct span http_query(const struct http_req *r, const char *name)
{
    const char *v = MHD_lookup_connection_value(r->mc, MHD_GET_ARGUMENT_KIND, name);
    return v ? span_of(v) : (struct span){0};
}

struct span http_header(const struct http_req *r, const char *name)
{
    const char *v = MHD_lookup_connection_value(r->mc, MHD_HEADER_KIND, name);
    return v ? span_of(v) : (struct span){0};
}

struct span http_body(const struct http_req *r)
{
    return buf_span(&r->body);
}

bool http_peer_is_local(const struct http_req *r)
{
    return r->conn->local;
}

const char *http_id(const struct http_req *r)
{
    return r->id;
}

void *http_note(struct http_req *r, size_t size)
{
    if (!r->note) r->note = arena_calloc(&r->arena, 1, size);
    return r->note;
}

bool http_is_gone(const struct http_req *r)
{
    return r->gone;
}
