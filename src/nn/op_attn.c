/* op_attn.c - storing keys and values, and attention over the paged cache.
 *
 * Rows of one sequence are consecutive. They are cut into tiles; a job is (tile, key/value head),
 * and for latent caches, where one cached row serves all heads, (tile, group of heads). Tiles and
 * groups only spread the work: every row's result is its own (kernel/attn.h).
 */
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/op.h"
#include "nn/split.h"

enum { ROW_TILE = 64, HEAD_GROUP = 16 };

struct store_job {
    const struct step *st;
    const struct kv_view *kv;
    int32_t layer;
    const struct tensor *k, *v;
    size_t parts;
};

static void store_slice(void *ctx, size_t i)
{
    const struct store_job *j = ctx;
    const struct kv_layout *l = j->kv->layout;
    struct slice s = split_at(j->k->n, j->parts, i);
    for (size_t r = s.begin; r < s.end; r++) {
        const struct kv_seq *seq = &j->kv->seq[j->kv->row_seq[r]];
        int32_t pos = j->kv->row_pos[r], block = seq->block[pos / ATTN_BLOCK];
        size_t at = (size_t)(pos % ATTN_BLOCK);
        for (int32_t h = 0; h < l->n_head_kv; h++) {
            j->st->k->elem.from_f32(l->dt,
                                    kv_rows(j->kv, block, j->layer, h, false) + at * l->k_row,
                                    j->k->v + r * j->k->c + (size_t)h * l->d_k, l->d_k);
            if (l->latent) continue;
            j->st->k->elem.from_f32(l->dt,
                                    kv_rows(j->kv, block, j->layer, h, true) + at * l->v_row,
                                    j->v->v + r * j->v->c + (size_t)h * l->d_v, l->d_v);
        }
    }
}

void op_kv_store(struct step *st, const struct kv_view *kv, int32_t layer, struct tensor *k,
                 struct tensor *v)
{
    const struct kv_layout *l = kv->layout;
    if (!k || (!l->latent && !v)) return;
    if (k->c != (size_t)l->n_head_kv * l->d_k ||
        (!l->latent && v->c != (size_t)l->n_head_kv * l->d_v)) {
        step_fail(st, ERR_BUG, "keys of %zu numbers do not fit a cache of %d heads of %zu",
                  k->c, l->n_head_kv, l->d_k);
        return;
    }
    if (st->dry) return;
    struct store_job j = {st, kv, layer, k, v, split_count(st, k->n, 16)};
    pool_run(st->pool, store_slice, &j, j.parts);
}

/* ---- attention ----------------------------------------------------------------------------- */

struct tile {
    size_t row, n;       /* first row, rows */
    const void **k, **v; /* (units, blocks of the tile's sequence) */
    size_t n_block;
};

struct attn_ctx {
    const struct step *st;
    const struct kv_view *kv;
    const struct tensor *q;
    struct tensor *y;
    const struct tile *tile;
    size_t units;           /* jobs per tile: key/value heads, or groups of heads */
    size_t n_rep, head_rep; /* query heads per unit; per key/value head */
    float scale;
};

static void attn_slice(void *ctx, size_t i)
{
    const struct attn_ctx *a = ctx;
    const struct kv_layout *l = a->kv->layout;
    const struct tile *t = &a->tile[i / a->units];
    size_t unit = i % a->units, head = unit * a->n_rep;
    size_t list = l->latent ? 0 : unit;
    struct attn_job job = {
        .out = a->y->v + t->row * a->y->c + head * l->d_v,
        .out_stride = a->y->c,
        .q = a->q->v + t->row * a->q->c + head * l->d_k,
        .q_stride = a->q->c,
        .q_head = l->d_k,
        .n_row = t->n,
        .n_rep = a->n_rep,
        .d_k = l->d_k,
        .d_v = l->d_v,
        .pos = a->kv->row_pos + t->row,
        .k = t->k + list * t->n_block,
        .v = t->v + list * t->n_block,
        .k_stride = l->k_row,
        .v_stride = l->latent ? l->k_row : l->v_row,
        .k_dt = l->dt,
        .v_dt = l->dt,
        .scale = a->scale,
        .scratch = step_scratch(a->st),
    };
    a->st->k->attn.run(&job);
}

/* The blocks a tile's rows may read, for each key/value head. */
static bool tile_blocks(struct step *st, const struct kv_view *kv, int32_t layer,
                        struct tile *t)
{
    const struct kv_layout *l = kv->layout;
    const struct kv_seq *seq = &kv->seq[kv->row_seq[t->row]];
    t->n_block = (size_t)kv->row_pos[t->row + t->n - 1] / ATTN_BLOCK + 1;
    size_t n = t->n_block * (size_t)l->n_head_kv;
    t->k = step_small(st, n * sizeof *t->k);
    t->v = step_small(st, n * sizeof *t->v);
    if (!t->k || !t->v) return false;
    if (st->dry) return true;
    for (int32_t h = 0; h < l->n_head_kv; h++) {
        for (size_t b = 0; b < t->n_block; b++) {
            t->k[(size_t)h * t->n_block + b] = kv_rows(kv, seq->block[b], layer, h, false);
            t->v[(size_t)h * t->n_block + b] = kv_rows(kv, seq->block[b], layer, h, true);
        }
    }
    return true;
}

struct tensor *op_attn(struct step *st, struct tensor *q, const struct kv_view *kv,
                       int32_t layer, float scale)
{
    if (!q) return NULL;
    const struct kv_layout *l = kv->layout;
    size_t n_head = q->c / l->d_k, n_kv = (size_t)l->n_head_kv;
    if (q->c % l->d_k || n_head % n_kv)
        return step_fail(st, ERR_BUG, "queries of %zu numbers for heads of %zu", q->c, l->d_k);
    struct tensor *y = step_tensor(st, q->n, n_head * l->d_v);
    if (!y || st->dry) return y;

    struct attn_ctx a = {.st = st, .kv = kv, .q = q, .y = y, .scale = scale};
    a.n_rep = n_head / n_kv;
    a.units = n_kv;
    if (l->latent) {
        size_t group = size_min(HEAD_GROUP, n_head);
        while (n_head % group) group--;
        a.n_rep = group;
        a.units = n_head / group;
    }
    struct tile *tile = step_small(st, q->n * sizeof *tile);
    size_t n_tile = 0;
    if (!tile) return NULL;
    for (size_t r = 0; r < q->n;) {
        size_t end = r + 1;
        while (end < q->n && end - r < ROW_TILE && kv->row_seq[end] == kv->row_seq[r]) end++;
        tile[n_tile] = (struct tile){.row = r, .n = end - r};
        if (!tile_blocks(st, kv, layer, &tile[n_tile])) return NULL;
        n_tile++;
        r = end;
    }
    a.tile = tile;
    pool_run(st->pool, attn_slice, &a, n_tile * a.units);
    return y;
}
