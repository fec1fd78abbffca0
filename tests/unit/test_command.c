/* Child processes, a user's task that speaks JSON lines, and tasks from files. */
#include "../test.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "task/command.h"
#include "task/file_task.h"

static const char *const no_env[] = {"PATH=/usr/bin:/bin", NULL};

static struct proc_result run(const char *script, const char *input, struct buf *out,
                              int64_t ms)
{
    struct err e;
    struct proc_result r;
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct proc_spec s = {.argv = argv, .env = no_env, .no_stderr = true};
    s.limits.cpu_s = 1;
    must(proc_run(&s, span_of(input), ms, out, &r, &e));
    return r;
}

static void test_proc(void **state)
{
    (void)state;
    struct err e;
    struct buf out;
    struct proc_result r;
    buf_init(&out, 10000);
    r = run("cat; exit 3", "hello", &out, 60000);
    assert_int_equal(r.end, PROC_EXITED);
    assert_int_equal(r.code, 3);
    assert_string_equal(buf_str(&out), "hello");
    buf_clear(&out);
    r = run("kill -9 $$", "", &out, 60000);
    assert_int_equal(r.end, PROC_SIGNALED);
    assert_int_equal(r.code, SIGKILL);
    r = run("sleep 20", "", &out, 200);
    assert_int_equal(r.end, PROC_TIMEOUT);
    assert_true(r.wall_ns < 20000000000); /* the sleep was not waited for */
    r = run("while :; do :; done", "", &out, 20000);
    assert_int_equal(r.end, PROC_SIGNALED);
    assert_int_equal(r.code, SIGXCPU);
    r = run("yes", "", &out, 60000);
    assert_int_equal(r.end, PROC_TOO_MUCH);
    buf_clear(&out);
    char big[200000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    r = run("exec 0<&-; echo done", big, &out, 60000); /* it does not read its input */
    assert_string_equal(buf_str(&out), "done\n");
    buf_clear(&out);
    r = run("env | grep -c .; ls /proc/self/fd | wc -l", "", &out, 60000);
    assert_true(atol(buf_str(&out)) < 6);
    const char *argv[] = {"/no/such/program", NULL};
    struct proc_spec s = {.argv = argv};
    must_fail(proc_run(&s, span_of(""), 100, &out, &r, &e), ERR_NOT_FOUND, "/no/such/program");
    buf_release(&out);
}

static const char script[] = "while read line; do case $line in\n"
                             "*crash*) exit 1;;\n"
                             "*slow*) sleep 20;;\n"
                             "*bad*) echo '[1]';;\n"
                             "*much*) echo '{\"score\":7}';;\n"
                             "*\\\"item\\\",*) echo '{\"prompt\":\"1+1?\",\"secret\":2}';;\n"
                             "*) echo '{\"score\":0.5,\"reason\":\"half\"}';;\n"
                             "esac; done";

static void test_command(void **state)
{
    (void)state;
    struct err e;
    struct task_command *c = NULL;
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct task_ask ask = {.seed = 1, .index = 2, .level = 1};
    json_t *item = NULL;
    double score = 0;
    struct buf why;
    buf_init(&why, 1000);
    must(task_command_open(&c, argv, no_env, 3000, &e));
    must(task_command_item(c, &ask, &item, &e));
    assert_string_equal(json_string_value(json_object_get(item, "prompt")), "1+1?");
    must(task_command_check(c, item, span_of("2"), &score, &why, &e));
    assert_true(score == 0.5);
    assert_string_equal(buf_str(&why), "half");
    must_fail(task_command_check(c, item, span_of("crash"), &score, NULL, &e), ERR_FAILED,
              "ended");
    must(task_command_check(c, item, span_of("2"), &score, NULL, &e)); /* started again */
    must_fail(task_command_check(c, item, span_of("slow"), &score, NULL, &e), ERR_FAILED,
              "in time");
    must_fail(task_command_check(c, item, span_of("bad"), &score, NULL, &e), ERR_FORMAT,
              "no JSON object");
    must_fail(task_command_check(c, item, span_of("much"), &score, NULL, &e), ERR_FORMAT,
              "0 to 1");
    must(task_command_check(c, item, span_of("2"), &score, NULL, &e));
    assert_int_equal(task_command_restarts(c), 2);
    json_decref(item);
    buf_release(&why);
    task_command_close(c);
}

static void test_file(void **state)
{
    (void)state;
    struct err e;
    struct file_task *t = NULL;
    struct math_verdict v;
    char path[] = "/tmp/tarn-file-task-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const char *text = "{\"prompt\":\"a\",\"answer\":\"1/2\"}\n\n"
                       "{\"prompt\":\"b\",\"answer\":\"C\",\"grade\":\"choice\"}\n"
                       "{\"prompt\":\"c\",\"answer\":\"ok\",\"grade\":\"exact\"}\n";
    must(file_replace(path, text, strlen(text), &e));
    must(file_task_open(&t, path, GRADE_MATH, &e));
    assert_int_equal(file_task_count(t), 3);
    assert_true(span_is(file_task_prompt(t, 1), "b"));
    for (int m = 0; m < 2; m++) {
        enum math_mode mode = m ? MATH_REWARD : MATH_EVAL;
        assert_true(file_task_check(t, 0, span_of("<think>x</think><answer>0.5</answer>"),
                                    false, mode, NULL, &v));
        assert_true(file_task_check(t, 0, span_of("x</think>so \\boxed{\\frac12}"), true, mode,
                                    NULL, &v));
        assert_false(
            file_task_check(t, 0, span_of("so \\boxed{\\frac12}"), true, mode, NULL, &v));
        assert_false(file_task_check(t, 0, span_of("<think>\\boxed{\\frac12}</think>no"), false,
                                     mode, NULL, &v));
        assert_true(
            file_task_check(t, 1, span_of("<answer>(C)</answer>"), false, mode, NULL, &v));
        assert_false(
            file_task_check(t, 1, span_of("<answer>D</answer>"), false, mode, NULL, &v));
        assert_true(
            file_task_check(t, 2, span_of("<answer>ok</answer>"), false, mode, NULL, &v));
        assert_false(
            file_task_check(t, 2, span_of("<answer>ok ok</answer>"), false, mode, NULL, &v));
    }
    file_task_close(t);
    const char *bad = "{\"prompt\":\"a\",\"answer\":\"1\"}\n{\"prompt\":\"a\"}\n";
    must(file_replace(path, bad, strlen(bad), &e));
    must_fail(file_task_open(&t, path, GRADE_MATH, &e), ERR_FORMAT, "line 2");
    must(file_replace(path, "\n", 1, &e));
    must_fail(file_task_open(&t, path, GRADE_MATH, &e), ERR_FORMAT, "no items");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proc),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
