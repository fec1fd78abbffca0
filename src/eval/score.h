/* score.h - what an evaluation found: problems with their samples, and the numbers over them.
 *
 * A row is a task at a level; rows stand in the order in which they were added. Samples are kept
 * as files do: RESULT/samples.jsonl has one line for each, and score_read makes the same scores
 * from it, so results can be compared without the models that gave them.
 *
 * Definitions
 *   pass@1      mean over problems of the share of right samples
 *   pass@k      unbiased, from n samples (eval/passk.h)
 *   cons@k      the most frequent answer of all k samples is right; no answer cannot win
 *   truncated   samples that ended at a limit; unanswered: nothing to compare was found
 *   errored     samples whose checker failed: they count as wrong here, and are shown
 */
#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "eval/stat.h"

struct err;

enum { SCORE_PASS_K = 11 }; /* k = 1, 2, 4, ... 1024 */

struct score_sample {
    double score;
    int cls; /* its answer's class among the problem's, -1: none. Right ones share a class */
    int64_t tokens, think_tokens;
    bool truncated, answered, errored;
};

struct score_problem {
    const char *id;
    size_t row;
    struct score_sample *sample; /* (k) */
    size_t n;                    /* samples that are there; k when complete */
};

struct score_row {
    const char *task;
    int level; /* 0: none */
    double chance;
};

struct scores {
    struct arena mem;
    struct score_row *row;
    struct score_problem *problem;
    size_t n_row, cap_row, n_problem, cap_problem, k;
};

void scores_init(struct scores *s, size_t k);
void scores_release(struct scores *s);
/* The row's index; made when it is not there. */
int scores_row(struct scores *s, const char *task, int level, double chance, size_t *row,
               struct err *e) must_check;
/* A new problem with room for k samples. */
int scores_add(struct scores *s, const char *id, size_t row, struct score_problem **out,
               struct err *e) must_check;
/* RESULT/samples.jsonl, or the file itself. */
int scores_read(struct scores *s, const char *path, struct err *e) must_check;

/* Numbers of one row, of one task over its levels, or of everything. Problems without samples are
 * left out. */
struct summary {
    size_t n_problem, n_sample, k;
    struct interval pass1, cons;
    bool has_cons;
    double pass[SCORE_PASS_K]; /* pass@2^i for 2^i <= k */
    int n_pass;
    double truncated, unanswered, errored;                   /* shares of samples */
    double tokens, tokens_right, tokens_wrong, think_tokens; /* means; 0 when there is none */
    double tokens_per_solved; /* all tokens over right samples; infinite when none is right */
    double chance;
};

/* Room for a share per problem. SIZE_MAX for row: all. */
int scores_sum(const struct scores *s, size_t row, struct summary *out,
               struct err *e) must_check;
/* Micro average is scores_sum of all; macro weighs every row the same. */
int scores_macro(const struct scores *s, struct interval *out, struct err *e) must_check;
/* pass@1 over the problems both have (by id). Fails: ERR_NOT_FOUND when there are none. */
int scores_compare(const struct scores *a, const struct scores *b, struct paired *out,
                   struct err *e) must_check;

#endif
