/* check_math.h - is this mathematical answer equal to that one?
 *
 * Both are LaTeX or plain text. Three verdicts: equal, different, unknown; unknown means "not
 * proven" (could not be read, or not decided within the limits) and never pays a reward. The
 * policy - what counts as equal where graders disagree - is docs/grader.md.
 *
 *   text -> span of the answer -> tokens -> tree -> lists, sets, intervals, relations ... whose
 *   leaves are compared as exact rationals, rational functions modulo primes, or constants by
 *   intervals and Calcium's proofs.
 *
 * math_grade runs in this process with bounded work except for what FLINT does with it; answers
 * of a model go through a math_server: a child process with limits on memory and time.
 *
 * Threads: math_grade any; a server has one user at a time.
 */
#ifndef TASK_CHECK_MATH_H
#define TASK_CHECK_MATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum math_equal { MATH_DIFFERENT, MATH_EQUAL, MATH_UNKNOWN };
enum math_mode {
    MATH_EVAL,  /* measuring: forgiving about form */
    MATH_REWARD /* training: what can be gamed does not count */
};

struct math_verdict {
    enum math_equal equal;
    char how[80];
};

enum { MATH_MAX_BYTES = 1 << 16 };

/* Where the answer stands in a text: the last \boxed or \fbox, "####", <answer>, "answer is" or
 * "answer:", or all of it. (math_grade goes on from there: several boxes are one list when the
 * gold is a list; in MATH_EVAL the last formula or number among words counts.) */
struct span math_extract(struct span text);

void math_grade(struct span gold, struct span answer, enum math_mode mode,
                struct math_verdict *v);

struct math_server;
/* memory_mb: address space of the child, 0: not limited; ms: time for one pair. */
int math_server_open(struct math_server **out, int memory_mb, int ms, struct err *e) must_check;
void math_server_close(struct math_server *s);
/* Never fails: a child that dies or is too slow gives MATH_UNKNOWN with "time" or "crash" and is
 * started again for the next pair. */
void math_server_grade(struct math_server *s, struct span gold, struct span answer,
                       enum math_mode mode, struct math_verdict *v);
/* How many times the child had to be started again. */
int math_server_restarts(const struct math_server *s);

/* One line of `tarn grade`: {gold, answer[, mode]} to {"equal":true|false|null,"how":H}; by the
 * server, or in this process when s is NULL. */
int math_grade_line(struct math_server *s, struct span line, struct buf *out,
                    struct err *e) must_check;

#endif
