/* evaluate.h - a model against problems: prompts made, all requests handed to the engine, answers
 * checked as they come, every sample written down.
 *
 *   eval_add        problems of a source, with their prompts
 *   eval_run        gather -> problem_check -> scores, samples.jsonl
 *
 * A problem's random stream depends on the seed and its id alone: the same problem is sampled in
 * the same way whatever else is evaluated, and by both models of a comparison.
 *
 * A line of samples.jsonl:
 *   {id, task, level, chance, sample, samples, prompt, response, answer, gold, score, reason,
 *    class, finish, tokens, think_tokens, truncated, answered, errored}
 */
#ifndef EVAL_EVALUATE_H
#define EVAL_EVALUATE_H

#include <stdio.h>

#include "engine/engine.h"
#include "eval/score.h"
#include "task/problem.h"
#include "text/chat.h"

struct evaluation;

struct eval_opts {
    enum chat_template chat; /* CHAT_RAW: the prompt as it is */
    const char *system;      /* or NULL */
    const char *suffix;      /* behind every question, or NULL */
    bool instructions;       /* the source's, behind every question */
    bool outside;            /* and behind those of outside files in any case */
    enum chat_thinking thinking;
    struct gen_sampling sampling; /* seed: of the whole evaluation */
    struct gen_thinking budget;   /* starts_inside is not looked at */
    int samples;                  /* of each problem */
    int64_t max_tokens;
    bool detect_loops;
};

int eval_create(struct evaluation **out, const struct vocab *v, const struct eval_opts *o,
                struct err *e) must_check;
void eval_free(struct evaluation *ev); /* NULL is fine; sources stay */

/* Problems first, first + 1, ... of a source, at most count. The source must outlive ev. */
int eval_add(struct evaluation *ev, struct problem_source *s, uint64_t first, uint64_t count,
             struct err *e) must_check;
size_t eval_n(const struct evaluation *ev);
int64_t eval_longest_prompt(const struct evaluation *ev); /* tokens */

struct eval_watch {
    FILE *samples; /* or NULL */
    FILE *right;   /* or NULL: right answers as examples for SFT (rejection sampling) */
    int right_max; /* different ones of each problem */
    FILE *
        chosen; /* or NULL: problems solved between `from` and `to` of the time, as a file task */
    double from, to;
    /* About five times a second, and when a problem is done; -1 with *e ends the run. */
    int (*tick)(void *ctx, const struct scores *s, size_t n_done, size_t n, struct err *e);
    void *ctx;
    int in_flight; /* choices with the engine at once */
};
/* What was done before an error stays in eval_scores. A failing request is an error of the run. */
int eval_run(struct evaluation *ev, struct engine *en, const struct eval_watch *w,
             struct err *e) must_check;
const struct scores *eval_scores(const struct evaluation *ev);
/* Over all samples taken: tokens of prompts, of them cached, produced, drafted, accepted. */
const struct gen_counts *eval_counts(const struct evaluation *ev);

#endif
