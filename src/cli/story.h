/* story.h - a directory of runs told as a story: DIR/story.json says which models there are, in
 * which order they came about, and what to compare; every number is read from the runs and
 * evaluations themselves.
 *
 *   {"title": ..., "lead": ...,
 *    "columns":  [{"name": "level", "label": "One level up", "note": ...}, ...],
 *    "models":   [{"name": "zero", "label": "R1-Zero", "text": ...}, ...],
 *    "curves":   [{"title": ..., "series": "accuracy", "runs": ["zero", "rl"]}, ...],
 *    "passk":    "level",
 *    "thoughts": {"column": "level", "models": ["base", "zero"], "count": 3},
 *    "targets":  [{"text": ..., "model": "zero", "column": "level", "number": "pass@1",
 *                  "above": 0.7}, ...],
 *    "commands": [...]}
 *
 * The run of model M is DIR/M; its evaluation in column C is DIR/eval/M-C.json (what `tarn eval
 * --json` printed), the samples of it DIR/eval/M-C/samples.jsonl. DIR/times has a line "NAME
 * SECONDS" for each stage; several of one name add up. A target's number is pass@1, pass@k (of the
 * largest k), cons@k, or cons-pass (cons@k less pass@1); what it is to be above or below is a
 * number, or the name of another model. What is missing is left out of the picture and said.
 */
#ifndef CLI_STORY_H
#define CLI_STORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/json.h"

struct err;

enum { STORY_MODELS = 8, STORY_COLUMNS = 4, STORY_PASS = 12, STORY_TARGETS = 16 };

struct story_cell { /* one model in one column; shares from 0 to 1 */
    bool has, has_cons;
    double pass1, lo, hi, cons, cons_lo, cons_hi;
    double pass[STORY_PASS]; /* (n_pass) for k = 1, 2, 4 ... */
    int n_pass, samples;
    double problems, tokens, think;
};

struct story_name {
    struct span name, label, text;
};

struct story_target {
    struct span text;
    double value, bound; /* NAN: not measured */
    bool above, met;
};

struct story {
    const char *dir;
    json_t *json; /* owns every span */
    struct span title, lead;
    struct story_name column[STORY_COLUMNS], model[STORY_MODELS];
    size_t n_column, n_model, n_target;
    struct story_cell cell[STORY_MODELS][STORY_COLUMNS];
    struct story_target target[STORY_TARGETS];
    double seconds[STORY_MODELS], all_seconds; /* from DIR/times; 0: unknown */
};

int story_open(struct story *s, const char *dir, struct err *e) must_check;
void story_close(struct story *s);
/* The model's index, or -1. */
int story_model(const struct story *s, struct span name);
/* A member of a story's object as text; empty when it is none. */
struct span story_text(const json_t *o, const char *key);

/* Bars, curves and targets for a terminal, cols cells wide. */
int story_print(const struct story *s, size_t cols, bool color, struct buf *b,
                struct err *e) must_check;
/* The numbers as one JSON object. */
int story_json(const struct story *s, struct buf *b, struct err *e) must_check;
/* The page (story_page.c). */
int story_page(const struct story *s, struct buf *b, struct err *e) must_check;

#endif
