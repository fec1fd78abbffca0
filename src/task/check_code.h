/* check_code.h - programs that a model wrote, run against tests in the sandbox.
 *
 * Two kinds of tests: text on stdin with the expected stdout, and statements that must run without
 * an error behind the program (the layout of MBPP: a list of asserts and set-up code). A program
 * that leaves early with success does not pass: behind the last statement the harness prints a
 * line that the program has not seen, taken from random bytes.
 *
 * What this does not stop: Python code that digs the line out of its caller's frame, or returns
 * objects that claim to equal anything. Such answers are for a reward's author to look at.
 */
#ifndef TASK_CHECK_CODE_H
#define TASK_CHECK_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "task/sandbox.h"

struct err;

enum code_lang { CODE_C, CODE_PYTHON, CODE_SHELL };

enum code_end {
    CODE_PASS,
    CODE_WRONG,   /* other output, a failed assert, an exception, an early exit */
    CODE_TIMEOUT, /* wall or CPU time */
    CODE_MEMORY,
    CODE_CRASH,     /* a signal */
    CODE_FORBIDDEN, /* a system call that is not allowed */
    CODE_TOO_MUCH,  /* output larger than the limit */
    CODE_NO_BUILD   /* the compiler refuses it */
};

struct code_limits {
    int64_t wall_ms; /* for each run */
    uint64_t cpu_s, memory_bytes, output_bytes, n_process;
};
struct code_limits code_default_limits(void); /* 6 s, 4 s CPU, 1 GiB, 1 MiB, 32 */

struct code_case {
    struct span input, expected;
};

struct code_verdict {
    enum code_end end;
    size_t n_pass, n; /* cases passed; it stops at the first that fails */
    char detail[160];
};

const char *code_end_name(enum code_end e);
/* "c", "python", "sh"; false if there is no such language here. */
bool code_lang_parse(struct span name, enum code_lang *out);
/* The program in a response: the last fenced block, without its fence, or the whole text. */
struct span code_extract(struct span response);

/* Output is compared line by line, blanks at line ends and empty lines at the end dropped. */
int code_check_io(const struct sandbox *s, enum code_lang lang, struct span source,
                  const struct code_case *cases, size_t n, const struct code_limits *lim,
                  struct code_verdict *v, struct err *e) must_check;

/* Python only: set-up code, the program, then each statement. */
int code_check_asserts(const struct sandbox *s, struct span source, struct span setup,
                       const struct span *asserts, size_t n, const struct code_limits *lim,
                       struct code_verdict *v, struct err *e) must_check;

#endif
