/* chat_markdown.h - Markdown as lines of a terminal: headings, lists, quotes, code, tables, formulas,
 * wrapped by display width.
 *
 * Text arrives in pieces, so it is cut into blocks: a paragraph, a list item that stands alone, a
 * fenced piece of code, a table. A block is rendered when it is whole. Control characters of the text
 * are dropped; the only escape sequences are colours of our own, and those end with each line.
 */
#ifndef CLI_CHAT_MARKDOWN_H
#define CLI_CHAT_MARKDOWN_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"

/* Bytes of the first whole block, with the blank lines behind it; 0 when it is not yet whole. At the
 * end of the text everything is whole. */
size_t markdown_block(struct span text, bool at_end);

/* in_list: the block before was a list item, so that indented text belongs to it and is no code;
 * updated. */
void markdown_render(struct span block, int width, bool color, bool *in_list, struct buf *out);

#endif
