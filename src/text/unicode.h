/* unicode.h - the few properties of code points that pre-tokenisers ask for.
 *
 * The tables are generated (tools/ref/unicode_tables.py, Unicode 14) and cost 24 KB: a block
 * number per 128 code points, then four bits per code point, the class. White space is the
 * White_Space property; CASED is the list of DeepSeek-LLM's pre-tokeniser, a subset of the letters.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdint.h>

enum {
    UC_LETTER = 1,
    UC_CASED = 2,
    UC_MARK = 4,
    UC_NUMBER = 8,
    UC_PUNCT = 16,
    UC_SYMBOL = 32,
    UC_SPACE = 64
};

extern const uint8_t unicode_block[8704];
extern const uint8_t unicode_class_pair[][64];

/* The UC_ bits of a code point; 0 for controls, formats, unassigned ones and above U+10FFFF. */
static inline unsigned unicode_props(uint32_t cp)
{
    static const uint8_t bits[16] = {
        0, UC_LETTER, UC_LETTER | UC_CASED, UC_MARK, UC_NUMBER, UC_PUNCT, UC_SYMBOL, UC_SPACE,
    };
    if (cp > 0x10ffff) return 0;
    unsigned pair = unicode_class_pair[unicode_block[cp >> 7]][(cp & 127) >> 1];
    return bits[pair >> (cp & 1) * 4 & 15];
}

#endif
