/* vocab_int.h - the inside of struct vocab, shared by vocab.c, encode.c, bpe.c and spm.c.
 *
 * Symbols. Merging works on 32-bit symbols. Those below n_token are token ids. SentencePiece also
 * meets characters and stray bytes that are no token by themselves; they are SYM_CHAR | code point
 * and SYM_RAW | byte, take part in merges like any other symbol and fall back to byte tokens when
 * they are left over.
 *
 * Pairs. One hash table answers "what do these two symbols merge to, and how early": for BPE it
 * holds the merge list, for SentencePiece every way to cut an entry in two, with the place of the
 * entry in descending order of scores as rank. So both kinds share one merge loop (bpe.c).
 */
#ifndef TEXT_VOCAB_INT_H
#define TEXT_VOCAB_INT_H

#include "base/map.h"
#include "text/vocab.h"

#define SYM_CHAR 0x40000000u
#define SYM_RAW  0x20000000u
#define NO_SYM   UINT32_MAX
#define NO_RANK  UINT32_MAX

enum {
    TOK_IS_SET = 1,
    TOK_IS_WHOLE = 2, /* its own bytes, as a piece, encode to just this token */
    TOK_IS_STOP = 4,
    TOK_IS_PIECE = 8,   /* in the piece table: can come out of merging */
    TOK_IS_GUARDED = 16 /* matched in trusted text only */
};

struct tok {
    uint32_t text_at, text_n;   /* into pool */
    uint32_t bytes_at, bytes_n; /* into pool; the same as text where nothing needs undoing */
    float score;
    uint8_t kind, flags;
};

struct pair_slot {
    uint32_t left, right;
    uint32_t rank; /* NO_RANK: the slot is free */
    uint32_t sym;
};

struct pair_table {
    struct pair_slot *slot;
    size_t n, mask;
};

struct merge {
    uint32_t left, right, sym;
};

struct mark_set { /* tokens matched as a whole in a text, sorted by their bytes */
    tok_id *id;
    size_t n;
    bool first_any[256],
        first_open[256]; /* can a mark start with this byte; an unguarded one */
    bool has_open;
};

struct vocab {
    enum vocab_type type;
    enum pretok pre;
    struct vocab_special special;
    size_t n_token, n_set;
    struct tok *tok;
    struct buf pool;
    uint64_t *piece; /* hash table of tokens by bytes: high half of the hash, id + 1 */
    size_t piece_mask;
    uint32_t byte_sym[256]; /* BPE: the token of a byte or NO_SYM; SPM: its byte token or unk */
    struct merge *merge;
    size_t n_merge, merge_size;
    struct pair_table pair;
    struct map64 chars; /* SPM: code point -> token */
    struct mark_set mark;
    tok_id *named; /* all tokens that are not in the piece table, sorted by text */
    size_t n_named;
    bool lacks_bytes;     /* BPE: a byte that is in no valid UTF-8 has no token */
    bool splits_at_space; /* SPM: no entry goes on with U+2581 after something else */
    bool finished;
};

static inline struct span tok_bytes(const struct vocab *v, uint32_t id)
{
    return (struct span){buf_str(&v->pool) + v->tok[id].bytes_at, v->tok[id].bytes_n};
}

static inline struct span tok_text(const struct vocab *v, uint32_t id)
{
    return (struct span){buf_str(&v->pool) + v->tok[id].text_at, v->tok[id].text_n};
}

/* What the piece table is keyed by: bytes for BPE, the text with its U+2581 for SentencePiece. */
static inline struct span tok_key(const struct vocab *v, uint32_t id)
{
    return v->type == VOCAB_BPE ? tok_bytes(v, id) : tok_text(v, id);
}

/* The token with this key, or TOK_NONE. */
tok_id vocab_piece(const struct vocab *v, struct span key);

/* Bytes as GPT-2's alphabet writes them, appended. */
void vocab_alphabet(struct span bytes, struct buf *out);

/* ---- bpe.c: merging ---------------------------------------------------------------------- */

/* Memory of one encode call; empty until a long piece needs it. */
struct merge_scratch {
    void *block;
    size_t size;
    uint32_t *sym; /* room for n_sym symbols, for callers that build long pieces */
    size_t n_sym;
};

void merge_scratch_release(struct merge_scratch *s);
/* Room for n symbols in s->sym. */
int merge_scratch_syms(struct merge_scratch *s, size_t n, struct err *e) must_check;

int pair_reserve(struct pair_table *t, size_t n, struct err *e) must_check;
void pair_release(struct pair_table *t);
/* The first entry of a pair stays: a lower rank must be put first. */
void pair_put(struct pair_table *t, uint32_t left, uint32_t right, uint32_t rank, uint32_t sym);

/* Merges sym[0..*n) in place: always the pair of lowest rank, the leftmost of several. */
int merge_symbols(const struct pair_table *t, uint32_t *sym, size_t *n, struct merge_scratch *s,
                  struct err *e) must_check;

int bpe_encode(const struct vocab *v, struct span text, struct merge_scratch *s,
               struct tok_list *out, struct err *e) must_check;

/* ---- spm.c ------------------------------------------------------------------------------- */

/* Builds the pair table and the character map from the entries and their scores. */
int spm_finish(struct vocab *v, struct err *e) must_check;
/* prefix: put U+2581 in front, as add_space_prefix asks for at the start of a text. */
int spm_encode(const struct vocab *v, struct span text, bool prefix, struct merge_scratch *s,
               struct tok_list *out, struct err *e) must_check;
/* The symbols of one normalised piece, before merging; returns how many. */
size_t spm_symbols(const struct vocab *v, struct span piece, uint32_t *sym);

#endif
