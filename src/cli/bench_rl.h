/* bench_rl.h - `tarn bench rl`. */
#ifndef CLI_BENCH_RL_H
#define CLI_BENCH_RL_H

#include <stdint.h>

#include "base/attr.h"
#include "base/opt.h"

struct err;

/* Steps of a recipe as `tarn rl` takes them (nothing is written), then its prompts answered by the
 * same engine with 1, 8 and 64 sequences at once. steps: measured ones, after one that is not. */
int bench_rl(const char *recipe, const struct opt_list *set, int64_t steps,
             struct err *e) must_check;

#endif
