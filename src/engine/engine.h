/* engine.h - many requests, one model.
 *
 * There is one generation loop in the program and it is here: the terminal, the server, rollouts
 * and evaluation all enter by engine_submit and get events (event.h) on the engine thread.
 *
 * A step takes rows from the running sequences: one (or one and some drafts) from each that
 * decodes, and prompt chunks from those that prefill, under a budget of rows. Its result for a row
 * depends on that row's own tokens alone, bit for bit: not on neighbours, chunking, threads,
 * prefix hits, preemption or speculation.
 *
 * Memory is planned, then taken once in engine_open: weights, cache, step arena.
 *
 * Threads: every call is safe from any thread. Callbacks run on the engine thread and must not
 * block, and must not call engine_close.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/request.h"
#include "nn/step.h"
#include "tensor/dtype.h"

struct engine;
struct model;
struct pool;
struct vocab;

struct engine_opts {
    int64_t n_ctx;   /* longest prompt and completion together; 0: the model's, at most 32768 */
    int64_t n_cache; /* tokens in the cache pool; 0: n_ctx (shared by all requests) */
    int n_parallel;  /* sequences that run at once */
    int n_batch;     /* rows of one step */
    int n_queue;     /* requests that may wait; more are refused with ERR_BUSY */
    int n_draft;     /* most drafted tokens per sequence and step; 0: no speculation */
    bool draft_always; /* drafts are made whether or not they pay: for tests and measurements */
    enum dtype cache_dt; /* F32 F16 BF16 Q8_0 */
    bool share_prefixes;
    /* Directory where cached prefixes outlive the engine; NULL: none. See snapshot.h. */
    const char *snapshots;
    uint64_t snapshots_max; /* bytes of that directory; 0: 8 GB */
};

/* One sequence, the model's context, F16 cache, 512 rows, prefixes shared, drafts of 4. */
void engine_opts_defaults(struct engine_opts *o);

struct engine_plan {
    size_t weights, cache, scratch, total; /* bytes */
    size_t cache_per_token;
    int64_t n_ctx, n_cache;
};

/* What engine_open and model_load will take together; fills in the defaults of *o.
 * Fails: ERR_MEMORY when the machine's memory is less, with three ways out in the hint. */
int engine_make_plan(struct model *m, struct pool *pool, struct engine_opts *o,
                     struct engine_plan *plan, struct err *e) must_check;

/* The model must be loaded and outlive the engine; so must vocab and pool. The pool belongs to
 * the engine thread from here on. */
int engine_open(struct engine **out, struct model *m, const struct vocab *v, struct pool *pool,
                const struct engine_opts *o, struct err *e) must_check;
/* Cancels what runs, joins the thread, frees. NULL is fine. */
void engine_close(struct engine *en);

/* Copies what it needs. ERR_BUSY: the queue is full. ERR_CONTEXT: the prompt does not fit, with
 * both numbers. ERR_USAGE: an option out of range. */
int engine_submit(struct engine *en, const struct gen_request *r, uint64_t *id,
                  struct err *e) must_check;
void engine_cancel(struct engine *en, uint64_t id);
void engine_end_thinking(struct engine *en, uint64_t id);

/* Blocks until nothing runs or waits. */
void engine_wait(struct engine *en);

/* Runs fn on the engine thread between two steps with nothing running, then forgets the cached
 * prefixes: for new weights. Blocks until done. */
void engine_exclusive(struct engine *en, void (*fn)(void *ctx), void *ctx);

/* Forgets the cached prefixes of a group, or all, in memory and on disk. Running requests keep
 * what they use. Returns when that is done. */
void engine_forget(struct engine *en, bool all, uint64_t group);

struct engine_stats {
    int running, waiting;
    int32_t blocks, blocks_used, blocks_idle; /* cache pool; idle: kept prefixes */
    uint64_t prompt_tokens, cached_tokens, completion_tokens, drafted, accepted;
    uint64_t restored_tokens; /* of cached_tokens: read from snapshots */
    uint64_t steps, rows, preemptions;
    uint64_t mtp_drafted, mtp_accepted; /* of drafted, accepted: by the MTP layer */
    uint64_t mtp_rows;                  /* rows through it */
    int64_t step_ns;                    /* time inside steps */
};
void engine_get_stats(struct engine *en, struct engine_stats *out);

/* The same engine behind the interface that servers use. */
const struct engine_iface *engine_as_iface(struct engine *en);

#endif
