#include "serve/limit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "serve/api_err.h"

struct account {
    int64_t key_id;
    double requests, tokens; /* what the buckets hold */
    int64_t rpm, tpm;
    int64_t at_ns;
    int64_t running;
    int64_t taken; /* prompt tokens of running requests that were taken at admission */
};

struct limiter {
    pthread_mutex_t lock; /* guards everything */
    struct account *acc;
    size_t n, size;
    int64_t (*now)(void);
};

int limiter_create(struct limiter **out, struct err *e)
{
    struct limiter *l = mem_calloc(1, sizeof *l);
    *out = l;
    if (!l) return err_oom(e, "the rate limiter", sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->now = clock_ns;
    return 0;
}

void limiter_free(struct limiter *l)
{
    if (!l) return;
    mem_free(l->acc);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void limiter_set_clock(struct limiter *l, int64_t (*now_ns)(void))
{
    l->now = now_ns ? now_ns : clock_ns;
}

static struct account *find(struct limiter *l, int64_t key_id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->acc[i].key_id == key_id) return &l->acc[i];
    return NULL;
}

static struct account *find_or_make(struct limiter *l, const struct key_info *key)
{
    struct account *a = find(l, key->id);
    if (a) return a;
    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 16;
        struct account *p = mem_realloc(l->acc, l->size * sizeof *p, size * sizeof *p);
        if (!p) return NULL;
        l->acc = p;
        l->size = size;
    }
    a = &l->acc[l->n++];
    *a = (struct account){.key_id = key->id,
                          .requests = (double)key->rpm,
                          .tokens = (double)key->tpm,
                          .at_ns = l->now()};
    return a;
}

static void fill(struct limiter *l, struct account *a, const struct key_info *key)
{
    int64_t now = l->now();
    double minutes = (double)(now - a->at_ns) / 60e9;
    a->at_ns = now;
    a->rpm = key->rpm;
    a->tpm = key->tpm;
    a->requests = fmin((double)key->rpm, a->requests + minutes * (double)key->rpm);
    a->tokens = fmin((double)key->tpm, a->tokens + minutes * (double)key->tpm);
}

static int refuse(struct api_err *e, double wait_s, const char *what, int64_t limit)
{
    int s = wait_s < 1 ? 1 : wait_s > 120 ? 120 : (int)ceil(wait_s);
    api_fail(e, 429, "rate_limit_exceeded", NULL,
             "Rate limit reached: this key may use %lld %s; try again in %d s",
             (long long)limit, what, s);
    e->retry_after_s = s;
    return -1;
}

int limit_admit(struct limiter *l, const struct key_info *key, int64_t prompt_tokens,
                struct api_err *e)
{
    if (!key || (!key->rpm && !key->tpm && !key->concurrent)) return 0;
    pthread_mutex_lock(&l->lock);
    int rc = 0;
    struct account *a = find_or_make(l, key);
    if (!a) {
        rc = api_fail(e, 503, "insufficient_memory", NULL, "no memory for the request");
        goto out;
    }
    fill(l, a, key);
    double minute = 60;
    if (key->concurrent && a->running >= key->concurrent) {
        rc = refuse(e, 1, "concurrent requests", key->concurrent);
    } else if (key->rpm && a->requests < 1) {
        rc = refuse(e, (1 - a->requests) * minute / (double)key->rpm, "requests per minute",
                    key->rpm);
    } else if (key->tpm && prompt_tokens > key->tpm) {
        rc = refuse(e, minute, "tokens per minute", key->tpm);
    } else if (key->tpm && a->tokens < (double)prompt_tokens) {
        rc = refuse(e, ((double)prompt_tokens - a->tokens) * minute / (double)key->tpm,
                    "tokens per minute", key->tpm);
    } else {
        a->running++;
        a->requests -= 1;
        a->tokens -= (double)prompt_tokens;
        a->taken += prompt_tokens;
    }
out:
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void limit_release(struct limiter *l, int64_t key_id)
{
    pthread_mutex_lock(&l->lock);
    struct account *a = find(l, key_id);
    if (a && a->running > 0) a->running--;
    pthread_mutex_unlock(&l->lock);
}

void limit_spend(struct limiter *l, int64_t key_id, int64_t tokens)
{
    pthread_mutex_lock(&l->lock);
    struct account *a = find(l, key_id);
    if (a) {
        int64_t prepaid = a->taken < tokens ? a->taken : tokens;
        a->taken -= prepaid;
        a->tokens -= (double)(tokens - prepaid);
    }
    pthread_mutex_unlock(&l->lock);
}

void limit_left(struct limiter *l, const struct key_info *key, int64_t *requests,
                int64_t *tokens)
{
    pthread_mutex_lock(&l->lock);
    struct account *a = find(l, key->id);
    *requests = key->rpm ? key->rpm : -1;
    *tokens = key->tpm ? key->tpm : -1;
    if (a) {
        fill(l, a, key);
        if (key->rpm) *requests = a->requests > 0 ? (int64_t)a->requests : 0;
        if (key->tpm) *tokens = a->tokens > 0 ? (int64_t)a->tokens : 0;
    }
    pthread_mutex_unlock(&l->lock);
}
