/* rollout.h - groups of answers: sampled by the engine, checked, rewarded.
 *
 * A group is one problem with one prompt; its answers are the choices of one request, so the
 * prompt is computed once and shared by the prefix cache. Everything that the update needs is
 * kept: the ids, and the log-probability of each under the weights that sampled it.
 *
 *   text     what the model wrote, ending token left out
 *   logp     natural log, of the distribution without temperature
 *
 * An answer's tokens depend on (seed, prompt number, choice) alone.
 */
#ifndef RL_ROLLOUT_H
#define RL_ROLLOUT_H

#include "engine/gather.h"
#include "rl/curriculum.h"
#include "rl/reward.h"
#include "text/chat.h"

struct rollout {
    tok_id *id;  /* (n) with the ending token when there is one */
    float *logp; /* (n) */
    size_t n, n_think;
    struct buf text;
    enum gen_reason finish;
    bool truncated, answered;
    struct reward reward;
    char reason[200];
    struct buf answer;
    double advantage;
};

struct group {
    int stage;
    uint64_t number; /* of the prompt in the run */
    struct problem problem;
    struct tok_list prompt;
    bool inside;       /* the prompt ends inside <think> */
    uint64_t hash;     /* of the prompt's ids */
    bool flat;         /* all rewards are equal */
    struct rollout *r; /* (n) */
    size_t n;
};

void group_release(struct group *g);
int group_create(struct group *g, size_t n, struct err *e) must_check;
uint64_t prompt_hash(const tok_id *id, size_t n);

struct rollout_opts {
    enum chat_template chat;
    const char *system; /* or NULL */
    bool instructions;
    int group;
    int64_t max_prompt, max_tokens;
    double temperature;
    uint64_t seed;
    struct reward_opts reward;
    enum math_mode mode;
    int in_flight;
};

struct rollout_times {
    int64_t wall_ns, check_ns; /* checking runs beside the engine, on the caller's thread */
    int64_t tokens, prompt_tokens, cached_tokens;
};

/* Problem and prompt of a group. Fails: ERR_CONTEXT when it is longer than max_prompt. */
int rollout_prompt(struct group *g, struct problem_source *s, uint64_t index,
                   const struct vocab *v, const struct rollout_opts *o,
                   struct err *e) must_check;

/* rollout_run - the answers of n groups whose prompts are made. stop: polled; a true ends with
 * ERR_CANCELLED. Adds to *t. */
int rollout_run(struct group *g, size_t n, struct engine *en, const struct vocab *v,
                const struct rollout_opts *o, const volatile int *stop, struct rollout_times *t,
                struct err *e) must_check;

#endif
