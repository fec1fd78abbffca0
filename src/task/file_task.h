/* file_task.h - a task from a file: JSON lines {"prompt", "answer"[, "grade"]} with gold answers.
 *
 * grade is "math" (docs/grader.md), "exact" (the same bytes, blanks at both ends dropped) or
 * "choice" (one letter); the file's default is "math".
 *
 * Threads: reading any; checking one at a time when a math server is given.
 */
#ifndef TASK_FILE_TASK_H
#define TASK_FILE_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "task/check_math.h"

struct err;
struct file_task;

enum file_grade { GRADE_MATH, GRADE_EXACT, GRADE_CHOICE };

/* Fails with the line's number when one is malformed; empty lines are skipped. */
int file_task_open(struct file_task **out, const char *path, enum file_grade standard,
                   struct err *e) must_check;
void file_task_close(struct file_task *t);
size_t file_task_count(const struct file_task *t);
/* Spans that live as long as the task. */
struct span file_task_prompt(const struct file_task *t, size_t i);
struct span file_task_answer(const struct file_task *t, size_t i);

/* Whether a response answers item i; v->how says why. s may be NULL: then the grader runs in this
 * process. Only what stands behind the thinking counts (task_visible). */
bool file_task_check(const struct file_task *t, size_t i, struct span response, bool in_think,
                     enum math_mode mode, struct math_server *s, struct math_verdict *v);

#endif
