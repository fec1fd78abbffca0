/* harvest.h - a model's answers to many problems: a teacher's for its student.
 *
 * harvest_file asks a teacher and writes what the student is to learn, as JSON lines:
 *
 *   {"id", "task", "level", "prompt", "response", "score", "tokens"}
 *
 * R1's way (training.md 11, 12): several samples a problem, those kept that the checker finds right.
 * A harvest that was stopped goes on where it was: FILE.state says how far the file is good.
 *
 * harvest_batches asks the student itself, for on-policy distillation, and packs its answers into
 * batches whose learned rows are the answers' tokens.
 *
 * Threads: one owner; the engine must have a pool of its own or be idle when others use it.
 */
#ifndef RL_HARVEST_H
#define RL_HARVEST_H

#include "rl/curriculum.h"
#include "rl/rollout.h"
#include "train/batch.h"
#include "train/recipe.h"

struct harvest {
    struct curriculum problems;
    struct rollout_opts o;
    int64_t keep;
    bool reject;
    /* batches */
    int32_t *buffer[DATA_BUFFERS];
    size_t batch_rows;
};

struct harvest_counts {
    int64_t prompts, answers, right, errored, truncated, kept, tokens;
    int64_t ns;
};

/* Problems and sampling as the recipe's `distill` says. */
int harvest_init(struct harvest *h, const struct recipe *r, enum chat_template chat,
                 struct err *e) must_check;
void harvest_release(struct harvest *h);

/* tick is called after each handful of problems; false stops with ERR_CANCELLED. */
int harvest_file(struct harvest *h, const char *path, struct engine *en, const struct vocab *v,
                 int64_t prompts, const volatile int *stop,
                 void (*tick)(void *ctx, const struct harvest_counts *c), void *ctx,
                 struct harvest_counts *c, struct err *e) must_check;

/* Answers to problems [first, first + n), in at most DATA_BUFFERS batches of at most h->batch_rows
 * rows; *n_batch gets how many. The batches live until the next call. */
int harvest_batches(struct harvest *h, struct engine *en, const struct vocab *v, uint64_t first,
                    size_t n, const volatile int *stop, struct train_batch *out,
                    size_t *n_batch, struct harvest_counts *c, struct err *e) must_check;

#endif
