/* roof.h - the limits of this machine, measured: what kernels are compared with.
 *
 * Rates are the best of several rounds. A multiply-add counts as two operations. Reading and
 * copying use a buffer far larger than the last cache, each thread its own part.
 */
#ifndef KERNEL_ROOF_H
#define KERNEL_ROOF_H

#include "base/attr.h"
#include "kernel/kernel.h"

struct err;
struct pool;

struct roof_rate {
    double one, all; /* per second: one thread, all threads of the pool together */
};

struct roof {
    enum cpu_level level;
    int n_thread;
    struct roof_rate read; /* bytes/s read */
    struct roof_rate copy; /* bytes/s read plus bytes/s written */
    struct roof_rate fma;  /* f32 operations/s */
    struct roof_rate dot;  /* 8-bit integer operations/s, with the level's best instructions */
};

/* roof_measure - about two seconds.
 *
 * Fails:   ERR_MEMORY when there is no room for the buffer of ROOF_BUFFER_BYTES
 * Threads: uses the pool; nothing else should run
 */
int roof_measure(struct roof *out, struct pool *pool, enum cpu_level level,
                 struct err *e) must_check;

/* The fma part alone, in a fraction of a second and without the buffer; the rest is 0. */
void roof_measure_fma(struct roof *out, struct pool *pool, enum cpu_level level);

/* Seconds in which the pool's threads read `bytes` at p once: what any use of these bytes takes at
 * least, here and now. bytes: a multiple of 4096. */
double roof_read_s(struct pool *pool, enum cpu_level level, const void *p, size_t bytes);

enum { ROOF_BUFFER_BYTES = 512 << 20 };

/* What an instruction set does the measuring with. fma and dot keep the multipliers busy for
 * `rounds` and touch no memory. */
struct roof_loops {
    void (*fma)(size_t rounds);
    void (*dot)(size_t rounds);
    void (*read)(const void *p, size_t bytes); /* bytes: a multiple of 4096 */
    size_t fma_ops, dot_ops;                   /* operations of a round */
};

void roof_init_ref(struct roof_loops *l);
void roof_init_avx2(struct roof_loops *l);
void roof_init_avx512(struct roof_loops *l);
void roof_init_vnni(struct roof_loops *l);
void roof_init_neon(struct roof_loops *l);
void roof_init_dotprod(struct roof_loops *l);

#endif
