/* check_q8.c - packing of block formats and products with 8-bit activations.
 *
 * What stands on its own: packed weights give the values of dtype_row_to_f32, bit for bit; the
 * quantised activations are within half a step; products are near the exact ones. Every level then
 * equals ref, bit for bit, for all types, numbers of rows, odd shapes and extreme bytes.
 */
#include "check.h"

#include "base/size.h"
#include "kernel/pack_int.h"
#include "kernel/q8_int.h"

static const enum dtype types[] = {
    DT_Q4_0,   DT_Q4_1,  DT_Q5_0,    DT_Q5_1,  DT_Q8_0,  DT_IQ4_NL, DT_MXFP4,
    DT_Q2_K,   DT_Q3_K,  DT_Q4_K,    DT_Q5_K,  DT_Q6_K,  DT_IQ4_XS, DT_IQ2_XXS,
    DT_IQ2_XS, DT_IQ2_S, DT_IQ3_XXS, DT_IQ3_S, DT_IQ1_S, DT_IQ1_M,
};

enum { N_TYPE = countof(types), MAX_SCALES = 4 };

/* Offsets of the halves in a type's block; Q2_K has them behind, MXFP4 and IQ1_M none as such. */
static int half_offsets(enum dtype dt, size_t at[2])
{
    switch ((int)dt) {
    case DT_MXFP4:
    case DT_IQ1_M: return 0;
    case DT_Q2_K: at[0] = 80, at[1] = 82; return 2;
    case DT_Q3_K: at[0] = 108; return 1;
    case DT_Q6_K: at[0] = 208; return 1;
    case DT_Q4_1:
    case DT_Q5_1:
    case DT_Q4_K:
    case DT_Q5_K: at[0] = 0, at[1] = 2; return 2;
    default: at[0] = 0; return 1;
    }
}

/* Any bytes, but scales that are ordinary numbers: sums of several Inf would hide differences. */
static void fill_blocks(enum dtype dt, unsigned char *p, size_t n_block, int byte)
{
    size_t bytes = dtype_block_bytes(dt), at[2];
    int n = half_offsets(dt, at);
    check_fill_bytes(p, n_block * bytes);
    for (size_t i = 0; i < n_block; i++, p += bytes) {
        if (byte >= 0) memset(p, byte, bytes);
        for (int j = 0; j < n; j++) {
            f16 d = f16_from_f32((float)(1 + i % 29) * (i % 3 ? 0.001f : -0.0007f));
            memcpy(p + at[j], &d, 2);
        }
        if (dt == DT_MXFP4) p[0] = (unsigned char)(120 + i % 12);
        if (dt == DT_IQ1_M) p[55] = (unsigned char)((p[55] & 15) | 0x20), p[53] &= 15;
    }
}

/* Rows in file layout and their packed form. */
struct matrix {
    struct pack w;
    unsigned char *file;
    size_t row_bytes;
};

static struct matrix make_matrix(enum dtype dt, size_t n_out, size_t n_in, int byte)
{
    struct matrix m = {.w = {.dt = dt, .n_out = n_out, .n_in = n_in}};
    size_t len = dtype_block_len(dt);
    m.row_bytes = n_in / len * dtype_block_bytes(dt);
    m.file = check_alloc(n_out * m.row_bytes, CHECK_TAIL);
    fill_blocks(dt, m.file, n_out * (n_in / len), byte);
    m.w.panel_bytes = pack_panel_bytes(dt, n_in);
    unsigned char *data = check_alloc(pack_panels(n_out) * m.w.panel_bytes, CHECK_ALIGN);
    for (size_t p = 0; p < pack_panels(n_out); p++)
        pack_panel(dt, data + p * m.w.panel_bytes, m.file + p * PACK_OUT * m.row_bytes,
                   m.row_bytes, size_min(PACK_OUT, n_out - p * PACK_OUT), n_in);
    m.w.data = data;
    return m;
}

/* ---- packing ------------------------------------------------------------------------------- */

static void pack_keeps_values(void)
{
    for (size_t t = 0; t < N_TYPE; t++) {
        enum dtype dt = types[t];
        size_t n_in = dtype_block_len(dt) == 32 ? 32 * 11 : 768, n_out = 45;
        struct matrix m = make_matrix(dt, n_out, n_in, -1);
        float *want = check_alloc(n_in * sizeof(float), CHECK_TAIL);
        float *got = check_alloc(n_in * sizeof(float), CHECK_TAIL);
        float *chunk = check_alloc(GEMM_CHUNK * PACK_OUT * sizeof(float), CHECK_TAIL);
        check_true(q8_has(dt));
        check_true(m.w.panel_bytes == PACK_OUT * m.row_bytes);
        for (size_t o = 0; o < n_out; o++) {
            dtype_row_to_f32(dt, m.file + o * m.row_bytes, want, n_in);
            pack_row_to_f32(&m.w, o, got);
            check_same(want, got, n_in, "%s row %zu", dtype_name(dt), o);
            for (size_t k0 = 0; k0 < n_in; k0 += GEMM_CHUNK) {
                size_t n = size_min(GEMM_CHUNK, n_in - k0);
                pack_chunk_to_f32(&m.w, o / PACK_OUT, k0, n, chunk);
                for (size_t k = 0; k < n; k++) got[k0 + k] = chunk[k * PACK_OUT + o % PACK_OUT];
            }
            check_same(want, got, n_in, "%s chunks, row %zu", dtype_name(dt), o);
        }
        check_free(0);
    }
}

/* Types without a packed form say so. */
static void pack_of_others(void)
{
    check_true(!q8_has(DT_F32) && !q8_has(DT_BF16) && !q8_has(DT_I8) && !q8_has(DT_F8_E4M3));
    check_true(pack_panel_bytes(DT_I8, 256) == 0);
}

/* ---- activations --------------------------------------------------------------------------- */

static void check_block(const struct q8_x *b, const float *x, const char *what)
{
    float max = 0, d = b->d;
    int s[2] = {0, 0};
    bool finite = true;
    for (int j = 0; j < Q8_LEN; j++) {
        finite = finite && isfinite(x[j]);
        max = fmaxf(max, fabsf(x[j]));
        s[j / 16] += b->q[j];
    }
    check_true(b->s == (float)(s[0] + s[1]) && b->s0 == (float)s[0] && b->s1 == (float)s[1]);
    check_true(b->n == -128 * (s[0] + s[1]) && b->n0 == -128 * s[0] && b->n1 == -128 * s[1]);
    if (!finite) {
        check_true(isnan(d));
        return;
    }
    if (max < Q8_TINY) {
        check_true(d == 0 && s[0] == 0 && s[1] == 0);
        return;
    }
    for (int j = 0; j < Q8_LEN; j++) {
        double off = fabs((double)x[j] / (double)d - b->q[j]);
        if (off > 0.5 + 1e-4 || b->q[j] < -127)
            check_fail("%s: %a / %a became %d", what, (double)x[j], (double)d, b->q[j]);
    }
}

static void quantize_rows(void)
{
    static const enum check_fill fills[] = {CHECK_NORMAL, CHECK_EXTREME, CHECK_FINITE};
    for (size_t f = 0; f < countof(fills); f++)
        for (size_t n = 32; n <= 32 * 67; n += 32 * 11) {
            float *x = check_f32(n, CHECK_TAIL, fills[f]);
            size_t bytes = check_ref()->q8.row_bytes(DT_Q4_K, n);
            unsigned char *want = check_alloc(bytes, CHECK_TAIL),
                          *got = check_alloc(bytes, CHECK_TAIL);
            for (size_t i = 0; i < 32; i++) x[i] = 0x1p-101f * (float)(i % 2); /* too small */
            if (n > 64) x[32] = 3e38f, x[33] = -3e38f, x[34] = 1.5e38f;
            check_ref()->q8.quantize(DT_Q4_K, want, x, n);
            for (size_t i = 0; i < n; i += 32)
                check_block(
                    (const struct q8_x *)(const void *)(want + i / 32 * sizeof(struct q8_x)),
                    x + i, "ref");
            for (int i = 0; i < check_n_level(); i++) {
                const struct kernels *k = check_level(i);
                check_true(k->q8.row_bytes(DT_Q4_K, n) == bytes);
                memset(got, 0x77, bytes);
                k->q8.quantize(DT_Q4_K, got, x, n);
                for (size_t j = 0; j < n / 32;
                     j++) { /* NaN has many bits, but is set from one */
                    const struct q8_x *a = (const struct q8_x *)(const void *)want + j;
                    const struct q8_x *b = (const struct q8_x *)(const void *)got + j;
                    check_same(&a->d, &b->d, 4, "scale and sums, %s", cpu_level_name(k->level));
                    check_same_bytes(&a->n, &b->n, sizeof *a - 16, "codes, %s",
                                     cpu_level_name(k->level));
                }
            }
            check_free(0);
        }
}

/* ---- products ------------------------------------------------------------------------------ */

/* Every level against ref, and rows together against rows alone. */
static void compare(const struct matrix *m, const unsigned char *x, size_t n_row,
                    const char *what)
{
    size_t n_out = m->w.n_out, n_panel = pack_panels(n_out), ldy = n_out + 3;
    size_t row = check_ref()->q8.row_bytes(m->w.dt, m->w.n_in);
    float *want = check_alloc((n_row * ldy + 1) * sizeof(float), CHECK_TAIL);
    check_ref()->q8.rows(want, ldy, x, n_row, &m->w, 0, n_panel);
    for (int i = 0; i < check_n_level(); i++) {
        const struct kernels *k = check_level(i);
        float *got = check_alloc((n_row * ldy + 1) * sizeof(float), CHECK_TAIL);
        k->q8.rows(got, ldy, x, n_row, &m->w, 0, n_panel);
        check_same(want, got, n_row * ldy, "%s %s %s, %zu rows, (%zu, %zu)",
                   cpu_level_name(k->level), dtype_name(m->w.dt), what, n_row, n_out,
                   m->w.n_in);
        if (n_row < 2 || n_row > 17) continue;
        float *alone = check_alloc(ldy * sizeof(float), CHECK_TAIL);
        for (size_t r = 0; r < n_row; r++) { /* one row, panel by panel */
            for (size_t p = 0; p < n_panel; p++)
                k->q8.rows(alone, ldy, x + r * row, 1, &m->w, p, p + 1);
            check_same(got + r * ldy, alone, n_out, "%s %s row %zu of %zu",
                       cpu_level_name(k->level), dtype_name(m->w.dt), r, n_row);
        }
    }
}

static unsigned char *make_rows(enum dtype dt, size_t n_row, size_t n_in, enum check_fill fill)
{
    float *x = check_f32(n_row * n_in, CHECK_TAIL, fill);
    size_t bytes = check_ref()->q8.row_bytes(dt, n_in);
    unsigned char *q = check_alloc(n_row * bytes + !n_row, CHECK_TAIL);
    for (size_t r = 0; r < n_row; r++)
        check_ref()->q8.quantize(dt, q + r * bytes, x + r * n_in, n_in);
    return q;
}

static void rows_every_number(void)
{
    static const size_t outs[] = {1, 31, 33, 64, 70};
    for (size_t t = 0; t < N_TYPE; t++)
        for (size_t n_row = 0; n_row <= 17; n_row++) {
            size_t len = dtype_block_len(types[t]);
            size_t n_in = len * (1 + n_row % (len == 32 ? 11 : 3));
            struct matrix m = make_matrix(types[t], outs[n_row % countof(outs)], n_in, -1);
            enum check_fill fill = n_row % 3 ? CHECK_NORMAL : CHECK_FINITE;
            compare(&m, make_rows(types[t], n_row, n_in, fill), n_row, "normal");
            check_free(0);
        }
}

/* More rows than a batch, and shapes of models. */
static void rows_real_sizes(void)
{
    static const size_t shape[][3] = {
        {131, 64, 512}, {25, 96, 1536}, {7, 40, 2048}, {1, 256, 1536}};
    for (size_t t = 0; t < N_TYPE; t++)
        for (size_t i = 0; i < countof(shape); i++) {
            if (i == 0 && t % 3)
                continue; /* ref is slow; a batch's border is the same for all */
            struct matrix m = make_matrix(types[t], shape[i][1], shape[i][2], -1);
            compare(&m, make_rows(types[t], shape[i][0], shape[i][2], CHECK_NORMAL),
                    shape[i][0], "real");
            check_free(0);
        }
}

/* All codes at their ends against activations at theirs: the largest sums there are. */
static void rows_saturate(void)
{
    static const int bytes[] = {0x00, 0xff, 0x7f, 0x80, 0x0f, 0xf0};
    for (size_t t = 0; t < N_TYPE; t++)
        for (size_t b = 0; b < countof(bytes); b++) {
            size_t n_in = 512, n_row = 9;
            struct matrix m = make_matrix(types[t], 33, n_in, bytes[b]);
            float *x = check_alloc(n_row * n_in * sizeof(float), CHECK_TAIL);
            size_t row = check_ref()->q8.row_bytes(types[t], n_in);
            unsigned char *q = check_alloc(n_row * row, CHECK_TAIL);
            for (size_t r = 0; r < n_row; r++) {
                for (size_t k = 0; k < n_in; k++)
                    x[r * n_in + k] = r % 3 == 0 ? 127 : r % 3 == 1 ? -127 : k % 2 ? 127 : -127;
                check_ref()->q8.quantize(types[t], q + r * row, x + r * n_in, n_in);
            }
            compare(&m, q, n_row, "extreme bytes");
            check_free(0);
        }
}

/* Inf and NaN reach every output of their row and no other. */
static void rows_not_finite(void)
{
    for (size_t t = 0; t < N_TYPE; t++) {
        size_t n_in = 512, n_row = 8, n_out = 40;
        struct matrix m = make_matrix(types[t], n_out, n_in, -1);
        float *x = check_f32(n_row * n_in, CHECK_TAIL, CHECK_NORMAL);
        size_t row = check_ref()->q8.row_bytes(types[t], n_in);
        unsigned char *q = check_alloc(n_row * row, CHECK_TAIL);
        float *y = check_alloc(n_row * n_out * sizeof(float), CHECK_TAIL);
        x[2 * n_in + 77] = INFINITY, x[5 * n_in + 300] = NAN;
        for (size_t r = 0; r < n_row; r++)
            check_ref()->q8.quantize(types[t], q + r * row, x + r * n_in, n_in);
        compare(&m, q, n_row, "not finite");
        check_ref()->q8.rows(y, n_out, q, n_row, &m.w, 0, pack_panels(n_out));
        for (size_t i = 0; i < n_row * n_out; i++)
            check_true(!!isnan(y[i]) == (i / n_out == 2 || i / n_out == 5));
        check_free(0);
    }
}

/* The error against exact products comes from the activations alone: one rounding to 1/127 of the
 * block's largest is 0.6% of normal numbers' rms, and so is that of a sum of many. */
static void rows_accuracy(void)
{
    enum { N_IN = 4096, N_OUT = 64, N_ROW = 4 };
    for (size_t t = 0; t < N_TYPE; t++) {
        enum dtype dt = types[t];
        struct matrix m = make_matrix(dt, N_OUT, N_IN, -1);
        float *x = check_f32(N_ROW * N_IN, CHECK_TAIL, CHECK_NORMAL);
        float *w = check_alloc(N_IN * sizeof(float), CHECK_TAIL);
        float *y = check_alloc(N_ROW * N_OUT * sizeof(float), CHECK_TAIL);
        size_t row = check_ref()->q8.row_bytes(dt, N_IN);
        unsigned char *q = check_alloc(N_ROW * row, CHECK_TAIL);
        for (size_t r = 0; r < N_ROW; r++)
            check_ref()->q8.quantize(dt, q + r * row, x + r * N_IN, N_IN);
        check_ref()->q8.rows(y, N_OUT, q, N_ROW, &m.w, 0, pack_panels(N_OUT));
        double error = 0, size = 0;
        for (size_t o = 0; o < N_OUT; o++) {
            dtype_row_to_f32(dt, m.file + o * m.row_bytes, w, N_IN);
            for (size_t r = 0; r < N_ROW; r++) {
                double sum = 0, squares = 0;
                for (size_t k = 0; k < N_IN; k++) {
                    double p = (double)w[k] * (double)x[r * N_IN + k];
                    sum += p, squares += p * p;
                }
                double off = (double)y[r * N_OUT + o] - sum;
                error += off * off, size += squares;
            }
        }
        double relative = sqrt(error / size);
        if (!(relative < 0.01)) check_fail("%s: relative error %g", dtype_name(dt), relative);
    }
}

int main(void)
{
    static const struct check_case cases[] = {
        {"pack_keeps_values", pack_keeps_values}, {"pack_of_others", pack_of_others},
        {"quantize_rows", quantize_rows},         {"rows_every_number", rows_every_number},
        {"rows_real_sizes", rows_real_sizes},     {"rows_saturate", rows_saturate},
        {"rows_not_finite", rows_not_finite},     {"rows_accuracy", rows_accuracy},
    };
    return check_main("q8", cases, countof(cases));
}
