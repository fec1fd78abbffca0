/* base/yaml: recipes as dotted paths, limits, and sentences that name file, line and key. */
#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/yaml.h"

static int64_t steps;
static double rate;
static bool tied;
static const char *name;

static const struct yaml_field table[] = {
    {"train.steps", YAML_INT, &steps, 1, 1e6, "steps"},
    {"train.rate", YAML_REAL, &rate, 0, 1, "rate"},
    {"model.tied", YAML_BOOL, &tied, 0, 0, "tied"},
    {"model.deep.name", YAML_TEXT, &name, 0, 0, "name"},
    {NULL, YAML_END, NULL, 0, 0, NULL},
};

static int read_text(const char *text, size_t n, const char *set, struct yaml **y,
                     struct err *e)
{
    steps = 7, rate = 0.5, tied = false, name = "none";
    *e = (struct err){0};
    if (yaml_parse(y, text, n, "r.yaml", e)) return -1;
    if ((set && yaml_set(*y, set, e)) || yaml_apply(*y, table, e)) {
        yaml_close(*y);
        *y = NULL;
        return -1;
    }
    return 0;
}

static void values_and_defaults(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n"
                               "train:\n  steps: 4k\nmodel:\n  tied: true\n"
                               "  deep:\n    name: \"caf\\u00e9 x\"\n";
    struct yaml *y;
    struct err e;
    assert_int_equal(read_text(text, sizeof text - 1, "train.rate=0.25", &y, &e), 0);
    assert_int_equal(steps, 4096);
    assert_true(rate == 0.25 && tied);
    assert_string_equal(name, "caf\xc3\xa9 x");
    yaml_close(y);
    assert_int_equal(read_text("", 0, NULL, &y, &e), 0);
    assert_int_equal(steps, 7);
    yaml_close(y);
}

static void printed_form_reads_back(void **state)
{
    (void)state;
    static const char text[] =
        "train: {steps: 12, rate: 0.1}\nmodel: {deep: {name: 'a \"b\" \\ : # c'}}\n";
    struct yaml *y;
    struct err e;
    struct buf one, two;
    buf_init(&one, 4096);
    buf_init(&two, 4096);
    assert_int_equal(read_text(text, sizeof text - 1, NULL, &y, &e), 0);
    yaml_print(table, &one);
    yaml_close(y);
    assert_int_equal(read_text(one.data, one.len, NULL, &y, &e), 0);
    yaml_print(table, &two);
    yaml_close(y);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_release(&one);
    buf_release(&two);
}

#define BAD(text, set, sentence)             \
    {                                        \
        text, sizeof text - 1, set, sentence \
    }

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *set, *sentence;
    } bad[] = {
        BAD("train:\n  stepz: 1\n", NULL, "r.yaml:2: train.stepz: no such key"),
        BAD("train:\n  steps: 0\n", NULL, "r.yaml:2: train.steps: allowed is 1 to"),
        BAD("train:\n  steps: ten\n", NULL, "r.yaml:2: train.steps: expected a whole number"),
        BAD("train:\n  rate: nan\n", NULL, "r.yaml:2: train.rate: allowed is 0 to 1"),
        BAD("train:\n  rate: 0.1x\n", NULL, "r.yaml:2: train.rate: expected a number"),
        BAD("model:\n  tied: yes\n", NULL, "r.yaml:2: model.tied: expected true or false"),
        BAD("train:\n  steps: 1\n  steps: 2\n", NULL, "r.yaml:3: train.steps: given twice"),
        BAD("train:\n  steps: [1]\n", NULL, "r.yaml:2: train.steps: lists have no place here"),
        BAD("a: &x 1\nb: *x\n", NULL, "r.yaml:2: b: aliases have no place here"),
        BAD("just a word\n", NULL, "r.yaml:1: a recipe is a mapping"),
        BAD("train: {steps: 1\n", NULL, "r.yaml:"),
        BAD("---\na: 1\n---\nb: 2\n", NULL, "r.yaml:3: a recipe is one document"),
        BAD("? {train.steps: 1}\n: 2\n", NULL, "r.yaml:1: a key is a word"),
        BAD("a: \"x\\0y\"\n", NULL, "r.yaml:1: a: only printable text is allowed"),
        BAD("a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", NULL, "nested too deeply"),
        BAD("", "train.steps", "--set train.steps: expected path.to.key=value"),
        BAD("", "train.steps=-1", "--set train.steps: "),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct yaml *y;
        struct err e;
        assert_int_equal(read_text(bad[i].text, bad[i].n, bad[i].set, &y, &e), -1);
        if (!strstr(e.msg, bad[i].sentence))
            fail_msg("\"%s\" has no \"%s\"", e.msg, bad[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(printed_form_reads_back),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
