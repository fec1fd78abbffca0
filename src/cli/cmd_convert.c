/* tarn convert, tarn quantize: from one file family or number type to another. */
#include <string.h>

#include "base/thread.h"
#include "cli/cli.h"
#include "format/imatrix.h"
#include "model/convert.h"
#include "model/layout.h"
#include "model/source.h"

extern const struct command cmd_convert, cmd_quantize;

static struct {
    const char *type, *out, *imatrix;
    int64_t split;
    bool old_layout;
} o;

static const struct opt convert_opts[] = {
    {"out", 'o', OPT_STR, &o.out, "OUT", "NAME.gguf, or a directory for safetensors", 0, 0},
    {"type", 0, OPT_STR, &o.type, "T", "f32, f16, bf16, f8_e4m3, q8_0, q4_k_m, ...", 0, 0},
    {"imatrix", 0, OPT_STR, &o.imatrix, "FILE", "importance of each column (tarn imatrix)", 0,
     0},
    {"split", 0, OPT_INT, &o.split, "BYTES", "cut into files of at most this size", 1 << 20,
     1e15},
    {"old-layout", 0, OPT_FLAG, &o.old_layout, NULL,
     "one kv_b tensor, as GGUF files before 2025-04", 0, 0},
    {.type = OPT_END},
};

static bool progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    cli_progress(ctx, done, total);
    return true;
}

static int convert(const char *in, const char *out, struct err *e)
{
    struct model_source *s = NULL;
    struct pool *pool = NULL;
    struct imatrix *im = NULL;
    struct type_mix mix;
    if (o.type && !type_mix_parse(o.type, &mix)) {
        err_set(e, ERR_USAGE, "--type is \"%s\", which is no type of weights", o.type);
        return err_hint(e,
                        "f32 f16 bf16 f8_e4m3 q8_0 q6_k q5_k_m q4_k_m q3_k_m q2_k iq4_xs ...");
    }
    int rc = cli_open_source(in, &s, e);
    if (rc == 0) rc = pool_create(&pool, cli_threads(), e);
    if (rc == 0 && o.imatrix) rc = imatrix_open(&im, o.imatrix, e);
    if (rc == 0) {
        struct cli_progress bar;
        cli_progress_begin(&bar, "converting");
        struct convert_options co = {.mix = o.type ? &mix : NULL,
                                     .imatrix = im,
                                     .old_layout = o.old_layout,
                                     .split_bytes = (uint64_t)o.split,
                                     .progress = progress,
                                     .ctx = &bar};
        rc = convert_model(s, out, &co, pool, e);
        cli_progress_end(&bar);
    }
    imatrix_close(im);
    pool_free(pool);
    source_close(s);
    return rc;
}

static int run_convert(int argc, char **argv, struct err *e)
{
    if (argc != 1 || !o.out) return cli_usage(&cmd_convert, e);
    return convert(argv[0], o.out, e);
}

static int run_quantize(int argc, char **argv, struct err *e)
{
    if (argc != 2 || !o.type) return cli_usage(&cmd_quantize, e);
    return convert(argv[0], argv[1], e);
}

const struct command cmd_convert = {
    .verb = "convert",
    .args = "IN -o OUT [--type T]",
    .summary = "between Hugging Face directories, GGUF files and checkpoints",
    .details = "  tarn convert DeepSeek-R1-Distill-Qwen-1.5B -o r1-1.5b.gguf --type q4_k_m\n"
               "  tarn convert r1-1.5b.gguf -o r1-1.5b-hf --type bf16",
    .opts = (const struct opt *const[]){convert_opts, NULL},
    .run = run_convert,
};

const struct command cmd_quantize = {
    .verb = "quantize",
    .args = "IN OUT --type T [--imatrix FILE]",
    .summary = "a model in fewer bits",
    .details =
        "  tarn quantize r1-1.5b-bf16.gguf r1-1.5b-q4.gguf --type q4_k_m --imatrix r1.imatrix",
    .opts = (const struct opt *const[]){convert_opts, NULL},
    .run = run_quantize,
};
