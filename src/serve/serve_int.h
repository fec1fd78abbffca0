/* serve_int.h - the server's inside, shared by the files of serve/. */
#ifndef SERVE_SERVE_INT_H
#define SERVE_SERVE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "meter/ledger.h"
#include "serve/ask.h"
#include "serve/conv.h"
#include "serve/feedback.h"
#include "serve/http.h"
#include "serve/limit.h"
#include "serve/metrics.h"
#include "serve/model_slot.h"
#include "serve/replay.h"
#include "serve/serve.h"

struct gen;

struct serve {
    struct serve_opts o;
    struct http *http;
    struct ledger *ledger; /* NULL: metering is off */
    struct model_set models;
    pthread_rwlock_t models_lock; /* read: a handler runs; write: a slot changes */
    struct limiter *limiter;
    struct metrics metrics;
    struct replay *replay;
    struct conv_store *conv;
    struct feedback *feedback;
    struct ask_limits limits;
    pthread_mutex_t lock; /* guards gens */
    struct gen *gens;     /* running ones, newest first */
    int n_gens;
    _Atomic bool draining;
    int wake_fd; /* eventfd: serve_drain, serve_stop */
    _Atomic bool stopping;
    int64_t start_ns, start_s;
    char fingerprint[24];
    int *fd;
    int n_fd, port[16];
    const char *far; /* a socket that other machines can reach, or NULL */
    bool only_local; /* every socket is loopback or Unix: the Host guard is on */
};

/* Who asks: found out once per request, in the early handler. */
struct caller {
    struct key_info key;
    bool has_key; /* a ledger key or the command line's */
    bool admin;
    const struct route *route;
    struct span id; /* the {id} part of the path */
    bool early_failed;
};

/* An admin wants the slot loaded or unloaded: serve_run's thread does it. */
void serve_want(struct serve *s, struct model_slot *m, enum model_state wanted);

struct caller *caller_of(struct http_req *r);

#endif
