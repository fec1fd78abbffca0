/* bench_train.h - `tarn bench train`. */
#ifndef CLI_BENCH_TRAIN_H
#define CLI_BENCH_TRAIN_H

#include "base/err.h"
#include "base/opt.h"

extern const struct opt bench_train_opts[];
extern struct opt_list bench_set; /* --set, of train and rl */

/* Steps of a recipe's model on made-up tokens, in every precision or in the one asked for.
 * steps: measured ones, after one that is not. */
int bench_train(const char *recipe, int64_t steps, struct err *e) must_check;

#endif
