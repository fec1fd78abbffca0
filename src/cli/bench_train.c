/* bench_train.c - how fast a recipe trains here, in each precision, beside the machine's limits.
 *
 * The recipe's model and batch, but random tokens: no data is needed, and the arithmetic does not
 * depend on them. Counted are model FLOPs alone: multiply-adds with weights and keys, forward and
 * back (train/trainer.h), whatever was run again or brought into another form. The best of the steps
 * counts, the slowest is shown.
 */
#include "cli/bench_train.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "cli/run_dir.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "train/precision.h"
#include "train/recipe.h"

struct opt_list bench_set;

static struct {
    int64_t vocab;
    const char *precision;
} o = {.vocab = 8192, .precision = ""};

const struct opt bench_train_opts[] = {
    {"set", 0, OPT_LIST, &bench_set, "KEY=VALUE", "train, rl: override a key of the recipe", 0,
     0},
    {"vocab", 0, OPT_INT, &o.vocab, "N", "train: tokens of the vocabulary (default 8192)", 2,
     1 << 20},
    {"precision", 0, OPT_STR, &o.precision, "P",
     "train: fp32, bf16, fp8 or int8 (default: each)", 0, 0},
    {.type = OPT_END},
};

struct bench {
    struct recipe r;
    struct model_config c;
    struct model_opts mo;
    struct trainer_opts to;
    struct pool *pool;
    struct roof roof;
    int32_t *id, *pos, *target, *seq;
};

/* One micro-batch: sequences of data.seq_rows random tokens. */
static void fill(struct bench *b, uint64_t step, struct train_batch *out)
{
    size_t n = (size_t)b->r.train.micro_rows, len = (size_t)b->r.data.seq_rows;
    for (size_t i = 0; i < n; i++) {
        b->id[i] = (int32_t)(rng_at(3, step, i) % (uint64_t)o.vocab);
        b->target[i] = (int32_t)(rng_at(3, step, i + 1) % (uint64_t)o.vocab);
        b->pos[i] = (int32_t)(i % len);
        b->seq[i] = (int32_t)(i / len);
    }
    *out = (struct train_batch){.n = n,
                                .id = b->id,
                                .pos = b->pos,
                                .target = b->target,
                                .row_seq = b->seq,
                                .n_seq = (n + len - 1) / len};
}

struct result {
    double best_s, worst_s, flops;
    size_t bytes;
};

static int measure(struct bench *b, enum precision kind, int64_t steps, struct result *out,
                   struct err *e)
{
    struct params *p = NULL;
    struct trainer *t = NULL;
    struct train_batch batch;
    struct step_metrics m;
    *out = (struct result){0};
    b->to.precision = kind;
    int rc = params_create(&p, &b->c, &b->mo, e);
    if (rc == 0) {
        params_init(p, 1, (float)b->r.model.init_std);
        rc = trainer_create(&t, p, b->pool, &b->to, e);
    }
    for (int64_t i = 0; rc == 0 && i <= steps; i++) {
        fill(b, (uint64_t)i, &batch);
        rc = trainer_step(t, &batch, 1, &m, e);
        double s = ns_to_s(m.ns);
        if (rc || i == 0) continue;
        if (out->best_s == 0 || s < out->best_s) out->best_s = s;
        if (s > out->worst_s) out->worst_s = s;
        out->flops = m.model_flops;
    }
    if (rc == 0) out->bytes = trainer_bytes(t);
    trainer_free(t);
    params_free(p);
    return rc;
}

static void print_result(const struct bench *b, enum precision kind, const struct result *r,
                         double fp32_s)
{
    double rate = r->flops / r->best_s;
    double tokens = (double)b->r.train.micro_rows;
    char text[32], times[16] = "-";
    if (fp32_s > 0) snprintf(times, sizeof times, "%.2f", fp32_s / r->best_s);
    if (cli.json)
        printf("{\"precision\":\"%s\",\"threads\":%d,\"tokens_s\":%.1f,\"worst_tokens_s\":%.1f,"
               "\"flop_s\":%.4g,\"share_of_f32_peak\":%.4f,\"share_of_int8_peak\":%.4f,"
               "\"bytes\":%zu}\n",
               precision_name(kind), pool_threads(b->pool), tokens / r->best_s,
               tokens / r->worst_s, rate, rate / b->roof.fma.all, rate / b->roof.dot.all,
               r->bytes);
    else
        printf("  %-9s %9.0f   %9.0f   %9.1f    %5.1f%%    %5.1f%%   %8s   %5s\n",
               precision_name(kind), tokens / r->best_s, tokens / r->worst_s, rate * 1e-9,
               100 * rate / b->roof.fma.all, 100 * rate / b->roof.dot.all,
               cli_bytes(r->bytes, text), times);
    fflush(stdout);
}

static int prepare(struct bench *b, const char *recipe, struct err *e)
{
    struct yaml *y = NULL;
    recipe_init(&b->r, RECIPE_TRAIN);
    int rc = run_read_yaml(&y, recipe, &bench_set, e);
    if (rc == 0) rc = recipe_read(&b->r, y, e);
    if (rc == 0)
        rc = recipe_config(&b->r, (uint32_t)o.vocab, 0, &b->c, e) ||
             recipe_model_opts(&b->r, &b->c, &b->mo, e) || recipe_trainer(&b->r, &b->to, e);
    yaml_close(y);
    if (rc) return -1;
    size_t n = (size_t)b->r.train.micro_rows;
    b->id = mem_calloc(4 * n, sizeof *b->id);
    if (!b->id) return err_oom(e, "made-up tokens", 4 * n * sizeof *b->id);
    b->pos = b->id + n;
    b->target = b->pos + n;
    b->seq = b->target + n;
    b->to.spike_factor = 0;
    return pool_create(&b->pool, cli_threads(), e) ||
                   roof_measure(&b->roof, b->pool, kernels()->level, e)
               ? -1
               : 0;
}

int bench_train(const char *recipe, int64_t steps, struct err *e)
{
    static struct bench b; /* large */
    struct result r, fp32 = {0};
    enum precision only = PRECISION_F32;
    if (*o.precision && !precision_parse(o.precision, &only))
        return err_set(e, ERR_USAGE, "--precision is %s, it may be fp32, bf16, fp8 or int8",
                       o.precision);
    int rc = prepare(&b, recipe, e);
    if (rc == 0 && !cli.json)
        printf("%s: steps of %lld tokens in sequences of %lld, %d threads; peaks: f32 %.0f "
               "GFLOP/s, int8 %.0f Gop/s\n"
               "  precision  tokens/s       worst     GFLOP/s  of f32   of int8     memory   "
               "times\n",
               recipe, (long long)b.r.train.micro_rows, (long long)b.r.data.seq_rows,
               pool_threads(b.pool), b.roof.fma.all * 1e-9, b.roof.dot.all * 1e-9);
    for (enum precision p = PRECISION_F32; rc == 0 && p <= PRECISION_INT8; p++) {
        if (*o.precision && p != only) continue;
        rc = measure(&b, p, steps, &r, e);
        if (p == PRECISION_F32) fp32 = r;
        if (rc == 0) print_result(&b, p, &r, fp32.best_s);
    }
    pool_free(b.pool);
    mem_free(b.id);
    return rc;
}
