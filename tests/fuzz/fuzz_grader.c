/* The grader on any two texts, in this process: first line the gold, the rest the answer. What
 * must hold: it returns; a text equals itself when it can be read at all. */
#include <stdlib.h>
#include <string.h>

#include "task/check_math.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct math_verdict v;
    const char *p = (const char *)data, *nl = memchr(p, '\n', size);
    if (size > 2048) return 0;
    struct span gold = {p, nl ? (size_t)(nl - p) : size};
    struct span answer = nl ? (struct span){nl + 1, size - gold.n - 1} : gold;
    math_grade(gold, answer, MATH_EVAL, &v);
    math_grade(gold, answer, MATH_REWARD, &v);
    return 0;
}
