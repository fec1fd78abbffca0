/* problem_int.h - the inside of problem sources: what a line of a file became. Private to task/. */
#ifndef TASK_PROBLEM_INT_H
#define TASK_PROBLEM_INT_H

#include "base/arena.h"
#include "task/check_code.h"
#include "task/problem.h"

enum line_kind {
    LINE_MATH,
    LINE_EXACT,
    LINE_CHOICE,
    LINE_ITEM,     /* of a family */
    LINE_ASSERTS,  /* MBPP */
    LINE_FUNCTION, /* HumanEval */
};

struct line {
    enum line_kind kind;
    json_t *json; /* keeps the spans alive */
    struct span prompt, gold, subject;
    struct span setup, test, entry;
    int level;
};

struct line_file {
    struct line *line;
    size_t n, size;
    struct arena text; /* what the lines hold in another form: integers as text, ids */
};

/* Fails with the file and line number; empty lines are passed over. */
int line_file_open(struct line_file *f, const char *path, struct err *e) must_check;
void line_file_close(struct line_file *f);
/* The question as a user would put it. */
void line_prompt(const struct line *l, struct buf *out);
/* Programs: whether the response's program passes. errored and reason as problem_check. */
void line_check_code(const struct line *l, const struct sandbox *s, struct span visible,
                     struct problem_verdict *v);

#endif
