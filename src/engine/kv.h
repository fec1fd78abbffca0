/* kv.h - the paged cache: a pool of blocks, and the tree of prefixes that share them.
 *
 * A block holds ATTN_BLOCK tokens of all layers (nn/kv_view.h). Its life:
 *
 *     free --kv_take--> used (ref 1) --kv_share--> used (ref n)
 *       ^                 |  kv_publish: also in the tree
 *       |                 v
 *       +--kv_unref-- last user gone: free if not in the tree, else
 *       |                 v
 *       +--evicted--- idle in the tree (ref 0), least recently used first
 *
 * Only full blocks are published. A tree node is reached by its parent and the block's own tokens,
 * compared token by token, inside one group: requests of different groups never share and cannot
 * tell from timing what others asked.
 *
 * Everything is allocated in kv_open; nothing after. Threads: engine thread.
 */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/kv_view.h"
#include "text/vocab.h"

struct err;
struct kv;

enum { KV_NONE = -1 };

/* Bytes that kv_open will take for this many blocks. */
size_t kv_bytes(const struct kv_layout *l, int32_t n_block);
int kv_open(struct kv **out, const struct kv_layout *l, int32_t n_block,
            struct err *e) must_check;
void kv_close(struct kv *kv);

unsigned char *kv_pool(const struct kv *kv);
const struct kv_layout *kv_layout(const struct kv *kv);
int32_t kv_n_block(const struct kv *kv);
/* Blocks that can be taken now: free ones and idle ones in the tree. */
int32_t kv_available(const struct kv *kv);
int32_t kv_idle(const struct kv *kv); /* of them, in the tree */

/* A block with one user, KV_NONE when none is available. May evict the least recently used leaf
 * of the tree. Its rows are zero or finite leftovers. */
int32_t kv_take(struct kv *kv);
void kv_share(struct kv *kv, int32_t block);
void kv_unref(struct kv *kv, int32_t block);

/* Puts a full block into the tree under the node of `parent` (KV_NONE at position 0). Returns the
 * block that stands for these tokens: `block`, or the one that was there before; then the caller's
 * reference has moved to that one. */
int32_t kv_publish(struct kv *kv, uint64_t group, int32_t parent, int32_t block,
                   const tok_id *tokens);

/* Where a prefix ends in the tree, for the log. */
enum kv_miss {
    KV_MISS_NOTHING, /* the whole prompt is there */
    KV_MISS_NEW,     /* nothing with this beginning was ever cached, or it was evicted */
    KV_MISS_DIFFERS  /* a cached text goes on differently at token `at` */
};
struct kv_match {
    int32_t n_block; /* blocks found */
    enum kv_miss miss;
    int64_t at;           /* first token that is not cached */
    tok_id cached, asked; /* KV_MISS_DIFFERS: the two ids at that place */
};
/* The longest run of cached full blocks that begins `tokens`; block[] gets them, each with a
 * reference for the caller. Never the whole of n tokens: at least one is left to compute. */
void kv_match(struct kv *kv, uint64_t group, const tok_id *tokens, int64_t n, int32_t *block,
              struct kv_match *out);

/* Forgets every idle block of the tree (all groups, or one). Returns how many. */
int32_t kv_forget(struct kv *kv, bool all, uint64_t group);

/* Walks the tree's nodes in no particular order: for snapshots. *iter begins at 0; false at the end. */
struct kv_node_view {
    int32_t block, parent; /* parent block or KV_NONE */
    uint64_t group;
    int32_t n_child;
    const tok_id *tokens; /* ATTN_BLOCK */
};
bool kv_walk(const struct kv *kv, int32_t *iter, struct kv_node_view *out);

#endif
