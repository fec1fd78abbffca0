/* tarn train: pretraining from a recipe (cli/train_run.h). */
#include "cli/cli.h"
#include "cli/train_run.h"

extern const struct command cmd_train;

static int run(int argc, char **argv, struct err *e)
{
    if (train_run_keys(RECIPE_TRAIN)) return 0;
    if (argc != 1) return cli_usage(&cmd_train, e);
    return train_run(argv[0], RECIPE_TRAIN, e);
}

const struct command cmd_train = {
    .verb = "train",
    .args = "RECIPE",
    .summary = "pretrain a model from a recipe",
    .details = "  tarn train recipes/tiny-english.yaml --run runs/english\n"
               "  tarn train recipes/tiny-english.yaml --run runs/english --resume\n",
    .opts = (const struct opt *const[]){train_opt_table, NULL},
    .run = run,
};
