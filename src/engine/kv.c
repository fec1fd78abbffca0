#include "engine/kv.h"

#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/size.h"
#include "kernel/attn.h"

struct node {
    int32_t ref;                /* sequences that use the block */
    int32_t parent;             /* block of the parent node, KV_NONE for a first block */
    int32_t n_child;            /* children in the tree */
    int32_t next_in_bucket;     /* hash chain */
    int32_t lru_prev, lru_next; /* idle blocks, least recent first */
    bool in_tree;
    uint64_t group, hash;
    tok_id tokens[ATTN_BLOCK];
};

struct kv {
    struct kv_layout layout;
    int32_t n_block, n_free, n_idle;
    unsigned char *pool;
    size_t pool_bytes;
    struct node *node;
    int32_t *free; /* stack of free blocks */
    int32_t *bucket;
    uint32_t n_bucket; /* power of two */
    int32_t lru_first, lru_last;
};

static uint32_t bucket_count(int32_t n_block)
{
    uint32_t n = 64;
    while (n < (uint32_t)n_block * 2) n *= 2;
    return n;
}

size_t kv_bytes(const struct kv_layout *l, int32_t n_block)
{
    return (size_t)n_block * (l->block_bytes + sizeof(struct node) + sizeof(int32_t)) +
           bucket_count(n_block) * sizeof(int32_t);
}

int kv_open(struct kv **out, const struct kv_layout *l, int32_t n_block, struct err *e)
{
    *out = NULL;
    struct kv *kv = mem_calloc(1, sizeof *kv);
    if (!kv) return err_oom(e, "cache", sizeof *kv);
    kv->layout = *l;
    kv->n_block = n_block;
    kv->n_bucket = bucket_count(n_block);
    kv->pool_bytes = (size_t)n_block * l->block_bytes;
    kv->pool = mem_map(kv->pool_bytes); /* zero pages, taken by the system when first written */
    kv->node = mem_calloc((size_t)n_block, sizeof *kv->node);
    kv->free = mem_alloc((size_t)n_block * sizeof *kv->free);
    kv->bucket = mem_alloc(kv->n_bucket * sizeof *kv->bucket);
    if (!kv->pool || !kv->node || !kv->free || !kv->bucket) {
        kv_close(kv);
        return err_oom(e, "the cache", kv_bytes(l, n_block));
    }
    for (uint32_t i = 0; i < kv->n_bucket; i++) kv->bucket[i] = KV_NONE;
    for (int32_t i = 0; i < n_block; i++) kv->free[i] = n_block - 1 - i;
    kv->n_free = n_block;
    kv->lru_first = kv->lru_last = KV_NONE;
    *out = kv;
    return 0;
}

void kv_close(struct kv *kv)
{
    if (!kv) return;
    mem_unmap(kv->pool, kv->pool_bytes);
    mem_free(kv->node);
    mem_free(kv->free);
    mem_free(kv->bucket);
    mem_free(kv);
}

unsigned char *kv_pool(const struct kv *kv)
{
    return kv->pool;
}

const struct kv_layout *kv_layout(const struct kv *kv)
{
    return &kv->layout;
}

int32_t kv_n_block(const struct kv *kv)
{
    return kv->n_block;
}

int32_t kv_available(const struct kv *kv)
{
    return kv->n_free + kv->n_idle;
}

int32_t kv_idle(const struct kv *kv)
{
    return kv->n_idle;
}

/* ---- idle list ----------------------------------------------------------------------------- */

static void idle_add(struct kv *kv, int32_t b)
{
    struct node *n = &kv->node[b];
    n->lru_prev = kv->lru_last;
    n->lru_next = KV_NONE;
    if (kv->lru_last != KV_NONE)
        kv->node[kv->lru_last].lru_next = b;
    else
        kv->lru_first = b;
    kv->lru_last = b;
    kv->n_idle++;
}

static void idle_remove(struct kv *kv, int32_t b)
{
    struct node *n = &kv->node[b];
    if (n->lru_prev != KV_NONE)
        kv->node[n->lru_prev].lru_next = n->lru_next;
    else
        kv->lru_first = n->lru_next;
    if (n->lru_next != KV_NONE)
        kv->node[n->lru_next].lru_prev = n->lru_prev;
    else
        kv->lru_last = n->lru_prev;
    kv->n_idle--;
}

/* ---- tree ---------------------------------------------------------------------------------- */

static uint64_t node_hash(uint64_t group, int32_t parent, const tok_id *tokens)
{
    return hash64(tokens, ATTN_BLOCK * sizeof *tokens, group * 31 + (uint64_t)(uint32_t)parent);
}

static int32_t tree_find(const struct kv *kv, uint64_t group, int32_t parent,
                         const tok_id *tokens)
{
    uint64_t h = node_hash(group, parent, tokens);
    int32_t b = kv->bucket[h & (kv->n_bucket - 1)];
    for (; b != KV_NONE; b = kv->node[b].next_in_bucket) {
        const struct node *n = &kv->node[b];
        if (n->hash == h && n->group == group && n->parent == parent &&
            memcmp(n->tokens, tokens, sizeof n->tokens) == 0)
            return b;
    }
    return KV_NONE;
}

static void tree_remove(struct kv *kv, int32_t b)
{
    struct node *n = &kv->node[b];
    int32_t *at = &kv->bucket[n->hash & (kv->n_bucket - 1)];
    while (*at != b) at = &kv->node[*at].next_in_bucket;
    *at = n->next_in_bucket;
    n->in_tree = false;
    if (n->parent != KV_NONE) kv->node[n->parent].n_child--;
}

/* The least recently used idle block without children. One exists whenever a block is idle: a
 * user of a child holds its parents too, so an idle block's descendants are idle. */
static int32_t evict(struct kv *kv)
{
    for (int32_t b = kv->lru_first; b != KV_NONE; b = kv->node[b].lru_next) {
        if (kv->node[b].n_child > 0) continue;
        idle_remove(kv, b);
        tree_remove(kv, b);
        return b;
    }
    return KV_NONE;
}

int32_t kv_take(struct kv *kv)
{
    int32_t b = kv->n_free > 0 ? kv->free[--kv->n_free] : evict(kv);
    if (b != KV_NONE) kv->node[b] = (struct node){.ref = 1, .parent = KV_NONE};
    return b;
}

void kv_share(struct kv *kv, int32_t b)
{
    if (kv->node[b].ref++ == 0) idle_remove(kv, b);
}

void kv_unref(struct kv *kv, int32_t b)
{
    struct node *n = &kv->node[b];
    if (--n->ref > 0) return;
    if (n->in_tree)
        idle_add(kv, b);
    else
        kv->free[kv->n_free++] = b;
}

int32_t kv_publish(struct kv *kv, uint64_t group, int32_t parent, int32_t block,
                   const tok_id *tokens)
{
    struct node *n = &kv->node[block];
    if (n->in_tree) return block;
    int32_t there = tree_find(kv, group, parent, tokens);
    if (there != KV_NONE) {
        kv_share(kv, there);
        kv_unref(kv, block);
        return there;
    }
    n->in_tree = true;
    n->group = group;
    n->parent = parent;
    n->hash = node_hash(group, parent, tokens);
    memcpy(n->tokens, tokens, sizeof n->tokens);
    int32_t *at = &kv->bucket[n->hash & (kv->n_bucket - 1)];
    n->next_in_bucket = *at;
    *at = block;
    if (parent != KV_NONE) kv->node[parent].n_child++;
    return block;
}

/* For the log: a child of `parent` that agrees longest with `tokens` and then differs. */
static void explain_miss(const struct kv *kv, uint64_t group, int32_t parent,
                         const tok_id *tokens, int64_t n, struct kv_match *out)
{
    int64_t best = -1;
    for (int32_t b = 0; b < kv->n_block; b++) {
        const struct node *c = &kv->node[b];
        if (!c->in_tree || c->group != group || c->parent != parent) continue;
        int64_t same = 0;
        while (same < ATTN_BLOCK && same < n && c->tokens[same] == tokens[same]) same++;
        if (same <= best || same == ATTN_BLOCK || same == n) continue;
        best = same;
        out->miss = KV_MISS_DIFFERS;
        out->cached = c->tokens[same];
        out->asked = tokens[same];
    }
    if (best > 0) out->at += best;
}

void kv_match(struct kv *kv, uint64_t group, const tok_id *tokens, int64_t n, int32_t *block,
              struct kv_match *out)
{
    *out = (struct kv_match){.miss = KV_MISS_NOTHING};
    int32_t parent = KV_NONE;
    while ((int64_t)(out->n_block + 1) * ATTN_BLOCK < n) {
        int32_t b = tree_find(kv, group, parent, tokens + (int64_t)out->n_block * ATTN_BLOCK);
        if (b == KV_NONE) {
            out->miss = KV_MISS_NEW;
            break;
        }
        kv_share(kv, b);
        block[out->n_block++] = b;
        parent = b;
    }
    out->at = (int64_t)out->n_block * ATTN_BLOCK;
    if (out->miss == KV_MISS_NEW)
        explain_miss(kv, group, parent, tokens + out->at, n - out->at, out);
}

int32_t kv_forget(struct kv *kv, bool all, uint64_t group)
{
    int32_t count = 0, before;
    do { /* leaves first; a pass may free the next one's last child */
        before = count;
        for (int32_t b = kv->lru_first, next; b != KV_NONE; b = next) {
            next = kv->node[b].lru_next;
            if (kv->node[b].n_child > 0 || (!all && kv->node[b].group != group)) continue;
            idle_remove(kv, b);
            tree_remove(kv, b);
            kv->free[kv->n_free++] = b;
            count++;
        }
    } while (count != before);
    return count;
}

bool kv_walk(const struct kv *kv, int32_t *iter, struct kv_node_view *out)
{
    for (; *iter < kv->n_block; ++*iter) {
        const struct node *n = &kv->node[*iter];
        if (!n->in_tree) continue;
        *out = (struct kv_node_view){*iter, n->parent, n->group, n->n_child, n->tokens};
        ++*iter;
        return true;
    }
    return false;
}
