/* exact.h - rationals of 128-bit integers with overflow found, and arithmetic expressions over
 * plain whole numbers. Nothing here rounds and nothing evaluates model text in any other way. */
#ifndef TASK_EXACT_H
#define TASK_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

__extension__ typedef __int128 i128;

struct rat {
    i128 n, d; /* lowest terms, d > 0 */
};

static inline struct rat rat_int(int64_t v)
{
    return (struct rat){v, 1};
}

/* False when d is 0 or the numbers are too large. */
bool rat_make(i128 n, i128 d, struct rat *out);
/* op is one of + - * /; false on overflow or division by zero. */
bool rat_op(char op, struct rat a, struct rat b, struct rat *out);
bool rat_eq(struct rat a, struct rat b);
/* a < b: -1, a == b: 0, a > b: 1; false on overflow. */
bool rat_cmp(struct rat a, struct rat b, int *out);
/* "5", "-3/4", "2 1/3", "0.25": the written forms of one rational. */
bool rat_parse(struct span s, struct rat *out);

enum { EXPR_MAX_BYTES = 256, EXPR_MAX_NUMBERS = 16 };

struct expr_value {
    struct rat value;
    int64_t used[EXPR_MAX_NUMBERS]; /* the numbers in the order they stand */
    size_t n_used;
};

/* expr_eval - whole numbers, + - * / (also the signs for times, divided by and minus), and
 * parentheses; every operator between two operands. No signs in front, no powers, no points.
 * False with *why set otherwise. */
bool expr_eval(struct span text, struct expr_value *out, const char **why);

#endif
