/* op_attn.c - storing keys and values, and attention over the paged cache.
 *
 * Rows of one sequence are consecutive. They are cut into tiles; a job is (tile, key/value head),
 * and for latent caches, where one cached row serves all heads, (tile, group of heads). Tiles and
 * groups only spread the work: every row's result is its own (kernel/attn.h).
 *
 * Single rows of several sequences, which is what decoding has, make tiles too (attn_tile.c):
 * those whose sequences begin with the same blocks read them once, and the others at least know
 * what will be read next.
 *
 * A taped step has no cache: op_kv_store only remembers its tensors, and a tile's blocks are cut
 * out of their rows. The numbers are those a cache of type F32 would hold, so the bits are too.
 * Back: a job is (sequence, key/value head), for latent keys (sequence, group of heads), whose
 * parts of dk are added in the order of the groups.
 */
#include <string.h>

#include "base/size.h"
#include "kernel/kernel.h"
#include "nn/attn_tile.h"
#include "nn/op.h"
#include "nn/split.h"
#include "nn/tape.h"

enum { HEAD_GROUP = 16 };

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
    if (st->tape) {
        st->tape->k = k;
        st->tape->v = v;
        st->tape->layer = layer;
        return;
    }
    if (st->dry) return;
    struct store_job j = {st, kv, layer, k, v, split_count(st, k->n, 16)};
    pool_run(st->pool, store_slice, &j, j.parts);
}

/* ---- attention ----------------------------------------------------------------------------- */

struct attn_ctx {
    const struct step *st;
    const struct kv_view *kv;
    struct tensor *q, *y;
    const struct tensor *tk, *tv; /* taped: keys and values; NULL: the cache */
    float *lse;                   /* taped: (units, N, n_rep) */
    const struct attn_tile *tile;
    size_t units;           /* jobs per tile: key/value heads, or groups of heads */
    size_t n_rep, head_rep; /* query heads per unit; per key/value head */
    float scale;
};

static void attn_slice(void *ctx, size_t i)
{
    const struct attn_ctx *a = ctx;
    const struct kv_layout *l = a->kv->layout;
    const struct attn_tile *t = &a->tile[i / a->units];
    size_t unit = i % a->units, head = unit * a->n_rep;
    size_t list = l->latent ? 0 : unit;
    struct attn_job job = {
        .out = a->y->v + t->row * a->y->c + head * l->d_v,
        .out_stride = a->y->c,
        .q = a->q->v + t->row * a->q->c + head * l->d_k,
        .q_stride = a->q->c,
        .q_head = l->d_k,
        .n_row = t->n,
        .row = t->list,
        .n_rep = a->n_rep,
        .d_k = l->d_k,
        .d_v = l->d_v,
        .pos = a->kv->row_pos + t->row,
        .k = t->k + list * t->n_block,
        .v = t->v + list * t->n_block,
        .own = t->own ? t->own + list * t->n : NULL,
        .common = t->common,
        .k_stride = a->tk ? a->tk->c * sizeof(float) : l->k_row,
        .v_stride = a->tv       ? a->tv->c * sizeof(float)
                    : l->latent ? l->k_row
                                : l->v_row,
        .k_dt = l->dt,
        .v_dt = l->dt,
        .scale = a->scale,
        .lse = a->lse ? a->lse + (unit * a->q->n + t->row) * a->n_rep : NULL,
        .scratch = step_scratch(a->st),
    };
    a->st->k->attn.run(&job);
}

/* A taped step's blocks are cut out of its rows; `first` is the row of the sequence's position 0. */
static bool tape_blocks(const struct attn_ctx *a, struct step *st, size_t first,
                        struct attn_tile *t)
{
    const struct kv_layout *l = a->kv->layout;
    t->n_block = (size_t)a->kv->row_pos[t->row + t->n - 1] / ATTN_BLOCK + 1;
    size_t n = t->n_block * (size_t)l->n_head_kv;
    t->k = step_small(st, n * sizeof *t->k);
    t->v = step_small(st, n * sizeof *t->v);
    if (!t->k || !t->v) return false;
    for (size_t h = 0; h < (size_t)l->n_head_kv; h++)
        for (size_t b = 0; b < t->n_block; b++) {
            size_t at = h * t->n_block + b, row = first + b * ATTN_BLOCK;
            t->k[at] = a->tk->v + row * a->tk->c + h * l->d_k;
            t->v[at] = a->tv->v + row * a->tv->c + h * l->d_v;
        }
    return true;
}

/* ---- walk back ----------------------------------------------------------------------------- */

struct seq_rows {
    size_t row, n;
};

struct attn_node {
    struct tape_node n;
    struct tensor *q, *k, *v, *y; /* v is k for latent keys */
    const int32_t *pos;
    const struct seq_rows *seq;
    size_t n_seq, units, n_rep, d_k, d_v;
    bool latent;
    float scale, *lse;
};

struct attn_back {
    struct step *st;
    const struct attn_node *n;
    float *dq, *dk, *dv; /* latent: (units, N, d_k), (units, N, d_v) */
    unsigned char *scratch;
    size_t scratch_bytes;
};

static void attn_back_slice(void *ctx, size_t i)
{
    const struct attn_back *b = ctx;
    const struct attn_node *n = b->n;
    const struct seq_rows *s = &n->seq[i / n->units];
    size_t unit = i % n->units, head = unit * n->n_rep, list = n->latent ? 0 : unit;
    size_t k_at = s->row * n->k->c + list * n->d_k, v_at = s->row * n->v->c + list * n->d_v;
    size_t apart = unit * n->q->n + s->row; /* latent */
    struct attn_back_job job = {
        .dq = b->dq + s->row * n->q->c + head * n->d_k,
        .dk = n->latent ? b->dk + apart * n->k->c : b->dk + k_at,
        .dv = n->latent ? b->dv + apart * n->k->c : b->dv + v_at,
        .q = n->q->v + s->row * n->q->c + head * n->d_k,
        .k = n->k->v + k_at,
        .v = n->v->v + v_at,
        .out = n->y->v + s->row * n->y->c + head * n->d_v,
        .dout = n->y->g + s->row * n->y->c + head * n->d_v,
        .lse = n->lse + (unit * n->q->n + s->row) * n->n_rep,
        .q_stride = n->q->c,
        .q_head = n->d_k,
        .out_stride = n->y->c,
        .out_head = n->d_v,
        .k_stride = n->k->c,
        .v_stride = n->v->c,
        .n_row = s->n,
        .n_rep = n->n_rep,
        .n_key = s->n,
        .d_k = n->d_k,
        .d_v = n->d_v,
        .pos = n->pos + s->row,
        .scale = n->scale,
        .scratch = b->scratch + (size_t)pool_self() * b->scratch_bytes,
    };
    b->st->k->attn.back(&job);
}

/* Latent: dk[row] gets every group's dk, then every group's dv in its first d_v columns. */
static void gather_slice(void *ctx, size_t r)
{
    const struct attn_back *b = ctx;
    const struct attn_node *n = b->n;
    size_t c = n->k->c;
    for (size_t u = 0; u < n->units; u++) {
        b->st->k->elem.add(n->k->g + r * c, b->dk + (u * n->q->n + r) * c, c);
        b->st->k->elem.add(n->k->g + r * c, b->dv + (u * n->q->n + r) * c, n->d_v);
    }
}

/* Where the kernel writes: t's gradient when it is new, else a place to add from. */
static float *target(struct step *st, struct tensor *t, bool *add)
{
    float *g = tensor_grad(st, t, add);
    return *add ? step_alloc(st, t->n * t->c * sizeof *g) : g;
}

static void attn_back(struct step *st, struct tape_node *node)
{
    struct attn_node *n = (struct attn_node *)node;
    if (!n->y->g) return;
    struct attn_back b = {.st = st, .n = n};
    size_t longest = 0, rows = n->q->n, c = n->k->c;
    bool add_q, add_k = false, add_v = false;
    for (size_t i = 0; i < n->n_seq; i++) longest = size_max(longest, n->seq[i].n);
    bool given[3] = {n->q->g != NULL, n->k->g != NULL, n->v->g != NULL};
    if (!given[0]) (void)tensor_grad(st, n->q, &add_q);
    if (n->latent) (void)tensor_grad_zeroed(st, n->k);
    if (!n->latent && !given[1]) (void)tensor_grad(st, n->k, &add_k);
    if (!n->latent && !given[2]) (void)tensor_grad(st, n->v, &add_v);

    struct step_mark mark = step_mark(st);
    b.dq = given[0] ? target(st, n->q, &add_q) : n->q->g;
    if (n->latent) {
        b.dk = step_alloc(st, n->units * rows * c * sizeof *b.dk);
        b.dv = step_alloc(st, n->units * rows * c * sizeof *b.dv);
    } else {
        b.dk = given[1] ? target(st, n->k, &add_k) : n->k->g;
        b.dv = given[2] ? target(st, n->v, &add_v) : n->v->g;
    }
    b.scratch_bytes = round_up(attn_back_scratch_bytes(longest * n->n_rep, n->d_k, n->d_v), 64);
    b.scratch = step_alloc(st, b.scratch_bytes * (size_t)pool_threads(st->pool));
    if (!st->failed && !st->dry) {
        pool_run(st->pool, attn_back_slice, &b, n->n_seq * n->units);
        const struct elem_kernels *k = &st->k->elem;
        if (given[0]) k->add(n->q->g, b.dq, rows * n->q->c);
        if (n->latent) pool_run(st->pool, gather_slice, &b, rows);
        if (!n->latent && given[1]) k->add(n->k->g, b.dk, rows * c);
        if (!n->latent && given[2]) k->add(n->v->g, b.dv, rows * n->v->c);
    }
    step_rewind(st, mark);
}

/* The sequences of a taped step: consecutive rows, positions from 0. In a dry step, which has no
 * positions, one sequence stands for all. */
static struct seq_rows *find_sequences(struct step *st, const struct kv_view *kv, size_t n,
                                       size_t *count)
{
    struct seq_rows *s = step_small(st, (st->dry ? 1 : n) * sizeof *s);
    *count = 0;
    if (!s) return NULL;
    if (st->dry) {
        s[(*count)++] = (struct seq_rows){0, n};
        return s;
    }
    for (size_t r = 0; r < n; r++) {
        bool same = r > 0 && kv->row_seq[r] == kv->row_seq[r - 1];
        if (!same) s[(*count)++].row = r;
        struct seq_rows *now = &s[*count - 1];
        if (kv->row_pos[r] != (int32_t)now->n++)
            return step_fail(st, ERR_BUG,
                             "row %zu of a training step has position %d, %zu was expected", r,
                             kv->row_pos[r], now->n - 1);
    }
    return s;
}

static const struct seq_rows *tape_attn(struct step *st, struct attn_ctx *a, int32_t layer)
{
    const struct kv_layout *l = a->kv->layout;
    struct tape *t = st->tape;
    if (!t->k || t->layer != layer || (!l->latent && !t->v))
        return step_fail(st, ERR_BUG, "attention of layer %d without its keys on the tape",
                         layer);
    if (l->dt != DT_F32)
        return step_fail(st, ERR_BUG, "training attends to f32 keys, not %s",
                         dtype_name(l->dt));
    a->tk = t->k;
    a->tv = l->latent ? t->k : t->v;
    a->lse = step_keep(st, a->units * a->n_rep * a->q->n * sizeof *a->lse);
    struct attn_node *n = tape_record(st, sizeof *n, attn_back);
    if (!n || !a->lse) return NULL;
    tensor_keep(a->q, KEEP_BF16);
    tensor_keep(t->k, KEEP_BF16);
    if (!l->latent) tensor_keep(t->v, KEEP_BF16);
    tensor_keep(a->y, KEEP_BF16);
    struct tape_node head = n->n;
    *n = (struct attn_node){.n = head,
                            .q = a->q,
                            .k = t->k,
                            .v = l->latent ? t->k : t->v,
                            .y = a->y,
                            .pos = a->kv->row_pos,
                            .units = a->units,
                            .n_rep = a->n_rep,
                            .d_k = l->d_k,
                            .d_v = l->d_v,
                            .latent = l->latent,
                            .scale = a->scale,
                            .lse = a->lse};
    return n->seq = find_sequences(st, a->kv, a->q->n, &n->n_seq);
}

/* ---- op ------------------------------------------------------------------------------------ */

struct tensor *op_attn(struct step *st, struct tensor *q, const struct kv_view *kv,
                       int32_t layer, float scale)
{
    if (!q) return NULL;
    const struct kv_layout *l = kv->layout;
    size_t n_head = q->c / l->d_k, n_kv = (size_t)l->n_head_kv;
    if (q->c % l->d_k || n_head % n_kv)
        return step_fail(st, ERR_BUG, "queries of %zu numbers for heads of %zu", q->c, l->d_k);
    struct tensor *y = step_tensor(st, q->n, n_head * l->d_v);
    if (!y) return NULL;

    struct attn_ctx a = {.st = st, .kv = kv, .q = q, .y = y, .scale = scale};
    a.n_rep = n_head / n_kv;
    a.units = n_kv;
    if (l->latent) {
        size_t group = size_min(HEAD_GROUP, n_head);
        while (n_head % group) group--;
        a.n_rep = group;
        a.units = n_head / group;
    }
    if (st->tape && !tape_attn(st, &a, layer)) return NULL;
    if (st->dry) return y;
    size_t n_tile;
    struct attn_tile *tile = attn_tiles(st, kv, q->n, a.n_rep, a.units, !st->tape, &n_tile);
    for (size_t i = 0, first = 0; tile && i < n_tile; i++) {
        if (!st->tape) {
            if (!attn_tile_blocks(st, kv, layer, &tile[i])) return NULL;
            continue;
        }
        size_t r = tile[i].row;
        if (r == 0 || kv->row_seq[r] != kv->row_seq[r - 1]) first = r;
        if (!tape_blocks(&a, st, first, &tile[i])) return NULL;
    }
    if (!tile) return NULL;
    a.tile = tile;
    pool_run(st->pool, attn_slice, &a, n_tile * a.units);
    return y;
}
