/* bench_run.h - when a request's tokens came, and which they were. */
#ifndef CLI_BENCH_RUN_H
#define CLI_BENCH_RUN_H

#include "engine/event.h"

struct bench_run {
    int64_t first_ns, last_ns, tokens;
    uint64_t hash; /* of the tokens' ids */
    bool failed;
    struct err err;
};

/* gen_fn of a request whose ctx is a struct bench_run, zero at first. */
bool bench_run_note(void *ctx, const struct gen_event *ev);

#endif
