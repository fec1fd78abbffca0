/* generate.c - see generate.h: admission, the engine's events, time, the HTTP side, the bill.
 *
 * References: one for the HTTP request (until its release), one per submitted prompt (until its
 * DONE or ERROR), one per job on a worker. Lock order: http's live_lock, g->lock, http's request
 * lock; s->lock is taken alone. The engine is never called with g->lock held.
 */
#include "serve/generate.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/generate_int.h"

enum { PARTS_IN_FLIGHT = 16 };

static bool on_event(void *ctx, const struct gen_event *ev);
static void submit_more(void *ctx);
static void finish_plain(void *ctx);

void gen_new_id(const char *prefix, char out[48])
{
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    random_text(out + n, 24);
}

void gen_input_free(struct gen_input *in, size_t n)
{
    for (size_t i = 0; i < n; i++) tok_list_release(&in[i].prompt);
    mem_free(in);
}

static void gen_free(struct gen *g)
{
    if (g->sink.release) g->sink.release(g->sink.ctx);
    for (size_t i = 0; g->choice && i < g->n_choice; i++) {
        struct gchoice *c = &g->choice[i];
        reply_parser_free(c->parser);
        buf_release(&c->reasoning);
        buf_release(&c->args);
    }
    mem_free(g->choice);
    mem_free(g->part);
    gen_input_free(g->in, g->n_part);
    ask_free(g->k);
    buf_release(&g->fresh);
    buf_release(&g->records);
    buf_release(&g->body);
    buf_release(&g->pend_text);
    mem_free(g->lp);
    mem_free(g->alt);
    tok_list_release(&g->ids);
    pthread_mutex_destroy(&g->lock);
    atomic_fetch_sub(&g->m->users, 1);
    mem_free(g);
}

static void unref(struct gen *g)
{
    pthread_mutex_lock(&g->lock);
    bool last = --g->refs == 0;
    pthread_mutex_unlock(&g->lock);
    if (last) gen_free(g);
}

static void register_gen(struct gen *g)
{
    struct serve *s = g->s;
    pthread_mutex_lock(&s->lock);
    g->next = s->gens;
    if (s->gens) s->gens->prev = g;
    s->gens = g;
    s->n_gens++;
    pthread_mutex_unlock(&s->lock);
}

static void unregister_gen(struct gen *g)
{
    struct serve *s = g->s;
    pthread_mutex_lock(&s->lock);
    if (g->prev)
        g->prev->next = g->next;
    else
        s->gens = g->next;
    if (g->next) g->next->prev = g->prev;
    s->n_gens--;
    pthread_mutex_unlock(&s->lock);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

/* Marks and tells the engine; the first reason stays. */
static void cancel(struct gen *g, const char *reason)
{
    uint64_t few[PARTS_IN_FLIGHT * 2];
    size_t n = 0;
    pthread_mutex_lock(&g->lock);
    if (!g->cancelled) {
        g->cancelled = true;
        g->cancel_reason = reason;
    }
    for (size_t i = 0; i < g->next_part && n < countof(few); i++)
        if (g->part[i].submitted && !g->part[i].ended) few[n++] = g->part[i].engine_id;
    pthread_mutex_unlock(&g->lock);
    for (size_t i = 0; i < n; i++) g->en->cancel(g->en->self, few[i]);
}

/* ---- the end --------------------------------------------------------------------------------- */

static const char *bill_reason(struct gen *g)
{
    if (g->failed) return "error";
    if (g->cancelled) return g->cancel_reason;
    return g->n_choice ? gen_finish_reason(g, &g->choice[0]) : "stop";
}

/* All prompts have ended: closes the usage record, once. Not under the lock. */
static void close_account(struct gen *g)
{
    struct serve *s = g->s;
    pthread_mutex_lock(&g->lock);
    bool first = !g->closed;
    g->closed = true;
    pthread_mutex_unlock(&g->lock);
    if (!first) return;
    const char *reason = bill_reason(g);
    int64_t now = clock_ns();
    if (g->run) ledger_end(s->ledger, g->run, reason);
    g->run = NULL;
    if (g->admitted) {
        limit_release(s->limiter, g->key_id);
        limit_spend(s->limiter, g->key_id, g->sum.miss + g->sum.output);
    }
    atomic_fetch_sub(g->got_first ? &g->m->running : &g->m->waiting, 1);
    metrics_request(&s->metrics, &(struct metrics_sample){
                                     .prompt = g->sum.hit + g->sum.miss,
                                     .hit = g->sum.hit,
                                     .output = g->sum.output,
                                     .reasoning = g->sum.reasoning,
                                     .drafted = g->choice[0].counts.draft_tokens,
                                     .accepted = g->choice[0].counts.draft_accepted,
                                     .queue_ns = g->choice[0].times.queue_ns,
                                     .prefill_ns = g->choice[0].times.prefill_ns,
                                     .decode_ns = g->choice[0].times.decode_ns,
                                     .first_ns = g->first_ns ? g->first_ns - g->start_ns : 0,
                                     .total_ns = now - g->start_ns,
                                     .reason = reason,
                                 });
    log_info("gen",
             "%s %s %s: prompt %lld (cached %lld), completion %lld (reasoning %lld), %s, "
             "first token %.0f ms, total %.0f ms",
             g->req ? http_id(g->req) : g->id, g->route, g->m->id,
             (long long)(g->sum.hit + g->sum.miss), (long long)g->sum.hit,
             (long long)g->sum.output, (long long)g->sum.reasoning, reason,
             g->first_ns ? (double)(g->first_ns - g->start_ns) * 1e-6 : 0.0,
             (double)(now - g->start_ns) * 1e-6);
    unregister_gen(g);
}

/* ---- engine side ----------------------------------------------------------------------------- */

static void put_rec(struct gen *g, const struct gen_event *ev, enum rec_type type, int choice)
{
    static const char zero[8];
    struct rec r = {.type = (uint8_t)type, .choice = choice};
    if (!g->req || g->gone) return; /* nobody reads */
    if (type == REC_TOKEN) {
        r.thinking = ev->thinking;
        r.prompt = ev->type == GEN_PROMPT_TOKEN;
        r.id = ev->id;
        r.logprob = ev->logprob;
        r.n_top = ev->top && ev->n_top > 0 ? (uint32_t)ev->n_top : 0;
        r.n_text = (uint32_t)ev->text.n;
    }
    buf_add(&g->fresh, &r, sizeof r);
    if (r.n_top) buf_add(&g->fresh, ev->top, r.n_top * sizeof *ev->top);
    if (r.n_text) buf_add(&g->fresh, ev->text.p, r.n_text);
    buf_add(&g->fresh, zero, -g->fresh.len & 7);
}

/* Moves the sums by what changed for this choice and its prompt. The prompt of several choices is
 * counted once, as the first of them saw it. */
static void count(struct gen *g, struct gpart *p, struct gchoice *c, const struct gen_event *ev)
{
    const struct gen_counts *n = &ev->counts;
    int64_t done = ev->type == GEN_PROGRESS ? n->prompt_done : n->prompt_tokens;
    int64_t miss = done > n->cached_tokens ? done - n->cached_tokens : 0;
    if (ev->index == 0 && n->cached_tokens > p->hit) {
        g->sum.hit += n->cached_tokens - p->hit;
        p->hit = n->cached_tokens;
    }
    if (ev->index == 0 && miss > p->miss) {
        g->sum.miss += miss - p->miss;
        p->miss = miss;
    }
    g->sum.output += n->completion_tokens - c->counts.completion_tokens;
    g->sum.reasoning += n->reasoning_tokens - c->counts.reasoning_tokens;
    c->counts = *n;
    if (g->run) meter_count(g->run, &g->sum);
}

static void first_token(struct gen *g, int64_t now)
{
    g->got_first = true;
    g->first_ns = now;
    atomic_fetch_sub(&g->m->waiting, 1);
    atomic_fetch_add(&g->m->running, 1);
}

/* Under the lock. */
static void take_event(struct gen *g, struct gpart *p, const struct gen_event *ev)
{
    int index = ev->index >= 0 && ev->index < g->k->n ? ev->index : 0;
    int choice = (int)p->index * g->k->n + index;
    struct gchoice *c = &g->choice[choice];
    int64_t now = clock_ns();
    switch (ev->type) {
    case GEN_START: break;
    case GEN_PROGRESS:
        g->began = true;
        if (!g->begin_ns) g->begin_ns = now;
        count(g, p, c, ev);
        g->progress = ev->counts;
        if (g->k->progress) put_rec(g, ev, REC_PROGRESS, choice);
        break;
    case GEN_PROMPT_TOKEN:
        g->began = true;
        put_rec(g, ev, REC_TOKEN, choice);
        break;
    case GEN_TOKEN:
        g->began = true;
        if (!g->got_first) first_token(g, now);
        if (g->last_ns) metrics_inter_token(&g->s->metrics, now - g->last_ns);
        g->last_ns = now;
        count(g, p, c, ev);
        put_rec(g, ev, REC_TOKEN, choice);
        break;
    case GEN_DONE:
        if (c->done) break;
        count(g, p, c, ev);
        c->done = true;
        c->reason = ev->reason;
        c->times = ev->times;
        c->n_stop = ev->stop_string.n < sizeof c->stop_string ? ev->stop_string.n : 0;
        if (c->n_stop) memcpy(c->stop_string, ev->stop_string.p, c->n_stop);
        g->n_done++;
        p->n_done++;
        put_rec(g, ev, REC_DONE, choice);
        if (p->n_done == g->k->n) p->ended = true;
        break;
    case GEN_ERROR:
        if (!g->failed) {
            g->failed = true;
            api_from_err(&g->fail, &ev->err);
        }
        if (!g->cancelled) g->cancel_reason = "error";
        g->cancelled = true; /* the request's other prompts end with it */
        if (c->done) break;
        c->done = true;
        put_rec(g, ev, REC_ERROR, choice);
        if (++p->n_done == g->k->n) p->ended = true;
        break;
    }
}

/* Under the lock: tells the io thread, or a worker when a plain answer is complete. */
static void announce(struct gen *g, bool all_ended)
{
    if (!g->req) return;
    if (g->is_stream) {
        http_wake(g->req);
        return;
    }
    if (!all_ended || g->work_queued) return;
    g->work_queued = true;
    g->refs++;
    if (http_defer(g->s->http, finish_plain, g)) return;
    g->refs--;
    struct api_err a;
    api_fail(&a, 503, "overloaded", NULL, "the server is shutting down");
    if (!g->sent_headers) api_err_reply(g->req, &a, g->sink.style);
}

static bool on_event(void *ctx, const struct gen_event *ev)
{
    struct gpart *p = ctx;
    struct gen *g = p->g;
    pthread_mutex_lock(&g->lock);
    bool was_ended = p->ended;
    take_event(g, p, ev);
    bool ended = p->ended && !was_ended;
    if (ended) g->in_flight--;
    if (g->fresh.failed && !g->cancelled) {
        g->cancelled = true;
        g->cancel_reason = "slow_reader";
        g->gone = true;
    }
    bool stop = g->cancelled || g->failed;
    bool all = g->in_flight == 0 && (g->next_part == g->n_part || stop);
    bool more = ended && !all && !stop && g->next_part < g->n_part;
    if (more) {
        g->refs++;
        if (!http_defer(g->s->http, submit_more, g)) {
            g->refs--;
            g->cancelled = true;
            g->cancel_reason = "shutdown";
            all = g->in_flight == 0;
        }
    }
    bool keep_going = !g->cancelled;
    pthread_mutex_unlock(&g->lock);
    if (ended && all) close_account(g);
    pthread_mutex_lock(&g->lock);
    announce(g, all && ended);
    pthread_mutex_unlock(&g->lock);
    if (ended) unref(g);
    return keep_going;
}

static int64_t think_budget(const struct gen *g, int64_t max_tokens)
{
    if (g->k->budget >= 0) return g->k->budget;
    switch (g->k->effort) {
    case EFFORT_LOW: return max_tokens / 4;
    case EFFORT_DEFAULT:
    case EFFORT_HIGH: return max_tokens - max_tokens / 4;
    case EFFORT_MAX: break;
    }
    return -1;
}

static uint64_t cache_group(const struct gen *g)
{
    if (!g->k->cache) return random_u64();
    if (g->s->o.share_cache) return 0;
    return hash64(g->k->user_id.p ? g->k->user_id.p : "", g->k->user_id.n, (uint64_t)g->key_id);
}

static int submit_part(struct gen *g, size_t i, struct err *e)
{
    struct ask *k = g->k;
    const struct gen_input *in = &g->in[i];
    int64_t left = g->en->n_ctx(g->en->self) - (int64_t)in->prompt.n;
    int64_t max = k->max_tokens < 0 || k->max_tokens > left ? left : k->max_tokens;
    struct gen_request r = {
        .prompt = in->prompt.id,
        .n_prompt = (int64_t)in->prompt.n,
        .n = k->n,
        .max_tokens = max,
        .sampling = k->sampling,
        .thinking = {.starts_inside = in->starts_inside, .budget = -1},
        .stop = k->stop,
        .n_stop = k->n_stop,
        .constraint = k->constraint,
        .schema = k->schema,
        .ignore_eos = k->b.ignore_eos.set && k->b.ignore_eos.v,
        .cache_group = cache_group(g),
        .no_snapshot = !k->cache,
        .priority = k->priority,
        .fn = on_event,
        .ctx = &g->part[i],
    };
    if (k->thinking && !k->prompt) {
        int64_t budget = think_budget(g, max);
        r.thinking.budget = budget > INT32_MAX ? INT32_MAX : (int)budget;
        r.thinking.detect_loops = k->detect_loops;
    }
    /* n streams of one request differ by their index; several prompts by theirs. */
    r.sampling.seed += (uint64_t)i * 0x9e3779b97f4a7c15u;
    r.sampling.prompt_logprobs = k->echo;
    pthread_mutex_lock(&g->lock);
    g->refs++;
    g->in_flight++;
    pthread_mutex_unlock(&g->lock);
    uint64_t id = 0;
    int rc = g->en->submit(g->en->self, &r, &id, e);
    pthread_mutex_lock(&g->lock);
    g->part[i].engine_id = id;
    g->part[i].submitted = rc == 0;
    if (rc) {
        g->refs--;
        g->in_flight--;
        g->part[i].ended = true;
    }
    bool stop = rc == 0 && g->cancelled;
    pthread_mutex_unlock(&g->lock);
    if (stop) g->en->cancel(g->en->self, id);
    return rc;
}

/* On a worker: the next prompts of a request with many. */
static void submit_more(void *ctx)
{
    struct gen *g = ctx;
    struct err e = {0};
    for (;;) {
        pthread_mutex_lock(&g->lock);
        bool go = !g->cancelled && !g->failed && g->next_part < g->n_part &&
                  g->in_flight < PARTS_IN_FLIGHT;
        size_t i = go ? g->next_part++ : 0;
        pthread_mutex_unlock(&g->lock);
        if (!go) break;
        if (submit_part(g, i, &e) == 0) continue;
        pthread_mutex_lock(&g->lock);
        bool full = e.code == ERR_BUSY && g->in_flight > 0;
        if (full) {
            g->next_part--; /* the engine's queue is full of others: again when one of ours ends */
            g->part[i].ended = false;
        } else if (!g->failed) {
            g->failed = true;
            api_from_err(&g->fail, &e);
        }
        bool all = !full && g->in_flight == 0;
        pthread_mutex_unlock(&g->lock);
        if (all) {
            close_account(g);
            pthread_mutex_lock(&g->lock);
            announce(g, true);
            pthread_mutex_unlock(&g->lock);
        }
        break;
    }
    unref(g);
}

/* ---- HTTP side ------------------------------------------------------------------------------- */

static enum http_pull pull(void *ctx, struct buf *out)
{
    struct gen *g = ctx;
    pthread_mutex_lock(&g->lock);
    bool keep_alive = g->want_keep_alive;
    g->want_keep_alive = false;
    bool ready = g->body_ready;
    pthread_mutex_unlock(&g->lock);
    enum http_pull rc = HTTP_WAIT;
    size_t before = out->len;
    if (g->is_stream) {
        if (gen_consume(g, out)) rc = HTTP_END;
        if (rc == HTTP_WAIT && out->len == before && keep_alive)
            g->sink.keep_alive(g->sink.ctx, out);
    } else if (ready) {
        buf_add_span(out, buf_span(&g->body));
        rc = HTTP_END;
    } else if (keep_alive) {
        buf_add_char(out, '\n');
    }
    if (out->len > before) {
        pthread_mutex_lock(&g->lock);
        g->last_out_ns = clock_ns();
        pthread_mutex_unlock(&g->lock);
    }
    return rc;
}

/* On a worker: everything has ended; writes the plain answer. */
static void finish_plain(void *ctx)
{
    struct gen *g = ctx;
    struct buf body;
    buf_init(&body, (size_t)1 << 30);
    gen_consume(g, &body);
    pthread_mutex_lock(&g->lock);
    bool failed = g->failed;
    if (body.failed && !failed) {
        failed = g->failed = true;
        api_fail(&g->fail, 500, "internal_error", NULL, "the answer is larger than 1 GiB");
    }
    if (g->req && !g->sent_headers) {
        g->sent_headers = true;
        if (failed)
            api_err_reply(g->req, &g->fail, g->sink.style);
        else
            http_reply(g->req, 200, "application/json", buf_span(&body));
    } else if (g->req) {
        if (failed) {
            buf_clear(&body);
            api_err_write(&g->fail, g->sink.style, NULL, &body);
        }
        buf_release(&g->body);
        g->body = body;
        buf_init(&body, 0);
        g->body_ready = true;
        http_wake(g->req);
    }
    pthread_mutex_unlock(&g->lock);
    buf_release(&body);
    unref(g);
}

static void gone(void *ctx)
{
    struct gen *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->gone = true;
    pthread_mutex_unlock(&g->lock);
    cancel(g, "disconnected");
}

static void tick(void *ctx, int64_t now)
{
    struct gen *g = ctx;
    const struct serve_opts *o = &g->s->o;
    const char *stop = NULL;
    pthread_mutex_lock(&g->lock);
    if (!g->closed && !g->cancelled) {
        if (!g->began && now - g->start_ns > (int64_t)o->start_limit_s * 1000000000) {
            stop = "timeout";
            if (!g->failed)
                api_fail(&g->fail, 503, "overloaded", NULL,
                         "the request waited %d s and was not begun; try again later",
                         o->start_limit_s);
            g->fail.retry_after_s = 10;
            g->failed = true;
        } else if (now - g->start_ns > (int64_t)o->time_limit_s * 1000000000) {
            stop = "insufficient_system_resource";
        }
    }
    if (g->req && g->sent_headers && !g->body_ready) {
        if (now - g->last_out_ns >= (int64_t)o->keep_alive_s * 1000000000) {
            g->want_keep_alive = true;
            http_wake(g->req);
        }
    } else if (g->req && !g->is_stream && !g->work_queued &&
               now - g->start_ns >= (int64_t)o->hold_s * 1000000000) {
        /* Status and headers now, white space while it lasts, the JSON at the end. */
        g->sent_headers = true;
        g->want_keep_alive = true;
        g->last_out_ns = now;
        http_stream(g->req, 200, "application/json", NULL);
    }
    pthread_mutex_unlock(&g->lock);
    if (stop) cancel(g, stop);
}

static void release(void *ctx)
{
    struct gen *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->req = NULL;
    g->gone = true;
    bool running = !g->closed;
    pthread_mutex_unlock(&g->lock);
    if (running) cancel(g, "disconnected");
    unref(g);
}

/* ---- admission ------------------------------------------------------------------------------- */

static int check_context(struct gen *g, struct api_err *a)
{
    int64_t n_ctx = g->en->n_ctx(g->en->self);
    for (size_t i = 0; i < g->n_part; i++) {
        int64_t n = (int64_t)g->in[i].prompt.n,
                want = g->k->max_tokens > 0 ? g->k->max_tokens : 0;
        if (n == 0)
            return api_fail(a, 400, "invalid_parameter", "prompt", "the prompt has no tokens");
        if (n < n_ctx || (n == n_ctx && g->k->max_tokens == 0)) continue;
        if (g->sink.style == STYLE_ANTHROPIC)
            api_fail(a, 400, NULL, NULL, "prompt is too long: %lld tokens > %lld maximum",
                     (long long)n, (long long)n_ctx - 1);
        else
            api_fail(
                a, 400, "context_length_exceeded", g->k->prompt ? "prompt" : "messages",
                "This model's maximum context length is %lld tokens. However, you requested "
                "%lld tokens (%lld in the %s, %lld in the completion). Please shorten it.",
                (long long)n_ctx, (long long)(n + want), (long long)n,
                g->k->prompt ? "prompt" : "messages", (long long)want);
        a->n_prompt = n;
        a->n_ctx = n_ctx;
        return -1;
    }
    return 0;
}

static int admit(struct gen *g, const struct caller *who, struct api_err *a)
{
    struct serve *s = g->s;
    int64_t prompt = 0, most = 0, n_ctx = g->en->n_ctx(g->en->self);
    for (size_t i = 0; i < g->n_part; i++) {
        int64_t n = (int64_t)g->in[i].prompt.n, left = n_ctx - n;
        prompt += n;
        most += (g->k->max_tokens < 0 || g->k->max_tokens > left ? left : g->k->max_tokens) *
                g->k->n;
    }
    if (s->draining) {
        api_fail(a, 503, "overloaded", NULL, "the server is shutting down");
        a->retry_after_s = 5;
        return -1;
    }
    if (g->m->waiting >= s->o.max_queue) {
        api_fail(a, 503, "overloaded", NULL,
                 "%d requests wait for %s already, which is the limit; try again soon",
                 (int)g->m->waiting, g->m->id);
        a->retry_after_s = 2;
        return -1;
    }
    if (limit_admit(s->limiter, who->has_key ? &who->key : NULL, prompt, a)) return -1;
    g->admitted = true;
    if (!s->ledger) return 0;
    struct usage_rec u = {.key_id = g->key_id,
                          .user = ledger_user_hash(s->ledger, g->k->user_id),
                          .start_ms = clock_wall_ms(),
                          .n = {.miss = prompt, .output = most}};
    struct err e = {0};
    snprintf(u.id, sizeof u.id, "%s", http_id(g->req));
    snprintf(u.model, sizeof u.model, "%s", g->m->id);
    snprintf(u.route, sizeof u.route, "%s", g->route);
    if (ledger_begin(s->ledger, &g->run, &u, who->has_key ? &who->key : NULL, &e) == 0)
        return 0;
    limit_release(s->limiter, g->key_id);
    g->admitted = false;
    return api_from_err(a, &e);
}

/* The whole start; on failure nothing runs and the caller answers with *a. */
static int begin(struct gen *g, const struct caller *who, struct api_err *a)
{
    struct err e = {0};
    if (check_context(g, a) || admit(g, who, a)) return -1;
    atomic_fetch_add(&g->m->waiting, 1);
    register_gen(g);
    g->next_part = 1;
    if (submit_part(g, 0, &e)) {
        api_from_err(a, &e);
        if (e.code == ERR_CONTEXT) a->n_ctx = g->en->n_ctx(g->en->self);
        pthread_mutex_lock(&g->lock);
        g->failed = true;
        pthread_mutex_unlock(&g->lock);
        close_account(g);
        return -1;
    }
    if (g->n_part > 1) {
        pthread_mutex_lock(&g->lock);
        g->refs++;
        pthread_mutex_unlock(&g->lock);
        submit_more(g);
    }
    return 0;
}

static struct gen *gen_create(struct serve *s, struct http_req *r, struct ask *k,
                              struct gen_input *in, size_t n, const struct gen_sink *sink)
{
    struct gen *g = mem_calloc(1, sizeof *g);
    if (!g) return NULL;
    pthread_mutex_init(&g->lock, NULL);
    g->s = s;
    g->req = r;
    g->k = k;
    g->in = in;
    g->n_part = n;
    g->sink = *sink;
    g->m = k->model;
    atomic_fetch_add(&g->m->users, 1);
    g->refs = 1;
    g->start_ns = g->last_out_ns = clock_ns();
    g->is_stream = k->stream;
    g->n_choice = n * (size_t)k->n;
    buf_init(&g->fresh, GEN_MAX_PENDING);
    buf_init(&g->records, GEN_MAX_PENDING);
    buf_init(&g->pend_text, (size_t)1 << 30);
    g->part = mem_calloc(n, sizeof *g->part);
    g->choice = mem_calloc(g->n_choice, sizeof *g->choice);
    for (size_t i = 0; g->part && i < n; i++) g->part[i] = (struct gpart){.g = g, .index = i};
    for (size_t i = 0; g->choice && i < g->n_choice; i++) {
        buf_init(&g->choice[i].reasoning, 64 << 20);
        buf_init(&g->choice[i].args, 64 << 20);
    }
    return g;
}

void gen_run(struct serve *s, struct http_req *r, struct ask *k, struct gen_input *in, size_t n,
             const struct gen_sink *sink, const char *id, const char *route)
{
    struct api_err a;
    const struct caller *who = caller_of(r);
    struct gen *g = gen_create(s, r, k, in, n, sink);
    if (!g || !g->part || !g->choice) {
        api_fail(&a, 503, "insufficient_memory", NULL, "no memory for the request");
        api_err_reply(r, &a, sink->style);
        if (g) gen_free(g);
        return;
    }
    g->en = model_engine(g->m, &a);
    g->render = g->m->render;
    g->key_id = who->key.id;
    snprintf(g->id, sizeof g->id, "%s", id);
    snprintf(g->route, sizeof g->route, "%s", route);
    if (!g->en) {
        api_err_reply(r, &a, sink->style);
        gen_free(g);
        return;
    }
    g->vocab = g->en->vocab(g->en->self);
    const struct http_source src = {g, pull, gone, tick, release};
    pthread_mutex_lock(&g->lock);
    g->refs++; /* ours, until this function ends */
    pthread_mutex_unlock(&g->lock);
    /* Headers first: after the hold the request may vanish at any time. */
    if (g->is_stream) {
        http_set_header(r, "Cache-Control", "no-cache");
        http_set_header(r, "X-Accel-Buffering", "no");
    }
    http_hold(r, &src);
    int rc = begin(g, who, &a);
    pthread_mutex_lock(&g->lock);
    if (g->req && rc) {
        g->sent_headers = true;
        api_err_reply(g->req, &a, sink->style);
    } else if (g->req && g->is_stream) {
        g->sent_headers = true;
        http_stream(g->req, 200, "text/event-stream", NULL);
    }
    pthread_mutex_unlock(&g->lock);
    unref(g);
}

/* ---- control and looking in ------------------------------------------------------------------ */

/* The running request with this id and key, with a reference, or NULL. */
static struct gen *find(struct serve *s, struct span id, int64_t key_id)
{
    struct gen *g;
    pthread_mutex_lock(&s->lock);
    for (g = s->gens; g; g = g->next)
        if (span_is(id, g->id) && g->key_id == key_id) break;
    if (g) {
        pthread_mutex_lock(&g->lock);
        g->refs++;
        pthread_mutex_unlock(&g->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return g;
}

bool gen_control(struct serve *s, struct span id, int64_t key_id, bool stop)
{
    struct gen *g = find(s, id, key_id);
    if (!g) return false;
    if (stop) {
        cancel(g, "cancelled");
    } else {
        for (size_t i = 0; i < g->next_part; i++)
            if (g->part[i].submitted) g->en->end_thinking(g->en->self, g->part[i].engine_id);
    }
    unref(g);
    return true;
}

void gen_cancel_all(struct serve *s)
{
    for (;;) {
        struct gen *g;
        pthread_mutex_lock(&s->lock);
        for (g = s->gens; g; g = g->next) {
            pthread_mutex_lock(&g->lock);
            bool fresh = !g->cancelled;
            if (fresh) g->refs++;
            pthread_mutex_unlock(&g->lock);
            if (fresh) break;
        }
        pthread_mutex_unlock(&s->lock);
        if (!g) return;
        cancel(g, "insufficient_system_resource");
        unref(g);
    }
}

void gen_slots_json(struct serve *s, struct buf *out)
{
    int i = 0;
    int64_t now = clock_ns();
    pthread_mutex_lock(&s->lock);
    buf_add_char(out, '[');
    for (struct gen *g = s->gens; g; g = g->next, i++) {
        pthread_mutex_lock(&g->lock);
        const char *state = !g->began ? "waiting" : !g->got_first ? "prefill" : "decode";
        double s_run = g->first_ns ? ns_to_s(now - g->first_ns) : 0;
        buf_printf(out,
                   "%s{\"id\":%d,\"is_processing\":%s,\"state\":\"%s\",\"n_ctx\":%lld,"
                   "\"n_prompt\":%zu,\"n_past\":%lld,\"n_decoded\":%lld,"
                   "\"tokens_per_second\":%.2f,\"request_id\":\"%s\",\"model\":",
                   i ? "," : "", i, g->began ? "true" : "false", state,
                   (long long)g->en->n_ctx(g->en->self), g->in[0].prompt.n,
                   (long long)(g->sum.hit + g->sum.miss + g->sum.output),
                   (long long)g->sum.output, s_run > 0 ? (double)g->sum.output / s_run : 0.0,
                   g->id);
        pthread_mutex_unlock(&g->lock);
        buf_add_json(out, span_of(g->m->id));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    pthread_mutex_unlock(&s->lock);
}
