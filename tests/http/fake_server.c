/* fake_server.c - the server over the fake engine, for the HTTP tests:
 *   fake_server --listen 127.0.0.1:0 [--state DIR] [--key KEY] [--option value ...]
 * Prints "port N" when it listens; SIGTERM drains, SIGINT stops. Without arguments it only says
 * so, because the test runner starts every program once. */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "fake_engine.c"
#include "serve/serve.h"

static struct serve *server;

static void on_signal(int sig)
{
    if (sig == SIGTERM)
        serve_drain(server);
    else
        serve_stop(server);
}

struct fakes {
    struct fake_opts o;
    struct fake_engine *engine;
    int64_t produced; /* by engines that are closed */
};

static int load(void *ctx, struct serve *s, size_t i, struct err *e)
{
    struct fakes *f = ctx;
    f->engine = fake_engine_open(&f->o);
    return serve_model_ready(s, i, fake_engine_iface(f->engine), NULL, e);
}

static void unload(void *ctx, size_t i)
{
    struct fakes *f = ctx;
    (void)i;
    f->produced += fake_engine_produced(f->engine);
    fake_engine_close(f->engine);
    f->engine = NULL;
}

int main(int argc, char **argv)
{
    struct serve_opts o = {.sandbox = true, .version = "test", .commit = "0000000"};
    struct fakes f = {.o = {.delay_ms = 1}};
    static const char *keys[8];
    struct err e = {0};
    if (argc < 2) {
        puts("a program for the HTTP tests; see tests/http");
        return 0;
    }
    log_setup(LOG_WARN, false);
    o.api_keys = keys;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *v = argv[i + 1];
        if (strcmp(name, "--listen") == 0) o.listen[o.n_listen++] = v;
        if (strcmp(name, "--state") == 0) o.state_dir = v;
        if (strcmp(name, "--pgsql") == 0) o.pgsql = v;
        if (strcmp(name, "--pgsql-port") == 0) o.pgsql_port = atoi(v);
        if (strcmp(name, "--server") == 0) o.server_name = v;
        if (strcmp(name, "--key") == 0) keys[o.n_api_keys++] = v;
        if (strcmp(name, "--origin") == 0) o.origins = v;
        if (strcmp(name, "--sandbox") == 0) o.sandbox = atoi(v);
        if (strcmp(name, "--open") == 0) o.allow_open = atoi(v);
        if (strcmp(name, "--passphrase") == 0) o.conv_passphrase = v;
        if (strcmp(name, "--runs") == 0) o.runs_dir = v;
        if (strcmp(name, "--flush") == 0) o.flush_ms = atoi(v);
        if (strcmp(name, "--hold") == 0) o.hold_s = atoi(v);
        if (strcmp(name, "--keep-alive") == 0) o.keep_alive_s = atoi(v);
        if (strcmp(name, "--start-limit") == 0) o.start_limit_s = atoi(v);
        if (strcmp(name, "--drain") == 0) o.drain_s = atoi(v);
        if (strcmp(name, "--idle") == 0) o.idle_s = atoi(v);
        if (strcmp(name, "--max-body") == 0) o.max_body = (size_t)atoll(v);
        if (strcmp(name, "--max-queue") == 0) o.max_queue = atoi(v);
        if (strcmp(name, "--max-conns") == 0) o.max_conns = atoi(v);
        if (strcmp(name, "--reasoning-field") == 0)
            o.reasoning_field = (enum reasoning_field)atoi(v);
        if (strcmp(name, "--tls-cert") == 0) o.tls_cert_file = v;
        if (strcmp(name, "--tls-key") == 0) o.tls_key_file = v;
        if (strcmp(name, "--parallel") == 0) f.o.n_parallel = atoi(v);
        if (strcmp(name, "--queue") == 0) f.o.n_queue = atoi(v);
        if (strcmp(name, "--ctx") == 0) f.o.n_ctx = atoll(v);
        if (strcmp(name, "--delay") == 0) f.o.delay_ms = strtod(v, NULL);
        if (strcmp(name, "--log") == 0) log_setup((enum log_level)atoi(v), false);
    }
    o.load = load;
    o.unload = unload;
    o.models_ctx = &f;
    const struct serve_model model = {
        .id = "local-r1",
        .aliases = "r1 org/model:tag",
        .meta = {.can_think = true, .can_fim = true, .fingerprint = "fp_test"}};
    if (serve_open(&server, &o, &model, 1, &e)) {
        fprintf(stderr, "fake_server: %s%s%s\n", e.msg, e.hint[0] ? "\nhint: " : "", e.hint);
        return err_exit_status(e.code);
    }
    if (load(&f, server, 0, &e)) {
        fprintf(stderr, "fake_server: %s\n", e.msg);
        return 1;
    }
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    printf("port %d\n", serve_port(server, 0));
    fflush(stdout);
    serve_run(server);
    int64_t produced = f.produced + (f.engine ? fake_engine_produced(f.engine) : 0);
    serve_close(server);
    if (f.engine) fake_engine_close(f.engine);
    printf("produced %lld\n", (long long)produced);
    return 0;
}
