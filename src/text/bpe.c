/* bpe.c - merging symbols by rank, and byte-level BPE on top of it.
 *
 * A short piece is merged by scanning for the lowest rank again and again; a long one with a heap
 * over the pairs of a linked list, so that a megabyte without a single cut still takes
 * O(n log n). Most pieces of real text are entries of the vocabulary: vocab_finish has checked
 * which entries merge to themselves, and those take one look into the piece table.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "text/pretok.h"
#include "text/vocab_int.h"

enum { SHORT_PIECE = 48 };

/* ---- the pair table ---------------------------------------------------------------------- */

static size_t pair_home(uint32_t left, uint32_t right)
{
    return (size_t)map64_mix((uint64_t)left << 32 | right);
}

int pair_reserve(struct pair_table *t, size_t n, struct err *e)
{
    size_t size = 64;
    while (size < 2 * n) size *= 2;
    t->slot = mem_alloc(size * sizeof *t->slot);
    if (!t->slot) return err_oom(e, "table of merges", size * sizeof *t->slot);
    memset(t->slot, 0xff, size * sizeof *t->slot);
    t->mask = size - 1;
    t->n = 0;
    return 0;
}

void pair_release(struct pair_table *t)
{
    mem_free(t->slot);
    *t = (struct pair_table){0};
}

static const struct pair_slot *pair_find(const struct pair_table *t, uint32_t left,
                                         uint32_t right)
{
    for (size_t i = pair_home(left, right) & t->mask;; i = (i + 1) & t->mask) {
        const struct pair_slot *s = &t->slot[i];
        if ((s->left == left && s->right == right) || s->rank == NO_RANK) return s;
    }
}

void pair_put(struct pair_table *t, uint32_t left, uint32_t right, uint32_t rank, uint32_t sym)
{
    size_t i = pair_home(left, right) & t->mask;
    while (t->slot[i].rank != NO_RANK) {
        if (t->slot[i].left == left && t->slot[i].right == right) return;
        i = (i + 1) & t->mask;
    }
    t->slot[i] = (struct pair_slot){left, right, rank, sym};
    t->n++;
}

/* ---- scratch ----------------------------------------------------------------------------- */

void merge_scratch_release(struct merge_scratch *s)
{
    mem_free(s->block);
    mem_free(s->sym);
    *s = (struct merge_scratch){0};
}

int merge_scratch_syms(struct merge_scratch *s, size_t n, struct err *e)
{
    if (n <= s->n_sym) return 0;
    size_t want = size_max(n, s->n_sym * 2);
    mem_free(s->sym);
    s->n_sym = 0;
    s->sym = mem_alloc(want * sizeof *s->sym);
    if (!s->sym) return err_oom(e, "symbols of a text", want * sizeof *s->sym);
    s->n_sym = want;
    return 0;
}

/* ---- merging ----------------------------------------------------------------------------- */

static size_t merge_short(const struct pair_table *t, uint32_t *sym, size_t n)
{
    uint32_t rank[SHORT_PIECE], to[SHORT_PIECE]; /* of the pair that starts here */
    for (size_t i = 0; i + 1 < n; i++) {
        const struct pair_slot *p = pair_find(t, sym[i], sym[i + 1]);
        rank[i] = p->rank;
        to[i] = p->sym;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NO_RANK) break;
        sym[best] = to[best];
        size_t rest = n - best - 2; /* symbols behind the pair */
        memmove(sym + best + 1, sym + best + 2, rest * sizeof *sym);
        memmove(rank + best, rank + best + 1, rest * sizeof *rank);
        memmove(to + best, to + best + 1, rest * sizeof *to);
        n--;
        size_t from = best ? best - 1 : 0;
        for (size_t i = from; i <= best && i + 1 < n; i++) {
            const struct pair_slot *p = pair_find(t, sym[i], sym[i + 1]);
            rank[i] = p->rank;
            to[i] = p->sym;
        }
    }
    return n;
}

/* One long piece: symbols in a doubly linked list over their first positions, and a min-heap of
 * (rank, position). rank[i] is the pair that starts at i now; an entry of the heap that says
 * otherwise is out of date and skipped. */
struct long_piece {
    const struct pair_table *t;
    uint32_t *sym, *prev, *next, *rank, *to;
    uint64_t *heap;
    size_t n_heap;
};

#define LIST_END UINT32_MAX

static void heap_down(uint64_t *h, size_t n, size_t i)
{
    uint64_t x = h[i];
    for (size_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && h[k + 1] < h[k]) k++;
        if (x <= h[k]) break;
        h[i] = h[k];
    }
    h[i] = x;
}

static void heap_push(struct long_piece *l, uint64_t x)
{
    size_t i = l->n_heap++;
    for (size_t up; i && l->heap[up = (i - 1) / 2] > x; i = up) l->heap[i] = l->heap[up];
    l->heap[i] = x;
}

static void pair_refresh(struct long_piece *l, uint32_t i)
{
    l->rank[i] = NO_RANK;
    if (l->next[i] == LIST_END) return;
    const struct pair_slot *p = pair_find(l->t, l->sym[i], l->sym[l->next[i]]);
    l->rank[i] = p->rank;
    l->to[i] = p->sym;
}

static size_t merge_long(struct long_piece *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        l->prev[i] = i ? (uint32_t)i - 1 : LIST_END;
        l->next[i] = i + 1 < n ? (uint32_t)i + 1 : LIST_END;
    }
    for (size_t i = 0; i < n; i++) {
        pair_refresh(l, (uint32_t)i);
        if (l->rank[i] != NO_RANK) l->heap[l->n_heap++] = (uint64_t)l->rank[i] << 32 | i;
    }
    for (size_t i = l->n_heap / 2; i-- > 0;) heap_down(l->heap, l->n_heap, i);
    while (l->n_heap) {
        uint64_t top = l->heap[0];
        l->heap[0] = l->heap[--l->n_heap];
        if (l->n_heap) heap_down(l->heap, l->n_heap, 0);
        uint32_t i = (uint32_t)top;
        if (l->rank[i] != (uint32_t)(top >> 32)) continue;
        uint32_t gone = l->next[i];
        l->sym[i] = l->to[i];
        l->rank[gone] = NO_RANK;
        l->next[i] = l->next[gone];
        if (l->next[gone] != LIST_END) l->prev[l->next[gone]] = i;
        uint32_t near[2] = {l->prev[i], i};
        for (int k = 0; k < 2; k++) {
            if (near[k] == LIST_END) continue;
            pair_refresh(l, near[k]);
            if (l->rank[near[k]] != NO_RANK)
                heap_push(l, (uint64_t)l->rank[near[k]] << 32 | near[k]);
        }
    }
    size_t out = 0;
    for (uint32_t i = 0; i != LIST_END; i = l->next[i]) l->sym[out++] = l->sym[i];
    return out;
}

int merge_symbols(const struct pair_table *t, uint32_t *sym, size_t *n, struct merge_scratch *s,
                  struct err *e)
{
    if (*n <= SHORT_PIECE) {
        *n = merge_short(t, sym, *n);
        return 0;
    }
    /* Every merge takes one entry off the heap and puts at most two on: never more than 2n. */
    size_t need = *n * (4 * sizeof(uint32_t) + 2 * sizeof(uint64_t));
    if (need > s->size) {
        need = size_max(need, 2 * s->size);
        mem_free(s->block);
        s->size = 0;
        s->block = mem_alloc(need);
        if (!s->block) return err_oom(e, "merging a long piece", need);
        s->size = need;
    }
    struct long_piece l = {.t = t, .sym = sym, .heap = s->block};
    l.prev = (uint32_t *)(l.heap + 2 * *n);
    l.next = l.prev + *n;
    l.rank = l.next + *n;
    l.to = l.rank + *n;
    *n = merge_long(&l, *n);
    return 0;
}

/* ---- byte-level BPE ---------------------------------------------------------------------- */

static int encode_piece(const struct vocab *v, struct span piece, struct merge_scratch *s,
                        struct tok_list *out, struct err *e)
{
    uint32_t few[SHORT_PIECE], *sym = few;
    if (piece.n > SHORT_PIECE) {
        if (merge_scratch_syms(s, piece.n, e)) return -1;
        sym = s->sym;
    }
    size_t n = piece.n;
    for (size_t i = 0; i < n; i++) sym[i] = v->byte_sym[(unsigned char)piece.p[i]];
    if (merge_symbols(&v->pair, sym, &n, s, e)) return -1;
    for (size_t i = 0; i < n; i++)
        if (tok_list_add(out, (tok_id)sym[i], e)) return -1;
    return 0;
}

static int encode_pieces(const struct vocab *v, struct span text, struct merge_scratch *s,
                         struct tok_list *out, struct err *e)
{
    struct pretok_scan scan;
    struct span piece;
    pretok_begin(&scan, v->pre, text);
    while (pretok_next(&scan, &piece)) {
        tok_id id = piece.n == 1 ? (tok_id)v->byte_sym[(unsigned char)piece.p[0]]
                                 : vocab_piece(v, piece);
        bool whole = id != TOK_NONE && (piece.n == 1 || v->special.ignore_merges ||
                                        v->tok[id].flags & TOK_IS_WHOLE);
        if (whole ? tok_list_add(out, id, e) : encode_piece(v, piece, s, out, e)) return -1;
    }
    return 0;
}

/* A byte without a token becomes U+FFFD, which is what the pre-tokeniser takes it for. */
int bpe_encode(const struct vocab *v, struct span text, struct merge_scratch *s,
               struct tok_list *out, struct err *e)
{
    size_t i = v->lacks_bytes ? 0 : text.n;
    while (i < text.n && v->byte_sym[(unsigned char)text.p[i]] != NO_SYM) i++;
    if (i == text.n) return encode_pieces(v, text, s, out, e);
    struct buf clean;
    buf_init(&clean, SIZE_MAX / 2);
    buf_add(&clean, text.p, i);
    for (; i < text.n; i++)
        if (v->byte_sym[(unsigned char)text.p[i]] == NO_SYM)
            buf_add_str(&clean, "\xef\xbf\xbd");
        else
            buf_add_char(&clean, text.p[i]);
    int rc = buf_ok(&clean, "the text", e);
    if (!rc) rc = encode_pieces(v, buf_span(&clean), s, out, e);
    buf_release(&clean);
    return rc;
}
