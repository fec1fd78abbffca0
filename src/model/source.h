/* source.h - a model as it lies in files: one read interface over GGUF and safetensors.
 *
 * source_open decides by content: a file that begins with "GGUF" (any shard of a split set), or a
 * directory with config.json and *.safetensors (a Hugging Face model, or a training checkpoint
 * with weights.safetensors). It reads headers only, fills the config, binds every tensor the
 * config asks for, and checks shapes and types: after it every needed part is there and lies
 * inside its mapped file. Tensor bytes are never touched.
 *
 *   for each role r and layer l with role_need(...) != ROLE_ABSENT:
 *       if (!source_has(s, r, l)) ...                only for ROLE_OPTIONAL and ROLE_EITHER
 *       for (i = 0; i < role_parts(c, r); i++)
 *           source_part(s, r, l, i, &p)              one matrix or vector, bytes in the map
 *
 * Rows are given as they lie in the file: config.rope_pairing tells how q and k rows pair.
 *
 * Threads: read-only after open; any thread may ask.
 */
#ifndef MODEL_SOURCE_H
#define MODEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "model/names.h"
#include "tensor/dtype.h"

struct err;
struct vocab;
struct model_source;
struct model_config;
struct file_map;

enum source_kind { SOURCE_GGUF, SOURCE_SAFETENSORS };

/* One tensor, or one expert's matrix out of a stack. Bytes belong to the source. */
struct source_part {
    const void *data;
    size_t bytes;
    enum dtype dtype;
    struct tensor_shape shape; /* as role_shape says */
    /* FP8 weights: scale[i / block_rows][j / block_cols], row-major, (scale_rows, scale_cols);
     * NULL when the part has none. scale_dtype is F32, BF16 or F8_E8M0. */
    const void *scale;
    enum dtype scale_dtype;
    int32_t scale_rows, scale_cols;
    /* Where the bytes are: for read-ahead and for letting pages go. */
    const struct file_map *map;
    uint64_t offset;
};

int source_open(struct model_source **out, const char *path, struct err *e) must_check;
void source_close(struct model_source *s); /* NULL is fine */

const struct model_config *source_config(const struct model_source *s);
enum source_kind source_kind(const struct model_source *s);
const char *source_path(const struct model_source *s);
/* Bytes of all files of the model. */
uint64_t source_bytes(const struct model_source *s);

/* Whether all parts of the role are there. layer -1 for roles without a layer. K_B and V_B, or
 * KV_B; a fused EXP_GATE_UP is also served as EXP_GATE and EXP_UP. */
bool source_has(const struct model_source *s, enum tensor_role r, int32_t layer);
/* Fails with ERR_NOT_FOUND naming the role and layer. */
int source_part(const struct model_source *s, enum tensor_role r, int32_t layer, int32_t part,
                struct source_part *out, struct err *e) must_check;

/* The tensors of the files, in file order, also those no role uses. */
struct source_entry {
    struct span name;
    enum dtype dtype;
    struct tensor_shape shape;
    const void *data;
    size_t bytes;
    int32_t file;          /* shard */
    uint64_t offset;       /* from the file's start */
    enum tensor_role role; /* ROLE_NONE: nothing asks for it */
    int32_t layer, part;
};
size_t source_n_entry(const struct model_source *s);
void source_entry(const struct model_source *s, size_t i, struct source_entry *out);
/* Entries no role uses, duplicates and scales not counted. */
size_t source_n_extra(const struct model_source *s);

/* True while every file still has the size it was mapped with. */
bool source_intact(const struct model_source *s);

/* The vocabulary: GGUF keys, or tokenizer.json (or llama2.c's tokenizer.bin) in the directory.
 * The caller frees it. Fails with ERR_NOT_FOUND when the model carries none. */
int source_vocab(const struct model_source *s, struct vocab **out, struct err *e) must_check;
/* The Jinja text of the chat template; empty when there is none. Belongs to the source. */
struct span source_chat_template(const struct model_source *s);
/* Sampling defaults of generation_config.json; unset values are negative. */
struct source_sampling {
    double temperature, top_p;
    int64_t top_k;
};
void source_sampling(const struct model_source *s, struct source_sampling *out);

/* General access for info: the GGUF file (NULL for a directory). */
const struct gguf *source_gguf(const struct model_source *s);

#endif
