/* serve.c - start, wait, stop. */
#include "serve/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/auth.h"
#include "serve/conv_crypt.h"
#include "serve/generate.h"
#include "serve/listen.h"
#include "serve/lockdown.h"
#include "serve/render.h"
#include "serve/router.h"
#include "serve/serve_int.h"

enum { MAX_SOCKETS = 16 };

static void set_defaults(struct serve_opts *o)
{
    if (!o->temperature) o->temperature = 0.6;
    if (!o->top_p) o->top_p = 0.95;
    if (!o->max_n) o->max_n = 8;
    if (!o->max_queue) o->max_queue = 64;
    if (!o->max_conns) o->max_conns = 1024;
    if (!o->keep_alive_s) o->keep_alive_s = 10;
    if (!o->hold_s) o->hold_s = 30;
    if (!o->start_limit_s) o->start_limit_s = 600;
    if (!o->time_limit_s) o->time_limit_s = 3600;
    if (!o->drain_s) o->drain_s = 30;
    if (!o->version) o->version = TARN_VERSION;
    if (!o->commit) o->commit = "unknown";
    if (!o->cpu) o->cpu = "unknown";
}

/* ---- models ---------------------------------------------------------------------------------- */

static void poke(struct serve *s)
{
    const uint64_t one = 1;
    int saved = errno;
    if (write(s->wake_fd, &one, sizeof one) < 0) errno = saved;
    errno = saved;
}

int serve_model_ready(struct serve *s, size_t i, const struct engine_iface *iface,
                      const struct model_meta *meta, struct err *e)
{
    if (i >= s->models.n) return err_set(e, ERR_BUG, "there is no model %zu", i);
    struct model_slot *m = &s->models.slot[i];
    struct render *r = NULL;
    const char *t = meta && meta->chat_template ? meta->chat_template : m->chat_template;
    int rc = iface ? render_create(&r, iface->vocab(iface->self), t, e) : 0;
    pthread_rwlock_wrlock(&s->models_lock);
    if (meta) m->meta = *meta;
    if (r) {
        render_free(m->render);
        m->render = r;
        m->engine = iface;
        m->progress_permille = 1000;
    }
    m->state = r ? MODEL_LOADED : MODEL_FAILED;
    pthread_rwlock_unlock(&s->models_lock);
    if (rc) return err_wrap(e, "model %s", m->id);
    if (r)
        log_info("serve", "model %s is ready, context %lld", m->id, (long long)model_n_ctx(m));
    return 0;
}

void serve_model_progress(struct serve *s, size_t i, double done)
{
    if (i < s->models.n) s->models.slot[i].progress_permille = (int)(done * 1000);
}

void serve_want(struct serve *s, struct model_slot *m, enum model_state wanted)
{
    m->wanted = (int)wanted;
    poke(s);
}

static void set_state(struct serve *s, struct model_slot *m, enum model_state state)
{
    pthread_rwlock_wrlock(&s->models_lock);
    m->state = (int)state;
    pthread_rwlock_unlock(&s->models_lock);
}

static void load_again(struct serve *s, size_t i)
{
    struct model_slot *m = &s->models.slot[i];
    struct err e = {0};
    if (m->state == MODEL_LOADED) return;
    m->progress_permille = 0;
    set_state(s, m, MODEL_LOADING);
    if (s->o.load(s->o.models_ctx, s, i, &e) == 0) return;
    set_state(s, m, MODEL_FAILED);
    log_error("serve", "model %s: %s", m->id, e.msg);
}

/* New requests are refused, running ones end first. */
static void unload(struct serve *s, size_t i)
{
    struct model_slot *m = &s->models.slot[i];
    if (m->state != MODEL_LOADED) return;
    set_state(s, m, MODEL_UNLOADED);
    while (m->users && !s->draining) clock_sleep_ns(20000000);
    if (m->users) return;
    pthread_rwlock_wrlock(&s->models_lock);
    m->engine = NULL;
    render_free(m->render);
    m->render = NULL;
    pthread_rwlock_unlock(&s->models_lock);
    s->o.unload(s->o.models_ctx, i);
    log_info("serve", "model %s is unloaded", m->id);
}

static void change_models(struct serve *s)
{
    for (size_t i = 0; i < s->models.n && !s->draining; i++) {
        int wanted = atomic_exchange(&s->models.slot[i].wanted, -1);
        if (wanted == MODEL_LOADED) load_again(s, i);
        if (wanted == MODEL_UNLOADED) unload(s, i);
    }
}

static int add_models(struct serve *s, const struct serve_model *models, size_t n,
                      struct err *e)
{
    s->models.slot = mem_calloc(n ? n : 1, sizeof *s->models.slot);
    if (!s->models.slot) return err_oom(e, "the models", n * sizeof *s->models.slot);
    s->models.n = n;
    s->models.accept_any = s->o.accept_any_model;
    for (size_t i = 0; i < n; i++) {
        struct model_slot *m = &s->models.slot[i];
        m->id = models[i].id;
        m->aliases = models[i].aliases;
        m->chat_template = models[i].chat_template;
        m->meta = models[i].meta;
        m->created_s = s->start_s;
        m->state = MODEL_LOADING;
        m->wanted = -1;
        if (models[i].iface && serve_model_ready(s, i, models[i].iface, &models[i].meta, e))
            return -1;
    }
    return 0;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int open_sockets(struct serve *s, struct err *e)
{
    const struct serve_opts *o = &s->o;
    if (o->n_listen + o->n_fd < 1 || o->n_listen + o->n_fd > MAX_SOCKETS)
        return err_set(e, ERR_USAGE, "%d addresses to listen on, 1 to %d are possible",
                       o->n_listen + o->n_fd, MAX_SOCKETS);
    s->fd = mem_calloc(MAX_SOCKETS, sizeof *s->fd);
    if (!s->fd) return err_oom(e, "the sockets", MAX_SOCKETS * sizeof *s->fd);
    for (int i = 0; i < o->n_listen; i++) {
        bool local;
        if (listen_open(o->listen[i], &s->fd[s->n_fd], &local, e)) return -1;
        s->n_fd++;
        if (!local) s->far = o->listen[i];
    }
    for (int i = 0; i < o->n_fd; i++) {
        s->fd[s->n_fd++] = o->fd[i];
        if (!listen_is_local(o->fd[i])) s->far = "a socket that was handed over";
    }
    for (int i = 0; i < s->n_fd; i++) s->port[i] = listen_port(s->fd[i]);
    s->only_local = s->far == NULL;
    return 0;
}

static int check_exposure(struct serve *s, struct err *e)
{
    if (!s->far || auth_keys_exist(s)) return 0;
    if (s->o.allow_open) {
        log_warn("serve", "%s can be reached from other machines and no key is needed", s->far);
        return 0;
    }
    err_set(e, ERR_USAGE,
            "%s can be reached from other machines, and there is no API key: anybody could use "
            "this "
            "server",
            s->far);
    err_hint(e, "make a key with `tarn keys add NAME`, or say --i-know-anybody-can-use-it");
    return -1;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int open_state(struct serve *s, struct err *e)
{
    const struct serve_opts *o = &s->o;
    char path[1024];
    if (o->state_dir) {
        if (strlen(o->state_dir) > 800)
            return err_set(e, ERR_USAGE, "the path %s is too long", o->state_dir);
        if (file_make_dirs(o->state_dir, e)) return -1;
        if (chmod(o->state_dir, 0700)) return err_errno(e, errno, "chmod %s", o->state_dir);
        snprintf(path, sizeof path, "%s/conversations", o->state_dir);
        if (conv_open(&s->conv, path, o->conv_passphrase, e)) return -1;
        snprintf(path, sizeof path, "%s/feedback", o->state_dir);
        if (feedback_open(&s->feedback, path, e)) return -1;
    }
    bool off = !o->pgsql && (o->ledger ? o->ledger[0] == 0 : o->state_dir == NULL);
    if (off) {
        log_info("serve", "metering is off");
        return 0;
    }
    if (o->ledger)
        snprintf(path, sizeof path, "%s", o->ledger);
    else
        snprintf(path, sizeof path, "%s/ledger.db", o->state_dir ? o->state_dir : ".");
    const struct ledger_opts lo = {.path = path,
                                   .pgsql = o->pgsql,
                                   .server = o->server_name,
                                   .flush_ms = o->flush_ms,
                                   .watts = o->watts};
    return ledger_open(&s->ledger, &lo, e);
}

static int read_text(const char *path, struct buf *out, struct err *e)
{
    buf_init(out, 1 << 20);
    return path ? file_read(path, out, e) : 0;
}

static int open_http(struct serve *s, struct err *e)
{
    struct buf cert, key;
    int rc = -1;
    buf_init(&key, 1 << 20);
    if (read_text(s->o.tls_cert_file, &cert, e) || read_text(s->o.tls_key_file, &key, e))
        goto out;
    if (!cert.len != !key.len) {
        err_set(e, ERR_USAGE, "TLS needs both a certificate and a key");
        goto out;
    }
    const struct http_opts ho = {.fd = s->fd,
                                 .n_fd = s->n_fd,
                                 .max_body = s->o.max_body,
                                 .max_conns = s->o.max_conns,
                                 .idle_s = s->o.idle_s,
                                 .tls_cert = cert.len ? buf_str(&cert) : NULL,
                                 .tls_key = key.len ? buf_str(&key) : NULL,
                                 .early = route_early,
                                 .fn = route_dispatch,
                                 .ended = route_ended,
                                 .ctx = s};
    rc = http_open(&s->http, &ho, e);
out:
    crypt_wipe(key.data, key.len);
    buf_release(&cert);
    buf_release(&key);
    return rc;
}

static void no_core_dumps(void)
{
    /* Prompts are in memory; they shall not get into a core file. */
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

/* Before the first thread: what is started later inherits it. */
static int close_files(const struct serve_opts *o, struct err *e)
{
    const char *write[16], *read[64];
    int n_write = 0, n_read = 0;
    char dir[1024];
    if (o->state_dir) {
        if (file_make_dirs(o->state_dir, e)) return -1;
        write[n_write++] = o->state_dir;
    }
    for (int i = 0; i < o->n_write_paths && n_write < 14; i++)
        write[n_write++] = o->write_paths[i];
    if (!o->pgsql && o->ledger && o->ledger[0]) {
        snprintf(dir, sizeof dir, "%s", strchr(o->ledger, '/') ? o->ledger : "./ledger");
        *strrchr(dir, '/') = 0;
        write[n_write++] = dir[0] ? dir : "/";
    }
    for (int i = 0; i < o->n_read_paths && n_read < 60; i++) read[n_read++] = o->read_paths[i];
    if (o->runs_dir) read[n_read++] = o->runs_dir;
    if (o->tls_cert_file) read[n_read++] = o->tls_cert_file;
    if (o->tls_key_file) read[n_read++] = o->tls_key_file;
    const struct lockdown_paths p = {.read = read,
                                     .n_read = n_read,
                                     .write = write,
                                     .n_write = n_write,
                                     .connect_port = o->pgsql ? o->pgsql_port : 0};
    return lockdown_files(&p, e);
}

int serve_open(struct serve **out, const struct serve_opts *o, const struct serve_model *models,
               size_t n_models, struct err *e)
{
    *out = NULL;
    struct serve *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "the server", sizeof *s);
    s->o = *o;
    set_defaults(&s->o);
    s->limits = (struct ask_limits){.max_n = s->o.max_n,
                                    .strict = o->strict,
                                    .think_default = !o->think_default_off,
                                    .temperature = s->o.temperature,
                                    .top_p = s->o.top_p};
    s->start_ns = clock_ns();
    s->start_s = clock_wall_ms() / 1000;
    pthread_mutex_init(&s->lock, NULL);
    pthread_rwlock_init(&s->models_lock, NULL);
    snprintf(s->fingerprint, sizeof s->fingerprint, "fp_%08llx",
             (unsigned long long)hash64(s->o.version, strlen(s->o.version),
                                        hash64(s->o.commit, strlen(s->o.commit), 0)) &
                 0xffffffffu);
    json_object_seed(0); /* reads a random device: before the sandbox closes */
    s->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (s->wake_fd < 0) {
        err_errno(e, errno, "eventfd");
        goto fail;
    }
    if (o->sandbox) no_core_dumps();
    if (keys_setup(e) || open_sockets(s, e) || (o->sandbox && close_files(o, e)) ||
        open_state(s, e) || check_exposure(s, e) || limiter_create(&s->limiter, e) ||
        replay_create(&s->replay, 0, 0, e) || add_models(s, models, n_models, e))
        goto fail;
    if (open_http(s, e)) goto fail;
    if (o->sandbox && lockdown_calls(o->pgsql != NULL, e)) goto fail;
    *out = s;
    return 0;
fail:
    serve_close(s);
    return -1;
}

int serve_port(const struct serve *s, int i)
{
    return i >= 0 && i < s->n_fd ? s->port[i] : 0;
}

void serve_drain(struct serve *s)
{
    s->draining = true;
    poke(s);
}

void serve_stop(struct serve *s)
{
    s->draining = true;
    s->stopping = true;
    poke(s);
}

void serve_run(struct serve *s)
{
    uint64_t v;
    while (!s->draining && (read(s->wake_fd, &v, sizeof v) >= 0 || errno == EINTR))
        change_models(s);
    log_info("serve", "shutting down: %d requests are running", http_busy(s->http));
    http_quiesce(s->http);
    int64_t until = clock_ns() + (int64_t)s->o.drain_s * 1000000000;
    while (http_busy(s->http) && !s->stopping && clock_ns() < until) clock_sleep_ns(20000000);
    if (!http_busy(s->http)) return;
    log_info("serve", "%d requests are broken off", http_busy(s->http));
    gen_cancel_all(s);
    until = clock_ns() + 2000000000;
    while (http_busy(s->http) && clock_ns() < until) clock_sleep_ns(20000000);
}

void serve_close(struct serve *s)
{
    if (!s) return;
    s->draining = true;
    if (s->http) {
        gen_cancel_all(s);
        http_close(s->http);
        s->http = NULL;
    } else {
        for (int i = 0; i < s->n_fd; i++) close(s->fd[i]);
    }
    /* The engines still send the last events of what was cancelled. */
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&s->lock);
        int n = s->n_gens;
        pthread_mutex_unlock(&s->lock);
        if (!n) break;
        clock_sleep_ns(10000000);
    }
    ledger_close(s->ledger);
    for (int i = 0; i < s->o.n_listen; i++)
        if (strncmp(s->o.listen[i], "unix:", 5) == 0 && i < s->n_fd) unlink(s->o.listen[i] + 5);
    for (size_t i = 0; i < s->models.n; i++) render_free(s->models.slot[i].render);
    mem_free(s->models.slot);
    limiter_free(s->limiter);
    replay_free(s->replay);
    conv_close(s->conv);
    feedback_close(s->feedback);
    if (s->wake_fd >= 0) close(s->wake_fd);
    mem_free(s->fd);
    pthread_mutex_destroy(&s->lock);
    pthread_rwlock_destroy(&s->models_lock);
    mem_free(s);
}
