/* The grader under a flood of made-up answers, through the child process as in training: pieces of
 * LaTeX in any order, and what a few changed bytes make of them. Nothing may crash or hang, and
 * no text differs from itself. FLOOD=N asks for N strings (default 20,000). */
#include "../test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "task/check_math.h"

enum { SERVER_MB = 2048, SERVER_MS = 2000, HANG_S = 60, ROOM = 512, MAX_PIECES = 14 };

static const char *const piece[] = {
    "0",
    "1",
    "2",
    "7",
    "12",
    "100",
    "3.5",
    "0.25",
    "1,000",
    "1e-3",
    "999999999999",
    "-",
    "+",
    "*",
    "/",
    "^",
    "^2",
    "^{",
    "_{",
    "_1",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "|",
    "!",
    "%",
    "=",
    "<",
    ">",
    ",",
    ";",
    " ",
    "$",
    "x",
    "y",
    "n",
    "e",
    "i",
    "k",
    "a_1",
    "\\frac{",
    "}{",
    "\\frac12",
    "\\dfrac{3}{4}",
    "\\sqrt{",
    "\\sqrt[3]{",
    "\\sqrt2",
    "\\pi",
    "\\infty",
    "\\cup",
    "\\cap",
    "\\pm",
    "\\mp",
    "\\cdot",
    "\\times",
    "\\div",
    "\\text{",
    "\\text{ cm}",
    "\\mathbb{R}",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "\\begin{cases}",
    "\\\\",
    "&",
    "\\boxed{",
    "\\left(",
    "\\right)",
    "\\left[",
    "\\right]",
    "\\{",
    "\\}",
    "\\le",
    "\\ge",
    "\\ne",
    "\\in",
    "\\sin",
    "\\cos(",
    "\\tan^{-1}",
    "\\log_",
    "\\ln",
    "\\exp",
    "\\overline{",
    "\\binom{",
    "\\sum_{i=1}^{",
    "\\int_0^1",
    "^\\circ",
    "\\%",
    "\\,",
    "\\!",
    "x=",
    "x \\in ",
    "answer is ",
    "####",
    "<answer>",
    "</answer>",
    " or ",
    " and ",
    " percent",
    " cm",
    "\xe2\x88\x92",
    "\xc2\xbd",
    "\xcf\x80",
    "\xe2\x88\x9a",
    "\xef\xbc\x95",
    "\xff",
    "\n",
    "**",
    "//",
};

static size_t make(struct rng *r, char *s)
{
    size_t n = 0;
    for (uint64_t k = 1 + rng_below(r, 1 + rng_below(r, MAX_PIECES)); k > 0; k--) {
        const char *p = piece[rng_below(r, countof(piece))];
        memcpy(s + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

static size_t change(struct rng *r, const char *from, size_t n, char *s)
{
    memcpy(s, from, n);
    for (uint64_t k = 1 + rng_below(r, 3); k > 0 && n > 0; k--) {
        size_t at = (size_t)rng_below(r, n);
        switch (rng_below(r, 3)) {
        case 0: s[at] = (char)rng_below(r, 256); break;
        case 1: memmove(s + at, s + at + 1, --n - at); break;
        default:
            memmove(s + at + 1, s + at, n - at);
            s[at] = (char)(32 + rng_below(r, 95));
            n++;
        }
    }
    return n;
}

static void flood(void **state)
{
    (void)state;
    struct err e;
    struct math_server *s;
    struct math_verdict v;
    struct rng r;
    char gold[ROOM], answer[ROOM];
    long n_string = getenv("FLOOD") ? atol(getenv("FLOOD")) : 20000, count[3] = {0}, slow = 0;
    r = rng_init(7, 0);
    must(math_server_open(&s, SERVER_MB, SERVER_MS, &e));
    for (long i = 0; i < n_string; i += 2) {
        size_t n = make(&r, gold);
        size_t m = rng_below(&r, 2) ? make(&r, answer) : change(&r, gold, n, answer);
        enum math_mode mode = rng_below(&r, 2) ? MATH_EVAL : MATH_REWARD;
        alarm(HANG_S);
        math_server_grade(s, (struct span){gold, n}, (struct span){answer, m}, mode, &v);
        count[v.equal]++;
        slow += strcmp(v.how, "time") == 0;
        if (strcmp(v.how, "crash") == 0)
            fail_msg("crash at \"%.*s\" against \"%.*s\"", (int)m, answer, (int)n, gold);
        math_server_grade(s, (struct span){answer, m}, (struct span){answer, m}, mode, &v);
        if (v.equal == MATH_DIFFERENT)
            fail_msg("\"%.*s\" differs from itself (%s)", (int)m, answer, v.how);
    }
    alarm(0);
    printf("%ld strings: %ld pairs equal, %ld different, %ld unknown, %ld of them for time\n",
           n_string, count[MATH_EQUAL], count[MATH_DIFFERENT], count[MATH_UNKNOWN], slow);
    assert_int_equal(math_server_restarts(s), slow);
    math_server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
