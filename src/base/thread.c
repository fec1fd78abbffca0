#define _GNU_SOURCE /* sched_getaffinity */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { SPIN_ROUNDS = 2000, MAX_THREADS = 256, CACHE_LINE = 64 };

/* A thread's slices of the job at hand, [from, end). Its own thread takes a quarter of them from the
 * front, again and again; a thread that has none left takes the rear half of another's. The job's
 * number stands in the word, so that a late worker can never take a slice of a job it did not see. */
enum { RANGE_BITS = 20, MAX_SLICES = (1 << RANGE_BITS) - 1 };

struct lane {
    _Alignas(CACHE_LINE) _Atomic uint64_t range; /* job, from, end */
};

struct pool_thread {
    struct pool *pool;
    pthread_t tid;
    int index;
};

struct pool {
    int n_thread;
    int n_started;
    struct pool_thread *thread;
    struct lane *lane; /* of each thread */

    /* One job. */
    pool_range_fn fn;
    void *ctx;
    size_t first; /* slice 0 of the lanes */
    _Atomic int sleepers;
    _Atomic bool caller_sleeps;
    pthread_mutex_t lock; /* guards sleeping and waking only */
    pthread_cond_t wake, done;
    /* Each on a line of its own: one is watched while the others are written. */
    _Alignas(CACHE_LINE) _Atomic uint32_t job;
    _Atomic bool stop;
    _Alignas(CACHE_LINE) _Atomic size_t left;
};

static _Thread_local int self;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t range_of(uint32_t job, size_t from, size_t end)
{
    return (uint64_t)job << 2 * RANGE_BITS | (uint64_t)from << RANGE_BITS | end;
}

static size_t range_from(uint64_t r)
{
    return r >> RANGE_BITS & MAX_SLICES;
}

static size_t range_end(uint64_t r)
{
    return r & MAX_SLICES;
}

/* Whether slices of this job stand in r. */
static bool range_has(uint64_t r, uint32_t job)
{
    return r >> 2 * RANGE_BITS == (job & 0xffffff) && range_from(r) < range_end(r);
}

/* What is taken at once of n slices. */
static size_t quarter(size_t n)
{
    return (n + 3) / 4;
}

/* Takes slices [*from, *end) off the front of the thread's own lane. */
static bool take(struct lane *own, uint32_t job, size_t *from, size_t *end)
{
    uint64_t r = atomic_load(&own->range);
    while (range_has(r, job)) {
        *from = range_from(r);
        *end = *from + quarter(range_end(r) - *from);
        if (atomic_compare_exchange_weak(&own->range, &r, range_of(job, *end, range_end(r))))
            return true;
    }
    return false;
}

/* Moves the rear half of another lane to the thread's own, which is empty: nobody takes from an
 * empty lane, and no range comes back, so that a plain store will do. */
static bool steal(struct pool *p, int index, uint32_t job)
{
    for (int i = 1; i < p->n_thread; i++) {
        struct lane *other = &p->lane[(index + i) % p->n_thread];
        uint64_t r = atomic_load(&other->range);
        while (range_has(r, job)) {
            size_t from = range_from(r), end = range_end(r), half = (from + end) / 2;
            if (!atomic_compare_exchange_weak(&other->range, &r, range_of(job, from, half)))
                continue;
            atomic_store(&p->lane[index].range, range_of(job, half, end));
            return true;
        }
    }
    return false;
}

static void work(struct pool *p, int index, uint32_t job)
{
    size_t done = 0, from, end;
    do {
        while (take(&p->lane[index], job, &from, &end)) {
            p->fn(p->ctx, p->first + from, p->first + end);
            done += end - from;
        }
    } while (steal(p, index, job));
    if (done && atomic_fetch_sub(&p->left, done) == done && atomic_load(&p->caller_sleeps)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

static void *worker(void *arg)
{
    struct pool_thread *t = arg;
    struct pool *p = t->pool;
    uint32_t seen = 0;
    self = t->index;
    for (;;) {
        int spin = 0;
        while (atomic_load(&p->job) == seen && !atomic_load(&p->stop)) {
            if (++spin < SPIN_ROUNDS) {
                relax();
                continue;
            }
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->sleepers, 1);
            while (atomic_load(&p->job) == seen && !atomic_load(&p->stop))
                pthread_cond_wait(&p->wake, &p->lock);
            atomic_fetch_sub(&p->sleepers, 1);
            pthread_mutex_unlock(&p->lock);
        }
        if (atomic_load(&p->stop)) return NULL;
        seen = atomic_load(&p->job);
        work(p, t->index, seen);
    }
}

int pool_create(struct pool **out, int n_thread, struct err *e)
{
    *out = NULL;
    if (n_thread < 1 || n_thread > MAX_THREADS)
        return err_set(e, ERR_USAGE, "the number of threads is %d, allowed is 1 to %d",
                       n_thread, MAX_THREADS);
    struct pool *p = mem_calloc(1, sizeof *p);
    struct pool_thread *thread = mem_calloc((size_t)n_thread, sizeof *thread);
    struct lane *lane = mem_calloc((size_t)n_thread, sizeof *lane);
    if (!p || !thread || !lane) {
        mem_free(p);
        mem_free(thread);
        mem_free(lane);
        return err_oom(e, "thread pool", sizeof *p);
    }
    p->n_thread = n_thread;
    p->thread = thread;
    p->lane = lane;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (int i = 0; i < n_thread - 1; i++) {
        thread[i] = (struct pool_thread){.pool = p, .index = i + 1};
        int rc = pthread_create(&thread[i].tid, NULL, worker, &thread[i]);
        if (rc != 0) {
            pool_free(p);
            return err_errno(e, rc, "cannot start thread %d", i + 2);
        }
        p->n_started++;
    }
    *out = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_started; i++) pthread_join(p->thread[i].tid, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->thread);
    mem_free(p->lane);
    mem_free(p);
}

static void run_slices(struct pool *p, size_t n)
{
    uint32_t job = atomic_load(&p->job) + 1;
    size_t threads = (size_t)p->n_thread;
    atomic_store(&p->left, n);
    for (size_t i = 0; i < threads; i++)
        atomic_store(&p->lane[i].range, range_of(job, n * i / threads, n * (i + 1) / threads));
    atomic_store(&p->job, job);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, 0, job);
    for (int spin = 0; atomic_load(&p->left) != 0 && spin < SPIN_ROUNDS; spin++) relax();
    if (atomic_load(&p->left) == 0) return;
    pthread_mutex_lock(&p->lock); /* a neighbour has the core our worker needs */
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->left) != 0) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
}

void pool_run_ranges(struct pool *p, pool_range_fn fn, void *ctx, size_t n)
{
    if (p->n_thread == 1 || n <= 1) {
        for (size_t at = 0, end; at < n; at = end) {
            end = at + quarter(n - at);
            fn(ctx, at, end);
        }
        return;
    }
    /* All slices of the last job are taken: nobody reads these now. */
    p->fn = fn;
    p->ctx = ctx;
    for (size_t at = 0; at < n; at += MAX_SLICES) {
        p->first = at;
        run_slices(p, n - at < MAX_SLICES ? n - at : MAX_SLICES);
    }
    p->ctx = NULL;
}

struct each {
    pool_fn fn;
    void *ctx;
};

static void run_each(void *ctx, size_t begin, size_t end)
{
    const struct each *j = ctx;
    for (size_t i = begin; i < end; i++) j->fn(j->ctx, i);
}

void pool_run(struct pool *p, pool_fn fn, void *ctx, size_t n)
{
    struct each j = {fn, ctx};
    pool_run_ranges(p, run_each, &j, n);
}

int pool_self(void)
{
    return self;
}

int pool_threads(const struct pool *p)
{
    return p->n_thread;
}

int thread_cores(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return n;
    }
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
