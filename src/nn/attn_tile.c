/* attn_tile.c - single rows are put into groups by the block that ends their first ATTN_TILE of
 * positions, which a tree of prefixes shares or does not. A group becomes tiles of rows that have
 * much in common; rows that are alone in their group become tiles without common positions, whose
 * rows still follow one another on one core, each asking for the next one's keys.
 */
#include "nn/attn_tile.h"

#include "base/size.h"
#include "base/thread.h"

enum {
    ROW_TILE = 64,
    QUERIES = 64, /* of a tile with common positions: more would save less than 6 % */
    ALONE = 8,    /* rows of a tile without */
    TILE_BLOCKS = ATTN_TILE / ATTN_BLOCK
};

static const int32_t *blocks_of(const struct kv_view *kv, int32_t row)
{
    return kv->seq[kv->row_seq[row]].block;
}

/* Whole tiles of positions that two rows find in the same blocks. */
static size_t in_common(const struct kv_view *kv, int32_t a, int32_t b)
{
    const int32_t *x = blocks_of(kv, a), *y = blocks_of(kv, b);
    int32_t end = kv->row_pos[a] < kv->row_pos[b] ? kv->row_pos[a] : kv->row_pos[b];
    size_t most = ((size_t)end + 1) / ATTN_TILE * TILE_BLOCKS, same = 0;
    while (same < most && x[same] == y[same]) same++;
    return same / TILE_BLOCKS * ATTN_TILE;
}

/* ---- groups -------------------------------------------------------------------------------- */

struct groups {
    int32_t *row, *next;   /* (n) single rows; the next of the same group, -1 */
    int32_t *first, *last; /* (n) of each group, places in `row` */
    int32_t *size;         /* (n) */
    int32_t *bucket;       /* (n_bucket, a power of two) groups + 1 by block */
    size_t n, n_group, n_bucket;
};

static bool groups_alloc(struct step *st, struct groups *g, size_t n)
{
    for (g->n_bucket = 4; g->n_bucket < 2 * n; g->n_bucket *= 2) continue;
    g->row = step_small(st, n * sizeof *g->row);
    g->next = step_small(st, n * sizeof *g->next);
    g->first = step_small(st, n * sizeof *g->first);
    g->last = step_small(st, n * sizeof *g->last);
    g->size = step_small(st, n * sizeof *g->size);
    g->bucket = step_small(st, g->n_bucket * sizeof *g->bucket);
    return g->row && g->next && g->first && g->last && g->size && g->bucket;
}

/* The group of a block; a new one, of size 0, where there is none. */
static size_t group_of(struct groups *g, const struct kv_view *kv, int32_t block)
{
    size_t at = (uint32_t)block * 2654435761u & (g->n_bucket - 1);
    for (; g->bucket[at]; at = (at + 1) & (g->n_bucket - 1)) {
        size_t i = (size_t)g->bucket[at] - 1;
        if (blocks_of(kv, g->row[g->first[i]])[TILE_BLOCKS - 1] == block) return i;
    }
    g->bucket[at] = (int32_t)++g->n_group;
    return g->n_group - 1;
}

/* Rows too short for a tile, and -1 for the bucket, are a group of one each. */
static void group_add(struct groups *g, const struct kv_view *kv, int32_t row)
{
    int32_t at = (int32_t)g->n++;
    bool whole = kv->row_pos[row] + 1 >= ATTN_TILE;
    size_t i = whole ? group_of(g, kv, blocks_of(kv, row)[TILE_BLOCKS - 1]) : g->n_group++;
    g->row[at] = row;
    g->next[at] = -1;
    if (g->size[i]++ == 0)
        g->first[i] = at;
    else
        g->next[g->last[i]] = at;
    g->last[i] = at;
}

/* ---- tiles --------------------------------------------------------------------------------- */

struct tiles {
    struct attn_tile *tile;
    size_t n;
    int32_t *list; /* of all of them, one after the other */
    size_t n_list;
};

static void tile_begin(struct tiles *t, size_t common)
{
    t->tile[t->n++] = (struct attn_tile){.list = t->list + t->n_list, .common = common};
}

static void tile_add(struct tiles *t, int32_t row)
{
    t->list[t->n_list++] = row;
    t->tile[t->n - 1].n++;
}

/* The rows of a group, `most` a tile. A row that has less than half of a tile's common positions
 * begins another. */
static void share(struct tiles *t, const struct kv_view *kv, const struct groups *g, size_t i,
                  size_t most)
{
    size_t parts = ((size_t)g->size[i] + most - 1) / most;
    most = ((size_t)g->size[i] + parts - 1) / parts;
    for (int32_t at = g->first[i], begun = -1; at >= 0; at = g->next[at]) {
        struct attn_tile *now = begun >= 0 ? &t->tile[t->n - 1] : NULL;
        size_t same = now ? in_common(kv, g->row[begun], g->row[at]) : 0;
        if (!now || now->n == most || (now->n > 1 && 2 * same < now->common)) {
            tile_begin(t, 0);
            begun = at;
        } else {
            now->common = now->n == 1 ? same : size_min(now->common, same);
        }
        tile_add(t, g->row[at]);
    }
}

static size_t rows_of_sequence(const struct kv_view *kv, size_t r, size_t n)
{
    size_t end = r + 1;
    while (end < n && end - r < ROW_TILE && kv->row_seq[end] == kv->row_seq[r]) end++;
    return end - r;
}

struct attn_tile *attn_tiles(struct step *st, const struct kv_view *kv, size_t n, size_t n_rep,
                             size_t units, bool gather, size_t *n_tile)
{
    struct tiles t = {.tile = step_small(st, n * sizeof *t.tile),
                      .list = step_small(st, n * sizeof *t.list)};
    struct groups g = {0};
    if (!t.tile || !t.list || !groups_alloc(st, &g, n)) return NULL;
    for (size_t r = 0, rows; r < n; r += rows) {
        rows = rows_of_sequence(kv, r, n);
        if (gather && rows == 1)
            group_add(&g, kv, (int32_t)r);
        else
            t.tile[t.n++] = (struct attn_tile){.row = r, .n = rows};
    }
    /* About four tiles for each thread, so that threads end together. */
    size_t jobs = 4 * (size_t)pool_threads(st->pool), even = (g.n * units + jobs - 1) / jobs;
    size_t most = size_max(1, size_min(QUERIES / n_rep, 2 * even));
    for (size_t i = 0; i < g.n_group; i++)
        if (g.size[i] > 1) share(&t, kv, &g, i, most);
    bool begun = false;
    most = size_max(1, size_min(ALONE, even));
    for (size_t i = 0; i < g.n_group; i++) {
        if (g.size[i] > 1) continue;
        if (!begun || t.tile[t.n - 1].n == most) tile_begin(&t, 0);
        tile_add(&t, g.row[g.first[i]]);
        begun = true;
    }
    *n_tile = t.n;
    return t.tile;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* Entries [from, to) of a list: where a row's keys or values lie. */
static void look_up(const struct kv_view *kv, int32_t layer, int32_t head, bool value,
                    int32_t row, size_t from, size_t to, const void **list)
{
    const int32_t *block = blocks_of(kv, row);
    for (size_t b = from; b < to; b++) list[b] = kv_rows(kv, block[b], layer, head, value);
}

static bool own_blocks(struct step *st, const struct kv_view *kv, int32_t layer,
                       struct attn_tile *t)
{
    size_t heads = (size_t)kv->layout->n_head_kv, from = t->common / ATTN_BLOCK;
    bool latent = kv->layout->latent;
    t->own = step_small(st, heads * t->n * sizeof *t->own);
    for (size_t i = 0; t->own && i < heads * t->n; i++) {
        int32_t row = t->list[i % t->n], head = (int32_t)(i / t->n);
        size_t end = (size_t)kv->row_pos[row] / ATTN_BLOCK + 1;
        const void **k = step_small(st, end * sizeof *k);
        const void **v = latent ? k : step_small(st, end * sizeof *v);
        if (!k || !v) return false;
        look_up(kv, layer, head, false, row, from, end, k);
        if (!latent) look_up(kv, layer, head, true, row, from, end, v);
        t->own[i] = (struct attn_own){k, v};
    }
    return t->own != NULL;
}

bool attn_tile_blocks(struct step *st, const struct kv_view *kv, int32_t layer,
                      struct attn_tile *t)
{
    size_t heads = (size_t)kv->layout->n_head_kv;
    bool latent = kv->layout->latent;
    int32_t last = t->list ? t->list[0] : (int32_t)(t->row + t->n - 1);
    t->n_block = t->list ? t->common / ATTN_BLOCK : (size_t)kv->row_pos[last] / ATTN_BLOCK + 1;
    t->k = step_small(st, heads * t->n_block * sizeof *t->k);
    t->v = latent ? t->k : step_small(st, heads * t->n_block * sizeof *t->v);
    if (!t->k || !t->v) return false;
    for (size_t h = 0; h < heads; h++) {
        size_t at = h * t->n_block;
        look_up(kv, layer, (int32_t)h, false, last, 0, t->n_block, t->k + at);
        if (!latent) look_up(kv, layer, (int32_t)h, true, last, 0, t->n_block, t->v + at);
    }
    return !t->list || own_blocks(st, kv, layer, t);
}
