/* tarn plan: what training and serving a model of a shape needs, before anything is bought or begun.
 *
 *   tarn plan v3                      the published bill, from recipe and published throughput
 *   tarn plan SHAPE --tokens 1T ...   the same questions for any shape, device and price
 */
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "cli/cli.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "model/source.h"
#include "train/plan.h"

extern const struct command cmd_plan;

static struct {
    const char *tokens, *device, *precision;
    double n_device, price, share, hours_per_t, pp, ep, ctx, batch, bits, serve;
    bool devices;
} o = {.n_device = 8, .price = -1, .pp = 1, .ep = 1, .ctx = 4096, .batch = 1, .bits = 8};

static const struct opt opts[] = {
    {"tokens", 0, OPT_STR, &o.tokens, "N", "tokens to train on: 20M, 15B, 14.8T", 0, 0},
    {"device", 0, OPT_STR, &o.device, "NAME",
     "h800 (default), h100 ... see --devices; cpu is measured", 0, 0},
    {"count", 0, OPT_REAL, &o.n_device, "N", "devices for training (default 8)", 1, 1e7},
    {"price", 0, OPT_REAL, &o.price, "USD", "of one device for an hour", 0, 1e6},
    {"share", 0, OPT_REAL, &o.share, "X", "of the peak that becomes model work (default 0.4)",
     0.001, 1},
    {"hours-per-t", 0, OPT_REAL, &o.hours_per_t, "H",
     "measured device hours for 1T tokens instead", 0, 1e12},
    {"precision", 0, OPT_STR, &o.precision, "NAME", "fp8 or bf16 (default)", 0, 0},
    {"pp", 0, OPT_REAL, &o.pp, "N", "pipeline stages", 1, 1e4},
    {"ep", 0, OPT_REAL, &o.ep, "N", "devices that share a layer's experts", 1, 1e4},
    {"ctx", 0, OPT_REAL, &o.ctx, "N", "sequence in training, context in serving (default 4096)",
     1, 1e8},
    {"serve", 0, OPT_REAL, &o.serve, "N",
     "devices for serving (default: as many as must hold it)", 1, 1e6},
    {"batch", 0, OPT_REAL, &o.batch, "N", "sequences served at once (default 1)", 1, 1e6},
    {"bits", 0, OPT_REAL, &o.bits, "N", "of a weight in serving (default 8)", 1, 32},
    {"devices", 0, OPT_FLAG, &o.devices, NULL, "list the devices", 0, 0},
    {.type = OPT_END},
};

/* 14.8T, 15B, 20M, 5e9. */
static int parse_amount(const char *s, double *out, struct err *e)
{
    static const struct {
        char letter;
        double factor;
    } unit[] = {{'K', 1e3}, {'M', 1e6}, {'B', 1e9}, {'G', 1e9}, {'T', 1e12}, {0, 1}};
    char *end;
    *out = strtod(s, &end);
    for (size_t i = 0; i < countof(unit) && end != s; i++)
        if (*end == unit[i].letter && (!*end || !end[1]) && *out > 0) {
            *out *= unit[i].factor;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--tokens is \"%s\", expected like 20M, 15B or 14.8T", s);
}

static int choose_device(struct device *d, struct err *e)
{
    const char *name = o.device ? o.device : "h800";
    if (strcmp(name, "cpu") == 0) {
        struct pool *pool;
        struct roof roof;
        if (pool_create(&pool, cli_threads(), e)) return -1;
        int rc = roof_measure(&roof, pool, kernels()->level, e);
        pool_free(pool);
        *d = (struct device){"this machine", roof.fma.all, 0, 1e18, roof.read.all, 0};
        return rc;
    }
    const struct device *found = device_find(name);
    if (!found) {
        err_set(e, ERR_USAGE, "there is no device \"%s\"", name);
        return err_hint(e, "`tarn plan --devices` lists them; cpu measures this machine");
    }
    *d = *found;
    return 0;
}

static void list_devices(void)
{
    const struct device *d;
    printf("%-8s %8s %8s %7s %7s %8s\n", "device", "bf16", "fp8", "memory", "TB/s", "$/hour");
    for (size_t i = 0; (d = device_at(i)); i++) {
        printf("%-8s %5.0f TF ", d->name, d->bf16 * 1e-12);
        if (d->fp8 > 0)
            printf("%5.0f TF ", d->fp8 * 1e-12);
        else
            printf("%8s ", "-");
        printf("%4.0f GB %7.2f ", d->bytes * 1e-9, d->bandwidth * 1e-12);
        if (d->per_hour > 0)
            printf("%8.2f\n", d->per_hour);
        else
            printf("%8s\n", "-");
    }
}

/* A shape's name, a model, or a config file. */
static int read_shape(const char *arg, struct model_config *c, struct err *e)
{
    struct model_source *s;
    if (config_shape(arg, c)) return 0;
    if (cli_open_source(arg, &s, e)) {
        err_set(e, ERR_NOT_FOUND, "there is no shape and no model \"%s\"", arg);
        return err_hint(e, "`tarn synth --help` lists the shapes");
    }
    *c = *source_config(s);
    source_close(s);
    return 0;
}

/* ---- printing ------------------------------------------------------------------------------ */

static void print_shape(const struct model_config *c)
{
    struct config_count n;
    config_count(c, &n);
    printf("shape        %.4g B parameters, %.4g B active for a token", (double)n.total * 1e-9,
           (double)n.active * 1e-9);
    if (n.mtp) printf("; %.3g B for multi-token prediction", (double)n.mtp * 1e-9);
    printf("\n             cache %.0f bytes a token in bf16\n", (double)n.kv_elems * 2);
}

static void print_bill(const struct plan_bill *b)
{
    printf("%s\n", b->title);
    if (b->tokens > 0)
        printf("  %.1fT tokens at %.0fK %s hours for 1T, $%g an hour\n", b->tokens * 1e-12,
               b->hours_per_t * 1e-3, b->device, b->per_hour);
    for (size_t i = 0; i < countof(b->phase) && b->phase[i].name; i++)
        printf("  %-16s %7.0fK hours  $%.3fM\n", b->phase[i].name, plan_bill_hours(b, i) * 1e-3,
               plan_bill_hours(b, i) * b->per_hour * 1e-6);
    printf("  %-16s %7.0fK hours  $%.3fM\n", "total", plan_bill_total(b) * 1e-3,
           plan_bill_total(b) * b->per_hour * 1e-6);
    printf("  left out: %s\n\n", b->left_out);
}

static void print_train(const struct plan_train *p)
{
    printf("training     %.4g tokens, %.3g FLOP each, %.3g in all\n", p->tokens,
           p->ops_per_token, p->ops);
    printf("             %.4g %s hours (%.0f%% of its %s peak), %.3g days on %.0f",
           p->device_hours, p->device.name, 100 * p->share_found,
           p->fp8 ? "fp8" : "multiply-add", p->days, p->n_device);
    if (p->per_hour > 0) printf(", $%.4g at $%g", p->dollars, p->per_hour);
    printf("\nmemory       %.1f GB a device: weights %.1f, gradients %.1f, master and moments "
           "%.1f, "
           "activations %.1f%s\n",
           p->bytes * 1e-9, p->bytes_work * 1e-9, p->bytes_grad * 1e-9, p->bytes_state * 1e-9,
           p->bytes_act * 1e-9, p->fits ? "" : "  DOES NOT FIT");
    printf(
        "             %.0f stages, experts over %.0f, %.0f tokens between forward and back\n",
        p->pp, p->ep, p->tokens_in_flight);
}

static void print_serve(const struct plan_serve *p)
{
    printf("serving      %.0f sequences of %.0f tokens on %.0f %s: weights %.1f GB (%g bits), "
           "cache "
           "%.2f GB%s\n",
           p->batch, p->n_ctx, p->n_device, p->device.name, p->bytes_weights * 1e-9,
           p->weight_bits, p->bytes_kv * 1e-9, p->fits ? "" : "  DOES NOT FIT");
    printf("             at most %.4g tokens/s written (%s), %.4g read\n", p->tokens_per_s,
           p->by_bandwidth ? "memory bandwidth" : "arithmetic", p->prefill_per_s);
    if (p->per_hour > 0)
        printf("             at least $%.3g for 1M tokens written, $%.3g read\n",
               p->dollars_out, p->dollars_in);
}

static void print_prices(void)
{
    const struct plan_price *p, *r1 = plan_price_at(0);
    printf("\nprices of 1M tokens  cached    read  written\n");
    for (size_t i = 0; (p = plan_price_at(i)); i++)
        printf("  %-16s $%6.2f $%6.2f  $%6.2f  (since %s; written: %.1f times R1's)\n", p->name,
               p->hit, p->miss, p->out, p->since, p->out / r1->out);
}

static void print_json(const char *name, const struct plan_train *t, const struct plan_serve *s,
                       const struct plan_bill *b)
{
    struct config_count n;
    config_count(s->c, &n);
    printf(
        "{\"name\":\"%s\",\"parameters\":%llu,\"active\":%llu,\"cache_bytes_per_token\":%.0f",
        name, (unsigned long long)n.total, (unsigned long long)n.active,
        (double)n.kv_elems * 2);
    if (b)
        printf(",\"published\":{\"device_hours\":%.0f,\"dollars\":%.0f}", plan_bill_total(b),
               plan_bill_total(b) * b->per_hour);
    if (t)
        printf(",\"training\":{\"tokens\":%.6g,\"flops_per_token\":%.6g,\"flops\":%.6g,"
               "\"device_hours\":%.6g,\"share_of_peak\":%.4f,\"days\":%.4f,\"dollars\":%.2f,"
               "\"bytes_per_device\":%.0f,\"fits\":%s}",
               t->tokens, t->ops_per_token, t->ops, t->device_hours, t->share_found, t->days,
               t->dollars, t->bytes, t->fits ? "true" : "false");
    printf(",\"serving\":{\"devices\":%.0f,\"weight_bytes\":%.0f,\"cache_bytes\":%.0f,"
           "\"tokens_per_s\":%.6g,\"dollars_per_million\":%.6g,\"fits\":%s}}\n",
           s->n_device, s->bytes_weights, s->bytes_kv, s->tokens_per_s, s->dollars_out,
           s->fits ? "true" : "false");
}

/* ---- asking -------------------------------------------------------------------------------- */

static int ask_train(struct plan_train *t, const struct model_config *c, const struct device *d,
                     const struct plan_bill *b, struct err *e)
{
    *t = (struct plan_train){.c = c,
                             .device = *d,
                             .n_ctx = o.ctx,
                             .n_device = o.n_device,
                             .per_hour = o.price >= 0 ? o.price : d->per_hour,
                             .hours_per_t = o.hours_per_t,
                             .pp = o.pp,
                             .ep = o.ep};
    if (o.precision && strcmp(o.precision, "fp8") != 0 && strcmp(o.precision, "bf16") != 0)
        return err_set(e, ERR_USAGE, "--precision is \"%s\", it may be bf16 or fp8",
                       o.precision);
    t->fp8 = o.precision && o.precision[0] == 'f';
    if (b && b->tokens > 0 && !o.tokens && !o.device && !(o.share > 0)) {
        /* The published cluster: training.md 4.1. */
        t->tokens = b->tokens;
        t->hours_per_t = b->hours_per_t;
        t->n_device = 2048;
        t->pp = 16;
        t->ep = 64;
        t->fp8 = true;
    } else if (parse_amount(o.tokens, &t->tokens, e)) {
        return -1;
    }
    if (!(t->hours_per_t > 0)) t->share = o.share > 0 ? o.share : 0.4;
    t->tokens_in_flight = o.ctx * (t->pp > 1 ? t->pp + 1 : 1); /* training.md 4.2 */
    return plan_train(t, e);
}

static void ask_serve(struct plan_serve *s, const struct model_config *c,
                      const struct device *d)
{
    *s = (struct plan_serve){.c = c,
                             .device = *d,
                             .weight_bits = o.bits,
                             .kv_bytes = 2,
                             .n_ctx = o.ctx,
                             .batch = o.batch,
                             .n_device = o.serve > 0 ? o.serve : 1,
                             .per_hour = o.price >= 0 ? o.price : d->per_hour};
    plan_serve(s);
    if (o.serve > 0 || s->fits) return;
    s->n_device = s->least_devices;
    plan_serve(s);
}

static int run(int argc, char **argv, struct err *e)
{
    struct model_config c;
    struct device d = {0};
    struct plan_train t;
    struct plan_serve s;
    if (o.devices) {
        list_devices();
        return 0;
    }
    if (argc != 1) return cli_usage(&cmd_plan, e);
    const struct plan_bill *b = plan_bill_find(argv[0]);
    bool r1 = b && b->tokens == 0; /* the same shape as V3 */
    if (read_shape(r1 ? "v3" : argv[0], &c, e) || choose_device(&d, e)) return -1;
    bool trains = o.tokens || (b && !r1);
    if (trains && ask_train(&t, &c, &d, b, e)) return -1;
    ask_serve(&s, &c, &d);
    if (cli.json) {
        print_json(argv[0], trains ? &t : NULL, &s, b);
        return 0;
    }
    if (b) print_bill(b);
    print_shape(&c);
    if (trains) print_train(&t);
    print_serve(&s);
    print_prices();
    return 0;
}

const struct command cmd_plan = {
    .verb = "plan",
    .args = "SHAPE|MODEL [--tokens N]",
    .summary = "work, memory, hours and money of training and serving a model",
    .details =
        "  tarn plan v3\n"
        "  tarn plan v2-lite --tokens 5.7T --device h100 --count 256 --ep 8 --price 2.5\n"
        "  tarn plan r1-distill-qwen-7b --device h200 --batch 64 --ctx 32768 --price 3\n",
    .opts = (const struct opt *const[]){opts, NULL},
    .run = run,
};
