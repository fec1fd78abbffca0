/* gather.h - many requests in, all that the model wrote out: for evaluation and rollouts.
 *
 * Requests are handed to the engine as fast as its queue takes them; it batches them as it does
 * everybody's. Whenever all choices of a request have ended, `done` is called with them on the
 * caller's thread, while the others go on. The order of those calls depends on timing, the
 * contents do not.
 *
 * Threads: gather_run blocks its caller; one at a time for an engine.
 */
#ifndef ENGINE_GATHER_H
#define ENGINE_GATHER_H

#include <stddef.h>

#include "engine/engine.h"

struct gathered {   /* one choice */
    tok_id *id;     /* (n) produced, with the token that ended it */
    float *logprob; /* (n) as the event's; n_top must not be -1 in the request */
    size_t n, n_forced;
    struct gen_counts counts;
    struct gen_times times;
    enum gen_reason reason;
    bool failed; /* then why is in err */
    struct err err;
};

struct gather {
    struct engine *engine;
    int in_flight; /* choices handed over and not ended; at most the engine's queue */
    /* got[0 .. n of the request): belongs to the callee during the call. -1 with *e ends all. */
    int (*done)(void *ctx, size_t request, struct gathered *got, struct err *e);
    /* Called about five times a second; -1 with *e ends all. May be NULL. */
    int (*tick)(void *ctx, struct err *e);
    void *ctx;
};

/* gather_run - n requests. Each has max_tokens >= 0 and 1 to 64 choices; fn and ctx of a request
 * are not looked at. A request that is refused or fails is reported through `done`, with `failed`
 * set in its choices. */
int gather_run(const struct gather *g, const struct gen_request *r, size_t n,
               struct err *e) must_check;

/* The text of a choice: special tokens as they are written, the ending token left out. */
void gather_text(const struct vocab *v, const struct gathered *got, struct buf *out);

#endif
