/* The small services of base/: errors, buffers, arenas, maps, random numbers, UTF-8, sizes. */
#include "../test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/utf8.h"

#include <unistd.h>

static void test_err(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_FORMAT, "bad %s\n\x01", "thing"), -1);
    assert_string_equal(e.msg, "bad thing??");
    assert_int_equal(err_wrap(&e, "file %d", 7), -1);
    assert_string_equal(e.msg, "file 7: bad thing??");
    assert_int_equal(e.code, ERR_FORMAT);
    assert_int_equal(err_exit_status(ERR_FORMAT), 4);
    assert_int_equal(err_exit_status(ERR_CANCELLED), 130);
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), -1);
    /* A message longer than the buffer is cut at a whole character. */
    char longer[2000];
    for (size_t i = 0; i + 1 < sizeof longer; i += 2) memcpy(longer + i, "\xc3\xa9", 2);
    longer[sizeof longer - 1] = 0;
    err_set(&e, ERR_IO, "%s", longer);
    assert_int_equal(utf8_valid_prefix(e.msg, strlen(e.msg)), strlen(e.msg));
    err_set(&e, ERR_IO, "x%s", longer);
    assert_int_equal(utf8_valid_prefix(e.msg, strlen(e.msg)), strlen(e.msg));
}

static void test_buf(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    buf_init(&b, 10);
    buf_add_str(&b, "12345");
    buf_printf(&b, "%d", 67890);
    must(buf_ok(&b, "text", &e));
    assert_string_equal(buf_str(&b), "1234567890");
    buf_add_char(&b, 'x'); /* over the cap: nothing changes but the mark */
    assert_true(b.failed);
    assert_int_equal(b.len, 10);
    must_fail(buf_ok(&b, "text", &e), ERR_LIMIT, "limit of 10 bytes");
    buf_clear(&b);
    buf_add_json(&b, span_of("a\"\n"));
    assert_string_equal(buf_str(&b), "\"a\\\"\\n\"");
    buf_clear(&b);
    buf_add_json(&b, (struct span){"\xff", 1});
    assert_string_equal(buf_str(&b), "\"\xef\xbf\xbd\"");
    buf_release(&b);
    assert_int_equal(span_find(span_of("abcabd"), 0, span_of("abd")), 3);
    assert_true(span_find(span_of("abcabd"), 4, span_of("abd")) == (size_t)-1);
    assert_true(span_find(span_of("ab"), 0, span_of("abc")) == (size_t)-1);
}

static void test_arena(void **state)
{
    (void)state;
    struct err e;
    struct arena a;
    int64_t live = mem_live_blocks();
    arena_init(&a, 256, 4096);
    struct arena_mark m = arena_mark(&a);
    for (int i = 0; i < 20; i++) {
        unsigned char *p = arena_alloc(&a, 100);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, i, 100);
    }
    assert_null(arena_alloc(&a, 4096)); /* over the cap */
    arena_rewind(&a, m);
    assert_int_equal(a.used, 0);
    assert_int_equal(a.total, 0);
    arena_release(&a);
    must(arena_init_fixed(&a, 1024, &e));
    assert_non_null(arena_alloc(&a, 1000));
    assert_null(arena_alloc(&a, 64));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1024));
    arena_release(&a);
    assert_int_equal(mem_live_blocks(), live);
}

static void test_mem_failure(void **state)
{
    (void)state;
    mem_fail_at(2);
    void *p = mem_alloc(8), *q = mem_alloc(8), *r = mem_alloc(8);
    assert_non_null(p);
    assert_null(q);
    assert_true(mem_fail_fired());
    mem_fail_at(0);
    mem_free(p);
    mem_free(r);
    assert_null(mem_calloc(SIZE_MAX / 2, 4));
}

static void test_map(void **state)
{
    (void)state;
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < 5000; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "key %llu", (unsigned long long)i);
        assert_true(map_put(&m, (struct span){key, (size_t)n}, i));
    }
    assert_true(map_put(&m, span_of("key 7"), 77));
    assert_int_equal(map_get(&m, span_of("key 7")), 77);
    assert_int_equal(map_get(&m, span_of("key 4999")), 4999);
    assert_true(map_get(&m, span_of("key 5000")) == MAP_NONE);
    assert_int_equal(m.n, 5000);
    map_release(&m);
}

/* map64 against an array, with deletions. */
static void test_map64(void **state)
{
    (void)state;
    enum { KEYS = 600, ROUNDS = 20000 };
    uint64_t want[KEYS];
    memset(want, 0xff, sizeof want);
    struct map64 m;
    map64_init(&m);
    struct rng r = rng_init(1, 2);
    size_t n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t k = rng_below(&r, KEYS);
        if (rng_below(&r, 3) == 0) {
            assert_int_equal(map64_del(&m, k * 64), want[k] != MAP_NONE);
            n -= want[k] != MAP_NONE;
            want[k] = MAP_NONE;
        } else {
            n += want[k] == MAP_NONE;
            want[k] = (uint64_t)i;
            assert_true(map64_put(&m, k * 64, want[k]));
        }
        assert_int_equal(m.n, n);
        uint64_t probe = rng_below(&r, KEYS);
        assert_true(map64_get(&m, probe * 64) == want[probe]);
    }
    for (uint64_t k = 0; k < KEYS; k++) assert_true(map64_get(&m, k * 64) == want[k]);
    map64_release(&m);
}

/* Philox-4x32-10 known answers: counter and key all zero, and all ones (Random123's kat_vectors:
 * 6627e8d5 e169c58d ..., 408f276d 41c83b0e ...). rng_at gives the second word above the first. */
static void test_rng(void **state)
{
    (void)state;
    assert_true(rng_at(0, 0, 0) == 0xe169c58d6627e8d5u);
    assert_true(rng_at(UINT64_MAX, UINT64_MAX, UINT64_MAX) == 0x41c83b0e408f276du);
    struct rng r = rng_init(42, 1);
    int64_t count[7] = {0};
    for (int i = 0; i < 70000; i++) count[rng_between(&r, -3, 3) + 3]++;
    for (int i = 0; i < 7; i++) assert_in_range(count[i], 9600, 10400);
    double sum = 0, sum2 = 0;
    for (int i = 0; i < 100000; i++) {
        double x = rng_normal(&r);
        sum += x;
        sum2 += x * x;
    }
    assert_true(fabs(sum / 1e5) < 0.02);
    assert_true(fabs(sum2 / 1e5 - 1) < 0.02);
}

static void test_utf8(void **state)
{
    (void)state;
    /* every code point round-trips; surrogates do not exist */
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char c[4];
        size_t n = utf8_encode(cp, c), len;
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        uint32_t back = utf8_decode(c, n, &len);
        assert_int_equal(len, n);
        assert_int_equal(back, surrogate ? 0xfffd : cp);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(utf8_seq_len(c, cut), 0);
            assert_int_equal(utf8_incomplete_tail(c, cut), cut);
        }
        assert_int_equal(utf8_incomplete_tail(c, n), 0);
    }
    static const char *const invalid[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff"};
    for (size_t i = 0; i < countof(invalid); i++) {
        assert_int_equal(utf8_seq_len(invalid[i], strlen(invalid[i])), 0);
        assert_int_equal(utf8_valid_prefix(invalid[i], strlen(invalid[i])), 0);
    }
}

static void test_size(void **state)
{
    (void)state;
    size_t n;
    assert_true(size_mul(SIZE_MAX, 2, &n));
    assert_false(size_mul(3, 4, &n));
    assert_int_equal(n, 12);
    assert_true(size_round_up(SIZE_MAX - 1, 64, &n));
    assert_false(size_round_up(65, 64, &n));
    assert_int_equal(n, 128);
}

static void test_hash(void **state)
{
    (void)state;
    struct sha256 *h = sha256_create();
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX];
    assert_non_null(h);
    sha256_add(h, "a", 1);
    sha256_add(h, "bc", 2);
    sha256_finish(h, d);
    sha256_hex(d, hex); /* FIPS 180-2, appendix B.1 */
    assert_string_equal(hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_json(void **state)
{
    (void)state;
    struct err e;
    json_t *j =
        json_parse(span_of("{\"n\":5,\"f\":131072.0,\"s\":\"x\",\"z\":null}"), "t.json", &e);
    assert_non_null(j);
    int64_t n = 0;
    double f;
    struct span s;
    must(json_get_i64(j, "n", 0, 10, &n, "t.json", &e));
    assert_int_equal(n, 5);
    must(json_get_i64(j, "f", 0, 1 << 20, &n, "t.json", &e));
    assert_int_equal(n, 131072);
    must_fail(json_get_i64(j, "n", 6, 10, &n, "t.json", &e), ERR_FORMAT,
              "\"n\" is 5, allowed is 6 to 10");
    must_fail(json_get_f64(j, "s", &f, "t.json", &e), ERR_FORMAT,
              "\"s\" is a string where a number");
    must_fail(json_get_str(j, "z", &s, "t.json", &e), ERR_FORMAT, "\"z\" is missing");
    must(json_get_str_opt(j, "z", &s, "t.json", &e));
    json_decref(j);
    assert_null(json_parse(span_of("{\"a\":1,\"a\":2}"), "t.json", &e));
    assert_non_null(strstr(e.msg, "duplicate"));
    assert_null(json_parse(span_of("{} x"), "t.json", &e));
    char deep[5000];
    memset(deep, '[', sizeof deep);
    assert_null(json_parse((struct span){deep, sizeof deep}, "t.json", &e));
}

static void test_opt(void **state)
{
    (void)state;
    struct err e;
    bool flag = true;
    int64_t n = 0;
    double x = 0;
    const char *s = NULL;
    struct opt_list list = {.n = 0};
    const struct opt table[] = {{"flag", 'f', OPT_FLAG, &flag, NULL, "", 0, 0},
                                {"count", 'n', OPT_INT, &n, "N", "", 1, 1 << 20},
                                {"real", 0, OPT_REAL, &x, "X", "", 0, 0},
                                {"str", 0, OPT_STR, &s, "S", "", 0, 0},
                                {"add", 0, OPT_LIST, &list, "A", "", 0, 0},
                                {.type = OPT_END}};
    const struct opt *const tables[] = {table, NULL};
    char a[][16] = {"one", "--no-flag", "-n",    "32k", "--real=0.5", "-",     "--str",
                    "v",   "--add=1",   "--add", "2",   "--",         "--flag"};
    char *argv[countof(a)];
    for (size_t i = 0; i < countof(a); i++) argv[i] = a[i];
    int argc = (int)countof(a);
    must(opt_parse(tables, &argc, argv, &e));
    assert_int_equal(argc, 3);
    assert_string_equal(argv[0], "one");
    assert_string_equal(argv[1], "-");
    assert_string_equal(argv[2], "--flag");
    assert_false(flag);
    assert_int_equal(n, 32768);
    assert_true(x == 0.5);
    assert_string_equal(s, "v");
    assert_int_equal(list.n, 2);
    char bad[][16] = {"--nope", "--count", "--count=x", "--count=0", "--flag=1", "--count=2G"};
    static const char *const why[] = {"no option --nope",     "needs a value",
                                      "needs a whole number", "allowed is 1 to",
                                      "takes no value",       "allowed is 1 to"};
    for (size_t i = 0; i < countof(bad); i++) {
        char *one[] = {bad[i]};
        argc = 1;
        must_fail(opt_parse(tables, &argc, one, &e), ERR_USAGE, why[i]);
    }
}

static void test_file(void **state)
{
    (void)state;
    struct err e;
    char dir[] = "/tmp/tarn-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = file_join(dir, "f");
    must(file_replace(path, "old", 3, &e));
    struct file_writer w;
    must(file_replace_open(&w, path, &e));
    file_replace_write(&w, "new!", 4);
    file_replace_abort(&w); /* nothing happened */
    struct file_map m;
    must(file_map_open(&m, path, &e));
    assert_memory_equal(m.data, "old", 3);
    assert_true(file_map_intact(&m));
    assert_int_equal(truncate(path, 1), 0);
    assert_false(file_map_intact(&m));
    file_map_close(&m);
    must_fail(file_map_open(&m, dir, &e), ERR_IO, "not a regular file");
    remove(path);
    must_fail(file_map_open(&m, path, &e), ERR_NOT_FOUND, "No such file");
    mem_free(path);
    path = file_join(dir, "a/b/c");
    must(file_make_dirs(path, &e));
    assert_true(file_is_dir(path));
    mem_free(path);
    must_fail(file_replace("/proc/nowhere/x", "x", 1, &e), ERR_NOT_FOUND, "cannot write");
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -r %s", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err),   cmocka_unit_test(test_buf),
        cmocka_unit_test(test_arena), cmocka_unit_test(test_mem_failure),
        cmocka_unit_test(test_map),   cmocka_unit_test(test_map64),
        cmocka_unit_test(test_rng),   cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_size),  cmocka_unit_test(test_hash),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_opt),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
