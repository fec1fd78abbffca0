#include "serve/ask.h"

#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "meter/keys.h"
#include "serve/api_err.h"
#include "serve/model_slot.h"

enum { ARENA_MAX = 512 << 20, MAX_SCHEMA = 256 << 10 };

struct ask *ask_create(struct api_err *a)
{
    struct ask *k = mem_calloc(1, sizeof *k);
    if (!k) {
        api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
        return NULL;
    }
    arena_init(&k->arena, 16 << 10, ARENA_MAX);
    return k;
}

void ask_free(struct ask *k)
{
    if (!k) return;
    json_decref(k->root);
    arena_release(&k->arena);
    mem_free(k);
}

void *ask_alloc(struct ask *k, size_t size, struct api_err *a)
{
    void *p = arena_calloc(&k->arena, 1, size ? size : 1);
    if (!p) api_fail(a, 503, "insufficient_memory", NULL, "no memory for the request");
    return p;
}

int ask_read(struct ask *k, struct span text, const struct body_table *t, struct api_err *a)
{
    k->root = body_parse(text, a);
    if (!k->root) return -1;
    return field_read(t->field, t->n, k->root, "", &k->b, a);
}

int ask_dump(struct ask *k, const json_t *v, struct span *out, struct api_err *a)
{
    size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *p = ask_alloc(k, n + 1, a);
    if (!p) return -1;
    json_dumpb(v, p, n, JSON_COMPACT | JSON_ENCODE_ANY);
    *out = (struct span){p, n};
    return 0;
}

/* ---- sampling -------------------------------------------------------------------------------- */

static int64_t int_or(struct opt_int v, int64_t dflt)
{
    return v.set ? v.v : dflt;
}

static float num_or(struct opt_num v, double dflt)
{
    return (float)(v.set ? v.v : dflt);
}

static bool bool_or(struct opt_bool v, bool dflt)
{
    return v.set ? v.v : dflt;
}

static int read_bias(struct ask *k, struct api_err *a)
{
    const char *key;
    json_t *v;
    if (!k->b.logit_bias) return 0;
    int64_t n_vocab = model_n_vocab(k->model);
    json_object_foreach(k->b.logit_bias, key, v)
    {
        char path[96];
        int64_t id = 0;
        snprintf(path, sizeof path, "logit_bias[\"%.60s\"]", key);
        for (const char *p = key; *p && id >= 0; p++)
            id = *p >= '0' && *p <= '9' && id < n_vocab ? id * 10 + (*p - '0') : -1;
        if (!*key || id < 0 || id >= n_vocab) {
            api_fail(a, 400, "invalid_parameter", path,
                     "%s is not a token id of this model (0 to %lld)", path,
                     (long long)n_vocab - 1);
            break;
        }
        double bias = json_is_number(v) ? json_number_value(v) : 1e9;
        if (bias < -100 || bias > 100) {
            api_fail(a, 400, "invalid_parameter", path, "%s must be a number from -100 to 100",
                     path);
            break;
        }
        if (k->sampling.n_bias == ASK_MAX_BIAS) {
            api_fail(a, 400, "invalid_parameter", "logit_bias",
                     "logit_bias has more than %d entries", ASK_MAX_BIAS);
            break;
        }
        float f = bias > -100 ? (float)bias : -HUGE_VALF;
        k->bias[k->sampling.n_bias++] = (struct gen_bias){(tok_id)id, f};
    }
    k->sampling.bias = k->bias;
    return key ? -1 : 0; /* foreach ends with key NULL unless it was left */
}

static int add_stop(struct ask *k, const json_t *v, const char *path, struct api_err *a)
{
    if (!json_is_string(v))
        return api_fail(a, 400, "invalid_type", path, "%s is %s; a string is needed", path,
                        json_kind(v));
    if (json_string_length(v) == 0) return 0;
    if (k->n_stop == ASK_MAX_STOP)
        return api_fail(a, 400, "invalid_parameter", path, "more than %d stop strings",
                        ASK_MAX_STOP);
    k->stop[k->n_stop++] = json_span(v);
    return 0;
}

static int read_stop(struct ask *k, const json_t *v, const char *name, struct api_err *a)
{
    if (!v) return 0;
    if (!json_is_array(v)) return add_stop(k, v, name, a);
    for (size_t i = 0; i < json_array_size(v); i++) {
        char path[48];
        snprintf(path, sizeof path, "%s[%zu]", name, i);
        if (add_stop(k, json_array_get(v, i), path, a)) return -1;
    }
    return 0;
}

static int read_logprobs(struct ask *k, bool is_chat, struct api_err *a)
{
    if (is_chat) {
        k->logprobs = bool_or(k->b.logprobs, false);
        k->n_top = (int)int_or(k->b.top_logprobs, 0);
        if (k->n_top && !k->logprobs && k->b.messages && !k->b.system)
            return api_fail(a, 400, "invalid_parameter", "top_logprobs",
                            "top_logprobs needs logprobs: true");
    } else {
        k->logprobs = k->b.logprobs_int.set;
        k->n_top = (int)int_or(k->b.logprobs_int, 0);
    }
    k->sampling.n_top = k->logprobs ? k->n_top : -1;
    return 0;
}

static int read_stream(struct ask *k, struct api_err *a)
{
    k->stream = bool_or(k->b.stream, false);
    const json_t *so = k->b.stream_options;
    if (!so) return 0;
    if (!k->stream && json_object_size(so))
        return api_fail(a, 400, "invalid_parameter", "stream_options",
                        "stream_options is only for stream: true");
    const json_t *u = member(so, "include_usage");
    if (u && !json_is_boolean(u))
        return api_fail(a, 400, "invalid_type", "stream_options.include_usage",
                        "stream_options.include_usage is %s; true or false is needed",
                        json_kind(u));
    k->include_usage = json_is_true(u);
    return 0;
}

int ask_common(struct ask *k, const struct ask_limits *lim, bool is_chat, struct api_err *a)
{
    struct body *b = &k->b;
    struct gen_sampling *s = &k->sampling;
    s->temperature =
        num_or(b->temperature, is_chat ? model_temperature(k->model, lim->temperature) : 1);
    s->top_p = num_or(b->top_p, is_chat ? model_top_p(k->model, lim->top_p) : 1);
    s->min_p = num_or(b->min_p, 0);
    s->typical_p = num_or(b->typical_p, 1);
    s->top_k = (int)int_or(b->top_k, 0);
    if (s->top_k < 0) s->top_k = 0;
    s->repeat_penalty =
        num_or(b->repeat_penalty.set ? b->repeat_penalty : b->repetition_penalty, 1);
    s->repeat_last_n = (int)int_or(b->repeat_last_n, 64);
    s->presence_penalty = num_or(b->presence_penalty, 0);
    s->frequency_penalty = num_or(b->frequency_penalty, 0);
    s->dry_multiplier = num_or(b->dry_multiplier, 0);
    s->dry_base = num_or(b->dry_base, 1.75);
    s->dry_allowed_length = (int)int_or(b->dry_allowed_length, 2);
    s->dry_last_n = (int)int_or(b->dry_last_n, -1);
    s->seed = b->seed.set ? (uint64_t)b->seed.v : random_u64();
    if (b->suffix.n || b->suffix.p) k->suffix = b->suffix;
    k->n = (int)int_or(b->n, 1);
    if (k->n > lim->max_n)
        return api_fail(a, 400, "invalid_parameter", "n", "n is %d, this server allows 1 to %d",
                        k->n, lim->max_n);
    if (b->best_of.set && b->best_of.v > k->n)
        return api_fail(a, 400, "unsupported_parameter", "best_of",
                        "best_of is %lld, only values up to n (%d) are supported",
                        (long long)b->best_of.v, k->n);
    k->max_tokens =
        int_or(b->max_completion_tokens,
               int_or(b->max_tokens, int_or(b->max_output_tokens, is_chat ? -1 : 16)));
    for (size_t i = 0; b->modalities && i < json_array_size(b->modalities); i++) {
        const json_t *m = json_array_get(b->modalities, i);
        if (!json_is_string(m) || !span_is(json_span(m), "text"))
            return api_fail(a, 400, "unsupported_parameter", "modalities",
                            "modalities: this is a text model, only \"text\" is possible");
    }
    k->echo = bool_or(b->echo, false);
    k->cache = bool_or(b->cache_prompt, true);
    k->timings = bool_or(b->timings_per_token, false);
    k->progress = bool_or(b->return_progress, false);
    k->ids = bool_or(b->return_token_ids, false);
    k->priority = (int)int_or(b->priority, 0);
    k->user_id = b->user_id;
    if (k->user_id.n > 512)
        return api_fail(a, 400, "invalid_parameter", "user_id",
                        "user_id is longer than 512 bytes");
    return read_bias(k, a) || read_stop(k, b->stop, "stop", a) ||
                   read_stop(k, b->stop_sequences, "stop_sequences", a) ||
                   read_logprobs(k, is_chat, a) || read_stream(k, a) ||
                   (is_chat && ask_thinking(k, lim, a))
               ? -1
               : 0;
}

/* ---- thinking -------------------------------------------------------------------------------- */

static int read_effort(struct ask *k, struct span s, const char *path, bool *off,
                       struct api_err *a)
{
    static const struct {
        const char *name;
        enum ask_effort effort;
    } names[] = {{"minimal", EFFORT_LOW}, {"low", EFFORT_LOW},    {"medium", EFFORT_HIGH},
                 {"high", EFFORT_HIGH},   {"xhigh", EFFORT_HIGH}, {"max", EFFORT_MAX},
                 {"ultra", EFFORT_MAX}};
    if (span_is(s, "none")) {
        *off = true;
        return 0;
    }
    for (size_t i = 0; i < countof(names); i++) {
        if (!span_is(s, names[i].name)) continue;
        k->effort = names[i].effort;
        return 0;
    }
    return api_fail(
        a, 400, "invalid_parameter", path,
        "%s is '%.*s'; none, minimal, low, medium, high, xhigh, max or ultra are known", path,
        (int)(s.n < 40 ? s.n : 40), s.p);
}

static int read_budget(const json_t *o, const char *key, const char *path, int64_t *out,
                       struct api_err *a)
{
    const struct field f = {key, FT_INT, FP_HONOUR, -1, 2147483647, false, false, 0, ""};
    struct opt_int v = {0};
    if (field_read(&f, 1, o, path, &v, a)) return -1;
    if (v.set) *out = v.v;
    return 0;
}

static int read_text(const json_t *o, const char *key, const char *path, struct span *out,
                     struct api_err *a)
{
    const struct field f = {key, FT_STR, FP_HONOUR, 0, 0, false, false, 0, ""};
    return field_read(&f, 1, o, path, out, a);
}

static int read_flag(const json_t *o, const char *key, const char *path, struct opt_bool *out,
                     struct api_err *a)
{
    const struct field f = {key, FT_BOOL, FP_HONOUR, 0, 0, false, false, 0, ""};
    return field_read(&f, 1, o, path, out, a);
}

/* thinking {type, budget_tokens}: 1 on, 0 off, -1 not said. */
static int thinking_type(struct ask *k, int *said, struct api_err *a)
{
    struct span type = {0};
    *said = -1;
    if (!k->b.thinking) return 0;
    if (read_text(k->b.thinking, "type", "thinking.", &type, a) ||
        read_budget(k->b.thinking, "budget_tokens", "thinking.", &k->budget, a))
        return -1;
    if (!type.p) return 0;
    if (span_is(type, "enabled") || span_is(type, "adaptive"))
        *said = 1;
    else if (span_is(type, "disabled"))
        *said = 0;
    else
        return api_fail(a, 400, "invalid_parameter", "thinking.type",
                        "thinking.type is '%.*s'; enabled, disabled or adaptive are known",
                        (int)(type.n < 40 ? type.n : 40), type.p);
    return 0;
}

int ask_thinking(struct ask *k, const struct ask_limits *lim, struct api_err *a)
{
    struct body *b = &k->b;
    struct opt_bool enabled = {0}, exclude = {0}, kwarg = {0};
    struct span effort = {0};
    bool off = false;
    int said;
    k->budget = int_or(b->thinking_budget,
                       int_or(b->reasoning_budget, int_or(b->thinking_token_budget, -1)));
    k->detect_loops = bool_or(b->detect_loops, true);
    if (thinking_type(k, &said, a)) return -1;
    if (b->reasoning_effort.p &&
        read_effort(k, b->reasoning_effort, "reasoning_effort", &off, a))
        return -1;
    if (b->reasoning) {
        if (read_text(b->reasoning, "effort", "reasoning.", &effort, a) ||
            read_flag(b->reasoning, "enabled", "reasoning.", &enabled, a) ||
            read_flag(b->reasoning, "exclude", "reasoning.", &exclude, a) ||
            read_budget(b->reasoning, "max_tokens", "reasoning.", &k->budget, a) ||
            (effort.p && read_effort(k, effort, "reasoning.effort", &off, a)))
            return -1;
    }
    if (b->output_config) {
        effort = (struct span){0};
        if (read_text(b->output_config, "effort", "output_config.", &effort, a) ||
            (effort.p && read_effort(k, effort, "output_config.effort", &off, a)))
            return -1;
    }
    if (b->template_kwargs) {
        if (read_flag(b->template_kwargs, "enable_thinking", "chat_template_kwargs.", &kwarg,
                      a) ||
            (!kwarg.set &&
             read_flag(b->template_kwargs, "thinking", "chat_template_kwargs.", &kwarg, a)))
            return -1;
    }
    off = off || (enabled.set && !enabled.v) || (kwarg.set && !kwarg.v) || k->budget == 0;
    if (said >= 0)
        k->thinking = said == 1;
    else if (off)
        k->thinking = false;
    else
        k->thinking = model_alias_thinking(k->model, b->model, lim->think_default);
    if (k->budget == 0 && said == 1) k->thinking = true; /* opened, and closed at once */
    k->hide_reasoning =
        (b->include_reasoning.set && !b->include_reasoning.v) || (exclude.set && exclude.v);
    return 0;
}

/* ---- structured output ----------------------------------------------------------------------- */

int ask_constrain(struct ask *k, const json_t *schema, bool strict, const char *path,
                  struct api_err *a)
{
    (void)strict; /* the schema compiler refuses what it cannot enforce, strict or not */
    if (!schema) {
        k->constraint = GEN_JSON;
        return 0;
    }
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return api_fail(a, 400, "invalid_type", path, "%s is %s; a JSON schema is an object",
                        path, json_kind(schema));
    if (ask_dump(k, schema, &k->schema, a)) return -1;
    if (k->schema.n > MAX_SCHEMA)
        return api_fail(a, 400, "invalid_parameter", path, "%s has %zu bytes, the limit is %d",
                        path, k->schema.n, MAX_SCHEMA);
    k->constraint = GEN_JSON_SCHEMA;
    return 0;
}
