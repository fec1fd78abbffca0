/* commands.c - the list of commands, in the order of help. */
#include "cli/cli.h"

#include <stddef.h>

extern const struct command cmd_ask, cmd_tokenize, cmd_detokenize, cmd_logits, cmd_perplexity,
    cmd_synth, cmd_bench, cmd_info, cmd_list, cmd_rm, cmd_render;

const struct command *const commands[] = {
    &cmd_ask,        &cmd_tokenize, &cmd_detokenize, &cmd_logits,
    &cmd_perplexity, &cmd_synth,    &cmd_bench,      NULL,
};
