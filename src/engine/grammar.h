/* grammar.h - a grammar's text to a network of states over bytes.
 *
 * The text is GBNF, the notation that llama.cpp made common:
 *
 *   root  ::= item ("," item)*          # a comment
 *   item  ::= "a\n" | [a-z0-9] | [^x] | . | other{2,5} | (other | "b")? | other+
 *
 *   call  ::= <[128000]> item           # a special token, by its id (mask.h)
 *
 * A rule ends with its line unless a parenthesis is open or the next line starts with "|". `root`
 * is where it starts. Escapes: \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH.
 *
 * Each rule becomes nodes as in Thompson's construction, a use of a rule being a call. Characters
 * become their UTF-8 bytes, so a token that ends inside a character is no special case. What is
 * counted, {m,n}, is a rule with a number. A rule that could call itself before it reads a byte is
 * refused, so following calls always ends.
 *
 * Read-only once made: any thread may use it.
 */
#ifndef ENGINE_GRAMMAR_H
#define ENGINE_GRAMMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct err;

enum {
    GRAMMAR_TEXT_MAX = 4 << 20, /* bytes */
    GRAMMAR_NODES_MAX = 1 << 18,
    GRAMMAR_RULES_MAX = 1 << 15,
    GRAMMAR_NEST_MAX = 64, /* open parentheses */
    GRAMMAR_COUNT_MAX = 1 << 20
};

enum gram_op {
    GRAM_JUMP,  /* to next */
    GRAM_SPLIT, /* to next and to arg */
    GRAM_CALL,  /* rule arg, then next */
    GRAM_SET,   /* a byte of set arg, then next */
    GRAM_COUNT, /* the rule of count arg, lo to hi times, then next */
    GRAM_END    /* back to where the rule was called */
};

#define GRAM_MANY UINT32_MAX /* a count without an upper limit */

struct gram_node {
    uint32_t op, next, arg;
};

struct gram_set {
    uint64_t bits[4];
};

struct gram_count {
    uint32_t rule, lo, hi;
};

struct gram_rule {
    uint32_t start;
    uint32_t line; /* of its definition; 0 for what is counted in parentheses */
    struct span name;
    bool defined, nullable;
};

struct grammar {
    struct gram_node *node;
    struct gram_set *set;
    struct gram_rule *rule;
    struct gram_count *count;
    bool *loops; /* (n_node) whether the node lies in a rule that can go round in itself */
    size_t n_node, cap_node, n_set, cap_set, n_rule, cap_rule, n_count, cap_count;
    uint32_t root; /* a rule */
    uint32_t dead; /* the last node: no byte leads out of it */
    char *names;   /* the text, which names point into */
};

/* Copies what it needs. ERR_FORMAT with line and rule, ERR_LIMIT for what is too large. */
int grammar_parse(struct grammar **out, struct span text, struct err *e) must_check;
void grammar_free(struct grammar *g);

static inline bool gram_set_has(const struct gram_set *s, unsigned byte)
{
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

#endif
