/* test_scale.c - FP8 with block and tile scales: rules, edges, error bounds. */
#include "../test.h"

#include "base/rng.h"
#include "tensor/scale.h"

enum { ROWS = 130, COLS = 200, CELLS = 2 * 2 };

static void fill(float *x, size_t n, float size)
{
    struct rng r = rng_init(11, n);
    rng_fill_normal(&r, x, n, size);
}

/* e4m3 keeps 4 significant bits: half a unit is 2^-4 of the number, or 2^-10 scales. */
static void assert_close(const float *x, const float *y, const f8e4m3 *q, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) {
        float bound = fmaxf(fabsf(x[i]) * 0x1p-4f, scale * 0x1p-10f) * (1 + 0x1p-20f);
        assert_true(fabsf(x[i] - y[i]) <= bound);
        assert_true((q[i] & 0x7f) != 0x7f);
    }
}

/* 128 numbers up to 448 and a tail of three up to 7: scales 1 and 7/448 = 2^-6. */
static void tiles_by_hand(void **state)
{
    (void)state;
    float x[131] = {448, -1, 17}, scale[2], y[131];
    f8e4m3 q[131];
    x[128] = 7;
    x[129] = -3.5f;
    x[130] = 0x1p-6f;
    scale_tiles_from_f32(q, scale, x, 131, SCALE_F32);
    assert_true(scale[0] == 1.0f && scale[1] == 0x1p-6f);
    assert_int_equal(q[0], 0x7e); /* 448 */
    assert_int_equal(q[1], 0xb8); /* -1 */
    assert_int_equal(q[2], 0x58); /* 17 is between 16 and 18, even mantissa wins: 16 */
    assert_int_equal(q[3], 0);
    assert_int_equal(q[128], 0x7e); /* 7 / 2^-6 = 448 */
    assert_int_equal(q[129], 0xf6); /* -224 = -2^7 1.75 */
    assert_int_equal(q[130], 0x38); /* 1 */
    scale_row_to_f32(y, q, scale, 131);
    assert_true(y[0] == 448 && y[1] == -1 && y[2] == 16 && y[128] == 7 && y[130] == 0x1p-6f);
}

static void tile_maximum_has_a_floor(void **state)
{
    (void)state;
    float x[128] = {0}, scale, y[128];
    f8e4m3 q[128];
    scale_tiles_from_f32(q, &scale, x, 128, SCALE_F32);
    assert_true(scale == 1e-4f / 448.0f);
    for (int i = 0; i < 128; i++) assert_int_equal(q[i], 0);
    scale_tiles_from_f32(q, &scale, x, 128, SCALE_UE8M0);
    assert_true(scale == 0x1p-22f); /* 1e-4 / 448 = 2.2e-7, and 2^-22 = 2.4e-7 */
    x[5] = -1e-4f;
    scale_tiles_from_f32(q, &scale, x, 128, SCALE_F32);
    assert_int_equal(q[5], 0xfe);
    scale_row_to_f32(y, q, &scale, 128);
    assert_close(x, y, q, 128, scale);
}

/* Against the definition, written per element in the reference's order. */
static void tiles_follow_the_definition(void **state)
{
    (void)state;
    enum { N = 3 * 128 + 77 };
    float x[N], scale[4], y[N];
    f8e4m3 q[N];
    for (int fmt = 0; fmt < 2; fmt++) {
        fill(x, N, fmt ? 30 : 0.01f);
        scale_tiles_from_f32(q, scale, x, N, fmt ? SCALE_UE8M0 : SCALE_F32);
        scale_row_to_f32(y, q, scale, N);
        for (size_t i = 0; i < N; i++) {
            float max = 1e-4f;
            for (size_t j = i / 128 * 128; j < N && j / 128 == i / 128; j++)
                max = fmaxf(max, fabsf(x[j]));
            float s = max / 448.0f;
            if (fmt) s = (float)exp2(ceil(log2((double)s)));
            assert_true(scale[i / 128] == s);
            assert_int_equal(q[i], f8e4m3_from_f32(x[i] / s));
            assert_true(y[i] == f8e4m3_to_f32(q[i]) * s);
        }
        for (size_t t = 0; t < 4; t++) {
            size_t at = t * 128, len = t < 3 ? 128 : 77;
            assert_close(x + at, y + at, q + at, len, scale[t]);
        }
    }
}

/* 130 x 200: four blocks, three of them cut off. Each has a size of its own. */
static void blocks_of_a_matrix(void **state)
{
    (void)state;
    static float w[ROWS * COLS], y[ROWS * COLS];
    static f8e4m3 q[ROWS * COLS];
    for (int fmt = 0; fmt < 2; fmt++) {
        float scale[CELLS], max[CELLS] = {0};
        fill(w, ROWS * COLS, 1);
        for (size_t i = 0; i < ROWS * COLS; i++) {
            size_t cell = i / COLS / 128 * 2 + i % COLS / 128;
            w[i] *= ldexpf(1, (int)cell * 5 - 12);
            max[cell] = fmaxf(max[cell], fabsf(w[i]));
        }
        scale_matrix_from_f32(q, scale, w, ROWS, COLS, fmt ? SCALE_UE8M0 : SCALE_F32);
        scale_matrix_to_f32(y, q, scale, ROWS, COLS);
        for (size_t c = 0; c < CELLS; c++) {
            int e;
            if (fmt) {
                assert_true(frexpf(scale[c], &e) == 0.5f);
                assert_true(scale[c] >= max[c] / 448 && scale[c] < max[c] / 224);
            } else {
                assert_true(scale[c] == max[c] / 448.0f);
            }
        }
        for (size_t i = 0; i < ROWS * COLS; i++)
            assert_close(w + i, y + i, q + i, 1, scale[i / COLS / 128 * 2 + i % COLS / 128]);
    }
}

static void empty_and_tiny_blocks(void **state)
{
    (void)state;
    float w[3] = {0}, scale, y[3];
    f8e4m3 q[3];
    scale_band_from_f32(q, &scale, w, 1, 3, SCALE_F32);
    assert_true(scale == 1.0f && q[0] == 0);
    scale_band_from_f32(q, &scale, w, 1, 3, SCALE_UE8M0);
    assert_true(scale == 1.0f && q[0] == 0);
    w[1] = 0x1p-149f; /* no scale can reach it: it becomes zero, nothing becomes NaN */
    scale_band_from_f32(q, &scale, w, 1, 3, SCALE_F32);
    scale_row_to_f32(y, q, &scale, 3);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0);
    w[1] = 3e38f;
    scale_band_from_f32(q, &scale, w, 3, 1, SCALE_UE8M0);
    scale_row_to_f32(y, q, &scale, 3);
    assert_close(w, y, q, 3, scale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_by_hand),
        cmocka_unit_test(tile_maximum_has_a_floor),
        cmocka_unit_test(tiles_follow_the_definition),
        cmocka_unit_test(blocks_of_a_matrix),
        cmocka_unit_test(empty_and_tiny_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
