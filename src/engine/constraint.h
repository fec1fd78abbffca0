/* constraint.h - what a request's answer must follow, from its text to a mask per token.
 *
 * A constraint is compiled once and kept with what it has learned about the vocabulary; requests
 * with the same text share it. It starts with the answer: while the model reasons, everything may
 * come. At the answer's start the token that opens the thinking is allowed too if none was seen,
 * and a few line ends, which belong to the template and not to the answer.
 *
 * Threads: constraint_get and constraint_put from any; the rest on the engine thread only.
 */
#ifndef ENGINE_CONSTRAINT_H
#define ENGINE_CONSTRAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "engine/mask.h"
#include "engine/request.h"

struct err;
struct think;

struct constraints; /* those of one engine, and its vocabulary's tree */
int constraints_create(struct constraints **out, const struct vocab *v, size_t n_vocab,
                       struct err *e) must_check;
void constraints_free(struct constraints *all);

/* One sequence's place in its constraint. Starts as zeroes. */
struct constraint;
struct constrained {
    struct constraint *of; /* NULL: free */
    struct auto_mark at;
    uint32_t *bits; /* (words) the mask with what the answer's start allows besides */
    int n_line;     /* line ends let through at the start */
    bool started;   /* a byte of the answer was read */
};

/* kind is not GEN_FREE. The schema's and grammar's errors pass through. */
int constraint_get(struct constraints *all, enum gen_constraint kind, struct span text,
                   struct constrained *c, struct err *e) must_check;
void constraint_put(struct constraints *all, struct constrained *c);

/* *mask: the tokens that may come, NULL for all. ERR_LIMIT when the grammar got too large to
 * follow or no token can go on. */
int constraint_mask(struct constrained *c, const struct think *t, const uint32_t **mask,
                    struct err *e) must_check;
/* A token came; `before` is the state of the thinking in front of it, `answer` the part of its text
 * that is answer. ERR_FORMAT when the grammar does not allow it (a forced one). */
int constraint_push(struct constrained *c, const struct vocab *v, tok_id id, int before,
                    const struct think *t, struct span answer, struct err *e) must_check;
/* The answer is whole and nothing can follow. */
bool constraint_over(struct constrained *c);

#endif
