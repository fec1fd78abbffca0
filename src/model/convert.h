/* convert.h - a model from one file family to another, or from one number type to another.
 *
 *   Hugging Face directory <-> GGUF file, with any type that the target has
 *
 * Tensor by tensor, in pieces of rows that a pool works on; memory is bounded by some 200 MB
 * whatever the model's size. Rows are decoded to f32 and encoded again, except that a row that
 * needs neither is copied bit for bit. On the way:
 *   llama's q and k rows change between halves (Hugging Face) and interleaved (GGUF)
 *   experts are stacked or taken apart
 *   kv_b is split into k_b (transposed per head) and v_b, or joined again
 *   FP8 weights are multiplied by their block scales; f8_e4m3 output computes new ones
 *   llama3 rope parameters become a tensor of divisors, and back where they are the known ones
 *   vectors and the router stay F32 in GGUF; in safetensors they take the main type when it holds
 *   them exactly
 * The vocabulary, the chat template and the sampling defaults go along.
 */
#ifndef MODEL_CONVERT_H
#define MODEL_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "model/synth.h" /* progress_fn */

struct err;
struct imatrix;
struct model_source;
struct pool;
struct type_mix;

struct convert_options {
    const struct type_mix *mix;    /* NULL: the source's types where the target has them */
    const struct imatrix *imatrix; /* NULL: none */
    bool old_layout;               /* GGUF: one kv_b instead of k_b and v_b */
    uint64_t split_bytes;          /* files of at most this size; 0: one file */
    progress_fn progress;          /* may be NULL */
    void *ctx;
};

/* convert_model - writes `out`: a GGUF file when the name ends in ".gguf", else a directory, which
 * is made. Fails: ERR_UNSUPPORTED (the target cannot hold it), ERR_NUMERIC (weights that are not
 * finite and cannot be quantised), ERR_IO, ERR_CANCELLED; nothing appears under `out` then, but
 * for files of a directory that were complete. */
int convert_model(const struct model_source *s, const char *out,
                  const struct convert_options *o, struct pool *pool, struct err *e) must_check;

#endif
