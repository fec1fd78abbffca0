/* search.h - the search that countdown and the game of 24 write down. Private to src/task. */
#ifndef TASK_SEARCH_H
#define TASK_SEARCH_H

#include "task/gen.h"

enum { SEARCH_TEXT = 64 };

/* search_write - tries n (3 or 4) numbers in a fixed order, one line each, until the target.
 *
 *   num      positive; sorted in place, largest first
 *   ops      which of "+-*" "/" may be used; differences are taken larger minus smaller and
 *            quotients only when whole, which loses no solution with three numbers
 *   found    the expression
 *
 * Returns 1 found, 0 every try failed, -1 more than max_line lines. */
int search_write(struct gen *g, int *num, int n, int target, const char *ops, int max_line,
                 char found[SEARCH_TEXT]);

/* Whether any expression over rationals, each number once, makes the target. */
bool search_exists(const int *num, int n, int target, const char *ops);

/* An answer that uses exactly these numbers, whatever their order, and has the value target;
 * only operators of ops. "= target" may follow it. */
const char *search_check(struct span a, const int *num, int n, int target, const char *ops);

#endif
