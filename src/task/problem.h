/* problem.h - one face for everything that can be asked and checked: evaluation and RL see only this.
 *
 *   a family at one level      items by index, without end
 *   a file of JSON lines       its lines; the layout of each is told by its members (below)
 *   a user's own program       items by index, speaking command.h's lines
 *
 * Layouts of a line, after the sets that made them known:
 *   {"prompt", "answer"[, "grade"]}                        file_task.h
 *   {"task", "key", "answer", ...} or {"id"}               what `tarn task` prints
 *   {"question", "answer": "... #### 42"}                  GSM8K
 *   {"problem", "solution" or "answer"[, "level", "type" or "subject"]}    MATH, AIME
 *   {"text" or "prompt", "test_list"[, "test_setup_code"]} MBPP
 *   {"prompt", "entry_point", "test"}                      HumanEval
 *
 * A checker that cannot do its work (a sandbox that fails, a child that dies) gives `errored`: that
 * is no score, and callers count it apart.
 *
 * Threads: one owner of a source and of the problems made from it.
 */
#ifndef TASK_PROBLEM_H
#define TASK_PROBLEM_H

#include <stdint.h>

#include "task/check_math.h"
#include "task/task.h"

struct problem_source;

struct problem {
    struct problem_source *source;
    uint64_t index;
    char id[160];      /* the same in every run */
    char task[64];     /* family, or the file's name with its subject */
    int level;         /* 0: none */
    struct buf prompt; /* what the user says */
    struct buf gold;   /* for people */
    struct task_item item;
    json_t *own; /* of a user's program */
};

struct problem_verdict {
    double score;      /* 0 to 1 */
    bool errored;      /* the checker failed: score means nothing */
    bool answered;     /* there was something to compare */
    bool tagged;       /* and it stood where it should: tags, a box, one line alone */
    struct buf answer; /* it, as written; empty when it has no short form (programs) */
    char reason[200];
};

/* One family; ask->index is the first item's. mix: variant and style of each item as a training
 * mixture has them (task_ask_mix). */
int problem_source_task(struct problem_source **out, const struct task_family *f,
                        const struct task_ask *ask, bool mix, struct err *e) must_check;
int problem_source_file(struct problem_source **out, const char *path,
                        struct err *e) must_check;
/* command: words separated by blanks, the first one a path. */
int problem_source_command(struct problem_source **out, const char *command,
                           const struct task_ask *ask, struct err *e) must_check;
void problem_source_close(struct problem_source *s); /* NULL is fine */

const char *problem_source_name(const struct problem_source *s);
/* How many there are; UINT64_MAX without end. */
uint64_t problem_source_count(const struct problem_source *s);
/* What a random or constant answer scores; 0 when nobody knows. */
double problem_source_chance(const struct problem_source *s);
/* The families know how they want to be answered; other models are told with this text behind the
 * question. Empty for user programs. */
const char *problem_source_instructions(const struct problem_source *s);
/* Whether the problems come from an outside file, which no model here was taught to answer. */
bool problem_source_outside(const struct problem_source *s);
/* How often a checking process had to be started again. */
int problem_source_restarts(const struct problem_source *s);

void problem_init(struct problem *p);
void problem_release(struct problem *p);
int problem_make(struct problem_source *s, uint64_t index, struct problem *p,
                 struct err *e) must_check;

void problem_verdict_init(struct problem_verdict *v);
void problem_verdict_release(struct problem_verdict *v);
/* in_think: the prompt ended inside <think>. Never fails: see errored. */
void problem_check(const struct problem *p, struct span response, bool in_think,
                   enum math_mode mode, struct problem_verdict *v);
/* A line from which problem_source_file makes the same problem: an item's id, or the file's own line.
 * A new reference; NULL when memory is out, or for problems of a user's program. */
json_t *problem_to_json(const struct problem *p) must_check;
/* Whether two answers to p mean the same, as far as its checker can tell. */
bool problem_same(const struct problem *p, struct span a, struct span b);

#endif
