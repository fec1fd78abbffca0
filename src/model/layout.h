/* layout.h - which tensors a file of a model holds, in which types: decided before it is written.
 *
 * A type mix is what people name: "q4_k_m" is mostly Q4_K with more bits where they pay. Writers
 * (convert, synth) and plans ask for the layout of a whole GGUF file and then fill it in order.
 *
 * Rules of the mixes (the published ones of GGUF quantisers; docs/model.md has the table):
 *   vectors, router, indexer weights       F32 always
 *   output matrix (a tied embedding too)   Q6_K in the K and IQ mixes, else the main type
 *   q4_k_m, q5_k_m   attn_v, ffn_down      Q6_K in the first and last eighth of the layers and in
 *                                          every third between
 *   q4_k_s           attn_v, ffn_down      Q5_K in the first layers (4, one eighth)
 *   q3_k_m           attn_v, attn_output, ffn_down   Q4_K, Q5_K in the first layers
 *   q2_k             attn_v, attn_output, ffn_down   Q3_K (attn_v Q4_K with 4 or more heads a group)
 *   rows that are no multiple of 256       Q2_K Q3_K IQ4_XS -> IQ4_NL, Q4_K -> Q5_0, Q5_K -> Q5_1,
 *                                          Q6_K -> Q8_0; no multiple of 32: F16
 */
#ifndef MODEL_LAYOUT_H
#define MODEL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "model/names.h"
#include "tensor/dtype.h"

struct err;
struct model_config;

enum { TYPE_MIX_NAME = 16 };

struct type_mix {
    char name[TYPE_MIX_NAME];
    enum dtype main;
    char size;         /* 's', 'm', 'l' of the K mixes, else 0 */
    int32_t file_type; /* general.file_type of GGUF, -1: none */
};

/* "f32", "bf16", "q8_0", "q4_k_m", ...; "q4_k" is "q4_k_m". False if unknown. */
bool type_mix_parse(const char *name, struct type_mix *out);
/* The i-th name for help texts, NULL past the end. */
const char *type_mix_name(size_t i);

/* The type of a role in a GGUF file. */
enum dtype type_mix_choose(const struct type_mix *m, const struct model_config *c,
                           enum tensor_role r, int32_t layer);

struct layout_tensor {
    enum tensor_role role;
    int32_t layer;
    enum dtype dtype;
    struct tensor_shape shape; /* whole: experts stacked, slowest first */
    uint64_t bytes;
};

struct layout {
    struct layout_tensor *tensor;
    size_t n;
    uint64_t bytes; /* of all tensors, without padding */
    uint64_t elements;
};

/* All tensors of a GGUF file, in file order. mla_split: k_b and v_b in place of kv_b. MTP
 * duplicates are left out. */
int layout_gguf(struct layout *out, const struct model_config *c, const struct type_mix *m,
                bool mla_split, struct err *e) must_check;
void layout_release(struct layout *l);

#endif
