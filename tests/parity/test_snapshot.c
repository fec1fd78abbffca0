/* Prefixes from disk: the same bits as computed ones, over a restart and over every cache type; files
 * that are bad, short, foreign or gone are a miss; limits, modes and forgetting hold. */
#include "engine_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int open_dir(void **state)
{
    (void)state;
    return rig_dir(dir) ? 0 : -1;
}

/* Calls f for each file of the directory; returns how many there are. */
static int each(void (*f)(const char *path))
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *de; d && (de = readdir(d));) {
        char path[512];
        if (de->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, de->d_name);
        if (f) f(path);
        n++;
    }
    closedir(d);
    return n;
}

static void remove_file(const char *path)
{
    unlink(path);
}

static int close_dir(void **state)
{
    (void)state;
    each(remove_file);
    return rmdir(dir);
}

static struct engine_opts opts(void)
{
    struct engine_opts o = rig_opts();
    o.snapshots = dir;
    return o;
}

/* One engine's life with one request. Returns the tokens it took from disk. */
static int64_t life(enum tiny which, uint64_t seed, const struct engine_opts *o, int prompt,
                    int n_prompt, struct rig_answer *a)
{
    struct rig g;
    struct engine_stats st;
    rig_open(&g, which, seed, o);
    rig_ask(&g, prompt, n_prompt, a);
    engine_wait(g.engine);
    engine_get_stats(g.engine, &st);
    rig_close(&g);
    return (int64_t)st.restored_tokens;
}

static void test_restart(void **state)
{
    (void)state;
    static const enum tiny which[] = {TINY_QWEN2, TINY_MLA};
    static const enum dtype type[] = {DT_F32, DT_F16, DT_BF16};
    for (size_t m = 0; m < countof(which); m++) {
        for (size_t t = 0; t < countof(type); t++) {
            for (int draft = 0; draft <= 3; draft += 3) {
                struct rig_answer ref, first, again, other, ref_other;
                struct engine_opts o = opts(), none = opts();
                none.snapshots = NULL;
                none.cache_dt = o.cache_dt = type[t];
                o.n_draft = draft;
                o.draft_always = true;
                life(which[m], 5, &none, 3, 100, &ref);
                life(which[m], 5, &none, 4, 130, &ref_other);
                assert_int_equal(life(which[m], 5, &o, 3, 100, &first), 0);
                assert_int_equal(first.counts.cached_tokens, 0);
                assert_int_equal(life(which[m], 5, &o, 3, 100, &again), 96);
                assert_int_equal(again.counts.cached_tokens, 96);
                assert_int_equal(life(which[m], 5, &o, 4, 130, &other), 32);
                rig_same(&ref, &first);
                rig_same(&ref, &again);
                rig_same(&ref_other, &other);
                each(remove_file);
            }
        }
    }
}

/* A conversation goes on: its second half is a file of its own, read with the first. */
static void test_continued(void **state)
{
    (void)state;
    struct rig_answer a, ref;
    struct engine_opts o = opts(), none = opts();
    none.snapshots = NULL;
    life(TINY_MLA, 5, &o, 3, 100, &a);
    int before = each(NULL);
    life(TINY_MLA, 5, &o, 3, 180, &a); /* the same text, longer */
    assert_int_equal(each(NULL), before + 1);
    assert_int_equal(life(TINY_MLA, 5, &o, 3, 200, &a), 176);
    life(TINY_MLA, 5, &none, 3, 200, &ref);
    rig_same(&ref, &a);
}

static void test_foreign(void **state)
{
    (void)state;
    struct rig_answer a, ref;
    struct engine_opts o = opts();
    life(TINY_MLA, 5, &o, 3, 100, &ref);
    assert_int_equal(life(TINY_MLA, 6, &o, 3, 100, &a), 0); /* other weights */
    o.cache_dt = DT_F16;
    assert_int_equal(life(TINY_MLA, 5, &o, 3, 100, &a), 0); /* other numerics */
    o.cache_dt = DT_F32;
    assert_int_equal(life(TINY_MLA, 5, &o, 3, 100, &a), 96);
    rig_same(&ref, &a);

    /* Another group does not get it. */
    struct rig g;
    struct err e;
    struct gen_request r;
    tok_id ids[RIG_CTX];
    uint64_t id;
    rig_open(&g, TINY_MLA, 5, &o);
    rig_request(&r, ids, 3, 100, &a);
    r.cache_group = 1;
    r.no_snapshot = true;
    int files = each(NULL);
    must(engine_submit(g.engine, &r, &id, &e));
    engine_wait(g.engine);
    assert_int_equal(a.counts.cached_tokens, 0);
    rig_close(&g);
    assert_int_equal(each(NULL), files); /* and it left nothing */
}

static void check_mode(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void shorten(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 4), 0);
}

static void flip(const char *path, off_t from_end)
{
    unsigned char c;
    struct stat st;
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    off_t at = from_end > 0 ? st.st_size - from_end : -from_end;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x40;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void flip_data(const char *path)
{
    flip(path, -5000);
}

static void flip_token(const char *path)
{
    flip(path, -65);
}

static void flip_count(const char *path)
{
    flip(path, -53);
}

static void flip_group(const char *path)
{
    flip(path, -33);
}

static void empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void test_damage(void **state)
{
    (void)state;
    static void (*const damage[])(const char *) = {shorten,    flip_data,  flip_token,
                                                   flip_count, flip_group, empty};
    struct rig_answer ref, a;
    struct engine_opts o = opts();
    life(TINY_MLA, 5, &o, 3, 100, &ref);
    each(check_mode);
    for (size_t i = 0; i < countof(damage); i++) {
        assert_int_equal(each(damage[i]), 1);
        assert_true(life(TINY_MLA, 5, &o, 3, 100, &a) < 96); /* and written anew */
        rig_same(&ref, &a);
        assert_int_equal(life(TINY_MLA, 5, &o, 3, 100, &a), 96);
        rig_same(&ref, &a);
        each(remove_file);
        life(TINY_MLA, 5, &o, 3, 100, &ref);
    }
}

/* Files vanish, and shrink, under an engine that knows them. */
static void test_damage_while_open(void **state)
{
    (void)state;
    struct rig_answer ref, a;
    struct engine_opts o = opts();
    life(TINY_MLA, 5, &o, 3, 100, &ref);
    for (int i = 0; i < 3; i++) {
        struct rig g;
        rig_open(&g, TINY_MLA, 5, &o);
        each(i == 0 ? remove_file : i == 1 ? shorten : flip_data);
        rig_ask(&g, 3, 100, &a);
        engine_wait(g.engine);
        rig_same(&ref, &a);
        rig_close(&g);
        assert_int_equal(life(TINY_MLA, 5, &o, 3, 100, &a), 96);
        rig_same(&ref, &a);
    }
}

static uint64_t total;
static void add_size(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    total += (uint64_t)st.st_size;
}

static void test_limit_and_forget(void **state)
{
    (void)state;
    struct rig g;
    struct rig_answer a;
    struct engine_opts o = opts();
    o.snapshots_max = 200 << 10;
    rig_open(&g, TINY_MLA, 5, &o);
    for (int i = 0; i < 20; i++) {
        rig_ask(&g, i, 100, &a);
        engine_wait(g.engine);
    }
    rig_close(&g);
    total = 0;
    assert_true(each(add_size) >= 1);
    assert_true(total <= o.snapshots_max);
    o.snapshots_max = 0;
    rig_open(&g, TINY_MLA, 5, &o);
    rig_ask(&g, 50, 100, &a);
    engine_wait(g.engine);
    engine_forget(g.engine, true, 0);
    assert_int_equal(each(NULL), 0);
    rig_ask(&g, 50, 100, &a);
    engine_wait(g.engine);
    assert_int_equal(a.counts.cached_tokens, 0);
    rig_close(&g);
}

static void set_weights(void *ctx)
{
    struct rig *g = ctx;
    *(float *)g->model->mem += 1;
}

/* New weights make what was saved foreign. */
static void test_new_weights(void **state)
{
    (void)state;
    struct rig g;
    struct rig_answer a;
    struct engine_opts o = opts();
    rig_open(&g, TINY_MLA, 5, &o);
    rig_ask(&g, 3, 100, &a);
    engine_wait(g.engine);
    engine_exclusive(g.engine, set_weights, &g);
    rig_ask(&g, 3, 100, &a);
    engine_wait(g.engine);
    assert_int_equal(a.counts.cached_tokens, 0);
    rig_close(&g);
}

static void test_refused(void **state)
{
    (void)state;
    struct err e;
    struct rig g;
    struct engine_opts o = opts();
    assert_int_equal(chmod(dir, 0755), 0);
    rig_model(&g, TINY_MLA, 5, 1);
    must_fail(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e), ERR_USAGE,
              "may be used by others");
    assert_int_equal(chmod(dir, 0700), 0);
    o.snapshots = "/dev/null";
    must_fail(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e), ERR_IO, "not a directory");
    o.snapshots = "/proc/nothing/here";
    assert_int_equal(engine_open(&g.engine, g.model, NULL, g.pool, &o, &e), -1);
    rig_close(&g);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_dir, close_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_restart),     T(test_continued),         T(test_foreign),
        T(test_damage),      T(test_damage_while_open), T(test_limit_and_forget),
        T(test_new_weights), T(test_refused),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
