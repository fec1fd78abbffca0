#include "serve/body.h"

#define TO(m) offsetof(struct body, m)
#define BOOL(name, m, doc)                                       \
    {                                                            \
        name, FT_BOOL, FP_HONOUR, 0, 0, false, false, TO(m), doc \
    }
#define INT(name, lo, hi, m, doc)                                 \
    {                                                             \
        name, FT_INT, FP_HONOUR, lo, hi, false, false, TO(m), doc \
    }
#define NUM(name, lo, hi, m, doc)                                 \
    {                                                             \
        name, FT_NUM, FP_HONOUR, lo, hi, false, false, TO(m), doc \
    }
#define ABOVE(name, lo, hi, m, doc)                              \
    {                                                            \
        name, FT_NUM, FP_HONOUR, lo, hi, true, false, TO(m), doc \
    }
#define STR(name, m, doc)                                       \
    {                                                           \
        name, FT_STR, FP_HONOUR, 0, 0, false, false, TO(m), doc \
    }
#define OBJ(name, m, doc)                                       \
    {                                                           \
        name, FT_OBJ, FP_HONOUR, 0, 0, false, false, TO(m), doc \
    }
#define ARR(name, m, doc)                                       \
    {                                                           \
        name, FT_ARR, FP_HONOUR, 0, 0, false, false, TO(m), doc \
    }
#define ANY(name, m, doc)                                       \
    {                                                           \
        name, FT_ANY, FP_HONOUR, 0, 0, false, false, TO(m), doc \
    }
#define NEED(name, type, m, doc)                             \
    {                                                        \
        name, type, FP_HONOUR, 0, 0, false, true, TO(m), doc \
    }
#define NEED_INT(name, lo, hi, m, doc)                           \
    {                                                            \
        name, FT_INT, FP_HONOUR, lo, hi, false, true, TO(m), doc \
    }
#define IGNORE(name, doc)                                   \
    {                                                       \
        name, FT_ANY, FP_IGNORE, 0, 0, false, false, 0, doc \
    }
#define REJECT(name, doc)                                   \
    {                                                       \
        name, FT_ANY, FP_REJECT, 0, 0, false, false, 0, doc \
    }

#define I32 2147483647
#define I64 9223372036854775807.0

#define SAMPLING                                                                               \
    NUM("temperature", 0, 2, temperature, "0 is greedy; the model's own default otherwise"),   \
        ABOVE("top_p", 0, 1, top_p, "nucleus; 1 is off"),                                      \
        INT("top_k", -1, I32, top_k, "0 or -1 is off"), NUM("min_p", 0, 1, min_p, "0 is off"), \
        ABOVE("typical_p", 0, 1, typical_p, "1 is off"),                                       \
        ABOVE("repetition_penalty", 0, 10, repetition_penalty, "1 is off"),                    \
        ABOVE("repeat_penalty", 0, 10, repeat_penalty, "another name of repetition_penalty"),  \
        INT("repeat_last_n", -1, 1 << 20, repeat_last_n,                                       \
            "tokens the penalty looks back; -1: all"),                                         \
        NUM("dry_multiplier", 0, 100, dry_multiplier, "0 is off"),                             \
        NUM("dry_base", 1, 10, dry_base, "growth of the DRY penalty"),                         \
        INT("dry_allowed_length", 0, 1 << 20, dry_allowed_length,                              \
            "repeats shorter than this are free"),                                             \
        INT("dry_last_n", -1, 1 << 20, dry_last_n, "tokens DRY looks back; -1: all"),          \
        INT("min_tokens", 0, 0, min_tokens, "only 0 is supported"),                            \
        BOOL("ignore_eos", ignore_eos, "go on after the end token, for measurements")
#define PENALTIES                                                       \
    NUM("presence_penalty", -2, 2, presence_penalty, "off at 0"),       \
        NUM("frequency_penalty", -2, 2, frequency_penalty, "off at 0"), \
        OBJ("logit_bias", logit_bias, "token id as string: -100 (ban) to 100 (force)")
#define THINKING                                                                       \
    OBJ("thinking", thinking, "{type: enabled | disabled | adaptive, budget_tokens}"), \
        INT("thinking_budget_tokens", -1, I32, thinking_budget,                        \
            "cap on reasoning tokens; 0: none at all"),                                \
        INT("reasoning_budget", -1, I32, reasoning_budget,                             \
            "another name of thinking_budget_tokens"),                                 \
        INT("thinking_token_budget", -1, I32, thinking_token_budget,                   \
            "another name of thinking_budget_tokens"),                                 \
        BOOL("detect_loops", detect_loops,                                             \
             "end a reasoning that repeats itself; default true"),                     \
        OBJ("chat_template_kwargs", template_kwargs,                                   \
            "enable_thinking or thinking are honoured")
#define OURS                                                                          \
    BOOL("cache_prompt", cache_prompt, "false: no prefix cache for this request"),    \
        BOOL("timings_per_token", timings_per_token, "timings on every chunk"),       \
        BOOL("return_token_ids", return_token_ids, "exact ids of prompt and answer"), \
        INT("priority", -100, 100, priority, "higher first; 0 is usual")

static const struct field chat[] = {
    NEED("model", FT_STR, model, "a served model or alias"),
    NEED("messages", FT_ARR, messages, "the conversation, at least one message"),
    THINKING,
    STR("reasoning_effort", reasoning_effort,
        "none, minimal, low, medium, high, xhigh, max, ultra"),
    OBJ("reasoning", reasoning, "{effort, max_tokens, enabled, exclude}"),
    BOOL("include_reasoning", include_reasoning,
         "false: reasoning is counted but not returned"),
    INT("max_tokens", 1, I32, max_tokens, "reasoning and answer together"),
    INT("max_completion_tokens", 1, I32, max_completion_tokens,
        "newer name of max_tokens; wins"),
    SAMPLING,
    PENALTIES,
    ANY("stop", stop, "a string or an array of at most 16; tested in the answer only"),
    BOOL("stream", stream, "server-sent events"),
    OBJ("stream_options", stream_options, "{include_usage}; only with stream"),
    INT("n", 1, 128, n, "number of answers; the server's limit is usually 8"),
    INT("seed", -I64, I64, seed, "same seed, same request, same fingerprint: same text"),
    BOOL("logprobs", logprobs, "log-probabilities of the tokens"),
    INT("top_logprobs", 0, 20, top_logprobs, "alternatives per token; needs logprobs"),
    OBJ("response_format", response_format, "{type: text | json_object | json_schema, ...}"),
    OBJ("json_schema", json_schema, "a schema for the answer, short form"),
    STR("grammar", grammar, "a grammar for the answer"),
    ARR("tools", tools, "at most 128 functions"),
    ANY("tool_choice", tool_choice, "none, auto, required, or a named function"),
    BOOL("parallel_tool_calls", parallel_tool_calls, "false: at most one call"),
    ARR("functions", functions, "older form of tools"),
    ANY("function_call", function_call, "older form of tool_choice"),
    STR("user_id", user_id, "separates caches and the bill per end user"),
    STR("user", user, "a hint only"),
    BOOL("continue_final_message", continue_final_message,
         "go on with the last assistant message"),
    BOOL("return_progress", return_progress, "progress chunks while the prompt is read"),
    OURS,
    ARR("modalities", modalities, "only text"),
    IGNORE("store", "nothing is stored"),
    IGNORE("metadata", "not used"),
    IGNORE("service_tier", "not used"),
    IGNORE("prediction", "not used"),
    IGNORE("verbosity", "not used"),
    IGNORE("web_search_options", "there is no web search"),
    IGNORE("prompt_cache_key", "a hint only"),
    IGNORE("prompt_cache_retention", "not used"),
    IGNORE("prompt_cache_options", "not used"),
    IGNORE("safety_identifier", "not used"),
    IGNORE("moderation", "not used"),
    IGNORE("include", "not used"),
    REJECT("audio", "this is a text model"),
};
const struct body_table body_chat = {chat, countof(chat)};

static const struct field completions[] = {
    NEED("model", FT_STR, model, "a served model or alias"),
    NEED("prompt", FT_ANY, prompt, "a string, strings, token ids, or arrays of token ids"),
    STR("suffix", suffix, "text after the cursor (fill in the middle)"),
    INT("max_tokens", 0, I32, max_tokens, "16 by default; 0 scores the prompt only"),
    SAMPLING,
    PENALTIES,
    INT("seed", -I64, I64, seed, "same seed, same request, same fingerprint: same text"),
    ANY("stop", stop, "a string or an array of at most 16; tested in the whole output"),
    BOOL("stream", stream, "server-sent events"),
    OBJ("stream_options", stream_options, "{include_usage}; only with stream"),
    INT("n", 1, 128, n, "answers per prompt"),
    INT("best_of", 1, 128, best_of, "only values up to n"),
    INT("logprobs", 0, 20, logprobs_int, "alternatives per token; 0: only the token itself"),
    BOOL("echo", echo, "the prompt in front of the text and of the log-probabilities"),
    STR("user_id", user_id, "separates caches and the bill per end user"),
    STR("user", user, "a hint only"),
    OURS,
    IGNORE("metadata", "not used"),
    IGNORE("store", "nothing is stored"),
};
const struct body_table body_completions = {completions, countof(completions)};

static const struct field responses[] = {
    NEED("model", FT_STR, model, "a served model or alias"),
    NEED("input", FT_ANY, input, "a string or an array of items"),
    STR("instructions", instructions, "the first system message"),
    INT("max_output_tokens", 1, I32, max_output_tokens, "reasoning and answer together"),
    SAMPLING,
    INT("top_logprobs", 0, 20, top_logprobs,
        "accepted; log-probabilities are not part of items"),
    INT("seed", -I64, I64, seed, "same seed, same request: same text"),
    OBJ("reasoning", reasoning, "{effort, summary}"),
    OBJ("text", text, "{format: {type: text | json_object | json_schema, ...}}"),
    ARR("tools", tools, "function and custom tools; other types are skipped"),
    ANY("tool_choice", tool_choice, "auto, none, required, or {type: function, name}"),
    BOOL("parallel_tool_calls", parallel_tool_calls, "false: at most one call"),
    BOOL("stream", stream, "server-sent events"),
    STR("user", user, "a hint only"),
    OURS,
    IGNORE("store", "nothing is stored"),
    IGNORE("include", "not used"),
    IGNORE("metadata", "not used"),
    IGNORE("prompt_cache_key", "a hint only"),
    IGNORE("prompt_cache_retention", "not used"),
    IGNORE("service_tier", "not used"),
    IGNORE("truncation", "nothing is ever cut silently"),
    IGNORE("client_metadata", "not used"),
    IGNORE("safety_identifier", "not used"),
    REJECT("background", "requests run while the client waits"),
    REJECT("previous_response_id", "the server keeps no state; send the full input"),
    REJECT("conversation", "the server keeps no state; send the full input"),
};
const struct body_table body_responses = {responses, countof(responses)};

#define MESSAGES_COMMON                                                                       \
    NEED("messages", FT_ARR, messages, "the conversation, at least one message"),             \
        ANY("system", system, "a string or an array of text blocks"), THINKING,               \
        OBJ("output_config", output_config, "{effort, format: {type: json_schema, schema}}"), \
        ARR("tools", tools, "{name, description, input_schema}; other types are skipped"),    \
        OBJ("tool_choice", tool_choice,                                                       \
            "{type: auto | any | tool | none, name, disable_parallel_tool_use}")

static const struct field messages[] = {
    NEED("model", FT_STR, model, "unknown names mean the default model"),
    NEED_INT("max_tokens", 1, I32, max_tokens, "reasoning and answer together"),
    MESSAGES_COMMON,
    ARR("stop_sequences", stop_sequences, "at most 16 strings"),
    SAMPLING,
    INT("seed", -I64, I64, seed, "same seed, same request: same text"),
    BOOL("stream", stream, "server-sent events"),
    OBJ("metadata", metadata, "{user_id}: cache affinity, never logged"),
    OURS,
    IGNORE("container", "not used"),
    IGNORE("mcp_servers", "not used"),
    IGNORE("service_tier", "not used"),
    IGNORE("context_management", "not used"),
    IGNORE("cache_control", "the prefix cache works by itself"),
    IGNORE("inference_geo", "not used"),
};
const struct body_table body_messages = {messages, countof(messages)};

static const struct field count_tokens[] = {
    NEED("model", FT_STR, model, "unknown names mean the default model"),
    MESSAGES_COMMON,
};
const struct body_table body_count_tokens = {count_tokens, countof(count_tokens)};
