/* check_i8.c - matrices quantised on the way, and their products.
 *
 * What stands on its own: codes are within half a step of the numbers, or, rounded at random,
 * within one and right on average; a matrix and its transpose give one form; products are the exact
 * sums of value times value. Every level then equals ref, bit for bit, for odd shapes and extreme
 * numbers.
 */
#include "check.h"

#include "kernel/i8.h"

struct forms {
    struct i8_rows a;
    struct i8_cols b;
    void *a_mem, *b_mem;
};

static struct forms make(size_t n, size_t k)
{
    struct forms f;
    f.a_mem = check_alloc(i8_rows_bytes(n, k), CHECK_ALIGN);
    f.b_mem = check_alloc(i8_cols_bytes(n, k), CHECK_ALIGN);
    f.a = i8_rows_at(f.a_mem, n, k);
    f.b = i8_cols_at(f.b_mem, n, k);
    return f;
}

static void fill_forms(const struct kernels *k, struct forms *f, const struct i8_source *s)
{
    k->i8.to_rows(&f->a, s, 0, i8_row_groups(s->n));
    k->i8.to_cols(&f->b, s, 0, i8_col_groups(s->n));
}

static double value(const struct i8_rows *a, size_t i, size_t j)
{
    size_t at = i * a->n_block + j / I8_BLOCK;
    return (double)a->s[at].d * a->q[at * I8_BLOCK + j % I8_BLOCK];
}

static double value_b(const struct i8_cols *b, size_t i, size_t j)
{
    size_t at = i / I8_PANEL * b->n_block + j / I8_BLOCK, in = j % I8_BLOCK;
    uint8_t q =
        b->q[at * I8_BLOCK * I8_PANEL + (in / 4 * I8_PANEL + i % I8_PANEL) * 4 + in % 4];
    return (double)b->d[at * I8_PANEL + i % I8_PANEL] * (q - 128);
}

/* ---- quantising ---------------------------------------------------------------------------- */

static void codes_are_near(void)
{
    enum { N = 37, K = 150 };
    float *x = check_f32(N * K, CHECK_TAIL, CHECK_NORMAL);
    struct forms f = make(N, K), r = make(N, K);
    fill_forms(check_ref(), &f, &(struct i8_source){x, K, N, K, false, false, 0});
    fill_forms(check_ref(), &r, &(struct i8_source){x, K, N, K, false, true, 99});
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < K; j++) {
            double v = (double)x[i * K + j], max = 0;
            for (size_t l = j / 64 * 64; l < size_min(K, j / 64 * 64 + 64); l++)
                max = fmax(max, fabs((double)x[i * K + l]));
            double step = max / 127;
            check_true(fabs(value(&f.a, i, j) - v) <= step * 0.50001);
            check_true(fabs(value(&r.a, i, j) - v) <= step * 1.00001);
            check_true(value(&f.a, i, j) == value_b(&f.b, i, j));
            check_true(value(&r.a, i, j) == value_b(&r.b, i, j));
        }
    }
}

/* Mean error over many seeds: a 60th of a step would be 5 deviations of the mean. */
static void random_is_fair(void)
{
    enum { K = 64, SEEDS = 30000 };
    float *x = check_f32(K, CHECK_TAIL, CHECK_NORMAL);
    double sum[K] = {0}, moved = 0;
    struct forms f = make(1, K);
    x[3] = x[7] * 0x1p-9f; /* would be rounded to nothing */
    for (uint32_t s = 0; s < SEEDS; s++) {
        fill_forms(check_ref(), &f, &(struct i8_source){x, K, 1, K, false, true, s * 77777u});
        for (size_t j = 0; j < K; j++) sum[j] += value(&f.a, 0, j);
        moved += value(&f.a, 0, 3) != 0;
    }
    double step = (double)f.a.s[0].d;
    for (size_t j = 0; j < K; j++)
        if (!(fabs(sum[j] / SEEDS - (double)x[j]) <= step / 60))
            check_fail("number %zu: mean %g, value %g, step %g", j, sum[j] / SEEDS,
                       (double)x[j], step);
    check_true(moved > 0 && moved < SEEDS / 4);
}

static void across_is_the_transpose(void)
{
    enum { N = 50, K = 201 };
    float *x = check_f32(N * K, CHECK_TAIL, CHECK_EXTREME);
    float *t = check_f32(N * K, CHECK_TAIL, CHECK_NORMAL);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < K; j++) t[j * N + i] = x[i * K + j];
    struct forms f = make(N, K), g = make(N, K);
    fill_forms(check_ref(), &f, &(struct i8_source){x, K, N, K, false, false, 0});
    fill_forms(check_ref(), &g, &(struct i8_source){t, N, N, K, true, false, 0});
    check_same_bytes(f.a_mem, g.a_mem, i8_rows_bytes(N, K), "rows");
    check_same_bytes(f.b_mem, g.b_mem, i8_cols_bytes(N, K), "cols");
}

/* ---- products ------------------------------------------------------------------------------ */

static void products_are_sums(void)
{
    enum { M = 9, N = 41, K = 333 };
    float *x = check_f32(M * K, CHECK_TAIL, CHECK_NORMAL);
    float *w = check_f32(N * K, CHECK_TAIL, CHECK_NORMAL);
    float *y = check_f32(M * N, CHECK_TAIL, CHECK_NORMAL);
    struct forms a = make(M, K), b = make(N, K);
    fill_forms(check_ref(), &a, &(struct i8_source){x, K, M, K, false, false, 0});
    fill_forms(check_ref(), &b, &(struct i8_source){w, K, N, K, false, false, 0});
    double err = 0, size = 0;
    for (size_t i = 0; i < M; i++) {
        for (size_t o = 0; o < N; o++) {
            double sum = (double)y[i * N + o], exact = sum, bound = 0;
            for (size_t j = 0; j < K; j++) {
                double v = value(&a.a, i, j) * value_b(&b.b, o, j);
                sum += v, bound += fabs(v);
                exact += (double)x[i * K + j] * (double)w[o * K + j];
            }
            float row[N];
            memcpy(row, y + i * N, sizeof row);
            struct i8_rows one = {1, a.a.n_block, a.a.q + i * a.a.n_block * I8_BLOCK,
                                  a.a.s + i * a.a.n_block};
            check_ref()->i8.product(row, N, &one, &b.b, 0, 1, 0, 2, true);
            check_true(fabs((double)row[o] - sum) <= 1e-6 * bound);
            err += (exact - sum) * (exact - sum), size += exact * exact;
        }
    }
    double rel = sqrt(err / size);
    printf("products of normal numbers: relative error %.4f\n", rel);
    check_true(rel < 0.012);
}

/* ---- levels -------------------------------------------------------------------------------- */

static void compare(size_t m, size_t n, size_t k, enum check_fill fill, bool across,
                    bool random)
{
    int keep = check_state.n_array;
    size_t ldx = across ? m + 3 : k + 5, ldw = across ? n + 1 : k, ldy = n + 7;
    float *x = check_f32(across ? k * ldx : m * ldx, CHECK_TAIL, fill);
    float *w = check_f32(across ? k * ldw : n * ldw, CHECK_TAIL, fill);
    float *start = check_f32(m * ldy, CHECK_TAIL, CHECK_NORMAL);
    struct i8_source xs = {x, ldx, m, k, across, random, 12345};
    struct i8_source ws = {w, ldw, n, k, across, random, 54321};
    struct forms a = make(m, k), b = make(n, k);
    fill_forms(check_ref(), &a, &xs);
    fill_forms(check_ref(), &b, &ws);
    for (int add = 0; add < 2; add++) {
        float *want = check_f32(m * ldy, CHECK_TAIL, CHECK_NORMAL);
        float *got = check_f32(m * ldy, CHECK_TAIL, CHECK_NORMAL);
        memcpy(want, start, m * ldy * 4);
        check_ref()->i8.product(want, ldy, &a.a, &b.b, 0, m, 0, (n + 31) / 32, add);
        for (int i = 0; i < check_n_level(); i++) {
            const struct kernels *kk = check_level(i);
            struct forms c = make(m, k), d = make(n, k);
            fill_forms(kk, &c, &xs);
            fill_forms(kk, &d, &ws);
            const char *name = cpu_level_name(kk->level);
            check_same_bytes(a.a.q, c.a.q, round_up(m, 16) * a.a.n_block * 64, "%s codes of a",
                             name);
            check_same((float *)a.a.s, (float *)c.a.s, 2 * round_up(m, 16) * a.a.n_block,
                       "%s factors of a", name);
            check_same_bytes(b.b.q, d.b.q, round_up(n, 32) * b.b.n_block * 64, "%s codes of b",
                             name);
            check_same(b.b.d, d.b.d, round_up(n, 32) * b.b.n_block, "%s factors of b", name);
            memcpy(got, start, m * ldy * 4);
            size_t cut = m / 3, panels = (n + 31) / 32;
            kk->i8.product(got, ldy, &c.a, &d.b, 0, cut, 0, panels, add);
            kk->i8.product(got, ldy, &c.a, &d.b, cut, m, 0, panels / 2, add);
            kk->i8.product(got, ldy, &c.a, &d.b, cut, m, panels / 2, panels, add);
            check_same(want, got, m * ldy, "%s %zux%zux%zu across %d random %d add %d", name, m,
                       n, k, across, random, add);
        }
    }
    check_free(keep);
}

static void levels_agree(void)
{
    static const size_t shape[][3] = {{1, 1, 1},     {6, 32, 64},   {7, 33, 65},
                                      {13, 70, 130}, {16, 31, 63},  {200, 40, 70},
                                      {5, 300, 64},  {23, 65, 1100}};
    for (size_t i = 0; i < countof(shape); i++)
        for (int way = 0; way < 4; way++) {
            size_t m = shape[i][0], n = shape[i][1], k = shape[i][2];
            compare(m, n, k, CHECK_NORMAL, way & 1, way & 2);
            compare(m, n, k, CHECK_EXTREME, way & 1, way & 2);
            compare(m, n, k, CHECK_FINITE, way & 1, way & 2);
        }
}

int main(void)
{
    static const struct check_case cases[] = {
        {"codes_are_near", codes_are_near},
        {"random_is_fair", random_is_fair},
        {"across_is_the_transpose", across_is_the_transpose},
        {"products_are_sums", products_are_sums},
        {"levels_agree", levels_agree},
    };
    return check_main("i8", cases, countof(cases));
}
