#include "model/layout.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/size.h"
#include "model/config.h"

static const struct type_mix mixes[] = {
    {"f32", DT_F32, 0, 0},          {"f16", DT_F16, 0, 1},        {"bf16", DT_BF16, 0, 32},
    {"f8_e4m3", DT_F8_E4M3, 0, -1}, {"q8_0", DT_Q8_0, 0, 7},      {"q4_0", DT_Q4_0, 0, 2},
    {"q4_1", DT_Q4_1, 0, 3},        {"q5_0", DT_Q5_0, 0, 8},      {"q5_1", DT_Q5_1, 0, 9},
    {"q2_k", DT_Q2_K, 'm', 10},     {"q3_k_s", DT_Q3_K, 's', 11}, {"q3_k_m", DT_Q3_K, 'm', 12},
    {"q3_k_l", DT_Q3_K, 'l', 13},   {"q4_k_s", DT_Q4_K, 's', 14}, {"q4_k_m", DT_Q4_K, 'm', 15},
    {"q5_k_s", DT_Q5_K, 's', 16},   {"q5_k_m", DT_Q5_K, 'm', 17}, {"q6_k", DT_Q6_K, 0, 18},
    {"iq4_nl", DT_IQ4_NL, 0, 25},   {"iq4_xs", DT_IQ4_XS, 0, 30}, {"mxfp4", DT_MXFP4, 0, -1},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_name(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return lower(*a) == lower(*b);
}

bool type_mix_parse(const char *name, struct type_mix *out)
{
    static const char *const alias[][2] = {
        {"q3_k", "q3_k_m"}, {"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}, {"fp8", "f8_e4m3"}};
    for (size_t i = 0; i < countof(alias); i++)
        if (same_name(name, alias[i][0])) name = alias[i][1];
    for (size_t i = 0; i < countof(mixes); i++) {
        if (!same_name(name, mixes[i].name)) continue;
        *out = mixes[i];
        return true;
    }
    return false;
}

const char *type_mix_name(size_t i)
{
    return i < countof(mixes) ? mixes[i].name : NULL;
}

/* ---- choosing ----------------------------------------------------------------------------- */

/* First and last eighth, and every third layer between. */
static bool more_bits(int32_t layer, int32_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

/* Q3_K and Q4_K mixes give the first layers more; `first` says how many. */
static enum dtype for_sensitive(const struct type_mix *m, const struct model_config *c,
                                int32_t layer, int32_t first)
{
    bool is_q4 = m->main == DT_Q4_K;
    if (m->main == DT_Q3_K && m->size == 'l') return DT_Q5_K;
    if (m->main == DT_Q3_K && m->size == 'm') return layer < first ? DT_Q5_K : DT_Q4_K;
    if (is_q4 && m->size == 's') return layer < first ? DT_Q5_K : DT_Q4_K;
    if ((is_q4 || m->main == DT_Q5_K) && m->size == 'm' && more_bits(layer, c->n_layer))
        return DT_Q6_K;
    return m->main;
}

static enum dtype for_value(const struct type_mix *m, const struct model_config *c,
                            int32_t layer)
{
    if (m->main == DT_Q2_K) return c->n_head >= 4 * c->n_head_kv ? DT_Q4_K : DT_Q3_K;
    return for_sensitive(m, c, layer, m->main == DT_Q4_K ? 4 : 2);
}

static enum dtype for_down(const struct type_mix *m, const struct model_config *c,
                           int32_t layer)
{
    if (m->main == DT_Q2_K) return DT_Q3_K;
    return for_sensitive(m, c, layer, c->n_layer / (m->main == DT_Q4_K ? 8 : 16));
}

static enum dtype for_attn_out(const struct type_mix *m)
{
    if (m->main == DT_Q2_K) return DT_Q3_K;
    if (m->main != DT_Q3_K || m->size == 's') return m->main;
    return m->size == 'l' ? DT_Q5_K : DT_Q4_K;
}

static enum dtype for_output(const struct type_mix *m)
{
    bool small = dtype_block_len(m->main) == 256 || m->main == DT_IQ4_NL || m->main == DT_MXFP4;
    return small ? DT_Q6_K : m->main;
}

/* What a row of n numbers can be stored in. */
static enum dtype fit_row(enum dtype dt, uint64_t n)
{
    if (n % dtype_block_len(dt) == 0) return dt;
    if (n % 32 != 0) return DT_F16;
    if (dt == DT_Q4_K) return DT_Q5_0;
    if (dt == DT_Q5_K) return DT_Q5_1;
    return dt == DT_Q6_K ? DT_Q8_0 : DT_IQ4_NL;
}

enum dtype type_mix_choose(const struct type_mix *m, const struct model_config *c,
                           enum tensor_role r, int32_t layer)
{
    struct tensor_shape s;
    enum dtype dt = m->main;
    if (role_stays_f32(r) || r == ROLE_INDEX_WEIGHTS) return DT_F32;
    if (r == ROLE_OUTPUT || (r == ROLE_EMBD && c->tie_embeddings))
        dt = for_output(m);
    else if (r == ROLE_V)
        dt = for_value(m, c, layer);
    else if (r == ROLE_FFN_DOWN || r == ROLE_EXP_DOWN || r == ROLE_SH_DOWN)
        dt = for_down(m, c, layer);
    else if (r == ROLE_ATTN_OUT)
        dt = for_attn_out(m);
    role_shape(c, r, &s);
    return fit_row(dt, s.dim[s.n_dim - 1]);
}

/* ---- the whole file ----------------------------------------------------------------------- */

static bool is_stored(const struct model_config *c, enum tensor_role r, int32_t layer,
                      bool split)
{
    switch (role_need(c, r, layer)) {
    case ROLE_ABSENT:
    case ROLE_OPTIONAL: return false;
    case ROLE_NEEDED: return true;
    case ROLE_EITHER: break;
    }
    if (r == ROLE_KV_B) return !split;
    if (r == ROLE_K_B || r == ROLE_V_B) return split;
    return r != ROLE_EXP_GATE_UP;
}

static int add(struct layout *l, const struct model_config *c, const struct type_mix *m,
               enum tensor_role r, int32_t layer, struct err *e)
{
    struct layout_tensor *t = &l->tensor[l->n];
    struct tensor_shape one;
    size_t row, rows;
    role_shape(c, r, &one);
    *t = (struct layout_tensor){
        .role = r, .layer = layer, .dtype = type_mix_choose(m, c, r, layer)};
    if (role_is_expert(r)) t->shape.dim[t->shape.n_dim++] = (uint64_t)c->n_expert;
    for (int32_t i = 0; i < one.n_dim; i++) t->shape.dim[t->shape.n_dim++] = one.dim[i];
    uint64_t n = shape_elems(&t->shape), width = one.dim[one.n_dim - 1];
    rows = (size_t)(n / width);
    if (dtype_row_bytes(t->dtype, (size_t)width, &row) || size_mul(row, rows, &row))
        return err_set(e, ERR_BUG, "%s does not fit %s", role_text(r), dtype_name(t->dtype));
    t->bytes = row;
    l->bytes += t->bytes;
    l->elements += n;
    l->n++;
    return 0;
}

int layout_gguf(struct layout *out, const struct model_config *c, const struct type_mix *m,
                bool mla_split, struct err *e)
{
    int32_t n_layer = c->n_layer + c->n_layer_mtp;
    size_t room = (size_t)(n_layer + 1) * ROLE_COUNT;
    *out = (struct layout){0};
    if (m->main == DT_F8_E4M3)
        return err_set(e, ERR_UNSUPPORTED, "GGUF has no FP8 type; f8_e4m3 is for safetensors");
    out->tensor = mem_calloc(room, sizeof *out->tensor);
    if (!out->tensor) return err_oom(e, "the layout of a file", room * sizeof *out->tensor);
    for (int32_t l = -1; l <= n_layer; l++)
        for (enum tensor_role r = 0; r < ROLE_COUNT; r++) {
            int32_t layer = l == n_layer ? -1 : l; /* norm and head stand at the end */
            bool last = r == ROLE_OUTPUT_NORM || r == ROLE_OUTPUT;
            if (layer < 0 && last != (l == n_layer)) continue;
            if (is_stored(c, r, layer, mla_split) && add(out, c, m, r, layer, e)) {
                layout_release(out);
                return -1;
            }
        }
    return 0;
}

void layout_release(struct layout *l)
{
    mem_free(l->tensor);
    *l = (struct layout){0};
}
