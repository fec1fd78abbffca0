/* bpe_train.c - counting in parallel, then merges with incremental pair counts.
 *
 * Words are the different pieces, as symbols, with how often they occur. A pair knows its count and
 * the words it has been seen in; merging it rewrites just those words and adjusts the counts of the
 * pairs around each place. A heap hands out the most frequent pair; entries whose count is out of
 * date are put right when they come up. Nothing here depends on the order of the words.
 */
#include "text/bpe_train.h"

#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/thread.h"
#include "text/bpe_count.h"
#include "text/marks.h"
#include "text/vocab_int.h"

enum {
    SLICE_BYTES = 1 << 20,
    MAX_WORKERS = 64,
    PROGRESS_EVERY = 64, /* merges */
    CHUNK_WORDS = 14,
    NO_INDEX = -1
};

struct word {
    size_t at; /* into sym */
    uint32_t len;
    int64_t count;
};

/* The words of a pair: a list of small chunks in one growing array. A word may be in it twice, or
 * no longer contain the pair; both do no harm. */
struct chunk {
    int32_t next;
    uint32_t n;
    uint32_t word[CHUNK_WORDS];
};

struct pair {
    uint32_t left, right;
    int64_t count;
    int32_t words; /* newest chunk, or NO_INDEX */
    bool is_merge; /* in the list of merges */
    bool touched;  /* its count grew in this step */
};

struct heap_entry {
    int64_t count;
    uint32_t pair;
};

struct piece_of { /* a token: its bytes in pool */
    size_t at;
    uint32_t len;
};

struct bpe_trainer {
    struct bpe_train_opts o;
    struct buf special; /* copies of the texts */
    struct span *special_text;
    struct piece_table table[MAX_WORKERS];
    int n_worker;
    int64_t bytes;

    uint32_t *sym;
    struct word *word;
    size_t n_word;
    struct chunk *chunk;
    size_t n_chunk, chunk_size;
    struct pair *pair;
    size_t n_pair, pair_size;
    struct map64 pair_of;
    struct heap_entry *heap;
    size_t n_heap, heap_size;
    uint32_t *touched;
    size_t n_touched, touched_size;

    struct buf pool; /* bytes of the tokens that are not special */
    struct piece_of *tok;
    size_t n_tok; /* ids n_special ... */
    struct map tok_of;
    struct merge *merge;
    size_t n_merge, merge_size;
};

/* ---- creating and counting --------------------------------------------------------------- */

int bpe_trainer_create(struct bpe_trainer **out, const struct bpe_train_opts *o, struct err *e)
{
    *out = NULL;
    if (o->n_vocab < o->n_special + 256 || o->n_vocab > 1 << 21)
        return err_set(e, ERR_USAGE,
                       "a vocabulary of %zu tokens, allowed is %zu (bytes and special "
                       "tokens) to %d",
                       o->n_vocab, o->n_special + 256, 1 << 21);
    struct bpe_trainer *t = mem_calloc(1, sizeof *t);
    if (!t) return err_oom(e, "trainer", sizeof *t);
    t->o = *o;
    if (!t->o.min_count) t->o.min_count = 2;
    if (!t->o.max_token_bytes) t->o.max_token_bytes = 32;
    t->n_worker = o->pool ? (int)size_min((size_t)pool_threads(o->pool), MAX_WORKERS) : 1;
    for (int i = 0; i < t->n_worker; i++) piece_table_init(&t->table[i]);
    buf_init(&t->special, 1 << 24);
    buf_init(&t->pool, 1 << 28);
    map64_init(&t->pair_of);
    map_init(&t->tok_of);
    t->special_text = mem_calloc(o->n_special + 1, sizeof *t->special_text);
    for (size_t i = 0; i < o->n_special; i++) buf_add_span(&t->special, o->special[i]);
    if (!t->special_text || t->special.failed) {
        bpe_trainer_free(t);
        return err_oom(e, "special tokens", o->n_special);
    }
    for (size_t i = 0, at = 0; i < o->n_special; at += o->special[i++].n)
        t->special_text[i] = (struct span){buf_str(&t->special) + at, o->special[i].n};
    *out = t;
    return 0;
}

void bpe_trainer_free(struct bpe_trainer *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_worker; i++) piece_table_release(&t->table[i]);
    buf_release(&t->special);
    buf_release(&t->pool);
    map64_release(&t->pair_of);
    map_release(&t->tok_of);
    mem_free(t->special_text);
    mem_free(t->sym);
    mem_free(t->word);
    mem_free(t->chunk);
    mem_free(t->pair);
    mem_free(t->heap);
    mem_free(t->touched);
    mem_free(t->tok);
    mem_free(t->merge);
    mem_free(t);
}

static int report(struct bpe_trainer *t, struct err *e)
{
    struct bpe_train_progress p = {.bytes = t->bytes, .wanted = (int64_t)t->o.n_vocab};
    p.pieces = (int64_t)(t->n_word ? t->n_word : t->table[0].n);
    p.tokens = (int64_t)(t->o.n_special + t->n_tok);
    if (!t->o.progress || t->o.progress(t->o.ctx, &p)) return 0;
    return err_set(e, ERR_CANCELLED, "training the tokenizer was stopped");
}

struct count_job {
    struct bpe_trainer *t;
    struct span text;
    _Atomic size_t next; /* slice */
    _Atomic bool failed;
};

/* Slice k is what begins between k and k + 1 times SLICE_BYTES. */
static void count_slices(void *ctx, size_t worker)
{
    struct count_job *j = ctx;
    for (;;) {
        size_t k = atomic_fetch_add(&j->next, 1);
        if (k * SLICE_BYTES >= j->text.n) return;
        size_t from = k ? piece_cut(j->text, k * SLICE_BYTES) : 0;
        size_t to = piece_cut(j->text, size_min((k + 1) * SLICE_BYTES, j->text.n));
        struct span slice = {j->text.p + from, to - from};
        if (!piece_table_count(&j->t->table[worker], j->t->o.rule, slice))
            atomic_store(&j->failed, true);
    }
}

int bpe_trainer_add(struct bpe_trainer *t, struct span text, struct err *e)
{
    if (text.n > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "a text of %zu bytes to train on, the limit is %u", text.n,
                       UINT32_MAX);
    bool ok;
    if (t->n_worker == 1 || text.n < 2 * SLICE_BYTES || t->o.rule == PRETOK_NONE) {
        ok = piece_table_count(&t->table[0], t->o.rule, text);
    } else {
        struct count_job j = {.t = t, .text = text};
        pool_run(t->o.pool, count_slices, &j, (size_t)t->n_worker);
        ok = !atomic_load(&j.failed);
    }
    if (!ok)
        return err_oom(e, "counts of pieces", t->table[0].size * sizeof(struct piece_slot));
    t->bytes += (int64_t)text.n;
    return report(t, e);
}

/* ---- tokens ------------------------------------------------------------------------------ */

static struct span bytes_of(const struct bpe_trainer *t, uint32_t id)
{
    const struct piece_of *k = &t->tok[id - t->o.n_special];
    return (struct span){buf_str(&t->pool) + k->at, k->len};
}

/* The token with these bytes, which are the last n of the pool, new if need be. */
static bool token_of_tail(struct bpe_trainer *t, size_t n, uint32_t *id)
{
    struct span bytes = {t->pool.data + t->pool.len - n, n};
    uint64_t have = map_get(&t->tok_of, bytes);
    if (have != MAP_NONE) {
        t->pool.len -= n;
        *id = (uint32_t)have;
        return true;
    }
    *id = (uint32_t)(t->o.n_special + t->n_tok);
    t->tok[t->n_tok++] = (struct piece_of){t->pool.len - n, (uint32_t)n};
    return map_put(&t->tok_of, bytes, *id);
}

static bool join(struct bpe_trainer *t, uint32_t left, uint32_t right, uint32_t *id)
{
    size_t n = bytes_of(t, left).n + bytes_of(t, right).n;
    if (!buf_reserve(&t->pool, n)) return false; /* now the spans stay where they are */
    buf_add_span(&t->pool, bytes_of(t, left));
    buf_add_span(&t->pool, bytes_of(t, right));
    return token_of_tail(t, n, id);
}

static int make_bytes(struct bpe_trainer *t, struct err *e)
{
    size_t n = t->o.n_vocab - t->o.n_special;
    t->tok = mem_alloc(n * sizeof *t->tok);
    if (!t->tok) return err_oom(e, "tokens", n * sizeof *t->tok);
    for (unsigned b = 0; b < 256; b++) {
        uint32_t id;
        buf_add_char(&t->pool, (char)b);
        if (t->pool.failed || !token_of_tail(t, 1, &id)) return err_oom(e, "tokens", 256);
    }
    return 0;
}

/* ---- pairs ------------------------------------------------------------------------------- */

/* Room for one more element in a growing array. */
static bool room(void **p, size_t n, size_t *size, size_t elem)
{
    if (n < *size) return true;
    size_t want = *size ? 2 * *size : 1024;
    void *q = mem_realloc(*p, n * elem, want * elem);
    if (!q) return false;
    *p = q;
    *size = want;
    return true;
}

static bool pair_index(struct bpe_trainer *t, uint32_t left, uint32_t right, uint32_t *out)
{
    uint64_t key = (uint64_t)left << 32 | right, have = map64_get(&t->pair_of, key);
    if (have != MAP_NONE) {
        *out = (uint32_t)have;
        return true;
    }
    void *p = t->pair;
    bool ok = room(&p, t->n_pair, &t->pair_size, sizeof *t->pair);
    t->pair = p;
    if (!ok || t->n_pair >= UINT32_MAX) return false;
    *out = (uint32_t)t->n_pair;
    t->pair[t->n_pair++] = (struct pair){.left = left, .right = right, .words = NO_INDEX};
    return map64_put(&t->pair_of, key, *out);
}

static bool add_word(struct bpe_trainer *t, struct pair *pair, uint32_t word)
{
    struct chunk *c = pair->words == NO_INDEX ? NULL : &t->chunk[pair->words];
    if (c && c->word[c->n - 1] == word) return true;
    if (!c || c->n == CHUNK_WORDS) {
        void *p = t->chunk;
        bool ok = room(&p, t->n_chunk, &t->chunk_size, sizeof *t->chunk);
        t->chunk = p;
        if (!ok || t->n_chunk > INT32_MAX) return false;
        c = &t->chunk[t->n_chunk];
        *c = (struct chunk){.next = pair->words};
        pair->words = (int32_t)t->n_chunk++;
    }
    c->word[c->n++] = word;
    return true;
}

/* The pair occurs more often by the word's count. */
static bool pair_grow(struct bpe_trainer *t, uint32_t left, uint32_t right, uint32_t word)
{
    uint32_t i;
    if (!pair_index(t, left, right, &i)) return false;
    struct pair *p = &t->pair[i];
    p->count += t->word[word].count;
    if (!p->touched) {
        void *q = t->touched;
        bool ok = room(&q, t->n_touched, &t->touched_size, sizeof *t->touched);
        t->touched = q;
        if (!ok) return false;
        t->touched[t->n_touched++] = i;
        p->touched = true;
    }
    return add_word(t, p, word);
}

static void pair_shrink(struct bpe_trainer *t, uint32_t left, uint32_t right, int64_t count)
{
    uint64_t i = map64_get(&t->pair_of, (uint64_t)left << 32 | right);
    if (i != MAP_NONE) t->pair[i].count -= count;
}

/* ---- the heap ---------------------------------------------------------------------------- */

static bool before(const struct bpe_trainer *t, struct heap_entry a, struct heap_entry b)
{
    const struct pair *p = &t->pair[a.pair], *q = &t->pair[b.pair];
    if (a.count != b.count) return a.count > b.count;
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static bool push(struct bpe_trainer *t, uint32_t pair)
{
    struct heap_entry x = {t->pair[pair].count, pair};
    size_t len = bytes_of(t, t->pair[pair].left).n + bytes_of(t, t->pair[pair].right).n;
    if (x.count < t->o.min_count || len > t->o.max_token_bytes) return true;
    void *p = t->heap;
    bool ok = room(&p, t->n_heap, &t->heap_size, sizeof *t->heap);
    t->heap = p;
    if (!ok) return false;
    size_t i = t->n_heap++;
    for (size_t up; i && before(t, x, t->heap[up = (i - 1) / 2]); i = up)
        t->heap[i] = t->heap[up];
    t->heap[i] = x;
    return true;
}

static struct heap_entry pop(struct bpe_trainer *t)
{
    struct heap_entry top = t->heap[0], x = t->heap[--t->n_heap];
    size_t i = 0;
    for (size_t k; (k = 2 * i + 1) < t->n_heap; i = k) {
        if (k + 1 < t->n_heap && before(t, t->heap[k + 1], t->heap[k])) k++;
        if (!before(t, t->heap[k], x)) break;
        t->heap[i] = t->heap[k];
    }
    t->heap[i] = x;
    return top;
}

static bool push_touched(struct bpe_trainer *t)
{
    for (size_t i = 0; i < t->n_touched; i++) {
        t->pair[t->touched[i]].touched = false;
        if (!push(t, t->touched[i])) return false;
    }
    t->n_touched = 0;
    return true;
}

/* The most frequent pair now; false when none is frequent enough. */
static bool most_frequent(struct bpe_trainer *t, uint32_t *pair, bool *failed)
{
    while (t->n_heap) {
        struct heap_entry x = pop(t);
        int64_t now = t->pair[x.pair].count;
        if (x.count == now) {
            *pair = x.pair;
            return true;
        }
        /* A count that grew has been pushed since; one that shrank goes back in its place. */
        if (now < x.count && !push(t, x.pair)) {
            *failed = true;
            return false;
        }
    }
    return false;
}

/* ---- learning ---------------------------------------------------------------------------- */

static int make_words(struct bpe_trainer *t, struct err *e)
{
    struct piece_table *all = &t->table[0];
    for (int i = 1; i < t->n_worker; i++) {
        if (!piece_table_merge(all, &t->table[i])) return err_oom(e, "pieces", all->pool.len);
        piece_table_release(&t->table[i]);
    }
    t->sym = mem_alloc((all->pool.len + 1) * sizeof *t->sym);
    t->word = mem_alloc((all->n + 1) * sizeof *t->word);
    if (!t->sym || !t->word || all->n > UINT32_MAX)
        return err_oom(e, "words", all->pool.len * sizeof *t->sym + all->n * sizeof *t->word);
    for (size_t i = 0, at = 0; i < all->size; i++) {
        const struct piece_slot *s = &all->slot[i];
        if (!s->count) continue;
        t->word[t->n_word++] = (struct word){at, s->len, s->count};
        for (uint32_t k = 0; k < s->len; k++)
            t->sym[at++] = (uint32_t)t->o.n_special + (unsigned char)all->pool.data[s->at + k];
    }
    piece_table_release(all);
    for (uint32_t w = 0; w < t->n_word; w++)
        for (uint32_t k = 0; k + 1 < t->word[w].len; k++) {
            const uint32_t *s = t->sym + t->word[w].at + k;
            if (!pair_grow(t, s[0], s[1], w)) return err_oom(e, "pairs", t->n_pair);
        }
    return push_touched(t) ? 0 : err_oom(e, "pairs", t->n_pair);
}

/* Rewrites one word. At each place "x a b y" becomes "x c y": the pairs xa and by go, xc and cy
 * come. Where the places touch, "a b a b", the pair between them is looked at once, from the right
 * one. The count of ab itself is set by the caller. */
static bool merge_in_word(struct bpe_trainer *t, uint32_t w, uint32_t a, uint32_t b, uint32_t c)
{
    struct word *word = &t->word[w];
    uint32_t *s = t->sym + word->at, n = word->len, out = 0;
    bool after_place = false; /* the symbol written last is a c of this merge */
    for (uint32_t i = 0; i < n;) {
        if (i + 1 >= n || s[i] != a || s[i + 1] != b) {
            s[out++] = s[i++];
            after_place = false;
            continue;
        }
        if (out) {
            pair_shrink(t, after_place ? b : s[out - 1], a, word->count);
            if (!pair_grow(t, s[out - 1], c, w)) return false;
        }
        bool place_follows = i + 3 < n && s[i + 2] == a && s[i + 3] == b;
        if (i + 2 < n && !place_follows) {
            pair_shrink(t, b, s[i + 2], word->count);
            if (!pair_grow(t, c, s[i + 2], w)) return false;
        }
        s[out++] = c;
        i += 2;
        after_place = true;
    }
    word->len = out;
    return true;
}

static bool merge_everywhere(struct bpe_trainer *t, uint32_t pair, uint32_t c)
{
    uint32_t a = t->pair[pair].left, b = t->pair[pair].right;
    int32_t k = t->pair[pair].words;
    t->pair[pair].words = NO_INDEX;
    for (; k != NO_INDEX; k = t->chunk[k].next)
        for (uint32_t i = 0; i < t->chunk[k].n; i++)
            if (!merge_in_word(t, t->chunk[k].word[i], a, b, c)) return false;
    t->pair[pair].count = 0;
    return push_touched(t);
}

static int learn(struct bpe_trainer *t, struct err *e)
{
    bool failed = false;
    uint32_t i, c;
    size_t wanted = t->o.n_vocab - t->o.n_special;
    for (size_t step = 0; t->n_tok < wanted && most_frequent(t, &i, &failed); step++) {
        uint32_t left = t->pair[i].left, right = t->pair[i].right;
        if (!join(t, left, right, &c)) return err_oom(e, "tokens", t->pool.len);
        if (!t->pair[i].is_merge) {
            void *p = t->merge;
            bool ok = room(&p, t->n_merge, &t->merge_size, sizeof *t->merge);
            t->merge = p;
            if (!ok) return err_oom(e, "merges", t->n_merge * sizeof *t->merge);
            t->merge[t->n_merge++] = (struct merge){left, right, c};
            t->pair[i].is_merge = true;
        }
        if (!merge_everywhere(t, i, c)) return err_oom(e, "pairs", t->n_pair * sizeof *t->pair);
        if (step % PROGRESS_EVERY == 0 && report(t, e)) return -1;
    }
    return failed ? err_oom(e, "pairs", t->n_pair * sizeof *t->pair) : report(t, e);
}

/* ---- the vocabulary ---------------------------------------------------------------------- */

static void set_roles(const struct bpe_trainer *t, struct vocab *v)
{
    struct vocab_special s = *vocab_special(v);
    const struct {
        const char *text;
        tok_id *id;
    } roles[] = {{MARK_BOS, &s.bos},          {MARK_EOS, &s.eos},
                 {MARK_PAD, &s.pad},          {MARK_FIM_BEGIN, &s.fim_pre},
                 {MARK_FIM_HOLE, &s.fim_suf}, {MARK_FIM_END, &s.fim_mid}};
    for (size_t i = 0; i < t->o.n_special; i++)
        for (size_t k = 0; k < countof(roles); k++)
            if (span_is(t->special_text[i], roles[k].text)) *roles[k].id = (tok_id)i;
    s.add_bos = s.bos != TOK_NONE;
    vocab_set_special(v, &s);
}

static int fill_vocab(const struct bpe_trainer *t, struct vocab *v, struct err *e)
{
    struct buf a, b;
    int rc = 0;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    for (size_t i = 0; !rc && i < t->o.n_special; i++)
        rc = vocab_set_token(v, (tok_id)i, t->special_text[i], 0, TOK_CONTROL, e);
    for (size_t i = 0; !rc && i < t->n_tok; i++) {
        uint32_t id = (uint32_t)(t->o.n_special + i);
        buf_clear(&a);
        vocab_alphabet(bytes_of(t, id), &a);
        rc = buf_ok(&a, "a token", e);
        if (!rc) rc = vocab_set_token(v, (tok_id)id, buf_span(&a), 0, TOK_NORMAL, e);
    }
    for (size_t i = 0; !rc && i < t->n_merge; i++) {
        buf_clear(&a);
        buf_clear(&b);
        vocab_alphabet(bytes_of(t, t->merge[i].left), &a);
        vocab_alphabet(bytes_of(t, t->merge[i].right), &b);
        if (buf_ok(&a, "a token", e) || buf_ok(&b, "a token", e))
            rc = -1;
        else
            rc = vocab_add_merge(v, buf_span(&a), buf_span(&b), e);
    }
    if (!rc) set_roles(t, v);
    if (!rc) rc = vocab_finish(v, "trained tokenizer", e);
    buf_release(&a);
    buf_release(&b);
    return rc;
}

int bpe_trainer_finish(struct bpe_trainer *t, struct vocab **out, struct err *e)
{
    *out = NULL;
    if (t->tok) return err_set(e, ERR_BUG, "the trainer is finished already");
    if (make_bytes(t, e) || make_words(t, e) || learn(t, e)) return -1;
    if (vocab_create(out, VOCAB_BPE, t->o.rule, t->o.n_special + t->n_tok, e)) return -1;
    if (fill_vocab(t, *out, e) == 0) return 0;
    vocab_free(*out);
    *out = NULL;
    return -1;
}
