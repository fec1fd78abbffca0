#include "rl/rollout.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

enum { TEXT_MAX = 16 << 20, STREAM_SAMPLE = 0x73616d70 };

uint64_t prompt_hash(const tok_id *id, size_t n)
{
    return hash64(id, n * sizeof *id, 0);
}

int group_create(struct group *g, size_t n, struct err *e)
{
    *g = (struct group){.n = n};
    problem_init(&g->problem);
    g->r = mem_calloc(n, sizeof *g->r);
    if (!g->r) return err_oom(e, "a group of answers", n * sizeof *g->r);
    for (size_t i = 0; i < n; i++) {
        buf_init(&g->r[i].text, TEXT_MAX);
        buf_init(&g->r[i].answer, TEXT_MAX);
    }
    return 0;
}

void group_release(struct group *g)
{
    for (size_t i = 0; g->r && i < g->n; i++) {
        buf_release(&g->r[i].text);
        buf_release(&g->r[i].answer);
        mem_free(g->r[i].id);
        mem_free(g->r[i].logp);
    }
    mem_free(g->r);
    problem_release(&g->problem);
    tok_list_release(&g->prompt);
    *g = (struct group){0};
}

int rollout_prompt(struct group *g, struct problem_source *s, uint64_t index,
                   const struct vocab *v, const struct rollout_opts *o, struct err *e)
{
    struct chat_msg msg[2];
    struct buf text;
    size_t n = 0;
    int rc = -1;
    buf_init(&text, TEXT_MAX);
    if (problem_make(s, index, &g->problem, e)) goto out;
    buf_add_span(&text, buf_span(&g->problem.prompt));
    if (o->instructions) buf_printf(&text, "\n\n%s", problem_source_instructions(s));
    if (buf_ok(&text, "a prompt", e)) goto out;
    if (o->system && *o->system)
        msg[n++] = (struct chat_msg){.role = CHAT_SYSTEM, .content = span_of(o->system)};
    msg[n++] = (struct chat_msg){.role = CHAT_USER, .content = buf_span(&text)};
    struct chat_opts co = {.add_generation_prompt = true};
    g->prompt.n = 0;
    if (o->chat == CHAT_RAW)
        rc = vocab_encode(v, buf_span(&text), false, true, &g->prompt, e);
    else
        rc = chat_render_ids(v, o->chat, msg, n, &co, &g->prompt, &g->inside, e);
    if (rc == 0 && (int64_t)g->prompt.n > o->max_prompt)
        rc =
            err_set(e, ERR_CONTEXT, "%s: its prompt has %zu tokens, rollout.max_prompt is %lld",
                    g->problem.id, g->prompt.n, (long long)o->max_prompt);
    g->hash = prompt_hash(g->prompt.id, g->prompt.n);
out:
    buf_release(&text);
    return rc;
}

/* ---- answers ------------------------------------------------------------------------------- */

struct run {
    struct group *g;
    const struct vocab *v;
    const struct rollout_opts *o;
    const volatile int *stop;
    struct problem_verdict verdict;
    struct rollout_times *t;
};

static struct span thinking_of(const struct buf *text)
{
    struct span s = buf_span(text);
    size_t end = span_find(s, 0, span_of("</think>"));
    return (struct span){s.p, end == (size_t)-1 ? s.n : end};
}

static int take(struct run *run, struct group *g, struct rollout *r, const struct gathered *got,
                struct err *e)
{
    struct problem_verdict *v = &run->verdict;
    r->n = got->n;
    r->n_think = (size_t)got->counts.reasoning_tokens;
    r->id = mem_alloc(got->n * sizeof *r->id);
    r->logp = mem_alloc(got->n * sizeof *r->logp);
    if (!r->id || !r->logp) return err_oom(e, "an answer", got->n * 8);
    memcpy(r->id, got->id, got->n * sizeof *r->id);
    memcpy(r->logp, got->logprob, got->n * sizeof *r->logp);
    r->finish = got->reason;
    r->truncated = got->reason == GEN_STOP_LENGTH;
    gather_text(run->v, got, &r->text);
    int64_t t0 = clock_ns();
    problem_check(&g->problem, buf_span(&r->text), g->inside, run->o->mode, v);
    run->t->check_ns += clock_ns() - t0;
    r->answered = v->answered;
    memcpy(r->reason, v->reason, sizeof r->reason);
    buf_add_span(&r->answer, buf_span(&v->answer));
    struct reward_in in = {.score = v->score,
                           .errored = v->errored,
                           .tagged = v->tagged,
                           .truncated = r->truncated,
                           .n_token = (int64_t)r->n,
                           .thinking = thinking_of(&r->text)};
    r->reward = reward_of(&run->o->reward, &in);
    run->t->tokens += (int64_t)r->n;
    run->t->prompt_tokens += got->counts.prompt_tokens;
    run->t->cached_tokens += got->counts.cached_tokens;
    return buf_ok(&r->text, "an answer", e);
}

static int on_done(void *ctx, size_t request, struct gathered *got, struct err *e)
{
    struct run *run = ctx;
    struct group *g = &run->g[request];
    for (size_t i = 0; i < g->n; i++) {
        if (got[i].failed) {
            if (e) *e = got[i].err;
            return err_wrap(e, "%s", g->problem.id);
        }
        if (take(run, g, &g->r[i], &got[i], e)) return -1;
    }
    return 0;
}

static int on_tick(void *ctx, struct err *e)
{
    const struct run *run = ctx;
    return run->stop && *run->stop ? err_set(e, ERR_CANCELLED, "interrupted") : 0;
}

int rollout_run(struct group *g, size_t n, struct engine *en, const struct vocab *v,
                const struct rollout_opts *o, const volatile int *stop, struct rollout_times *t,
                struct err *e)
{
    struct run run = {.g = g, .v = v, .o = o, .stop = stop, .t = t};
    struct gen_request *r = mem_calloc(n, sizeof *r);
    int64_t t0 = clock_ns();
    if (!r) return err_oom(e, "rollouts", n * sizeof *r);
    for (size_t i = 0; i < n; i++) {
        gen_request_defaults(&r[i]);
        r[i].prompt = g[i].prompt.id;
        r[i].n_prompt = (int64_t)g[i].prompt.n;
        r[i].n = (int)g[i].n;
        r[i].max_tokens = o->max_tokens;
        r[i].sampling.temperature = (float)o->temperature;
        r[i].sampling.tempered = true;
        r[i].sampling.n_top = 0;
        r[i].sampling.seed = rng_at(o->seed, STREAM_SAMPLE, g[i].number);
        r[i].thinking.starts_inside = g[i].inside;
    }
    problem_verdict_init(&run.verdict);
    struct gather ga = {
        .engine = en, .in_flight = o->in_flight, .done = on_done, .tick = on_tick, .ctx = &run};
    int rc = gather_run(&ga, r, n, e);
    problem_verdict_release(&run.verdict);
    mem_free(r);
    t->wall_ns += clock_ns() - t0;
    return rc;
}
