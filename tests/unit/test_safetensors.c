/* safetensors: files and sets there and back, a sentence for every wrong header, no crash and no
 * unjustified memory for any cut or changed byte. */
#include "../test.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "format/safetensors.h"

static char dir[] = "/tmp/tarn-st-XXXXXX";

enum { BYTES = 24 + 6 + 4 + 0 };

static void write_set(uint64_t split, size_t piece)
{
    struct safetensors_writer *w;
    struct err e;
    char data[BYTES];
    for (size_t i = 0; i < BYTES; i++) data[i] = (char)(i + 1);
    must(safetensors_writer_create(&w, dir, "model", split, &e));
    must(safetensors_put_meta(w, "format", span_of("p\"t"), &e));
    must(safetensors_add(w, "a.weight", DT_F32, 2, (uint64_t[]){2, 3}, &e));
    must(safetensors_add(w, "b", DT_BF16, 1, (uint64_t[]){3}, &e));
    must(safetensors_add(w, "empty", DT_F16, 1, (uint64_t[]){0}, &e));
    must(safetensors_add(w, "scalar", DT_I32, 0, NULL, &e));
    for (size_t i = 0; i < BYTES; i += piece)
        must(safetensors_write_data(w, data + i, BYTES - i < piece ? BYTES - i : piece, &e));
    must(safetensors_writer_commit(w, &e));
    safetensors_writer_free(w);
}

static void check_set(const struct safetensors *s)
{
    const struct safetensors_tensor *a = safetensors_find(s, span_of("a.weight"));
    const struct safetensors_tensor *b = safetensors_find(s, span_of("b"));
    const struct safetensors_tensor *z = safetensors_find(s, span_of("empty"));
    const struct safetensors_tensor *n = safetensors_find(s, span_of("scalar"));
    assert_true(a && b && z && n);
    assert_true(a->dtype == DT_F32 && a->n_dim == 2 && a->dim[0] == 2 && a->dim[1] == 3);
    assert_true(a->bytes == 24 && a->data[0] == 1 && a->data[23] == 24);
    assert_true(b->dtype == DT_BF16 && b->bytes == 6 && b->data[0] == 25);
    assert_true(z->bytes == 0 && z->dim[0] == 0);
    assert_true(n->n_dim == 0 && n->bytes == 4 && n->data[3] == 34);
    assert_null(safetensors_find(s, span_of("__metadata__")));
    assert_int_equal(safetensors_n_tensor(s), 4);
}

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void clean(void)
{
    static const char *const name[] = {"model.safetensors", "model.safetensors.index.json",
                                       "model-00001-of-00002.safetensors",
                                       "model-00002-of-00002.safetensors"};
    for (size_t i = 0; i < countof(name); i++) unlink(in_dir(name[i]));
}

static void round_trip(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err e;
    int64_t live = mem_live_blocks();
    for (size_t piece = 1; piece <= BYTES; piece += 11) {
        write_set(0, piece);
        must(safetensors_open(&s, dir, &e));
        check_set(s);
        safetensors_close(s);
        must(safetensors_open(&s, in_dir("model.safetensors"), &e));
        check_set(s);
        assert_non_null(safetensors_map(s, 0));
        safetensors_close(s);
    }
    clean();
    assert_int_equal(mem_live_blocks(), live);
}

static void put_file(const char *name, const char *text)
{
    struct err e;
    must(file_replace(in_dir(name), text, strlen(text), &e));
}

static void sets(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err e;
    write_set(28, 7); /* 24 bytes, then the rest */
    must(safetensors_open(&s, dir, &e));
    assert_int_equal(safetensors_n_file(s), 2);
    check_set(s);
    assert_int_equal(safetensors_find(s, span_of("a.weight"))->file, 0);
    assert_int_equal(safetensors_find(s, span_of("b"))->file, 1);
    safetensors_close(s);
    static const struct {
        const char *index, *want;
    } bad[] = {
        {"{", "line 1"},
        {"{\"weight_map\": {}}", "no object with entries"},
        {"{\"weight_map\": {\"a.weight\": 3}}", "no plain file name"},
        {"{\"weight_map\": {\"a.weight\": \"../x\"}}", "no plain file name"},
        {"{\"weight_map\": {\"a.weight\": \"/etc/passwd\"}}", "no plain file name"},
        {"{\"weight_map\": {\"c\": \"model-00001-of-00002.safetensors\"}}",
         "tensor c is not in model-00001-of-00002.safetensors"},
        {"{\"weight_map\": {\"b\": \"model-00001-of-00002.safetensors\", \"scalar\": "
         "\"model-00002-of-00002.safetensors\"}}",
         "tensor b is not in model-00001"},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        put_file("model.safetensors.index.json", bad[i].index);
        must_fail(safetensors_open(&s, dir, &e), ERR_FORMAT, bad[i].want);
    }
    put_file("model.safetensors.index.json", "{\"weight_map\": {\"x\": \"gone.safetensors\"}}");
    must_fail(safetensors_open(&s, dir, &e), ERR_NOT_FOUND, "gone.safetensors");
    clean();
    must_fail(safetensors_open(&s, dir, &e), ERR_NOT_FOUND, "holds neither");
}

static int open_text(struct safetensors **s, const char *json, size_t data, struct err *e)
{
    static unsigned char file[4096];
    uint64_t n = strlen(json);
    memcpy(file, &n, 8);
    memcpy(file + 8, json, n);
    memset(file + 8 + n, 7, data);
    return safetensors_open_bytes(s, file, 8 + n + data, "x", e);
}

static void damaged_headers(void **state)
{
    (void)state;
#define ONE(entry) "{\"t\": {" entry "}}"
    static const struct {
        const char *json;
        size_t data;
        enum err_code code;
        const char *want;
    } bad[] = {
        {"[]", 0, ERR_FORMAT, "does not begin with {"},
        {"{]", 0, ERR_FORMAT, "line 1"},
        {"{\"t\": 1}", 0, ERR_FORMAT, "tensor t: the entry is not an object"},
        {ONE("\"shape\":[1],\"data_offsets\":[0,4]"), 4, ERR_FORMAT, "\"dtype\" is no string"},
        {ONE("\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, ERR_UNSUPPORTED,
         "type F4"},
        {ONE("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), 4, ERR_FORMAT,
         "\"shape\" is no array"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4,
         ERR_FORMAT, "at most 8 sizes"},
        {ONE("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), 4, ERR_FORMAT,
         "negative"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]"), 4, ERR_FORMAT,
         "negative or"},
        {ONE("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]"), 4,
         ERR_FORMAT, "too large"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1]"), 4, ERR_FORMAT, "no pair of places"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]"), 4, ERR_FORMAT,
         "no pair of places"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"), 4, ERR_FORMAT,
         "do not hold the 4"},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"), 4, ERR_FORMAT,
         "do not hold the 8"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"), 8, ERR_FORMAT,
         "leave a hole"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 3, ERR_FORMAT,
         "cut off"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 5, ERR_FORMAT,
         "1 bytes of the data belong to no tensor"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, ERR_FORMAT, "overlap"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, ERR_FORMAT, "duplicate"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
         "name has 0 bytes"},
    };
    struct safetensors *s;
    struct err e;
    for (size_t i = 0; i < countof(bad); i++)
        must_fail(open_text(&s, bad[i].json, bad[i].data, &e), bad[i].code, bad[i].want);
    must(open_text(&s, "{}", 0, &e));
    assert_int_equal(safetensors_n_tensor(s), 0);
    safetensors_close(s);
    static const unsigned char huge[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'};
    must_fail(safetensors_open_bytes(&s, huge, 16, "x", &e), ERR_FORMAT, "the header's length");
    must_fail(safetensors_open_bytes(&s, huge, 7, "x", &e), ERR_FORMAT, "too few");
}

static void every_byte(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err e;
    struct buf raw;
    write_set(0, BYTES);
    buf_init(&raw, 1 << 16);
    must(file_read(in_dir("model.safetensors"), &raw, &e));
    clean();
    int64_t live = mem_live_blocks();
    for (size_t n = 0; n < raw.len; n++) {
        unsigned char *copy = mem_alloc(n);
        memcpy(copy, raw.data, n);
        if (safetensors_open_bytes(&s, copy, n, "x", &e) == 0)
            fail_msg("%zu bytes were taken", n);
        mem_free(copy);
    }
    for (size_t i = 0; i < raw.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            raw.data[i] ^= (char)(1 << bit);
            (void)mem_largest();
            if (safetensors_open_bytes(&s, raw.data, raw.len, "x", &e) == 0)
                safetensors_close(s);
            assert_true(mem_largest() <= 65536 + 16 * raw.len);
            raw.data[i] ^= (char)(1 << bit);
        }
    assert_int_equal(mem_live_blocks(), live);
    buf_release(&raw);
}

static void published_files(void **state)
{
    (void)state;
    need_data(tiny, "tiny-llama-bf16/model.safetensors");
    need_data(stories, "stories260K/hf/model.safetensors");
    struct safetensors *s;
    struct err e;
    must(safetensors_open(&s, tiny, &e));
    const struct safetensors_tensor *t = safetensors_find(s, span_of("lm_head.weight"));
    assert_true(t && t->dtype == DT_BF16 && t->dim[0] == 16 && t->dim[1] == 128);
    safetensors_close(s);
    must(safetensors_open(&s, stories, &e));
    t = safetensors_find(s, span_of("model.embed_tokens.weight"));
    assert_true(t && t->dtype == DT_F32 && t->dim[0] == 512 && t->dim[1] == 64);
    safetensors_close(s);
}

static void writer_faults(void **state)
{
    (void)state;
    struct safetensors_writer *w;
    struct err e;
    must(safetensors_writer_create(&w, dir, "bad", 0, &e));
    must_fail(safetensors_add(w, "q", DT_Q8_0, 1, (uint64_t[]){32}, &e), ERR_UNSUPPORTED,
              "cannot hold tensor q of type Q8_0");
    must(safetensors_add(w, "f", DT_F32, 1, (uint64_t[]){2}, &e));
    must(safetensors_write_data(w, "1234", 4, &e));
    must_fail(safetensors_writer_commit(w, &e), ERR_BUG, "data of tensor f is not complete");
    must_fail(safetensors_write_data(w, "12345", 5, &e), ERR_BUG, "more data");
    safetensors_writer_free(w);
    assert_false(file_exists(in_dir("bad.safetensors")));
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    clean();
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(sets),
        cmocka_unit_test(damaged_headers), cmocka_unit_test(every_byte),
        cmocka_unit_test(published_files), cmocka_unit_test(writer_faults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
