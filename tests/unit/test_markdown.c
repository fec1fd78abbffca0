/* Markdown for the terminal: cutting a stream into blocks, and what blocks look like. */
#include "../test.h"

#include "base/utf8.h"
#include "cli/chat_markdown.h"
#include "cli/chat_math.h"

static struct buf out;

/* The whole text, block by block as the chat does it. */
static const char *render(const char *text, int width)
{
    struct span t = span_of(text);
    bool in_list = false;
    buf_clear(&out);
    while (t.n) {
        size_t n = markdown_block(t, true);
        assert_true(n > 0 && n <= t.n);
        markdown_render((struct span){t.p, n}, width, false, &in_list, &out);
        t.p += n;
        t.n -= n;
    }
    return buf_str(&out);
}

static void is(const char *text, int width, const char *want)
{
    assert_string_equal(render(text, width), want);
}

static void test_text(void **state)
{
    (void)state;
    is("Hello *there*, **you** and `code`.", 80, "Hello there, you and `code`.\n");
    is("one two three four", 10, "one two\nthree four\n");
    is("one\ntwo\n\nthree", 80, "one two\n\nthree\n");
    is("# Title\ntext", 80, "Title\ntext\n");
    is("> quoted words here", 12, "│ quoted\n│ words here\n");
    is("a<b>c &amp; d &lt;", 80, "a<b>c & d <\n");
    is("see [here](http://x.y)", 80, "see here (http://x.y)\n");
    is("---", 12, "────────────\n");
    is("", 80, "");
    is("\n\n", 80, "\n");
}

static void test_lists(void **state)
{
    (void)state;
    is("- one\n- two\n  - three", 80, "• one\n• two\n  • three\n");
    is("1. a\n2. b", 80, "1. a\n2. b\n");
    is("3. a\n\n4. b\n", 80, "3. a\n\n4. b\n"); /* blocks of their own keep their numbers */
    is("- a long item that goes on", 12, "• a long\n  item that\n  goes on\n");
    is("1. a\n\n   still a\n\n2. b", 80, "1. a\n\n   still a\n\n2. b\n");
    is("- a\n\n    - deep\n", 80, "• a\n\n    • deep\n");
    is("- [ ] do\n- [x] done", 80, "☐ do\n☑ done\n");
}

static void test_code(void **state)
{
    (void)state;
    is("```c\nint a;\n\nint  b;\n```\n", 5, "  int a;\n  \n  int  b;\n");
    is("text\n```\ncode * x * y\n```\nmore", 80, "text\n  code * x * y\nmore\n");
    is("1. do\n   ```\n   x = 1\n   ```\n", 80, "1. do\n     x = 1\n");
    is("```\nnever closed", 80, "  never closed\n");
    is("```sh\necho $HOME $USER\n```", 80, "  echo $HOME $USER\n");
    is("`$a$` and $a$", 80, "`$a$` and a\n");
}

static void test_tables(void **state)
{
    (void)state;
    is("| a | bb |\n|---|---:|\n| ccc | d |\n", 80, "a   │ bb\n────┼───\nccc │  d\n");
    is("| 名前 | n |\n|--|--|\n| 猫 | 1 |\n", 80, "名前 │ n\n─────┼──\n猫   │ 1\n");
    is("| name | text |\n|--|--|\n| x | some words to wrap |\n", 20,
       "name │ text\n─────┼──────────────\nx    │ some words to\n     │ wrap\n");
}

static void test_formulas(void **state)
{
    (void)state;
    is("so \\(x^2 + y_1 \\le \\alpha\\).", 80, "so x² + y₁ ≤ α.\n");
    is("\\[\\frac{a}{b+1} = \\sqrt{2}\\]", 80, "a/(b+1) = √2\n");
    is("$5 and $6 are money", 80, "$5 and $6 are money\n");
    is("a $a_{ij} * b * c$ b", 80, "a a_{ij} * b * c b\n");
    is("$$\nx\n\n+ y\n$$\n", 80, "x + y\n");
    is("The answer is $\\boxed{42}$.", 80, "The answer is \\boxed{42}.\n");
    is("$2^{10} \\cdot \\text{kg} \\times 10^{-3}$", 80, "2¹⁰ · kg × 10⁻³\n");
    is("\\(unfinished", 80, "(unfinished\n");
}

/* Wide characters never straddle the edge, and no line is too long. */
static void test_widths(void **state)
{
    (void)state;
    is("漢字漢字漢字", 10, "漢字漢字漢\n字\n");
    is("abcdefghijklmnop", 10, "abcdefghij\nklmnop\n");
    is("👍 done", 10, "👍 done\n");
}

/* No control character of the text comes through. */
static void test_controls(void **state)
{
    (void)state;
    const char *r = render("a\033[31mb\007c\x7f\xc2\x9b"
                           "31m `\033]0;x\007` $\033[5m$\n\n"
                           "```\n\033[2J\n```\n[x](http://a\033b)",
                           80);
    for (; *r; r++) assert_true((unsigned char)*r >= 0x20 || *r == '\n');
    bool in_list = false;
    buf_clear(&out);
    markdown_render(span_of("**a** \033[31m\xc2\x9b"), 80, true, &in_list, &out);
    assert_string_equal(buf_str(&out), "\033[0;1ma\033[0m [31m\n");
}

static void test_blocks(void **state)
{
    (void)state;
    assert_int_equal(markdown_block(span_of("a\nb\n"), false), 0);
    assert_int_equal(markdown_block(span_of("a\nb\n\n"), false), 0); /* blanks may follow */
    assert_int_equal(markdown_block(span_of("a\nb\n\nc"), false), 5);
    assert_int_equal(markdown_block(span_of("a\n\n\nc"), false), 4);
    assert_int_equal(markdown_block(span_of("```\nx\n\ny\n"), false), 0);
    assert_int_equal(markdown_block(span_of("```\nx\n\ny\n```\nz"), false), 13);
    assert_int_equal(markdown_block(span_of("\\[\nx\n\ny\n"), false), 0);
    assert_int_equal(markdown_block(span_of("tail"), true), 4);
}

/* Any bytes: no crash, valid UTF-8 in gives valid UTF-8 out, and blocks cover the text. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const bits[] = {
        "*",         "_",   "`",    "```\n", "\n",   "\n\n",        "- ", "1. ", "|",
        "|--|--|\n", "\\(", "\\)",  "$",     "{",    "}",           "^",  "_",   "\\frac",
        "漢",        "é",   " ",    "    ",  "> ",   "# ",          "a",  "[",   "](",
        ")",         "<",   "&lt;", "~~",    "\033", "\xee\x80\x80"};
    char text[400];
    uint64_t s = 9;
    for (int i = 0; i < 20000; i++) {
        size_t n = 0;
        while (n < 200) {
            s = s * 6364136223846793005u + 1442695040888963407u;
            const char *b = bits[(s >> 33) % countof(bits)];
            memcpy(text + n, b, strlen(b));
            n += strlen(b);
        }
        text[n] = 0;
        const char *r = render(text, 10 + (int)(s >> 60));
        assert_int_equal(utf8_valid_prefix(r, strlen(r)), strlen(r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),     cmocka_unit_test(test_lists),
        cmocka_unit_test(test_code),     cmocka_unit_test(test_tables),
        cmocka_unit_test(test_formulas), cmocka_unit_test(test_widths),
        cmocka_unit_test(test_controls), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_noise),
    };
    buf_init(&out, 16 << 20);
    int rc = cmocka_run_group_tests_name("markdown", tests, NULL, NULL);
    buf_release(&out);
    return rc;
}
