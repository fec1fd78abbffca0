/* A run's numbers: read while they are written, cut back, binned; and the page made from them. */
#include "../test.h"

#include <unistd.h>

#include "base/buf.h"
#include "train/report.h"
#include "train/run_info.h"
#include "train/run_log.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/tarn-log-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static void add(const char *name, const char *mode, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_reading(void **state)
{
    (void)state;
    struct err e;
    struct run_log l;
    bool grew;
    run_log_init(&l, dir);
    must_fail(run_log_read(&l, NULL, &e), ERR_NOT_FOUND, "metrics.jsonl");
    assert_false(run_info_is(dir));
    add("metrics.jsonl", "w",
        "{\"step\":0,\"time\":\"2026-01-01T00:00:00Z\",\"loss\":4.5,\"ms\":10}\n"
        "{\"step\":1,\"loss\":4.25,\"eval_loss\":5,\"tasks\":{\"a\":1},\"x\":null}\n"
        "{\"step\":2,\"lo");
    must(run_log_read(&l, &grew, &e));
    assert_true(grew && l.n == 2 && l.n_series == 3);
    assert_string_equal(l.first_time, "2026-01-01T00:00:00Z");
    assert_true(isnan(run_log_find(&l, "eval_loss")[0]));
    assert_true(run_log_find(&l, "eval_loss")[1] == 5);
    assert_true(run_log_last(&l, run_log_find(&l, "ms")) == 10);
    assert_null(run_log_find(&l, "tasks"));
    must(run_log_read(&l, &grew, &e));
    assert_false(grew);
    add("metrics.jsonl", "a", "ss\":4}\nnoise\n{\"step\":3,\"loss\":3.5}\n");
    must(run_log_read(&l, &grew, &e));
    assert_true(grew && l.n == 4 && l.step[3] == 3);
    assert_true(run_log_find(&l, "loss")[2] == 4);
    /* A run that went on from step 1: another file in its place. */
    char from[128], to[128];
    add("new", "w", "{\"step\":0,\"loss\":9}\n{\"step\":1,\"loss\":8}\n");
    snprintf(from, sizeof from, "%s/new", dir);
    snprintf(to, sizeof to, "%s/metrics.jsonl", dir);
    assert_int_equal(rename(from, to), 0);
    must(run_log_read(&l, &grew, &e));
    assert_true(grew && l.n == 2 && run_log_find(&l, "loss")[0] == 9);
    run_log_release(&l);
}

static void test_bins(void **state)
{
    (void)state;
    struct err e;
    struct run_log l;
    double x[10], y[10];
    add("metrics.jsonl", "w", "");
    for (int i = 0; i < 3000; i++) {
        char text[96];
        snprintf(text, sizeof text, "{\"step\":%d,\"loss\":%d%s}\n", i, i % 2 ? 3000 - i : -i,
                 i == 2999 ? ",\"reward\":1" : "");
        add("metrics.jsonl", i ? "a" : "w", text);
    }
    run_log_init(&l, dir);
    must(run_log_read(&l, NULL, &e));
    assert_int_equal(run_log_bins(&l, run_log_find(&l, "loss"), 10, x, y), 10);
    for (int i = 0; i < 10; i++) {
        assert_true(x[i] == 149.5 + 300 * i);
        assert_true(fabs(y[i] - (1500 - x[i])) < 1);
    }
    assert_int_equal(run_log_bins(&l, run_log_find(&l, "reward"), 10, x, y), 1);
    size_t order[RUN_LOG_SERIES];
    assert_int_equal(run_log_order(&l, order), 1); /* what never changes is no curve */
    assert_string_equal(l.series[order[0]].name, "loss");
    run_log_release(&l);
}

static void test_report(void **state)
{
    (void)state;
    struct err e;
    struct run_info r;
    struct buf b;
    char path[1100];
    add("run.yaml", "w", "init: \"<script>alert(1)</script>\"\ntrain:\n  steps: 5\n");
    add("metrics.jsonl", "w",
        "{\"step\":0,\"loss\":4.5,\"a<b\":1}\n{\"step\":1,\"loss\":1e999,\"a<b\":2}\n"
        "{\"step\":2,\"loss\":3.5}\n{\"step\":3,\"loss\":3.5}\n");
    add("samples.jsonl", "w",
        "{\"step\":1,\"reward\":1,\"prompt\":\"old\",\"response\":\"r\"}\n"
        "{\"step\":3,\"reward\":0.5,\"prompt\":\"<b>&\",\"response\":\"\\u0001x\\\"\"}\n");
    assert_true(run_info_is(dir));
    must(run_info_read(&r, dir, 4, &e));
    assert_string_equal(r.kind, "sft");
    assert_true(r.steps == 5 && r.state == RUN_RUNNING);
    must(run_info_read(&r, dir, 5, &e));
    assert_int_equal(r.state, RUN_DONE);
    must(report_write(dir, path, &e));
    buf_init(&b, 1 << 20);
    must(file_read(path, &b, &e));
    const char *page = buf_str(&b);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)"));
    assert_non_null(strstr(page, "&lt;b&gt;&amp;"));
    assert_non_null(strstr(page, "a&lt;b"));
    assert_non_null(strstr(page, "<polyline"));
    assert_null(strchr(page, 1));
    assert_null(strstr(page, "nan,"));
    assert_null(strstr(page, "inf"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_report),
    };
    return cmocka_run_group_tests_name("numbers of runs", tests, setup, teardown);
}
