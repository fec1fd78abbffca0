/* tarn.h - reasoning models on ordinary CPUs, as a C library.
 *
 *   struct tarn_model *m;                       a model in memory and the engine on it
 *   tarn_open(&m, "model.gguf", NULL, &e)
 *   tarn_render(m, messages, n, NULL, ...)      a conversation to token ids
 *   tarn_generate(m, ids, n, NULL, fn, ctx, &g, &e)    starts an answer; fn gets its events
 *   tarn_wait(g, &result, &e)                   until it has ended
 *   tarn_release(g), tarn_close(m)
 *
 * Errors.    A function that can fail returns 0, or -1 with *e filled: a code and one sentence that
 *            names the file, the field or the limit. e may be NULL. On failure nothing is left to
 *            free and out pointers are NULL. The library never prints, exits or raises a signal.
 * Ownership. What a function hands out through a pointer belongs to the caller and is given back
 *            to tarn_free, handles to the function that their comment names. What is passed in is
 *            copied where it is needed longer than the call.
 * Threads.   Every function may be called from any thread. Callbacks run on the model's own thread:
 *            they must not block, and may call tarn_cancel and tarn_end_thinking but no other
 *            function of the same model.
 * Growth.    Structs that begin with `size` get fields at their end in later releases; *_init
 *            fills in that size and the defaults of this release. A NULL where options are asked
 *            for means these defaults.
 * Text       is UTF-8. Token ids are int32_t. Times are nanoseconds. Logprobs are natural
 *            logarithms of the model's own distribution, before temperature and filters.
 *
 * The same prompt, options and seed give the same tokens whatever else the model answers at that
 * time, and whatever the number of threads. An example: examples/ask.c.
 */
#ifndef TARN_H
#define TARN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define TARN_API __attribute__((visibility("default")))
#else
#    define TARN_API
#endif

/* ---- versions ------------------------------------------------------------------------------ */

/* Goes up when a function or a field is added; programs that run with 1 run with all later. */
#define TARN_API_VERSION 1

/* "0.1.0": of the library that is running. */
TARN_API const char *tarn_version(void);
/* TARN_API_VERSION of the library that is running. */
TARN_API int tarn_api_version(void);

/* ---- errors -------------------------------------------------------------------------------- */

enum tarn_code {
    TARN_OK = 0,
    TARN_FAILED = 1,
    TARN_USAGE = 2,       /* an argument out of its range */
    TARN_LIMIT = 3,       /* a limit of this library */
    TARN_IO = 4,          /* reading or writing failed */
    TARN_FORMAT = 5,      /* a file is not what it should be */
    TARN_NOT_FOUND = 6,   /* no such file, or a part of the model is missing */
    TARN_MEMORY = 7,      /* it does not fit this machine */
    TARN_CONTEXT = 8,     /* the prompt is longer than the context */
    TARN_UNSUPPORTED = 9, /* a model, type or template this release does not know */
    TARN_NUMERIC = 10,    /* a result that is not a finite number */
    TARN_BUSY = 11,       /* too many requests wait */
    TARN_CANCELLED = 12,
    TARN_BUG = 13
};

struct tarn_error {
    int code;          /* enum tarn_code */
    char message[768]; /* one sentence without a full stop */
    char hint[256];    /* what can be done; empty when there is nothing to say */
};

/* "malformed data"; never NULL. */
TARN_API const char *tarn_code_name(int code);

/* Gives back memory that another function handed out. NULL is fine. */
TARN_API void tarn_free(void *p);

/* ---- models -------------------------------------------------------------------------------- */

struct tarn_model;

struct tarn_model_options {
    size_t size;
    int threads;            /* to compute with; 0: one per core */
    int parallel;           /* requests that run at once (1) */
    int queue;              /* requests that may wait; more are refused with TARN_BUSY */
    int batch;              /* rows of one step (512) */
    int draft;              /* most tokens drafted ahead; 0: none */
    int share_prefixes;     /* requests that begin alike share the cache (1) */
    int64_t context;        /* tokens of prompt and answer; 0: the model's, at most 32768 */
    int64_t cache;          /* tokens in the cache, for all requests; 0: context * parallel */
    const char *activation; /* with quantised weights: "q8" (fast, the default) or "f32" */
    const char *cache_type; /* "f32", "f16" (the default), "bf16" or "q8_0" */
    const char *chat_template; /* its name; NULL: recognised from the model's own text */
    /* Called while weights are read, on the thread that opens; bytes. May be NULL. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};

TARN_API void tarn_model_options_init(struct tarn_model_options *o, size_t size);

/* tarn_open - reads a model and starts its engine.
 *
 *   path  a .gguf file (any of a split set), or a directory in Hugging Face layout
 *
 * Memory for weights, cache and one step is planned first and taken once.
 * Fails:  TARN_NOT_FOUND, TARN_IO, TARN_FORMAT, TARN_UNSUPPORTED, TARN_USAGE; TARN_MEMORY with
 *         three ways out in the hint
 * Owner:  the caller; tarn_close
 */
TARN_API int tarn_open(struct tarn_model **out, const char *path,
                       const struct tarn_model_options *o, struct tarn_error *e);
/* Every generation of the model must have been released. NULL is fine. */
TARN_API void tarn_close(struct tarn_model *m);

struct tarn_model_info {
    size_t size;
    int32_t n_vocab, n_layer, n_embd;
    int64_t context;           /* tokens of prompt and answer together */
    uint64_t weight_bytes;     /* in memory */
    uint64_t cache_bytes;      /* in memory */
    const char *chat_template; /* its name; "raw" when the model has none */
    int32_t bos, eos;          /* -1: the vocabulary has none */
    float temperature, top_p;  /* what tarn_generate_options_init_for takes */
    int32_t top_k;
};

/* The strings belong to the model. */
TARN_API void tarn_model_get_info(const struct tarn_model *m, struct tarn_model_info *info,
                                  size_t size);

/* ---- text ---------------------------------------------------------------------------------- */

enum {
    TARN_SPECIAL = 1, /* tokenise: marks such as <think> in the text become their tokens;
                         detokenise: special tokens appear as their text */
    TARN_BOS_EOS = 2  /* tokenise: the tokens that the vocabulary puts around a text */
};

/* tarn_tokenize - text of n bytes to *count ids. Any bytes are allowed. Without TARN_SPECIAL nothing
 * in the text can become a mark: use it so for text of users. */
TARN_API int tarn_tokenize(const struct tarn_model *m, const char *text, size_t n, int flags,
                           int32_t **ids, size_t *count, struct tarn_error *e);
/* tarn_detokenize - the exact bytes of n ids, with a zero behind them that *bytes does not count.
 * Fails: TARN_USAGE for an id that the vocabulary does not have */
TARN_API int tarn_detokenize(const struct tarn_model *m, const int32_t *ids, size_t n,
                             int flags, char **text, size_t *bytes, struct tarn_error *e);

/* One turn of a conversation. Strings end with a zero; NULL where there is none. */
struct tarn_message {
    const char *role; /* "system", "developer", "user", "assistant" or "tool" */
    const char *content;
    const char *reasoning;    /* of an assistant's turn */
    const char *tool_call_id; /* of a tool's turn */
};

enum tarn_thinking { TARN_THINK_DEFAULT, TARN_THINK_ON, TARN_THINK_OFF };

struct tarn_render_options {
    size_t size;
    int thinking; /* enum tarn_thinking; default: as the model's own template does it */
    int add_generation_prompt; /* end where the assistant's turn begins (1) */
    int go_on;                 /* the last message, an assistant's, is gone on with (0) */
    const char *const *tools;  /* OpenAI tool objects, JSON text each */
    size_t n_tools;
};

TARN_API void tarn_render_options_init(struct tarn_render_options *o, size_t size);

/* tarn_render - a conversation as the model was trained to see it.
 *
 *   starts_inside  written: 1 when what the model writes next is thinking; may be NULL
 *
 * Fails: TARN_USAGE for a role that does not exist, TARN_UNSUPPORTED for tools with a template that
 * has no form for them */
TARN_API int tarn_render(const struct tarn_model *m, const struct tarn_message *messages,
                         size_t n, const struct tarn_render_options *o, int32_t **ids,
                         size_t *count, int *starts_inside, struct tarn_error *e);

/* ---- generation ---------------------------------------------------------------------------- */

struct tarn_generation;

enum tarn_event_type {
    TARN_EVENT_PROGRESS, /* prompt_done went up */
    TARN_EVENT_TOKEN,    /* a token, or text that was held back (token is -1) */
    TARN_EVENT_DONE,     /* the last event: reason and counts */
    TARN_EVENT_ERROR     /* the last event: error */
};

enum tarn_reason {
    TARN_STOP_END,    /* the model ended its answer */
    TARN_STOP_STRING, /* a stop string; it is not part of the text */
    TARN_STOP_LENGTH, /* max_tokens, or the end of the context */
    TARN_STOP_CANCELLED,
    TARN_STOP_LOOP /* the answer repeated itself and was ended */
};

struct tarn_counts {
    int64_t prompt_tokens;
    int64_t prompt_done;      /* of them computed so far */
    int64_t cached_tokens;    /* of them taken from the cache */
    int64_t answer_tokens;    /* produced, thinking included */
    int64_t reasoning_tokens; /* of them inside the thinking */
    int64_t draft_tokens, draft_accepted;
};

struct tarn_times { /* nanoseconds */
    int64_t queue, prefill, decode, think;
};

/* Valid during the callback. */
struct tarn_event {
    size_t size;
    int type; /* enum tarn_event_type */
    int32_t token;
    const char *text; /* whole UTF-8, often empty; no zero at its end */
    size_t text_bytes;
    int thinking; /* 1: reasoning, 0: answer */
    float logprob;
    int reason; /* enum tarn_reason */
    struct tarn_counts counts;
    struct tarn_times times;
    const struct tarn_error *error;
};

/* Returns 0 to go on, anything else to cancel. */
typedef int (*tarn_event_fn)(void *ctx, const struct tarn_event *event);

struct tarn_bias {
    int32_t token;
    float bias; /* added to the logit; -INFINITY bans the token */
};

struct tarn_generate_options {
    size_t size;
    int64_t max_tokens; /* -1: until the context ends */
    uint64_t seed;
    float temperature;    /* 0: greedy */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float typical_p;      /* 1: off */
    int32_t top_k;        /* 0: off */
    float repeat_penalty; /* 1: off; over the last repeat_last_n tokens */
    int32_t repeat_last_n;
    float presence_penalty, frequency_penalty; /* 0: off */
    float dry_multiplier;                      /* 0: off; penalty on repeating passages */
    const struct tarn_bias *bias;
    size_t n_bias;
    const char *const *stop; /* up to 16 strings that end the answer */
    size_t n_stop;
    int starts_inside;    /* as tarn_render said */
    int32_t think_budget; /* most tokens of thinking; -1: no budget */
    int detect_loops;     /* end an answer that repeats itself (1) */
    int ignore_end;       /* do not stop at the model's end token (0) */
    int logprobs;         /* fill in the events' logprob (0) */
    int priority;         /* higher first (0) */
};

/* Greedy, seed 0, no limit but the context. */
TARN_API void tarn_generate_options_init(struct tarn_generate_options *o, size_t size);
/* The same with the temperature, top_p and top_k that the model was published with. */
TARN_API void tarn_generate_options_init_for(struct tarn_generate_options *o, size_t size,
                                             const struct tarn_model *m);

/* tarn_generate - starts an answer to n ids and returns at once.
 *
 *   fn, ctx  gets the events; fn may be NULL
 *
 * Fails:  TARN_CONTEXT with both numbers, TARN_BUSY, TARN_USAGE naming the option
 * Owner:  the caller; tarn_release
 */
TARN_API int tarn_generate(struct tarn_model *m, const int32_t *ids, size_t n,
                           const struct tarn_generate_options *o, tarn_event_fn fn, void *ctx,
                           struct tarn_generation **out, struct tarn_error *e);

struct tarn_result {
    size_t size;
    int reason; /* enum tarn_reason */
    struct tarn_counts counts;
    struct tarn_times times;
};

/* tarn_wait - blocks until the last event has been handled. 0 also for an answer that was cut or
 * cancelled (result->reason), -1 with the error of TARN_EVENT_ERROR. result may be NULL; its size
 * field is set by the caller. May be called again. */
TARN_API int tarn_wait(struct tarn_generation *g, struct tarn_result *result,
                       struct tarn_error *e);
/* The answer ends soon with TARN_STOP_CANCELLED; does not wait. */
TARN_API void tarn_cancel(struct tarn_generation *g);
/* The thinking ends soon and the answer begins. */
TARN_API void tarn_end_thinking(struct tarn_generation *g);
/* Cancels what still runs, waits for its last event, frees. NULL is fine. */
TARN_API void tarn_release(struct tarn_generation *g);

#ifdef __cplusplus
}
#endif

#endif
