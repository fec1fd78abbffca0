/* tarn perplexity: how well a model predicts a text.
 *
 * The text is cut into windows of --ctx tokens. In each window the first half is context only and
 * the second half is scored, so that every scored token has seen at least ctx/2 others: the
 * convention of llama.cpp's tool, whose figures can then be compared. The standard error is that
 * of the mean log-likelihood over scored tokens, carried to the perplexity.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "engine/single.h"
#include "kernel/kernel.h"

extern const struct command cmd_perplexity;

static struct {
    int64_t ctx, windows;
} o = {.ctx = 512};

static const struct opt opts[] = {
    {"ctx", 'c', OPT_INT, &o.ctx, "N", "tokens in a window (default 512)", 8, 1 << 20},
    {"windows", 0, OPT_INT, &o.windows, "N", "stop after this many windows", 1, 1e9},
    {"act", 0, OPT_STR, &load_opts.act, "TYPE", "f32 or q8 activations for quantised weights",
     0, 0},
    {"mla", 0, OPT_STR, &load_opts.mla, "FORM", "absorbed or expanded latent attention", 0, 0},
    {"cache-type", 0, OPT_STR, &load_opts.cache_type, "TYPE", "f32, f16, bf16 or q8_0", 0, 0},
    {"batch", 0, OPT_INT, &load_opts.batch, "N", "rows of one step", 1, 8192},
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE", "another vocabulary", 0, 0},
    {.type = OPT_END},
};

struct score {
    double sum, sum2;
    int64_t n;
};

/* Scores the tokens after the window's middle. */
static int score_window(struct single *r, const tok_id *ids, int64_t n, struct score *s,
                        struct err *e)
{
    const struct elem_kernels *k = &kernels()->elem;
    size_t v = (size_t)r->m->c.n_vocab;
    single_restart(r);
    for (int64_t at = 0; at < n;) {
        size_t rows = (size_t)(n - at) < r->max_rows ? (size_t)(n - at) : r->max_rows;
        int64_t first = at < n / 2 ? n / 2 : at; /* the first row whose next token counts */
        size_t n_out = first < at + (int64_t)rows ? (size_t)(at + (int64_t)rows - first) : 0;
        const float *logits;
        if (single_rows(r, ids + at, rows, n_out, &logits, e)) return -1;
        for (size_t i = 0; i < n_out; i++) {
            int64_t next = first + (int64_t)i + 1;
            if (next >= n) break;
            const float *row = logits + i * v;
            double nll = (double)k->logsumexp(row, v) - (double)row[ids[next]];
            if (!isfinite(nll))
                return err_set(e, ERR_NUMERIC, "the logits at token %lld are not finite",
                               (long long)next);
            s->sum += nll;
            s->sum2 += nll * nll;
            s->n++;
        }
        at += (int64_t)rows;
    }
    return 0;
}

static int score_text(struct loaded *l, const struct tok_list *ids, struct score *s,
                      int64_t *windows, struct err *e)
{
    struct single *r = NULL;
    struct cli_progress bar;
    if ((int64_t)ids->n < o.ctx)
        return err_set(e, ERR_LIMIT, "the text has %zu tokens, one window needs %lld", ids->n,
                       (long long)o.ctx);
    if (single_create(&r, l->model, l->pool, l->engine_opts.cache_dt, (size_t)load_opts.batch,
                      o.ctx, e))
        return -1;
    *windows = (int64_t)ids->n / o.ctx;
    if (o.windows && *windows > o.windows) *windows = o.windows;
    cli_progress_begin(&bar, "perplexity");
    int rc = 0;
    for (int64_t w = 0; w < *windows && rc == 0; w++) {
        rc = score_window(r, ids->id + w * o.ctx, o.ctx, s, e);
        cli_progress(&bar, (uint64_t)w + 1, (uint64_t)*windows);
    }
    cli_progress_end(&bar);
    single_free(r);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct loaded l;
    struct tok_list ids = {0};
    struct score s = {0};
    int64_t windows = 0, t0 = clock_ns();
    if (argc != 2) return cli_usage(&cmd_perplexity, e);
    if (!load_opts.cache_type) load_opts.cache_type = "f32";
    struct file_map text;
    if (file_map_open(&text, argv[1], e)) return -1;
    int rc = load_weights(&l, argv[0], e);
    if (rc == 0 && !l.vocab)
        rc = err_set(e, ERR_NOT_FOUND, "%s carries no vocabulary", argv[0]);
    if (rc == 0)
        rc = vocab_encode(l.vocab, (struct span){(const char *)text.data, text.size}, false,
                          true, &ids, e);
    if (rc == 0) rc = score_text(&l, &ids, &s, &windows, e);
    file_map_close(&text);
    if (rc == 0) {
        double mean = s.sum / (double)s.n, var = s.sum2 / (double)s.n - mean * mean;
        double ppl = exp(mean), err = ppl * sqrt((var > 0 ? var : 0) / (double)s.n);
        if (cli.json)
            printf("{\"perplexity\":%.6f,\"stderr\":%.6f,\"nll\":%.6f,\"tokens\":%lld,"
                   "\"windows\":%lld,"
                   "\"ctx\":%lld,\"seconds\":%.2f}\n",
                   ppl, err, mean, (long long)s.n, (long long)windows, (long long)o.ctx,
                   ns_to_s(clock_ns() - t0));
        else
            printf("perplexity %.4f +- %.4f over %lld tokens in %lld windows of %lld\n", ppl,
                   err, (long long)s.n, (long long)windows, (long long)o.ctx);
    }
    tok_list_release(&ids);
    loaded_release(&l);
    return rc;
}

const struct command cmd_perplexity = {
    .verb = "perplexity",
    .args = "MODEL FILE",
    .summary = "perplexity of a text with its standard error",
    .details = "  tarn perplexity model.gguf wiki.test.txt --ctx 512",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
