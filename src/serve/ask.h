/* ask.h - what a request asks for, whatever format it came in: messages, tools, sampling, limits.
 *
 * The api_* files read their body into this; render.c turns the messages into tokens; generate.c runs
 * it. Everything points into the ask's arena or into its JSON text, and lives as long as it.
 */
#ifndef SERVE_ASK_H
#define SERVE_ASK_H

#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "engine/request.h"
#include "serve/body.h"

struct api_err;
struct model_slot;

enum { ASK_MAX_STOP = 16, ASK_MAX_TOOLS = 128, ASK_MAX_TOP = 20, ASK_MAX_BIAS = 1024 };

enum ask_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct ask_call { /* a tool call of an earlier turn */
    struct span id, name, args;
};

struct ask_msg {
    enum ask_role role;
    struct span text, reasoning, name;
    bool has_reasoning;
    bool prefix; /* assistant: go on with this text */
    struct ask_call *call;
    size_t n_call;
    struct span tool_id; /* ROLE_TOOL: the call it answers */
};

struct ask_tool {
    struct span name, description;
    struct span params; /* JSON schema, compact */
    bool strict;
    bool custom; /* Responses API: one free-text argument called input */
};

enum ask_choice { CHOICE_NONE, CHOICE_AUTO, CHOICE_REQUIRED, CHOICE_NAMED };
enum ask_effort { EFFORT_DEFAULT, EFFORT_LOW, EFFORT_HIGH, EFFORT_MAX };

struct ask_prompt { /* text completions: one of several */
    struct span text;
    const tok_id *id; /* when given as ids; text is empty then */
    size_t n_id;
    bool is_ids;
};

struct ask {
    struct arena arena;
    json_t *root;
    struct body b;
    struct model_slot *model;

    struct ask_msg *msg;
    size_t n_msg;
    struct ask_tool *tool;
    size_t n_tool;
    enum ask_choice choice;
    struct span choice_name;
    bool parallel;

    struct ask_prompt *prompt; /* text completions; NULL for chats */
    size_t n_prompt;
    struct span suffix;
    bool echo;

    struct gen_sampling sampling;
    struct gen_bias bias[ASK_MAX_BIAS];
    struct span stop[ASK_MAX_STOP];
    int n_stop;
    int n;
    int64_t max_tokens; /* -1: what the context leaves */
    enum gen_constraint constraint;
    struct span schema;

    bool thinking; /* the model should reason first */
    enum ask_effort effort;
    int64_t budget; /* -1: none given */
    bool hide_reasoning;
    bool detect_loops;

    bool stream, include_usage;
    bool logprobs;
    int n_top;
    bool cache, timings, progress, ids;
    int priority;
    struct span user_id;
    int64_t key_id; /* whose replay memory */
};

/* Limits of the server that a request is checked against. */
struct ask_limits {
    int max_n;
    bool strict; /* unknown tool ids, tool types ... are errors */
    bool think_default;
    double temperature, top_p; /* of models that name none */
};

struct ask *ask_create(struct api_err *a); /* NULL: out of memory, told in *a */
void ask_free(struct ask *k);
void *ask_alloc(struct ask *k, size_t size, struct api_err *a);

/* Parses the text and reads the table into k->b. */
int ask_read(struct ask *k, struct span text, const struct body_table *t,
             struct api_err *a) must_check;
/* Sampling, stops, limits, thinking, n, logprobs: everything that is the same in every format.
 * k->model is set. is_chat: defaults of a chat. */
int ask_common(struct ask *k, const struct ask_limits *lim, bool is_chat,
               struct api_err *a) must_check;
/* Thinking on or off, effort and budget (api.md 8.1, 8.2). */
int ask_thinking(struct ask *k, const struct ask_limits *lim, struct api_err *a) must_check;
/* A schema or the plain JSON form as the answer's constraint. schema NULL: any object. */
int ask_constrain(struct ask *k, const json_t *schema, bool strict, const char *path,
                  struct api_err *a) must_check;
/* Compact text of a JSON value in the arena. */
int ask_dump(struct ask *k, const json_t *v, struct span *out, struct api_err *a) must_check;

#endif
