/* data.h - token shards to batches, in an order that is given by the seed and can be resumed.
 *
 * In every epoch the shards come in a shuffled order, and inside a shard the documents do. A
 * document is cut into sequences of at most seq_rows rows; sequences fill a batch of batch_rows
 * rows to the last one. What did not fit goes on in the next batch, as a new sequence: positions
 * restart and nothing attends across. The last id of a document is a target only, so every row has
 * a target.
 *
 * The place is (epoch, shard's turn, document's turn, ids of it used): four numbers that a
 * checkpoint keeps. 
 *
 * Threads: one owner.
 */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "train/batch.h"

struct err;
struct data;

struct data_opts {
    const char *path; /* a shard, or a directory of *.shard files (in the order of names) */
    uint64_t seed;
    size_t batch_rows, seq_rows;
    bool verify; /* check hashes when opening */
};

struct data_place {
    int64_t epoch, shard, doc, used;
};

int data_open(struct data **out, const struct data_opts *o, struct err *e) must_check;
void data_close(struct data *d); /* NULL is fine */

uint64_t data_tokens(const struct data *d); /* of one epoch */
uint32_t data_n_vocab(const struct data *d);
uint32_t data_doc_end(const struct data *d); /* the id that ends a document */

/* The next batch, in the i-th of the reader's buffers (i < DATA_BUFFERS); valid until that buffer
 * is filled again. */
enum { DATA_BUFFERS = 64 };
int data_next(struct data *d, int i, struct train_batch *out, struct err *e) must_check;

struct data_place data_place(const struct data *d);
/* Fails: ERR_FORMAT when the place is not in this data. */
int data_seek(struct data *d, struct data_place p, struct err *e) must_check;

#endif
