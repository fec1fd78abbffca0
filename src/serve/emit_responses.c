/* emit_responses.c - the Responses format (api.md 18): output items, each opened, filled and
 * closed by events with a running sequence number; lifecycle events carry the whole response. */
#include <stdio.h>

#include "base/mem.h"
#include "meter/keys.h"
#include "serve/emit.h"
#include "serve/serve_int.h"
#include "serve/sse.h"

enum item { ITEM_NONE, ITEM_REASONING, ITEM_MESSAGE, ITEM_CALL };

struct responses {
    struct emit_common c;
    bool stream, summary; /* reasoning as a summary, or as reasoning_text */
    int64_t seq;
    enum item open;
    int index;
    char item_id[48], call_id[64], name[128];
    bool custom;
    struct buf text;   /* of the open item */
    struct buf output; /* finished items, JSON, separated by commas */
    struct gen_end end;
    struct buf *out; /* the buffer of the call under way; NULL in plain answers */
};

/* ---- items ----------------------------------------------------------------------------------- */

static void write_item(struct responses *r, const char *status, bool with_text, struct buf *b)
{
    struct span text = with_text ? buf_span(&r->text) : (struct span){"", 0};
    buf_printf(b, "{\"id\":\"%s\",", r->item_id);
    switch (r->open) {
    case ITEM_NONE: break;
    case ITEM_REASONING:
        buf_add_str(b, "\"type\":\"reasoning\",\"summary\":[");
        if (r->summary && with_text) {
            buf_add_str(b, "{\"type\":\"summary_text\",\"text\":");
            buf_add_json(b, text);
            buf_add_char(b, '}');
        }
        buf_add_str(b, "],\"content\":[");
        if (!r->summary && with_text) {
            buf_add_str(b, "{\"type\":\"reasoning_text\",\"text\":");
            buf_add_json(b, text);
            buf_add_char(b, '}');
        }
        buf_printf(b, "],\"encrypted_content\":null,\"status\":\"%s\"}", status);
        break;
    case ITEM_MESSAGE:
        buf_printf(
            b, "\"type\":\"message\",\"role\":\"assistant\",\"status\":\"%s\",\"content\":[",
            status);
        if (with_text) {
            buf_add_str(b, "{\"type\":\"output_text\",\"text\":");
            buf_add_json(b, text);
            buf_add_str(b, ",\"annotations\":[],\"logprobs\":[]}");
        }
        buf_add_str(b, "]}");
        break;
    case ITEM_CALL:
        buf_printf(b, "\"type\":\"%s\",\"call_id\":\"%s\",\"name\":",
                   r->custom ? "custom_tool_call" : "function_call", r->call_id);
        buf_add_json(b, span_of(r->name));
        buf_add_str(b, r->custom ? ",\"input\":" : ",\"arguments\":");
        buf_add_json(b, text);
        buf_printf(b, ",\"status\":\"%s\"}", status);
        break;
    }
}

static void event(struct responses *r, const char *type)
{
    sse_open_named(r->out, type);
    buf_printf(r->out, "{\"type\":\"%s\",\"sequence_number\":%lld", type, (long long)r->seq++);
}

static void event_end(struct responses *r)
{
    buf_add_char(r->out, '}');
    sse_close(r->out);
}

static void event_item(struct responses *r, const char *type, const char *status,
                       bool with_text)
{
    event(r, type);
    buf_printf(r->out, ",\"output_index\":%d,\"item\":", r->index);
    write_item(r, status, with_text, r->out);
    event_end(r);
}

/* An event about the one part of a reasoning or message item. */
static void event_part(struct responses *r, const char *type)
{
    bool summary = r->open == ITEM_REASONING && r->summary;
    event(r, type);
    buf_printf(r->out, ",\"item_id\":\"%s\",\"output_index\":%d,\"%s\":0", r->item_id, r->index,
               summary ? "summary_index" : "content_index");
}

static void write_part(struct responses *r, struct span text)
{
    const char *type = r->open == ITEM_MESSAGE ? "output_text"
                       : r->summary            ? "summary_text"
                                               : "reasoning_text";
    buf_printf(r->out, ",\"part\":{\"type\":\"%s\",\"text\":", type);
    buf_add_json(r->out, text);
    buf_add_str(r->out, r->open == ITEM_MESSAGE ? ",\"annotations\":[],\"logprobs\":[]}" : "}");
}

static const char *part_event(const struct responses *r, bool added)
{
    if (r->open == ITEM_REASONING && r->summary)
        return added ? "response.reasoning_summary_part.added"
                     : "response.reasoning_summary_part.done";
    return added ? "response.content_part.added" : "response.content_part.done";
}

static const char *text_event(const struct responses *r, bool delta)
{
    if (r->open == ITEM_MESSAGE)
        return delta ? "response.output_text.delta" : "response.output_text.done";
    if (r->summary)
        return delta ? "response.reasoning_summary_text.delta"
                     : "response.reasoning_summary_text.done";
    return delta ? "response.reasoning_text.delta" : "response.reasoning_text.done";
}

/* A custom tool's one argument {"input": "..."} is told as its bare text. */
static void unwrap_custom(struct responses *r)
{
    json_t *j = json_loadb(buf_str(&r->text), r->text.len, JSON_ALLOW_NUL, NULL);
    const json_t *in = json_object_get(j, "input");
    if (json_is_string(in)) {
        struct buf b;
        buf_init(&b, r->text.cap);
        buf_add(&b, json_string_value(in), json_string_length(in));
        buf_release(&r->text);
        r->text = b;
    }
    json_decref(j);
}

static void close_item(struct responses *r, const char *status)
{
    if (r->open == ITEM_NONE) return;
    if (r->open == ITEM_CALL && r->custom) unwrap_custom(r);
    if (r->stream) {
        struct span text = buf_span(&r->text);
        if (r->open == ITEM_CALL) {
            event(r, r->custom ? "response.custom_tool_call_input.done"
                               : "response.function_call_arguments.done");
            buf_printf(r->out, ",\"item_id\":\"%s\",\"output_index\":%d,\"name\":", r->item_id,
                       r->index);
            buf_add_json(r->out, span_of(r->name));
            buf_add_str(r->out, r->custom ? ",\"input\":" : ",\"arguments\":");
            buf_add_json(r->out, text);
            event_end(r);
        } else {
            event_part(r, text_event(r, false));
            buf_add_str(r->out, ",\"text\":");
            buf_add_json(r->out, text);
            if (r->open == ITEM_MESSAGE) buf_add_str(r->out, ",\"logprobs\":[]");
            event_end(r);
            event_part(r, part_event(r, false));
            write_part(r, text);
            event_end(r);
        }
        event_item(r, "response.output_item.done", status, true);
    }
    if (r->output.len) buf_add_char(&r->output, ',');
    write_item(r, status, true, &r->output);
    buf_clear(&r->text);
    r->open = ITEM_NONE;
    r->index++;
}

static void open_item(struct responses *r, enum item to, const struct gen_piece *p)
{
    static const char *const prefix[] = {"", "rs_", "msg_", "fc_"};
    if (r->open == to && to != ITEM_CALL) return;
    close_item(r, "completed");
    r->open = to;
    gen_new_id(prefix[to], r->item_id);
    if (to == ITEM_CALL) {
        snprintf(r->call_id, sizeof r->call_id, "%s", p->call_id);
        snprintf(r->name, sizeof r->name, "%s", p->call_name);
        r->custom = false;
        for (size_t i = 0; i < r->c.k->n_tool; i++)
            if (span_is(r->c.k->tool[i].name, r->name)) r->custom = r->c.k->tool[i].custom;
    }
    if (!r->stream) return;
    event_item(r, "response.output_item.added", "in_progress", false);
    if (to == ITEM_CALL) return;
    event_part(r, part_event(r, true));
    write_part(r, (struct span){"", 0});
    event_end(r);
}

/* ---- the response object --------------------------------------------------------------------- */

static void write_settings(const struct responses *r, struct buf *b)
{
    const struct ask *k = r->c.k;
    static const char *const choices[] = {"none", "auto", "required", "required"};
    buf_printf(b,
               ",\"parallel_tool_calls\":%s,\"temperature\":%.4g,\"top_p\":%.4g,\"tool_"
               "choice\":\"%s\","
               "\"tools\":",
               k->parallel ? "true" : "false", (double)k->sampling.temperature,
               (double)k->sampling.top_p, choices[k->choice]);
    size_t n = k->b.tools ? json_dumpb(k->b.tools, NULL, 0, JSON_COMPACT) : 0;
    if (n && buf_reserve(b, n)) {
        json_dumpb(k->b.tools, b->data + b->len, n, JSON_COMPACT);
        b->len += n;
        b->data[b->len] = 0;
    } else {
        buf_add_str(b, "[]");
    }
    if (k->max_tokens >= 0)
        buf_printf(b, ",\"max_output_tokens\":%lld", (long long)k->max_tokens);
    else
        buf_add_str(b, ",\"max_output_tokens\":null");
    static const char *const efforts[] = {"high", "low", "high", "max"};
    buf_printf(
        b,
        ",\"previous_response_id\":null,\"reasoning\":{\"effort\":\"%s\",\"summary\":%s},"
        "\"store\":false,\"text\":{\"format\":{\"type\":\"%s\"}},\"truncation\":\"disabled\","
        "\"metadata\":{}",
        k->thinking ? efforts[k->effort] : "none", r->summary ? "\"auto\"" : "null",
        k->constraint == GEN_JSON_SCHEMA ? "json_schema"
        : k->constraint == GEN_JSON      ? "json_object"
                                         : "text");
}

static void write_response(const struct responses *r, const char *status,
                           const struct gen_usage *u, const struct api_err *fail, struct buf *b)
{
    buf_printf(b,
               "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\","
               "\"error\":",
               r->c.id, (long long)r->c.created, status);
    if (fail) {
        buf_add_str(b, "{\"code\":");
        buf_add_json(b, span_of(fail->code ? fail->code : "server_error"));
        buf_add_str(b, ",\"message\":");
        buf_add_json(b, span_of(fail->message));
        buf_add_char(b, '}');
    } else {
        buf_add_str(b, "null");
    }
    buf_add_str(b, ",\"incomplete_details\":");
    buf_add_str(b, strcmp(status, "incomplete") == 0 ? "{\"reason\":\"max_output_tokens\"}"
                                                     : "null");
    buf_add_str(b, ",\"instructions\":");
    if (r->c.k->b.instructions.p)
        buf_add_json(b, r->c.k->b.instructions);
    else
        buf_add_str(b, "null");
    buf_add_str(b, ",\"model\":");
    buf_add_json(b, span_of(r->c.model));
    buf_add_str(b, ",\"output\":[");
    if (strcmp(status, "in_progress") != 0) buf_add_span(b, buf_span(&r->output));
    buf_add_char(b, ']');
    write_settings(r, b);
    if (u)
        buf_printf(
            b,
            ",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%"
            "lld,"
            "\"cache_write_tokens\":0},\"output_tokens\":%lld,\"output_tokens_details\":{"
            "\"reasoning_tokens\":%lld},\"total_tokens\":%lld}}",
            (long long)u->prompt, (long long)u->hit, (long long)u->completion,
            (long long)u->reasoning, (long long)(u->prompt + u->completion));
    else
        buf_add_str(b, ",\"usage\":null}");
}

static void lifecycle(struct responses *r, const char *type, const char *status,
                      const struct gen_usage *u, const struct api_err *fail)
{
    event(r, type);
    buf_add_str(r->out, ",\"response\":");
    write_response(r, status, u, fail, r->out);
    event_end(r);
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void start(void *ctx, struct buf *out)
{
    struct responses *r = ctx;
    r->out = out;
    if (!r->stream) return;
    lifecycle(r, "response.created", "in_progress", NULL, NULL);
    lifecycle(r, "response.in_progress", "in_progress", NULL, NULL);
}

static void piece(void *ctx, const struct gen_piece *p, struct buf *out)
{
    struct responses *r = ctx;
    r->out = out;
    switch (p->kind) {
    case PIECE_REASONING: open_item(r, ITEM_REASONING, p); break;
    case PIECE_PROMPT:
    case PIECE_TEXT:
        if (p->text.n == 0) return;
        open_item(r, ITEM_MESSAGE, p);
        break;
    case PIECE_CALL: open_item(r, ITEM_CALL, p); break;
    case PIECE_CALL_ARGS: break;
    case PIECE_CALL_END: close_item(r, "completed"); return;
    }
    buf_add_span(&r->text, p->text);
    if (!r->stream || p->kind == PIECE_CALL || (p->kind == PIECE_CALL_ARGS && r->custom))
        return;
    if (p->kind == PIECE_CALL_ARGS) {
        event(r, "response.function_call_arguments.delta");
        buf_printf(out, ",\"item_id\":\"%s\",\"output_index\":%d", r->item_id, r->index);
    } else {
        event_part(r, text_event(r, true));
    }
    buf_add_str(out, ",\"delta\":");
    buf_add_json(out, p->text);
    if (r->open == ITEM_MESSAGE) buf_add_str(out, ",\"logprobs\":[]");
    event_end(r);
}

static void choice_end(void *ctx, const struct gen_end *end, struct buf *out)
{
    struct responses *r = ctx;
    r->out = out;
    r->end = *end;
    close_item(r, strcmp(end->reason, "length") == 0 ? "incomplete" : "completed");
}

static void finish(void *ctx, const struct gen_usage *u, struct buf *out)
{
    struct responses *r = ctx;
    bool cut = strcmp(r->end.reason, "length") == 0;
    bool broken = strcmp(r->end.reason, "insufficient_system_resource") == 0;
    const char *status = cut ? "incomplete" : broken ? "failed" : "completed";
    struct api_err a;
    api_fail(&a, 503, "server_error", NULL, "the server broke the request off");
    r->out = out;
    if (r->stream)
        lifecycle(r,
                  cut      ? "response.incomplete"
                  : broken ? "response.failed"
                           : "response.completed",
                  status, u, broken ? &a : NULL);
    else
        write_response(r, status, u, broken ? &a : NULL, out);
}

static void fail(void *ctx, const struct api_err *a, struct buf *out)
{
    struct responses *r = ctx;
    r->out = out;
    event(r, "error");
    buf_add_str(out, ",\"code\":");
    buf_add_json(out, span_of(a->code ? a->code : "server_error"));
    buf_add_str(out, ",\"message\":");
    buf_add_json(out, span_of(a->message));
    buf_add_str(out, ",\"param\":null");
    event_end(r);
    lifecycle(r, "response.failed", "failed", NULL, a);
}

static void keep_alive(void *ctx, struct buf *out)
{
    (void)ctx;
    sse_keep_alive(out);
}

static void responses_release(void *ctx)
{
    struct responses *r = ctx;
    buf_release(&r->text);
    buf_release(&r->output);
    mem_free(r);
}

int emit_responses(struct gen_sink *sink, const struct serve *s, const struct ask *k,
                   const char *id, struct api_err *a)
{
    struct responses *r = mem_calloc(1, sizeof *r);
    if (!r) return api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    emit_common_init(&r->c, s, k, id);
    r->stream = k->stream;
    r->summary = k->b.reasoning && member(k->b.reasoning, "summary");
    buf_init(&r->text, 256 << 20);
    buf_init(&r->output, 512 << 20);
    *sink = (struct gen_sink){.ctx = r,
                              .style = STYLE_OPENAI,
                              .call_prefix = "call_",
                              .start = start,
                              .piece = piece,
                              .choice_end = choice_end,
                              .finish = finish,
                              .fail = fail,
                              .keep_alive = keep_alive,
                              .release = responses_release};
    return 0;
}
