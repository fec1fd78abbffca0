/* roof.c - runs the measuring loops of the highest level on one thread and on all.
 *
 * Each limit gets some short rounds and keeps the best: other programs on the machine make a
 * round slower, never faster.
 */
#include "kernel/roof.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"

enum { ROUNDS = 15, REF_LANES = 64 };

static const int64_t round_ns = 6 * 1000 * 1000;

/* ---- plain C -------------------------------------------------------------------------------- */

/* Keeps the value and, with it, the loop that made it. */
#define opaque(v) __asm__ volatile("" : : "r"(&(v)) : "memory")

static void ref_fma(size_t rounds)
{
    float acc[REF_LANES] = {0};
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < REF_LANES; i++) acc[i] = acc[i] * 0.5f + 0.25f;
        opaque(acc);
    }
}

static void ref_dot(size_t rounds)
{
    int32_t acc[REF_LANES] = {0};
    int8_t a[REF_LANES] = {1};
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < REF_LANES; i++) acc[i] += a[i] * a[REF_LANES - 1 - i];
        opaque(acc);
    }
}

static void ref_read(const void *p, size_t bytes)
{
    const uint64_t *q = p;
    uint64_t seen[8] = {0};
    for (size_t i = 0; i < bytes / 8; i += 8)
        for (size_t j = 0; j < 8; j++) seen[j] |= q[i + j];
    opaque(seen);
}

void roof_init_ref(struct roof_loops *l)
{
    *l = (struct roof_loops){ref_fma, ref_dot, ref_read, REF_LANES * 2, REF_LANES * 2};
}

static struct roof_loops loops_of(enum cpu_level level)
{
    struct roof_loops l;
    roof_init_ref(&l);
#if defined(__x86_64__)
    if (level >= CPU_AVX2) roof_init_avx2(&l);
    if (level >= CPU_AVX512) roof_init_avx512(&l);
    if (level >= CPU_VNNI) roof_init_vnni(&l);
#elif defined(__aarch64__)
    if (level >= CPU_NEON) roof_init_neon(&l);
    if (level >= CPU_DOTPROD) roof_init_dotprod(&l);
#endif
    return l;
}

/* ---- measuring ------------------------------------------------------------------------------ */

enum work { WORK_TOUCH, WORK_READ, WORK_COPY, WORK_FMA, WORK_DOT };

struct job {
    struct roof_loops loops;
    enum work work;
    unsigned char *buffer;
    size_t n_part, part_bytes; /* each thread has a part of the buffer */
    size_t rounds;             /* of the loops without memory */
};

static void run_part(void *ctx, size_t i)
{
    struct job *j = ctx;
    unsigned char *p = j->buffer + i * j->part_bytes;
    size_t half = j->part_bytes / 2;
    switch (j->work) {
    case WORK_TOUCH: memset(p, 1, j->part_bytes); break;
    case WORK_READ: j->loops.read(p, j->part_bytes); break;
    case WORK_COPY: memcpy(p, p + half, half); break;
    case WORK_FMA: j->loops.fma(j->rounds); break;
    case WORK_DOT: j->loops.dot(j->rounds); break;
    }
}

/* Seconds of the fastest round. */
static double best_s(struct pool *pool, struct job *j, enum work work, size_t n_part)
{
    int64_t best = INT64_MAX;
    j->work = work;
    for (int r = 0; r < ROUNDS; r++) {
        int64_t start = clock_ns();
        if (n_part == 1)
            run_part(j, 0);
        else
            pool_run(pool, run_part, j, n_part);
        int64_t ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return ns_to_s(best > 0 ? best : 1);
}

static struct roof_rate rate(struct pool *pool, struct job *j, enum work work, double amount)
{
    size_t n = j->n_part;
    struct roof_rate r = {.one = amount / best_s(pool, j, work, 1)};
    r.all = n == 1 ? r.one : amount * (double)n / best_s(pool, j, work, n);
    return r;
}

/* Rounds that take about round_ns, found while the clock rises to its working speed. */
static size_t rounds_for(void (*loop)(size_t))
{
    for (size_t n = 1024;; n *= 2) {
        int64_t start = clock_ns();
        loop(n);
        if (clock_ns() - start > round_ns) return n;
    }
}

void roof_measure_fma(struct roof *out, struct pool *pool, enum cpu_level level)
{
    struct job j = {.loops = loops_of(level), .n_part = (size_t)pool_threads(pool)};
    *out = (struct roof){.level = level, .n_thread = (int)j.n_part};
    j.rounds = rounds_for(j.loops.fma);
    out->fma = rate(pool, &j, WORK_FMA, (double)j.rounds * (double)j.loops.fma_ops);
}

struct read_job {
    struct roof_loops loops;
    const unsigned char *p;
    size_t bytes;
};

enum { READ_SLICE = 1 << 20 };

static void read_slice(void *ctx, size_t i)
{
    const struct read_job *j = ctx;
    size_t from = i * READ_SLICE, left = j->bytes - from;
    j->loops.read(j->p + from, left < READ_SLICE ? left : READ_SLICE);
}

double roof_read_s(struct pool *pool, enum cpu_level level, const void *p, size_t bytes)
{
    struct read_job j = {loops_of(level), p, bytes};
    int64_t start = clock_ns();
    pool_run(pool, read_slice, &j, (bytes + READ_SLICE - 1) / READ_SLICE);
    return ns_to_s(clock_ns() - start);
}

int roof_measure(struct roof *out, struct pool *pool, enum cpu_level level, struct err *e)
{
    struct job j = {.loops = loops_of(level), .n_part = (size_t)pool_threads(pool)};
    j.buffer = mem_map(ROOF_BUFFER_BYTES);
    if (!j.buffer) return err_oom(e, "measuring the memory's speed", ROOF_BUFFER_BYTES);
    j.part_bytes = ROOF_BUFFER_BYTES / j.n_part / 8192 * 8192;
    *out = (struct roof){.level = level, .n_thread = (int)j.n_part};
    j.work = WORK_TOUCH;
    pool_run(pool, run_part, &j, j.n_part);
    out->read = rate(pool, &j, WORK_READ, (double)j.part_bytes);
    out->copy = rate(pool, &j, WORK_COPY, (double)j.part_bytes);
    j.rounds = rounds_for(j.loops.fma);
    out->fma = rate(pool, &j, WORK_FMA, (double)j.rounds * (double)j.loops.fma_ops);
    j.rounds = rounds_for(j.loops.dot);
    out->dot = rate(pool, &j, WORK_DOT, (double)j.rounds * (double)j.loops.dot_ops);
    mem_unmap(j.buffer, ROOF_BUFFER_BYTES);
    return 0;
}
