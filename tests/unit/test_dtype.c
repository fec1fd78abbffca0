/* test_dtype.c - the type table and scalar conversions.
 *
 * Decoding is checked for every bit pattern against sign, exponent and mantissa put together
 * in double. Encoding is checked against a search: the format's finite values in order, the
 * nearest one found by bisection in exact arithmetic (double holds them all), the even code on
 * ties. Its inputs are every value, every midpoint, their neighbours on both sides, and random
 * patterns.
 */
#include "../test.h"

#include "base/rng.h"
#include "tensor/dtype.h"

struct format {
    const char *name;
    int exp_bits, man_bits;
    bool saturates, has_inf; /* e4m3: the top exponent holds numbers, one code is NaN */
    float (*decode)(uint32_t h);
    uint32_t (*encode)(float x);
};

static float dec_f16(uint32_t h)
{
    return f16_to_f32((f16)h);
}

static uint32_t enc_f16(float x)
{
    return f16_from_f32(x);
}

static float dec_bf16(uint32_t h)
{
    return bf16_to_f32((bf16)h);
}

static uint32_t enc_bf16(float x)
{
    return bf16_from_f32(x);
}

static float dec_e4m3(uint32_t h)
{
    return f8e4m3_to_f32((f8e4m3)h);
}

static uint32_t enc_e4m3(float x)
{
    return f8e4m3_from_f32(x);
}

static float dec_e5m2(uint32_t h)
{
    return f8e5m2_to_f32((f8e5m2)h);
}

static uint32_t enc_e5m2(float x)
{
    return f8e5m2_from_f32(x);
}

static const struct format formats[] = {
    {"f16", 5, 10, false, true, dec_f16, enc_f16},
    {"bf16", 8, 7, false, true, dec_bf16, enc_bf16},
    {"e4m3", 4, 3, true, false, dec_e4m3, enc_e4m3},
    {"e5m2", 5, 2, true, true, dec_e5m2, enc_e5m2},
};

/* Largest finite code, without sign. */
static uint32_t max_code(const struct format *f)
{
    uint32_t top = 1u << (f->exp_bits + f->man_bits);
    return f->has_inf ? top - (1u << f->man_bits) - 1 : top - 2;
}

/* The value of a code without sign, by the definition, and of max_code + 1 were it a number */
static double value_of(const struct format *f, uint32_t code)
{
    int bias = (1 << (f->exp_bits - 1)) - 1;
    int e = (int)(code >> f->man_bits);
    double m = ldexp((double)(code & ((1u << f->man_bits) - 1)), -f->man_bits);
    return e == 0 ? ldexp(m, 1 - bias) : ldexp(1 + m, e - bias);
}

static void decode_every_pattern(void **state)
{
    (void)state;
    for (size_t k = 0; k < countof(formats); k++) {
        const struct format *f = &formats[k];
        uint32_t sign = 1u << (f->exp_bits + f->man_bits), max = max_code(f);
        for (uint32_t h = 0; h < 2 * sign; h++) {
            float v = f->decode(h);
            uint32_t code = h & (sign - 1);
            if (code > max + f->has_inf) {
                assert_true(isnan(v));
                assert_true(isnan(f->decode(f->encode(v))));
                continue;
            }
            double want = code > max ? (double)INFINITY : value_of(f, code);
            if ((double)v != (h & sign ? -want : want) || !!signbit(v) != !!(h & sign))
                fail_msg("%s: code %x decodes to %a", f->name, h, (double)v);
            if (code > max && f->saturates) continue;
            assert_int_equal(f->encode(v), h);
        }
    }
}

/* The nearest code of |x|, x finite or infinite, by bisection. */
static uint32_t search(const struct format *f, double x)
{
    uint32_t lo = 0, hi = max_code(f) + 1; /* hi: the first value that is not there */
    if (x >= value_of(f, hi)) return f->saturates ? hi - 1 : hi;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (value_of(f, mid) <= x)
            lo = mid;
        else
            hi = mid;
    }
    double below = x - value_of(f, lo), above = value_of(f, hi) - x;
    uint32_t best = below < above ? lo : above < below ? hi : lo + (lo & 1);
    return f->saturates && best > max_code(f) ? max_code(f) : best;
}

static void check_encode(const struct format *f, float x)
{
    uint32_t sign = 1u << (f->exp_bits + f->man_bits);
    uint32_t want = search(f, fabs((double)x)) | (signbit(x) ? sign : 0);
    uint32_t got = f->encode(x);
    if (got != want) fail_msg("%s: %a encodes to %x, want %x", f->name, (double)x, got, want);
}

static void check_around(const struct format *f, double x)
{
    float v = (float)x, near[] = {v, nextafterf(v, 0), nextafterf(v, INFINITY)};
    for (size_t i = 0; i < countof(near); i++) {
        check_encode(f, near[i]);
        check_encode(f, -near[i]);
    }
}

static void encode_at_every_border(void **state)
{
    (void)state;
    for (size_t k = 0; k < countof(formats); k++) {
        const struct format *f = &formats[k];
        for (uint32_t c = 0; c <= max_code(f); c++) {
            double here = value_of(f, c), next = value_of(f, c + 1);
            check_around(f, here);
            check_around(f, (here + next) / 2);
        }
        if (value_of(f, max_code(f) + 1) < (double)HUGE_VALF)
            check_around(f, value_of(f, max_code(f) + 1));
        check_encode(f, INFINITY);
        check_encode(f, -INFINITY);
    }
}

static void encode_random_patterns(void **state)
{
    (void)state;
    for (size_t k = 0; k < countof(formats); k++) {
        const struct format *f = &formats[k];
        struct rng r = rng_init(7, k);
        for (int i = 0; i < 150000; i++) {
            float x = f32_from_bits((uint32_t)rng_u64(&r));
            if (isnan(x)) {
                assert_true(isnan(f->decode(f->encode(x))));
                continue;
            }
            check_encode(f, x);
            /* most patterns are far outside the small formats: bring them in as well */
            check_encode(f, (float)rng_normal(&r) * ldexpf(1, (int)rng_below(&r, 32) - 20));
        }
    }
}

static void nan_keeps_its_sign(void **state)
{
    (void)state;
    float pos = f32_from_bits(0x7f800001u), neg = f32_from_bits(0xff800001u); /* signalling */
    for (size_t k = 0; k < countof(formats); k++) {
        const struct format *f = &formats[k];
        uint32_t sign = 1u << (f->exp_bits + f->man_bits);
        assert_true(isnan(f->decode(f->encode(pos))) && !(f->encode(pos) & sign));
        assert_true(isnan(f->decode(f->encode(neg))) && (f->encode(neg) & sign));
    }
}

/* models.md 14, numbers 5 and 6. */
static void known_numbers(void **state)
{
    (void)state;
    assert_true(f8e4m3_to_f32(0x7e) == 448.0f && f8e4m3_to_f32(0x01) == 0x1p-9f);
    assert_true(f8e4m3_to_f32(0x08) == 0x1p-6f && f8e4m3_to_f32(0x38) == 1.0f);
    assert_true(f8e4m3_to_f32(0xb8) == -1.0f);
    assert_true(isnan(f8e4m3_to_f32(0x7f)) && isnan(f8e4m3_to_f32(0xff)));
    assert_int_equal(f8e4m3_from_f32(1e9f), 0x7e);
    assert_int_equal(f8e4m3_from_f32(-INFINITY), 0xfe);
    assert_int_equal(f8e5m2_from_f32(INFINITY), 0x7b);
    assert_int_equal(f16_from_f32(65519.99f), 0x7bff);
    assert_int_equal(f16_from_f32(65520.0f), 0x7c00);
    assert_int_equal(bf16_from_f32(3.4e38f), 0x7f80);
    assert_true(e8m0_to_f32(127) == 1.0f && e8m0_to_f32(120) == 0x1p-7f);
    assert_true(e8m0_to_f32(0) == 0x1p-127f && e8m0_to_f32(254) == 0x1p127f);
    assert_true(isnan(e8m0_to_f32(255)));
}

static void e8m0_rounds_up(void **state)
{
    (void)state;
    for (uint32_t e = 0; e < 255; e++) {
        float p = e8m0_to_f32((uint8_t)e);
        assert_int_equal(e8m0_from_f32(p), e);
        assert_int_equal(e8m0_from_f32(nextafterf(p, 0)), e);
        assert_int_equal(e8m0_from_f32(nextafterf(p, INFINITY)), e < 254 ? e + 1 : 254);
    }
    assert_int_equal(e8m0_from_f32(0), 0);
    assert_int_equal(e8m0_from_f32(INFINITY), 254);
    assert_int_equal(e8m0_from_f32(-1), 255);
    assert_int_equal(e8m0_from_f32(NAN), 255);
}

static void type_table(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum dtype dt;
        size_t len, bytes;
        bool is_float;
    } some[] = {
        {"F32", DT_F32, 1, 4, true},
        {"q4_k", DT_Q4_K, 256, 144, false},
        {"Q8_0", DT_Q8_0, 32, 34, false},
        {"bf16", DT_BF16, 1, 2, true},
        {"iq2_xxs", DT_IQ2_XXS, 256, 66, false},
        {"MXFP4", DT_MXFP4, 32, 17, false},
        {"f8_e4m3", DT_F8_E4M3, 1, 1, true},
        {"F8_E8M0", DT_F8_E8M0, 1, 1, false},
        {"i64", DT_I64, 1, 8, false},
        {"F64", DT_F64, 1, 8, true},
    };
    for (size_t i = 0; i < countof(some); i++) {
        enum dtype dt;
        assert_true(dtype_parse(some[i].text, &dt));
        assert_int_equal(dt, some[i].dt);
        assert_int_equal(dtype_block_len(dt), some[i].len);
        assert_int_equal(dtype_block_bytes(dt), some[i].bytes);
        assert_int_equal(dtype_is_block(dt), some[i].len > 1);
        assert_int_equal(dtype_is_float(dt), some[i].is_float);
        enum dtype again;
        assert_true(dtype_parse(dtype_name(dt), &again) && again == dt);
    }
    enum dtype dt;
    assert_false(dtype_parse("Q4_K_M", &dt));
    assert_false(dtype_parse("", &dt));
    static const uint32_t retired[] = {4,  5,  9,  15,  31,   32,        33,
                                       36, 37, 38, 999, 1005, UINT32_MAX};
    for (size_t i = 0; i < countof(retired); i++) assert_false(dtype_known(retired[i]));
    assert_true(dtype_known(0) && dtype_known(39) && dtype_known(1004));
}

static void row_sizes(void **state)
{
    (void)state;
    size_t n;
    assert_false(dtype_row_bytes(DT_Q4_K, 4096, &n));
    assert_int_equal(n, 16 * 144);
    assert_false(dtype_row_bytes(DT_F32, 0, &n));
    assert_int_equal(n, 0);
    assert_true(dtype_row_bytes(DT_Q4_K, 4095, &n));
    assert_true(dtype_row_bytes(DT_Q8_0, 31, &n));
    assert_true(dtype_row_bytes(DT_F32, SIZE_MAX / 2, &n));
}

/* Rows equal scalars, also when the file's bytes start at an odd address. */
static void rows_equal_scalars(void **state)
{
    (void)state;
    enum { N = 67 };
    struct rng r = rng_init(3, 0);
    float x[N], back[N];
    for (size_t i = 0; i < N; i++) x[i] = f32_from_bits((uint32_t)rng_u64(&r));
    unsigned char raw[N * 8 + 1], *p = raw + 1;
    for (size_t k = 0; k < countof(formats); k++) {
        static const enum dtype types[] = {DT_F16, DT_BF16, DT_F8_E4M3, DT_F8_E5M2};
        size_t size = dtype_block_bytes(types[k]);
        dtype_row_from_f32(types[k], x, p, N, NULL);
        dtype_row_to_f32(types[k], p, back, N);
        for (size_t i = 0; i < N; i++) {
            uint32_t code = 0;
            memcpy(&code, p + i * size, size);
            assert_int_equal(code, formats[k].encode(x[i]));
            float want = formats[k].decode(code);
            assert_true(back[i] == want || (isnan(back[i]) && isnan(want)));
        }
    }
    dtype_row_from_f32(DT_F32, x, p, N, NULL);
    dtype_row_to_f32(DT_F32, p, back, N);
    assert_memory_equal(x, back, sizeof x);
    int64_t big[2] = {-5, INT64_C(1) << 40};
    memcpy(p, big, sizeof big);
    dtype_row_to_f32(DT_I64, p, back, 2);
    assert_true(back[0] == -5.0f && back[1] == 0x1p40f);
    int8_t small[2] = {-128, 127};
    dtype_row_to_f32(DT_I8, small, back, 2);
    assert_true(back[0] == -128.0f && back[1] == 127.0f);
    double wide[2] = {-0.1, 1e300};
    memcpy(p, wide, sizeof wide);
    dtype_row_to_f32(DT_F64, p, back, 2);
    assert_true(back[0] == -0.1f && isinf(back[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_every_pattern),
        cmocka_unit_test(encode_at_every_border),
        cmocka_unit_test(encode_random_patterns),
        cmocka_unit_test(nan_keeps_its_sign),
        cmocka_unit_test(known_numbers),
        cmocka_unit_test(e8m0_rounds_up),
        cmocka_unit_test(type_table),
        cmocka_unit_test(row_sizes),
        cmocka_unit_test(rows_equal_scalars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
