#include "base/queue.h"

#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"

int queue_init(struct queue *q, size_t size, struct err *e)
{
    *q = (struct queue){.size = size};
    q->item = mem_calloc(size, sizeof *q->item);
    if (!q->item) return err_oom(e, "a queue", size * sizeof *q->item);
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->some, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void queue_release(struct queue *q)
{
    if (!q->item) return;
    pthread_cond_destroy(&q->some);
    pthread_mutex_destroy(&q->lock);
    mem_free(q->item);
    *q = (struct queue){0};
}

bool queue_put(struct queue *q, void *p)
{
    pthread_mutex_lock(&q->lock);
    bool ok = !q->closed && q->n < q->size;
    if (ok) {
        q->item[(q->head + q->n) % q->size] = p;
        q->n++;
        pthread_cond_signal(&q->some);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

static void *take(struct queue *q)
{
    if (q->n == 0) return NULL;
    void *p = q->item[q->head];
    q->head = (q->head + 1) % q->size;
    q->n--;
    return p;
}

void *queue_get(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed) pthread_cond_wait(&q->some, &q->lock);
    void *p = take(q);
    pthread_mutex_unlock(&q->lock);
    return p;
}

void *queue_get_for(struct queue *q, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed)
        if (pthread_cond_timedwait(&q->some, &q->lock, &until) == ETIMEDOUT) break;
    void *p = take(q);
    pthread_mutex_unlock(&q->lock);
    return p;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->some);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_len(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->n;
    pthread_mutex_unlock(&q->lock);
    return n;
}
