/* check_gemm.c - f32 products: ref against its definition, every level against ref.
 *
 * ref itself is compared with a sum written out here from weights that never were packed, so a
 * mistake in a layout cannot cancel.
 */
#include "check.h"

static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_F8_E4M3, DT_F8_E5M2};

static size_t bytes_of(enum dtype dt)
{
    return dt == DT_F32 ? 4 : dt == DT_F16 || dt == DT_BF16 ? 2 : 1;
}

static float value_of(enum dtype dt, const void *p)
{
    uint32_t u = 0;
    memcpy(&u, p, bytes_of(dt));
    if (dt == DT_F32) return f32_from_bits(u);
    if (dt == DT_F16) return f16_to_f32((f16)u);
    if (dt == DT_BF16) return bf16_to_f32((bf16)u);
    if (dt == DT_F8_E4M3) return f8e4m3_to_f32((f8e4m3)u);
    return f8e5m2_to_f32((f8e5m2)u);
}

/* A weight matrix in file layout and packed. */
struct weights {
    struct pack pack;
    unsigned char *file;
};

static bool is_f8(enum dtype dt)
{
    return dt == DT_F8_E4M3 || dt == DT_F8_E5M2;
}

/* Any bit pattern where `extreme`, else numbers of ordinary size. */
static struct weights make_weights(enum dtype dt, size_t n_out, size_t n_in, bool extreme)
{
    size_t row = n_in * bytes_of(dt), n_panel = pack_panels(n_out);
    struct weights w = {.file = check_alloc(n_out * row, CHECK_TAIL)};
    check_fill_bytes(w.file, n_out * row);
    for (size_t i = 0; !extreme && i < n_out * n_in; i++) {
        float v = check_number(CHECK_NORMAL);
        unsigned char *p = w.file + i * bytes_of(dt);
        if (dt == DT_F32) memcpy(p, &v, 4);
        if (dt == DT_BF16) memcpy(p, &(bf16){bf16_from_f32(v)}, 2);
        if (dt == DT_F16) p[1] = (unsigned char)((p[1] & 0x83) | 0x38);
        if (dt == DT_F8_E4M3 && (p[0] & 0x78) == 0x78) p[0] ^= 0x40;
        if (dt == DT_F8_E5M2) p[0] = (unsigned char)((p[0] & 0x87) | 0x38);
    }
    size_t bytes = pack_panel_bytes(dt, n_in);
    unsigned char *data = check_alloc(n_panel * bytes, CHECK_ALIGN);
    for (size_t p = 0; p < n_panel; p++)
        pack_panel(dt, data + p * bytes, w.file + p * PACK_OUT * row, row,
                   size_min(n_out - p * PACK_OUT, PACK_OUT), n_in);
    w.pack = (struct pack){
        .dt = dt, .n_out = n_out, .n_in = n_in, .panel_bytes = bytes, .data = data};
    if (is_f8(dt) && rng_below(&check_state.rng, 4)) {
        size_t n = ((n_out + 127) / 128) * ((n_in + 127) / 128);
        float *s = check_f32(n, CHECK_TAIL, CHECK_NORMAL);
        for (size_t i = 0; i < n; i++) s[i] *= i % 3 ? 0x1p-10f : 0.37f;
        w.pack.scale = s;
    }
    return w;
}

static float weight_of(const struct weights *w, size_t o, size_t k)
{
    enum dtype dt = w->pack.dt;
    float v = value_of(dt, w->file + (o * w->pack.n_in + k) * bytes_of(dt));
    if (!w->pack.scale) return v;
    return v * w->pack.scale[o / 128 * ((w->pack.n_in + 127) / 128) + k / 128];
}

/* gemm.h's order, once more. */
static float chain(const float *x, size_t xk, const float *w, size_t wk, size_t n)
{
    float total = 0;
    for (size_t k0 = 0; k0 < n; k0 += GEMM_CHUNK) {
        float sum = 0;
        for (size_t k = k0; k < n && k < k0 + GEMM_CHUNK; k++)
            sum = fmaf(x[k * xk], w[k * wk], sum);
        total = k0 ? total + sum : sum;
    }
    return total;
}

static const size_t odd_sizes[] = {1, 2, 3, 5, 16, 31, 32, 33, 64, 67};
static const size_t long_sizes[] = {127, 128, 129, 255, 256, 257, 384, 511, 512, 515, 769};

static void ref_is_the_definition(void)
{
    for (size_t t = 0; t < countof(types); t++) {
        for (size_t i = 0; i < countof(long_sizes); i++) {
            size_t n_in = long_sizes[i], n_out = odd_sizes[i % countof(odd_sizes)], n_row = 3;
            struct weights w = make_weights(types[t], n_out, n_in, false);
            float *x = check_f32(n_row * n_in, CHECK_TAIL, CHECK_FINITE);
            float *y = check_f32(n_row * n_out, CHECK_TAIL, CHECK_NORMAL);
            float *want = check_f32(n_row * n_out, CHECK_TAIL, CHECK_NORMAL);
            float *row = check_f32(n_in, CHECK_TAIL, CHECK_NORMAL);
            float *file = check_f32(n_in, CHECK_TAIL, CHECK_NORMAL);
            for (size_t o = 0; o < n_out; o++) {
                for (size_t k = 0; k < n_in; k++) file[k] = weight_of(&w, o, k);
                pack_row_to_f32(&w.pack, o, row);
                check_same(file, row, n_in, "row %zu of %s", o, dtype_name(types[t]));
                for (size_t r = 0; r < n_row; r++)
                    want[r * n_out + o] = chain(x + r * n_in, 1, file, 1, n_in);
            }
            check_ref()->gemm.rows(y, n_out, x, n_in, n_row, &w.pack, 0, pack_panels(n_out));
            check_same(want, y, n_row * n_out, "ref %s (%zu, %zu)", dtype_name(types[t]), n_out,
                       n_in);
            check_free(0);
        }
    }
}

/* One shape at every level, all panels at once and panel by panel. */
static void rows_case(enum dtype dt, size_t n_row, size_t n_out, size_t n_in,
                      enum check_fill fill)
{
    struct weights w = make_weights(dt, n_out, n_in, fill == CHECK_EXTREME);
    enum check_place place = n_in % 2 ? CHECK_TAIL : CHECK_HEAD;
    size_t ldx = n_in + n_row % 3, ldy = n_out + n_in % 3, n_panel = pack_panels(n_out);
    size_t x_len = (n_row - 1) * ldx + n_in, y_len = (n_row - 1) * ldy + n_out;
    float *x = check_f32(x_len, place, fill);
    float *want = check_f32(y_len, CHECK_TAIL, CHECK_NORMAL);
    float *got = check_f32(y_len, place, CHECK_NORMAL);
    memcpy(got, want, y_len * sizeof *got);
    float *before = check_f32(y_len, place, CHECK_NORMAL);
    memcpy(before, want, y_len * sizeof *got);
    check_ref()->gemm.rows(want, ldy, x, ldx, n_row, &w.pack, 0, n_panel);
    for (int i = 0; i < check_n_level(); i++) {
        const struct kernels *k = check_level(i);
        const char *level = cpu_level_name(k->level), *type = dtype_name(dt);
        k->gemm.rows(got, ldy, x, ldx, n_row, &w.pack, 0, n_panel);
        check_same(want, got, y_len, "%s %s %zu rows (%zu, %zu)", level, type, n_row, n_out,
                   n_in);
        memcpy(got, before, y_len * sizeof *got);
        for (size_t p = 0; p < n_panel; p += 3)
            k->gemm.rows(got, ldy, x, ldx, n_row, &w.pack, p, size_min(p + 3, n_panel));
        check_same(want, got, y_len, "%s %s %zu rows by panels", level, type, n_row);
        memcpy(got, before, y_len * sizeof *got);
    }
    check_free(0);
}

static void rows_small(void)
{
    for (size_t t = 0; t < countof(types); t++)
        for (size_t n_in = 1; n_in <= 67; n_in++)
            rows_case(types[t], 1 + n_in % 7, odd_sizes[n_in % countof(odd_sizes)], n_in,
                      n_in % 2 ? CHECK_EXTREME : CHECK_FINITE);
}

static void rows_each_count(void)
{
    for (size_t t = 0; t < countof(types); t++)
        for (size_t n_row = 1; n_row <= 40; n_row++)
            rows_case(types[t], n_row, odd_sizes[n_row % countof(odd_sizes)],
                      long_sizes[n_row % countof(long_sizes)],
                      n_row % 2 ? CHECK_EXTREME : CHECK_NORMAL);
}

static void rows_real(void)
{
    static const size_t shape[][3] = {
        {1, 384, 1536}, {1, 1000, 512}, {1, 288, 2048}, {150, 96, 520}, {300, 77, 300}};
    for (size_t t = 0; t < countof(types); t++)
        for (size_t i = 0; i < countof(shape); i++)
            rows_case(types[t], shape[i][0], shape[i][1], shape[i][2], CHECK_NORMAL);
}

/* A row gives the same bits alone and among others: decoding equals prefill. */
static void rows_alone_and_together(void)
{
    enum { N_ROW = 29, N_OUT = 100, N_IN = 600 };
    for (size_t t = 0; t < countof(types); t++) {
        struct weights w = make_weights(types[t], N_OUT, N_IN, false);
        float *x = check_f32(N_ROW * N_IN, CHECK_ALIGN, CHECK_FINITE);
        float *all = check_f32(N_ROW * N_OUT, CHECK_ALIGN, CHECK_NORMAL);
        float *one = check_f32(N_ROW * N_OUT, CHECK_ALIGN, CHECK_NORMAL);
        for (int i = -1; i < check_n_level(); i++) {
            const struct kernels *k = i < 0 ? check_ref() : check_level(i);
            k->gemm.rows(all, N_OUT, x, N_IN, N_ROW, &w.pack, 0, pack_panels(N_OUT));
            for (size_t r = 0; r < N_ROW; r++)
                k->gemm.rows(one + r * N_OUT, N_OUT, x + r * N_IN, N_IN, 1, &w.pack, 0,
                             pack_panels(N_OUT));
            check_same(all, one, N_ROW * N_OUT, "%s %s alone", cpu_level_name(k->level),
                       dtype_name(types[t]));
        }
        check_free(0);
    }
}

/* Block formats go through pack_chunk_to_f32: exact weights, the same order. */
static void rows_blocks(void)
{
    static const enum dtype blocks[] = {DT_Q8_0, DT_Q4_0, DT_Q5_1, DT_Q4_K, DT_Q6_K, DT_IQ4_XS};
    enum { N_OUT = 70, N_IN = 768, MOST_ROWS = 30 };
    for (size_t t = 0; t < countof(blocks); t++) {
        enum dtype dt = blocks[t];
        size_t row_bytes, bytes = pack_panel_bytes(dt, N_IN), n_panel = pack_panels(N_OUT);
        check_true(!dtype_row_bytes(dt, N_IN, &row_bytes) && bytes > 0);
        unsigned char *file = check_alloc(N_OUT * row_bytes, CHECK_TAIL);
        unsigned char *data = check_alloc(n_panel * bytes, CHECK_ALIGN);
        float *w = check_f32(N_OUT * N_IN, CHECK_ALIGN, CHECK_NORMAL);
        for (size_t o = 0; o < N_OUT; o++)
            dtype_row_from_f32(dt, w + o * N_IN, file + o * row_bytes, N_IN, NULL);
        for (size_t p = 0; p < n_panel; p++)
            pack_panel(dt, data + p * bytes, file + p * PACK_OUT * row_bytes, row_bytes,
                       size_min(N_OUT - p * PACK_OUT, PACK_OUT), N_IN);
        struct pack pack = {
            .dt = dt, .n_out = N_OUT, .n_in = N_IN, .panel_bytes = bytes, .data = data};
        float *x = check_f32(MOST_ROWS * N_IN, CHECK_TAIL, CHECK_FINITE);
        float *want = check_f32(MOST_ROWS * N_OUT, CHECK_TAIL, CHECK_NORMAL);
        float *got = check_f32(MOST_ROWS * N_OUT, CHECK_TAIL, CHECK_NORMAL);
        for (size_t o = 0; o < N_OUT; o++) {
            dtype_row_to_f32(dt, file + o * row_bytes, w, N_IN);
            for (size_t r = 0; r < MOST_ROWS; r++)
                want[r * N_OUT + o] = chain(x + r * N_IN, 1, w, 1, N_IN);
        }
        for (int i = -1; i < check_n_level(); i++) {
            const struct kernels *k = i < 0 ? check_ref() : check_level(i);
            for (size_t n_row = 1; n_row <= MOST_ROWS; n_row += 29) {
                k->gemm.rows(got, N_OUT, x, N_IN, n_row, &pack, 0, n_panel);
                check_same(want, got, n_row * N_OUT, "%s %s %zu rows", cpu_level_name(k->level),
                           dtype_name(dt), n_row);
            }
        }
        check_free(0);
    }
}

/* ---- nn, nt, tn ---------------------------------------------------------------------------- */

typedef void (*product_fn)(float *y, size_t ldy, const float *a, size_t lda, const float *b,
                           size_t ldb, size_t m, size_t n, size_t k, bool add, void *scratch);
enum kind { NN, NT, TN };

static product_fn product_of(const struct kernels *k, enum kind kind)
{
    return kind == NN ? k->gemm.nn : kind == NT ? k->gemm.nt : k->gemm.tn;
}

static void product_case(enum kind kind, size_t m, size_t n, size_t k, bool add,
                         enum check_fill fill)
{
    static const char *const name[] = {"nn", "nt", "tn"};
    size_t a_rows = kind == TN ? k : m, a_cols = kind == TN ? m : k, lda = a_cols + m % 3;
    size_t b_rows = kind == NT ? n : k, b_cols = kind == NT ? k : n, ldb = b_cols + n % 3;
    size_t ldy = n + k % 3, y_len = (m - 1) * ldy + n;
    enum check_place place = (m + k) % 2 ? CHECK_TAIL : CHECK_HEAD;
    float *a = check_f32(k ? (a_rows - 1) * lda + a_cols : 0, place, fill);
    float *b = check_f32(k ? (b_rows - 1) * ldb + b_cols : 0, place, fill);
    float *start = check_f32(y_len, place, fill);
    float *want = check_f32(y_len, place, CHECK_NORMAL);
    float *got = check_f32(y_len, place, CHECK_NORMAL);
    void *scratch = check_alloc(gemm_scratch_bytes(), CHECK_ALIGN);
    memcpy(want, start, y_len * sizeof *want);
    product_of(check_ref(), kind)(want, ldy, a, lda, b, ldb, m, n, k, add, scratch);
    if (fill == CHECK_NORMAL && m * n * k < 100000) { /* ref against the definition */
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                float v = chain(kind == TN ? a + i : a + i * lda, kind == TN ? lda : 1,
                                kind == NT ? b + j * ldb : b + j, kind == NT ? 1 : ldb, k);
                if (add) v = start[i * ldy + j] + v;
                check_same(&v, &want[i * ldy + j], 1, "ref %s", name[kind]);
            }
        }
    }
    for (int i = 0; i < check_n_level(); i++) {
        const struct kernels *table = check_level(i);
        memcpy(got, start, y_len * sizeof *got);
        check_fill_bytes(scratch, 4096);
        product_of(table, kind)(got, ldy, a, lda, b, ldb, m, n, k, add, scratch);
        check_same(want, got, y_len, "%s %s m=%zu n=%zu k=%zu add=%d",
                   cpu_level_name(table->level), name[kind], m, n, k, add);
    }
    check_free(0);
}

static void products(enum kind kind)
{
    for (size_t s = 1; s <= 67; s++)
        product_case(kind, 1 + s * 7 % 40, s, 1 + s * 5 % 67, s % 2,
                     s % 3 ? CHECK_NORMAL : CHECK_EXTREME);
    for (size_t i = 0; i < countof(long_sizes); i++)
        product_case(kind, odd_sizes[i % countof(odd_sizes)], 50 + i, long_sizes[i], i % 2,
                     CHECK_NORMAL);
    product_case(kind, 5, 3, 0, false, CHECK_NORMAL);
    product_case(kind, 5, 3, 0, true, CHECK_NORMAL);
    product_case(kind, 600, 140, 270, true, CHECK_NORMAL);
    product_case(kind, 150, 260, 520, false, CHECK_EXTREME);
}

static void products_nn(void)
{
    products(NN);
}

static void products_nt(void)
{
    products(NT);
}

static void products_tn(void)
{
    products(TN);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"ref_is_the_definition", ref_is_the_definition},
        {"rows_small", rows_small},
        {"rows_each_count", rows_each_count},
        {"rows_real", rows_real},
        {"rows_alone_and_together", rows_alone_and_together},
        {"rows_blocks", rows_blocks},
        {"products_nn", products_nn},
        {"products_nt", products_nt},
        {"products_tn", products_tn},
    };
    return check_main("gemm", cases, countof(cases));
}
