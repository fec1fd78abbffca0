/* tarn bench: how fast a model answers here, beside what the machine could do.
 *
 * Speeds come from the engine, as everybody's do: a prompt of --pp tokens, then --tg tokens
 * generated at a cache depth of --depth, --parallel sequences at once. The limits are measured in
 * the same run: generating is compared with the bytes of weights and cache a token reads over the
 * read bandwidth, prompts with the multiply-adds over the peak of the unit that does them.
 * The best of --repeat runs counts; the spread is shown. Limits are measured before and after, and
 * the higher ones count: what else the machine does must not make a share look better than it is.
 * With --parallel one sequence is measured too, and the line says how many times its tokens all
 * give together.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/bench_drafts.h"
#include "cli/bench_rl.h"
#include "cli/bench_train.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "kernel/bench_kernel.h"

extern const struct command cmd_bench;

static struct {
    int64_t pp, tg, depth, shared, repeat;
    bool drafts, roof;
} o = {.pp = 512, .tg = 64, .repeat = 5};

static const struct opt opts[] = {
    {"pp", 0, OPT_INT, &o.pp, "N", "tokens of the prompt (default 512, 0 for none)", 0,
     1 << 20},
    {"tg", 0, OPT_INT, &o.tg, "N", "tokens to generate (default 64, 0 for none)", 0, 1 << 20},
    {"depth", 0, OPT_INT, &o.depth, "N", "tokens in the cache before generating", 0, 1 << 20},
    {"shared", 0, OPT_INT, &o.shared, "N", "of them, beginning alike in all sequences", 0,
     1 << 20},
    {"repeat", 0, OPT_INT, &o.repeat, "N", "runs (default 5)", 1, 100},
    {"drafts", 0, OPT_FLAG, &o.drafts, NULL,
     "do drafts pay: three texts with (--draft N) and without", 0, 0},
    {"roof", 0, OPT_FLAG, &o.roof, NULL, "the machine's limits alone", 0, 0},
    {.type = OPT_END},
};

/* ---- limits and kernels -------------------------------------------------------------------- */

static void print_roof(const struct roof *r)
{
    if (cli.json) {
        printf("{\"isa\":\"%s\",\"threads\":%d,\"read_bytes_s\":[%.4g,%.4g],\"copy_bytes_s\":[%"
               ".4g,%.4g],"
               "\"fma_flop_s\":[%.4g,%.4g],\"int8_op_s\":[%.4g,%.4g]}\n",
               cpu_level_name(r->level), r->n_thread, r->read.one, r->read.all, r->copy.one,
               r->copy.all, r->fma.one, r->fma.all, r->dot.one, r->dot.all);
        return;
    }
    printf("limits of this machine (%s)      1 thread   %2d threads\n",
           cpu_level_name(r->level), r->n_thread);
    printf("  read                 GB/s      %8.1f   %8.1f\n", r->read.one * 1e-9,
           r->read.all * 1e-9);
    printf("  copy                 GB/s      %8.1f   %8.1f\n", r->copy.one * 1e-9,
           r->copy.all * 1e-9);
    printf("  f32 multiply-add     GFLOP/s   %8.1f   %8.1f\n", r->fma.one * 1e-9,
           r->fma.all * 1e-9);
    printf("  int8 dot             Gop/s     %8.1f   %8.1f\n", r->dot.one * 1e-9,
           r->dot.all * 1e-9);
}

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
    if (rc == 0 && !cli.json) print_roof(&roof);
    if (rc == 0 && !o.roof)
        rc = kernel_bench_run(filter, kernels(), &roof, pool, print_kernel, NULL, e);
    if (rc == 0 && o.roof && cli.json) print_roof(&roof);
    pool_free(pool);
    return rc;
}

/* ---- a model ------------------------------------------------------------------------------- */

/* Times of one request, taken from its own events. */
struct timing {
    int64_t first_ns, last_ns, tokens;
    bool failed;
    struct err err;
};

static bool note(void *ctx, const struct gen_event *ev)
{
    struct timing *t = ctx;
    if (ev->type == GEN_TOKEN && ev->id != TOK_NONE) {
        t->last_ns = clock_ns();
        if (!t->first_ns) t->first_ns = t->last_ns;
        t->tokens++;
    } else if (ev->type == GEN_ERROR) {
        t->failed = true;
        t->err = ev->err;
    }
    return true;
}

static int submit(struct loaded *l, int64_t n_prompt, int64_t n_out, uint64_t salt,
                  struct timing *t, struct err *e)
{
    tok_id *ids = mem_alloc((size_t)n_prompt * sizeof *ids);
    if (!ids) return err_oom(e, "prompt", (size_t)n_prompt * sizeof *ids);
    /* the salt of sequence i of a run is that of the run, a multiple of 4096, + i */
    uint64_t n_vocab = vocab_size(l->vocab), run = salt / 4096 * 4096;
    for (int64_t i = 0; i < n_prompt; i++)
        ids[i] = (tok_id)(rng_at(5, i < o.shared ? run : salt, (uint64_t)i) % n_vocab);
    struct gen_request r;
    gen_request_defaults(&r);
    r.prompt = ids;
    r.n_prompt = n_prompt;
    r.max_tokens = n_out;
    r.ignore_eos = true;
    r.cache_group = o.shared ? run : salt; /* runs share nothing */
    r.fn = note;
    r.ctx = t;
    *t = (struct timing){0};
    uint64_t id;
    int rc = engine_submit(l->engine, &r, &id, e);
    mem_free(ids);
    return rc;
}

struct result {
    double best, worst;
};

static void add(struct result *r, double v)
{
    if (r->best == 0 || v > r->best) r->best = v;
    if (r->worst == 0 || v < r->worst) r->worst = v;
}

/* One run: n sequences, prompts of n_prompt tokens, n_out generated. */
static int one_run(struct loaded *l, int64_t n, int64_t n_prompt, int64_t n_out, uint64_t salt,
                   struct result *prompt, struct result *gen, struct err *e)
{
    struct timing t[1024];
    int64_t t0 = clock_ns(), first = INT64_MAX, last = 0, all_first = 0, tokens = 0;
    for (int64_t i = 0; i < n; i++)
        if (submit(l, n_prompt, n_out, salt * 4096 + (uint64_t)i, &t[i], e)) {
            engine_wait(l->engine);
            return -1;
        }
    engine_wait(l->engine);
    for (int64_t i = 0; i < n; i++) {
        if (t[i].failed) {
            *e = t[i].err;
            return -1;
        }
        if (t[i].first_ns < first) first = t[i].first_ns;
        if (t[i].first_ns > all_first) all_first = t[i].first_ns;
        if (t[i].last_ns > last) last = t[i].last_ns;
        tokens += t[i].tokens;
    }
    add(prompt, (double)(n * n_prompt) / ns_to_s(all_first - t0));
    /* With many sequences generation overlaps other prompts: count from the last first token. */
    if (n_out > 1)
        add(gen, n == 1 ? (double)(tokens - 1) / ns_to_s(last - first)
                        : (double)(tokens - n) / ns_to_s(last - all_first));
    return 0;
}

/* `times_one`: against one sequence alone, 0 where there is nothing to compare. */
static void print_row(const char *name, const struct result *r, double roof, const char *of,
                      double times_one)
{
    double share = roof > 0 ? r->best / roof : 0;
    if (cli.json) {
        printf("{\"test\":\"%s\",\"tokens_s\":%.3f,\"worst\":%.3f,\"limit_tokens_s\":%.3f,"
               "\"share\":%.4f,\"limit\":\"%s\"",
               name, r->best, r->worst, roof, share, of);
        if (times_one > 0) printf(",\"times_one\":%.3f", times_one);
        printf("}\n");
    } else {
        printf("  %-26s %9.2f   %9.2f   %9.2f   %5.1f%%  of %s", name, r->best, r->worst, roof,
               share * 100, of);
        if (times_one > 0) printf(", %.2f times one alone", times_one);
        printf("\n");
    }
    fflush(stdout);
}

static void keep_higher(struct roof_rate *r, const struct roof_rate *other)
{
    if (other->one > r->one) r->one = other->one;
    if (other->all > r->all) r->all = other->all;
}

static int measure_again(struct roof *r, struct pool *pool, struct err *e)
{
    struct roof now;
    if (roof_measure(&now, pool, r->level, e)) return -1;
    keep_higher(&r->read, &now.read);
    keep_higher(&r->copy, &now.copy);
    keep_higher(&r->fma, &now.fma);
    keep_higher(&r->dot, &now.dot);
    return 0;
}

static bool uses_int8(const struct model *m)
{
    return m->opts.act == ACT_Q8 && q8_has(m->layer[m->c.n_layer - 1].w[ROLE_ATTN_OUT].dt);
}

static int bench_model(const char *model, struct err *e)
{
    struct loaded l;
    struct roof roof;
    struct result pp = {0}, tg = {0}, one = {0}, unused = {0};
    char name[64];
    int64_t n = load_opts.parallel ? load_opts.parallel : 1, depth = o.depth ? o.depth : 1;
    int64_t need = (o.pp > depth ? o.pp : depth) + o.tg + 1;
    if (!load_opts.ctx) load_opts.ctx = need > 512 ? need : 512;
    load_opts.draft = 0;
    if (load_engine(&l, model, e)) return -1;
    int rc = roof_measure(&roof, l.pool, kernels()->level, e);
    for (int64_t i = 0; i < o.repeat && rc == 0; i++) {
        uint64_t salt = (uint64_t)i * 3 + 1;
        if (o.pp) rc = one_run(&l, n, o.pp, 1, salt, &pp, &unused, e);
        if (rc == 0 && o.tg) rc = one_run(&l, n, depth, o.tg + 1, salt + 1, &unused, &tg, e);
        if (rc == 0 && o.tg && n > 1)
            rc = one_run(&l, 1, depth, o.tg + 1, salt + 2, &unused, &one, e);
    }
    if (rc == 0) rc = measure_again(&roof, l.pool, e);
    if (rc == 0) {
        double bytes = (double)model_active_bytes(l.model),
               macs = (double)model_active_macs(l.model);
        double cache = (double)l.plan.cache_per_token * ((double)depth + (double)o.tg / 2);
        bool int8 = uses_int8(l.model);
        if (!cli.json) {
            char w[32], a[32];
            print_roof(&roof);
            printf("\n%s: weights %s, %s read a token, cache %zu B a token, %s activations\n",
                   model, cli_bytes(l.plan.weights, w), cli_bytes((uint64_t)bytes, a),
                   l.plan.cache_per_token, int8 ? "8-bit" : "f32");
            printf("  test                        tokens/s       worst       limit   share\n");
        }
        snprintf(name, sizeof name, "prompt %lld%s", (long long)o.pp, n > 1 ? " each" : "");
        if (o.pp)
            print_row(name, &pp, (int8 ? roof.dot.all : roof.fma.all) / (2 * macs),
                      int8 ? "int8 peak" : "f32 peak", 0);
        snprintf(name, sizeof name, "generate %lld at %lld%s", (long long)o.tg,
                 (long long)o.depth, n > 1 ? " each" : "");
        double read = roof.read.all,
               multiply = (int8 ? roof.dot.all : roof.fma.all) / (2 * macs);
        double all = read * (double)n / (bytes + cache * (double)n);
        bool by_reading = all < multiply; /* many sequences are limited by their products */
        if (o.tg)
            print_row(name, &tg, by_reading ? all : multiply,
                      by_reading ? "read bandwidth"
                      : int8     ? "int8 peak"
                                 : "f32 peak",
                      one.best > 0 ? tg.best / one.best : 0);
        snprintf(name, sizeof name, "generate %lld at %lld, alone", (long long)o.tg,
                 (long long)o.depth);
        if (one.best > 0) print_row(name, &one, read / (bytes + cache), "read bandwidth", 0);
    }
    loaded_release(&l);
    return rc;
}

static int run(int argc, char **argv, struct err *e)
{
    if (o.roof) return bench_kernels(NULL, e);
    if (argc < 1) return cli_usage(&cmd_bench, e);
    if (strcmp(argv[0], "kernel") == 0) return bench_kernels(argc > 1 ? argv[1] : NULL, e);
    if (argc == 2 && strcmp(argv[0], "rl") == 0)
        return bench_rl(argv[1], &bench_set, o.repeat, e);
    if (argc == 2 && strcmp(argv[0], "train") == 0) return bench_train(argv[1], o.repeat, e);
    if (argc == 1 && o.drafts) return bench_drafts(argv[0], o.tg, o.repeat, e);
    return argc == 1 ? bench_model(argv[0], e) : cli_usage(&cmd_bench, e);
}

const struct command cmd_bench = {
    .verb = "bench",
    .args = "MODEL | train RECIPE | rl RECIPE | kernel [NAME] | --roof",
    .summary = "speeds, beside the machine's own limits",
    .details = "  tarn bench model.gguf --pp 512 --tg 64\n"
               "  tarn bench model.gguf --parallel 8 --tg 128 --depth 256\n"
               "  tarn bench model.gguf --drafts --tg 256\n"
               "  tarn bench train recipes/small/pretrain.yaml --repeat 3\n"
               "  tarn bench rl recipes/rl-core.yaml --set init=MODEL --repeat 3\n"
               "  tarn bench kernel q8",
    .opts = (const struct opt *const[]){opts, bench_train_opts, load_opt_table, NULL},
    .run = run,
};
