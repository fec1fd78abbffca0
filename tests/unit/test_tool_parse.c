/* Tool calls out of model text: each style whole, cut at random places, and cut off early. */
#include "../test.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "text/marks.h"
#include "text/tool_parse.h"

/* Events as one line: text as it is, [name|args] for a call, [name|args! for one left open. */
static void note(void *ctx, const struct tool_event *ev)
{
    struct buf *b = ctx;
    switch (ev->type) {
    case TOOL_TEXT: buf_add_span(b, ev->text); break;
    case TOOL_CALL:
        buf_printf(b, "[%zu:", ev->index);
        buf_add_span(b, ev->text);
        buf_add_char(b, '|');
        break;
    case TOOL_ARGS: buf_add_span(b, ev->text); break;
    case TOOL_END: buf_add_char(b, ev->complete ? ']' : '!'); break;
    }
}

#define DSML "<" MARK_DSML
#define END  "</" MARK_DSML

static const struct {
    enum tool_style style;
    const char *text, *want;
} cases[] = {
    {TOOLS_NONE, "a" MARK_CALLS "b", "a" MARK_CALLS "b"},
    {TOOLS_V3,
     "Let me see.\n" MARK_CALLS MARK_CALL "function" MARK_TOOL_SEP
     "get\n```json\n{\"a\": 1}\n```" MARK_CALL_END "\n" MARK_CALL "function" MARK_TOOL_SEP
     "put\n```json\n{\n \"b\": \"```\"\n}\n```" MARK_CALL_END MARK_CALLS_END,
     "Let me see.[0:get|{\"a\": 1}][1:put|{\n \"b\": \"```\"\n}]"},
    {TOOLS_V3,
     MARK_CALLS MARK_CALL "function" MARK_TOOL_SEP
                          "get\n{\"a\": 1}" MARK_CALL_END MARK_CALLS_END " more",
     "[0:get|{\"a\": 1}] more"},
    {TOOLS_V3, MARK_CALLS MARK_CALL "function" MARK_TOOL_SEP "get\n```json\n{\"a\": ",
     "[0:get|{\"a\": !"},
    {TOOLS_V3, MARK_CALLS MARK_CALL "no sep" MARK_CALL_END,
     MARK_CALLS MARK_CALL "no sep" MARK_CALL_END},
    {TOOLS_V3, MARK_CALLS " what is that", MARK_CALLS "what is that"},
    {TOOLS_V31,
     "Hi.\n\n" MARK_CALLS MARK_CALL "get" MARK_TOOL_SEP "{\"a\": 1}" MARK_CALL_END MARK_CALL
     "put" MARK_TOOL_SEP "{}" MARK_CALL_END MARK_CALLS_END,
     "Hi.[0:get|{\"a\": 1}][1:put|{}]"},
    {TOOLS_V31, "x\n\ny\n", "x\n\ny\n"},
    {TOOLS_V31, "x" MARK_CALLS MARK_CALL "get" MARK_TOOL_SEP "{\"a\"<｜tool",
     "x[0:get|{\"a\"<｜tool!"},
    {TOOLS_DSML,
     "So:\n\n" DSML "function_calls>\n" DSML "invoke name=\"f\">\n" DSML
     "parameter name=\"city\" string=\"true\">New \"York\"\n</b>" END "parameter>\n" DSML
     "parameter name=\"n\" string=\"false\"> [1, 2] " END "parameter>\n" END "invoke>\n" DSML
     "invoke name=\"g\">\n" END "invoke>\n" END "function_calls>",
     "So:[0:f|{\"city\": \"New \\\"York\\\"\\n</b>\", \"n\": [1, 2]}][1:g|{}]"},
    {TOOLS_DSML,
     DSML "function_calls>\n" DSML "invoke name=\"f\">\n" DSML
          "parameter name=\"n\" string=\"false\">yes, 3" END "parameter>\n" END "invoke>\n" END
          "function_calls>",
     "[0:f|{\"n\": \"yes, 3\"}]"},
    {TOOLS_DSML,
     DSML "function_calls>" DSML "invoke name=\"f\">" DSML
          "parameter name=\"s\" string=\"true\">ab",
     "[0:f|{\"s\": \"ab!"},
    {TOOLS_DSML, DSML "tool_calls>", DSML "tool_calls>"},
    {TOOLS_DSML_V4,
     DSML "tool_calls>\n" DSML "invoke name=\"f\">\n" END "invoke>\n" END "tool_calls>",
     "[0:f|{}]"},
    {TOOLS_QWEN,
     "Sure.\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": {\"b\": [1, "
     "\"}\"]}}}\n</tool_call>\n"
     "<tool_call>\n{\"name\": \"put\", \"arguments\": {}}\n</tool_call>",
     "Sure.[0:get|{\"a\": {\"b\": [1, \"}\"]}}][1:put|{}]"},
    {TOOLS_QWEN, "<tool_call>{\"arguments\": {\"x\": 1}, \"name\": \"late\"}</tool_call>",
     "[0:late|{\"x\": 1}]"},
    {TOOLS_QWEN, "<tool_call>\n{\"name\": \"n\"}\n</tool_call>ok", "[0:n|{}]ok"},
    {TOOLS_QWEN,
     "<tool_call>\n{\"name\": \"s\", \"arguments\": \"{\\\"a\\\": 1}\"}\n</tool_call>",
     "[0:s|{\"a\": 1}]"},
    {TOOLS_QWEN, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": 1",
     "[0:get|{\"a\": 1!"},
    {TOOLS_QWEN, "<tool_call>\nnot json\n</tool_call>.",
     "<tool_call>\nnot json\n</tool_call>."},
    {TOOLS_QWEN, "<tool_call>{\"nom\": 1}</tool_call>", "<tool_call>{\"nom\": 1}</tool_call>"},
    {TOOLS_QWEN, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": 1</tool_call>after",
     "[0:get|{\"a\": 1!after"},
    {TOOLS_QWEN, "a <tool_ca", "a <tool_ca"},
    {TOOLS_LLAMA3, " {\"name\": \"get\", \"parameters\": {\"a\": 1}}", "[0:get|{\"a\": 1}]"},
    {TOOLS_LLAMA3, "It is {\"name\": \"x\"}", "It is {\"name\": \"x\"}"},
    {TOOLS_LLAMA3, "{\"a\": 1}", "{\"a\": 1}"},
    {TOOLS_LLAMA3, "", ""},
};

static void run(enum tool_style style, const char *text, size_t n, struct rng *g,
                struct buf *out)
{
    struct err e = {0};
    struct tool_parser *p;
    buf_clear(out);
    must(tool_parser_create(&p, style, note, out, &e));
    for (size_t i = 0; i < n;) {
        size_t len = g ? 1 + (size_t)rng_below(g, 9) : n;
        if (len > n - i) len = n - i;
        must(tool_parser_feed(p, (struct span){text + i, len}, &e));
        i += len;
    }
    must(tool_parser_finish(p, &e));
    tool_parser_free(p);
}

static void test_cases(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < countof(cases); i++) {
        size_t n = strlen(cases[i].text);
        run(cases[i].style, cases[i].text, n, NULL, &out);
        assert_string_equal(buf_str(&out), cases[i].want);
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct rng g = rng_init(seed, i);
            run(cases[i].style, cases[i].text, n, &g, &out);
            assert_string_equal(buf_str(&out), cases[i].want);
        }
    }
    buf_release(&out);
}

/* Cut off after any byte, fed in any pieces: the same events, and each call that begins ends. */
static void test_truncation(void **state)
{
    (void)state;
    struct buf whole, cut;
    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    for (size_t i = 0; i < countof(cases); i++)
        for (size_t n = 0; n <= strlen(cases[i].text); n++) {
            struct rng g = rng_init(n, i);
            run(cases[i].style, cases[i].text, n, NULL, &whole);
            run(cases[i].style, cases[i].text, n, &g, &cut);
            assert_string_equal(buf_str(&whole), buf_str(&cut));
        }
    buf_release(&whole);
    buf_release(&cut);
}

static void test_name_comes_first(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf out;
    struct tool_parser *p;
    buf_init(&out, 1000);
    must(tool_parser_create(&p, TOOLS_QWEN, note, &out, &e));
    must(tool_parser_feed(p, span_of("<tool_call>\n{\"name\": \"get\""), &e));
    assert_string_equal(buf_str(&out), "[0:get|");
    must(tool_parser_feed(p, span_of(", \"arguments\": {\"city\": \"Par"), &e));
    assert_string_equal(buf_str(&out), "[0:get|{\"city\": \"Par");
    must(tool_parser_feed(p, span_of("is\"}}"), &e));
    assert_string_equal(buf_str(&out), "[0:get|{\"city\": \"Paris\"}]");
    assert_int_equal(tool_parser_calls(p), 1);
    tool_parser_free(p);
    buf_release(&out);
}

static void test_linear(void **state)
{
    (void)state;
    static const struct {
        enum tool_style style;
        const char *head;
    } begin[] = {{TOOLS_QWEN, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \""},
                 {TOOLS_V31, MARK_CALLS MARK_CALL "f" MARK_TOOL_SEP},
                 {TOOLS_DSML, DSML "function_calls>" DSML "invoke name=\"f\">" DSML
                                   "parameter name=\"a\" string=\"false\">\""},
                 {TOOLS_QWEN, "text"}};
    struct buf out;
    buf_init(&out, 1 << 24);
    for (size_t k = 0; k < countof(begin); k++) {
        struct err e = {0};
        struct tool_parser *p;
        buf_clear(&out);
        must(tool_parser_create(&p, begin[k].style, note, &out, &e));
        must(tool_parser_feed(p, span_of(begin[k].head), &e));
        for (int i = 0; i < 400000; i++) must(tool_parser_feed(p, span_of("ab"), &e));
        must(tool_parser_finish(p, &e));
        tool_parser_free(p);
    }
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_name_comes_first),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
