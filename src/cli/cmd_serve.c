/* tarn serve: the HTTP API and the chat page. The server listens first, so that /health can tell
 * how far loading is, and the sandbox closes before a byte of the model is read. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/browser.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "cli/server_state.h"
#include "cli/version.h"
#include "kernel/kernel.h"
#include "serve/serve.h"

extern const struct command cmd_serve;

enum { MAX_MODELS = 8, PATH_SIZE = 4096 /* what realpath may need */ };

static struct {
    struct opt_list listen, keys;
    const char *key_file, *hosts, *origins, *cert, *key, *passphrase_file, *ledger_name, *runs;
    int64_t slots, queue, max_body_mib, time_limit, drain;
    double watts;
    bool no_state, no_meter, no_sandbox, open, show, any_model, share_cache, no_thinking,
        strict;
} o = {.slots = 8, .queue = 64, .max_body_mib = 32, .time_limit = 3600, .drain = 30};

static const struct opt own_opts[] = {
    {"listen", 'l', OPT_LIST, &o.listen, "ADDR",
     "127.0.0.1:8080 (default), [::1]:8080, unix:/path", 0, 0},
    {"api-key", 0, OPT_LIST, &o.keys, "KEY",
     "a key that may do everything (better: `tarn keys add`)", 0, 0},
    {"api-key-file", 0, OPT_STR, &o.key_file, "FILE", "such a key in a file", 0, 0},
    {"host-name", 0, OPT_STR, &o.hosts, "NAMES",
     "further names this server answers to, blanks between", 0, 0},
    {"origin", 0, OPT_STR, &o.origins, "URLS", "web pages that may use the API, blanks between",
     0, 0},
    {"tls-cert", 0, OPT_STR, &o.cert, "FILE", "certificate chain (PEM)", 0, 0},
    {"tls-key", 0, OPT_STR, &o.key, "FILE", "its key (PEM)", 0, 0},
    {"open", 0, OPT_FLAG, &o.show, NULL,
     "open the chat page in a browser, where there is a display", 0, 0},
    {"i-know-anybody-can-use-it", 0, OPT_FLAG, &o.open, NULL,
     "another address than loopback without a key", 0, 0},
    {"slots", 0, OPT_INT, &o.slots, "N", "requests that run at once (8)", 1, 1024},
    {"queue", 0, OPT_INT, &o.queue, "N", "requests that may wait (64)", 0, 100000},
    {"max-body", 0, OPT_INT, &o.max_body_mib, "MIB", "largest request (32)", 1, 1024},
    {"time-limit", 0, OPT_INT, &o.time_limit, "S", "longest request (3600)", 1, 1 << 30},
    {"drain", 0, OPT_INT, &o.drain, "S", "time to finish after SIGTERM (30)", 0, 86400},
    {"any-model-name", 0, OPT_FLAG, &o.any_model, NULL,
     "unknown model names mean the first model", 0, 0},
    {"no-thinking", 0, OPT_FLAG, &o.no_thinking, NULL, "models do not think unless asked to", 0,
     0},
    {"strict", 0, OPT_FLAG, &o.strict, NULL, "refuse what is usually repaired or left out", 0,
     0},
    {"share-cache", 0, OPT_FLAG, &o.share_cache, NULL,
     "prompts of different keys share cached prefixes", 0, 0},
    {"watts", 0, OPT_REAL, &o.watts, "W", "power, where it cannot be measured (65)", 1, 100000},
    {"server-name", 0, OPT_STR, &o.ledger_name, "NAME", "this server among those on one ledger",
     0, 0},
    {"passphrase-file", 0, OPT_STR, &o.passphrase_file, "FILE", "seals stored conversations", 0,
     0},
    {"runs", 0, OPT_STR, &o.runs, "DIR",
     "training runs that the page shows (default: runs, where there is one)", 0, 0},
    {"no-state", 0, OPT_FLAG, &o.no_state, NULL, "keep nothing on disk", 0, 0},
    {"no-meter", 0, OPT_FLAG, &o.no_meter, NULL, "count nothing", 0, 0},
    {"no-sandbox", 0, OPT_FLAG, &o.no_sandbox, NULL, "keep access to files and network", 0, 0},
    {.type = OPT_END},
};

static struct serve *volatile server;

static void on_signal(int sig)
{
    static volatile sig_atomic_t times;
    (void)sig;
    if (!server) return;
    if (times++)
        serve_stop(server);
    else
        serve_drain(server);
}

static int read_secret(const char *path, struct buf *out, struct err *e)
{
    buf_init(out, 4096);
    if (!path) return 0;
    if (file_read(path, out, e)) return -1;
    while (out->len && strchr("\r\n", out->data[out->len - 1])) out->data[--out->len] = 0;
    return out->len ? 0 : err_set(e, ERR_USAGE, "%s is empty", path);
}

/* Sockets that systemd opened: descriptors 3 ... (sd_listen_fds(3)). */
static int handed_over(int fd[8])
{
    const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    if (!n || !pid || strtol(pid, NULL, 10) != (long)getpid()) return 0;
    long count = strtol(n, NULL, 10);
    for (int i = 0; i < count && i < 8; i++) fd[i] = 3 + i;
    return count < 0 ? 0 : count > 8 ? 8 : (int)count;
}

struct served {
    char path[PATH_SIZE], dir[PATH_SIZE], id[256], name[256];
    struct loaded l;
    bool is_loaded;
};

/* The id: the file's name without its ending. The directory is what the sandbox keeps readable:
 * a model may have several shards. */
static int name_model(struct served *m, const char *arg, struct err *e)
{
    char found[PATH_SIZE];
    if (cli_model_path(arg, found, sizeof found, e)) return -1;
    if (!realpath(found, m->path)) return err_errno(e, errno, "finding %s", found);
    snprintf(m->dir, sizeof m->dir, "%s", m->path);
    char *slash = strrchr(m->dir, '/');
    if (!file_is_dir(m->path) && slash && slash > m->dir) *slash = 0;
    const char *base = strrchr(m->path, '/') ? strrchr(m->path, '/') + 1 : m->path;
    snprintf(m->id, sizeof m->id, "%.200s", base);
    size_t n = strlen(m->id);
    if (n > 5 && strcmp(m->id + n - 5, ".gguf") == 0) m->id[n - 5] = 0;
    return 0;
}

static int load(struct serve *s, size_t i, struct served *m, struct err *e)
{
    struct source_sampling advice;
    enum chat_template t;
    load_opts.parallel = o.slots;
    if (load_engine(&m->l, m->path, e)) return -1;
    m->is_loaded = true;
    const struct model_source *src = m->l.model->source;
    const struct model_config *c = &m->l.model->c;
    const struct vocab_special *sp = vocab_special(m->l.vocab);
    if (load_template(src, &t, e)) return -1;
    source_sampling(src, &advice);
    /* A checkpoint's folder names what came of it; that says nothing to a reader. */
    snprintf(m->name, sizeof m->name, "%s", strncmp(c->name, "ckpt-", 5) ? c->name : m->id);
    const struct model_meta meta = {
        .name = m->name,
        .file = m->path,
        .chat_template = chat_template_name(t),
        .n_bytes = (int64_t)source_bytes(src),
        .n_ctx_train = c->n_ctx,
        .n_ctx = m->l.plan.n_ctx,
        .mem_weights = (int64_t)m->l.plan.weights,
        .mem_cache = (int64_t)m->l.plan.cache,
        .mem_scratch = (int64_t)m->l.plan.scratch,
        .temperature = (double)advice.temperature > 0 ? (double)advice.temperature : 0,
        .top_p = (double)advice.top_p > 0 ? (double)advice.top_p : 0,
        .n_parallel = (int)o.slots,
        .can_think = sp->think_open != TOK_NONE,
        .can_fim = sp->fim_pre != TOK_NONE,
    };
    return serve_model_ready(s, i, engine_as_iface(m->l.engine), &meta, e);
}

static int load_again(void *ctx, struct serve *s, size_t i, struct err *e)
{
    struct served *m = ctx;
    int rc = load(s, i, &m[i], e);
    if (rc && m[i].is_loaded) loaded_release(&m[i].l);
    m[i].is_loaded = rc == 0;
    return rc;
}

static void unload(void *ctx, size_t i)
{
    struct served *m = ctx;
    m[i].is_loaded = false;
    loaded_release(&m[i].l);
}

static int run_models(struct serve *s, struct served *m, int n, struct browser *page,
                      struct err *e)
{
    for (int i = 0; i < n; i++)
        if (load(s, (size_t)i, &m[i], e)) return -1;
    for (int i = 0; i < o.listen.n; i++)
        fprintf(stderr, "tarn: listening on %s\n", o.listen.item[i]);
    if (serve_port(s, 0)) {
        char url[64];
        snprintf(url, sizeof url, "http%s://127.0.0.1:%d/", o.cert ? "s" : "",
                 serve_port(s, 0));
        fprintf(stderr, "tarn: the chat page is at %s\n", url);
        browser_show(page, url);
    }
    browser_drop(page);
    server = s;
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    serve_run(s);
    return 0;
}

static int run(int argc, char **argv, struct err *e)
{
    char state[PATH_SIZE], runs[PATH_SIZE];
    const char *read[MAX_MODELS + 2], *keys[33];
    int fd[8], rc = -1, n_read = 0;
    struct buf key, passphrase;
    struct serve *s = NULL;
    struct browser page = {-1};
    struct serve_model models[MAX_MODELS] = {0};
    if (argc > MAX_MODELS) return cli_usage(&cmd_serve, e);
    int n = argc ? argc : 1;
    struct served *m = mem_calloc((size_t)n, sizeof *m);
    if (!m) return err_oom(e, "the models", (size_t)n * sizeof *m);
    struct serve_opts so = {
        .fd = fd,
        .n_fd = handed_over(fd),
        .allow_open = o.open,
        .api_keys = keys,
        .hosts = o.hosts,
        .origins = o.origins,
        .tls_cert_file = o.cert,
        .tls_key_file = o.key,
        .ledger = o.no_meter ? "" : NULL,
        .pgsql = server_state.pgsql,
        .server_name = o.ledger_name,
        .watts = o.watts,
        .version = version_text(),
        .commit = version_commit(),
        .sandbox = !o.no_sandbox,
        .read_paths = read,
        .accept_any_model = o.any_model,
        .share_cache = o.share_cache,
        .strict = o.strict,
        .think_default_off = o.no_thinking,
        .max_queue = (int)o.queue,
        .max_body = (size_t)o.max_body_mib << 20,
        .time_limit_s = (int)o.time_limit,
        .drain_s = (int)o.drain,
        .load = load_again,
        .unload = unload,
        .models_ctx = m,
    };
    buf_init(&passphrase, 4096);
    if (read_secret(o.key_file, &key, e) || read_secret(o.passphrase_file, &passphrase, e))
        goto out;
    if (!o.no_state) {
        if (server_state_dir(state, sizeof state, e)) goto out;
        so.state_dir = state;
    }
    if (!o.runs && file_is_dir("runs")) o.runs = "runs";
    if (o.runs && !realpath(o.runs, runs)) {
        err_errno(e, errno, "finding %s", o.runs);
        goto out;
    }
    so.runs_dir = o.runs ? runs : NULL;
    if (passphrase.len) so.conv_passphrase = buf_str(&passphrase);
    for (int i = 0; i < o.keys.n; i++) keys[so.n_api_keys++] = o.keys.item[i];
    if (key.len) keys[so.n_api_keys++] = buf_str(&key);
    if (o.listen.n == 0 && so.n_fd == 0) o.listen.item[o.listen.n++] = "127.0.0.1:8080";
    for (int i = 0; i < o.listen.n && so.n_listen < 8; i++)
        so.listen[so.n_listen++] = o.listen.item[i];
    for (int i = 0; i < n; i++) {
        if (name_model(&m[i], argc ? argv[i] : cli_model_arg(0, argv), e)) goto out;
        models[i] = (struct serve_model){.id = m[i].id};
        read[n_read++] = m[i].dir;
    }
    if (load_opts.tokenizer) read[n_read++] = load_opts.tokenizer;
    so.n_read_paths = n_read;
    if (load_opts.snapshots) {
        if (load_snapshot_dir(e)) goto out;
        so.write_paths = &load_opts.snapshots;
        so.n_write_paths = 1;
    }
    if (o.show) browser_prepare(&page);
    rc = serve_open(&s, &so, models, (size_t)n, e);
    if (rc == 0) rc = run_models(s, m, n, &page, e);
out:
    server = NULL;
    browser_drop(&page);
    serve_close(s);
    for (int i = 0; i < n; i++)
        if (m[i].is_loaded) loaded_release(&m[i].l);
    mem_free(m);
    buf_release(&key);
    buf_release(&passphrase);
    return rc;
}

static const struct opt *const tables[] = {own_opts, server_state_opts, load_opt_table, NULL};

const struct command cmd_serve = {
    .verb = "serve",
    .args = "[MODEL ...]",
    .summary = "HTTP API (OpenAI, DeepSeek, Anthropic formats) and chat page",
    .details =
        "Without further options only this machine can connect, and without MODEL the small "
        "model\n"
        "that comes with tarn is served.\n"
        "  tarn serve\n"
        "  tarn serve model.gguf\n"
        "  tarn serve model.gguf --listen 0.0.0.0:8080     (needs `tarn keys add NAME` first)\n"
        "  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' "
        "\\\n"
        "    -d "
        "'{\"model\":\"deepseek-reasoner\",\"messages\":[{\"role\":\"user\",\"content\":\"2+2?"
        "\"}]}'",
    .opts = tables,
    .run = run,
};
