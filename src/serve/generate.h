/* generate.h - one generating request from admission to its bill, whatever its format.
 *
 *   api_*.c     reads a body into an ask, renders the prompt, names a sink
 *   gen_run     limits, budget, submit; the HTTP request is held
 *   gen events  engine thread: packed into a buffer, the io thread is woken
 *   consumer    io thread (streams) or a worker (plain answers): records become pieces, pieces go
 *               to the sink, which writes the format's bytes
 *   the end     DONE of every choice, an error, a cancel: the usage record is closed once
 *
 * When the client's socket is slower than the model, records wait and are merged: one chunk then
 * carries several tokens. Beyond GEN_MAX_PENDING bytes the request is cancelled.
 *
 * Tokens billed = tokens the engine says it produced, also after a disconnect.
 */
#ifndef SERVE_GENERATE_H
#define SERVE_GENERATE_H

#include "engine/request.h"
#include "serve/api_err.h"
#include "serve/ask.h"

struct gen;
struct http_req;
struct serve;

enum { GEN_MAX_PENDING = 16 << 20 };

enum piece_kind {
    PIECE_PROMPT, /* echoed */
    PIECE_REASONING,
    PIECE_TEXT,
    PIECE_CALL, /* a tool call begins */
    PIECE_CALL_ARGS,
    PIECE_CALL_END
};

struct gen_lp { /* one token with its log-probability */
    tok_id id;
    float logprob; /* NAN: none (the first token of a prompt) */
    const struct gen_alt *top;
    int n_top;
};

struct gen_piece {
    int choice;
    enum piece_kind kind;
    struct span text;
    int call; /* number of the call within the choice */
    const char *call_id;
    const char *call_name;
    const struct gen_lp *lp; /* of the piece's tokens; 0 without logprobs */
    size_t n_lp;
    const tok_id *id; /* with return_token_ids */
    size_t n_id;
};

struct gen_usage {
    int64_t prompt, hit, completion, reasoning;
};

struct gen_end { /* of one choice */
    int choice;
    const char
        *reason; /* stop, length, tool_calls, content_filter, insufficient_system_resource */
    struct span stop_string;
    bool stopped_by_string, context_full;
    struct gen_counts counts;
    struct gen_times times;
};

struct gen_sink {
    void *ctx;
    enum api_style style;
    const char *call_prefix; /* of tool call ids */
    void (*start)(void *ctx, struct buf *out);
    void (*piece)(void *ctx, const struct gen_piece *p, struct buf *out);
    /* May be NULL. */
    void (*progress)(void *ctx, const struct gen_counts *n, int64_t ms, struct buf *out);
    void (*choice_end)(void *ctx, const struct gen_end *end, struct buf *out);
    void (*finish)(void *ctx, const struct gen_usage *u, struct buf *out);
    void (*fail)(void *ctx, const struct api_err *a, struct buf *out); /* streams */
    void (*keep_alive)(void *ctx, struct buf *out);
    void (*release)(void *ctx);
};

struct gen_input {
    struct tok_list prompt;
    bool starts_inside;
};

/* Takes over the ask, the inputs (n of them, mem_alloc'd array) and the sink, and answers the
 * request in the end, also on failure. id: the completion's id (gen_new_id). */
void gen_run(struct serve *s, struct http_req *r, struct ask *k, struct gen_input *in, size_t n,
             const struct gen_sink *sink, const char *id, const char *route);
void gen_input_free(struct gen_input *in, size_t n);

/* "chatcmpl-" and 24 random characters; size at least 40. */
void gen_new_id(const char *prefix, char out[48]);

/* By completion id, of the same key: end the thinking, or cancel. False when there is none. */
bool gen_control(struct serve *s, struct span id, int64_t key_id, bool cancel);
/* Cancels all with the reason "shutdown". */
void gen_cancel_all(struct serve *s);
/* Appends the /slots array. */
void gen_slots_json(struct serve *s, struct buf *out);

#endif
