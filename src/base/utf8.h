/* utf8.h - decode, validate, and hold back incomplete sequences. RFC 3629: no surrogates, no
 * overlong forms, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length 1..4 of the valid sequence at p, or 0 if there is none (invalid or cut off). */
size_t utf8_seq_len(const char *p, size_t n);

/* Code point at p and its length in *len; invalid bytes give U+FFFD with *len = 1. n > 0. */
uint32_t utf8_decode(const char *p, size_t n, size_t *len);

/* Writes 1..4 bytes, returns how many. Surrogates and values above U+10FFFF become U+FFFD. */
size_t utf8_encode(uint32_t cp, char out[4]);

/* Offset of the first byte that is not valid UTF-8, or n when all is valid. */
size_t utf8_valid_prefix(const char *p, size_t n);

/* How many bytes at the end are the beginning of a sequence that may still be completed (0..3). */
size_t utf8_incomplete_tail(const char *p, size_t n);

#endif
