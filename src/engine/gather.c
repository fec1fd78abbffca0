#include "engine/gather.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/queue.h"
#include "text/detok.h"

enum { TICK_NS = 200000000 };

/* A request in flight. The engine thread fills it and puts it into the queue when its last choice
 * has ended; from then on it is the caller's. */
struct flight {
    struct queue *ended;
    size_t index;
    uint64_t id;
    int n, n_ended;
    size_t cap; /* tokens of a choice */
    struct flight *next, **link;
    struct gathered *got; /* (n) */
    tok_id *ids;          /* (n, cap) */
    float *logprobs;      /* (n, cap) */
};

static bool on_event(void *ctx, const struct gen_event *ev)
{
    struct flight *f = ctx;
    struct gathered *g = &f->got[ev->index];
    if (ev->type == GEN_TOKEN && ev->id != TOK_NONE && g->n < f->cap) {
        g->id[g->n] = ev->id;
        g->logprob[g->n++] = ev->logprob;
        g->n_forced += ev->forced;
    }
    if (ev->type != GEN_DONE && ev->type != GEN_ERROR) return true;
    g->counts = ev->counts;
    g->times = ev->times;
    g->reason = ev->reason;
    g->failed = ev->type == GEN_ERROR;
    if (g->failed) g->err = ev->err;
    if (++f->n_ended == f->n && !queue_put(f->ended, f)) g->failed = true; /* never full */
    return true;
}

static void flight_free(struct flight *f)
{
    if (!f) return;
    mem_free(f->got);
    mem_free(f->ids);
    mem_free(f->logprobs);
    mem_free(f);
}

static struct flight *flight_create(const struct gen_request *r, size_t index, struct err *e)
{
    struct flight *f = mem_calloc(1, sizeof *f);
    if (!f) {
        err_oom(e, "a request", sizeof *f);
        return NULL;
    }
    f->index = index;
    f->n = r->n > 0 ? r->n : 1;
    f->cap = (size_t)r->max_tokens + 1;
    f->got = mem_calloc((size_t)f->n, sizeof *f->got);
    f->ids = mem_calloc((size_t)f->n * f->cap, sizeof *f->ids);
    f->logprobs = mem_calloc((size_t)f->n * f->cap, sizeof *f->logprobs);
    if (!f->got || !f->ids || !f->logprobs) {
        err_oom(e, "a request's tokens", (size_t)f->n * f->cap * 8);
        flight_free(f);
        return NULL;
    }
    for (int i = 0; i < f->n; i++) {
        f->got[i].id = f->ids + (size_t)i * f->cap;
        f->got[i].logprob = f->logprobs + (size_t)i * f->cap;
    }
    return f;
}

struct run {
    const struct gather *g;
    struct queue ended;
    struct flight *flying;
    int n_flying; /* choices */
};

static void land(struct run *run, struct flight *f)
{
    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    run->n_flying -= f->n;
}

/* 1 when the engine has no room now. A refusal is the request's own failure. */
static int launch(struct run *run, const struct gen_request *r, size_t i, struct err *e)
{
    int64_t n_ctx = engine_as_iface(run->g->engine)->n_ctx(run->g->engine);
    struct gen_request own = *r;
    if (own.max_tokens < 0 || own.max_tokens > n_ctx) own.max_tokens = n_ctx;
    struct flight *f = flight_create(&own, i, e);
    if (!f) return -1;
    struct err why;
    f->ended = &run->ended;
    own.fn = on_event;
    own.ctx = f;
    if (engine_submit(run->g->engine, &own, &f->id, &why)) {
        bool busy = why.code == ERR_BUSY && run->n_flying > 0;
        for (int k = 0; k < f->n; k++) {
            f->got[k].failed = true;
            f->got[k].err = why;
        }
        int rc = busy ? 1 : run->g->done(run->g->ctx, i, f->got, e);
        flight_free(f);
        return rc;
    }
    run->n_flying += f->n;
    f->next = run->flying;
    f->link = &run->flying;
    if (f->next) f->next->link = &f->next;
    run->flying = f;
    return 0;
}

int gather_run(const struct gather *g, const struct gen_request *r, size_t n, struct err *e)
{
    struct run run = {.g = g};
    size_t next = 0;
    int rc = 0;
    if (n == 0) return 0;
    if (queue_init(&run.ended, n, e)) return -1;
    while (rc == 0 && (next < n || run.flying)) {
        int more = 0;
        while (rc == 0 && more == 0 && next < n &&
               (run.n_flying == 0 ||
                run.n_flying + (r[next].n > 0 ? r[next].n : 1) <= g->in_flight)) {
            more = launch(&run, &r[next], next, e);
            if (more < 0) rc = -1;
            if (more == 0) next++;
        }
        if (rc || !run.flying) continue;
        struct flight *f = queue_get_for(&run.ended, TICK_NS);
        if (f) {
            land(&run, f);
            rc = g->done(g->ctx, f->index, f->got, e);
            flight_free(f);
        }
        if (rc == 0 && g->tick) rc = g->tick(g->ctx, e);
    }
    for (struct flight *f = run.flying; f; f = f->next) engine_cancel(g->engine, f->id);
    while (run.flying) {
        struct flight *f = queue_get(&run.ended);
        land(&run, f);
        flight_free(f);
    }
    queue_release(&run.ended);
    return rc;
}

void gather_text(const struct vocab *v, const struct gathered *got, struct buf *out)
{
    struct detok d;
    detok_init(&d, v, true, false);
    for (size_t i = 0; i < got->n; i++) {
        bool ends = i + 1 == got->n && got->reason == GEN_STOP_EOS;
        if (!ends) detok_feed(&d, got->id[i], out);
    }
    detok_flush(&d, out);
}
