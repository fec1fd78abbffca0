/* check_math_int.h - the tree of a mathematical answer. Private to check_math*.c. */
#ifndef TASK_CHECK_MATH_INT_H
#define TASK_CHECK_MATH_INT_H

#include <stdint.h>

#include "task/check_math.h"

enum math_kind {
    MK_NUM, /* pool[at, at+n): digits; frac of them after the point, rep of these repeat */
    MK_VAR, /* text */
    MK_PI,
    MK_E,
    MK_I,
    MK_INF,
    MK_ADD,
    MK_SUB,
    MK_MUL,
    MK_DIV,
    MK_POW,
    MK_NEG,
    MK_PM,  /* a plus or minus b; a is -1 in front of a term */
    MK_FUN, /* op; a: argument, b: index of a root, base of a logarithm, lower of a binomial */
    MK_PERCENT,
    MK_DEGREE,
    MK_UNIT, /* a with the unit `text` */
    MK_BASE, /* numeral a in base b */
    MK_TEXT,
    MK_BRACKET, /* op: 1 opens with [, 2 closes with ] */
    MK_SET,
    MK_LIST,
    MK_UNION,
    MK_REL, /* children; ops in their `rel` */
    MK_IN,
    MK_RATIO,
    MK_MATRIX /* children row by row; a: columns */
};

enum math_fun {
    MF_SQRT,
    MF_ROOT,
    MF_SIN,
    MF_COS,
    MF_TAN,
    MF_COT,
    MF_SEC,
    MF_CSC,
    MF_ASIN,
    MF_ACOS,
    MF_ATAN,
    MF_SINH,
    MF_COSH,
    MF_TANH,
    MF_EXP,
    MF_LN,
    MF_LOG,
    MF_ABS,
    MF_FACT,
    MF_BINOM,
    MF_FLOOR,
    MF_CEIL
};

enum math_rel { MR_EQ, MR_LT, MR_LE, MR_GT, MR_GE, MR_NE };

/* A node's operands and children always stand before it in the array. */
struct math_node {
    uint8_t kind, op, rel; /* rel: the relation between this child and the one before */
    int a, b;              /* operands, -1: none */
    int first, next, n;    /* children: the first, the next sibling, how many */
    struct span text;
    int at, frac, rep, exp; /* MK_NUM */
};

enum { MATH_NODES = 400, MATH_POOL = 2048, MATH_DEPTH = 48 };

struct math_tree {
    struct math_node node[MATH_NODES];
    int n, root;
    char pool[MATH_POOL];
    int n_pool;
    const char *why; /* why there is no tree */
};

/* False with t->why set when the text is no answer we can read. The spans point into text. */
bool math_parse(struct math_tree *t, struct span text, enum math_mode mode);

/* What equality means for whole answers (check_math_compare.c). */
enum math_equal math_compare(const struct math_tree *g, const struct math_tree *a,
                             enum math_mode mode, const char **how);

/* ---- values (check_math_eval.c) ----------------------------------------------------------- */

/* A side of a comparison: a node, and which sign its plus-or-minus takes. */
struct math_side {
    const struct math_tree *t;
    int node;
    int sign;
};

enum math_equal math_equal_values(struct math_side g, struct math_side a, const char **how);
/* Both sides of equations: g1 = g2 says the same as a1 = a2. `ordered`: for inequalities the
 * factor between them must be positive. */
enum math_equal math_equal_relations(struct math_side g1, struct math_side g2,
                                     struct math_side a1, struct math_side a2, bool ordered,
                                     const char **how);
/* |a - g| is at most half a unit of g's decimal `places`. */
bool math_rounds_to(struct math_side g, struct math_side a, int places);
/* Gold and answer differ by the factor given: a = g * num / den. */
bool math_is_multiple(struct math_side g, struct math_side a, int num, int den);
bool math_has(const struct math_tree *t, int node, enum math_kind kind);
/* A node whose kinds all have a value: no text, brackets, relations, infinity. */
bool math_is_value(const struct math_tree *t, int node);
/* Frees what FLINT keeps for this thread. */
void math_values_done(void);

#endif
