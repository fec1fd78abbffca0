/* commands.c - the list of commands, in the order of help. */
#include "cli/cli.h"

#include <stddef.h>

extern const struct command cmd_ask, cmd_tokenize, cmd_detokenize, cmd_logits, cmd_perplexity;

const struct command *const commands[] = {
    &cmd_ask, &cmd_tokenize, &cmd_detokenize, &cmd_logits, &cmd_perplexity, NULL,
};
