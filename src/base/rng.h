/* rng.h - random numbers by counter: (seed, stream, index) -> value.
 *
 * There is no hidden state: the same triple always gives the same number, so a run can be resumed
 * at any index, and two requests with different streams never share numbers. The function is
 * Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t seed, stream, index; /* index: how many numbers have been drawn */
};

uint64_t rng_at(uint64_t seed, uint64_t stream, uint64_t index);

static inline struct rng rng_init(uint64_t seed, uint64_t stream)
{
    return (struct rng){seed, stream, 0};
}

static inline uint64_t rng_u64(struct rng *r)
{
    return rng_at(r->seed, r->stream, r->index++);
}

/* [0, 1), 53 bits. */
static inline double rng_f64(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/* [0, n), n > 0, without bias. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* [lo, hi], both ends included. */
int64_t rng_between(struct rng *r, int64_t lo, int64_t hi);
/* Normal with mean 0 and deviation 1; draws two numbers. */
double rng_normal(struct rng *r);
/* n floats, normal * scale. */
void rng_fill_normal(struct rng *r, float *out, uint64_t n, float scale);

#endif
