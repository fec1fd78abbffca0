/* queue.h - a bounded queue of pointers: many writers, one or more readers.
 *
 * Full is an answer, not a wait: queue_put returns false and the caller says what that means (a
 * 503, a dropped record, a retry). queue_close lets readers drain what is left and then get NULL.
 *
 * Threads: all functions but init and release may be called from any thread.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct err;

struct queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t some;
    void **item; /* ring of `size` pointers, the oldest at `head` */
    size_t size, head, n;
    bool closed;
};

int queue_init(struct queue *q, size_t size, struct err *e) must_check;
void queue_release(struct queue *q);

/* False when the queue is full or closed. p is not NULL. */
bool queue_put(struct queue *q, void *p) must_check;
/* Waits for an item; NULL after queue_close when nothing is left. */
void *queue_get(struct queue *q);
/* As queue_get, but gives up after timeout_ns and returns NULL. */
void *queue_get_for(struct queue *q, int64_t timeout_ns);
void queue_close(struct queue *q);
size_t queue_len(struct queue *q);

#endif
