/* restore.c - the engine's side of snapshots: which blocks to save, which to read.
 *
 * A sequence that is admitted takes what the tree in memory has; what lacks may be on disk. Blocks
 * are read before its first rows, some of them between two steps, so that others go on. They are
 * published as if they had been computed: the bits are the same.
 *
 * Saved is what is published and not on disk: the prompt when it was long, as soon as it is
 * computed, and the whole timeline when the request ends, however it ends. Blocks stay pinned while
 * they are written. Nothing waits for the disk; when it is behind, or full, there is no snapshot.
 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "engine/engine_int.h"
#include "kernel/attn.h"
#include "kernel/kernel.h"
#include "model/fingerprint.h"

enum {
    NUMERICS = 1, /* goes up when the same weights and tokens give other cache bits */
    READ_AT_ONCE = 32 << 20
};

static const uint64_t MAX_DEFAULT = (uint64_t)8 << 30;

struct pin {
    int32_t n;
    int32_t block[];
};

static void unpin(struct engine *en, struct pin *p)
{
    for (int32_t i = p->n; i-- > 0;) kv_unref(en->kv, p->block[i]);
    en->n_pinned -= p->n;
    mem_free(p);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* What decides the bits of a block besides the weights and the tokens. */
static uint64_t numerics_of(const struct engine *en)
{
    const struct model *m = en->model;
    const struct kv_layout *l = kv_layout(en->kv);
    const char *level = cpu_level_name(kernels()->level);
    uint64_t all[] = {NUMERICS,         (uint64_t)m->opts.act, (uint64_t)m->opts.mla,
                      (uint64_t)l->dt,  (uint64_t)l->n_layer,  (uint64_t)l->n_head_kv,
                      (uint64_t)l->d_k, (uint64_t)l->d_v,      (uint64_t)l->block_bytes};
    uint64_t h = hash64(all, sizeof all, hash64(level, strlen(level), 0));
    return hash64(TARN_VERSION, strlen(TARN_VERSION), h);
}

int restore_open(struct engine *en, struct err *e)
{
    if (!en->o.snapshots || !en->o.share_prefixes) return 0;
    struct snapshots_opts o = {
        .dir = en->o.snapshots,
        .max_bytes = en->o.snapshots_max ? en->o.snapshots_max : MAX_DEFAULT,
        .model = model_fingerprint(en->model, en->pool),
        .numerics = numerics_of(en),
        .block_bytes = kv_layout(en->kv)->block_bytes,
    };
    return snapshots_open(&en->snapshots, &o, e);
}

void restore_close(struct engine *en)
{
    snapshots_close(en->snapshots, mem_free); /* the blocks go with the pool */
    en->snapshots = NULL;
}

void restore_rebind(struct engine *en)
{
    if (!en->snapshots) return;
    snapshots_rebind(en->snapshots, model_fingerprint(en->model, en->pool));
    restore_collect(en);
}

void restore_forget(struct engine *en, bool all, uint64_t group)
{
    if (!en->snapshots) return;
    snapshots_forget(en->snapshots, all, group);
    restore_collect(en);
}

/* ---- reading ------------------------------------------------------------------------------- */

void restore_begin(struct engine *en, struct seq *s)
{
    s->restored = 0;
    s->restoring = en->snapshots && !s->r.sampling.prompt_logprobs;
    if (!s->restoring) return;
    s->chain = snapshots_chain(s->r.cache_group);
    for (int32_t i = 0; i < s->n_block; i++)
        s->chain = snapshots_next(s->chain, s->tok + (int64_t)i * ATTN_BLOCK);
}

static bool read_block(struct engine *en, struct seq *s)
{
    int32_t i = s->n_block;
    const tok_id *tokens = s->tok + (int64_t)i * ATTN_BLOCK;
    if ((int64_t)(i + 1) * ATTN_BLOCK >= s->n_tok) return false; /* one is always computed */
    uint64_t chain = snapshots_next(s->chain, tokens);
    if (!snapshots_has(en->snapshots, chain, s->r.cache_group, s->tok, i)) return false;
    int32_t b = kv_take(en->kv);
    if (b == KV_NONE) return false;
    unsigned char *to = kv_pool(en->kv) + (size_t)b * kv_layout(en->kv)->block_bytes;
    if (!snapshots_read(en->snapshots, chain, s->r.cache_group, s->tok, i, to)) {
        kv_unref(en->kv, b);
        return false;
    }
    s->block[i] =
        kv_publish(en->kv, s->r.cache_group, i ? s->block[i - 1] : KV_NONE, b, tokens);
    s->n_block = s->n_published = i + 1;
    s->n_done += ATTN_BLOCK;
    s->restored += ATTN_BLOCK;
    s->chain = chain;
    return true;
}

bool restore_some(struct engine *en, struct seq *s)
{
    size_t block = kv_layout(en->kv)->block_bytes;
    for (size_t n = 0; n < READ_AT_ONCE; n += block) {
        if (atomic_load(&s->cancelled)) return true;
        if (!read_block(en, s)) {
            s->restoring = false;
            break;
        }
    }
    if (s->restoring) return true;
    mtp_begin(s);
    if (!s->t_scheduled) {
        s->counts.cached_tokens += s->restored;
        en->stats.cached_tokens += (uint64_t)s->restored;
    }
    en->stats.restored_tokens += (uint64_t)s->restored;
    log_info("cache", "request %llu: %lld tokens from snapshots; token %lld: %s",
             (unsigned long long)s->id, (long long)s->restored, (long long)s->n_done,
             s->n_done + ATTN_BLOCK >= s->n_tok ? "the rest is new by rule"
                                                : "no snapshot goes on from there");
    return false;
}

/* ---- saving -------------------------------------------------------------------------------- */

void restore_save(struct engine *en, struct seq *s, int32_t at_least)
{
    if (!en->snapshots || s->r.no_snapshot || s->n_published < at_least) return;
    uint64_t chain = snapshots_chain(s->r.cache_group);
    int32_t first = 0;
    for (; first < s->n_published; first++) {
        chain = snapshots_next(chain, s->tok + (int64_t)first * ATTN_BLOCK);
        if (!snapshots_has(en->snapshots, chain, s->r.cache_group, s->tok, first)) break;
    }
    int32_t n = s->n_published - first;
    if (n < at_least) return;
    struct pin *p = mem_alloc(sizeof *p + (size_t)n * sizeof *p->block);
    const unsigned char **at = mem_alloc((size_t)n * sizeof *at);
    if (p && at) {
        p->n = n;
        for (int32_t i = 0; i < n; i++) {
            p->block[i] = s->block[first + i];
            at[i] = kv_pool(en->kv) + (size_t)p->block[i] * kv_layout(en->kv)->block_bytes;
            kv_share(en->kv, p->block[i]);
        }
        en->n_pinned += n;
        if (!snapshots_save(en->snapshots, s->r.cache_group, s->tok, first, n, at, p)) {
            log_info("cache", "request %llu: no snapshot, the disk is behind or full",
                     (unsigned long long)s->id);
            unpin(en, p);
        }
    } else {
        mem_free(p);
    }
    mem_free(at);
}

void restore_collect(struct engine *en)
{
    for (struct pin *p; en->snapshots && (p = snapshots_done(en->snapshots));) unpin(en, p);
}
