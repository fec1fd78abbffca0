/* The ledger: keys, budgets with reservations, rows that are never billed twice, recovery. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "meter/energy.h"
#include "meter/ledger.h"

static char dir[64], path[128];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tarn-ledger-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char p[160];
    (void)state;
    for (size_t i = 0; i < countof(ends); i++) {
        snprintf(p, sizeof p, "%s%s", path, ends[i]);
        unlink(p);
    }
    return rmdir(dir);
}

static struct ledger *open_ledger(void)
{
    struct ledger *l;
    struct err e;
    const struct ledger_opts o = {.path = path, .flush_ms = 3600000, .rapl = "/nowhere"};
    must(ledger_open(&l, &o, &e));
    return l;
}

static void set_price(struct ledger *l)
{
    struct price_table t;
    struct err e;
    must(price_parse(
        &t,
        span_of(
            "{\"prices\":[{\"model\":\"*\",\"hit\":\"0\",\"miss\":\"1\",\"output\":\"2\"}]}"),
        "p", &e));
    must(ledger_set_prices(l, &t, &e));
}

static struct usage_rec record(const char *id, int64_t key, int64_t miss, int64_t out)
{
    struct usage_rec u = {
        .key_id = key, .start_ms = clock_wall_ms(), .n = {.miss = miss, .output = out}};
    snprintf(u.id, sizeof u.id, "%s", id);
    snprintf(u.model, sizeof u.model, "m");
    return u;
}

static void check_usage(struct ledger *l, const char *want)
{
    struct buf b;
    struct err e;
    buf_init(&b, 1 << 20);
    must(ledger_usage_json(l, 0, clock_wall_ms() + 1000, USAGE_BY_MODEL, -2, &b, &e));
    if (!strstr(buf_str(&b), want)) fail_msg("%s is not in %s", want, buf_str(&b));
    buf_release(&b);
}

static void test_keys(void **state)
{
    (void)state;
    struct err e;
    struct ledger *l = open_ledger();
    struct key_info k, got;
    char text[KEY_TEXT], other[KEY_TEXT];
    int64_t id, id2;
    key_info_defaults(&k);
    snprintf(k.name, sizeof k.name, "anna");
    snprintf(k.models, sizeof k.models, "m1 m2");
    assert_false(ledger_has_keys(l));
    must(ledger_key_add(l, &k, text, &id, &e));
    must(ledger_key_add(l, &k, other, &id2, &e));
    assert_true(strlen(text) == KEY_TEXT - 1 && strcmp(text, other) != 0 && id != id2);
    assert_true(ledger_auth(l, span_of(text), &got));
    assert_int_equal(got.id, id);
    assert_true(key_may_use(&got, span_of("m2")));
    assert_false(key_may_use(&got, span_of("m")));
    text[20] ^= 1;
    assert_false(ledger_auth(l, span_of(text), &got));
    text[20] ^= 1;
    must_fail(ledger_key_revoke(l, span_of("anna"), &e), ERR_USAGE, "by its id");
    must_fail(ledger_key_revoke(l, span_of("99"), &e), ERR_NOT_FOUND, "99");
    must(ledger_key_revoke(l, span_of("1"), &e));
    assert_false(ledger_auth(l, span_of(text), &got));
    assert_true(ledger_auth(l, span_of(other), &got));
    ledger_close(l);
    l = open_ledger();
    assert_true(ledger_auth(l, span_of(other), &got)); /* it survives */
    struct buf b;
    buf_init(&b, 1 << 20);
    must(ledger_keys_json(l, &b, &e));
    assert_null(strstr(buf_str(&b), other));
    buf_release(&b);
    ledger_close(l);
}

static void test_budget_and_reservation(void **state)
{
    (void)state;
    struct err e;
    struct ledger *l = open_ledger();
    struct key_info k;
    struct meter_run *a, *b;
    int64_t total, day, month;
    key_info_defaults(&k);
    k.id = 7;
    k.budget = 1000 * 2000000; /* a thousand tokens of output */
    set_price(l);
    struct usage_rec u = record("r1", 7, 0, 600);
    must(ledger_begin(l, &a, &u, &k, &e));
    u = record("r2", 7, 0, 600);
    must_fail(ledger_begin(l, &b, &u, &k, &e), ERR_QUOTA, "total budget");
    meter_count(a, &(struct usage_counts){.output = 100});
    ledger_spent(l, 7, &total, &day, &month);
    assert_int_equal(total, 600 * 2000000); /* the reservation */
    ledger_end(l, a, "stop");
    ledger_spent(l, 7, &total, &day, &month);
    assert_int_equal(total, 100 * 2000000); /* what was used */
    must(ledger_begin(l, &b, &u, &k, &e));
    ledger_end(l, b, "cancelled");
    must(ledger_flush(l, &e));
    ledger_close(l);
    /* A tool opened beside it sees the money, and the key's own budget still counts. */
    l = open_ledger();
    check_usage(l, "\"completion_tokens\":100");
    ledger_close(l);
}

static void test_never_twice(void **state)
{
    (void)state;
    struct err e;
    struct ledger *l = open_ledger();
    struct meter_run *r;
    set_price(l);
    struct usage_rec u = record("r1", 0, 10, 100);
    must(ledger_begin(l, &r, &u, NULL, &e));
    for (int i = 1; i <= 50; i++) {
        meter_count(r, &(struct usage_counts){.miss = 10, .output = i});
        must(ledger_flush(l, &e));
    }
    check_usage(l, "\"completion_tokens\":50,");
    ledger_end(l, r, "stop");
    must(ledger_flush(l, &e));
    must(ledger_flush(l, &e));
    check_usage(l, "\"requests\":1,\"prompt_cache_hit_tokens\":0,\"prompt_cache_miss_tokens\":"
                   "10,\"completion_tokens\":50,"
                   "\"reasoning_tokens\":0,\"cost\":\"0.00011\"");
    int64_t cost, energy;
    ledger_totals(l, &cost, &energy);
    assert_int_equal(cost, 10 * 1000000 + 50 * 2000000);
    ledger_close(l);
}

static void put_number(const char *root, const char *name, unsigned long long v)
{
    char p[200];
    snprintf(p, sizeof p, "%s/intel-rapl:0/%s", root, name);
    FILE *f = fopen(p, "w");
    assert_non_null(f);
    fprintf(f, "%llu\n", v);
    fclose(f);
}

/* The processor's counter is read where there is one, over its turn too; else power times busy time. */
static void test_energy(void **state)
{
    (void)state;
    struct energy en;
    char zone[200], p[220];
    snprintf(zone, sizeof zone, "%s/intel-rapl:0", dir);
    assert_int_equal(mkdir(zone, 0700), 0);
    put_number(dir, "max_energy_range_uj", 1000000);
    put_number(dir, "energy_uj", 999000);
    energy_open(&en, dir, 65);
    assert_string_equal(energy_source(&en), "rapl");
    put_number(dir, "energy_uj", 999400);
    assert_int_equal(energy_since(&en, true), 400);
    put_number(dir, "energy_uj", 250);
    assert_int_equal(energy_since(&en, false), 850); /* 600 to the turn and 250 after it */
    assert_int_equal(energy_since(&en, true), 0);
    energy_close(&en);
    for (int i = 0; i < 2; i++) {
        snprintf(p, sizeof p, "%s/%s", zone, i ? "energy_uj" : "max_energy_range_uj");
        unlink(p);
    }
    rmdir(zone);
    energy_open(&en, "/nowhere", 50);
    assert_string_equal(energy_source(&en), "estimate");
    clock_sleep_ns(20000000);
    assert_int_equal(energy_since(&en, false), 0);
    clock_sleep_ns(20000000);
    uint64_t uj = energy_since(&en, true);
    assert_true(uj >= 1000000 &&
                uj < 500000000); /* 50 W for 20 ms, or longer on a busy machine */
    energy_close(&en);
}

static void test_mem_fault(void **state)
{
    (void)state;
    struct err e = {0};
    must_fail((struct ledger_opts){0}.path
                  ? 0
                  : ledger_open(&(struct ledger *){NULL},
                                &(struct ledger_opts){.path = "/nowhere/x.db"}, &e),
              ERR_NOT_FOUND, "/nowhere/x.db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_and_reservation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_never_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_energy, setup, teardown),
        cmocka_unit_test(test_mem_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
