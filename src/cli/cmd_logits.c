/* tarn logits: the numbers behind an answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "engine/single.h"

static struct {
    const char *tokens, *out;
    bool all;
} o;

static const struct opt opts[] = {
    {"tokens", 0, OPT_STR, &o.tokens, "1,2,3", "token ids, comma separated", 0, 0},
    {"all", 0, OPT_FLAG, &o.all, NULL, "every position, not only the last", 0, 0},
    {"out", 'o', OPT_STR, &o.out, "FILE", "write there instead of to stdout", 0, 0},
    {"act", 0, OPT_STR, &load_opts.act, "TYPE", "f32 or q8 activations for quantised weights",
     0, 0},
    {"mla", 0, OPT_STR, &load_opts.mla, "FORM", "absorbed or expanded latent attention", 0, 0},
    {"cache-type", 0, OPT_STR, &load_opts.cache_type, "TYPE",
     "f32 (default here), f16, bf16, q8_0", 0, 0},
    {"batch", 0, OPT_INT, &load_opts.batch, "N", "rows of one step", 1, 8192},
    {.type = OPT_END},
};

static int run(int argc, char **argv, struct err *e)
{
    extern const struct command cmd_logits;
    if (argc != 1 || !o.tokens) return cli_usage(&cmd_logits, e);
    if (!load_opts.cache_type) load_opts.cache_type = "f32";
    struct tok_list ids = {0};
    struct loaded l;
    if (cli_parse_ids(o.tokens, &ids, e)) return -1;
    if (load_weights(&l, argv[0], e)) {
        tok_list_release(&ids);
        return -1;
    }
    FILE *out = o.out ? fopen(o.out, "wb") : stdout;
    struct single *r = NULL;
    int rc = -1;
    if (!out) {
        err_errno(e, errno, "cannot write %s", o.out);
        goto done;
    }
    if (single_create(&r, l.model, l.pool, l.engine_opts.cache_dt, (size_t)load_opts.batch,
                      (int64_t)ids.n, e))
        goto done;
    for (size_t at = 0; at < ids.n;) {
        const float *logits;
        size_t n = ids.n - at < r->max_rows ? ids.n - at : r->max_rows;
        bool last = at + n == ids.n;
        size_t n_out = o.all ? n : last;
        if (single_rows(r, ids.id + at, n, n_out, &logits, e)) goto done;
        if (n_out) fwrite(logits, sizeof *logits * (size_t)l.model->c.n_vocab, n_out, out);
        at += n;
    }
    if (ferror(out) || (o.out && fclose(out) != 0)) {
        err_set(e, ERR_IO, "cannot write the logits");
        out = NULL;
        goto done;
    }
    rc = 0;
done:
    single_free(r);
    tok_list_release(&ids);
    loaded_release(&l);
    return rc;
}

const struct command cmd_logits = {
    .verb = "logits",
    .args = "MODEL --tokens 1,2,3 [--all]",
    .summary = "logits of the last (or every) position",
    .details = "float32, little endian, row-major (positions, vocabulary).\n"
               "  tarn logits model.gguf --tokens 1,15043,3186 --out last.f32",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
