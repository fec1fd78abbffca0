/* seq.c - one sequence: its copy of the request, and what becomes of each token.
 *
 * A token goes through the detokeniser (whole UTF-8 only), the splitter of reasoning and answer,
 * and, when it is answer, the stop strings. What comes out is reported with the token. Budgets and
 * "answer now" do not cut: they force the tokens that close the thinking, and the model answers.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/engine_int.h"
#include "kernel/attn.h"

enum {
    TEXT_MAX = 1 << 16,
    LOOP_EVERY = 32,
    LOOP_PERIOD = 256,
    LOOP_TOKENS = 192,
    LOOP_TIMES = 4
};

/* ---- making -------------------------------------------------------------------------------- */

static const void *keep(struct seq *s, const void *p, size_t bytes)
{
    void *q = arena_alloc(&s->own, bytes);
    if (q && bytes) memcpy(q, p, bytes);
    return q;
}

static bool copy_request(struct seq *s)
{
    struct gen_request *r = &s->r;
    if (r->sampling.n_bias > 0) {
        r->sampling.bias =
            keep(s, r->sampling.bias, (size_t)r->sampling.n_bias * sizeof *r->sampling.bias);
        if (!r->sampling.bias) return false;
    }
    if (r->schema.n) {
        r->schema.p = keep(s, r->schema.p, r->schema.n);
        if (!r->schema.p) return false;
    }
    s->tok = arena_alloc(&s->own, (size_t)s->cap_tok * sizeof *s->tok);
    s->block = arena_alloc(&s->own, (size_t)(s->cap_tok / ATTN_BLOCK + 2) * sizeof *s->block);
    return s->tok && s->block;
}

int seq_create(struct engine *en, const struct gen_request *r, int index, struct seq **out,
               struct err *e)
{
    *out = NULL;
    struct seq *s = mem_calloc(1, sizeof *s);
    if (!s) return err_oom(e, "request", sizeof *s);
    s->r = *r;
    s->index = index;
    s->n_prompt = s->n_tok = r->n_prompt;
    s->n_limit = en->o.n_ctx;
    if (r->max_tokens >= 0 && r->max_tokens < s->n_limit - s->n_prompt)
        s->n_limit = s->n_prompt + r->max_tokens;
    s->cap_tok = s->n_limit + 1;
    arena_init(&s->own, 1 << 14, 0);
    buf_init(&s->piece, TEXT_MAX);
    buf_init(&s->reasoning, TEXT_MAX);
    buf_init(&s->answer, TEXT_MAX);
    buf_init(&s->shown, TEXT_MAX);
    if (!copy_request(s)) {
        seq_free(s);
        return err_oom(e, "request", (size_t)s->cap_tok * sizeof *s->tok);
    }
    memcpy(s->tok, r->prompt, (size_t)r->n_prompt * sizeof *s->tok);
    if (stop_init(&s->stop, r->stop, (size_t)r->n_stop, e)) {
        seq_free(s);
        return -1;
    }
    s->has_stop = true;
    if (en->vocab) {
        detok_init(&s->detok, en->vocab, false, false);
        think_init(&s->think, en->vocab, r->thinking.starts_inside);
    }
    s->constraints = en->constraints;
    if (r->constraint != GEN_FREE &&
        constraint_get(en->constraints, r->constraint, r->schema, &s->constrained, e)) {
        seq_free(s);
        return -1;
    }
    s->counts.prompt_tokens = s->n_prompt;
    s->t_submit = clock_ns();
    *out = s;
    return 0;
}

void seq_free(struct seq *s)
{
    if (s->has_stop) stop_release(&s->stop);
    if (s->constrained.of) constraint_put(s->constraints, &s->constrained);
    buf_release(&s->piece);
    buf_release(&s->reasoning);
    buf_release(&s->answer);
    buf_release(&s->shown);
    arena_release(&s->own);
    mem_free(s);
}

/* ---- reports ------------------------------------------------------------------------------- */

static void report(struct seq *s, struct gen_event *ev)
{
    ev->request_id = s->id;
    ev->index = s->index;
    ev->counts = s->counts;
    ev->times = s->times;
    if (s->r.fn && !s->r.fn(s->r.ctx, ev)) atomic_store(&s->cancelled, true);
}

void seq_report_start(struct engine *en, struct seq *s)
{
    (void)en;
    report(s, &(struct gen_event){.type = GEN_START});
}

void seq_report_progress(struct engine *en, struct seq *s)
{
    (void)en;
    s->counts.prompt_done = s->n_done < s->n_prompt ? s->n_done : s->n_prompt;
    report(s, &(struct gen_event){.type = GEN_PROGRESS});
}

void seq_report_prompt_token(struct engine *en, struct seq *s, int64_t at,
                             const struct sample_out *t)
{
    if (at <= s->n_scored) return; /* computed again after a preemption */
    s->n_scored = at;
    report(s, &(struct gen_event){.type = GEN_PROMPT_TOKEN,
                                  .id = t->id,
                                  .text = en->vocab ? vocab_bytes(en->vocab, t->id)
                                                    : (struct span){0},
                                  .logprob = t->logprob,
                                  .top = t->top,
                                  .n_top = t->n_top});
}

void seq_report_done(struct engine *en, struct seq *s, enum gen_reason why, struct span stop)
{
    (void)en;
    if (s->t_first) s->times.decode_ns = s->t_last - s->t_first;
    report(s, &(struct gen_event){.type = GEN_DONE, .reason = why, .stop_string = stop});
}

void seq_report_error(struct engine *en, struct seq *s, const struct err *e)
{
    (void)en;
    report(s, &(struct gen_event){.type = GEN_ERROR, .err = *e});
}

/* ---- closing the thinking ------------------------------------------------------------------ */

static void force_close(struct engine *en, struct seq *s)
{
    tok_id close = vocab_special(en->vocab)->think_close;
    struct tok_list ids = {0};
    struct err e;
    int rc = vocab_encode(en->vocab, span_of("\n"), false, false, &ids, &e);
    if (rc == 0 && close != TOK_NONE) rc = tok_list_add(&ids, close, &e);
    if (rc == 0 && close == TOK_NONE)
        rc = vocab_encode(en->vocab, span_of("</think>"), false, false, &ids, &e);
    if (rc == 0) rc = vocab_encode(en->vocab, span_of("\n\n"), false, false, &ids, &e);
    if (rc == 0 && ids.n <= MAX_FORCED) {
        memcpy(s->forced, ids.id, ids.n * sizeof *ids.id);
        s->n_forced = (int)ids.n;
        s->at_forced = 0;
    }
    tok_list_release(&ids);
}

void seq_force(struct engine *en, struct seq *s)
{
    if (s->n_forced || !en->vocab || s->think.state != THINK_REASONING) return;
    const struct gen_thinking *t = &s->r.thinking;
    int64_t left = s->n_limit - s->n_tok;
    bool budget = t->budget >= 0 && s->counts.reasoning_tokens >= t->budget;
    bool room = t->answer_reserve > 0 && left <= t->answer_reserve;
    if (budget || room || s->looping || atomic_load(&s->answer_now)) force_close(en, s);
}

/* The completion's end repeats itself: some period p up to LOOP_PERIOD, at least LOOP_TIMES times
 * and over LOOP_TOKENS tokens. Looked at every LOOP_EVERY tokens. */
static bool loops(const struct seq *s)
{
    int64_t n = s->n_tok - s->n_prompt;
    const tok_id *end = s->tok + s->n_tok;
    for (int64_t p = 1; p <= LOOP_PERIOD && p * LOOP_TIMES <= n; p++) {
        int64_t need = p * LOOP_TIMES > LOOP_TOKENS ? p * LOOP_TIMES : LOOP_TOKENS, same = 0;
        if (need > n) break;
        while (same < need - p && end[-1 - same] == end[-1 - same - p]) same++;
        if (same == need - p) return true;
    }
    return false;
}

/* ---- tokens -------------------------------------------------------------------------------- */

/* Text of a token, split and filtered. Returns the index of the stop string met, or -1. */
static int text_of(struct seq *s, tok_id id, bool *thinking)
{
    buf_clear(&s->piece);
    buf_clear(&s->reasoning);
    buf_clear(&s->answer);
    buf_clear(&s->shown);
    bool before = s->think.state == THINK_REASONING;
    detok_feed(&s->detok, id, &s->piece);
    think_feed(&s->think, id, buf_span(&s->piece), &s->reasoning, &s->answer);
    *thinking = before || s->think.state == THINK_REASONING;
    if (s->reasoning.len) buf_add(&s->shown, s->reasoning.data, s->reasoning.len);
    return s->answer.len ? stop_feed(&s->stop, buf_span(&s->answer), &s->shown) : -1;
}

/* What was held back comes out with the end of the stream, as a token without an id. */
static void flush_text(struct seq *s)
{
    buf_clear(&s->piece);
    buf_clear(&s->reasoning);
    buf_clear(&s->answer);
    buf_clear(&s->shown);
    bool thinking = s->think.state == THINK_REASONING;
    detok_flush(&s->detok, &s->piece);
    if (s->piece.len)
        think_feed(&s->think, TOK_NONE, buf_span(&s->piece), &s->reasoning, &s->answer);
    think_flush(&s->think, &s->reasoning, &s->answer);
    if (s->reasoning.len) buf_add(&s->shown, s->reasoning.data, s->reasoning.len);
    if (s->answer.len) (void)stop_feed(&s->stop, buf_span(&s->answer), &s->shown);
    stop_flush(&s->stop, &s->shown);
    if (s->shown.len)
        report(s, &(struct gen_event){.type = GEN_TOKEN,
                                      .id = TOK_NONE,
                                      .text = buf_span(&s->shown),
                                      .thinking = thinking,
                                      .forced = true});
}

/* Reports it when there was no memory for text. */
static bool text_lost(struct engine *en, struct seq *s)
{
    struct err e;
    if (!s->piece.failed && !s->reasoning.failed && !s->answer.failed && !s->shown.failed)
        return false;
    err_oom(&e, "the text of a token", TEXT_MAX);
    seq_report_error(en, s, &e);
    return true;
}

static bool finish(struct engine *en, struct seq *s, enum gen_reason why, int stop)
{
    if (en->vocab && stop < 0) flush_text(s);
    if (text_lost(en, s)) return true;
    seq_report_done(en, s, why, stop >= 0 ? s->r.stop[stop] : (struct span){0});
    return true;
}

bool seq_scored(struct engine *en, struct seq *s)
{
    s->times.prefill_ns = clock_ns() - s->t_scheduled;
    s->counts.prompt_done = s->n_prompt;
    return finish(en, s, GEN_STOP_LENGTH, -1);
}

bool seq_push(struct engine *en, struct seq *s, const struct sample_out *t, bool forced)
{
    int64_t now = clock_ns();
    if (!s->t_first) {
        s->t_first = now;
        s->times.prefill_ns = now - s->t_scheduled;
        s->counts.prompt_done = s->n_prompt;
    }
    s->t_last = now;
    s->times.decode_ns = now - s->t_first;
    s->counts.completion_tokens++;
    en->stats.completion_tokens++;
    bool eos = en->vocab && !s->r.ignore_eos && vocab_is_stop(en->vocab, t->id);
    bool thinking = false;
    int stop = -1, state = (int)s->think.state;
    if (en->vocab && !eos) stop = text_of(s, t->id, &thinking);
    if (eos) buf_clear(&s->shown); /* else the event would repeat the last token's text */
    if (thinking) {
        s->counts.reasoning_tokens++;
        s->times.think_ns = now - s->t_first;
    }
    s->tok[s->n_tok++] = t->id;
    if (text_lost(en, s)) return true;
    report(s, &(struct gen_event){.type = GEN_TOKEN,
                                  .id = t->id,
                                  .text = buf_span(&s->shown),
                                  .thinking = thinking,
                                  .forced = forced,
                                  .logprob = t->logprob,
                                  .top = t->top,
                                  .n_top = t->n_top});
    if (eos) return finish(en, s, GEN_STOP_EOS, -1);
    if (stop >= 0) return finish(en, s, GEN_STOP_STRING, stop);
    if (s->constrained.of) {
        struct err e;
        if (constraint_push(&s->constrained, en->vocab, t->id, state, &s->think,
                            buf_span(&s->answer), &e)) {
            seq_report_error(en, s, &e);
            return true;
        }
        if (s->r.ignore_eos && constraint_over(&s->constrained))
            return finish(en, s, GEN_STOP_EOS, -1);
    }
    if (s->n_tok >= s->n_limit) return finish(en, s, GEN_STOP_LENGTH, -1);
    int64_t done = s->n_tok - s->n_prompt;
    if (s->r.thinking.detect_loops && done - s->checked_loop >= LOOP_EVERY) {
        s->checked_loop = done;
        bool again = loops(s);
        if (again && (!thinking || s->looping)) return finish(en, s, GEN_STOP_LOOP, -1);
        s->looping = again;
    }
    return false;
}
