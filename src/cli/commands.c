/* commands.c - the list of commands, in the order of help. */
#include "cli/cli.h"

#include <stddef.h>

extern const struct command cmd_serve, cmd_keys, cmd_usage;
extern const struct command cmd_chat, cmd_ask, cmd_list, cmd_rm, cmd_info, cmd_tokenize,
    cmd_detokenize, cmd_render, cmd_logits, cmd_perplexity, cmd_bench, cmd_synth, cmd_convert,
    cmd_quantize, cmd_imatrix, cmd_task, cmd_verify, cmd_grade, cmd_tokenizer, cmd_shard,
    cmd_train, cmd_sft, cmd_distill, cmd_runs, cmd_watch, cmd_plan, cmd_eval;

const struct command *const commands[] = {
    &cmd_chat,    &cmd_ask,      &cmd_serve,      &cmd_keys,      &cmd_usage,
    &cmd_list,    &cmd_rm,       &cmd_info,       &cmd_tokenize,  &cmd_detokenize,
    &cmd_render,  &cmd_logits,   &cmd_perplexity, &cmd_bench,     &cmd_synth,
    &cmd_convert, &cmd_quantize, &cmd_imatrix,    &cmd_tokenizer, &cmd_shard,
    &cmd_train,   &cmd_sft,      &cmd_distill,    &cmd_runs,      &cmd_watch,
    &cmd_plan,    &cmd_task,     &cmd_verify,     &cmd_grade,     &cmd_eval,
    NULL,
};
