/* mask_count.h - what a position inside a count allows, whatever the number it has come to.
 *
 * "[a-z]{2,40}" would have 40 masks, a schema with maxLength 400 has 400, and each would need a walk
 * over the whole vocabulary. They differ in numbers only: which unit of the count a token ends in,
 * and after how many units something else may follow. So one walk is made with a free cell
 * (automaton.h), and what it found is kept by unit: tokens sorted by the unit they end in, with bit
 * sets of the first units; places of the tree where a unit was whole, by the byte that comes next.
 * A mask is then a bit set, a few tokens, and the branches of the bytes that follow the count.
 *
 * Units are counted from the one the position is in, which is 1.
 */
#ifndef ENGINE_MASK_COUNT_H
#define ENGINE_MASK_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "text/vocab.h"

struct mask_count;

/* Creating: everything is told in any order, then made ready once. False: memory is out. */
struct mask_count *mask_count_create(size_t n_words);
bool mask_count_token(struct mask_count *c, tok_id id, uint32_t unit) must_check;
/* A branch of the tree, by its first node and byte, under a place where `unit` units were whole. */
bool mask_count_branch(struct mask_count *c, uint32_t node, uint8_t byte,
                       uint32_t unit) must_check;
bool mask_count_ready(struct mask_count *c) must_check;
void mask_count_free(struct mask_count *c);

/* Adds the tokens that end in unit `most` or before. */
void mask_count_add(const struct mask_count *c, uint32_t most, uint32_t *bits);

/* Branches that begin with a byte, sorted by node, and their units. */
struct mask_branches {
    const uint32_t *node;
    const uint16_t *unit;
    size_t n;
};
struct mask_branches mask_count_branches(const struct mask_count *c, uint8_t byte);
size_t mask_count_bytes(const struct mask_count *c);

#endif
