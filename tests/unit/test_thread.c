/* The pool: every slice runs once, whatever the number of threads; jobs follow each other fast. */
#include "../test.h"

#include <stdatomic.h>

#include "base/thread.h"

struct job {
    _Atomic int hits[256];
    _Atomic int bad_self;
    int n_thread;
};

static void hit(void *ctx, size_t i)
{
    struct job *j = ctx;
    for (volatile int spin = 0; spin < 150; spin++) {
    } /* long enough for the others to join in */
    atomic_fetch_add(&j->hits[i], 1);
    if (pool_self() < 0 || pool_self() >= j->n_thread) atomic_fetch_add(&j->bad_self, 1);
}

static void test_every_slice_once(void **state)
{
    (void)state;
    struct err e;
    static const int threads[] = {1, 2, 2, 3, 4};
    for (size_t t = 0; t < countof(threads); t++) {
        struct pool *p;
        must(pool_create(&p, threads[t], &e));
        for (int round = 0; round < 60000; round++) {
            struct job j = {.n_thread = threads[t]};
            size_t n =
                (size_t)round * 7 % 19; /* up and down: a late worker meets a larger job */
            pool_run(p, hit, &j, n);
            for (size_t i = 0; i < 256; i++) assert_int_equal(j.hits[i], i < n);
            assert_int_equal(j.bad_self, 0);
        }
        pool_free(p);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct err e;
    struct pool *p;
    must_fail(pool_create(&p, 0, &e), ERR_USAGE, "allowed is 1 to 256");
    must_fail(pool_create(&p, 257, &e), ERR_USAGE, "257");
    assert_true(thread_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_slice_once),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
