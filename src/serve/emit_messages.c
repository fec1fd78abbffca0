/* emit_messages.c - the Anthropic Messages format (api.md 19): blocks of thinking, text and
 * tool_use, one after the other, each opened, filled and closed. */
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "meter/keys.h"
#include "serve/emit.h"
#include "serve/serve_int.h"
#include "serve/sse.h"

enum block { BLOCK_NONE, BLOCK_THINKING, BLOCK_TEXT, BLOCK_TOOL };

struct messages {
    struct emit_common c;
    int64_t n_prompt;
    enum block open;
    int index;
    uint64_t signature; /* running hash of the thinking */
    struct gen_end end;
    bool has_end, any_tool;
    struct buf blocks; /* plain answers: the content array */
    struct buf args;   /* plain answers: arguments of the open tool call */
};

static void event(struct buf *out, const char *name)
{
    sse_open_named(out, name);
    buf_printf(out, "{\"type\":\"%s\"", name);
}

static void event_end(struct buf *out)
{
    buf_add_char(out, '}');
    sse_close(out);
}

static const char *stop_reason(const struct messages *m)
{
    const char *r = m->end.reason;
    if (strcmp(r, "tool_calls") == 0) return "tool_use";
    if (strcmp(r, "length") == 0)
        return m->end.context_full ? "model_context_window_exceeded" : "max_tokens";
    return m->end.stopped_by_string ? "stop_sequence" : "end_turn";
}

static void write_stop(const struct messages *m, struct buf *out)
{
    buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", stop_reason(m));
    if (m->end.stopped_by_string)
        buf_add_json(out, m->end.stop_string);
    else
        buf_add_str(out, "null");
}

static void write_signature(const struct messages *m, struct buf *out)
{
    buf_printf(out, "\"dGFybi%016llx\"", (unsigned long long)m->signature);
}

/* ---- streamed -------------------------------------------------------------------------------- */

static void write_head(const struct messages *m, struct buf *out)
{
    buf_printf(out,
               "\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", m->c.id);
    buf_add_json(out, span_of(m->c.model));
}

static void start(void *ctx, struct buf *out)
{
    struct messages *m = ctx;
    event(out, "message_start");
    buf_add_str(out, ",\"message\":{");
    write_head(m, out);
    buf_printf(out,
               ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
               "\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,"
               "\"cache_read_input_tokens\":0,\"output_tokens\":0}}",
               (long long)m->n_prompt);
    event_end(out);
    event(out, "ping");
    event_end(out);
}

static void close_block(struct messages *m, struct buf *out)
{
    if (m->open == BLOCK_NONE) return;
    if (m->open == BLOCK_THINKING) {
        event(out, "content_block_delta");
        buf_printf(out, ",\"index\":%d,\"delta\":{\"type\":\"signature_delta\",\"signature\":",
                   m->index);
        write_signature(m, out);
        buf_add_char(out, '}');
        event_end(out);
    }
    event(out, "content_block_stop");
    buf_printf(out, ",\"index\":%d", m->index);
    event_end(out);
    m->open = BLOCK_NONE;
    m->index++;
}

static void open_block(struct messages *m, enum block b, const struct gen_piece *p,
                       struct buf *out)
{
    if (m->open == b && b != BLOCK_TOOL) return;
    close_block(m, out);
    m->open = b;
    event(out, "content_block_start");
    buf_printf(out, ",\"index\":%d,\"content_block\":", m->index);
    if (b == BLOCK_THINKING) {
        m->signature = 0;
        buf_add_str(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    } else if (b == BLOCK_TEXT) {
        buf_add_str(out, "{\"type\":\"text\",\"text\":\"\"}");
    } else {
        buf_printf(out, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":", p->call_id);
        buf_add_json(out, span_of(p->call_name));
        buf_add_str(out, ",\"input\":{}}");
    }
    event_end(out);
}

static void delta(struct messages *m, const char *type, const char *key, struct span text,
                  struct buf *out)
{
    event(out, "content_block_delta");
    buf_printf(out, ",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":", m->index, type, key);
    buf_add_json(out, text);
    buf_add_char(out, '}');
    event_end(out);
}

static void stream_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct messages *m = ctx;
    switch (p->kind) {
    case PIECE_REASONING:
        open_block(m, BLOCK_THINKING, p, out);
        m->signature = hash64(p->text.p, p->text.n, m->signature);
        delta(m, "thinking_delta", "thinking", p->text, out);
        break;
    case PIECE_PROMPT:
    case PIECE_TEXT:
        if (p->text.n == 0) break;
        open_block(m, BLOCK_TEXT, p, out);
        delta(m, "text_delta", "text", p->text, out);
        break;
    case PIECE_CALL: open_block(m, BLOCK_TOOL, p, out); break;
    case PIECE_CALL_ARGS: delta(m, "input_json_delta", "partial_json", p->text, out); break;
    case PIECE_CALL_END: close_block(m, out); break;
    }
}

static void stream_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct messages *m = ctx;
    close_block(m, out);
    m->end = *end;
    m->has_end = true;
}

static void write_usage(const struct gen_usage *u, struct buf *out)
{
    buf_printf(out,
               "\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,"
               "\"cache_read_input_tokens\":%lld,\"output_tokens\":%lld}",
               (long long)(u->prompt - u->hit), (long long)u->hit, (long long)u->completion);
}

static void stream_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct messages *m = ctx;
    event(out, "message_delta");
    buf_add_str(out, ",\"delta\":{");
    write_stop(m, out);
    buf_add_str(out, "},");
    write_usage(u, out);
    event_end(out);
    event(out, "message_stop");
    event_end(out);
}

static void stream_fail(void *ctx, const struct api_err *a, struct buf *out)
{
    (void)ctx;
    sse_open_named(out, "error");
    api_err_write(a, STYLE_ANTHROPIC, NULL, out);
    sse_close(out);
}

static void keep_alive(void *ctx, struct buf *out)
{
    (void)ctx;
    event(out, "ping");
    event_end(out);
}

/* ---- plain ----------------------------------------------------------------------------------- */

static void plain_close(struct messages *m)
{
    struct buf *b = &m->blocks;
    switch (m->open) {
    case BLOCK_NONE: return;
    case BLOCK_THINKING:
        buf_add_json(b, buf_span(&m->args));
        buf_add_str(b, ",\"signature\":");
        write_signature(m, b);
        break;
    case BLOCK_TEXT: buf_add_json(b, buf_span(&m->args)); break;
    case BLOCK_TOOL: {
        /* input is an object: what is not one (cut off) is told as text inside one. */
        json_t *j = json_loadb(buf_str(&m->args), m->args.len, JSON_ALLOW_NUL, NULL);
        if (json_is_object(j)) {
            buf_add_span(b, buf_span(&m->args));
        } else if (m->args.len == 0) {
            buf_add_str(b, "{}");
        } else {
            buf_add_str(b, "{\"raw_arguments\":");
            buf_add_json(b, buf_span(&m->args));
            buf_add_char(b, '}');
        }
        json_decref(j);
        break;
    }
    }
    buf_add_char(b, '}');
    buf_clear(&m->args);
    m->open = BLOCK_NONE;
}

static void plain_open(struct messages *m, enum block to, const struct gen_piece *p)
{
    if (m->open == to && to != BLOCK_TOOL) return;
    plain_close(m);
    if (m->blocks.len) buf_add_char(&m->blocks, ',');
    m->open = to;
    if (to == BLOCK_THINKING) {
        m->signature = 0;
        buf_add_str(&m->blocks, "{\"type\":\"thinking\",\"thinking\":");
    } else if (to == BLOCK_TEXT) {
        buf_add_str(&m->blocks, "{\"type\":\"text\",\"text\":");
    } else {
        buf_printf(&m->blocks, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":", p->call_id);
        buf_add_json(&m->blocks, span_of(p->call_name));
        buf_add_str(&m->blocks, ",\"input\":");
    }
}

static void plain_piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct messages *m = ctx;
    (void)out;
    switch (p->kind) {
    case PIECE_REASONING:
        plain_open(m, BLOCK_THINKING, p);
        m->signature = hash64(p->text.p, p->text.n, m->signature);
        break;
    case PIECE_PROMPT:
    case PIECE_TEXT:
        if (p->text.n == 0) return;
        plain_open(m, BLOCK_TEXT, p);
        break;
    case PIECE_CALL: plain_open(m, BLOCK_TOOL, p); break;
    case PIECE_CALL_ARGS: break;
    case PIECE_CALL_END: plain_close(m); return;
    }
    buf_add_span(&m->args, p->text);
}

static void plain_choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct messages *m = ctx;
    (void)out;
    plain_close(m);
    m->end = *end;
    m->has_end = true;
}

static void plain_finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct messages *m = ctx;
    buf_add_char(out, '{');
    write_head(m, out);
    buf_add_str(out, ",\"content\":[");
    buf_add_span(out, buf_span(&m->blocks));
    buf_add_str(out, "],");
    write_stop(m, out);
    buf_add_char(out, ',');
    write_usage(u, out);
    buf_add_char(out, '}');
}

static void messages_release(void *ctx)
{
    struct messages *m = ctx;
    buf_release(&m->blocks);
    buf_release(&m->args);
    mem_free(m);
}

int emit_messages(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                  const char *id, int64_t n_prompt, struct api_err *a)
{
    struct messages *m = mem_calloc(1, sizeof *m);
    if (!m) return api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    emit_common_init(&m->c, s, k, id);
    m->n_prompt = n_prompt;
    buf_init(&m->blocks, 256 << 20);
    buf_init(&m->args, 256 << 20);
    *sink = (struct gen_sink){.ctx = m,
                              .style = STYLE_ANTHROPIC,
                              .call_prefix = "toolu_",
                              .start = k->stream ? start : NULL,
                              .piece = k->stream ? stream_piece : plain_piece,
                              .choice_end = k->stream ? stream_choice_end : plain_choice_end,
                              .finish = k->stream ? stream_finish : plain_finish,
                              .fail = stream_fail,
                              .keep_alive = keep_alive,
                              .release = messages_release};
    return 0;
}
