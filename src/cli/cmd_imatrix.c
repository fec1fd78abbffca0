/* tarn imatrix: which columns of each matrix matter, measured on a text.
 *
 * The text runs through the model in windows; every matrix sees its input rows, and the sum of
 * squares per column is kept. Quantisers then weigh a column's error by it.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "engine/single.h"
#include "format/imatrix.h"

extern const struct command cmd_imatrix;

static struct {
    const char *out;
    int64_t ctx, windows;
} o = {.ctx = 512, .windows = 100};

static const struct opt opts[] = {
    {"out", 'o', OPT_STR, &o.out, "FILE", "the importance matrix to write", 0, 0},
    {"ctx", 'c', OPT_INT, &o.ctx, "N", "tokens in a window (default 512)", 8, 1 << 20},
    {"windows", 0, OPT_INT, &o.windows, "N", "stop after this many windows (default 100)", 1,
     1e9},
    {"tokenizer", 0, OPT_STR, &load_opts.tokenizer, "FILE", "another vocabulary", 0, 0},
    {.type = OPT_END},
};

struct entry {
    const struct weight *w;
    char name[TENSOR_NAME_MAX];
    float *sum2, *counts; /* (n_stack, n_in), (n_stack) */
};

struct collect {
    struct arena arena;
    struct entry *entry;
    size_t n;
};

static void observe(void *ctx, const struct weight *w, size_t stack, const float *x, size_t ldx,
                    size_t n)
{
    struct collect *c = ctx;
    size_t i = 0;
    while (i < c->n && c->entry[i].w != w) i++;
    if (i == c->n) return;
    float *sum = c->entry[i].sum2 + stack * w->n_in;
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < w->n_in; k++) sum[k] += x[r * ldx + k] * x[r * ldx + k];
    c->entry[i].counts[stack] += (float)n;
}

static int add_entry(struct collect *c, enum tensor_role r, int32_t layer,
                     const struct weight *w, struct err *e)
{
    if (!w->name || w->kind != WEIGHT_MATRIX) return 0;
    struct entry *n = &c->entry[c->n];
    role_name_gguf(r, layer, n->name);
    n->w = w;
    n->sum2 = arena_calloc(&c->arena, w->n_stack * w->n_in, sizeof *n->sum2);
    n->counts = arena_calloc(&c->arena, w->n_stack, sizeof *n->counts);
    if (!n->sum2 || !n->counts) return err_oom(e, "importance", w->n_stack * w->n_in * 4);
    c->n++;
    return 0;
}

static int list_weights(struct collect *c, const struct model *m, struct err *e)
{
    c->entry =
        arena_calloc(&c->arena, (size_t)(m->n_layer_all + 1) * ROLE_COUNT, sizeof *c->entry);
    if (!c->entry) return err_oom(e, "importance", ROLE_COUNT * sizeof *c->entry);
    for (int32_t l = -1; l < m->n_layer_all; l++)
        for (int r = 0; r < ROLE_COUNT; r++)
            if (add_entry(c, (enum tensor_role)r, l, l < 0 ? &m->w[r] : &m->layer[l].w[r], e))
                return -1;
    return 0;
}

static int run_text(struct loaded *l, const struct tok_list *ids, struct collect *c,
                    int64_t *windows, struct err *e)
{
    struct single *r = NULL;
    struct cli_progress bar;
    *windows = (int64_t)ids->n / o.ctx;
    if (*windows > o.windows) *windows = o.windows;
    if (*windows == 0)
        return err_set(e, ERR_LIMIT, "the text has %zu tokens, one window needs %lld", ids->n,
                       (long long)o.ctx);
    if (single_create(&r, l->model, l->pool, l->engine_opts.cache_dt, (size_t)load_opts.batch,
                      o.ctx, e))
        return -1;
    r->step.observe = observe;
    r->step.observe_ctx = c;
    cli_progress_begin(&bar, "measuring");
    int rc = 0;
    for (int64_t w = 0; w < *windows && rc == 0; w++) {
        single_restart(r);
        for (int64_t at = 0; at < o.ctx && rc == 0;) {
            const float *logits;
            size_t n = (size_t)(o.ctx - at) < r->max_rows ? (size_t)(o.ctx - at) : r->max_rows;
            rc = single_rows(r, ids->id + w * o.ctx + at, n, 1, &logits, e);
            at += (int64_t)n;
        }
        cli_progress(&bar, (uint64_t)w + 1, (uint64_t)*windows);
    }
    cli_progress_end(&bar);
    single_free(r);
    return rc;
}

static int write_out(const struct collect *c, const char *text, int64_t windows, struct err *e)
{
    struct imatrix_entry *out = mem_alloc(c->n * sizeof *out);
    if (!out) return err_oom(e, "importance", c->n * sizeof *out);
    for (size_t i = 0; i < c->n; i++)
        out[i] = (struct imatrix_entry){c->entry[i].name, c->entry[i].w->n_in,
                                        c->entry[i].w->n_stack, c->entry[i].sum2,
                                        c->entry[i].counts};
    int rc = imatrix_write(o.out, out, c->n, text, (uint32_t)windows, (uint32_t)o.ctx, e);
    mem_free(out);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    struct loaded l;
    struct tok_list ids = {0};
    struct collect c = {.n = 0};
    struct file_map text;
    int64_t windows = 0;
    if (argc != 2 || !o.out) return cli_usage(&cmd_imatrix, e);
    if (file_map_open(&text, argv[1], e)) return -1;
    load_opts.act = "f32"; /* rows are seen as they are */
    load_opts.cache_type = "f32";
    arena_init(&c.arena, 1 << 20, 0);
    int rc = load_weights(&l, argv[0], e);
    if (rc == 0 && !l.vocab)
        rc = err_set(e, ERR_NOT_FOUND, "%s carries no vocabulary", argv[0]);
    if (rc == 0)
        rc = vocab_encode(l.vocab, (struct span){(const char *)text.data, text.size}, false,
                          true, &ids, e);
    if (rc == 0) rc = list_weights(&c, l.model, e);
    if (rc == 0) rc = run_text(&l, &ids, &c, &windows, e);
    if (rc == 0) rc = write_out(&c, argv[1], windows, e);
    file_map_close(&text);
    arena_release(&c.arena);
    tok_list_release(&ids);
    loaded_release(&l);
    return rc;
}

const struct command cmd_imatrix = {
    .verb = "imatrix",
    .args = "MODEL TEXT -o FILE",
    .summary = "which columns of each matrix matter, for quantize",
    .details = "  tarn imatrix r1-1.5b-bf16.gguf calibration.txt -o r1.imatrix",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
