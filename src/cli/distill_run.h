/* distill_run.h - what `tarn distill` does besides training: teacher and student answer.
 *
 *   from samples                 the teacher's answers, checked, into RUN/teacher.jsonl; then sft
 *   from logits, tokens teacher  the same file without the check; loss by the teacher's logits
 *   from logits, tokens student  each step the student answers distill.prompts problems
 *   from logits, tokens data     data.path or data.mix as they are
 */
#ifndef CLI_DISTILL_RUN_H
#define CLI_DISTILL_RUN_H

#include "cli/load.h"
#include "rl/harvest.h"
#include "train/teacher.h"

enum distill_tokens { DISTILL_TEACHER, DISTILL_STUDENT, DISTILL_DATA };

struct distill_run {
    struct recipe *r;
    bool logits;
    enum distill_tokens tokens;
    struct teacher_opts o;
    char path[1100]; /* RUN/teacher.jsonl */
    struct teacher *teacher;
    struct harvest harvest;
    bool has_harvest;
    struct model *packed; /* the student, for its engine */
    struct pool *pool;    /* the engine's */
    struct engine *engine;
    struct harvest_counts counts;
};

/* Checks the recipe's words. Call it before data is opened. */
int distill_begin(struct distill_run *d, struct recipe *r, const char *run,
                  struct err *e) must_check;
/* The teacher's answers, when they are wanted and not all there, and their part of the mixture. With
 * dry nothing is asked; *ready says whether the file is there. */
int distill_ask(struct distill_run *d, bool dry, const volatile int *stop, bool *ready,
                struct err *e) must_check;
/* Teacher's logits and the student's engine. */
int distill_attach(struct distill_run *d, struct trainer *t, const struct vocab *v,
                   enum chat_template form, struct err *e) must_check;
/* The student's answers of this step, as batches. */
int distill_step(struct distill_run *d, const struct trainer *t, const struct vocab *v,
                 const volatile int *stop, struct train_batch *b, size_t *n,
                 struct err *e) must_check;
/* After an update: the student's engine gets the new weights. */
void distill_publish(struct distill_run *d, const struct trainer *t);
void distill_end(struct distill_run *d);

#endif
