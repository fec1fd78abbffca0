/* body.h - the request bodies of the generating routes: one struct that holds every field any of
 * them has, and one table per route that says which (field.h). */
#ifndef SERVE_BODY_H
#define SERVE_BODY_H

#include "serve/field.h"

struct body {
    struct span model, user_id, user, suffix, instructions, reasoning_effort, grammar;
    json_t *messages, *prompt, *input, *system;
    json_t *thinking, *stop, *stop_sequences, *stream_options, *logit_bias, *response_format;
    json_t *tools, *tool_choice, *functions, *function_call, *reasoning, *template_kwargs;
    json_t *json_schema, *text, *output_config, *metadata;
    json_t *modalities;
    struct opt_int max_tokens, max_completion_tokens, max_output_tokens, n, best_of, seed;
    struct opt_int top_logprobs, top_k, repeat_last_n, min_tokens, thinking_budget;
    struct opt_int reasoning_budget, thinking_token_budget, logprobs_int, priority;
    struct opt_num temperature, top_p, min_p, typical_p, presence_penalty, frequency_penalty;
    struct opt_num repetition_penalty, repeat_penalty, dry_multiplier, dry_base;
    struct opt_int dry_allowed_length, dry_last_n;
    struct opt_bool stream, logprobs, echo, parallel_tool_calls, include_reasoning,
        cache_prompt;
    struct opt_bool timings_per_token, return_progress, return_token_ids, ignore_eos;
    struct opt_bool continue_final_message, detect_loops, background;
};

struct body_table {
    const struct field *field;
    size_t n;
};

extern const struct body_table body_chat, body_completions, body_responses, body_messages,
    body_count_tokens;

#endif
