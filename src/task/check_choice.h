/* check_choice.h - multiple choice: which letter does a text choose? */
#ifndef TASK_CHECK_CHOICE_H
#define TASK_CHECK_CHOICE_H

#include <stdbool.h>

#include "base/buf.h"

/* The letter 'A' ... 'J' a text chooses, or 0: the text is one letter ("C", "(c)", "C.",
 * "**C**", "option C"); or the last letter in parentheses; or the last capital that stands alone
 * (not the word "A" before another word, not "I"). */
char choice_letter(struct span text);

/* The text is one letter, with or without parentheses, point, stars or the word "option". */
char choice_only(struct span text);

bool choice_equal(struct span gold, struct span answer);

#endif
