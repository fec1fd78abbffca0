/* test_quantize_golden.c - our quantiser against files that llama.cpp's quantiser wrote.
 *
 * golden/qwen2-bias.gguf holds f32 weights, golden/qwen2-bias-TYPE.gguf the same weights in
 * TYPE (see the README beside them). For each tensor the rows are quantised here and the bytes
 * compared; where a byte may differ, the error must not be larger than theirs. The files are
 * walked by the few lines below, not by the project's GGUF reader, so that this test depends
 * on nothing but src/tensor.
 */
#include "../test.h"

#include "base/size.h"
#include "tensor/dtype.h"

struct entry {
    char name[64];
    uint64_t dims[4];
    uint32_t n_dim, type;
    uint64_t offset;
};

struct walk {
    struct file_map map;
    struct entry t[64];
    size_t n, data;
};

/* Bytes of a GGUF value of a scalar type id (strings and arrays apart). */
static size_t scalar_size(uint32_t type)
{
    static const uint8_t size[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    assert_true(type < countof(size) && size[type] != 0);
    return size[type];
}

static size_t skip_value(const unsigned char *p, size_t at, uint32_t type)
{
    if (type == 8) return at + 8 + load_le64(p + at);
    if (type != 9) return at + scalar_size(type);
    uint32_t inner = load_le32(p + at);
    uint64_t n = load_le64(p + at + 4);
    at += 12;
    for (uint64_t i = 0; i < n; i++) at = skip_value(p, at, inner);
    return at;
}

static void walk_open(struct walk *w, const char *path)
{
    struct err e = {0};
    must(file_map_open(&w->map, path, &e));
    const unsigned char *p = w->map.data;
    assert_memory_equal(p, "GGUF", 4);
    w->n = load_le64(p + 8);
    assert_true(w->n <= countof(w->t));
    size_t at = 24;
    for (uint64_t i = load_le64(p + 16); i > 0; i--) {
        at += 8 + load_le64(p + at);
        at = skip_value(p, at + 4, load_le32(p + at));
    }
    for (size_t i = 0; i < w->n; i++) {
        struct entry *t = &w->t[i];
        size_t len = load_le64(p + at);
        assert_true(len < sizeof t->name);
        memcpy(t->name, p + at + 8, len);
        t->name[len] = 0;
        at += 8 + len;
        t->n_dim = load_le32(p + at);
        at += 4;
        for (uint32_t k = 0; k < 4; k++) t->dims[k] = 1;
        for (uint32_t k = 0; k < t->n_dim; k++, at += 8) t->dims[k] = load_le64(p + at);
        t->type = load_le32(p + at);
        t->offset = load_le64(p + at + 4);
        at += 12;
    }
    w->data = round_up(at, 32);
}

static const struct entry *walk_find(const struct walk *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->t[i].name, name) == 0) return &w->t[i];
    }
    return NULL;
}

struct tally {
    size_t blocks, same;
    double ours, theirs, power; /* sums of squares */
};

/* One row: bytes, then errors of both against the original. */
static void compare_row(struct tally *t, enum dtype dt, const float *x,
                        const unsigned char *gold, size_t n)
{
    unsigned char mine[4096 * 4];
    float a[4096], b[4096];
    size_t bytes, len = dtype_block_len(dt), size = dtype_block_bytes(dt);
    assert_true(n <= 4096 && !dtype_row_bytes(dt, n, &bytes));
    dtype_row_from_f32(dt, x, mine, n, NULL);
    for (size_t i = 0; i < n / len; i++, t->blocks++)
        t->same += memcmp(mine + i * size, gold + i * size, size) == 0;
    dtype_row_to_f32(dt, mine, a, n);
    dtype_row_to_f32(dt, gold, b, n);
    for (size_t i = 0; i < n; i++) {
        t->ours += ((double)a[i] - (double)x[i]) * ((double)a[i] - (double)x[i]);
        t->theirs += ((double)b[i] - (double)x[i]) * ((double)b[i] - (double)x[i]);
        t->power += (double)x[i] * (double)x[i];
    }
}

static void compare_file(const char *type, const char *suffix)
{
    enum dtype dt;
    char name[64];
    snprintf(name, sizeof name, "golden/qwen2-bias-%s.gguf", suffix);
    need_data(path, "golden/qwen2-bias.gguf");
    need_data(quant_path, name);
    assert_true(dtype_parse(type, &dt));
    struct walk f, q;
    struct tally t = {0};
    walk_open(&f, path);
    walk_open(&q, quant_path);
    for (size_t i = 0; i < q.n; i++) {
        const struct entry *g = &q.t[i], *s = walk_find(&f, g->name);
        if (g->type != (uint32_t)dt) continue;
        assert_non_null(s);
        size_t n = g->dims[0], rows = g->dims[1] * g->dims[2], bytes;
        assert_false(dtype_row_bytes(dt, n, &bytes));
        const unsigned char *src = f.map.data + f.data + s->offset;
        const unsigned char *gold = q.map.data + q.data + g->offset;
        for (size_t r = 0; r < rows; r++) {
            float x[4096];
            memcpy(x, src + r * n * sizeof *x, n * sizeof *x);
            compare_row(&t, dt, x, gold + r * bytes, n);
        }
    }
    assert_true(t.blocks > 0);
    printf("%-7s %6zu blocks, %.2f%% identical; rms error %.6f%% (reference %.6f%%)\n", type,
           t.blocks, 100.0 * (double)t.same / (double)t.blocks, 100 * sqrt(t.ours / t.power),
           100 * sqrt(t.theirs / t.power));
    file_map_close(&f.map);
    file_map_close(&q.map);
    assert_true(t.same == t.blocks);
    assert_true(t.ours <= t.theirs);
}

#define CASES(X)        \
    X(F16, "F16")       \
    X(BF16, "BF16")     \
    X(Q8_0, "Q8_0")     \
    X(Q4_0, "Q4_0")     \
    X(Q4_1, "Q4_1")     \
    X(Q5_0, "Q5_0")     \
    X(Q5_1, "Q5_1")     \
    X(Q2_K, "Q2_K")     \
    X(Q3_K, "Q3_K_M")   \
    X(Q4_K, "Q4_K_M")   \
    X(Q5_K, "Q5_K_M")   \
    X(Q6_K, "Q6_K")     \
    X(IQ4_NL, "IQ4_NL") \
    X(IQ4_XS, "IQ4_XS")

#define X(type, suffix)                       \
    static void bytes_of_##type(void **state) \
    {                                         \
        (void)state;                          \
        compare_file(#type, suffix);          \
    }
CASES(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(type, suffix) cmocka_unit_test(bytes_of_##type),
        CASES(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
