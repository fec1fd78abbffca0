/* tarn sft: a trained model learns from examples (cli/train_run.h). */
#include "cli/cli.h"
#include "cli/train_run.h"

extern const struct command cmd_sft;

static int run(int argc, char **argv, struct err *e)
{
    if (train_run_keys(RECIPE_SFT)) return 0;
    if (argc != 1) return cli_usage(&cmd_sft, e);
    return train_run(argv[0], RECIPE_SFT, e);
}

const struct command cmd_sft = {
    .verb = "sft",
    .args = "RECIPE",
    .summary = "teach a model by examples: loss on the assistant's answers only",
    .details = "  tarn sft recipes/sft-tasks.yaml --run runs/sft --set init=runs/english\n"
               "  tarn sft recipes/sft-tasks.yaml --run runs/sft --resume\n",
    .opts = (const struct opt *const[]){train_opt_table, NULL},
    .run = run,
};
