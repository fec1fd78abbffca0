/* bpe_train.h - learning a byte-level BPE vocabulary from text.
 *
 * bpe_trainer_add counts pieces, as often as there are texts; bpe_trainer_finish learns the merges
 * and builds the vocabulary. Ids: the special tokens, the 256 bytes, then the joined tokens in the
 * order they were learnt.
 *
 * Each step joins the pair of neighbours that occurs most often inside pieces; of several the one
 * with the smallest left id, then the smallest right id. So the result depends on the texts and
 * options alone, not on threads or on the order of the texts. A join that spells a token that is
 * there already becomes that token. Learning ends when the vocabulary is full or no allowed pair
 * occurs min_count times; the vocabulary is then smaller than asked for.
 *
 * Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword
 * units", 2016; over bytes as in GPT-2.
 */
#ifndef TEXT_BPE_TRAIN_H
#define TEXT_BPE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "text/vocab.h"

struct err;
struct pool;
struct bpe_trainer;

struct bpe_train_progress {
    int64_t bytes;          /* of text counted */
    int64_t pieces;         /* different ones */
    int64_t tokens, wanted; /* in the vocabulary */
};

struct bpe_train_opts {
    size_t n_vocab; /* ids in all; more than the special tokens and 256 */
    enum pretok rule;
    const struct span
        *special; /* control tokens; the usual marks get their roles (bos, eos, pad) */
    size_t n_special;
    int64_t min_count;      /* 0 means 2 */
    size_t max_token_bytes; /* 0 means 32 */
    struct pool *pool;      /* for counting; NULL: the caller's thread alone */
    /* Called now and then from the calling thread; false stops with ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *ctx, const struct bpe_train_progress *p);
    void *ctx;
};

/* Copies the options and the special tokens, not the pool. */
int bpe_trainer_create(struct bpe_trainer **out, const struct bpe_train_opts *o,
                       struct err *e) must_check;
void bpe_trainer_free(struct bpe_trainer *t);
/* One text; no piece reaches from one text into the next. Texts over 2 MiB are counted by the pool
 * in parallel. Fails: ERR_LIMIT for more than 4 GiB at once, ERR_MEMORY, ERR_CANCELLED. */
int bpe_trainer_add(struct bpe_trainer *t, struct span text, struct err *e) must_check;
/* Once. The caller owns the vocabulary. */
int bpe_trainer_finish(struct bpe_trainer *t, struct vocab **out, struct err *e) must_check;

#endif
