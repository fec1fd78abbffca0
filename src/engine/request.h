/* request.h - what may be asked of the engine: token ids in, events out. */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/event.h"

struct gen_bias {
    tok_id id;
    float bias; /* added to the logit; -INFINITY bans the token */
};

enum gen_constraint { GEN_FREE, GEN_JSON, GEN_JSON_SCHEMA, GEN_GRAMMAR };

struct gen_sampling {
    float temperature;    /* 0: greedy */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float typical_p;      /* 1: off */
    int top_k;            /* 0: off */
    float repeat_penalty; /* 1: off; over the last repeat_last_n tokens */
    int repeat_last_n;
    float presence_penalty, frequency_penalty; /* 0: off */
    float dry_multiplier, dry_base;            /* 0: off */
    int dry_allowed_length, dry_last_n;
    uint64_t seed; /* the request's own random stream, always set by the caller */
    const struct gen_bias *bias;
    int n_bias;
    int n_top;            /* alternatives to report per token, 0..20; -1: no logprobs at all */
    bool tempered;        /* log-probabilities of the distribution divided by the temperature */
    bool prompt_logprobs; /* score the prompt too: GEN_PROMPT_TOKEN events ("echo") */
};

struct gen_thinking {
    bool starts_inside; /* the template left the thinking open */
    int budget; /* most thinking tokens; -1: no budget. Then "\n</think>\n\n" is forced */
    int answer_reserve; /* tokens of max_tokens always kept for the answer */
    bool detect_loops;
};

struct gen_request {
    const tok_id *prompt; /* copied by engine_submit */
    int64_t n_prompt;
    int n;              /* choices, each its own stream of events; 0 means 1 */
    int64_t max_tokens; /* -1: until the context ends */
    struct gen_sampling sampling;
    struct gen_thinking thinking;
    const struct span *stop; /* up to 16 strings, copied */
    int n_stop;
    enum gen_constraint constraint;
    struct span schema;   /* JSON schema or grammar text, with constraint */
    bool ignore_eos;      /* for benchmarks */
    uint64_t cache_group; /* prefixes are shared only inside a group (a key's own) */
    bool no_snapshot;     /* nothing of this request is written to the snapshot directory */
    int priority;         /* higher first; 0 is usual */
    gen_fn fn;
    void *ctx;
};

/* Greedy, no limits but the context, one choice. */
void gen_request_defaults(struct gen_request *r);

/* The engine as its users see it. engine_open (engine/engine.h) fills one in; so does the fake
 * engine that server tests use. All calls are thread-safe. */
struct engine_iface {
    void *self;
    /* Copies what it needs; the events follow on the engine thread. 0 and *id, or -1: ERR_BUSY
     * when the queue is full, ERR_CONTEXT with both numbers when the prompt is too long. */
    int (*submit)(void *self, const struct gen_request *r, uint64_t *id, struct err *e);
    void (*cancel)(void *self, uint64_t id);
    void (*end_thinking)(void *self, uint64_t id); /* "answer now" */
    const struct vocab *(*vocab)(void *self);
    int64_t (*n_ctx)(void *self);
};

#endif
