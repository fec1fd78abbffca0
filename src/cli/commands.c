/* commands.c - the list of commands, in the order of help. */
#include "cli/cli.h"

#include <stddef.h>

const struct command *const commands[] = {
    NULL,
};
