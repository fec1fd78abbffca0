/* synth.c - random weights straight into blocks.
 *
 * Work is cut into slices of SLICE_BYTES of a tensor's data. A slice's generator is seeded by
 * (seed, tensor number, slice number), so slices are independent and their order of making does
 * not matter. A chunk of slices is made by the pool, then written.
 *
 * How a block gets its deviation sd: codes are uniform, so a format's values under scale 1 have a
 * known deviation (the constants below: sqrt((n^2-1)/12) for n codes); d is sd over that. Formats
 * with a minimum get one that takes the mean away; symmetric ones get a random sign of d, because
 * their codes reach one further down than up.
 */
#include "model/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/thread.h"
#include "format/gguf_vocab.h"
#include "format/gguf_write.h"
#include "model/config.h"
#include "model/layout.h"
#include "tensor/block.h"
#include "tensor/dtype.h"
#include "text/vocab.h"

enum { SLICE_BYTES = 1 << 20, CHUNK_SLICES = 32 };

/* A fast generator for one slice (splitmix64); its seed comes from base/rng. */
struct mix64 {
    uint64_t s;
};

static uint64_t next64(struct mix64 *m)
{
    uint64_t z = m->s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fill_random(struct mix64 *m, void *to, size_t n)
{
    unsigned char *p = to;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = next64(m);
        memcpy(p, &v, 8);
    }
    uint64_t v = next64(m);
    memcpy(p, &v, n);
}

/* Nearly normal: four 16-bit uniforms. Deviation 1. */
static float near_normal(struct mix64 *m)
{
    uint64_t v = next64(m);
    int32_t sum = (int32_t)(v & 0xffff) + (int32_t)(v >> 16 & 0xffff) +
                  (int32_t)(v >> 32 & 0xffff) + (int32_t)(v >> 48);
    return (float)(sum - 131070) * (1.0f / 37837.2f); /* 65536 / sqrt(3) */
}

static void put_half(uint8_t out[2], float x)
{
    f16 h = f16_from_f32(x);
    memcpy(out, &h, 2);
}

static float signed_scale(struct mix64 *m, float d)
{
    return next64(m) & 1 ? d : -d;
}

/* ---- block formats ------------------------------------------------------------------------ */

/* n sub-block scales of 6 bits in 32..63, each minimum equal to its scale: packed as Q4_K. */
static void put_k4_scales(struct mix64 *m, uint8_t s[12])
{
    uint8_t scale[8];
    uint64_t v = next64(m);
    for (int j = 0; j < 8; j++) scale[j] = (uint8_t)(32 | (v >> (8 * j) & 31));
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scale[j] | (scale[j + 4] >> 4) << 6);
        s[j + 4] = s[j];
        s[j + 8] = (uint8_t)((scale[j + 4] & 15) | (scale[j + 4] & 15) << 4);
    }
}

static const float K_SCALE_RMS = 48.4f; /* of 32..63 */

/* The scale is a power of two: of two neighbours, each as often as gives the deviation. */
static uint8_t mxfp4_exponent(struct mix64 *m, float scale)
{
    float low = floorf(log2f(scale)), ratio = scale / exp2f(low);
    float share = (ratio * ratio - 1) / 3; /* 1 - p + 4 p = ratio^2 */
    bool up = (float)(next64(m) >> 40) * 0x1p-24f < share;
    return (uint8_t)(128 + (int)low + up);
}

static void make_block(enum dtype dt, void *to, float sd, struct mix64 *m)
{
    fill_random(m, to, dtype_block_bytes(dt));
    if (dt == DT_Q4_0) {
        struct block_q4_0 *b = to;
        put_half(b->d, signed_scale(m, sd / 4.637f));
    } else if (dt == DT_Q4_1) {
        struct block_q4_1 *b = to;
        put_half(b->d, sd / 4.61f);
        put_half(b->m, -7.5f * sd / 4.61f);
    } else if (dt == DT_Q5_0) {
        struct block_q5_0 *b = to;
        put_half(b->d, signed_scale(m, sd / 9.247f));
    } else if (dt == DT_Q5_1) {
        struct block_q5_1 *b = to;
        put_half(b->d, sd / 9.233f);
        put_half(b->m, -15.5f * sd / 9.233f);
    } else if (dt == DT_Q8_0) {
        struct block_q8_0 *b = to;
        put_half(b->d, signed_scale(m, sd / 73.9f));
    } else if (dt == DT_IQ4_NL) {
        struct block_iq4_nl *b = to;
        put_half(b->d, signed_scale(m, sd / 69.4f));
    } else if (dt == DT_IQ4_XS) {
        struct block_iq4_xs *b = to;
        put_half(b->d, sd / (69.4f * 18.48f));
    } else if (dt == DT_MXFP4) {
        struct block_mxfp4 *b = to;
        b->e = mxfp4_exponent(m, sd / 5.852f);
    } else if (dt == DT_Q2_K) {
        struct block_q2_k *b = to;
        for (int i = 0; i < 16; i++) b->scales[i] = (uint8_t)(((b->scales[i] & 7) | 8) * 17);
        put_half(b->d, sd / (1.118f * 11.72f));
        put_half(b->dmin, 1.5f * sd / (1.118f * 11.72f));
    } else if (dt == DT_Q3_K) {
        struct block_q3_k *b = to;
        put_half(b->d, sd / (2.345f * 18.48f));
    } else if (dt == DT_Q4_K) {
        struct block_q4_k *b = to;
        put_k4_scales(m, b->scales);
        put_half(b->d, sd / (4.61f * K_SCALE_RMS));
        put_half(b->dmin, 7.5f * sd / (4.61f * K_SCALE_RMS));
    } else if (dt == DT_Q5_K) {
        struct block_q5_k *b = to;
        put_k4_scales(m, b->scales);
        put_half(b->d, sd / (9.233f * K_SCALE_RMS));
        put_half(b->dmin, 15.5f * sd / (9.233f * K_SCALE_RMS));
    } else {
        struct block_q6_k *b = to; /* sub-block scales: any sign, 64..127 large */
        for (int i = 0; i < 16; i++) {
            int v = 64 | (b->scales[i] & 63);
            b->scales[i] = (int8_t)(b->scales[i] & 64 ? -v : v);
        }
        put_half(b->d, sd / (18.48f * 97.3f));
    }
}

/* ---- tensors ------------------------------------------------------------------------------ */

struct job {
    const struct layout_tensor *t;
    uint64_t seed, stream, first; /* of the slices in this chunk */
    float sd, mean;
    unsigned char *to;
    size_t bytes; /* of the chunk */
};

static void make_floats(const struct job *j, struct mix64 *m, unsigned char *to, size_t n)
{
    size_t width = dtype_block_bytes(j->t->dtype);
    for (size_t i = 0; i < n / width; i++) {
        float x = j->mean + j->sd * near_normal(m);
        if (j->t->dtype == DT_F32) {
            memcpy(to + 4 * i, &x, 4);
        } else {
            uint16_t h = j->t->dtype == DT_F16 ? f16_from_f32(x) : bf16_from_f32(x);
            memcpy(to + 2 * i, &h, 2);
        }
    }
}

/* Whole blocks in a slice: every block size divides some number near SLICE_BYTES. */
static size_t slice_bytes(enum dtype dt)
{
    return SLICE_BYTES / dtype_block_bytes(dt) * dtype_block_bytes(dt);
}

static void make_slice(void *ctx, size_t i)
{
    const struct job *j = ctx;
    size_t slice = slice_bytes(j->t->dtype), at = i * slice,
           block = dtype_block_bytes(j->t->dtype);
    size_t n = size_min(slice, j->bytes - at);
    struct mix64 m = {rng_at(j->seed, j->stream, j->first + i)};
    if (!dtype_is_block(j->t->dtype)) {
        make_floats(j, &m, j->to + at, n);
        return;
    }
    for (size_t k = 0; k < n; k += block) make_block(j->t->dtype, j->to + at + k, j->sd, &m);
}

static void set_numbers(struct job *j)
{
    const struct layout_tensor *t = j->t;
    bool norm = t->role == ROLE_OUTPUT_NORM || t->role == ROLE_ATTN_NORM ||
                t->role == ROLE_FFN_NORM || t->role == ROLE_Q_NORM || t->role == ROLE_K_NORM ||
                t->role == ROLE_Q_A_NORM || t->role == ROLE_KV_A_NORM ||
                t->role == ROLE_MTP_ENORM || t->role == ROLE_MTP_HNORM ||
                t->role == ROLE_MTP_NORM || t->role == ROLE_INDEX_K_NORM;
    j->mean = norm ? 1 : 0;
    j->sd = t->shape.n_dim == 1 ? 0.02f : 1 / sqrtf((float)t->shape.dim[t->shape.n_dim - 1]);
}

static int write_tensor(struct gguf_writer *w, struct job *j, struct pool *pool, struct err *e)
{
    size_t slice = slice_bytes(j->t->dtype), chunk = slice * CHUNK_SLICES;
    set_numbers(j);
    for (uint64_t at = 0; at < j->t->bytes; at += chunk) {
        j->bytes = (size_t)(j->t->bytes - at < chunk ? j->t->bytes - at : chunk);
        j->first = at / slice;
        pool_run(pool, make_slice, j, (j->bytes + slice - 1) / slice);
        if (gguf_write_data(w, j->to, j->bytes, e)) return -1;
    }
    return 0;
}

static int write_divisors(struct gguf_writer *w, const struct model_config *c, struct err *e)
{
    float divisor[CONFIG_MAX_HEAD_DIM / 2];
    config_rope_divisors(c, divisor);
    return gguf_write_data(w, divisor, (size_t)c->rope_dim / 2 * sizeof *divisor, e);
}

static int write_all(struct gguf_writer *w, const struct model_config *c,
                     const struct layout *l, const struct synth_options *o, struct pool *pool,
                     struct err *e)
{
    uint64_t done = 0;
    struct job j = {.seed = o->seed};
    j.to = mem_alloc((size_t)SLICE_BYTES * CHUNK_SLICES);
    if (!j.to) return err_oom(e, "random weights", (size_t)SLICE_BYTES * CHUNK_SLICES);
    int rc = 0;
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        j.t = &l->tensor[i];
        j.stream = i;
        rc = j.t->role == ROLE_ROPE_FREQS ? write_divisors(w, c, e)
                                          : write_tensor(w, &j, pool, e);
        done += j.t->bytes;
        if (rc == 0 && o->progress &&
            !o->progress(o->ctx, role_text(j.t->role), done, l->bytes))
            rc =
                err_set(e, ERR_CANCELLED, "stopped after %llu bytes", (unsigned long long)done);
    }
    mem_free(j.to);
    return rc;
}

/* ---- the file ----------------------------------------------------------------------------- */

static int put_vocab(struct gguf_writer *w, const struct model_config *c, struct err *e)
{
    struct vocab *v;
    struct err why;
    if (synth_vocab(&v, c, &why)) {
        if (why.code != ERR_LIMIT) {
            if (e) *e = why;
            return -1;
        }
        gguf_put_str(w, "tokenizer.ggml.model",
                     span_of("none")); /* too few ids for the bytes */
        return 0;
    }
    vocab_to_gguf(v, (size_t)c->n_vocab, synth_chat_template(c), w);
    vocab_free(v);
    return 0;
}

static void add_tensor(struct gguf_writer *w, const struct layout_tensor *t)
{
    char name[TENSOR_NAME_MAX];
    uint64_t dim[4];
    for (int32_t i = 0; i < t->shape.n_dim; i++) dim[i] = t->shape.dim[t->shape.n_dim - 1 - i];
    role_name_gguf(t->role, t->layer, name);
    gguf_add_tensor(w, name, t->dtype, (uint32_t)t->shape.n_dim, dim);
}

int synth_write(const char *path, const struct model_config *c, const struct type_mix *mix,
                const struct synth_options *o, struct pool *pool, struct err *e)
{
    struct model_config file = *c;
    struct gguf_writer *w = NULL;
    struct layout l = {0};
    bool split = config_is_mla(c) && !o->old_layout;
    int rc = -1;
    if (file.rope_scaling == ROPE_SCALING_LLAMA3) file.rope_scaling = ROPE_SCALING_FREQS;
    if (file.arch == ARCH_LLAMA) file.rope_pairing = ROPE_INTERLEAVED;
    if (c->rope_scaling == ROPE_SCALING_FREQS)
        return err_set(
            e, ERR_UNSUPPORTED,
            "a made-up model needs the llama3 parameters, not a file's rope divisors");
    if (config_check(c, "synth", e) || layout_gguf(&l, &file, mix, split, e) ||
        gguf_writer_create(&w, path, o->split_bytes, e) || config_to_gguf(&file, w, split, e))
        goto out;
    gguf_put_u32(w, "general.quantization_version", 2);
    if (mix->file_type >= 0) gguf_put_u32(w, "general.file_type", (uint32_t)mix->file_type);
    if (put_vocab(w, c, e)) goto out;
    for (size_t i = 0; i < l.n; i++) add_tensor(w, &l.tensor[i]);
    if (write_all(w, c, &l, o, pool, e)) goto out;
    rc = gguf_writer_commit(w, e);
out:
    gguf_writer_free(w);
    layout_release(&l);
    return rc;
}
