#include "eval/evaluate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/gather.h"

enum { CHOICES = 64, TEXT_MAX = 64 << 20, SAME_TRIES = 64 };

/* One answer until the whole problem is done. */
struct pending {
    struct buf text, answer;
    char reason[200];
    enum gen_reason finish;
};

struct asked {
    struct problem p;
    struct tok_list prompt;
    bool inside;
    struct pending *pending; /* (samples) while some are out */
};

struct evaluation {
    const struct vocab *vocab;
    struct eval_opts o;
    struct scores scores;
    struct asked **asked; /* (n), beside scores.problem */
    size_t n, cap, n_done;
    struct problem_verdict verdict;
    const struct eval_watch *watch;
    struct gen_counts counts;
};

int eval_create(struct evaluation **out, const struct vocab *v, const struct eval_opts *o,
                struct err *e)
{
    struct evaluation *ev = mem_calloc(1, sizeof *ev);
    if (!ev) return err_oom(e, "an evaluation", sizeof *ev);
    ev->vocab = v;
    ev->o = *o;
    scores_init(&ev->scores, (size_t)o->samples);
    problem_verdict_init(&ev->verdict);
    *out = ev;
    return 0;
}

static void drop_pending(struct asked *a, int n)
{
    for (int i = 0; a->pending && i < n; i++) {
        buf_release(&a->pending[i].text);
        buf_release(&a->pending[i].answer);
    }
    mem_free(a->pending);
    a->pending = NULL;
}

void eval_free(struct evaluation *ev)
{
    if (!ev) return;
    for (size_t i = 0; i < ev->n; i++) {
        drop_pending(ev->asked[i], ev->o.samples);
        problem_release(&ev->asked[i]->p);
        tok_list_release(&ev->asked[i]->prompt);
        mem_free(ev->asked[i]);
    }
    mem_free(ev->asked);
    scores_release(&ev->scores);
    problem_verdict_release(&ev->verdict);
    mem_free(ev);
}

size_t eval_n(const struct evaluation *ev)
{
    return ev->n;
}

const struct scores *eval_scores(const struct evaluation *ev)
{
    return &ev->scores;
}

const struct gen_counts *eval_counts(const struct evaluation *ev)
{
    return &ev->counts;
}

int64_t eval_longest_prompt(const struct evaluation *ev)
{
    size_t most = 0;
    for (size_t i = 0; i < ev->n; i++)
        if (ev->asked[i]->prompt.n > most) most = ev->asked[i]->prompt.n;
    return (int64_t)most;
}

/* ---- prompts ------------------------------------------------------------------------------- */

static int make_prompt(const struct evaluation *ev, struct asked *a, struct err *e)
{
    struct chat_msg msg[2];
    struct buf text;
    size_t n = 0;
    int rc;
    buf_init(&text, TEXT_MAX);
    buf_add_span(&text, buf_span(&a->p.prompt));
    if (ev->o.suffix) buf_add_str(&text, ev->o.suffix);
    if (ev->o.instructions || (ev->o.outside && problem_source_outside(a->p.source)))
        buf_printf(&text, "\n\n%s", problem_source_instructions(a->p.source));
    if ((rc = buf_ok(&text, "a prompt", e))) goto out;
    if (ev->o.chat == CHAT_RAW) {
        rc = vocab_encode(ev->vocab, buf_span(&text), false, true, &a->prompt, e);
        goto out;
    }
    if (ev->o.system)
        msg[n++] = (struct chat_msg){.role = CHAT_SYSTEM, .content = span_of(ev->o.system)};
    msg[n++] = (struct chat_msg){.role = CHAT_USER, .content = buf_span(&text)};
    struct chat_opts co = {.thinking = ev->o.thinking, .add_generation_prompt = true};
    rc = chat_render_ids(ev->vocab, ev->o.chat, msg, n, &co, &a->prompt, &a->inside, e);
out:
    buf_release(&text);
    return rc;
}

static int add_one(struct evaluation *ev, struct problem_source *s, uint64_t index,
                   struct err *e)
{
    if (ev->n == ev->cap) {
        size_t cap = ev->cap ? 2 * ev->cap : 256;
        struct asked **p = mem_realloc(ev->asked, ev->cap * sizeof *p, cap * sizeof *p);
        if (!p) return err_oom(e, "problems", cap * sizeof *p);
        ev->asked = p;
        ev->cap = cap;
    }
    struct asked *a = mem_calloc(1, sizeof *a);
    struct score_problem *sp;
    size_t row;
    if (!a) return err_oom(e, "a problem", sizeof *a);
    problem_init(&a->p);
    ev->asked[ev->n++] = a;
    return problem_make(s, index, &a->p, e) || make_prompt(ev, a, e) ||
                   scores_row(&ev->scores, a->p.task, a->p.level, problem_source_chance(s),
                              &row, e) ||
                   scores_add(&ev->scores, a->p.id, row, &sp, e)
               ? -1
               : 0;
}

int eval_add(struct evaluation *ev, struct problem_source *s, uint64_t first, uint64_t count,
             struct err *e)
{
    uint64_t have = problem_source_count(s);
    for (uint64_t i = first; i < have && i - first < count; i++)
        if (add_one(ev, s, i, e)) return -1;
    return 0;
}

/* ---- samples ------------------------------------------------------------------------------- */

/* Classes of equal answers: right ones are one class, wrong ones by what the checker calls equal. */
static void classify(const struct asked *a, struct score_problem *sp)
{
    int n_class = 0;
    for (size_t i = 0; i < sp->n; i++) {
        sp->sample[i].cls = -1;
        if (a->pending[i].answer.len == 0) continue;
        int tries = 0;
        bool right = sp->sample[i].score >= 1;
        for (size_t k = 0; k < i && sp->sample[i].cls < 0; k++) {
            if (sp->sample[k].cls < 0) continue;
            bool other = sp->sample[k].score >= 1;
            struct span x = buf_span(&a->pending[i].answer),
                        y = buf_span(&a->pending[k].answer);
            if (right != other) continue;
            if (right || span_eq(x, y) || (tries++ < SAME_TRIES && problem_same(&a->p, x, y)))
                sp->sample[i].cls = sp->sample[k].cls;
        }
        if (sp->sample[i].cls < 0) sp->sample[i].cls = n_class++;
    }
}

static const char *finish_name(enum gen_reason r)
{
    switch (r) {
    case GEN_STOP_EOS:
    case GEN_STOP_STRING: return "stop";
    case GEN_STOP_LENGTH: return "length";
    case GEN_STOP_CANCEL: return "cancelled";
    case GEN_STOP_LOOP: return "loop";
    }
    return "";
}

static void add_text(struct buf *b, const char *key, struct span s)
{
    buf_printf(b, ",\"%s\":", key);
    buf_add_json(b, s);
}

static int put(FILE *f, struct buf *b, const char *what, struct err *e)
{
    int rc = buf_ok(b, what, e);
    if (rc == 0 && fwrite(buf_str(b), 1, b->len, f) != b->len)
        rc = err_errno(e, errno, "cannot write %s", what);
    buf_release(b);
    return rc;
}

static int write_samples(const struct evaluation *ev, size_t i, struct err *e)
{
    const struct asked *a = ev->asked[i];
    const struct score_problem *sp = &ev->scores.problem[i];
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t k = 0; k < sp->n; k++) {
        const struct score_sample *s = &sp->sample[k];
        const struct pending *w = &a->pending[k];
        buf_add_str(&b, "{\"id\":");
        buf_add_json(&b, span_of(sp->id));
        add_text(&b, "task", span_of(a->p.task));
        buf_printf(&b, ",\"level\":%d,\"chance\":%g,\"sample\":%zu,\"samples\":%zu", a->p.level,
                   ev->scores.row[sp->row].chance, k, ev->scores.k);
        add_text(&b, "prompt", buf_span(&a->p.prompt));
        add_text(&b, "response", buf_span(&w->text));
        add_text(&b, "answer", buf_span(&w->answer));
        add_text(&b, "gold", buf_span(&a->p.gold));
        buf_printf(&b, ",\"score\":%g", s->score);
        add_text(&b, "reason", span_of(w->reason));
        buf_printf(&b,
                   ",\"class\":%d,\"finish\":\"%s\",\"tokens\":%lld,\"think_tokens\":%lld,"
                   "\"truncated\":%s,\"answered\":%s,\"errored\":%s}\n",
                   s->cls, finish_name(w->finish), (long long)s->tokens,
                   (long long)s->think_tokens, s->truncated ? "true" : "false",
                   s->answered ? "true" : "false", s->errored ? "true" : "false");
    }
    return put(ev->watch->samples, &b, "samples.jsonl", e);
}

/* Different right answers, the shortest first: what is worth imitating. Texts that were cut, or
 * hold a block of code nobody asked for, are left out (R1's filter where rules suffice). */
static int write_right(const struct evaluation *ev, size_t i, struct err *e)
{
    const struct asked *a = ev->asked[i];
    const struct score_problem *sp = &ev->scores.problem[i];
    struct buf b;
    size_t last = 0, last_k = 0;
    buf_init(&b, TEXT_MAX);
    for (int n = 0; n < ev->watch->right_max; n++) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < sp->n; k++) {
            size_t len = a->pending[k].text.len;
            bool used = len < last || (len == last && k <= last_k && n > 0);
            bool same = n > 0 && span_eq(buf_span(&a->pending[k].text),
                                         buf_span(&a->pending[last_k].text));
            if (sp->sample[k].score < 1 || sp->sample[k].truncated || used || same) continue;
            if (best == SIZE_MAX || len < a->pending[best].text.len) best = k;
        }
        if (best == SIZE_MAX) break;
        last_k = best;
        last = a->pending[best].text.len;
        struct span text = buf_span(&a->pending[best].text);
        if (span_find(text, 0, span_of("```")) != (size_t)-1) continue;
        buf_add_str(&b, "{\"prompt\":");
        buf_add_json(&b, buf_span(&a->p.prompt));
        buf_add_str(&b, ",\"response\":");
        struct buf whole;
        buf_init(&whole, TEXT_MAX);
        if (a->inside) buf_add_str(&whole, "<think>");
        buf_add_span(&whole, text);
        buf_add_json(&b, buf_span(&whole));
        buf_release(&whole);
        add_text(&b, "id", span_of(sp->id));
        buf_add_str(&b, "}\n");
    }
    return put(ev->watch->right, &b, "the right answers", e);
}

static int write_chosen(const struct evaluation *ev, size_t i, struct err *e)
{
    const struct score_problem *sp = &ev->scores.problem[i];
    double sum = 0;
    struct buf b;
    for (size_t k = 0; k < sp->n; k++) sum += sp->sample[k].score / (double)sp->n;
    if (sum < ev->watch->from || sum > ev->watch->to) return 0;
    json_t *o = problem_to_json(&ev->asked[i]->p);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text) return err_set(e, ERR_UNSUPPORTED, "%s cannot be written as a line", sp->id);
    buf_init(&b, TEXT_MAX);
    buf_add_str(&b, text);
    buf_add_char(&b, '\n');
    (free)(text); /* jansson's own memory */
    return put(ev->watch->chosen, &b, "the chosen problems", e);
}

static void take_sample(struct evaluation *ev, struct asked *a, struct score_problem *sp,
                        size_t at, const struct gathered *g)
{
    struct pending *w = &a->pending[at];
    struct score_sample *s = &sp->sample[at];
    sp->n++;
    ev->counts.prompt_tokens += g->counts.prompt_tokens;
    ev->counts.cached_tokens += g->counts.cached_tokens;
    ev->counts.completion_tokens += g->counts.completion_tokens;
    ev->counts.draft_tokens += g->counts.draft_tokens;
    ev->counts.draft_accepted += g->counts.draft_accepted;
    gather_text(ev->vocab, g, &w->text);
    problem_check(&a->p, buf_span(&w->text), a->inside, MATH_EVAL, &ev->verdict);
    buf_add_span(&w->answer, buf_span(&ev->verdict.answer));
    memcpy(w->reason, ev->verdict.reason, sizeof w->reason);
    w->finish = g->reason;
    *s = (struct score_sample){.score = ev->verdict.errored ? 0 : ev->verdict.score,
                               .tokens = g->counts.completion_tokens,
                               .think_tokens = g->counts.reasoning_tokens,
                               .truncated =
                                   g->reason == GEN_STOP_LENGTH || g->reason == GEN_STOP_LOOP,
                               .answered = ev->verdict.answered,
                               .errored = ev->verdict.errored};
}

static int tick(struct evaluation *ev, struct err *e)
{
    const struct eval_watch *w = ev->watch;
    return w->tick ? w->tick(w->ctx, &ev->scores, ev->n_done, ev->n, e) : 0;
}

static size_t n_chunk(const struct evaluation *ev)
{
    return ((size_t)ev->o.samples + CHOICES - 1) / CHOICES;
}

static int on_done(void *ctx, size_t request, struct gathered *got, struct err *e)
{
    struct evaluation *ev = ctx;
    size_t i = request / n_chunk(ev), at = request % n_chunk(ev) * CHOICES;
    struct asked *a = ev->asked[i];
    struct score_problem *sp = &ev->scores.problem[i];
    if (!a->pending) {
        a->pending = mem_calloc((size_t)ev->o.samples, sizeof *a->pending);
        if (!a->pending)
            return err_oom(e, "samples", (size_t)ev->o.samples * sizeof *a->pending);
        for (int k = 0; k < ev->o.samples; k++) {
            buf_init(&a->pending[k].text, TEXT_MAX);
            buf_init(&a->pending[k].answer, TEXT_MAX);
        }
    }
    size_t n = (size_t)ev->o.samples - at < CHOICES ? (size_t)ev->o.samples - at : CHOICES;
    for (size_t k = 0; k < n; k++) {
        if (got[k].failed) {
            if (e) *e = got[k].err;
            sp->n = 0;
            return err_wrap(e, "problem %s", sp->id);
        }
        take_sample(ev, a, sp, at + k, &got[k]);
    }
    if (sp->n < (size_t)ev->o.samples) return 0;
    classify(a, sp);
    int rc = ev->watch->samples ? write_samples(ev, i, e) : 0;
    if (rc == 0 && ev->watch->right) rc = write_right(ev, i, e);
    if (rc == 0 && ev->watch->chosen) rc = write_chosen(ev, i, e);
    drop_pending(a, ev->o.samples);
    ev->n_done++;
    return rc;
}

static int on_tick(void *ctx, struct err *e)
{
    return tick(ctx, e);
}

int eval_run(struct evaluation *ev, struct engine *en, const struct eval_watch *w,
             struct err *e)
{
    size_t n = ev->n * n_chunk(ev);
    struct gen_request *r = mem_calloc(n + 1, sizeof *r);
    if (!r) return err_oom(e, "requests", n * sizeof *r);
    for (size_t i = 0; i < n; i++) {
        size_t chunk = i % n_chunk(ev);
        const struct asked *a = ev->asked[i / n_chunk(ev)];
        size_t left = (size_t)ev->o.samples - chunk * CHOICES;
        gen_request_defaults(&r[i]);
        r[i].prompt = a->prompt.id;
        r[i].n_prompt = (int64_t)a->prompt.n;
        r[i].n = (int)(left < CHOICES ? left : CHOICES);
        r[i].max_tokens = ev->o.max_tokens;
        r[i].sampling = ev->o.sampling;
        r[i].sampling.seed =
            rng_at(ev->o.sampling.seed, hash64(a->p.id, strlen(a->p.id), 0), chunk);
        r[i].thinking = ev->o.budget;
        r[i].thinking.starts_inside = a->inside;
        r[i].thinking.detect_loops = ev->o.detect_loops;
    }
    ev->watch = w;
    struct gather g = {
        .engine = en, .in_flight = w->in_flight, .done = on_done, .tick = on_tick, .ctx = ev};
    int rc = gather_run(&g, r, n, e);
    for (size_t i = 0; i < ev->n; i++)
        if (ev->scores.problem[i].n < (size_t)ev->o.samples) ev->scores.problem[i].n = 0;
    mem_free(r);
    return rc;
}
