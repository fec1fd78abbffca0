/* generate_read.c - from the engine's records to the pieces a format writes.
 *
 *   record (token, its text, its log-probability)
 *     reasoning ----------------------------> PIECE_REASONING
 *     answer --> reply parser (tool calls) -> PIECE_TEXT, PIECE_CALL, PIECE_CALL_ARGS ...
 *
 * Neighbouring pieces of one kind and choice are merged, so when records have piled up behind a
 * slow socket one chunk carries them all. Log-probabilities and token ids wait with text that is
 * held back, and go out with the next piece.
 *
 * Rules that hold: an empty piece is not sent (unless it carries log-probabilities); reasoning
 * never follows answer text inside one piece; a choice's end comes after all its pieces.
 */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "serve/generate_int.h"

const char *gen_finish_reason(const struct gen *g, const struct gchoice *c)
{
    switch (c->reason) {
    case GEN_STOP_EOS:
    case GEN_STOP_STRING: return c->n_call ? "tool_calls" : "stop";
    case GEN_STOP_LENGTH:
    case GEN_STOP_LOOP: return "length";
    case GEN_STOP_CANCEL: break;
    }
    if (c->n_call && c->skip_calls) return "tool_calls";
    return g->cancel_reason && strcmp(g->cancel_reason, "cancelled") == 0
               ? "stop"
               : "insufficient_system_resource";
}

void gen_usage_of(struct gen *g, struct gen_usage *u)
{
    pthread_mutex_lock(&g->lock);
    *u = (struct gen_usage){.prompt = g->sum.hit + g->sum.miss,
                            .hit = g->sum.hit,
                            .completion = g->sum.output,
                            .reasoning = g->sum.reasoning};
    pthread_mutex_unlock(&g->lock);
}

/* ---- merging --------------------------------------------------------------------------------- */

static void flush(struct gen *g, struct buf *out)
{
    struct gen_piece *p = &g->pend;
    if (!g->has_pend) return;
    g->has_pend = false;
    p->text = buf_span(&g->pend_text);
    p->lp = g->lp;
    p->n_lp = g->n_lp;
    p->id = g->ids.id;
    p->n_id = g->ids.n;
    /* The alternatives' array may have moved while it grew: set the pointers now. */
    const struct gen_alt *alt = g->alt;
    for (size_t i = 0; i < g->n_lp; i++) {
        g->lp[i].top = alt;
        alt += g->lp[i].n_top;
    }
    bool empty = p->text.n == 0 && p->n_lp == 0 && p->n_id == 0;
    if (!empty || p->kind == PIECE_CALL || p->kind == PIECE_CALL_END)
        g->sink.piece(g->sink.ctx, p, out);
    buf_clear(&g->pend_text);
    g->n_lp = g->n_alt = 0;
    g->ids.n = 0;
}

static void add_piece(struct gen *g, int choice, enum piece_kind kind, struct span text,
                      struct buf *out)
{
    struct gen_piece *p = &g->pend;
    struct gchoice *c = &g->choice[choice];
    int call = kind >= PIECE_CALL ? c->n_call - 1 : 0;
    bool merge = g->has_pend && p->choice == choice && p->kind == kind && p->call == call &&
                 kind != PIECE_CALL && kind != PIECE_CALL_END;
    if (!merge) {
        flush(g, out);
        *p = (struct gen_piece){.choice = choice, .kind = kind, .call = call};
        p->call_id = c->call_id;
        p->call_name = c->call_name;
        g->has_pend = true;
    }
    buf_add_span(&g->pend_text, text);
    if (kind == PIECE_CALL || kind == PIECE_CALL_END) flush(g, out);
}

static bool grow(void **p, size_t *size, size_t need, size_t item)
{
    if (need <= *size) return true;
    size_t n = *size ? *size * 2 : 64;
    while (n < need) n *= 2;
    void *q = mem_realloc(*p, *size * item, n * item);
    if (!q) return false;
    *p = q;
    *size = n;
    return true;
}

/* The token's log-probability and id travel with the pending piece. */
static void add_token(struct gen *g, const struct rec *r, const struct gen_alt *top)
{
    if (r->id == TOK_NONE) return; /* text that was held back until the end */
    if (g->k->ids && !r->prompt && tok_list_add(&g->ids, r->id, NULL)) return;
    if (!g->k->logprobs) return;
    /* The end is no part of a message. Raw text reports it: whoever asks for a prompt's scores takes
     * away one token that was sampled, whatever it is. */
    if (!g->k->prompt && !r->prompt && vocab_is_stop(g->vocab, r->id)) return;
    void *lp = g->lp, *alt = g->alt;
    bool ok = grow(&lp, &g->lp_size, g->n_lp + 1, sizeof *g->lp) &&
              grow(&alt, &g->alt_size, g->n_alt + r->n_top, sizeof *g->alt);
    g->lp = lp;
    g->alt = alt;
    if (!ok) return;
    g->lp[g->n_lp++] =
        (struct gen_lp){.id = r->id, .logprob = r->logprob, .n_top = (int)r->n_top};
    if (r->n_top) memcpy(g->alt + g->n_alt, top, r->n_top * sizeof *top);
    g->n_alt += r->n_top;
}

/* ---- answers --------------------------------------------------------------------------------- */

struct reply_ctx {
    struct gen *g;
    int choice;
    struct buf *out;
};

static void new_call(struct gen *g, struct gchoice *c, struct span name)
{
    if (!g->k->parallel && c->n_call == 1) {
        c->skip_calls = true;
        return;
    }
    if (g->sink.call_prefix[0] == 'c')
        snprintf(c->call_id, sizeof c->call_id, "%s%02d_", g->sink.call_prefix,
                 c->n_call % 100);
    else
        snprintf(c->call_id, sizeof c->call_id, "%s", g->sink.call_prefix);
    random_text(c->call_id + strlen(c->call_id), 24);
    size_t n = name.n < sizeof c->call_name - 1 ? name.n : sizeof c->call_name - 1;
    memcpy(c->call_name, name.p, n);
    c->call_name[n] = 0;
    c->n_call++;
    buf_clear(&c->args);
}

static void on_reply(void *ctx, enum reply_kind kind, struct span s)
{
    struct reply_ctx *rc = ctx;
    struct gen *g = rc->g;
    struct gchoice *c = &g->choice[rc->choice];
    switch (kind) {
    case REPLY_TEXT:
        /* Blank lines between the text and a call belong to neither. */
        if (c->n_call) return;
        add_piece(g, rc->choice, PIECE_TEXT, s, rc->out);
        return;
    case REPLY_CALL:
        new_call(g, c, s);
        if (!c->skip_calls) add_piece(g, rc->choice, PIECE_CALL, (struct span){"", 0}, rc->out);
        return;
    case REPLY_CALL_ARGS:
        if (c->skip_calls) return;
        buf_add_span(&c->args, s);
        add_piece(g, rc->choice, PIECE_CALL_ARGS, s, rc->out);
        return;
    case REPLY_CALL_END:
        if (c->skip_calls) return;
        add_piece(g, rc->choice, PIECE_CALL_END, (struct span){"", 0}, rc->out);
        replay_put(g->s->replay, g->key_id, span_of(c->call_id), buf_span(&c->args),
                   buf_span(&c->reasoning));
        return;
    }
}

static bool wants_calls(const struct gen *g)
{
    return g->k->n_tool > 0 && g->k->choice != CHOICE_NONE && !g->k->prompt;
}

static void answer_text(struct gen *g, int choice, struct span text, struct buf *out)
{
    struct gchoice *c = &g->choice[choice];
    if (!wants_calls(g)) {
        add_piece(g, choice, PIECE_TEXT, text, out);
        return;
    }
    struct reply_ctx rc = {g, choice, out};
    if (!c->parser) c->parser = reply_parser_create(g->render);
    if (c->parser)
        reply_parser_feed(c->parser, text, on_reply, &rc);
    else
        add_piece(g, choice, PIECE_TEXT, text, out);
}

static void token(struct gen *g, const struct rec *r, const struct gen_alt *top,
                  struct span text, struct buf *out)
{
    struct gchoice *c = &g->choice[r->choice];
    /* A change of choice or of phase first sends what is pending, so that a token's numbers go
     * with its own piece. */
    enum piece_kind kind = r->prompt     ? PIECE_PROMPT
                           : r->thinking ? PIECE_REASONING
                                         : PIECE_TEXT;
    bool same = g->has_pend && g->pend.choice == r->choice &&
                (g->pend.kind == kind || (kind == PIECE_TEXT && g->pend.kind >= PIECE_TEXT));
    if (g->has_pend && !same) flush(g, out);
    if (!g->has_pend && (g->k->logprobs || g->k->ids))
        add_piece(g, r->choice, kind, (struct span){"", 0}, out);
    add_token(g, r, top);
    if (kind != PIECE_TEXT) {
        if (r->thinking && wants_calls(g)) buf_add_span(&c->reasoning, text);
        if (!(r->thinking && g->k->hide_reasoning)) add_piece(g, r->choice, kind, text, out);
        return;
    }
    if (text.n) answer_text(g, r->choice, text, out);
}

static void choice_done(struct gen *g, int choice, struct buf *out)
{
    struct gchoice *c = &g->choice[choice];
    if (c->ended) return;
    c->ended = true;
    g->n_ended++;
    if (c->parser) {
        struct reply_ctx rc = {g, choice, out};
        reply_parser_end(c->parser, on_reply, &rc);
    }
    flush(g, out);
    struct gen_end end = {.choice = choice,
                          .reason = gen_finish_reason(g, c),
                          .stopped_by_string = c->reason == GEN_STOP_STRING,
                          .stop_string = {c->stop_string, c->n_stop},
                          .counts = c->counts,
                          .times = c->times};
    int64_t total = c->counts.prompt_tokens + c->counts.completion_tokens;
    end.context_full = c->reason == GEN_STOP_LENGTH && total >= g->en->n_ctx(g->en->self);
    g->sink.choice_end(g->sink.ctx, &end, out);
}

/* ---- the records ----------------------------------------------------------------------------- */

static void walk(struct gen *g, struct buf *out)
{
    const struct buf *b = &g->records;
    for (size_t at = 0; at + sizeof(struct rec) <= b->len;) {
        const struct rec *r = (const struct rec *)(const void *)(b->data + at);
        const struct gen_alt *top = (const struct gen_alt *)(const void *)(r + 1);
        struct span text = {(const char *)(top + r->n_top), r->n_text};
        size_t size = sizeof *r + r->n_top * sizeof *top + r->n_text;
        at += (size + 7) & ~(size_t)7;
        switch ((enum rec_type)r->type) {
        case REC_TOKEN:
            if (!g->choice[r->choice].ended) token(g, r, top, text, out);
            break;
        case REC_PROGRESS:
            flush(g, out);
            if (g->sink.progress)
                g->sink.progress(g->sink.ctx, &g->progress,
                                 (clock_ns() - g->start_ns) / 1000000, out);
            break;
        case REC_DONE: choice_done(g, r->choice, out); break;
        case REC_ERROR: break;
        }
        /* One call only, and it is complete: the rest of the answer is of no use. */
        struct gchoice *c = &g->choice[r->choice];
        if (c->skip_calls && !c->ended)
            g->en->cancel(g->en->self, g->part[r->choice / g->k->n].engine_id);
    }
}

bool gen_consume(struct gen *g, struct buf *out)
{
    if (g->finished) return true;
    pthread_mutex_lock(&g->lock);
    buf_clear(&g->records);
    struct buf swap = g->records;
    g->records = g->fresh;
    g->fresh = swap;
    bool failed = g->failed;
    pthread_mutex_unlock(&g->lock);
    if (!g->started) {
        g->started = true;
        if (g->sink.start) g->sink.start(g->sink.ctx, out);
    }
    walk(g, out);
    /* Tokens whose text is still held back keep their numbers until it comes. */
    if (g->pend_text.len || failed || g->n_ended == g->n_choice) flush(g, out);
    if (failed) {
        g->finished = true;
        if (g->is_stream) g->sink.fail(g->sink.ctx, &g->fail, out);
    } else if (g->n_ended == g->n_choice) {
        struct gen_usage u;
        gen_usage_of(g, &u);
        g->finished = true;
        g->sink.finish(g->sink.ctx, &u, out);
    }
    if (g->records.size > 256 << 10) buf_release(&g->records);
    return g->finished;
}
