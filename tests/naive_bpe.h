/* naive_bpe.h - byte-pair training and encoding as the definition says, with no thought of speed.
 * The second implementation that tests compare with, and the maker of their small vocabularies. */
#ifndef TESTS_NAIVE_BPE_H
#define TESTS_NAIVE_BPE_H

#include "base/utf8.h"
#include "test.h"
#include "text/pretok.h"
#include "text/vocab.h"

/* A byte as GPT-2's alphabet writes it; returns the length. */
static inline size_t naive_letter(unsigned char b, char out[4])
{
    uint32_t cp = 256;
    for (unsigned i = 0; i < 256; i++) {
        bool own = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        if (i == b) return utf8_encode(own ? i : cp, out);
        if (!own) cp++;
    }
    return 0;
}

struct naive_merge {
    int left, right, to;
};

struct naive_model {
    struct naive_merge merge[4096];
    int n_merge, n_special;
    char *bytes[8192]; /* by id */
    size_t len[8192];
    int n;
};

static inline int naive_add(struct naive_model *m, const char *p, size_t n)
{
    m->bytes[m->n] = malloc(n + 1);
    memcpy(m->bytes[m->n], p, n);
    m->bytes[m->n][n] = 0;
    m->len[m->n] = n;
    return m->n++;
}

static inline int naive_merge_once(int *ids, int n, const struct naive_merge *m)
{
    int out = 0;
    for (int i = 0; i < n; i++) {
        bool hit = i + 1 < n && ids[i] == m->left && ids[i + 1] == m->right;
        ids[out++] = hit ? m->to : ids[i];
        i += hit;
    }
    return out;
}

/* Ids: the special tokens, the 256 bytes, then one per merge. The pair with the highest count
 * wins, of several the one with the smallest left, then right id. Stops when no pair occurs
 * min_count times or a joined token would be longer than max_len bytes everywhere. n_step steps. */
static inline struct naive_model *naive_train(struct span text, enum pretok rule,
                                              const char *const *special, int n_special,
                                              int n_step, int64_t min_count, size_t max_len)
{
    struct naive_model *m = calloc(1, sizeof *m);
    for (int i = 0; i < n_special; i++) naive_add(m, special[i], strlen(special[i]));
    m->n_special = n_special;
    for (int b = 0; b < 256; b++) naive_add(m, &(char){(char)b}, 1);
    int *ids = malloc((2 * text.n + 2) * sizeof *ids), n = 0;
    struct pretok_scan s;
    struct span piece;
    pretok_begin(&s, rule, text);
    while (pretok_next(&s, &piece)) {
        for (size_t i = 0; i < piece.n; i++) ids[n++] = n_special + (unsigned char)piece.p[i];
        ids[n++] = -1; /* a border no merge crosses */
    }
    int64_t *count = NULL;
    for (int k = 0; k < n_step; k++) {
        struct naive_merge best = {-1, -1, 0};
        int64_t best_count = min_count - 1;
        count = realloc(count, (size_t)m->n * (size_t)m->n * sizeof *count);
        memset(count, 0, (size_t)m->n * (size_t)m->n * sizeof *count);
        for (int i = 0; i + 1 < n; i++)
            if (ids[i] >= 0 && ids[i + 1] >= 0) count[ids[i] * m->n + ids[i + 1]]++;
        for (int l = 0; l < m->n; l++)
            for (int r = 0; r < m->n; r++)
                if (count[l * m->n + r] > best_count && m->len[l] + m->len[r] <= max_len) {
                    best_count = count[l * m->n + r];
                    best = (struct naive_merge){l, r, m->n};
                }
        if (best.left < 0) break;
        char joined[512];
        size_t a = m->len[best.left], b = m->len[best.right];
        memcpy(joined, m->bytes[best.left], a);
        memcpy(joined + a, m->bytes[best.right], b);
        /* A join that spells a token becomes that token; a pair is a merge once. */
        best.to = -1;
        for (int i = n_special; i < m->n && best.to < 0; i++)
            if (m->len[i] == a + b && memcmp(m->bytes[i], joined, a + b) == 0) best.to = i;
        if (best.to < 0) best.to = naive_add(m, joined, a + b);
        bool known = false;
        for (int i = 0; i < m->n_merge; i++)
            known |= m->merge[i].left == best.left && m->merge[i].right == best.right;
        if (!known) m->merge[m->n_merge++] = best;
        n = naive_merge_once(ids, n, &best);
    }
    free(count);
    free(ids);
    return m;
}

static inline void naive_free(struct naive_model *m)
{
    for (int i = 0; i < m->n; i++) free(m->bytes[i]);
    free(m);
}

static inline size_t naive_text(const struct naive_model *m, int id, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < m->len[id]; i++)
        n += naive_letter((unsigned char)m->bytes[id][i], out + n);
    return n;
}

/* The model as a vocabulary; role tokens are looked up by the usual names. */
static inline struct vocab *naive_vocab(const struct naive_model *m, enum pretok rule)
{
    struct err e = {0};
    struct vocab *v;
    char a[1024], b[1024];
    must(vocab_create(&v, VOCAB_BPE, rule, (size_t)m->n, &e));
    for (int i = 0; i < m->n; i++) {
        bool special = i < m->n_special;
        struct span text = {a, special ? 0 : naive_text(m, i, a)};
        if (special) text = (struct span){m->bytes[i], m->len[i]};
        must(vocab_set_token(v, i, text, 0, special ? TOK_CONTROL : TOK_NORMAL, &e));
    }
    for (int i = 0; i < m->n_merge; i++) {
        size_t na = naive_text(m, m->merge[i].left, a),
               nb = naive_text(m, m->merge[i].right, b);
        must(vocab_add_merge(v, (struct span){a, na}, (struct span){b, nb}, &e));
    }
    must(vocab_finish(v, "naive", &e));
    return v;
}

/* Rank by rank: of all neighbours the pair that comes first in the list, its leftmost place.
 * Returns how many ids. */
static inline int naive_encode(const struct naive_model *m, enum pretok rule, struct span text,
                               int *out)
{
    struct pretok_scan s;
    struct span piece;
    int total = 0;
    pretok_begin(&s, rule, text);
    while (pretok_next(&s, &piece)) {
        int n = 0, *ids = out + total;
        for (size_t i = 0; i < piece.n; i++)
            ids[n++] = m->n_special + (unsigned char)piece.p[i];
        for (;;) {
            int rank = m->n_merge, at = -1;
            for (int i = 0; i + 1 < n; i++)
                for (int k = 0; k < rank; k++)
                    if (m->merge[k].left == ids[i] && m->merge[k].right == ids[i + 1]) {
                        rank = k;
                        at = i;
                    }
            if (at < 0) break;
            ids[at] = m->merge[rank].to;
            memmove(ids + at + 1, ids + at + 2, (size_t)(n - at - 2) * sizeof *ids);
            n--;
        }
        total += n;
    }
    return total;
}

#endif
