/* tarn synth: a model with random weights in a real shape, for tests and timing. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "format/hf_config.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/synth.h"

extern const struct command cmd_synth;

static struct {
    const char *type, *out;
    int64_t seed, split;
    bool old_layout;
} o = {.type = "q4_k_m", .seed = 1};

static const struct opt opts[] = {
    {"type", 0, OPT_STR, &o.type, "T", "f32, bf16, q8_0, q4_k_m, ... (default q4_k_m)", 0, 0},
    {"out", 'o', OPT_STR, &o.out, "FILE", "the GGUF file to write", 0, 0},
    {"seed", 0, OPT_INT, &o.seed, "N", "random seed (default 1)", 0, 9e15},
    {"split", 0, OPT_INT, &o.split, "BYTES", "cut into files of at most this size", 1 << 20,
     1e15},
    {"old-layout", 0, OPT_FLAG, &o.old_layout, NULL, "one kv_b tensor, as files before 2025-04",
     0, 0},
    {.type = OPT_END},
};

static bool progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    cli_progress(ctx, done, total);
    return true;
}

/* A config.json, whatever its name, or the directory that holds one. */
static int config_of(const char *arg, struct model_config *c, struct err *e)
{
    enum { CONFIG_MAX = 1 << 20 };
    struct hf_config *h;
    struct buf text;
    int rc;
    if (file_is_dir(arg)) {
        rc = hf_config_open(&h, arg, e);
    } else {
        buf_init(&text, CONFIG_MAX);
        rc = file_read(arg, &text, e);
        if (rc == 0) {
            rc = hf_config_parse(&h, arg, buf_span(&text), (struct span){0}, (struct span){0},
                                 e);
        }
        buf_release(&text);
    }
    if (rc) return -1;
    rc = config_from_hf(c, h, e);
    hf_config_close(h);
    return rc;
}

static int shape_of(const char *arg, struct model_config *c, struct err *e)
{
    if (config_shape(arg, c)) return 0;
    if (strstr(arg, ".json") || file_is_dir(arg)) return config_of(arg, c, e);
    struct buf names;
    buf_init(&names, 4096);
    for (size_t i = 0; config_shape_name(i); i++)
        buf_printf(&names, "%s%s", i ? " " : "", config_shape_name(i));
    err_set(e, ERR_USAGE, "there is no shape \"%s\"", arg);
    err_hint(e, "%s, or a config.json", buf_str(&names));
    buf_release(&names);
    return -1;
}

static int run(int argc, char **argv, struct err *e)
{
    struct model_config c;
    struct type_mix mix;
    struct pool *pool;
    if (argc != 1 || !o.out) return cli_usage(&cmd_synth, e);
    if (!type_mix_parse(o.type, &mix))
        return err_set(e, ERR_USAGE, "--type is \"%s\", which is no type of weights", o.type);
    if (shape_of(argv[0], &c, e) || pool_create(&pool, cli_threads(), e)) return -1;
    struct cli_progress bar;
    cli_progress_begin(&bar, "writing");
    struct synth_options so = {.seed = (uint64_t)o.seed,
                               .old_layout = o.old_layout,
                               .split_bytes = (uint64_t)o.split,
                               .progress = progress,
                               .ctx = &bar};
    int rc = synth_write(o.out, &c, &mix, &so, pool, e);
    cli_progress_end(&bar);
    pool_free(pool);
    return rc;
}

const struct command cmd_synth = {
    .verb = "synth",
    .args = "SHAPE --type T -o FILE",
    .summary = "a model with random weights in a real shape",
    .details = "  tarn synth r1-distill-qwen-1.5b --type q4_k_m -o /tmp/1.5b.gguf",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
