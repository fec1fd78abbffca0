/* synth.h - models with random weights in real shapes, for tests and timing without a download.
 *
 * Matrices are drawn with mean 0 and deviation 1/sqrt(n_in), so activations stay near 1; norm
 * gains lie near 1. Quantised blocks are drawn directly (random codes under sensible scales), not
 * by quantising numbers: 10 GB take about as long as writing 10 GB. The same shape, type and seed
 * give the same bytes, whatever the number of threads.
 *
 * The vocabulary is byte-level BPE: 256 bytes, made-up merges, and the family's special tokens at
 * their published ids, so that encoding and chat templates work.
 */
#ifndef MODEL_SYNTH_H
#define MODEL_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;
struct model_config;
struct pool;
struct type_mix;
struct vocab;

/* Called after each piece of work; false stops it with ERR_CANCELLED. */
typedef bool (*progress_fn)(void *ctx, const char *what, uint64_t done_bytes,
                            uint64_t total_bytes);

struct synth_options {
    uint64_t seed;
    bool old_layout;      /* one kv_b instead of k_b and v_b */
    uint64_t split_bytes; /* 0: one file */
    progress_fn progress; /* may be NULL */
    void *ctx;
};

/* Writes a GGUF file. c is in any rotary pairing; the file has its family's. */
int synth_write(const char *path, const struct model_config *c, const struct type_mix *mix,
                const struct synth_options *o, struct pool *pool, struct err *e) must_check;

/* The vocabulary alone, of c->n_vocab ids. Fails with ERR_LIMIT when n_vocab is below 300. */
int synth_vocab(struct vocab **out, const struct model_config *c, struct err *e) must_check;
/* The chat template's text that goes with it. */
struct span synth_chat_template(const struct model_config *c);

#endif
