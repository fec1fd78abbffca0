/* spm.c - SentencePiece vocabularies as GGUF's "llama" model stores them: entries and scores.
 *
 * Encoding replaces each space by U+2581, starts with one symbol per character and joins, again
 * and again, the two neighbours whose joined text is the entry with the highest score, the
 * leftmost of several. That is merging by rank once the entries are ranked by score and every cut
 * of an entry in two is in the pair table, which spm_finish prepares. Characters left over that are
 * no entry fall back to byte tokens.
 *
 * Source: Kudo and Richardson, "SentencePiece", 2018; the order of joins as in its BPE encoder.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/vocab_int.h"

static const char blank[] = "\xe2\x96\x81"; /* U+2581 */
enum { BLANK_BYTES = 3 };

static bool is_blank_at(const char *p, size_t n)
{
    return n >= BLANK_BYTES && memcmp(p, blank, BLANK_BYTES) == 0;
}

/* The symbol a text has before any merge made it, or by being an entry; false if it has none. */
static bool symbol_of(const struct vocab *v, struct span text, uint32_t *out)
{
    tok_id id = vocab_piece(v, text);
    size_t len;
    uint32_t cp = utf8_decode(text.p, text.n, &len);
    *out = id != TOK_NONE ? (uint32_t)id : SYM_CHAR | cp;
    return id != TOK_NONE || (len == text.n && utf8_seq_len(text.p, text.n) == len);
}

size_t spm_symbols(const struct vocab *v, struct span piece, uint32_t *sym)
{
    size_t n = 0;
    for (size_t i = 0, len; i < piece.n; i += len) {
        uint32_t cp = utf8_decode(piece.p + i, piece.n - i, &len);
        if (len == 1 && (unsigned char)piece.p[i] >= 0x80) {
            sym[n++] = SYM_RAW | (unsigned char)piece.p[i];
            continue;
        }
        uint64_t id = map64_get(&v->chars, cp);
        sym[n++] = id == MAP_NONE ? SYM_CHAR | cp : (uint32_t)id;
    }
    return n;
}

struct ranked {
    float score;
    uint32_t id;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* One pass over an entry: its characters, its cuts, and whether U+2581 follows something else. */
static int add_cuts(struct vocab *v, uint32_t id, uint32_t rank, size_t *n_cut, struct err *e)
{
    struct span text = tok_text(v, id);
    size_t len = utf8_seq_len(text.p, text.n);
    if (utf8_valid_prefix(text.p, text.n) != text.n) return 0;
    if (len == text.n && n_cut && !map64_put(&v->chars, utf8_decode(text.p, text.n, &len), id))
        return err_oom(e, "characters of the vocabulary", v->n_token);
    for (size_t cut = len; cut < text.n; cut += utf8_seq_len(text.p + cut, text.n - cut)) {
        uint32_t left, right;
        if (is_blank_at(text.p + cut, text.n - cut) &&
            !is_blank_at(text.p + cut - BLANK_BYTES, cut))
            v->splits_at_space = false;
        if (!symbol_of(v, (struct span){text.p, cut}, &left) ||
            !symbol_of(v, (struct span){text.p + cut, text.n - cut}, &right))
            continue;
        if (n_cut)
            ++*n_cut;
        else
            pair_put(&v->pair, left, right, rank, id);
    }
    return 0;
}

int spm_finish(struct vocab *v, struct err *e)
{
    size_t n = 0, n_cut = 0;
    struct ranked *r = mem_alloc(v->n_token * sizeof *r);
    int rc = -1;
    if (!r) return err_oom(e, "scores", v->n_token * sizeof *r);
    v->splits_at_space = true;
    for (uint32_t i = 0; i < v->n_token; i++)
        if (v->tok[i].flags & TOK_IS_PIECE) r[n++] = (struct ranked){v->tok[i].score, i};
    qsort(r, n, sizeof *r, by_score);
    for (size_t i = 0; i < n; i++)
        if (add_cuts(v, r[i].id, 0, &n_cut, e)) goto out;
    if (pair_reserve(&v->pair, n_cut, e)) goto out;
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && r[i].score != r[i - 1].score) rank = (uint32_t)i; /* equal scores: leftmost */
        if (add_cuts(v, r[i].id, rank, NULL, e)) goto out;
    }
    rc = 0;
out:
    mem_free(r);
    return rc;
}

static int emit(const struct vocab *v, uint32_t sym, struct tok_list *out, struct err *e)
{
    if (sym < v->n_token) return tok_list_add(out, (tok_id)sym, e);
    char bytes[4] = {(char)(sym & 0xff)};
    size_t n = sym & SYM_CHAR ? utf8_encode(sym & ~SYM_CHAR, bytes) : 1;
    if (v->byte_sym[(unsigned char)bytes[0]] == (uint32_t)v->special.unk)
        n = 1; /* no byte tokens */
    for (size_t i = 0; i < n; i++)
        if (tok_list_add(out, (tok_id)v->byte_sym[(unsigned char)bytes[i]], e)) return -1;
    return 0;
}

static int encode_piece(const struct vocab *v, struct span piece, struct merge_scratch *s,
                        struct tok_list *out, struct err *e)
{
    tok_id id = vocab_piece(v, piece);
    if (id != TOK_NONE && v->tok[id].flags & TOK_IS_WHOLE) return tok_list_add(out, id, e);
    if (merge_scratch_syms(s, piece.n, e)) return -1;
    size_t n = spm_symbols(v, piece, s->sym);
    if (merge_symbols(&v->pair, s->sym, &n, s, e)) return -1;
    for (size_t i = 0; i < n; i++)
        if (emit(v, s->sym[i], out, e)) return -1;
    return 0;
}

/* End of the piece at `at`: when no entry has U+2581 behind something else, nothing merges across
 * such a place, so the text may be cut there. */
static size_t piece_end(const struct vocab *v, struct span text, size_t at)
{
    if (!v->splits_at_space) return text.n;
    while (at < text.n && is_blank_at(text.p + at, text.n - at)) at += BLANK_BYTES;
    while (at < text.n && !is_blank_at(text.p + at, text.n - at)) at++;
    return at;
}

int spm_encode(const struct vocab *v, struct span text, bool prefix, struct merge_scratch *s,
               struct tok_list *out, struct err *e)
{
    if (text.n == 0) return 0;
    struct buf norm;
    buf_init(&norm, SIZE_MAX / 2);
    if (prefix) buf_add_str(&norm, blank);
    for (size_t i = 0; i < text.n;) {
        const char *space = memchr(text.p + i, ' ', text.n - i);
        size_t end = space ? (size_t)(space - text.p) : text.n;
        buf_add(&norm, text.p + i, end - i);
        if (space) buf_add(&norm, blank, BLANK_BYTES);
        i = end + (space != NULL);
    }
    int rc = buf_ok(&norm, "the text", e);
    struct span all = buf_span(&norm);
    for (size_t at = 0, end; !rc && at < all.n; at = end) {
        end = piece_end(v, all, at);
        rc = encode_piece(v, (struct span){all.p + at, end - at}, s, out, e);
    }
    buf_release(&norm);
    return rc;
}
