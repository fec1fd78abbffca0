/* The grader of mathematical answers: our own vectors by kind, the shared cases of other graders
 * with the list of rows where our policy says otherwise, and the child process. */
#include "../test.h"

#include "base/json.h"
#include "task/check_choice.h"
#include "task/check_math.h"

enum { SERVER_MB = 2048 };

struct vector {
    const char *gold, *answer;
    int eval, reward; /* enum math_equal; -1: equal and unknown are both wrong to demand */
};

enum { D = MATH_DIFFERENT, E = MATH_EQUAL, U = MATH_UNKNOWN };

static const struct vector vectors[] = {
    /* integers and separators */
    {"1000", "1,000", E, E},
    {"1000", "1\\,000", E, E},
    {"1000", "1{,}000", E, E},
    {"1000", "1 000", E, E},
    {"1234567", "1,234,567", E, E},
    {"7", "007", E, E},
    {"5", "+5", E, E},
    {"5", "5.0", E, E},
    {"-5",
     "\xe2\x88\x92"
     "5",
     E, E},
    {"5", "-5", D, D},
    {"1000", "1,00", D, D},
    {"10", "\xd9\xa1\xd9\xa0", U, U},
    {"5", "\xef\xbc\x95", U, U},
    {"12", "1 2", U, U},
    /* decimals and powers of ten */
    {"0.5", ".5", E, E},
    {"0.0012", "1.2e-3", E, E},
    {"1.2e-3", "1.2 \\times 10^{-3}", E, E},
    {"1200", "1.2 \\cdot 10^3", E, E},
    {"0.3333", "1/3", E, D},
    {"1/3", "0.3333", D, D},
    {"1/3", "0.\\overline{3}", E, E},
    {"0.1\\overline{6}", "1/6", E, E},
    {"3.14", "3.1415", E, D},
    {"3.14", "3.15", D, D},
    {"28", "0.28", D, D},
    /* fractions */
    {"\\frac{1}{2}", "1/2", E, E},
    {"\\frac12", "\\dfrac{1}{2}", E, E},
    {"\\frac12", "0.5", E, E},
    {"7/3", "2\\frac{1}{3}", E, E},
    {"7 3/4", "31/4", E, E},
    {"-\\frac{3}{4}", "\\frac{-3}{4}", E, E},
    {"-\\frac{3}{4}", "\\frac{3}{-4}", E, D},
    {"\\frac{1}{2}", "\\frac{2}{1}", D, D},
    {"\\frac1{72}", "1/72", E, E},
    {"\\frac{1}{0}", "1", U, U},
    /* percent, degree, money */
    {"10\\%", "10", E, E},
    {"10\\%", "10%", E, E},
    {"10", "10\\%", D, D},
    {"0.1", "10\\%", E, D},
    {"10 percent", "10%", E, E},
    {"72^\\circ", "72", E, E},
    {"72", "72^{\\circ}", E, E},
    {"72", "72 degrees", E, E},
    {"\\$12", "12", E, E},
    {"12", "\\$12.00", E, E},
    /* boxes, anchors, tags */
    {"\\boxed{4}", "so \\boxed{3}, no, \\boxed{4}", E, E},
    {"4", "\\fbox{4}", E, E},
    {"\\frac{1}{2}", "$\\boxed{\\frac{1}{2}}$", E, E},
    {"1,2", "\\boxed{1} and \\boxed{2}", E, E},
    {"2", "\\boxed{1} and \\boxed{2}", E, E},
    {"4", "2+2 is four\n#### 4", E, E},
    {"4", "<think>5</think><answer>4</answer>", E, E},
    {"4", "The final answer is $4$.", E, E},
    {"4", "I think it is 4", E, D},
    {"4", "\\boxed{}", D, D},
    {"4", "", D, D},
    {"", "4", U, U},
    /* units and words */
    {"35", "35 cm", E, E},
    {"35\\text{ cm}^2", "35", E, E},
    {"35\\text{ cm}", "35\\text{ m}", D, D},
    {"35\\text{ cm}", "35 centimeters", E, E},
    {"5", "5 cats", E, E},
    {"\\text{east}", "East", E, E},
    {"\\text{east}", "west", D, D},
    {"no solution", "No solution.", E, E},
    {"five", "5", E, E},
    {"Tuesday", "tuesday", E, E},
    /* choices */
    {"C", "(C)", E, E},
    {"(C)", "C.", E, E},
    {"C", "option c", E, E},
    {"C", "The correct answer is C", E, E},
    {"C", "(B)", D, D},
    {"\\text{(B)}", "B", E, E},
    /* lists and sets */
    {"1, 2", "2, 1", E, E},
    {"1, 2", "1 \\text{ and } 2", E, E},
    {"1, 2", "x=1, x=2", E, E},
    {"\\{1,2\\}", "2 or 1", E, E},
    {"\\{1,2\\}", "\\{1,2,3\\}", D, D},
    {"1; 2", "1,2", E, E},
    {"\\pm 3", "3, -3", E, E},
    {"1 \\pm \\sqrt{2}", "1+\\sqrt 2, 1-\\sqrt 2", E, E},
    {"3, -3", "\\pm 3", E, E},
    {"3", "\\pm 3", D, D},
    {"1,1,2", "1,2,2", D, D},
    {"3,2,10,-1", "-1,2,3,10", E, E},
    {"\\emptyset", "\\{\\}", E, E},
    {"\\emptyset", "0", D, D},
    /* tuples */
    {"(1,2)", "(1, 2)", E, E},
    {"(1,2)", "(2,1)", D, D},
    {"(1,2)", "[1,2]", D, D},
    {"(3,2)", "(p,q)=(3,2)", E, E},
    {"(p,q)=(3,2)", "(3,2)", E, E},
    {"(1,2)", "1,2", E, D},
    {"(1,2),(3,4)", "(3,4),(1,2)", E, E},
    {"\\left(\\frac12, 3\\right)", "(0.5,3)", E, E},
    /* intervals */
    {"[1,2)", "[1,2)", E, E},
    {"[1,2)", "[1,2]", D, D},
    {"(-\\infty, 3]", "(-\\infty,3]", E, E},
    {"x \\le 3", "(-\\infty,3]", E, E},
    {"(-\\infty,3]", "x \\le 3", D, D},
    {"x \\in [1,2]", "[1,2]", E, E},
    {"[1,2]", "x \\in [1,2]", E, E},
    {"1 < x \\le 2", "(1,2]", E, E},
    {"1 < x \\le 2", "2 \\ge x > 1", E, E},
    {"x > 3", "3 < x", E, E},
    {"x > 3", "x < 3", D, D},
    {"x > 3", "x \\ge 3", D, D},
    {"(-\\infty,1)\\cup(2,\\infty)", "(2,\\infty)\\cup(-\\infty,1)", E, E},
    {"x<1 \\text{ or } x>2", "(-\\infty,1)\\cup(2,\\infty)", E, E},
    {"\\infty", "-\\infty", D, D},
    {"\\infty", "\\infty", E, E},
    {"2x < 6", "x < 3", E, E},
    {"2x < 6", "-x > -3", E, E},
    {"2x < 6", "-x < -3", D, D},
    /* radicals, constants, functions */
    {"\\sqrt{8}", "2\\sqrt{2}", E, E},
    {"\\sqrt2", "\\sqrt{2}", E, E},
    {"\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}", E, E},
    {"\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{7}}", D, D},
    {"\\sqrt[3]{27}", "3", E, E},
    {"\\sqrt[3]{-8}", "-2", E, E},
    {"\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}", E, E},
    {"2\\pi", "\\pi \\cdot 2", E, E},
    {"\\pi", "3.14", D, D},
    {"3.14", "\\pi", E, D},
    {"e^2", "e \\cdot e", E, E},
    {"\\ln 4", "2 \\ln 2", E, E},
    {"\\log_2 8", "3", E, E},
    {"\\log_{10} 1000", "3", E, E},
    {"\\sin 30^\\circ", "1/2", E, E},
    {"\\cos(\\pi/3)", "0.5", E, E},
    {"\\sin^2 x + \\cos^2 x", "1", E, E},
    {"2^{10}", "1024", E, E},
    {"x^{-1}", "\\frac{1}{x}", E, E},
    {"5!", "120", E, E},
    {"\\binom{5}{2}", "10", E, E},
    {"|{-3}|", "3", E, E},
    {"\\lfloor 3.7 \\rfloor", "3", E, E},
    {"1-\\frac{1}{e}", "1+\\frac1e", D, D},
    {"5", "2+3", E, D},
    /* polynomials and rational functions */
    {"x^2+2x+1", "(x+1)^2", E, E},
    {"x^2+2x+1", "(x-1)^2", D, D},
    {"\\frac{x^2-1}{x-1}", "x+1", E, E},
    {"2xy", "2yx", E, E},
    {"(a+b)(a-b)", "a^2-b^2", E, E},
    {"\\sqrt{x^2}", "|x|", E, E},
    {"\\sqrt{x^2}", "x", D, D},
    {"x_1+x_2", "x_2+x_1", E, E},
    {"x_1", "x_2", D, D},
    {"\\alpha", "\\beta", D, D},
    {"3x", "3y", D, D},
    /* equations */
    {"x = 5", "5", E, E},
    {"5", "x = 5", E, E},
    {"y = 2x+1", "2x+1", E, E},
    {"y = 2x+1", "y - 2x = 1", E, E},
    {"y = 2x+1", "2y = 4x + 2", E, E},
    {"y = 2x+1", "y = 2x-1", D, D},
    {"x = 5", "y = 5", D, D},
    {"f(x) = x^2", "x^2", E, E},
    {"x + y - z + 2 = 0", "5x - 7y + 11z + 4 = 0", D, D},
    /* ratios and times */
    {"7:32", "7:32", E, E},
    {"7:32", "14:64", E, E},
    {"7:32", "32:7", D, D},
    {"12:00", "12:00", E, E},
    {"12:00", "24:00", D, D},
    {"7:32", "7/32", E, D},
    /* matrices, complex, bases */
    {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}", E,
     E},
    {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2&3&4\\end{pmatrix}", D, D},
    {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)", E, D},
    {"3+4i", "4i+3", E, E},
    {"(1+i)^2", "2i", E, E},
    {"12_5", "12_5", E, E},
    {"12_5", "12_6", D, D},
    {"12_5", "12", E, D},
    /* malformed */
    {"5", "5**1", E, U},
    {"5", "2 + + 3", U, U},
    {"5", "\\frac{5}", U, U},
    {"5", "(5", U, U},
    {"5", "\\evil{5}", U, U},
    {"5", "5 5", U, U},
};

static void test_vectors(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < countof(vectors); i++) {
        const struct vector *t = &vectors[i];
        struct math_verdict v;
        for (int m = 0; m < 2; m++) {
            math_grade(span_of(t->gold), span_of(t->answer), m ? MATH_REWARD : MATH_EVAL, &v);
            int want = m ? t->reward : t->eval;
            if ((int)v.equal == want) continue;
            printf("%s: gold %s, answer %s: %d, want %d (%s)\n", m ? "reward" : "eval", t->gold,
                   t->answer, (int)v.equal, want, v.how);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* Rows whose label is not our policy (docs/grader.md gives the reasons). */
static const struct {
    const char *gold, *answer, *why;
} ours[] = {
    {"2.0001", "2", "rounding is to the gold's decimals, not by a relative error"},
    {"0.75", "75", "a factor of 100 without a percent sign is another number"},
    {"", "", "an empty gold has no right answer"},
    {"4, 10, -2", "10, 4, -2", "a bare list is a set of solutions"},
    {"4, .1, 2", "0.1, 4, 2", "a bare list is a set of solutions"},
    {"10", "10\\%", "percent counts only where the gold has it"},
    {"answer", "an answer", "articles are words"},
    {"bc", "a b c", "a letter is a variable, not an article"},
};

static const char *string_of(const json_t *o, const char *const *keys)
{
    for (; *keys; keys++)
        if (json_string_value(json_object_get(o, *keys)))
            return json_string_value(json_object_get(o, *keys));
    return NULL;
}

/* The shared rows: triples of gold, prediction and label, and rows of normalisers and extractors
 * (what they make of a text must equal the text). Rows about prompts are not about grading. */
static void test_shared_cases(void **state)
{
    (void)state;
    need_data(path, "grader-examples/cases.jsonl");
    static const char *const gold_key[] = {"gold", "expected", "gt", NULL};
    static const char *const text_key[] = {"pred", "raw_string", "input_str",
                                           "raw",  "given",      NULL};
    struct err e;
    struct file_map m;
    struct math_server *s = NULL;
    int n = 0, agree = 0, policy = 0;
    must(file_map_open(&m, path, &e));
    must(math_server_open(&s, SERVER_MB, 5000, &e));
    for (size_t at = 0; at < m.size;) {
        const char *line = (const char *)m.data + at, *nl = memchr(line, '\n', m.size - at);
        size_t len = nl ? (size_t)(nl - line) : m.size - at;
        at += len + 1;
        json_t *o = json_parse((struct span){line, len}, path, &e);
        assert_non_null(o);
        const json_t *other = json_object_get(o, "other"), *row = other ? other : o;
        const char *g = string_of(row, gold_key), *a = string_of(row, text_key);
        const json_t *label = json_object_get(o, "expected");
        bool want = other || json_number_value(label) > 0;
        if (g && a && (*g || !other)) {
            struct math_verdict v;
            math_server_grade(s, span_of(g), span_of(a), MATH_EVAL, &v);
            bool ok = (v.equal == MATH_EQUAL) == want, listed = false;
            for (size_t i = 0; i < countof(ours); i++)
                listed |= strcmp(ours[i].gold, g) == 0 && strcmp(ours[i].answer, a) == 0;
            n++;
            agree += ok;
            policy += !ok && listed;
            if (!ok && !listed) printf("disagreement: gold %s, answer %s: %s\n", g, a, v.how);
        }
        json_decref(o);
    }
    printf("%d rows, %d agree, %d differ by policy, %d otherwise\n", n, agree, policy,
           n - agree - policy);
    assert_true(n > 75);
    assert_true(agree * 100 >= 90 * n);
    assert_int_equal(agree + policy, n);
    math_server_close(s);
    file_map_close(&m);
}

static void test_server(void **state)
{
    (void)state;
    struct err e;
    struct math_server *s = NULL;
    struct math_verdict v;
    must(math_server_open(&s, SERVER_MB, 5000, &e));
    for (int i = 0; i < 50; i++) {
        math_server_grade(s, span_of("\\sqrt{8}"), span_of("2\\sqrt{2}"), MATH_REWARD, &v);
        assert_int_equal(v.equal, MATH_EQUAL);
    }
    assert_int_equal(math_server_restarts(s), 0);
    math_server_close(s);
    must(math_server_open(&s, SERVER_MB, 0, &e)); /* no time at all */
    math_server_grade(s, span_of("1"), span_of("2"), MATH_EVAL, &v);
    assert_int_equal(v.equal, MATH_UNKNOWN);
    assert_string_equal(v.how, "time");
    assert_int_equal(math_server_restarts(s), 1);
    math_server_close(s);
}

static void test_line(void **state)
{
    (void)state;
    struct err e;
    struct buf out;
    buf_init(&out, 4096);
    must(math_grade_line(NULL, span_of("{\"gold\":\"1/2\",\"answer\":\"0.5\"}"), &out, &e));
    assert_string_equal(buf_str(&out), "{\"equal\":true,\"how\":\"exact rationals\"}");
    must_fail(math_grade_line(NULL, span_of("{\"gold\":\"1\"}"), &out, &e), ERR_FORMAT,
              "answer");
    must_fail(math_grade_line(NULL, span_of("{\"gold\":\"1\",\"answer\":\"1\",\"mode\":\"x\"}"),
                              &out, &e),
              ERR_USAGE, "eval and reward");
    buf_release(&out);
}

/* Deep and long inputs end at a limit, not at the stack's. */
static void test_limits(void **state)
{
    (void)state;
    static const char *const piece[] = {
        "(",   "{", "[",     "-",  "\\sqrt",          "\\frac{1}", "1+", "x^",
        "\\{", "|", "\\sin", "1,", "\\begin{matrix}", "9",         "!",  "\\boxed{"};
    struct math_verdict v;
    for (size_t i = 0; i < countof(piece); i++)
        for (int n = 10; n <= 4000; n *= 20) {
            struct buf b;
            buf_init(&b, MATH_MAX_BYTES);
            for (int k = 0; k < n; k++) buf_add_str(&b, piece[i]);
            math_grade(span_of("1"), buf_span(&b), MATH_EVAL, &v);
            math_grade(buf_span(&b), span_of("x+1"), MATH_REWARD, &v);
            buf_release(&b);
        }
    math_grade(span_of("9^{9^{9^{9}}}"), span_of("9^{9^{9^{9}}}+1"), MATH_EVAL, &v);
    assert_int_not_equal(v.equal, MATH_EQUAL);
    math_grade(span_of("1000!"), span_of("999! \\cdot 1000"), MATH_EVAL, &v);
    assert_int_equal(v.equal, MATH_EQUAL);
}

static void test_choice(void **state)
{
    (void)state;
    assert_int_equal(choice_letter(span_of("(C)")), 'C');
    assert_int_equal(choice_letter(span_of("A man goes. (B) it is")), 'B');
    assert_int_equal(choice_letter(span_of("A man goes home")), 0);
    assert_int_equal(choice_letter(span_of("I say D")), 'D');
    assert_true(choice_equal(span_of("B"), span_of("**B**")));
    assert_false(choice_equal(span_of("B"), span_of("none")));
    assert_false(choice_equal(span_of("5"), span_of("5")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_shared_cases),
        cmocka_unit_test(test_server),  cmocka_unit_test(test_line),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
