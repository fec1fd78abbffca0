/* Programs in the sandbox: each verdict by a program that earns it, the fences by programs that
 * try them, with bubblewrap and without; MBPP's own solutions pass their tests. */
#include "../test.h"

#include "base/json.h"
#include "base/mem.h"
#include "task/check_code.h"

static struct sandbox box[2]; /* with bubblewrap where it is, without */

static enum code_end io(const struct sandbox *s, enum code_lang lang, const char *source,
                        const char *input, const char *expected)
{
    struct err e;
    struct code_verdict v;
    struct code_limits lim = code_default_limits();
    struct code_case c = {span_of(input), span_of(expected)};
    lim.cpu_s = 1;
    lim.wall_ms = strstr(source, "sleep") ? 500 : 10000;
    lim.memory_bytes = 256 << 20;
    must(code_check_io(s, lang, span_of(source), &c, 1, &lim, &v, &e));
    return v.end;
}

static enum code_end asserts(const struct sandbox *s, const char *source, const char *test)
{
    struct err e;
    struct code_verdict v;
    struct code_limits lim = code_default_limits();
    struct span t = span_of(test);
    lim.memory_bytes = 256 << 20;
    lim.wall_ms = 20000;
    must(code_check_asserts(s, span_of(source), span_of(""), &t, 1, &lim, &v, &e));
    return v.end;
}

static void need_lang(const char *name)
{
    enum code_lang l;
    if (!code_lang_parse(span_of(name), &l)) {
        printf("skipped: %s is not here\n", name);
        skip();
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    need_lang("python");
    for (int k = 0; k < 2; k++) {
        const struct sandbox *s = &box[k];
        printf("%s\n", s->note);
        assert_int_equal(io(s, CODE_PYTHON, "print(int(input())*2)", "21\n", "42\n"),
                         CODE_PASS);
        assert_int_equal(io(s, CODE_PYTHON, "print(42, '  ')\nprint()", "", "42\n"), CODE_PASS);
        assert_int_equal(io(s, CODE_PYTHON, "print(43)", "", "42\n"), CODE_WRONG);
        assert_int_equal(io(s, CODE_PYTHON, "1/0", "", ""), CODE_WRONG);
        assert_int_equal(io(s, CODE_PYTHON, "import time\ntime.sleep(60)", "", ""),
                         CODE_TIMEOUT);
        assert_int_equal(io(s, CODE_PYTHON, "while True: pass", "", ""), CODE_TIMEOUT);
        assert_int_equal(io(s, CODE_PYTHON, "print('x'*(3<<20))", "", ""), CODE_TOO_MUCH);
        assert_int_equal(io(s, CODE_SHELL, "read x; echo $((x+1))", "4\n", "5"), CODE_PASS);
        assert_int_equal(io(s, CODE_SHELL, "kill -SEGV $$", "", ""), CODE_CRASH);
    }
}

static void test_c(void **state)
{
    (void)state;
    need_lang("c");
    const char *twice =
        "#include <stdio.h>\nint main(void){int x;scanf(\"%d\",&x);printf(\"%d\\n\",2*x);}";
    for (int k = 0; k < 2; k++) {
        assert_int_equal(io(&box[k], CODE_C, twice, "8", "16"), CODE_PASS);
        assert_int_equal(io(&box[k], CODE_C, "int main(void) {", "", ""), CODE_NO_BUILD);
        assert_int_equal(
            io(&box[k], CODE_C, "#include \"/etc/passwd\"\nint main(void){return 0;}", "", ""),
            CODE_NO_BUILD);
        assert_int_equal(io(&box[k], CODE_C, "int main(void){volatile int *p=0;*p=1;}", "", ""),
                         CODE_CRASH);
        assert_int_equal(
            io(&box[k], CODE_C,
               "#include <sys/socket.h>\nint main(void){socket(AF_INET,SOCK_STREAM,0);}", "",
               ""),
            CODE_FORBIDDEN);
        assert_int_equal(
            io(&box[k], CODE_C,
               "#include <sys/ptrace.h>\nint main(void){ptrace(PTRACE_TRACEME,0,0,0);}", "",
               ""),
            CODE_FORBIDDEN);
    }
}

/* What a program must not be able to do. */
static void test_fences(void **state)
{
    (void)state;
    need_lang("python");
    for (int k = 0; k < 2; k++) {
        const struct sandbox *s = &box[k];
        if (!s->bwrap && !s->landlock) {
            printf("skipped: no fence around files: %s\n", s->note);
            continue;
        }
        assert_int_equal(io(s, CODE_PYTHON, "open('/etc/passwd').read()", "", ""), CODE_WRONG);
        assert_int_equal(io(s, CODE_PYTHON, "open('/usr/x','w')", "", ""), CODE_WRONG);
        assert_int_equal(io(s, CODE_PYTHON, "open('answer.py','w').write('x')", "", ""),
                         CODE_WRONG);
        assert_int_equal(
            io(s, CODE_PYTHON, "import os\nprint(len(os.environ) < 9)", "", "True"), CODE_PASS);
        assert_int_equal(
            io(s, CODE_PYTHON, "import os\nprint(os.listdir('/proc/self/fd') and 1)", "", "2"),
            CODE_WRONG);
        assert_int_equal(io(s, CODE_PYTHON, "x = bytearray(1 << 30)\nprint(1)", "", "1"),
                         CODE_WRONG);
    }
    /* Nothing is left running: the process namespace ends with the program, else the group. */
    enum code_end left = io(&box[0], CODE_SHELL, "sleep 50 & echo ok", "", "ok");
    assert_int_equal(left, box[0].bwrap ? CODE_PASS : CODE_TIMEOUT);
}

static void test_asserts(void **state)
{
    (void)state;
    need_lang("python");
    const char *f = "def f(x):\n    return x + 1\n";
    for (int k = 0; k < 2; k++) {
        const struct sandbox *s = &box[k];
        assert_int_equal(asserts(s, f, "assert f(1) == 2"), CODE_PASS);
        assert_int_equal(asserts(s, f, "assert f(1) == 3"), CODE_WRONG);
        assert_int_equal(asserts(s, "import sys\nsys.exit(0)", "assert False"), CODE_WRONG);
        assert_int_equal(asserts(s, "import os\nos._exit(0)", "assert False"), CODE_WRONG);
        assert_int_equal(asserts(s, "print('0'*32)\nimport os\nos._exit(0)", "assert False"),
                         CODE_WRONG);
        assert_int_equal(asserts(s, "x = [0]\nwhile True: x = x + x", "assert True"),
                         CODE_MEMORY);
        assert_int_equal(asserts(s, "def (", "assert True"), CODE_WRONG);
    }
}

static void test_extract(void **state)
{
    (void)state;
    struct span s = code_extract(
        span_of("<think>```c\nno\n```</think>Here:\n```python\nprint(1)\n```\nDone."));
    assert_true(span_is(s, "print(1)\n"));
    s = code_extract(span_of("print(2)"));
    assert_true(span_is(s, "print(2)"));
}

static void test_mbpp(void **state)
{
    (void)state;
    need_lang("python");
    need_data(path, "mbpp-train/mbpp-601-974.jsonl");
    struct err e;
    struct file_map m;
    must(file_map_open(&m, path, &e));
    int n = 0, ok = 0, row = 0;
    for (size_t at = 0; at < m.size; row++) {
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t len = nl ? (size_t)(nl - line) : m.size - at;
        at += len + 1;
        if (row % 12) continue; /* one in twelve keeps the test short */
        json_t *o = json_parse((struct span){line, len}, path, &e);
        assert_non_null(o);
        const json_t *list = json_object_get(o, "test_list");
        struct span code, setup, test[8];
        size_t k = 0;
        must(json_get_str(o, "code", &code, path, &e));
        must(json_get_str(o, "test_setup_code", &setup, path, &e));
        for (; k < json_array_size(list) && k < 8; k++)
            test[k] = span_of(json_string_value(json_array_get(list, k)));
        struct code_verdict v;
        struct code_limits lim = code_default_limits();
        must(code_check_asserts(&box[0], code, setup, test, k, &lim, &v, &e));
        if (v.end != CODE_PASS) printf("row %d: %s %s\n", row, code_end_name(v.end), v.detail);
        ok += v.end == CODE_PASS;
        n++;
        json_decref(o);
    }
    printf("%d of %d solutions pass\n", ok, n);
    assert_true(n > 25);
    assert_int_equal(ok, n);
    file_map_close(&m);
}

int main(void)
{
    struct err e;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_c),
        cmocka_unit_test(test_fences),   cmocka_unit_test(test_asserts),
        cmocka_unit_test(test_extract),  cmocka_unit_test(test_mbpp),
    };
    if (sandbox_open(&box[0], false, &e) || sandbox_open(&box[1], true, &e)) {
        printf("skipped: %s\n", e.msg);
        return 0;
    }
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sandbox_close(&box[0]);
    sandbox_close(&box[1]);
    return rc;
}
