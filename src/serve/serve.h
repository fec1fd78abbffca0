/* serve.h - the HTTP server: the API of docs/api.md, the chat page, keys and the ledger.
 *
 * serve_open makes everything ready and starts to listen; serve_run waits until serve_drain or
 * serve_stop; serve_close ends it. Models may be given later (serve_model_ready), so that /health
 * can tell how far loading is.
 *
 * The server needs an engine_iface per model and nothing else of the engine; tests give it a fake.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "engine/request.h"
#include "serve/emit.h"
#include "serve/model_slot.h"

struct err;
struct serve;

struct serve_model {
    const char *id;
    const char *aliases;              /* separated by blanks; NULL: none */
    const char *chat_template;        /* a name of text/chat.h; NULL: "tarn" */
    const struct engine_iface *iface; /* NULL: loading */
    struct model_meta meta;
};

struct serve_opts {
    /* Where to listen: "127.0.0.1:8080", "[::1]:8080", "unix:/path"; at most 8. Further sockets
     * that are open already (systemd's) in fd. */
    const char *listen[8];
    int n_listen;
    const int *fd;
    int n_fd;
    bool allow_open; /* another address than loopback without any key: "yes, I know" */
    const char *const *api_keys; /* clear texts from the command line or a file */
    int n_api_keys;
    const char *hosts;   /* further names for the Host guard, separated by blanks */
    const char *origins; /* origins that may use the API from a browser, separated by blanks */
    const char *tls_cert_file, *tls_key_file;

    const char *state_dir; /* conversations, feedback, ledger; NULL: none of them is kept */
    const char *ledger;    /* SQLite file; NULL: state_dir/ledger.db; "" turns metering off */
    const char *pgsql;     /* shared ledger; wins over `ledger` */
    int pgsql_port;        /* where it listens: the one port the sandbox leaves open */
    const char *server_name;
    int flush_ms; /* of the ledger; 0: 1000 */
    double watts;
    const char *runs_dir;        /* of training runs, for the page; NULL: none */
    const char *conv_passphrase; /* NULL: conversations are not encrypted */

    /* For /admin/models: called on the thread in serve_run, one at a time. load ends in
     * serve_model_ready or fails; when unload is called nothing uses the model's engine. NULL: models
     * stay as they are. */
    int (*load)(void *ctx, struct serve *s, size_t i, struct err *e);
    void (*unload)(void *ctx, size_t i);
    void *models_ctx;

    const char *version, *commit, *cpu; /* for /version */

    bool sandbox;                  /* seccomp and Landlock after the start */
    const char *const *read_paths; /* what stays readable inside the sandbox: model files */
    int n_read_paths;
    const char *const *write_paths; /* directories that stay writable: disk caches */
    int n_write_paths;

    bool accept_any_model, share_cache, strict, show_prompts;
    bool think_default_off;
    enum reasoning_field reasoning_field;
    double temperature, top_p; /* of models that name none; 0: 0.6, 0.95 */
    int max_n;                 /* 0: 8 */
    int max_queue;             /* per model; 0: 64 */
    int max_conns;             /* 0: 1024 */
    size_t max_body;           /* 0: 32 MiB */
    int keep_alive_s;          /* 0: 10 */
    int hold_s;                /* headers of plain answers are held back so long; 0: 30 */
    int start_limit_s;         /* 0: 600 */
    int time_limit_s;          /* per request; 0: 3600 */
    int drain_s;               /* 0: 30 */
    int idle_s;                /* 0: 30 */
};

int serve_open(struct serve **out, const struct serve_opts *o, const struct serve_model *models,
               size_t n_models, struct err *e) must_check;
/* The i-th model is loaded, or has failed (iface NULL). Any thread; waits for handlers. meta's texts
 * stay valid until serve_close, also when the model is unloaded. */
int serve_model_ready(struct serve *s, size_t i, const struct engine_iface *iface,
                      const struct model_meta *meta, struct err *e) must_check;
void serve_model_progress(struct serve *s, size_t i, double done);
/* The port of the i-th listening socket, 0 for Unix sockets; for port 0. */
int serve_port(const struct serve *s, int i);
/* Blocks until serve_drain and the end of the running requests (at most drain_s), or serve_stop. */
void serve_run(struct serve *s);
/* Both may be called from a signal handler. Drain: no new requests, the running ones finish. */
void serve_drain(struct serve *s);
void serve_stop(struct serve *s);
void serve_close(struct serve *s);

/* The OpenAPI document of the tables the server runs on. */
void serve_openapi(const char *version, struct buf *out);

#endif
