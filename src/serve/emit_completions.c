/* emit_completions.c - text completions (api.md 12): raw text, four parallel arrays of
 * log-probabilities, echo with the prompt's own. */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "serve/emit.h"
#include "serve/serve_int.h"
#include "serve/sse.h"

struct comp_choice {
    struct buf text, tokens, token_lp, top_lp, offset; /* of a plain answer, or of one chunk */
    struct tok_list ids;
    size_t at; /* code points from the start of the prompt */
    bool any_token;
    tok_id silent; /* the first token, when it is a BOS that was put in front of a string */
    struct gen_end end;
};

struct comp {
    struct emit_common c;
    struct buf head;
    struct comp_choice *choice;
    const struct gen_input *in; /* gen's, which outlives this */
    size_t n, n_part;
};

static size_t code_points(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* {"a":-0.1,...}: when two tokens have the same text the better one stays. */
static void write_top(const struct comp *c, const struct gen_lp *lp, struct buf *out)
{
    buf_add_char(out, '{');
    bool any = false;
    for (int i = 0; i < lp->n_top && i < c->c.k->n_top; i++) {
        struct span s = vocab_bytes(c->c.vocab, lp->top[i].id);
        bool twin = false;
        for (int j = 0; j < i && !twin; j++)
            twin = span_eq(s, vocab_bytes(c->c.vocab, lp->top[j].id));
        if (twin) continue;
        if (any) buf_add_char(out, ',');
        buf_add_json(out, s);
        buf_add_char(out, ':');
        emit_logprob(out, lp->top[i].logprob);
        any = true;
    }
    buf_add_char(out, '}');
}

static void add_token(const struct comp *c, struct comp_choice *cc, const struct gen_lp *lp)
{
    const char *comma = cc->any_token ? "," : "";
    struct span s = vocab_bytes(c->c.vocab, lp->id);
    cc->any_token = true;
    buf_add_str(&cc->tokens, comma);
    buf_add_json(&cc->tokens, s);
    buf_add_str(&cc->token_lp, comma);
    buf_add_str(&cc->top_lp, comma);
    buf_printf(&cc->offset, "%s%zu", comma, cc->at);
    if (isnan(lp->logprob)) {
        buf_add_str(&cc->token_lp, "null");
        buf_add_str(&cc->top_lp, "null");
    } else {
        emit_logprob(&cc->token_lp, lp->logprob);
        write_top(c, lp, &cc->top_lp);
    }
    /* The BOS that a string gets is no part of the text. */
    if (lp->id != cc->silent) cc->at += code_points(s);
    cc->silent = TOK_NONE;
}

/* The prompt's first token has no log-probability; the engine reports from the second on. */
static void start_choice(const struct comp *c, size_t i)
{
    struct comp_choice *cc = &c->choice[i];
    const struct tok_list *ids = &c->in[i / (size_t)c->c.k->n].prompt;
    const struct ask_prompt *p = &c->c.k->prompt[i / (size_t)c->c.k->n];
    bool bos = !p->is_ids && ids->id[0] == vocab_special(c->c.vocab)->bos;
    cc->silent = bos ? ids->id[0] : TOK_NONE;
    if (!c->c.k->echo) {
        for (size_t t = bos; t < ids->n; t++)
            cc->at += code_points(vocab_bytes(c->c.vocab, ids->id[t]));
        cc->silent = TOK_NONE;
        return;
    }
    struct gen_lp first = {.id = ids->id[0], .logprob = NAN};
    vocab_decode(c->c.vocab, ids->id + bos, ids->n - bos, true, &cc->text);
    if (c->c.k->logprobs) add_token(c, cc, &first);
}

static void clear_arrays(struct comp_choice *cc)
{
    struct buf *all[] = {&cc->text, &cc->tokens, &cc->token_lp, &cc->top_lp, &cc->offset};
    for (size_t i = 0; i < countof(all); i++) buf_clear(all[i]);
    cc->any_token = false;
}

static void collect(struct comp *c, const struct gen_piece *p)
{
    struct comp_choice *cc = &c->choice[p->choice];
    /* The echoed text was written from the ids as a whole: special tokens are shown too. */
    if (p->kind != PIECE_PROMPT) buf_add_span(&cc->text, p->text);
    /* The prompt is scored once and shown with each of its choices. */
    int last = p->kind == PIECE_PROMPT ? p->choice + c->c.k->n - 1 : p->choice;
    if (p->kind == PIECE_PROMPT && p->choice % c->c.k->n != 0) return;
    for (int k = p->choice; k <= last; k++)
        for (size_t i = 0; c->c.k->logprobs && i < p->n_lp; i++)
            add_token(c, &c->choice[k], &p->lp[i]);
    for (size_t i = 0; i < p->n_id; i++)
        if (tok_list_add(&cc->ids, p->id[i], NULL)) break;
}

static void write_choice(const struct comp *c, size_t i, const char *reason, struct buf *out)
{
    const struct comp_choice *cc = &c->choice[i];
    buf_add_str(out, "{\"text\":");
    buf_add_json(out, buf_span(&cc->text));
    buf_printf(out, ",\"index\":%zu,\"logprobs\":", i);
    if (c->c.k->logprobs && (cc->any_token || !c->c.k->stream)) {
        buf_add_str(out, "{\"tokens\":[");
        buf_add_span(out, buf_span(&cc->tokens));
        buf_add_str(out, "],\"token_logprobs\":[");
        buf_add_span(out, buf_span(&cc->token_lp));
        buf_add_str(out, "],\"top_logprobs\":[");
        buf_add_span(out, buf_span(&cc->top_lp));
        buf_add_str(out, "],\"text_offset\":[");
        buf_add_span(out, buf_span(&cc->offset));
        buf_add_str(out, "]}");
    } else {
        buf_add_str(out, "null");
    }
    buf_add_str(out, ",\"finish_reason\":");
    if (reason)
        buf_printf(out, "\"%s\"", reason);
    else
        buf_add_str(out, "null");
    if (c->c.k->ids) emit_ids(out, "token_ids", cc->ids.id, cc->ids.n);
    buf_add_char(out, '}');
}

/* ---- streamed -------------------------------------------------------------------------------- */

static void stream_event(struct comp *c, size_t i, const char *reason, struct buf *out)
{
    sse_open(out);
    buf_add_span(out, buf_span(&c->head));
    write_choice(c, i, reason, out);
    buf_add_char(out, ']');
    if (c->c.k->include_usage) buf_add_str(out, ",\"usage\":null");
    if (reason) emit_timings(out, &c->choice[i].end);
    buf_add_char(out, '}');
    sse_close(out);
    clear_arrays(&c->choice[i]);
    c->choice[i].ids.n = 0;
}

static void start(void *ctx, struct buf *out)
{
    struct comp *c = ctx;
    for (size_t i = 0; i < c->n; i++) {
        start_choice(c, i);
        if (c->c.k->stream && c->c.k->echo) stream_event(c, i, NULL, out);
    }
}

static void stream_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct comp *c = ctx;
    collect(c, p);
    if (p->kind == PIECE_PROMPT && (!c->c.k->logprobs || p->choice % c->c.k->n != 0)) return;
    int last = p->kind == PIECE_PROMPT ? p->choice + c->c.k->n - 1 : p->choice;
    for (int k = p->choice; k <= last; k++) stream_event(c, (size_t)k, NULL, out);
}

static void stream_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct comp *c = ctx;
    c->choice[end->choice].end = *end;
    stream_event(c, (size_t)end->choice, end->reason, out);
}

static void stream_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct comp *c = ctx;
    if (c->c.k->include_usage) {
        sse_open(out);
        buf_add_span(out, buf_span(&c->head));
        buf_add_str(out, "],");
        emit_usage(out, u);
        buf_add_char(out, '}');
        sse_close(out);
    }
    sse_done(out);
}

static void stream_fail(void *ctx, const struct api_err *a, struct buf *out)
{
    (void)ctx;
    sse_open(out);
    api_err_write(a, STYLE_OPENAI, NULL, out);
    sse_close(out);
    sse_done(out);
}

static void stream_keep_alive(void *ctx, struct buf *out)
{
    (void)ctx;
    sse_keep_alive(out);
}

/* ---- plain ----------------------------------------------------------------------------------- */

static void plain_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    (void)out;
    collect(ctx, p);
}

static void plain_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct comp *c = ctx;
    (void)out;
    c->choice[end->choice].end = *end;
}

static void plain_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct comp *c = ctx;
    buf_add_span(out, buf_span(&c->head));
    for (size_t i = 0; i < c->n; i++) {
        if (i) buf_add_char(out, ',');
        write_choice(c, i, c->choice[i].end.reason, out);
    }
    buf_add_str(out, "],");
    emit_usage(out, u);
    emit_timings(out, &c->choice[0].end);
    buf_add_char(out, '}');
}

static void comp_release(void *ctx)
{
    struct comp *c = ctx;
    for (size_t i = 0; c->choice && i < c->n; i++) {
        struct comp_choice *cc = &c->choice[i];
        struct buf *all[] = {&cc->text, &cc->tokens, &cc->token_lp, &cc->top_lp, &cc->offset};
        for (size_t j = 0; j < countof(all); j++) buf_release(all[j]);
        tok_list_release(&cc->ids);
    }
    buf_release(&c->head);
    mem_free(c->choice);
    mem_free(c);
}

int emit_completions(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                     const char *id, const struct gen_input *in, size_t n, struct api_err *a)
{
    struct comp *c = mem_calloc(1, sizeof *c);
    if (c) c->choice = mem_calloc(n * (size_t)k->n, sizeof *c->choice);
    if (!c || !c->choice) {
        mem_free(c);
        return api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    }
    emit_common_init(&c->c, s, k, id);
    c->in = in;
    c->n_part = n;
    c->n = n * (size_t)k->n;
    for (size_t i = 0; i < c->n; i++) {
        struct comp_choice *cc = &c->choice[i];
        struct buf *all[] = {&cc->text, &cc->tokens, &cc->token_lp, &cc->top_lp, &cc->offset};
        for (size_t j = 0; j < countof(all); j++) buf_init(all[j], 256 << 20);
    }
    buf_init(&c->head, 4096);
    buf_printf(&c->head,
               "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":",
               c->c.id, (long long)c->c.created);
    buf_add_json(&c->head, span_of(c->c.model));
    buf_add_str(&c->head, ",\"system_fingerprint\":");
    buf_add_json(&c->head, span_of(c->c.fingerprint));
    buf_add_str(&c->head, ",\"choices\":[");
    *sink = (struct gen_sink){.ctx = c,
                              .style = STYLE_OPENAI,
                              .call_prefix = "call_",
                              .start = start,
                              .piece = k->stream ? stream_piece : plain_piece,
                              .choice_end = k->stream ? stream_choice_end : plain_choice_end,
                              .finish = k->stream ? stream_finish : plain_finish,
                              .fail = stream_fail,
                              .keep_alive = stream_keep_alive,
                              .release = comp_release};
    return 0;
}
