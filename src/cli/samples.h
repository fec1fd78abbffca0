/* samples.h - answers of an evaluation, read back from its samples.jsonl to be shown.
 *
 * Answers lie in the file in the order in which they were finished. "First" means the problems with
 * the smallest numbers (then by id), and the first answer to each: the same for every model that was
 * asked the same problems, so nothing is picked.
 */
#ifndef CLI_SAMPLES_H
#define CLI_SAMPLES_H

#include <stdio.h>

#include "base/attr.h"
#include "base/json.h"

struct err;

enum { SAMPLES_MOST = 32 };

/* out[0 .. *n) get new references, in order; n_most at most SAMPLES_MOST. */
int samples_first(const char *dir, size_t n_most, json_t **out, size_t *n,
                  struct err *e) must_check;
/* "<think>" text and what follows it. think is empty when the answer has none; `open`: it was cut
 * inside the thinking, and there is no answer. */
struct sample_parts {
    struct span think, answer;
    bool open, right;
};
struct sample_parts samples_parts(const json_t *sample);
/* The question, the thinking (dim), the answer and what the checker says, for a terminal. */
void samples_print(const json_t *sample, bool color, FILE *f);

#endif
