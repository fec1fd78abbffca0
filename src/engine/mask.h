/* mask.h - which tokens of a vocabulary may come next under a grammar.
 *
 * The vocabulary lies in a tree by bytes, so tokens with a common beginning are tried once. What a
 * position allows is worked out once without its whole stack: frames are kept up to the first
 * rule that can go round in itself (three at most), below that the stack counts as open. Tokens
 * that end inside are allowed under any stack; places of the tree where the open bottom was
 * reached are kept too, and only their branches are walked again under the real stack. So the
 * inside of a JSON string, which allows nearly everything, is walked once in a grammar's life.
 * Whole masks are kept for the last states on top.
 *
 * Allowed are ordinary and byte tokens that the grammar can go on with, and, exactly where what
 * was read may end, the tokens that stop generation. Other special tokens are where the grammar
 * names them by id, "<[id]>", and nowhere else: to the tree such a token is the byte 0xFF, which
 * no text holds, its id in digits, and 0xFF again.
 */
#ifndef ENGINE_MASK_H
#define ENGINE_MASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "engine/automaton.h"
#include "text/vocab.h"

struct err;

/* The vocabulary as a tree: nodes in the order of a depth-first walk, `skip` behind the branch. */
struct mask_node {
    uint32_t skip;
    uint32_t tok, n_tok; /* ids, in mask_vocab.id */
    uint16_t depth;      /* 1 for a first byte */
    uint8_t byte;
};

struct mask_vocab {
    struct mask_node *node;
    tok_id *id;   /* sorted by bytes */
    tok_id *stop; /* tokens that end generation */
    tok_id *line; /* tokens of nothing but one to four line ends */
    size_t n_node, n_id, n_stop, n_line, n_words, max_depth;
};

/* ids below n_vocab are considered. Read-only once made. */
int mask_vocab_create(struct mask_vocab **out, const struct vocab *v, size_t n_vocab,
                      struct err *e) must_check;
void mask_vocab_free(struct mask_vocab *mv);

/* A token as the grammar reads it: its bytes, or in `room` what stands for a special one. */
enum { MASK_NAME_SIZE = 16 };
struct span mask_token_text(const struct vocab *v, tok_id id, char room[MASK_NAME_SIZE]);

struct mask;
/* Both must outlive the mask. Threads: one at a time, with the automaton. */
int mask_create(struct mask **out, const struct mask_vocab *mv, struct automaton *a,
                struct err *e) must_check;
void mask_free(struct mask *m);
/* A bit per token, or NULL when memory or the automaton is full. Valid until the next call. */
const uint32_t *mask_of(struct mask *m, struct auto_mark *at);

static inline bool mask_has(const uint32_t *bits, tok_id id)
{
    return bits[(uint32_t)id >> 5] >> ((uint32_t)id & 31) & 1;
}

static inline void mask_set(uint32_t *bits, tok_id id)
{
    bits[(uint32_t)id >> 5] |= UINT32_C(1) << ((uint32_t)id & 31);
}

#endif
