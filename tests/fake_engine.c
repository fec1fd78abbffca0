#include "fake_engine.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "text/chat.h"
#include "text/detok.h"
#include "text/marks.h"

enum { MAX_STREAMS = 4096, KEPT_PROMPTS = 256 };

enum phase { PH_WAIT, PH_PREFILL, PH_TOKENS };

struct stream {
    struct gen_request r;
    uint64_t id;
    int index;
    tok_id *prompt;
    struct tok_list out; /* what will be said */
    size_t n_think;      /* of them reasoning, the closing mark included */
    size_t at;
    struct buf answer; /* text so far, for stop strings */
    size_t n_sent;     /* of it */
    struct span stop[16];
    char *stop_text;
    struct detok detok;
    enum phase phase;
    int64_t due_ns, delay_ns, prefill_ns, submit_ns, begin_ns, first_ns, think_ns;
    int stamps, error_at;
    bool error;
    struct gen_counts n;
    _Atomic bool cancelled, end_thinking;
    bool dead;
};

struct kept {
    uint64_t group;
    tok_id *id;
    size_t n;
};

struct fake_engine {
    struct fake_opts o;
    struct engine_iface iface;
    struct vocab *v;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct stream *s[MAX_STREAMS];
    int n;
    uint64_t next_id;
    bool stop;
    struct kept kept[KEPT_PROMPTS];
    int n_kept;
    _Atomic int64_t produced;
};

/* ---- vocabulary: bytes, some merges, the tarn template's marks ------------------------------- */

static void byte_text(int b, char out[4])
{
    int cp = b, extra = 0;
    if (!((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174)) {
        for (int i = 0; i < b; i++)
            if (!((i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174)) extra++;
        cp = 256 + extra;
    }
    if (cp < 128) {
        out[0] = (char)cp;
        out[1] = 0;
    } else {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 63));
        out[2] = 0;
    }
}

static struct vocab *make_vocab(void)
{
    static const char *const merges[][2] = {{"t", "h"}, {"th", "e"},      {"i", "n"},
                                            {"e", "r"}, {"a", "n"},       {"o", "u"},
                                            {"r", "o"}, {"\xc4\xa0", "w"}};
    static const char *const extra[] = {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"};
    const char *const *marks;
    size_t n_marks = chat_tarn_marks(&marks), n_merge = countof(merges);
    size_t n = 256 + n_merge + n_marks + countof(extra);
    struct vocab *v;
    struct err e = {0};
    if (vocab_create(&v, VOCAB_BPE, PRETOK_TARN, n, &e)) goto fail;
    tok_id id = 0;
    for (; id < 256; id++) {
        char t[4];
        byte_text(id, t);
        if (vocab_set_token(v, id, span_of(t), 0, TOK_NORMAL, &e)) goto fail;
    }
    for (size_t i = 0; i < n_merge; i++) {
        char t[16];
        snprintf(t, sizeof t, "%s%s", merges[i][0], merges[i][1]);
        if (vocab_set_token(v, id++, span_of(t), 0, TOK_NORMAL, &e)) goto fail;
    }
    for (size_t i = 0; i < n_merge; i++)
        if (vocab_add_merge(v, span_of(merges[i][0]), span_of(merges[i][1]), &e)) goto fail;
    struct vocab_special sp = {.bos = TOK_NONE,
                               .eos = TOK_NONE,
                               .eot = TOK_NONE,
                               .eom = TOK_NONE,
                               .unk = TOK_NONE,
                               .pad = TOK_NONE,
                               .add_bos = true};
    for (size_t i = 0; i < n_marks + countof(extra); i++) {
        const char *t = i < n_marks ? marks[i] : extra[i - n_marks];
        if (strcmp(t, MARK_BOS) == 0) sp.bos = id;
        if (strcmp(t, MARK_EOS) == 0) sp.eos = id;
        if (vocab_set_token(v, id++, span_of(t), 0, TOK_CONTROL, &e)) goto fail;
    }
    sp.fim_pre = id - 3;
    sp.fim_suf = id - 2;
    sp.fim_mid = id - 1;
    vocab_set_special(v, &sp);
    if (vocab_finish(v, "the fake vocabulary", &e)) goto fail;
    return v;
fail:
    fprintf(stderr, "fake engine: %s\n", e.msg);
    exit(1);
}

/* ---- the script ------------------------------------------------------------------------------ */

/* The text of the n-th [[name:...]] from the end, or p NULL. */
static struct span directive(struct span text, const char *name, int from_end)
{
    char open[32];
    struct span found[64];
    int n = 0;
    snprintf(open, sizeof open, "[[%s:", name);
    for (size_t at = 0; (at = span_find(text, at, span_of(open))) != (size_t)-1;) {
        size_t from = at + strlen(open), to = span_find(text, from, span_of("]]"));
        if (to == (size_t)-1) break;
        if (n == 64) memmove(found, found + 1, 63 * sizeof *found), n--;
        found[n++] = (struct span){text.p + from, to - from};
        at = to;
    }
    return from_end < n ? found[n - 1 - from_end] : (struct span){0};
}

static double number(struct span text, const char *name, double dflt)
{
    struct span d = directive(text, name, 0);
    char s[32];
    if (!d.p || d.n >= sizeof s) return dflt;
    memcpy(s, d.p, d.n);
    s[d.n] = 0;
    return strtod(s, NULL);
}

static void say(struct fake_engine *f, struct stream *s, struct span text, bool special)
{
    struct err e;
    if (vocab_encode(f->v, text, special, false, &s->out, &e)) exit(1);
}

static void write_script(struct fake_engine *f, struct stream *s)
{
    struct buf t;
    struct err e;
    buf_init(&t, 64 << 20);
    vocab_decode(f->v, s->prompt, (size_t)s->r.n_prompt, true, &t);
    /* Only the newest turn's directives: what stands in the history was answered. */
    struct span all = buf_span(&t), text = all;
    for (size_t at = 0; (at = span_find(all, at, span_of(MARK_USER))) != (size_t)-1; at++)
        text = (struct span){all.p + at, all.n - at};
    s->delay_ns = (int64_t)(number(text, "delay", f->o.delay_ms) * 1e6);
    s->prefill_ns = (int64_t)(number(text, "prefill", 0) * 1e6);
    s->error_at = (int)number(text, "error", -1);
    s->stamps = (int)number(text, "stamp", 0);
    struct span think = directive(text, "think", 0), answer = directive(text, "say", 0);
    struct span raw = directive(text, "raw", 0), after = directive(text, "after", 0);
    /* Agents send the question again with the calls' results behind it. */
    bool has_results = span_find(text, 0, span_of(MARK_OUTPUT)) != (size_t)-1;
    if (s->r.thinking.starts_inside) {
        say(f, s, think.p ? think : span_of("3 rows of 4 make 12."), false);
        int budget = s->r.thinking.budget;
        if (budget >= 0 && s->out.n > (size_t)budget) s->out.n = (size_t)budget;
        tok_id close = vocab_special(f->v)->think_close;
        if (tok_list_add(&s->out, close, &e)) exit(1);
        s->n_think = s->out.n;
    }
    int words = (int)number(text, "tokens", 0), calls = 0;
    while (directive(text, "call", calls).p) calls++;
    if (after.p && has_results) {
        answer = after;
        calls = 0;
    }
    if (answer.p) say(f, s, answer, false);
    if (raw.p) say(f, s, raw, true);
    if (calls) say(f, s, span_of(MARK_CALLS), true);
    for (int i = calls - 1; i >= 0; i--) {
        struct span c = directive(text, "call", i);
        size_t bar = span_find(c, 0, span_of("|"));
        if (bar == (size_t)-1) continue;
        say(f, s, span_of(MARK_CALL), true);
        say(f, s, (struct span){c.p, bar}, false);
        say(f, s, span_of(MARK_TOOL_SEP), true);
        say(f, s, (struct span){c.p + bar + 1, c.n - bar - 1}, false);
        say(f, s, span_of(MARK_CALL_END), true);
    }
    if (calls) say(f, s, span_of(MARK_CALLS_END), true);
    for (int i = 0; i < words + s->stamps; i++) say(f, s, span_of("w"), false);
    if (!answer.p && !raw.p && !calls && !words && !s->stamps)
        say(f, s, span_of("The answer is 12."), false);
    if (tok_list_add(&s->out, vocab_special(f->v)->eos, &e)) exit(1);
    buf_release(&t);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void report(struct stream *s, struct gen_event *ev)
{
    ev->request_id = s->id;
    ev->index = s->index;
    ev->counts = s->n;
    ev->times.queue_ns = s->begin_ns ? s->begin_ns - s->submit_ns : 0;
    ev->times.prefill_ns = s->first_ns ? s->first_ns - s->begin_ns : 0;
    ev->times.decode_ns = s->first_ns ? clock_ns() - s->first_ns : 0;
    ev->times.think_ns = s->think_ns;
    if (!s->r.fn(s->r.ctx, ev)) s->cancelled = true;
}

static void done(struct stream *s, enum gen_reason why, struct span stop)
{
    s->dead = true;
    report(s, &(struct gen_event){.type = GEN_DONE, .reason = why, .stop_string = stop});
}

static float fake_logprob(tok_id id)
{
    return -0.1f - 0.01f * (float)(id % 7);
}

static int fake_top(const struct fake_engine *f, tok_id id, int n, struct gen_alt *alt)
{
    int size = (int)vocab_size(f->v);
    for (int i = 0; i < n; i++)
        alt[i] = (struct gen_alt){(id + i) % size, fake_logprob(id) - 0.5f * (float)i};
    return n > 0 ? n : 0;
}

static void prompt_logprobs(struct fake_engine *f, struct stream *s)
{
    for (int64_t i = 1; i < s->r.n_prompt; i++) {
        struct gen_alt alt[20];
        struct gen_event ev = {.type = GEN_PROMPT_TOKEN,
                               .id = s->prompt[i],
                               .text = vocab_bytes(f->v, s->prompt[i]),
                               .logprob = fake_logprob(s->prompt[i]),
                               .top = alt};
        ev.n_top = fake_top(f, s->prompt[i], s->r.sampling.n_top, alt);
        report(s, &ev);
    }
}

/* The longest end of the answer that may be the beginning of a stop string. */
static size_t maybe_stop(const struct stream *s)
{
    size_t best = 0;
    for (int i = 0; i < s->r.n_stop; i++) {
        for (size_t n = s->stop[i].n - 1; n > best; n--)
            if (n <= s->answer.len &&
                memcmp(s->answer.data + s->answer.len - n, s->stop[i].p, n) == 0)
                best = n;
    }
    return best;
}

/* Replaces the new text by what is surely answer now; true when a stop string was met. */
static bool hold_back(struct stream *s, struct buf *text, bool end, struct span *stop)
{
    buf_add_span(&s->answer, buf_span(text));
    size_t upto = s->answer.len;
    bool met = false;
    for (int i = 0; i < s->r.n_stop && !met; i++) {
        size_t at = span_find(buf_span(&s->answer), 0, s->stop[i]);
        if (at == (size_t)-1) continue;
        upto = at;
        *stop = s->stop[i];
        met = true;
    }
    if (!met && !end) upto -= maybe_stop(s);
    buf_clear(text);
    if (upto > s->n_sent) buf_add(text, s->answer.data + s->n_sent, upto - s->n_sent);
    s->n_sent = upto;
    return met;
}

static void one_token(struct fake_engine *f, struct stream *s)
{
    struct gen_alt alt[20];
    tok_id id = s->out.id[s->at];
    bool thinking = s->at < s->n_think, forced = false;
    const struct vocab_special *sp = vocab_special(f->v);
    if (thinking && s->end_thinking && id != sp->think_close) {
        s->at = s->n_think - 1;
        id = s->out.id[s->at];
        forced = true;
    }
    struct buf text;
    struct span stop = {0};
    bool stopped = false;
    buf_init(&text, 1 << 20);
    s->n.completion_tokens++;
    f->produced++;
    if (thinking) s->n.reasoning_tokens++;
    bool silent = id == sp->think_close || id == sp->eos;
    if (!silent) detok_feed(&s->detok, id, &text);
    if (silent && id == sp->eos) detok_flush(&s->detok, &text);
    if (s->stamps && !thinking && !silent) {
        buf_clear(&text);
        buf_printf(&text, "%lld ", (long long)clock_ns());
    }
    bool end = id == sp->eos || s->n.completion_tokens == s->r.max_tokens;
    if (!thinking && s->r.n_stop) stopped = hold_back(s, &text, end, &stop);
    struct gen_event ev = {.type = GEN_TOKEN,
                           .id = id,
                           .text = buf_span(&text),
                           .thinking = thinking,
                           .forced = forced,
                           .logprob = fake_logprob(id),
                           .top = alt};
    ev.n_top = fake_top(f, id, s->r.sampling.n_top, alt);
    if (!s->first_ns) s->first_ns = clock_ns();
    s->at++;
    if (s->at == s->n_think) s->think_ns = clock_ns() - s->first_ns;
    report(s, &ev);
    buf_release(&text);
    if (stopped)
        done(s, GEN_STOP_STRING, stop);
    else if (id == sp->eos && !s->r.ignore_eos)
        done(s, GEN_STOP_EOS, stop);
    else if (s->r.max_tokens >= 0 && s->n.completion_tokens >= s->r.max_tokens)
        done(s, GEN_STOP_LENGTH, stop);
    else if (s->at == s->out.n)
        done(s, GEN_STOP_EOS, stop);
}

static void step(struct fake_engine *f, struct stream *s, int64_t now)
{
    const struct span none = {0};
    if (s->cancelled) {
        done(s, GEN_STOP_CANCEL, none);
        return;
    }
    if (s->phase == PH_PREFILL) {
        int64_t took = now - s->begin_ns;
        double part = s->prefill_ns ? (double)took / (double)s->prefill_ns : 1;
        int64_t fresh = s->r.n_prompt - s->n.cached_tokens;
        s->n.prompt_done =
            s->n.cached_tokens + (part >= 1 ? fresh : (int64_t)(part * (double)fresh));
        report(s, &(struct gen_event){.type = GEN_PROGRESS});
        s->due_ns = now + 20000000;
        if (part < 1) return;
        if (s->r.sampling.prompt_logprobs) prompt_logprobs(f, s);
        s->phase = PH_TOKENS;
        s->due_ns = now + s->delay_ns;
        if (s->r.max_tokens == 0) done(s, GEN_STOP_LENGTH, none);
        return;
    }
    if (s->error_at >= 0 && s->n.completion_tokens >= s->error_at) {
        struct gen_event ev = {.type = GEN_ERROR};
        err_set(&ev.err, ERR_FAILED, "the fake engine was told to fail");
        s->dead = true;
        report(s, &ev);
        return;
    }
    one_token(f, s);
    s->due_ns += s->delay_ns;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void stream_free(struct stream *s)
{
    free(s->prompt);
    free(s->stop_text);
    tok_list_release(&s->out);
    buf_release(&s->answer);
    free(s);
}

static void admit(struct fake_engine *f, int64_t now)
{
    int running = 0;
    for (int i = 0; i < f->n; i++) running += f->s[i]->phase != PH_WAIT;
    for (int i = 0; i < f->n; i++) {
        struct stream *s = f->s[i];
        if (s->phase != PH_WAIT || (f->o.n_parallel && running >= f->o.n_parallel)) continue;
        s->phase = PH_PREFILL;
        s->begin_ns = s->due_ns = now;
        running++;
    }
}

static void *run(void *arg)
{
    struct fake_engine *f = arg;
    pthread_mutex_lock(&f->lock);
    while (!f->stop || f->n) {
        int64_t now = clock_ns(), next = now + 50000000;
        if (f->stop)
            for (int i = 0; i < f->n; i++) f->s[i]->cancelled = true;
        admit(f, now);
        int n = f->n;
        pthread_mutex_unlock(&f->lock);
        /* Only this thread removes streams, so the first n stay. */
        for (int i = 0; i < n; i++) {
            struct stream *s = f->s[i];
            if (s->cancelled || (s->phase != PH_WAIT && s->due_ns <= now)) step(f, s, now);
        }
        pthread_mutex_lock(&f->lock);
        for (int i = 0; i < f->n;) {
            struct stream *s = f->s[i];
            if (s->dead) {
                stream_free(s);
                memmove(f->s + i, f->s + i + 1, (size_t)(f->n - i - 1) * sizeof *f->s);
                f->n--;
                continue;
            }
            if (s->phase != PH_WAIT && s->due_ns < next) next = s->due_ns;
            i++;
        }
        now = clock_ns();
        if (next <= now || (f->stop && f->n)) continue;
        struct timespec ts = {next / 1000000000, next % 1000000000};
        pthread_cond_timedwait(&f->wake, &f->lock, &ts);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- the interface --------------------------------------------------------------------------- */

/* Under the lock. */
static int64_t cached(struct fake_engine *f, const struct gen_request *r)
{
    size_t best = 0;
    for (int i = 0; i < f->n_kept; i++) {
        const struct kept *k = &f->kept[i];
        size_t n = 0;
        if (k->group != r->cache_group) continue;
        while (n < k->n && n + 1 < (size_t)r->n_prompt && k->id[n] == r->prompt[n]) n++;
        if (n > best) best = n;
    }
    struct kept *k =
        &f->kept[f->n_kept < KEPT_PROMPTS ? f->n_kept++ : (int)(f->next_id % KEPT_PROMPTS)];
    free(k->id);
    *k = (struct kept){r->cache_group, malloc((size_t)r->n_prompt * sizeof *k->id),
                       (size_t)r->n_prompt};
    memcpy(k->id, r->prompt, k->n * sizeof *k->id);
    return (int64_t)best;
}

static struct stream *stream_create(struct fake_engine *f, const struct gen_request *r,
                                    int index)
{
    struct stream *s = calloc(1, sizeof *s);
    s->r = *r;
    s->index = index;
    s->prompt = malloc((size_t)r->n_prompt * sizeof *s->prompt);
    memcpy(s->prompt, r->prompt, (size_t)r->n_prompt * sizeof *s->prompt);
    size_t bytes = 0;
    for (int i = 0; i < r->n_stop; i++) bytes += r->stop[i].n;
    s->stop_text = malloc(bytes + 1);
    bytes = 0;
    for (int i = 0; i < r->n_stop; i++) {
        memcpy(s->stop_text + bytes, r->stop[i].p, r->stop[i].n);
        s->stop[i] = (struct span){s->stop_text + bytes, r->stop[i].n};
        bytes += r->stop[i].n;
    }
    s->submit_ns = clock_ns();
    s->n.prompt_tokens = r->n_prompt;
    buf_init(&s->answer, 64 << 20);
    detok_init(&s->detok, f->v, true, false);
    write_script(f, s);
    return s;
}

static int fake_submit(void *self, const struct gen_request *r, uint64_t *id, struct err *e)
{
    struct fake_engine *f = self;
    int n = r->n > 0 ? r->n : 1, waiting = 0;
    struct stream *fresh[128];
    if (r->n_prompt >= f->o.n_ctx + (r->max_tokens == 0))
        return err_set(e, ERR_CONTEXT, "the prompt has %lld tokens, the context %lld",
                       (long long)r->n_prompt, (long long)f->o.n_ctx);
    for (int i = 0; i < n; i++) fresh[i] = stream_create(f, r, i);
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < f->n; i++) waiting += f->s[i]->phase == PH_WAIT;
    bool full = f->n + n > MAX_STREAMS || (f->o.n_parallel && waiting + n > f->o.n_queue);
    if (!full) {
        *id = ++f->next_id;
        int64_t hit = cached(f, r);
        for (int i = 0; i < n; i++) {
            fresh[i]->id = *id;
            fresh[i]->n.cached_tokens = fresh[i]->n.prompt_done = hit;
            f->s[f->n++] = fresh[i];
        }
        pthread_cond_signal(&f->wake);
    }
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; full && i < n; i++) stream_free(fresh[i]);
    return full ? err_set(e, ERR_BUSY, "the engine's queue is full (%d requests)", waiting) : 0;
}

static void each(struct fake_engine *f, uint64_t id, bool cancel)
{
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < f->n; i++) {
        if (f->s[i]->id != id) continue;
        if (cancel)
            f->s[i]->cancelled = true;
        else
            f->s[i]->end_thinking = true;
    }
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

static void fake_cancel(void *self, uint64_t id)
{
    each(self, id, true);
}

static void fake_end_thinking(void *self, uint64_t id)
{
    each(self, id, false);
}

static const struct vocab *fake_vocab(void *self)
{
    return ((struct fake_engine *)self)->v;
}

static int64_t fake_n_ctx(void *self)
{
    return ((struct fake_engine *)self)->o.n_ctx;
}

struct fake_engine *fake_engine_open(const struct fake_opts *o)
{
    struct fake_engine *f = calloc(1, sizeof *f);
    f->o = *o;
    if (!f->o.n_ctx) f->o.n_ctx = 32768;
    if (!f->o.n_queue) f->o.n_queue = 64;
    f->v = make_vocab();
    f->iface = (struct engine_iface){f,          fake_submit, fake_cancel, fake_end_thinking,
                                     fake_vocab, fake_n_ctx};
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attr);
    pthread_create(&f->thread, NULL, run, f);
    return f;
}

void fake_engine_close(struct fake_engine *f)
{
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    for (int i = 0; i < f->n_kept; i++) free(f->kept[i].id);
    vocab_free(f->v);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

struct engine_iface *fake_engine_iface(struct fake_engine *f)
{
    return &f->iface;
}

int64_t fake_engine_produced(struct fake_engine *f)
{
    return f->produced;
}

int fake_engine_running(struct fake_engine *f)
{
    pthread_mutex_lock(&f->lock);
    int n = f->n;
    pthread_mutex_unlock(&f->lock);
    return n;
}
