#include "cli/load.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "format/vocab_load.h"
#include "train/ckpt.h"

struct load_opts load_opts = {.batch = 512, .draft = -1};

const struct opt load_opt_table[] = {
    {"act", 0, OPT_STR, &load_opts.act, "TYPE",
     "activations for quantised weights: q8 (fast, default) or f32 (exact)", 0, 0},
    {"mla", 0, OPT_STR, &load_opts.mla, "FORM",
     "latent attention: absorbed (default) or expanded", 0, 0},
    {"ctx", 'c', OPT_INT, &load_opts.ctx, "N", "context in tokens", 1, 1 << 24},
    {"parallel", 0, OPT_INT, &load_opts.parallel, "N", "sequences that run at once", 1, 1024},
    {"batch", 0, OPT_INT, &load_opts.batch, "N", "rows of one step", 1, 8192},
    {"draft", 0, OPT_INT, &load_opts.draft, "N", "tokens drafted ahead, 0 for none", 0, 15},
    {"cache-type", 0, OPT_STR, &load_opts.cache_type, "TYPE",
     "cache numbers: f32, f16 (default), bf16 or q8_0", 0, 0},
    {"snapshots", 0, OPT_STR, &load_opts.snapshots, "DIR",
     "keep computed prefixes in this directory (mode 700) over a restart", 0, 0},
    {"snapshots-max", 0, OPT_INT, &load_opts.snapshots_max, "BYTES",
     "room for them (default 8G); the least recently used go first", 1 << 20, 1e15},
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE",
     "take the vocabulary from this model or tokenizer file", 0, 0},
    {"template", 0, OPT_STR, &load_opts.template_name, "NAME",
     "chat template, when the model's own is not recognised", 0, 0},
    {.type = OPT_END},
};

/* ---- where models are ---------------------------------------------------------------------- */

/* A folder seen from the program's own: what was built or installed with it is found from anywhere. */
static const char *beside_program(const char *below, char *out, size_t size)
{
    char exe[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return NULL;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash) return NULL;
    *slash = 0;
    snprintf(out, size, "%s/%s", exe, below);
    return file_is_dir(out) ? out : NULL;
}

static bool same_dir(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

const char *cli_model_dir(int i)
{
    static char user[1024];
    const char *env = getenv("TARN_MODELS"), *home = getenv("HOME");
    if (env && *env) {
        if (i == 0) return env;
        i--;
    }
    if (home && *home) {
        if (i == 0) {
            snprintf(user, sizeof user, "%s/.local/share/tarn/models", home);
            return user;
        }
        i--;
    }
    if (i == 0) return "models";
    static char built[2200], installed[2200];
    const char *dir = beside_program("../../models", built, sizeof built);
    if (dir && !same_dir(dir, "models") && i-- == 1) return dir;
    dir = beside_program("../share/tarn/models", installed, sizeof installed);
    return dir && i == 1 ? dir : NULL;
}

const char *cli_model_arg(int argc, char **argv)
{
    return argc > 0 ? argv[0] : SHIPPED_MODEL;
}

int cli_model_path(const char *arg, char *out, size_t size, struct err *e)
{
    char newest[CKPT_PATH];
    if (file_exists(arg)) {
        bool is_run = file_is_dir(arg) && ckpt_latest(arg, newest, NULL) == 0;
        snprintf(out, size, "%s", is_run ? newest : arg);
        return 0;
    }
    const char *dir;
    for (int i = 0; (dir = cli_model_dir(i)); i++) {
        static const char *const suffix[] = {"", ".gguf"};
        for (size_t s = 0; s < countof(suffix); s++) {
            snprintf(out, size, "%s/%s%s", dir, arg, suffix[s]);
            if (!strchr(arg, '/') && file_exists(out)) return 0;
        }
    }
    if (strcmp(arg, SHIPPED_MODEL) == 0) {
        err_set(e, ERR_NOT_FOUND,
                "no MODEL is named, and models/" SHIPPED_MODEL
                ".gguf, the small one that comes with tarn, is not here");
        return err_hint(e, "name a .gguf file or a Hugging Face directory; `tarn list` shows "
                           "what is on this machine");
    }
    err_set(e, ERR_NOT_FOUND, "there is no model \"%s\"", arg);
    return err_hint(e,
                    "a .gguf file, a Hugging Face directory, or a name that `tarn list` shows");
}

int cli_open_source(const char *arg, struct model_source **out, struct err *e)
{
    char path[4096];
    if (cli_model_path(arg, path, sizeof path, e)) return -1;
    return source_open(out, path, e);
}

/* ---- loading ------------------------------------------------------------------------------- */

int load_read_opts(struct model_opts *m, struct engine_opts *en, struct err *e)
{
    *m = (struct model_opts){.act = ACT_Q8, .with_mtp = load_opts.draft != 0};
    engine_opts_defaults(en);
    if (load_opts.act) {
        if (strcmp(load_opts.act, "f32") == 0)
            m->act = ACT_F32;
        else if (strcmp(load_opts.act, "q8") != 0)
            return err_set(e, ERR_USAGE, "--act is \"%s\", allowed are f32 and q8",
                           load_opts.act);
    }
    if (load_opts.mla) {
        if (strcmp(load_opts.mla, "expanded") == 0)
            m->mla = MLA_EXPANDED;
        else if (strcmp(load_opts.mla, "absorbed") != 0)
            return err_set(e, ERR_USAGE, "--mla is \"%s\", allowed are absorbed and expanded",
                           load_opts.mla);
    }
    if (load_opts.cache_type && (!dtype_parse(load_opts.cache_type, &en->cache_dt) ||
                                 (en->cache_dt != DT_F32 && en->cache_dt != DT_F16 &&
                                  en->cache_dt != DT_BF16 && en->cache_dt != DT_Q8_0)))
        return err_set(e, ERR_USAGE, "--cache-type is \"%s\", allowed are f32 f16 bf16 q8_0",
                       load_opts.cache_type);
    en->n_ctx = load_opts.ctx;
    en->n_parallel = load_opts.parallel ? (int)load_opts.parallel : 1;
    en->n_batch = (int)load_opts.batch;
    if (load_opts.draft >= 0) en->n_draft = (int)load_opts.draft;
    en->snapshots = load_opts.snapshots;
    en->snapshots_max = (uint64_t)load_opts.snapshots_max;
    if (load_opts.ctx) en->n_cache = load_opts.ctx * en->n_parallel;
    return 0;
}

int load_snapshot_dir(struct err *e)
{
    mode_t old = umask(077);
    int rc = file_make_dirs(load_opts.snapshots, e);
    umask(old);
    return rc;
}

int load_vocab(struct loaded *l, const char *model, struct err *e)
{
    *l = (struct loaded){0};
    if (cli_open_source(model, &l->source, e)) return -1;
    if (!load_opts.tokenizer) return source_vocab(l->source, &l->vocab, e);
    return vocab_load(&l->vocab, load_opts.tokenizer, e);
}

static void show_loading(void *ctx, uint64_t done, uint64_t total)
{
    cli_progress(ctx, done, total);
}

int load_vocab_only(struct loaded *l, const char *model, struct err *e)
{
    char path[4096];
    *l = (struct loaded){0};
    if (load_opts.tokenizer) model = load_opts.tokenizer;
    return cli_model_path(model, path, sizeof path, e) ? -1 : vocab_load(&l->vocab, path, e);
}

int load_weights(struct loaded *l, const char *model, struct err *e)
{
    struct model_opts mo;
    if (load_vocab(l, model, e)) {
        if (e->code != ERR_NOT_FOUND || !l->source) goto fail;
        err_clear(e); /* a model without a vocabulary still has logits */
    }
    if (load_read_opts(&mo, &l->engine_opts, e) || pool_create(&l->pool, cli_threads(), e))
        goto fail;
    struct model_source *source = l->source;
    l->source = NULL; /* model_open takes it */
    if (model_open(&l->model, source, &mo, e) ||
        engine_make_plan(l->model, l->pool, &l->engine_opts, &l->plan, e))
        goto fail;
    struct cli_progress bar;
    cli_progress_begin(&bar, "loading");
    struct model_progress p = {show_loading, &bar};
    int rc = model_load(l->model, l->pool, &p, e);
    cli_progress_end(&bar);
    if (rc == 0) return 0;
fail:
    loaded_release(l);
    return -1;
}

int load_engine(struct loaded *l, const char *model, struct err *e)
{
    if (load_weights(l, model, e)) return -1;
    if (!l->vocab) {
        err_set(e, ERR_NOT_FOUND, "%s carries no vocabulary", model);
        err_hint(e, "--tokenizer FILE takes one from elsewhere");
    } else if (engine_open(&l->engine, l->model, l->vocab, l->pool, &l->engine_opts, e) == 0) {
        return 0;
    }
    loaded_release(l);
    return -1;
}

void loaded_release(struct loaded *l)
{
    engine_close(l->engine);
    model_free(l->model);
    source_close(l->source);
    vocab_free(l->vocab);
    pool_free(l->pool);
    *l = (struct loaded){0};
}

int load_template(const struct model_source *s, enum chat_template *out, struct err *e)
{
    if (load_opts.template_name)
        return chat_template_parse(span_of(load_opts.template_name), out, e);
    struct span jinja = source_chat_template(s);
    *out = CHAT_RAW;
    return jinja.n ? chat_template_recognise(jinja, out, e) : 0;
}

int cli_parse_ids(const char *text, struct tok_list *out, struct err *e)
{
    const char *p = text;
    for (;;) {
        while (*p && (isspace((unsigned char)*p) || *p == ',')) p++;
        if (!*p) break;
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            tok_list_release(out);
            return err_set(e, ERR_USAGE, "\"%.20s\" is not a token id", p);
        }
        if (tok_list_add(out, (tok_id)v, e)) return -1;
        p = end;
    }
    if (out->n == 0) return err_set(e, ERR_USAGE, "there are no token ids");
    return 0;
}
