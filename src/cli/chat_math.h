/* chat_math.h - LaTeX in a terminal: what Unicode can show simply is shown, the rest stays as it is
 * written, which people can read. */
#ifndef CLI_CHAT_MATH_H
#define CLI_CHAT_MATH_H

#include "base/buf.h"

/* Where a formula stands in text: \( \), \[ \], $ $, $$ $$. A single $ counts only with a closing one
 * on the same line, no blank inside next to either, and no digit behind: "$5 and $6" is money. */
struct math_place {
    size_t begin, end; /* with the marks */
    size_t inner, inner_end;
    bool display;
};
/* The first formula at or after `from` that is not inside `code`. False when there is none. */
bool math_find(struct span text, size_t from, struct math_place *out);

/* The formula's inside as text: Greek, signs, powers and indices, fractions and roots. */
void math_render(struct span formula, struct buf *out);

#endif
