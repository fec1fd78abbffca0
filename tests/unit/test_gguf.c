/* GGUF: what is written is read back; every damaged field has its sentence; no damage at any byte
 * crashes or asks for memory the file does not justify. */
#include "../test.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "format/gguf_read.h"
#include "format/gguf_write.h"

static char dir[] = "/tmp/tarn-gguf-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Two keys' worth of everything, three tensors. */
static void put_all(struct gguf_writer *w)
{
    static const uint64_t matrix[] = {32, 3}, vector[] = {5}, stack[] = {256, 2, 2};
    gguf_put_str(w, "general.architecture", span_of("llama"));
    gguf_put_u32(w, "u", 4000000000u);
    gguf_put_i32(w, "i", -7);
    gguf_put_f32(w, "f", 2.5f);
    gguf_put_bool(w, "b", true);
    gguf_put_array(w, "strings", GGUF_STRING, 3);
    gguf_elem_str(w, span_of("one"));
    gguf_elem_str(w, span_of(""));
    gguf_elem_str(w, span_of("three"));
    gguf_put_array(w, "ints", GGUF_I32, 2);
    gguf_elem_i32(w, -1);
    gguf_elem_i32(w, 9);
    gguf_put_array(w, "floats", GGUF_F32, 2);
    gguf_elem_f32(w, 0.5f);
    gguf_elem_f32(w, -3);
    gguf_add_tensor(w, "m", DT_Q8_0, 2, matrix);
    gguf_add_tensor(w, "v", DT_F32, 1, vector);
    gguf_add_tensor(w, "stack", DT_Q4_K, 3, stack);
}

enum { DATA = 3 * 34 + 5 * 4 + 4 * 144 };

static void fill(unsigned char *p)
{
    for (size_t i = 0; i < DATA; i++) p[i] = (unsigned char)(i * 7 + 1);
}

static void write_small(const char *path, uint64_t split, size_t piece)
{
    struct gguf_writer *w;
    struct err e;
    unsigned char data[DATA];
    fill(data);
    must(gguf_writer_create(&w, path, split, &e));
    put_all(w);
    for (size_t at = 0; at < DATA; at += piece)
        must(gguf_write_data(w, data + at, DATA - at < piece ? DATA - at : piece, &e));
    must(gguf_writer_commit(w, &e));
    gguf_writer_free(w);
}

static void check_small(const struct gguf *g)
{
    struct err e;
    int64_t i = 0;
    double f = 0;
    bool b = false;
    struct span s;
    const struct gguf_kv *kv;
    unsigned char data[DATA];
    fill(data);
    must(gguf_get_str(g, "general.architecture", &s, &e));
    assert_true(span_is(s, "llama"));
    must(gguf_get_i64(g, "u", 0, UINT32_MAX, &i, &e));
    assert_int_equal(i, 4000000000u);
    must(gguf_get_i64(g, "i", -10, 10, &i, &e));
    assert_int_equal(i, -7);
    must(gguf_get_f64(g, "f", &f, &e));
    assert_true(f == 2.5);
    must(gguf_get_f64(g, "i", &f, &e));
    assert_true(f == -7);
    must(gguf_get_bool_opt(g, "b", &b, &e));
    assert_true(b);
    must(gguf_get_array_opt(g, "strings", GGUF_STRING, &kv, &e));
    struct gguf_strings it = gguf_strings(kv);
    static const char *const want[] = {"one", "", "three"};
    for (size_t n = 0; n < 3; n++) {
        assert_true(gguf_next_string(&it, &s));
        assert_true(span_is(s, want[n]));
    }
    assert_false(gguf_next_string(&it, &s));
    must(gguf_get_array_opt(g, "ints", GGUF_I64, &kv, &e));
    assert_true(kv->n == 2 && gguf_elem_i64(kv, 0) == -1 && gguf_elem_i64(kv, 1) == 9);
    must(gguf_get_array_opt(g, "floats", GGUF_F32, &kv, &e));
    assert_true(gguf_elem_f64(kv, 0) == 0.5 && gguf_elem_f64(kv, 1) == -3);
    must(gguf_get_array_opt(g, "absent", GGUF_F32, &kv, &e));
    assert_null(kv);
    assert_int_equal(gguf_n_tensor(g), 3);
    const struct gguf_tensor *t = gguf_find_tensor(g, span_of("stack"));
    assert_true(t && t->dtype == DT_Q4_K && t->n_dim == 3 && t->dim[0] == 256 &&
                t->dim[2] == 2);
    assert_int_equal(t->bytes, 576);
    assert_memory_equal(t->data, data + 3 * 34 + 20, 576);
    t = gguf_find_tensor(g, span_of("m"));
    assert_memory_equal(t->data, data, 3 * 34);
    t = gguf_find_tensor(g, span_of("v"));
    assert_memory_equal(t->data, data + 3 * 34, 20);
    assert_int_equal(t->offset % 32, 0);
    assert_null(gguf_find_tensor(g, span_of("w")));
}

static void round_trip(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    int64_t live = mem_live_blocks();
    for (size_t piece = 1; piece <= DATA; piece += 173) {
        const char *path = in_dir("small.gguf");
        write_small(path, 0, piece);
        must(gguf_open(&g, path, &e));
        assert_int_equal(gguf_version(g), 3);
        check_small(g);
        gguf_close(g);
    }
    assert_int_equal(mem_live_blocks(), live);
}

static void split_set(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    char name[64];
    write_small(in_dir("set.gguf"), 200, 64);
    for (int i = 1; i <= 2; i++) { /* 128 + 32 bytes, then 576 */
        snprintf(name, sizeof name, "set-%05d-of-00002.gguf", i);
        must(gguf_open(&g, in_dir(name), &e));
        assert_int_equal(gguf_n_shard(g), 2);
        check_small(g);
        assert_int_equal(gguf_find_tensor(g, span_of("stack"))->shard, 1);
        gguf_close(g);
    }
    /* a set that is not complete, or renamed */
    char a[256], b[256];
    snprintf(a, sizeof a, "%s", in_dir("set-00002-of-00002.gguf"));
    snprintf(b, sizeof b, "%s", in_dir("moved.gguf"));
    assert_int_equal(rename(a, b), 0);
    must_fail(gguf_open(&g, in_dir("set-00001-of-00002.gguf"), &e), ERR_NOT_FOUND,
              "file 2 of 2");
    must_fail(gguf_open(&g, b, &e), ERR_FORMAT, "split.no is not 0");
    snprintf(a, sizeof a, "%s", in_dir("set-00001-of-00002.gguf"));
    snprintf(b, sizeof b, "%s", in_dir("first.gguf"));
    assert_int_equal(rename(a, b), 0);
    must_fail(gguf_open(&g, b, &e), ERR_FORMAT, "split.count is 2");
    must_fail(gguf_open(&g, in_dir("x-00003-of-00002.gguf"), &e), ERR_FORMAT,
              "no place in a set");
}

/* ---- damage ------------------------------------------------------------------------------- */

static unsigned char file[8192];
static size_t file_size_bytes;

static void load_small(void)
{
    const char *path = in_dir("small.gguf");
    write_small(path, 0, DATA);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    file_size_bytes = fread(file, 1, sizeof file, f);
    fclose(f);
}

static size_t find(const char *text, size_t n)
{
    for (size_t i = 0; i + n <= file_size_bytes; i++)
        if (memcmp(file + i, text, n) == 0) return i;
    fail_msg("%s is not in the file", text);
    return 0;
}

static void put32(size_t at, uint32_t v)
{
    memcpy(file + at, &v, 4);
}

static void put64(size_t at, uint64_t v)
{
    memcpy(file + at, &v, 8);
}

static void damaged_fields(void **state)
{
    (void)state;
    /* place: a text in the file and a distance from its end; value of 4 or 8 bytes */
    static const struct {
        const char *after;
        int at, bytes;
        uint64_t value;
        enum err_code code;
        const char *text;
    } damage[] = {
        {NULL, 0, 4, 0x46554746, ERR_FORMAT, "not a GGUF file"},
        {NULL, 4, 4, 1, ERR_UNSUPPORTED, "GGUF version 1"},
        {NULL, 4, 4, 4, ERR_UNSUPPORTED, "GGUF version 4"},
        {NULL, 4, 4, 0x03000000, ERR_UNSUPPORTED, "big-endian"},
        {NULL, 8, 8, 1ull << 60, ERR_FORMAT, "tensors, the file has room for"},
        {NULL, 8, 8, 4, ERR_FORMAT, ""},
        {NULL, 16, 8, 1ull << 60, ERR_FORMAT, "keys, the file has room for"},
        {NULL, 16, 8, 9, ERR_FORMAT, ""},
        {NULL, 24, 8, 1ull << 63, ERR_FORMAT, "the key at byte 32"},
        {NULL, 24, 8, 0, ERR_FORMAT, "key 0 has 0 bytes"},
        {"general.architecture", 0, 4, 13, ERR_FORMAT, "key general.architecture"},
        {"general.architecture", 4, 8, UINT64_MAX, ERR_FORMAT, "key general.architecture"},
        {"strings", 4, 4, 99, ERR_FORMAT, "the array type at byte"},
        {"strings", 8, 8, 1ull << 61, ERR_FORMAT, "key strings"},
        {"strings", 16, 8, 1ull << 62, ERR_FORMAT, "key strings"},
        {"ints", 4, 4, GGUF_ARRAY, ERR_FORMAT, "key ints"},
        {"ints", 8, 8, UINT64_MAX / 2, ERR_FORMAT, "key ints"},
        {"stack", 0, 4, 0, ERR_FORMAT, "tensor stack has 0 dimensions"},
        {"stack", 0, 4, 5, ERR_FORMAT, "tensor stack has 5 dimensions"},
        {"stack", 4, 8, 255, ERR_FORMAT, "not whole blocks of Q4_K"},
        {"stack", 4, 8, 0, ERR_FORMAT, "a dimension is 0"},
        {"stack", 12, 8, 1ull << 63, ERR_FORMAT, "too large"},
        {"stack", 12, 8, 1ull << 54, ERR_FORMAT, "cut off or damaged"},
        {"stack", 12, 8, 1ull << 57, ERR_FORMAT, "size in bytes is too large"},
        {"stack", 28, 4, 4, ERR_UNSUPPORTED, "has type 4, which is not read here"},
        {"stack", 28, 4, 1000, ERR_UNSUPPORTED, "has type 1000"},
        {"stack", 28, 4, 0x7fffffff, ERR_UNSUPPORTED, "which is not read here"},
        {"stack", 32, 8, 161, ERR_FORMAT, "no multiple of the alignment"},
        {"stack", 32, 8, 128, ERR_FORMAT, "overlap"},
        {"stack", 32, 8, 1ull << 40, ERR_FORMAT, "the file is cut off or damaged"},
        {"stack", 32, 8, UINT64_MAX - 31, ERR_FORMAT, "cut off or damaged"},
        {"stack", -13, 8, 1ull << 33, ERR_FORMAT, "the tensor name at byte"},
        {"stack", -13, 8, 65, ERR_FORMAT, "a tensor name has 65 bytes"},
    };
    struct gguf *g;
    struct err e;
    for (size_t i = 0; i < countof(damage); i++) {
        load_small();
        const char *after = damage[i].after;
        size_t at = after ? find(after, strlen(after)) + strlen(after) : 0;
        at += (size_t)damage[i].at;
        if (damage[i].bytes == 4)
            put32(at, (uint32_t)damage[i].value);
        else
            put64(at, damage[i].value);
        (void)mem_largest();
        must_fail(gguf_open_bytes(&g, file, file_size_bytes, "x", &e), damage[i].code,
                  damage[i].text);
        assert_true(mem_largest() <= 65536);
    }
}

static void twice(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    load_small();
    memcpy(file + find("floats", 6) + 1 - 1, "string", 6); /* another name of the same length */
    must(gguf_open_bytes(&g, file, file_size_bytes, "x", &e));
    gguf_close(g);
    load_small();
    size_t u = find("\x01\0\0\0\0\0\0\0u", 9) + 8;
    file[u] = 'i';
    must_fail(gguf_open_bytes(&g, file, file_size_bytes, "x", &e), ERR_FORMAT,
              "key i is there twice");
    load_small();
    file[find("\x01\0\0\0\0\0\0\0v", 9) + 8] = 'm';
    must_fail(gguf_open_bytes(&g, file, file_size_bytes, "x", &e), ERR_FORMAT,
              "tensor m is there twice");
    load_small();
    file[find("\x01\0\0\0\0\0\0\0b", 9) + 13] = 2;
    must_fail(gguf_open_bytes(&g, file, file_size_bytes, "x", &e), ERR_FORMAT,
              "a bool has the value 2");
}

static void every_truncation(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    load_small();
    int64_t live = mem_live_blocks();
    for (size_t n = 0; n < file_size_bytes; n++) {
        unsigned char *copy =
            mem_alloc(n); /* its own block, so that asan sees a step too far */
        memcpy(copy, file, n);
        (void)mem_largest();
        int rc = gguf_open_bytes(&g, copy, n, "x", &e);
        assert_true(mem_largest() <= 16 * n + 1024);
        /* zeros behind the last tensor may be missing */
        if (rc == 0 && n + 32 <= file_size_bytes) fail_msg("%zu bytes were taken", n);
        if (rc == 0) gguf_close(g);
        mem_free(copy);
    }
    assert_int_equal(mem_live_blocks(), live);
}

static void every_byte_changed(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    load_small();
    for (size_t i = 0; i < file_size_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            file[i] ^= (unsigned char)(1 << bit);
            (void)mem_largest();
            if (gguf_open_bytes(&g, file, file_size_bytes, "x", &e) == 0) gguf_close(g);
            assert_true(mem_largest() <= 16 * file_size_bytes + 1024);
            file[i] ^= (unsigned char)(1 << bit);
        }
}

static void typed_errors(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e;
    int64_t i;
    double f;
    bool b;
    struct span s;
    const struct gguf_kv *kv;
    load_small();
    must(gguf_open_bytes(&g, file, file_size_bytes, "x", &e));
    must_fail(gguf_get_i64(g, "n", 0, 1, &i, &e), ERR_FORMAT, "x: key n is missing");
    must_fail(gguf_get_i64(g, "f", 0, 1, &i, &e), ERR_FORMAT,
              "key f is of type f32 where an integer");
    must_fail(gguf_get_i64(g, "u", 0, 9, &i, &e), ERR_FORMAT,
              "key u is 4000000000, allowed is 0 to 9");
    must_fail(gguf_get_f64(g, "b", &f, &e), ERR_FORMAT, "where a number");
    must_fail(gguf_get_bool_opt(g, "u", &b, &e), ERR_FORMAT, "where a bool");
    must_fail(gguf_get_str(g, "u", &s, &e), ERR_FORMAT, "where a string");
    must_fail(gguf_get_array_opt(g, "u", GGUF_I64, &kv, &e), ERR_FORMAT, "where an array");
    must_fail(gguf_get_array_opt(g, "strings", GGUF_I64, &kv, &e), ERR_FORMAT,
              "an integer type");
    must_fail(gguf_get_array_opt(g, "ints", GGUF_F32, &kv, &e), ERR_FORMAT,
              "array of i32 where f32");
    struct buf text;
    buf_init(&text, 4096);
    for (size_t k = 0; k < gguf_n_kv(g); k++) {
        gguf_value_text(gguf_kv_at(g, k), &text);
        buf_add_char(&text, '\n');
    }
    assert_string_equal(buf_str(&text),
                        "\"llama\"\n4000000000\n-7\n2.5\ntrue\n"
                        "3 x string [\"one\", \"\", \"three\"]\n2 x i32 [-1, 9]\n"
                        "2 x f32 [0.5, -3]\n");
    buf_release(&text);
    gguf_close(g);
}

static void writer_faults(void **state)
{
    (void)state;
    static const uint64_t odd[] = {33};
    struct gguf_writer *w;
    struct err e;
    const char *path = in_dir("bad.gguf");
    char keep[256];
    snprintf(keep, sizeof keep, "%s", path);
    must(gguf_writer_create(&w, keep, 0, &e));
    gguf_put_u32(w, "a", 1);
    gguf_put_u32(w, "a", 1);
    must_fail(gguf_writer_commit(w, &e), ERR_BUG, "a key is put twice: a");
    gguf_writer_free(w);
    must(gguf_writer_create(&w, keep, 0, &e));
    gguf_add_tensor(w, "t", DT_Q8_0, 1, odd);
    must_fail(gguf_write_data(w, "x", 1, &e), ERR_FORMAT, "tensor t");
    gguf_writer_free(w);
    must(gguf_writer_create(&w, keep, 0, &e));
    gguf_add_tensor(w, "t", DT_F8_E4M3, 1, odd);
    must_fail(gguf_write_data(w, "x", 1, &e), ERR_UNSUPPORTED,
              "no number for the type of tensor t");
    gguf_writer_free(w);
    must(gguf_writer_create(&w, keep, 0, &e));
    gguf_add_tensor(w, "t", DT_F32, 1, odd);
    must(gguf_write_data(w, "x", 1, &e));
    must_fail(gguf_writer_commit(w, &e), ERR_BUG, "data of tensor t is not complete");
    gguf_writer_free(w);
    assert_false(file_exists(keep));
    must_fail(gguf_writer_create(&w, "name", 100, &e), ERR_USAGE, "ends in .gguf");
}

/* A file of 10 GB (a hole in it) opens at once. */
static void large_file_opens_fast(void **state)
{
    (void)state;
    static const uint64_t dim[] = {4096, 4096};
    struct gguf_writer *w;
    struct gguf *g;
    struct err e;
    char path[256];
    snprintf(path, sizeof path, "%s", in_dir("large.gguf"));
    must(gguf_writer_create(&w, path, 0, &e));
    gguf_put_array(w, "tokens", GGUF_STRING, 150000);
    for (int i = 0; i < 150000; i++) gguf_elem_str(w, span_of("token"));
    for (int i = 0; i < 160; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%d", i);
        gguf_add_tensor(w, name, DT_F32, 2, dim);
    }
    /* the header alone, then the length */
    char tmp[300];
    must(gguf_write_data(w, "", 0, &e));
    snprintf(tmp, sizeof tmp, "%s.tmp-%ld", path, (long)getpid());
    uint64_t bytes = gguf_data_bytes(w);
    char *map = mem_alloc(8 << 20);
    must(gguf_write_data(w, map, 8 << 20, &e)); /* flushes what stdio holds of the header */
    mem_free(map);
    assert_int_equal(link(tmp, path), 0);
    gguf_writer_free(w);
    assert_int_equal(truncate(path, (off_t)(bytes + (16 << 20))), 0);
    int64_t start = clock_ns();
    must(gguf_open(&g, path, &e));
    double s = ns_to_s(clock_ns() - start);
    gguf_close(g);
    unlink(path);
    print_message("opening took %.3f s\n", s);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const name[] = {"small.gguf", "moved.gguf", "first.gguf"};
    for (size_t i = 0; i < countof(name); i++) unlink(in_dir(name[i]));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(split_set),
        cmocka_unit_test(damaged_fields),
        cmocka_unit_test(twice),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(typed_errors),
        cmocka_unit_test(writer_faults),
        cmocka_unit_test(large_file_opens_fast),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
