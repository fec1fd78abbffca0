/* learner.h - a model that is taught: the trainer, the engine on the same weights, and the loop.
 *
 *   learner_step
 *     curriculum      which problems
 *     rollout_run     answers by the engine, checked and rewarded as they come
 *     (dynamic)       again, until enough groups are not flat
 *     advantages      one number for each answer
 *     update_run      compared with the sampler, then policy gradient
 *     publish         new weights into the engine, between its steps
 *
 * Everything that decides the next step - weights, moments, the number of the next prompt, the
 * curriculum's records, the reference - is in a checkpoint, so a run that was killed gives the
 * curve of one that was not.
 *
 * The reference is the model the run began with, or the policy as it was at the last multiple of
 * reference_every; then it lies in RUN/reference/ckpt-*.
 *
 * Threads: one owner. The engine has a pool of its own.
 */
#ifndef RL_LEARNER_H
#define RL_LEARNER_H

#include "rl/rl_recipe.h"
#include "rl/update.h"
#include "train/ckpt.h"

struct learner {
    const struct rl_recipe *r;
    struct rl_opts o;
    struct pool *pool, *engine_pool;
    struct params *p, *ref_p;
    struct pass *reference; /* NULL without KL */
    struct trainer *t;
    struct update *u;
    struct model *packed;
    struct engine *engine;
    struct vocab *vocab;
    struct buf template_text; /* the model's own, kept with checkpoints */
    struct curriculum train, eval;
    int64_t step;           /* steps done */
    uint64_t next_prompt;   /* number of the next prompt of the run */
    int64_t version;        /* of the weights: updates published */
    int64_t reference_at;   /* step whose policy is the reference; 0: the beginning's */
    struct group *group;    /* (n_group) of the last step, all that were sampled */
    size_t n_group, n_kept; /* kept: those that went into the update, first in the array */
};

/* vocab and the chat template come with the source; the learner takes vocab. ckpt: a checkpoint to
 * go on from, or NULL. */
int learner_open(struct learner *l, const struct rl_recipe *r, struct model_source *from,
                 struct vocab *vocab, enum chat_template chat, int n_thread,
                 struct err *e) must_check;
/* RUN's checkpoint at path into an open learner. */
int learner_load(struct learner *l, const char *run, const char *path,
                 struct err *e) must_check;
int learner_save(struct learner *l, const char *run, char path[CKPT_PATH],
                 struct err *e) must_check;
void learner_close(struct learner *l);
size_t learner_bytes(const struct learner *l);

struct step_times {
    struct rollout_times rollout;
    int64_t reference_ns, update_ns, publish_ns, save_ns, eval_ns, total_ns;
};

void step_times_add(struct step_times *sum, const struct step_times *t);

struct step_result {
    int64_t step; /* of the step just done, from 0 */
    int64_t version;
    int rounds;       /* of sampling; 1 unless dynamic */
    size_t n_sampled; /* groups */
    struct update_stats update;
    struct step_times times;
    double eval; /* share of evaluation items solved greedily; NAN when not measured */
};

/* One step. stop: polled during rollouts. The groups stay in l->group until the next call.
 * Fails: ERR_CANCELLED, ERR_NUMERIC, ERR_LIMIT when dynamic sampling finds nothing to learn,
 * ERR_FAILED when most checks failed. Nothing has changed then, but for ERR_NUMERIC in a later
 * update of a step. */
int learner_step(struct learner *l, const volatile int *stop, struct step_result *s,
                 struct err *e) must_check;
/* The same from groups that were kept (l->group, l->n_group): no engine takes part. */
int learner_replay(struct learner *l, struct step_result *s, struct err *e) must_check;
/* Greedy answers to n items of the evaluation split, rotating over the recipe's stages. */
int learner_measure(struct learner *l, int64_t n, const volatile int *stop, double *share,
                    struct err *e) must_check;
/* The policy becomes the reference; kept under RUN/reference. */
int learner_renew_reference(struct learner *l, const char *run, struct err *e) must_check;

/* Drops the last step's groups, and makes room for n. */
int learner_take_groups(struct learner *l, size_t n, struct err *e) must_check;

#endif
