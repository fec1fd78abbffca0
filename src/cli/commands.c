/* commands.c - the list of commands, in the order of help. */
#include "cli/cli.h"

#include <stddef.h>

#define COMMANDS(X)   \
    X(cmd_chat)       \
    X(cmd_ask)        \
    X(cmd_serve)      \
    X(cmd_keys)       \
    X(cmd_usage)      \
    X(cmd_list)       \
    X(cmd_rm)         \
    X(cmd_doctor)     \
    X(cmd_info)       \
    X(cmd_tokenize)   \
    X(cmd_detokenize) \
    X(cmd_render)     \
    X(cmd_logits)     \
    X(cmd_perplexity) \
    X(cmd_bench)      \
    X(cmd_synth)      \
    X(cmd_convert)    \
    X(cmd_quantize)   \
    X(cmd_imatrix)    \
    X(cmd_tokenizer)  \
    X(cmd_shard)      \
    X(cmd_train)      \
    X(cmd_sft)        \
    X(cmd_distill)    \
    X(cmd_rl)         \
    X(cmd_eval)       \
    X(cmd_runs)       \
    X(cmd_watch)      \
    X(cmd_plan)       \
    X(cmd_task)       \
    X(cmd_verify)     \
    X(cmd_grade)

#define X(c) extern const struct command c;
COMMANDS(X)
#undef X

const struct command *const commands[] = {
#define X(c) &c,
    COMMANDS(X)
#undef X
        NULL};
