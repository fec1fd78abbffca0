/* check_math_lex.h - tokens of a mathematical answer. Private to check_math*.c. */
#ifndef TASK_CHECK_MATH_LEX_H
#define TASK_CHECK_MATH_LEX_H

#include "task/check_math_int.h"

enum tok_type { T_END, T_NUM, T_WORD, T_CMD, T_TEXT, T_CHAR };

/* Signs that are no ASCII character of their own. */
enum {
    C_SET_OPEN = 256,
    C_SET_CLOSE,
    C_ROW,
    C_DEGREE,
    C_POW2,
    C_POW3,
    C_LE,
    C_GE,
    C_NE,
    C_POWER,
    C_SEP
};

struct tok {
    enum tok_type type;
    int c; /* T_CHAR */
    struct span text;
    size_t start, end; /* in the source */
    bool space;        /* blanks stood before it */
};

struct parser {
    struct span s;
    size_t pos;
    struct tok t;
    struct math_tree *tree;
    enum math_mode mode;
    int depth, bracket, bars, matrix;
    bool formula; /* digits or operators stand somewhere: short words are products of letters */
    bool failed;
};

/* Reads the next token into p->t. */
void lex_advance(struct parser *p);
/* The text has no tree: keeps the first reason, ends the tokens, returns 0. */
int lex_fail(struct parser *p, const char *why);
/* The byte at i, 0 behind the end. */
int lex_at(const struct parser *p, size_t i);
/* The group { ... } at i, braces balanced; *end is behind it. */
bool lex_group(const struct parser *p, size_t i, struct span *in, size_t *end);
struct span lex_strip(struct span s);
bool lex_in(struct span w, const char *const *list);
bool lex_is_digit(int c);
bool lex_is_letter(int c);

#endif
