/* tarn distill: a student learns from a teacher's answers or distributions (cli/distill_run.h). */
#include "cli/cli.h"
#include "cli/train_run.h"

extern const struct command cmd_distill;

static int run(int argc, char **argv, struct err *e)
{
    if (train_run_keys(RECIPE_DISTILL)) return 0;
    if (argc != 1) return cli_usage(&cmd_distill, e);
    return train_run(argv[0], RECIPE_DISTILL, e);
}

const struct command cmd_distill = {
    .verb = "distill",
    .args = "RECIPE",
    .summary = "teach a smaller model by a larger one: its answers, or its distributions",
    .details =
        "  tarn distill recipes/distill.yaml --run runs/student --set distill.teacher=runs/rl\n"
        "  tarn distill recipes/distill.yaml --set distill.from=logits --run runs/student\n",
    .opts = (const struct opt *const[]){train_opt_table, NULL},
    .run = run,
};
