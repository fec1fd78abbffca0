/* The planner against published numbers. */
#include "../test.h"

#include "train/plan.h"

static void near(double have, double want, double share)
{
    if (!(fabs(have - want) <= share * fabs(want))) fail_msg("%.10g, want %.10g", have, want);
}

/* The V3 report's table 1; the R1 supplement. */
static void test_bills(void **state)
{
    (void)state;
    const struct plan_bill *v3 = plan_bill_find("v3"), *r1 = plan_bill_find("r1");
    near(plan_bill_hours(v3, 0), 2664e3, 1e-9);
    near(plan_bill_hours(v3, 1), 119e3, 1e-9);
    near(plan_bill_hours(v3, 2), 5e3, 1e-9);
    near(plan_bill_total(v3), 2788e3, 1e-9);
    near(plan_bill_total(v3) * v3->per_hour, 5.576e6, 1e-9);
    near(plan_bill_total(r1) * r1->per_hour, 294e3, 1e-9);
    assert_null(plan_bill_find("v9"));
}

static struct model_config shape(const char *name)
{
    struct model_config c;
    assert_true(config_shape(name, &c));
    return c;
}

/* "180K GPU hours for a trillion tokens = 3.7 days on 2048"; under two months in all; 671 B and 37 B;
 * with 37 B active a token is at least 6 * 37 * 10^9 operations. */
static void test_v3(void **state)
{
    (void)state;
    struct err e;
    struct model_config c = shape("v3");
    struct plan_train p = {.c = &c,
                           .device = *device_find("h800"),
                           .tokens = 1e12,
                           .n_ctx = 4096,
                           .n_device = 2048,
                           .per_hour = 2,
                           .hours_per_t = 180e3,
                           .fp8 = true,
                           .pp = 16,
                           .ep = 64,
                           .tokens_in_flight = 17 * 4096};
    must(plan_train(&p, &e));
    near(p.days, 3.7, 0.02);
    near(p.dollars, 360e3, 1e-9);
    near(p.ops_per_token, 6 * 37e9, 0.25);
    assert_true(p.ops_per_token > 6 * 36e9);
    assert_true(p.share_found > 0.15 && p.share_found < 0.25); /* of fp8; 0.39 of bf16 */
    p.tokens = 14.8e12;
    must(plan_train(&p, &e));
    near(p.device_hours, 2664e3, 1e-9);
    assert_true(p.days < 61 && p.fits);
    /* 1/16 of 671 B and what is not expert: the weights in 8 bits. */
    assert_true(p.bytes_work > 671e9 / 16 / 64 && p.bytes_work < 671e9 / 16);
    /* The share of peak that those hours are gives those hours. */
    double hours = p.device_hours;
    p.share = p.share_found;
    p.hours_per_t = 0;
    must(plan_train(&p, &e));
    near(p.device_hours, hours, 1e-9);
    p.n_device = 2047;
    must_fail(plan_train(&p, &e), ERR_USAGE, "do not divide");
    p.n_device = 2048;
    p.device = *device_find("a100");
    must_fail(plan_train(&p, &e), ERR_UNSUPPORTED, "8-bit");
    p.share = 0;
    must_fail(plan_train(&p, &e), ERR_USAGE, "share of peak");
}

/* A dense model by hand: Llama 3.1 8B has 8.03 B weights and 0.525 B of embedding; 32 heads of 128 and
 * 32 layers. */
static void test_dense(void **state)
{
    (void)state;
    struct model_config c = shape("r1-distill-llama-8b");
    double weights = 8.030e9 - 128256.0 * 4096;
    double attention = 2 * 32.0 * 32 * (128 + 128) * 4096 / 2;
    near(plan_forward_ops(&c, 4096), 2 * weights + attention, 0.001);
    near(plan_train_ops(&c, 4096), 3 * (2 * weights + attention), 0.001);
}

static void test_serving(void **state)
{
    (void)state;
    struct model_config c = shape("v3"), l = shape("r1-distill-llama-8b");
    struct plan_serve p = {.c = &c,
                           .device = *device_find("h800"),
                           .weight_bits = 8,
                           .kv_bytes = 2,
                           .n_ctx = 4989,
                           .batch = 1,
                           .n_device = 8,
                           .per_hour = 2};
    plan_serve(&p);
    near(p.bytes_kv_token, 70272, 1e-9); /* training.md 15.1 */
    near(p.bytes_weights, 671e9, 0.01);
    assert_false(p.fits); /* 640 GB on a node of eight */
    near(p.least_devices, 9, 1e-9);
    /* One sequence reads the active weights, 37 B of 671. */
    near(p.read_per_step, 37e9, 0.06);
    assert_true(p.by_bandwidth);
    double one = p.tokens_per_s;
    p.batch = 256;
    plan_serve(&p);
    assert_true(p.tokens_per_s > 8 * one && p.tokens_per_s < 256 * one);
    near(p.read_per_step, 671e9 + p.bytes_kv, 0.02); /* every expert is in use */
    near(p.dollars_out, 8 * 2 / 3600.0 / p.tokens_per_s * 1e6, 1e-9);
    p = (struct plan_serve){.c = &l,
                            .device = *device_find("a100"),
                            .weight_bits = 16,
                            .kv_bytes = 2,
                            .n_ctx = 1,
                            .batch = 1,
                            .n_device = 1};
    plan_serve(&p);
    near(p.tokens_per_s, 2.039e12 / (2 * (8.03e9 - 128256.0 * 4096)), 0.01);
    assert_true(p.fits && p.dollars_out == 0);
}

/* 226.75 nodes for a day at two dollars: $87,072 (training.md 4.5); o1 against R1: 27 times. */
static void test_prices(void **state)
{
    (void)state;
    near(226.75 * 8 * 24 * device_find("h800")->per_hour, 87072, 1e-9);
    const struct plan_price *r1 = plan_price_at(0), *o1 = plan_price_at(2);
    near(o1->miss / r1->miss, 27.3, 0.002);
    near(o1->out / r1->out, 27.4, 0.001);
    near(o1->hit / r1->hit, 53.6, 0.001);
    assert_null(plan_price_at(3));
    for (size_t i = 0; device_at(i); i++)
        assert_ptr_equal(device_find(device_at(i)->name), device_at(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bills),  cmocka_unit_test(test_v3),
        cmocka_unit_test(test_dense),  cmocka_unit_test(test_serving),
        cmocka_unit_test(test_prices),
    };
    return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}
