/* snapshot.h - cached prefixes on disk: a directory of files, each a run of cache blocks.
 *
 * A file holds the tokens from the text's beginning and the blocks from some place on, so that
 * texts with a common beginning share files. It is found by a hash of the tokens and taken only if
 * every token agrees, and model, numerics and group do. Bad, short or foreign files are a miss and
 * a line in the log, never an error of a request. docs/format/snapshot.md draws the bytes.
 *
 * Files hold what people asked: mode 0600, in a directory of mode 0700 that belongs to the user.
 * Together they stay below a limit; the least recently used goes first.
 *
 * Writing happens on a thread of its own. The blocks of a job must stay as they are until the job
 * comes back by snapshots_done.
 *
 * Threads: all calls from the engine thread, but open and close.
 */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "text/vocab.h"

struct err;
struct snapshots;

struct snapshots_opts {
    const char *dir;
    uint64_t max_bytes;
    uint64_t model;    /* fingerprint of the weights */
    uint64_t numerics; /* what else decides the bits of a block */
    size_t block_bytes;
};

/* Makes the directory if there is none and reads what is there. Fails: ERR_IO, ERR_USAGE when
 * others may read the directory. */
int snapshots_open(struct snapshots **out, const struct snapshots_opts *o,
                   struct err *e) must_check;
/* Waits until everything is written. NULL is fine. Jobs that were not fetched are freed with
 * `drop`. */
void snapshots_close(struct snapshots *s, void (*drop)(void *owner));
/* Other weights: what is there is foreign from now on. */
void snapshots_rebind(struct snapshots *s, uint64_t model);

/* The hash of a text's beginning, block by block. */
uint64_t snapshots_chain(uint64_t group);
uint64_t snapshots_next(uint64_t chain, const tok_id *block_tokens);

/* Whether block `at` of the text that begins with tokens[0 .. 16 (at + 1)), whose chain up to and
 * with it is given, is on disk or on its way there. */
bool snapshots_has(struct snapshots *s, uint64_t chain, uint64_t group, const tok_id *tokens,
                   int32_t at);
/* Reads that block into dst. False when it is not there, or is bad (then the file is removed and
 * the log says so). */
bool snapshots_read(struct snapshots *s, uint64_t chain, uint64_t group, const tok_id *tokens,
                    int32_t at, unsigned char *dst);

/* Writes blocks [first, first + n) of a text. `owner` comes back by snapshots_done. False: the
 * writer has too much to do, or the disk was full a moment ago; nothing was kept. */
bool snapshots_save(struct snapshots *s, uint64_t group, const tok_id *tokens, int32_t first,
                    int32_t n, const unsigned char *const *block, void *owner) must_check;
/* The owner of a finished job, or NULL. */
void *snapshots_done(struct snapshots *s);
/* Waits until a job is finished, or so long; for when only that can give blocks back. */
void snapshots_wait(struct snapshots *s, int64_t timeout_ns);
/* Removes the files of a group, or all of this model and numerics. Returns how many. */
int snapshots_forget(struct snapshots *s, bool all, uint64_t group);

struct snapshots_stats {
    uint64_t files, bytes;          /* of this model and numerics */
    uint64_t foreign_bytes;         /* of others, in the same directory */
    uint64_t saved, removed, bad;   /* files, since opening */
    uint64_t read_bytes, read_fail; /* blocks */
};
void snapshots_get_stats(struct snapshots *s, struct snapshots_stats *out);

#endif
