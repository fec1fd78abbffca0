#include "serve/metrics.h"

#include <stdio.h>

#include "base/clock.h"
#include "serve/router.h"
#include "serve/serve_int.h"

/* Seconds; lengths use powers of two from 1. */
static const double seconds[HIST_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05,
                                             0.075, 0.1,    0.2,   0.5,  1,    2.5,  5,
                                             10,    30,     60,    120,  300,  600};

static double bound(const struct metrics *m, const struct histogram *h, int i)
{
    bool length = h == &m->prompt_len || h == &m->output_len;
    return length ? (double)(1u << i) : seconds[i];
}

static void observe(const struct metrics *m, struct histogram *h, double v)
{
    int i = 0;
    while (i < HIST_BUCKETS && v > bound(m, h, i)) i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, (uint64_t)(v * 1e6), memory_order_relaxed);
}

static const int statuses[METRIC_STATUS] = {200, 204, 206, 304, 400, 401, 402, 403,
                                            404, 405, 409, 413, 415, 422, 429, 431,
                                            499, 500, 501, 503, 507, 529, 0};
static const char *const reasons[METRIC_REASONS] = {
    "stop",           "length",  "tool_calls", "cancelled",   "disconnected",
    "error",          "timeout", "shutdown",   "slow_reader", "insufficient_system_resource",
    "content_filter", "other"};

void metrics_request(struct metrics *m, const struct metrics_sample *s)
{
    m->prompt += (uint64_t)s->prompt;
    m->hit += (uint64_t)s->hit;
    m->output += (uint64_t)s->output;
    m->reasoning += (uint64_t)s->reasoning;
    m->drafted += (uint64_t)s->drafted;
    m->accepted += (uint64_t)s->accepted;
    int i = 0;
    while (i < METRIC_REASONS - 1 && strcmp(reasons[i], s->reason) != 0) i++;
    m->reason[i]++;
    if (i == 3 || i == 4) m->cancelled++;
    observe(m, &m->duration, ns_to_s(s->total_ns));
    observe(m, &m->prompt_len, (double)s->prompt);
    observe(m, &m->output_len, (double)s->output);
    if (!s->first_ns) return;
    observe(m, &m->first_token, ns_to_s(s->first_ns));
    observe(m, &m->queue, ns_to_s(s->queue_ns));
    observe(m, &m->prefill, ns_to_s(s->prefill_ns));
    observe(m, &m->decode, ns_to_s(s->decode_ns));
}

void metrics_inter_token(struct metrics *m, int64_t ns)
{
    observe(m, &m->inter_token, ns_to_s(ns));
}

void metrics_http(struct metrics *m, int route, int status)
{
    int i = 0;
    while (i < METRIC_STATUS - 1 && statuses[i] != status) i++;
    if (route < 0 || route >= METRIC_ROUTES) route = METRIC_ROUTES - 1;
    m->route_status[route][i]++;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP tarn_%s %s\n# TYPE tarn_%s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, uint64_t v, const char *help)
{
    head(out, name, "counter", help);
    buf_printf(out, "tarn_%s %llu\n", name, (unsigned long long)v);
}

static void gauge(struct buf *out, const char *name, double v, const char *help)
{
    head(out, name, "gauge", help);
    buf_printf(out, "tarn_%s %.10g\n", name, v);
}

static void histogram(struct buf *out, const struct metrics *m, const struct histogram *h,
                      const char *name, const char *help)
{
    uint64_t sum = 0;
    head(out, name, "histogram", help);
    for (int i = 0; i < HIST_BUCKETS; i++) {
        sum += h->bucket[i];
        buf_printf(out, "tarn_%s_bucket{le=\"%.10g\"} %llu\n", name, bound(m, h, i),
                   (unsigned long long)sum);
    }
    sum += h->bucket[HIST_BUCKETS];
    buf_printf(out, "tarn_%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)sum);
    buf_printf(out, "tarn_%s_sum %.6f\ntarn_%s_count %llu\n", name, (double)h->sum * 1e-6, name,
               (unsigned long long)sum);
}

static void http_counts(struct buf *out, const struct metrics *m)
{
    head(out, "requests_total", "counter", "HTTP requests by route and status");
    for (int r = 0; r < METRIC_ROUTES; r++)
        for (int i = 0; i < METRIC_STATUS; i++)
            if (m->route_status[r][i])
                buf_printf(out, "tarn_requests_total{route=\"%s\",status=\"%d\"} %llu\n",
                           route_name(r), statuses[i],
                           (unsigned long long)m->route_status[r][i]);
    head(out, "request_finished_total", "counter", "generating requests by how they ended");
    for (int i = 0; i < METRIC_REASONS; i++)
        if (m->reason[i])
            buf_printf(out, "tarn_request_finished_total{reason=\"%s\"} %llu\n", reasons[i],
                       (unsigned long long)m->reason[i]);
}

static void models(struct buf *out, const struct model_set *set)
{
    head(out, "requests_running", "gauge", "requests that get tokens now");
    for (size_t i = 0; i < set->n; i++)
        buf_printf(out, "tarn_requests_running{model=\"%s\"} %d\n", set->slot[i].id,
                   set->slot[i].running);
    head(out, "requests_waiting", "gauge", "requests queued or in prompt processing");
    for (size_t i = 0; i < set->n; i++)
        buf_printf(out, "tarn_requests_waiting{model=\"%s\"} %d\n", set->slot[i].id,
                   set->slot[i].waiting);
    head(out, "model_memory_bytes", "gauge", "planned memory of a model by part");
    for (size_t i = 0; i < set->n; i++) {
        const struct model_meta *m = &set->slot[i].meta;
        const char *const part[] = {"weights", "cache", "scratch"};
        const int64_t bytes[] = {m->mem_weights, m->mem_cache, m->mem_scratch};
        for (int p = 0; p < 3; p++)
            buf_printf(out, "tarn_model_memory_bytes{model=\"%s\",part=\"%s\"} %lld\n",
                       set->slot[i].id, part[p], (long long)bytes[p]);
    }
    bool any = false;
    for (size_t i = 0; i < set->n; i++) {
        double ratio;
        if (!set->slot[i].meta.cache_usage) continue;
        if (!any)
            head(out, "kv_cache_usage_ratio", "gauge", "share of the cache blocks in use");
        any = true;
        ratio = set->slot[i].meta.cache_usage(set->slot[i].meta.cache_ctx);
        buf_printf(out, "tarn_kv_cache_usage_ratio{model=\"%s\"} %.6f\n", set->slot[i].id,
                   ratio);
    }
}

void metrics_write(struct serve *s, struct buf *out)
{
    const struct metrics *m = &s->metrics;
    counter(out, "prompt_tokens_total", m->prompt, "prompt tokens, cached ones included");
    counter(out, "prompt_cache_hit_tokens_total", m->hit, "prompt tokens taken from the cache");
    counter(out, "generation_tokens_total", m->output, "tokens produced, reasoning included");
    counter(out, "reasoning_tokens_total", m->reasoning, "tokens of reasoning");
    counter(out, "cancelled_total", m->cancelled, "requests cancelled or left by the client");
    counter(out, "draft_tokens_total", m->drafted, "drafted tokens");
    counter(out, "draft_accepted_tokens_total", m->accepted,
            "drafted tokens that were accepted");
    http_counts(out, m);
    models(out, &s->models);
    gauge(out, "connections", http_conns(s->http), "open connections");
    gauge(out, "uptime_seconds", ns_to_s(clock_ns() - s->start_ns), "time since the start");
    if (s->ledger) {
        int64_t cost, energy;
        ledger_totals(s->ledger, &cost, &energy);
        head(out, "energy_joules_total", "counter",
             "energy of requests, measured or estimated");
        buf_printf(out, "tarn_energy_joules_total{source=\"%s\"} %.3f\n",
                   ledger_energy_source(s->ledger), (double)energy * 1e-6);
        head(out, "cost_total", "counter", "money billed since the start, in units");
        buf_printf(out, "tarn_cost_total %.12f\n", (double)cost * 1e-12);
    }
    histogram(out, m, &m->first_token, "time_to_first_token_seconds", "arrival to first token");
    histogram(out, m, &m->inter_token, "inter_token_latency_seconds",
              "between tokens of a request");
    histogram(out, m, &m->duration, "request_duration_seconds", "arrival to end");
    histogram(out, m, &m->queue, "queue_seconds", "submit to first step");
    histogram(out, m, &m->prefill, "prefill_seconds", "prompt processing");
    histogram(out, m, &m->decode, "decode_seconds", "first to last token");
    histogram(out, m, &m->prompt_len, "prompt_length_tokens", "tokens per prompt");
    histogram(out, m, &m->output_len, "generation_length_tokens", "tokens per answer");
}
