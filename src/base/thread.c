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

enum { SPIN_ROUNDS = 2000, MAX_THREADS = 256 };

struct pool_thread {
    struct pool *pool;
    pthread_t tid;
    int index;
};

struct pool {
    int n_thread;
    int n_started;
    struct pool_thread *thread;

    /* One job. `ticket` holds the job number in its high and the next slice in its low 32 bits,
     * so a late worker can never take a slice of a job it did not see. */
    pool_fn fn;
    void *ctx;
    _Atomic size_t n;
    _Atomic uint64_t ticket;
    _Atomic uint32_t job;
    _Atomic size_t left;
    _Atomic bool stop;
    _Atomic int sleepers;
    _Atomic bool caller_sleeps;
    pthread_mutex_t lock; /* guards sleeping and waking only */
    pthread_cond_t wake, done;
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

static void work(struct pool *p, uint32_t job)
{
    for (;;) {
        uint64_t t = atomic_load(&p->ticket);
        size_t i;
        do {
            if ((uint32_t)(t >> 32) != job) return;
            i = (uint32_t)t;
            if (i >= atomic_load_explicit(&p->n, memory_order_relaxed)) return;
        } while (!atomic_compare_exchange_weak(&p->ticket, &t, t + 1));
        p->fn(p->ctx, i);
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
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
        work(p, seen);
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
    if (!p || !thread) {
        mem_free(p);
        mem_free(thread);
        return err_oom(e, "thread pool", sizeof *p);
    }
    p->n_thread = n_thread;
    p->thread = thread;
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
    mem_free(p);
}

void pool_run(struct pool *p, pool_fn fn, void *ctx, size_t n)
{
    if (p->n_thread == 1 || n <= 1) {
        for (size_t i = 0; i < n; i++) fn(ctx, i);
        return;
    }
    /* First the old ticket is torn up: a worker that still looks for a slice of the last job must
     * not find one in the new job's larger n. */
    uint32_t job = atomic_load(&p->job) + 1;
    atomic_store(&p->ticket, (uint64_t)job << 32 | UINT32_MAX);
    p->fn = fn;
    p->ctx = ctx;
    atomic_store(&p->left, n);
    atomic_store(&p->n, n);
    atomic_store(&p->ticket, (uint64_t)job << 32);
    atomic_store(&p->job, job);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, job);
    for (int spin = 0; atomic_load(&p->left) != 0 && spin < SPIN_ROUNDS; spin++) relax();
    if (atomic_load(&p->left) == 0) return;
    pthread_mutex_lock(&p->lock); /* a neighbour has the core our worker needs */
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->left) != 0) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
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
