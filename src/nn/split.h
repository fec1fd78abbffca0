/* split.h - cutting work into slices for the pool. Slices never change what is computed, only
 * who computes it. */
#ifndef NN_SPLIT_H
#define NN_SPLIT_H

#include "base/thread.h"
#include "nn/step.h"

struct slice {
    size_t begin, end;
};

/* How many slices for n units when a slice should have at least `least` of them. */
static inline size_t split_count(const struct step *st, size_t n, size_t least)
{
    size_t most = (size_t)pool_threads(st->pool) * 4, want = n / (least ? least : 1);
    return want < 1 ? 1 : want < most ? want : most;
}

static inline struct slice split_at(size_t n, size_t parts, size_t i)
{
    return (struct slice){n * i / parts, n * (i + 1) / parts};
}

#endif
