/* bench_model.c - how fast a model answers here, beside what the machine could do.
 *
 * Speeds come from the engine, as everybody's do: a prompt of --pp tokens, then --tg tokens
 * generated at each --depth of the cache, --parallel sequences at once. The limits are measured in
 * the same run: generating is compared with the bytes of weights and cache a token reads over the
 * read bandwidth, prompts with the multiply-adds over the peak of the unit that does them.
 * The best of --repeat runs counts; the spread is shown. Peaks are measured before and after, and
 * the higher ones count: what else the machine does must not make a share look better than it is.
 * Bandwidth changes too much from one tenth of a second to the next for that (bench/NOTES.md):
 * after each step of generating the threads read as many bytes of the weights as a token needs, and
 * a run's tokens are compared with the mean of its own readings. Their time is taken out.
 * With --parallel one sequence is measured too, and the line says how many times its tokens all
 * give together. With several depths the last line is the straight line through them: what a thousand
 * tokens more in the cache cost. What stands in the cache is computed once, for all runs and depths.
 */
#include "cli/bench_model.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/bench_run.h"
#include "cli/cli.h"
#include "cli/load.h"

void bench_print_roof(const struct roof *r)
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

/* Reading between steps: `bytes` of the weights, going round in them. */
struct reading {
    const struct loaded *l;
    size_t bytes, at;
    int64_t every, tokens; /* a pass after so many tokens: one of each sequence */
    int64_t n_pass;
    double s;
};

static void read_pass(struct reading *r)
{
    const struct model *m = r->l->model;
    if (++r->tokens % r->every) return;
    if (r->at + r->bytes > m->mem_bytes) r->at = 0;
    r->s += roof_read_s(r->l->pool, kernels()->level, (const unsigned char *)m->mem + r->at,
                        r->bytes);
    r->at += r->bytes;
    r->n_pass++;
}

/* Times of one request, without the reading between its tokens. */
struct timing {
    struct bench_run run;
    struct reading *reading;
};

static bool note(void *ctx, const struct gen_event *ev)
{
    struct timing *t = ctx;
    int64_t before = t->run.tokens;
    bool go = bench_run_note(&t->run, ev);
    if (t->reading && t->run.tokens > before) {
        t->run.last_ns -= (int64_t)(t->reading->s * 1e9);
        if (before == 0) t->run.first_ns = t->run.last_ns;
        read_pass(t->reading);
    }
    return go;
}

/* n sequences with prompts of n_prompt tokens, whose first `shared` are alike; n_out generated. Runs
 * of the same salt have the same prompts. */
struct load {
    int64_t n, n_prompt, n_out, shared;
    uint64_t salt;
};

/* Sequence k of a run. */
static int submit(struct loaded *l, const struct load *w, int64_t k, struct timing *t,
                  struct err *e)
{
    tok_id *ids = mem_alloc((size_t)w->n_prompt * sizeof *ids);
    if (!ids) return err_oom(e, "prompt", (size_t)w->n_prompt * sizeof *ids);
    uint64_t n_vocab = vocab_size(l->vocab), run = w->salt * 4096, own = run + (uint64_t)k;
    for (int64_t i = 0; i < w->n_prompt; i++)
        ids[i] = (tok_id)(rng_at(5, i < w->shared ? run : own, (uint64_t)i) % n_vocab);
    struct gen_request r;
    gen_request_defaults(&r);
    r.prompt = ids;
    r.n_prompt = w->n_prompt;
    r.max_tokens = w->n_out;
    r.ignore_eos = true;
    r.cache_group = w->shared ? run : own;
    r.fn = note;
    r.ctx = t;
    uint64_t id;
    int rc = engine_submit(l->engine, &r, &id, e);
    mem_free(ids);
    return rc;
}

struct result {
    double best, worst;
    double read; /* of the best: bytes/s of the reading between its steps */
};

static void add(struct result *r, double v, double read)
{
    if (r->best == 0 || v > r->best) {
        r->best = v;
        r->read = read;
    }
    if (r->worst == 0 || v < r->worst) r->worst = v;
}

static int one_run(struct loaded *l, const struct load *w, struct result *prompt,
                   struct result *gen, struct err *e)
{
    struct timing t[1024];
    size_t active = model_active_bytes(l->model), all = l->model->mem_bytes;
    struct reading reading = {
        .l = l, .every = w->n, .bytes = (active < all ? active : all) / 4096 * 4096};
    int64_t t0 = clock_ns(), first = INT64_MAX, last = 0, all_first = 0, tokens = 0;
    for (int64_t i = 0; i < w->n; i++)
        t[i] = (struct timing){.reading = w->n_out > 1 && reading.bytes ? &reading : NULL};
    for (int64_t i = 0; i < w->n; i++)
        if (submit(l, w, i, &t[i], e)) {
            engine_wait(l->engine);
            return -1;
        }
    engine_wait(l->engine);
    for (int64_t i = 0; i < w->n; i++) {
        const struct bench_run *r = &t[i].run;
        if (r->failed) {
            *e = r->err;
            return -1;
        }
        if (r->first_ns < first) first = r->first_ns;
        if (r->first_ns > all_first) all_first = r->first_ns;
        if (r->last_ns > last) last = r->last_ns;
        tokens += r->tokens;
    }
    add(prompt, (double)(w->n * w->n_prompt) / ns_to_s(all_first - t0), 0);
    /* With many sequences generation overlaps other prompts: count from the last first token. */
    if (w->n_out > 1)
        add(gen,
            w->n == 1 ? (double)(tokens - 1) / ns_to_s(last - first)
                      : (double)(tokens - w->n) / ns_to_s(last - all_first),
            reading.n_pass ? (double)reading.n_pass * (double)reading.bytes / reading.s : 0);
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

static void print_depth(const struct loaded *l, const struct roof *roof, int64_t n,
                        int64_t depth, int64_t tg, const struct result *all,
                        const struct result *one)
{
    char name[64];
    bool int8 = uses_int8(l->model);
    double bytes = (double)model_active_bytes(l->model);
    double cache = (double)l->plan.cache_per_token * ((double)depth + (double)tg / 2);
    double multiply =
        (int8 ? roof->dot.all : roof->fma.all) / (2 * (double)model_active_macs(l->model));
    double reading = all->read * (double)n / (bytes + cache * (double)n);
    bool by_reading = reading < multiply; /* many sequences are limited by their products */
    snprintf(name, sizeof name, "generate %lld at %lld%s", (long long)tg, (long long)depth,
             n > 1 ? " each" : "");
    print_row(name, all, by_reading ? reading : multiply,
              by_reading ? "read bandwidth"
              : int8     ? "int8 peak"
                         : "f32 peak",
              one->best > 0 ? all->best / one->best : 0);
    snprintf(name, sizeof name, "generate %lld at %lld, alone", (long long)tg,
             (long long)depth);
    if (one->best > 0) print_row(name, one, one->read / (bytes + cache), "read bandwidth", 0);
}

/* The straight line through ms a token at each depth; the middle of a run is its depth. */
static void print_slope(const struct loaded *l, const struct bench_opts *o,
                        const struct result *tg)
{
    double mx = 0, my = 0, xy = 0, xx = 0, n = o->n_depth, off = 0;
    for (int i = 0; i < o->n_depth; i++) {
        mx += (double)o->depth[i] / n;
        my += 1e3 / tg[i].best / n;
    }
    for (int i = 0; i < o->n_depth; i++) {
        double x = (double)o->depth[i] - mx;
        xy += x * (1e3 / tg[i].best - my);
        xx += x * x;
    }
    double slope = xy / xx;
    for (int i = 0; i < o->n_depth; i++) {
        double line = my + slope * ((double)o->depth[i] - mx);
        off = fmax(off, fabs(1e3 / tg[i].best / line - 1));
    }
    double read = 1e6 * (double)l->plan.cache_per_token / tg[o->n_depth - 1].read;
    if (cli.json)
        printf(
            "{\"test\":\"slope\",\"ms_per_1000_tokens\":%.5f,\"read_ms_per_1000_tokens\":%.5f,"
            "\"off_line\":%.4f}\n",
            slope * 1e3, read, off);
    else
        printf("  1,000 tokens more in the cache cost %.3f ms a token (reading them alone %.3f "
               "ms); "
               "no depth is off this line by more than %.1f%%\n",
               slope * 1e3, read, off * 100);
}

static int measure(struct loaded *l, const struct bench_opts *o, int64_t n, struct result *pp,
                   struct result *tg, struct result *one, struct err *e)
{
    struct result unused = {0};
    struct load prompt = {n, o->pp, 1, 0, 0};
    for (int64_t i = 0; i < o->repeat && o->pp; i++) {
        prompt.salt = (uint64_t)i + 2;
        if (one_run(l, &prompt, pp, &unused, e)) return -1;
    }
    for (int d = 0; d < o->n_depth && o->tg; d++) {
        struct load all = {n, o->depth[d] ? o->depth[d] : 1, o->tg + 1, o->shared, 1},
                    alone = all;
        alone.n = 1;
        for (int64_t i = 0; i < o->repeat; i++) {
            if (one_run(l, &all, &unused, &tg[d], e)) return -1;
            if (n > 1 && one_run(l, &alone, &unused, &one[d], e)) return -1;
        }
    }
    return 0;
}

int bench_model(const char *model, const struct bench_opts *o, struct err *e)
{
    struct loaded l;
    struct roof roof;
    struct result pp = {0}, tg[BENCH_DEPTHS] = {{0}}, one[BENCH_DEPTHS] = {{0}};
    char name[64];
    int64_t n = load_opts.parallel ? load_opts.parallel : 1, deep = o->depth[o->n_depth - 1];
    int64_t need = (o->pp > deep ? o->pp : deep) + o->tg + 2;
    if (!load_opts.ctx) load_opts.ctx = need > 512 ? need : 512;
    load_opts.draft = 0;
    if (load_engine(&l, model, e)) return -1;
    int rc = roof_measure(&roof, l.pool, kernels()->level, e);
    if (rc == 0) rc = measure(&l, o, n, &pp, tg, one, e);
    if (rc == 0) rc = measure_again(&roof, l.pool, e);
    if (rc == 0) {
        bool int8 = uses_int8(l.model);
        if (!cli.json) {
            char w[32], a[32];
            bench_print_roof(&roof);
            printf("\n%s: weights %s, %s read a token, cache %zu B a token, %s activations\n",
                   model, cli_bytes(l.plan.weights, w),
                   cli_bytes((uint64_t)model_active_bytes(l.model), a), l.plan.cache_per_token,
                   int8 ? "8-bit" : "f32");
            printf("  test                        tokens/s       worst       limit   share\n");
        }
        snprintf(name, sizeof name, "prompt %lld%s", (long long)o->pp, n > 1 ? " each" : "");
        if (o->pp)
            print_row(name, &pp,
                      (int8 ? roof.dot.all : roof.fma.all) /
                          (2 * (double)model_active_macs(l.model)),
                      int8 ? "int8 peak" : "f32 peak", 0);
        for (int d = 0; d < o->n_depth && o->tg; d++)
            print_depth(&l, &roof, n, o->depth[d], o->tg, &tg[d], &one[d]);
        if (o->n_depth > 1 && o->tg > 1 && n == 1) print_slope(&l, o, tg);
    }
    loaded_release(&l);
    return rc;
}
