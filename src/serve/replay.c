#include "serve/replay.h"

#include <pthread.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

struct turn {
    struct turn *newer, *older;
    struct hash128 key; /* of key id and call id; the low half is the map's key */
    size_t n_args, n_reasoning, bytes;
    char text[]; /* arguments, then reasoning */
};

struct replay {
    pthread_mutex_t lock; /* guards everything */
    struct map64 by_id;
    struct turn *newest, *oldest;
    size_t n, bytes, max_n, max_bytes;
};

int replay_create(struct replay **out, size_t max_entries, size_t max_bytes, struct err *e)
{
    struct replay *r = mem_calloc(1, sizeof *r);
    *out = r;
    if (!r) return err_oom(e, "the replay memory", sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    map64_init(&r->by_id);
    r->max_n = max_entries ? max_entries : 100000;
    r->max_bytes = max_bytes ? max_bytes : (size_t)64 << 20;
    return 0;
}

static void unlink_turn(struct replay *r, struct turn *t)
{
    if (t->newer)
        t->newer->older = t->older;
    else
        r->newest = t->older;
    if (t->older)
        t->older->newer = t->newer;
    else
        r->oldest = t->newer;
}

static void link_newest(struct replay *r, struct turn *t)
{
    t->newer = NULL;
    t->older = r->newest;
    if (r->newest)
        r->newest->newer = t;
    else
        r->oldest = t;
    r->newest = t;
}

static void drop(struct replay *r, struct turn *t)
{
    map64_del(&r->by_id, t->key.lo);
    unlink_turn(r, t);
    r->n--;
    r->bytes -= t->bytes;
    mem_free(t);
}

void replay_free(struct replay *r)
{
    if (!r) return;
    while (r->oldest) drop(r, r->oldest);
    map64_release(&r->by_id);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static struct hash128 key_of(int64_t key_id, struct span call_id)
{
    return hash128(call_id.p ? call_id.p : "", call_id.n, (uint64_t)key_id);
}

/* Under the lock. */
static struct turn *find(struct replay *r, struct hash128 key)
{
    uint64_t v = map64_get(&r->by_id, key.lo);
    struct turn *t = v == MAP_NONE ? NULL : (struct turn *)(uintptr_t)v;
    return t && t->key.hi == key.hi ? t : NULL;
}

void replay_put(struct replay *r, int64_t key_id, struct span call_id, struct span args,
                struct span reasoning)
{
    size_t bytes = sizeof(struct turn) + args.n + reasoning.n;
    if (bytes > r->max_bytes / 4) return;
    struct turn *t = mem_alloc(bytes);
    if (!t) return;
    *t = (struct turn){.key = key_of(key_id, call_id),
                       .n_args = args.n,
                       .n_reasoning = reasoning.n,
                       .bytes = bytes};
    if (args.n) memcpy(t->text, args.p, args.n);
    if (reasoning.n) memcpy(t->text + args.n, reasoning.p, reasoning.n);
    pthread_mutex_lock(&r->lock);
    uint64_t old = map64_get(&r->by_id, t->key.lo);
    if (old != MAP_NONE) drop(r, (struct turn *)(uintptr_t)old);
    if (map64_put(&r->by_id, t->key.lo, (uint64_t)(uintptr_t)t)) {
        link_newest(r, t);
        r->n++;
        r->bytes += bytes;
        while (r->n > r->max_n || r->bytes > r->max_bytes) drop(r, r->oldest);
    } else {
        mem_free(t);
    }
    pthread_mutex_unlock(&r->lock);
}

bool replay_get(struct replay *r, int64_t key_id, struct span call_id, struct buf *args,
                struct buf *reasoning)
{
    pthread_mutex_lock(&r->lock);
    struct turn *t = find(r, key_of(key_id, call_id));
    if (t) {
        buf_add(args, t->text, t->n_args);
        buf_add(reasoning, t->text + t->n_args, t->n_reasoning);
        unlink_turn(r, t);
        link_newest(r, t);
    }
    pthread_mutex_unlock(&r->lock);
    return t != NULL;
}
