#include "cli/bench_run.h"

#include "base/clock.h"
#include "base/hash.h"

bool bench_run_note(void *ctx, const struct gen_event *ev)
{
    struct bench_run *r = ctx;
    if (ev->type == GEN_TOKEN && ev->id != TOK_NONE) {
        r->last_ns = clock_ns();
        if (!r->first_ns) r->first_ns = r->last_ns;
        r->tokens++;
        r->hash = hash64(&ev->id, sizeof ev->id, r->hash);
    } else if (ev->type == GEN_ERROR) {
        r->failed = true;
        r->err = ev->err;
    }
    return true;
}
