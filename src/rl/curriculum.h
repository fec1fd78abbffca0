/* curriculum.h - which problem comes next, and how hard it may be.
 *
 * A set is families with their levels, files, and programs; each (source, level) is a stage with
 * a record of how often its recent answers were right. With the curriculum off all stages take
 * turns at random. With it on each family has a present level: half of its problems come from it,
 * half from the levels below; it rises when the mean of the last `window` problems at the present
 * level passes `up`, and falls below `down`.
 *
 * The choice of prompt number n depends on the seed, n, and the records alone, all of which are
 * kept with a checkpoint: a resumed run asks the same.
 *
 * Source: reasoning-gym's curricula (reasoning.md 3.1, 2.5).
 */
#ifndef RL_CURRICULUM_H
#define RL_CURRICULUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "task/problem.h"

struct err;

enum { STAGE_WINDOW = 256 };

struct stage {
    struct problem_source *source;
    int track;                /* which family, file or program */
    int level;                /* of the track, from 1 */
    int64_t n;                /* problems seen */
    double win[STAGE_WINDOW]; /* share of right answers of the last problems, a ring */
};

struct track {
    char name[64];
    int first, n_level; /* stages */
    int level;          /* present one, 1..n_level */
    int64_t since;      /* problems at it since it became present */
    uint64_t asked;     /* prompts so far */
    bool is_file;
};

struct curriculum_opts {
    bool on;
    int window; /* problems, at most STAGE_WINDOW */
    double up, down;
    uint64_t seed;
};

struct curriculum {
    struct curriculum_opts o;
    struct stage *stage;
    struct track *track;
    int n_stage, n_track;
};

int curriculum_init(struct curriculum *c, const struct curriculum_opts *o,
                    struct err *e) must_check;
void curriculum_release(struct curriculum *c); /* closes the sources */

/* A family with levels lo to hi; ask gives everything else, mix as in problem_source_task. */
int curriculum_add_family(struct curriculum *c, const struct task_family *f,
                          const struct task_ask *ask, bool mix, int lo, int hi,
                          struct err *e) must_check;
int curriculum_add_source(struct curriculum *c, struct problem_source *s,
                          struct err *e) must_check;

/* Prompt number n: its stage, and the number of the problem in the stage's source. A file is gone
 * through as a whole, in another order each time. */
void curriculum_choose(struct curriculum *c, uint64_t n, int *stage, uint64_t *index);
/* The share of right answers to one problem of the stage. */
void curriculum_record(struct curriculum *c, int stage, double right);
/* Mean over the window; -1 when nothing was seen. */
double curriculum_rate(const struct stage *s, int window);

/* The records, for a checkpoint. NULL: out of memory. */
json_t *curriculum_to_json(const struct curriculum *c) must_check;
int curriculum_from_json(struct curriculum *c, const json_t *o, struct err *e) must_check;

#endif
