/* tarn bench: its options, the machine's limits and kernels; the rest is in bench_*.c. */
#include <string.h>

#include "cli/bench_drafts.h"
#include "cli/bench_model.h"
#include "cli/bench_rl.h"
#include "cli/bench_train.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "kernel/bench_kernel.h"

extern const struct command cmd_bench;

static struct {
    struct bench_opts model;
    bool drafts, always, roof;
} o = {.model = {.pp = 512, .tg = 64, .repeat = 5}};

static struct opt_list depths;

static const struct opt opts[] = {
    {"pp", 0, OPT_INT, &o.model.pp, "N", "tokens of the prompt (default 512, 0 for none)", 0,
     1 << 20},
    {"tg", 0, OPT_INT, &o.model.tg, "N", "tokens to generate (default 64, 0 for none)", 0,
     1 << 20},
    {"depth", 0, OPT_LIST, &depths, "N",
     "tokens in the cache before generating; again, and rising: several", 0, 0},
    {"shared", 0, OPT_INT, &o.model.shared, "N", "of them, beginning alike in all sequences", 0,
     1 << 20},
    {"repeat", 0, OPT_INT, &o.model.repeat, "N", "runs (default 5)", 1, 100},
    {"drafts", 0, OPT_FLAG, &o.drafts, NULL,
     "do drafts pay: three texts with (--draft N) and without", 0, 0},
    {"always", 0, OPT_FLAG, &o.always, NULL, "with --drafts: also where they do not pay", 0, 0},
    {"roof", 0, OPT_FLAG, &o.roof, NULL, "the machine's limits alone", 0, 0},
    {.type = OPT_END},
};

/* ---- limits and kernels -------------------------------------------------------------------- */

static void print_kernel(void *ctx, const struct kernel_bench_row *r)
{
    (void)ctx;
    if (cli.json)
        printf("{\"kernel\":\"%s\",\"isa\":\"%s\",\"dtype\":\"%s\",\"shape\":\"%s\",\"metric\":"
               "\"%s\","
               "\"value\":%.4g,\"unit\":\"%s\",\"share\":%.4f}\n",
               r->kernel, r->isa, r->dtype, r->shape, r->metric, r->value, r->unit, r->share);
    else
        printf("%-14s %-7s %-8s %-24s %-8s %9.1f %-8s %5.1f%% of the limit\n", r->kernel,
               r->isa, r->dtype, r->shape, r->metric, r->value, r->unit, r->share * 100);
    fflush(stdout);
}

static int bench_kernels(const char *filter, struct err *e)
{
    struct pool *pool;
    struct roof roof;
    if (pool_create(&pool, cli_threads(), e)) return -1;
    int rc = roof_measure(&roof, pool, kernels()->level, e);
    if (rc == 0 && !cli.json) bench_print_roof(&roof);
    if (rc == 0 && !o.roof)
        rc = kernel_bench_run(filter, kernels(), &roof, pool, print_kernel, NULL, e);
    if (rc == 0 && o.roof && cli.json) bench_print_roof(&roof);
    pool_free(pool);
    return rc;
}

/* ---- a model ------------------------------------------------------------------------------- */

static int read_depths(struct err *e)
{
    struct bench_opts *b = &o.model;
    for (b->n_depth = 0; b->n_depth < depths.n; b->n_depth++) {
        int64_t *d = &b->depth[b->n_depth];
        if (b->n_depth == BENCH_DEPTHS)
            return err_set(e, ERR_USAGE, "--depth is given more than %d times", BENCH_DEPTHS);
        if (!opt_parse_count(depths.item[b->n_depth], d) || *d < 0 || *d > 1 << 20)
            return err_set(e, ERR_USAGE, "--depth is \"%s\", allowed are 0 to %d",
                           depths.item[b->n_depth], 1 << 20);
        if (b->n_depth > 0 && *d <= d[-1])
            return err_set(e, ERR_USAGE, "--depth %s does not rise", depths.item[b->n_depth]);
    }
    if (b->n_depth == 0) b->depth[b->n_depth++] = 0;
    return 0;
}

static int run(int argc, char **argv, struct err *e)
{
    if (o.roof) return bench_kernels(NULL, e);
    if (argc < 1) return cli_usage(&cmd_bench, e);
    if (strcmp(argv[0], "kernel") == 0) return bench_kernels(argc > 1 ? argv[1] : NULL, e);
    if (argc == 2 && strcmp(argv[0], "rl") == 0)
        return bench_rl(argv[1], &bench_set, o.model.repeat, e);
    if (argc == 2 && strcmp(argv[0], "train") == 0)
        return bench_train(argv[1], o.model.repeat, e);
    if (argc == 1 && o.drafts)
        return bench_drafts(argv[0], o.model.tg, o.model.repeat, o.always, e);
    if (read_depths(e)) return -1;
    return argc == 1 ? bench_model(argv[0], &o.model, e) : cli_usage(&cmd_bench, e);
}

const struct command cmd_bench = {
    .verb = "bench",
    .args = "MODEL | train RECIPE | rl RECIPE | kernel [NAME] | --roof",
    .summary = "speeds, beside the machine's own limits",
    .details = "  tarn bench model.gguf --pp 512 --tg 64\n"
               "  tarn bench model.gguf --parallel 8 --tg 128 --depth 256\n"
               "  tarn bench model.gguf --pp 0 --parallel 32 --depth 1008 --shared 1000\n"
               "  tarn bench model.gguf --pp 0 --tg 16 --depth 1k --depth 8k --depth 32k\n"
               "  tarn bench model.gguf --drafts --tg 256\n"
               "  tarn bench train recipes/small/pretrain.yaml --repeat 3\n"
               "  tarn bench rl recipes/rl-core.yaml --set init=MODEL --repeat 3\n"
               "  tarn bench kernel q8",
    .opts = (const struct opt *const[]){opts, bench_train_opts, load_opt_table, NULL},
    .run = run,
};
