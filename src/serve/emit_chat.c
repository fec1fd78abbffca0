/* emit_chat.c - chat completions, plain and streamed (api.md 6, 7): DeepSeek's reasoning_content
 * beside content, tool calls name first and then in pieces, one usage chunk when asked for. */
#include <stdio.h>

#include "base/mem.h"
#include "serve/emit.h"
#include "serve/serve_int.h"
#include "serve/sse.h"

struct chat_choice { /* plain answers: everything is collected */
    struct buf content, reasoning, calls, lp_content, lp_reasoning;
    struct tok_list ids;
    struct gen_end end;
    char stop[256];
    int n_call;
};

struct chat {
    struct emit_common c;
    enum reasoning_field field;
    struct tok_list prompt_ids;
    struct buf head; /* of every chunk, up to "choices":[ */
    bool thinking;
    struct chat_choice *choice;
    int n;
};

static void write_head(struct chat *ch, const char *object)
{
    struct buf *b = &ch->head;
    buf_printf(b, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", ch->c.id,
               object, (long long)ch->c.created);
    buf_add_json(b, span_of(ch->c.model));
    buf_add_str(b, ",\"system_fingerprint\":");
    buf_add_json(b, span_of(ch->c.fingerprint));
    buf_add_str(b, ",\"choices\":[");
}

static void chunk_open(struct chat *ch, int choice, struct buf *out)
{
    sse_open(out);
    buf_add_span(out, buf_span(&ch->head));
    buf_printf(out, "{\"index\":%d,\"delta\":", choice);
}

static void chunk_tail(const struct chat *ch, struct buf *out)
{
    buf_add_str(out, "]");
    if (ch->c.k->include_usage) buf_add_str(out, ",\"usage\":null");
}

static void chunk_close(const struct chat *ch, struct buf *out)
{
    buf_add_str(out, ",\"finish_reason\":null}");
    chunk_tail(ch, out);
    buf_add_char(out, '}');
    sse_close(out);
}

static void reasoning_member(const struct chat *ch, struct span text, struct buf *out)
{
    if (ch->field != REASONING_PLAIN) {
        buf_add_str(out, ",\"reasoning_content\":");
        buf_add_json(out, text);
    }
    if (ch->field != REASONING_CONTENT) {
        buf_add_str(out, ",\"reasoning\":");
        buf_add_json(out, text);
    }
}

static void chunk_logprobs(const struct chat *ch, const struct gen_piece *p, struct buf *out)
{
    if (p->n_lp == 0) {
        buf_add_str(out, ",\"logprobs\":null");
        return;
    }
    bool reasoning = p->kind == PIECE_REASONING;
    buf_add_str(out, reasoning ? ",\"logprobs\":{\"content\":[],\"reasoning_content\":["
                               : ",\"logprobs\":{\"content\":[");
    emit_chat_logprobs(out, ch->c.vocab, p->lp, p->n_lp, ch->c.k->n_top);
    buf_add_str(out, reasoning ? "],\"refusal\":null}"
                               : "],\"reasoning_content\":[],\"refusal\":null}");
}

/* ---- streamed -------------------------------------------------------------------------------- */

static void stream_start(void *ctx, struct buf *out)
{
    struct chat *ch = ctx;
    for (int i = 0; i < ch->n; i++) {
        chunk_open(ch, i, out);
        buf_add_str(out, "{\"role\":\"assistant\",");
        if (ch->thinking) {
            buf_add_str(out, "\"content\":null");
            reasoning_member(ch, (struct span){"", 0}, out);
            buf_add_char(out, '}');
        } else {
            buf_add_str(out, "\"content\":\"\"}");
        }
        buf_add_str(out, ",\"logprobs\":null");
        if (ch->c.k->ids && i == 0)
            emit_ids(out, "prompt_token_ids", ch->prompt_ids.id, ch->prompt_ids.n);
        chunk_close(ch, out);
    }
}

static void stream_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct chat *ch = ctx;
    if (p->kind == PIECE_CALL_END) return;
    chunk_open(ch, p->choice, out);
    switch (p->kind) {
    case PIECE_REASONING:
        buf_add_str(out, "{\"content\":null");
        reasoning_member(ch, p->text, out);
        buf_add_char(out, '}');
        break;
    case PIECE_CALL:
        buf_printf(out,
                   "{\"tool_calls\":[{\"index\":%d,\"id\":\"%s\",\"type\":\"function\","
                   "\"function\":{\"name\":",
                   p->call, p->call_id);
        buf_add_json(out, span_of(p->call_name));
        buf_add_str(out, ",\"arguments\":\"\"}}]}");
        break;
    case PIECE_CALL_ARGS:
        buf_printf(out, "{\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":", p->call);
        buf_add_json(out, p->text);
        buf_add_str(out, "}}]}");
        break;
    case PIECE_TEXT:
    case PIECE_PROMPT:
    case PIECE_CALL_END:
        buf_add_str(out, "{\"content\":");
        buf_add_json(out, p->text);
        if (ch->thinking) {
            if (ch->field != REASONING_PLAIN) buf_add_str(out, ",\"reasoning_content\":null");
            if (ch->field != REASONING_CONTENT) buf_add_str(out, ",\"reasoning\":null");
        }
        buf_add_char(out, '}');
        break;
    }
    chunk_logprobs(ch, p, out);
    if (ch->c.k->ids) emit_ids(out, "token_ids", p->id, p->n_id);
    chunk_close(ch, out);
}

static void stream_progress(void *ctx, const struct gen_counts *n, int64_t ms, struct buf *out)
{
    struct chat *ch = ctx;
    sse_open(out);
    buf_add_span(out, buf_span(&ch->head));
    chunk_tail(ch, out);
    buf_printf(out,
               ",\"prompt_progress\":{\"total\":%lld,\"cache\":%lld,\"processed\":%lld,"
               "\"time_ms\":%lld}}",
               (long long)n->prompt_tokens, (long long)n->cached_tokens,
               (long long)n->prompt_done, (long long)ms);
    sse_close(out);
}

static void stream_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct chat *ch = ctx;
    chunk_open(ch, end->choice, out);
    buf_printf(out, "{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"%s\"}",
               end->reason);
    chunk_tail(ch, out);
    emit_timings(out, end);
    buf_add_char(out, '}');
    sse_close(out);
}

static void stream_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct chat *ch = ctx;
    if (ch->c.k->include_usage) {
        sse_open(out);
        buf_add_span(out, buf_span(&ch->head));
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

static void plain_lp(struct chat *ch, struct buf *to, const struct gen_piece *p)
{
    if (p->n_lp == 0) return;
    if (to->len) buf_add_char(to, ',');
    emit_chat_logprobs(to, ch->c.vocab, p->lp, p->n_lp, ch->c.k->n_top);
}

static void plain_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct chat *ch = ctx;
    struct chat_choice *cc = &ch->choice[p->choice];
    (void)out;
    plain_lp(ch, p->kind == PIECE_REASONING ? &cc->lp_reasoning : &cc->lp_content, p);
    for (size_t i = 0; i < p->n_id; i++)
        if (tok_list_add(&cc->ids, p->id[i], NULL)) break;
    switch (p->kind) {
    case PIECE_REASONING: buf_add_span(&cc->reasoning, p->text); break;
    case PIECE_CALL:
        /* The arguments string is left open until the call ends. */
        buf_printf(&cc->calls,
                   "%s{\"index\":%d,\"id\":\"%s\",\"type\":\"function\",\"function\":{"
                   "\"name\":",
                   cc->n_call ? "\"}}," : "", p->call, p->call_id);
        buf_add_json(&cc->calls, span_of(p->call_name));
        buf_add_str(&cc->calls, ",\"arguments\":\"");
        cc->n_call++;
        break;
    case PIECE_CALL_ARGS: {
        size_t at = cc->calls.len;
        buf_add_json(&cc->calls, p->text); /* with quotes: drop both */
        if (cc->calls.failed) break;
        memmove(cc->calls.data + at, cc->calls.data + at + 1, cc->calls.len - at - 2);
        cc->calls.len -= 2;
        break;
    }
    case PIECE_TEXT:
    case PIECE_PROMPT: buf_add_span(&cc->content, p->text); break;
    case PIECE_CALL_END: break;
    }
}

static void plain_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct chat *ch = ctx;
    (void)out;
    ch->choice[end->choice].end = *end;
}

static void plain_choice(struct chat *ch, int i, struct buf *out)
{
    struct chat_choice *cc = &ch->choice[i];
    buf_printf(out,
               "%s{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":", i ? "," : "",
               i);
    if (cc->n_call && cc->content.len == 0 && !ch->thinking)
        buf_add_str(out, "null");
    else
        buf_add_json(out, buf_span(&cc->content));
    if (ch->thinking && !ch->c.k->hide_reasoning)
        reasoning_member(ch, buf_span(&cc->reasoning), out);
    if (cc->n_call) {
        buf_add_str(out, ",\"tool_calls\":[");
        buf_add_span(out, buf_span(&cc->calls));
        buf_add_str(out, "\"}}]");
    }
    buf_add_str(out, "},\"logprobs\":");
    if (ch->c.k->logprobs) {
        buf_add_str(out, "{\"content\":[");
        buf_add_span(out, buf_span(&cc->lp_content));
        buf_add_str(out, "],\"reasoning_content\":[");
        buf_add_span(out, buf_span(&cc->lp_reasoning));
        buf_add_str(out, "],\"refusal\":null}");
    } else {
        buf_add_str(out, "null");
    }
    buf_printf(out, ",\"finish_reason\":\"%s\"", cc->end.reason);
    if (ch->c.k->ids) emit_ids(out, "token_ids", cc->ids.id, cc->ids.n);
    buf_add_char(out, '}');
}

static void plain_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct chat *ch = ctx;
    buf_add_span(out, buf_span(&ch->head));
    for (int i = 0; i < ch->n; i++) plain_choice(ch, i, out);
    buf_add_str(out, "],");
    emit_usage(out, u);
    if (ch->c.k->ids) emit_ids(out, "prompt_token_ids", ch->prompt_ids.id, ch->prompt_ids.n);
    emit_timings(out, &ch->choice[0].end);
    buf_add_char(out, '}');
}

/* ---- create ---------------------------------------------------------------------------------- */

static void chat_release(void *ctx)
{
    struct chat *ch = ctx;
    for (int i = 0; ch->choice && i < ch->n; i++) {
        struct chat_choice *cc = &ch->choice[i];
        buf_release(&cc->content);
        buf_release(&cc->reasoning);
        buf_release(&cc->calls);
        buf_release(&cc->lp_content);
        buf_release(&cc->lp_reasoning);
        tok_list_release(&cc->ids);
    }
    tok_list_release(&ch->prompt_ids);
    buf_release(&ch->head);
    mem_free(ch->choice);
    mem_free(ch);
}

int emit_chat(struct gen_sink *sink, const struct serve *s, const struct ask *k, const char *id,
              const struct gen_input *in, struct api_err *a)
{
    struct chat *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    emit_common_init(&ch->c, s, k, id);
    ch->n = k->n;
    ch->thinking = k->thinking;
    ch->field = s->o.reasoning_field;
    buf_init(&ch->head, 4096);
    write_head(ch, k->stream ? "chat.completion.chunk" : "chat.completion");
    *sink = (struct gen_sink){
        .ctx = ch, .style = STYLE_OPENAI, .call_prefix = "call_", .release = chat_release};
    for (size_t i = 0; k->ids && i < in->prompt.n; i++)
        if (tok_list_add(&ch->prompt_ids, in->prompt.id[i], NULL)) break;
    if (k->stream) {
        sink->start = stream_start;
        sink->piece = stream_piece;
        sink->progress = stream_progress;
        sink->choice_end = stream_choice_end;
        sink->finish = stream_finish;
        sink->fail = stream_fail;
        sink->keep_alive = stream_keep_alive;
        return 0;
    }
    ch->choice = mem_calloc((size_t)k->n, sizeof *ch->choice);
    if (!ch->choice) {
        chat_release(ch);
        return api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    }
    for (int i = 0; i < k->n; i++) {
        struct chat_choice *cc = &ch->choice[i];
        struct buf *all[] = {&cc->content, &cc->reasoning, &cc->calls, &cc->lp_content,
                             &cc->lp_reasoning};
        for (size_t j = 0; j < countof(all); j++) buf_init(all[j], 256 << 20);
    }
    sink->piece = plain_piece;
    sink->choice_end = plain_choice_end;
    sink->finish = plain_finish;
    return 0;
}
