/* Rates per key on a clock of the test's own; the bounded queue; the replay memory. */
#include "test.h"

#include <pthread.h>

#include "base/queue.h"
#include "serve/api_err.h"
#include "serve/limit.h"
#include "serve/replay.h"

static int64_t now_ns;

static int64_t test_clock(void)
{
    return now_ns;
}

static void test_rates(void **state)
{
    (void)state;
    struct limiter *l;
    struct err e;
    struct api_err a;
    struct key_info k;
    int64_t req, tok;
    must(limiter_create(&l, &e));
    limiter_set_clock(l, test_clock);
    key_info_defaults(&k);
    k.id = 3;
    assert_int_equal(limit_admit(l, &k, 1 << 30, &a), 0); /* no limits */
    k.rpm = 2;
    k.tpm = 100;
    k.concurrent = 2;
    assert_int_equal(limit_admit(l, &k, 10, &a), 0);
    assert_int_equal(limit_admit(l, &k, 10, &a), 0);
    assert_int_equal(limit_admit(l, &k, 10, &a), -1);
    assert_int_equal(a.status, 429);
    assert_true(strstr(a.message, "concurrent") != NULL);
    limit_release(l, 3);
    assert_int_equal(limit_admit(l, &k, 10, &a), -1);
    assert_true(strstr(a.message, "requests per minute") && a.retry_after_s == 30);
    now_ns += 30000000000; /* half a minute: one request more */
    assert_int_equal(limit_admit(l, &k, 10, &a), 0);
    limit_spend(l, 3, 110); /* 30 were taken at admission */
    now_ns += 60000000000;
    limit_release(l, 3);
    limit_left(l, &k, &req, &tok);
    assert_int_equal(req, 2);
    assert_int_equal(tok, 100);
    assert_int_equal(limit_admit(l, &k, 101, &a), -1);
    assert_true(strstr(a.message, "tokens per minute") != NULL);
    limiter_free(l);
}

static void *producer(void *q)
{
    for (uintptr_t i = 1; i <= 20000; i++)
        while (!queue_put(q, (void *)i)) continue;
    return NULL;
}

static void test_queue(void **state)
{
    (void)state;
    struct queue q;
    struct err e;
    pthread_t t[3];
    uint64_t sum = 0;
    must(queue_init(&q, 64, &e));
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, producer, &q);
    for (int i = 0; i < 60000; i++) sum += (uintptr_t)queue_get(&q);
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    assert_int_equal(sum, 3ull * 20000 * 20001 / 2);
    assert_null(queue_get_for(&q, 1000000));
    for (uintptr_t i = 1; i <= 64; i++) assert_true(queue_put(&q, (void *)i));
    assert_false(queue_put(&q, &q)); /* full */
    queue_close(&q);
    for (uintptr_t i = 1; i <= 64; i++) assert_ptr_equal(queue_get(&q), (void *)i);
    assert_null(queue_get(&q));
    queue_release(&q);
}

static void test_replay(void **state)
{
    (void)state;
    struct replay *r;
    struct err e;
    struct buf args, why;
    char id[32];
    must(replay_create(&r, 10, 0, &e));
    buf_init(&args, 1 << 16);
    buf_init(&why, 1 << 16);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "call_%d", i);
        replay_put(r, 1, span_of(id), span_of("{ \"a\": 1 }"), span_of("because"));
        if (i >= 5)
            assert_true(replay_get(r, 1, span_of("call_5"), &args, &why)); /* kept in use */
    }
    assert_false(replay_get(r, 1, span_of("call_3"), &args, &why));
    assert_false(replay_get(r, 2, span_of("call_19"), &args, &why)); /* another key's */
    buf_clear(&args);
    buf_clear(&why);
    assert_true(replay_get(r, 1, span_of("call_19"), &args, &why));
    assert_string_equal(buf_str(&args), "{ \"a\": 1 }");
    assert_string_equal(buf_str(&why), "because");
    buf_release(&args);
    buf_release(&why);
    replay_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates),
                                       cmocka_unit_test(test_queue),
                                       cmocka_unit_test(test_replay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
