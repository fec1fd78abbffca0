/* train_run.h - what `tarn train`, `tarn sft` and `tarn distill` share: a recipe run to its end.
 *
 *   recipe -> data, model, trainer -> [steps] -> RUN/ckpt-*, metrics.jsonl, run.yaml
 *
 * --resume goes on from the newest checkpoint of --run; what happens then is what would have
 * happened without the stop. Ctrl-C and SIGTERM save a checkpoint and end.
 */
#ifndef CLI_TRAIN_RUN_H
#define CLI_TRAIN_RUN_H

#include "base/opt.h"
#include "train/recipe.h"

struct err;

extern const struct opt train_opt_table[];

/* True when --keys was given: the keys have been listed. */
bool train_run_keys(enum recipe_use use);
int train_run(const char *recipe, enum recipe_use use, struct err *e) must_check;

#endif
