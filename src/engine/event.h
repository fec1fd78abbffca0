/* event.h - what a request reports, in this order: START, PROGRESS and
 * PROMPT_TOKEN while the prompt is computed, TOKEN..., then DONE or ERROR once. */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "text/vocab.h"

enum gen_event_type {
    GEN_START,        /* the prompt is accepted and queued */
    GEN_PROGRESS,     /* prefill went on: counts.prompt_done */
    GEN_PROMPT_TOKEN, /* with prompt_logprobs: a token of the prompt from the second on, scored */
    GEN_TOKEN, /* id is TOK_NONE when only text that was held back comes out at the end */
    GEN_DONE,
    GEN_ERROR
};

enum gen_reason {
    GEN_STOP_EOS,    /* a stop token */
    GEN_STOP_STRING, /* a stop string; it is not part of the text */
    GEN_STOP_LENGTH, /* max_tokens or the context's end */
    GEN_STOP_CANCEL,
    GEN_STOP_LOOP /* the loop detector ended an answer that repeats itself */
};

struct gen_alt { /* one of the top-n alternatives at a position */
    tok_id id;
    float logprob;
};

struct gen_counts {
    int64_t prompt_tokens;     /* tokens in the prompt */
    int64_t prompt_done;       /* of them in the cache now */
    int64_t cached_tokens;     /* of them taken from a shared prefix */
    int64_t completion_tokens; /* produced, thinking included; what is billed */
    int64_t reasoning_tokens;  /* of them inside the thinking */
    int64_t draft_tokens, draft_accepted;
};

struct gen_times {      /* ns; intervals of one monotonic clock */
    int64_t queue_ns;   /* submit to first scheduled step */
    int64_t prefill_ns; /* to the first token */
    int64_t decode_ns;  /* first to last token */
    int64_t think_ns;   /* first token to the end of thinking */
};

struct gen_event {
    enum gen_event_type type;
    uint64_t request_id;
    int index; /* which of the n choices */
    /* TOKEN */
    tok_id id;
    struct span text; /* whole UTF-8, may be empty while a sequence is incomplete; valid
                            during the callback only */
    bool thinking;    /* belongs to the reasoning, not to the answer */
    bool forced;      /* put there by a budget or a grammar, not sampled */
    float logprob;    /* natural log, of the distribution before temperature and filters */
    const struct gen_alt *top;
    int n_top;
    /* PROGRESS, TOKEN, DONE */
    struct gen_counts counts;
    struct gen_times times;
    /* DONE */
    enum gen_reason reason;
    struct span stop_string; /* which one, with GEN_STOP_STRING */
    /* ERROR */
    struct err err;
};

/* Called on the engine thread; must not block. False cancels the request. */
typedef bool (*gen_fn)(void *ctx, const struct gen_event *ev);

#endif
