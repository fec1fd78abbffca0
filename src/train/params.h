/* params.h - a model whose weights change: plain f32 rows, their gradients, and names for both.
 *
 * The struct model is the very one that inference uses; only its weights are `data` and `grad`
 * instead of panels, so model_forward with a tape is the training pass. All weights lie in one
 * mapping, all gradients in another, in the order of the parameters; the optimizer walks them as
 * long arrays.
 *
 * Rotary rows are kept as Hugging Face has them: llama rows of a GGUF file are brought into halves
 * when they are read, so that a checkpoint directory needs no further thought.
 *
 * Engines run packed weights. params_packed makes a second struct model of the same config, and
 * params_publish copies the numbers over. Products with packed and with plain f32 rows have one
 * order of arithmetic (kernel/gemm.h): for the same tokens the engine's logits are the trainer's,
 * bit for bit.
 *
 * Threads: one owner.
 */
#ifndef TRAIN_PARAMS_H
#define TRAIN_PARAMS_H

#include <stdint.h>

#include "model/model.h"
#include "nn/low.h"

struct err;
struct model_source;
struct pool;

struct param {
    struct weight *w; /* w->id is the index of this entry */
    enum tensor_role role;
    int32_t layer;
    size_t at, n;     /* first number in data and grad, how many */
    bool by_gradient; /* false: the gate's correction, which balance.h moves */
    bool decays;      /* matrices do, vectors do not */
};

struct params {
    struct model *m;
    struct param *param;
    size_t n;     /* parameters */
    size_t total; /* numbers */
    float *data, *grad;
    struct low_params *low; /* weights in few bits (precision.h), or NULL */
    bool low_stale;         /* data has changed since they were made */
};

/* params_create - all weights of a config, zero; gains 1. o->act must be ACT_F32.
 * Fails: ERR_UNSUPPORTED for models whose graph cannot be trained (a V3.2 indexer). */
int params_create(struct params **out, const struct model_config *c, const struct model_opts *o,
                  struct err *e) must_check;
void params_free(struct params *p); /* NULL is fine */

/* Bytes of weights and gradients of a config, before anything is taken. */
size_t params_bytes(const struct model_config *c, const struct model_opts *o);

/* Normal with deviation `std` for matrices, 1 for gains, 0 for biases and corrections. A
 * parameter's numbers depend on the seed and its own place only. */
void params_init(struct params *p, uint64_t seed, float std);

/* params_load - a model's weights as f32. Fails: ERR_FORMAT when the source's config differs. */
int params_load(struct params *p, const struct model_source *s, struct err *e) must_check;
/* The config to train a source with: rotary pairing as params keep it. */
int params_config(const struct model_source *s, struct model_config *c,
                  struct err *e) must_check;

/* In which numbers passes multiply; head: the output head too. Forms beside the f32 weights, taken now. Passes made before do
 * not notice. Whoever changes weights calls params_changed; the next pass makes the forms anew. */
int params_set_precision(struct params *p, enum precision kind, bool head,
                         struct err *e) must_check;
enum precision params_precision(const struct params *p);
void params_changed(struct params *p);

void params_zero_grad(struct params *p, struct pool *pool);

/* A packed model of the same config and form, for engines and `single`; weights as of now.
 * model_free frees it. */
int params_packed(struct model **out, const struct params *p, struct pool *pool,
                  struct err *e) must_check;
/* Copies the weights into such a model. Nothing may run on it meanwhile. */
void params_publish(struct model *packed, const struct params *p, struct pool *pool);

/* One part of a parameter in Hugging Face's layout: the i-th tensor of the file. In the absorbed
 * form K_B stands for kv_b, and V_B for nothing. */
struct params_part {
    char name[TENSOR_NAME_MAX];
    struct tensor_shape shape;
    const float *data; /* (elems), or NULL: made by params_part_rows */
    size_t elems;
};
/* How many tensors the parameter has in a file: 0, 1, or the number of experts. */
size_t params_n_part(const struct params *p, size_t i);
int params_part(const struct params *p, size_t i, size_t part, struct params_part *out,
                struct err *e) must_check;
/* The numbers of a part without `data`. */
void params_part_rows(const struct params *p, size_t i, float *out);

#endif
