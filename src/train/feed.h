/* feed.h - where training sequences come from: one interface over shards, conversations and tasks.
 *
 *   feed_shards    documents of token shards, shuffled; may be cut anywhere
 *   feed_examples  records of JSON lines, shuffled; each is a prompt and an answer, kept whole
 *   feed_tasks     fresh items of reasoning tasks, one after the other; kept whole
 *
 * A feed has a place: which sequence comes next. The same feed at the same place gives the same
 * sequences. feed_peek shows the next sequence, feed_take goes past (a part of) it.
 *
 * Threads: one owner.
 */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/json.h"
#include "text/chat.h"

struct err;
struct vocab;
struct feed;

/* n ids: n - 1 rows, each with the next id as target. learn[i]: id i is learned when it is a target;
 * NULL: all are. */
struct feed_seq {
    const int32_t *id;
    const unsigned char *learn;
    size_t n;
};

struct feed_counts {
    int64_t records; /* in the source; -1: without end */
    int64_t tokens;  /* of the source when known, else -1 */
    int64_t epoch, skipped_bad, skipped_long;
};

struct feed_kind {
    int (*peek)(struct feed *f, size_t most, struct feed_seq *out, struct err *e);
    int (*take)(struct feed *f, size_t rows, struct err *e);
    json_t *(*place)(const struct feed *f);
    int (*seek)(struct feed *f, const json_t *place, struct err *e);
    void (*counts)(const struct feed *f, struct feed_counts *out);
    void (*close)(struct feed *f);
};

/* Each feed begins with this. */
struct feed {
    const struct feed_kind *kind;
    const char *name;          /* for messages */
    bool whole;                /* sequences must not be cut */
    uint32_t n_vocab, doc_end; /* ids are below, documents end with */
};

/* What all feeds share. */
struct feed_opts {
    const char *name;
    uint64_t seed;
    size_t seq_rows; /* longest sequence; longer whole ones are skipped and counted */
    bool verify;     /* shards: check hashes when opening */
    bool strict;     /* a bad record is an error instead of being skipped and counted */
    /* For everything but shards: */
    const struct vocab *vocab;
    enum chat_template form;
    bool learn_prompts; /* questions are learned as well */
    double think_off;   /* share of answers without reasoning whose prompt turns thinking off */
};

/* A shard, or a directory of *.shard files in the order of names. */
int feed_shards(struct feed **out, const char *path, const struct feed_opts *o,
                struct err *e) must_check;
/* JSON lines, plain, gzip or zstd. What a record may look like: feed_examples.c. */
int feed_examples(struct feed **out, const char *path, const struct feed_opts *o,
                  struct err *e) must_check;

struct feed_task_opts {
    const char *families;      /* names with commas; "core": the starred ones; "all" */
    const char *levels;        /* "2" or "1-3"; what a family does not have is left out */
    bool tagged;               /* the answer in <answer> tags */
    double steps, brief, bare; /* shares of the styles */
    double ill, twin;          /* shares of the variants; the rest is plain */
};
int feed_tasks(struct feed **out, const struct feed_task_opts *t, const struct feed_opts *o,
               struct err *e) must_check;

/* The next sequence, of at most `most` rows when it may be cut; valid until feed_take or feed_seek. */
int feed_peek(struct feed *f, size_t most, struct feed_seq *out, struct err *e) must_check;
/* rows: of the sequence that was peeked; all of them for whole ones. */
int feed_take(struct feed *f, size_t rows, struct err *e) must_check;
json_t *feed_place(const struct feed *f); /* new reference; NULL: out of memory */
/* Fails: ERR_FORMAT when the place is not in this source. */
int feed_seek(struct feed *f, const json_t *place, struct err *e) must_check;
void feed_counts(const struct feed *f, struct feed_counts *out);
void feed_close(struct feed *f); /* NULL is fine */

#endif
