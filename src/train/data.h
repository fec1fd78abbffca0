/* data.h - sequences from one feed or a mixture of them, packed into batches.
 *
 * Sequences fill a batch of batch_rows rows one after the other. A shard's document is cut where the
 * batch or seq_rows ends and goes on as a new sequence: positions restart and nothing attends
 * across. Examples are kept whole: one that does not fit begins the next batch, and this one stays
 * a little shorter.
 *
 * In a mixture the next sequence comes from the feed that is furthest behind its share of the rows
 * seen so far, so shares hold at every moment, whatever the lengths.
 *
 * The place is that of the one feed, or {"feeds": [{"name", "rows", "place"}, ...]}.
 *
 * Threads: one owner.
 */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include "train/batch.h"
#include "train/feed.h"

struct data;

enum { DATA_MAX_FEED = 16, DATA_BUFFERS = 1024 };

/* One part of a mixture: path or tasks. */
struct data_part {
    const char *name;
    const char
        *path; /* a shard, a directory of shards, or JSON lines (.jsonl, .jsonl.gz ...) */
    struct feed_task_opts tasks; /* when families is not empty */
    double weight;               /* share of the rows, relative to the others */
};

struct data_opts {
    const char *path; /* the one source when there are no parts */
    const struct data_part *part;
    size_t n_part;
    uint64_t seed;
    size_t batch_rows, seq_rows;
    bool verify; /* check hashes when opening */
    bool strict; /* a bad record stops the run */
    /* Needed for everything but shards. */
    const struct vocab *vocab;
    enum chat_template form;
    bool learn_prompts; /* and think_off: as in feed_opts */
    double think_off;
};

int data_open(struct data **out, const struct data_opts *o, struct err *e) must_check;
void data_close(struct data *d); /* NULL is fine */

uint32_t data_n_vocab(const struct data *d);
uint32_t data_doc_end(const struct data *d); /* the id that ends a document */

/* The next batch, in the i-th of the reader's buffers (i < DATA_BUFFERS); valid until that buffer
 * is filled again. */
int data_next(struct data *d, int i, struct train_batch *out, struct err *e) must_check;
/* The next n batches into buffers 0 .. n - 1, as trainer_step wants them. */
int data_step(struct data *d, int n, struct train_batch *out, struct err *e) must_check;

json_t *data_place(const struct data *d); /* new reference; NULL: out of memory */
/* Fails: ERR_FORMAT when the place is not in this data. */
int data_seek(struct data *d, const json_t *place, struct err *e) must_check;
/* To the beginning. */
int data_rewind(struct data *d, struct err *e) must_check;

/* What the i-th feed has and has given. */
struct data_share {
    const char *name;
    double weight; /* shares add up to 1 */
    int64_t rows;  /* given since the beginning */
    struct feed_counts counts;
};
size_t data_n_feed(const struct data *d);
void data_share(const struct data *d, size_t i, struct data_share *out);

#endif
