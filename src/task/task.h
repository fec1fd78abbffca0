/* task.h - reasoning tasks: items made by (seed, index, level), worked out, and checked exactly.
 *
 * A family (addition, knights, countdown ...) is a generator and a checker. task_make gives item
 * number `index` of a seed at a level without making the ones before it; the same arguments give
 * the same bytes on every machine. An item carries its prompt, a worked chain that uses nothing
 * but the prompt, the answer, and the key: the facts of the instance in the family's own short
 * grammar, which is all the checker needs.
 *
 * Training and evaluation never meet:
 *   - the split is the top bit of the generator's seed, which callers cannot set by hand;
 *   - besides, every instance belongs to one split by a hash of its key, so an evaluation item
 *     is no training item even where the space is small (sums of two digits);
 *   - held-out phrasings and the held-out level (levels + 1) are refused for TASK_TRAIN.
 *
 * The version is a fingerprint of a sample of items. A test recomputes it, so output cannot
 * change under an old version. It is a part of each item's id.
 *
 * Threads: all functions may be called from any thread; an item has one owner.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"

struct err;
struct gen;

enum task_split { TASK_TRAIN, TASK_EVAL };

enum task_variant {
    TASK_PLAIN,
    TASK_TWIN, /* the plain item of the same index with one thing changed: another answer */
    TASK_ILL   /* no solution ("none") or a fact missing ("cannot be determined") */
};

enum task_style {
    TASK_STEPS, /* every step of the work */
    TASK_BRIEF, /* the main lines */
    TASK_BARE   /* no chain: the answer only */
};

struct task_item;

struct task_family {
    const char *name, *title;
    const char *form; /* how an answer is written, for people and for models */
    char tier;        /* 'A' 1-3M parameters learn it, 'B' 3-10M, 'C' 10-20M or by RL */
    int levels;       /* 1..levels; levels + 1 is held out for evaluation */
    double chance;    /* score of the best constant or random answer to plain items */
    uint32_t version; /* = task_fingerprint(this) */
    /* False: these draws make no item, draw again. */
    bool (*make)(struct gen *g);
    /* NULL when the answer is right, or why it is not. */
    const char *(*check)(const struct task_item *it, struct span answer);
};

/* A set of phrasings has at least eight; places 6 and 7 are held out of training, the places behind
 * them may be empty. */
enum { TASK_PHRASINGS = 16, TASK_PHRASINGS_HELD_OUT_AT = 6, TASK_PHRASINGS_HELD_OUT = 2 };

struct task_ask {
    enum task_split split;
    uint64_t seed, index;
    int level;
    enum task_variant variant;
    enum task_style style;
    bool held_out_phrasing; /* TASK_EVAL only */
    bool no_slips;          /* leave out deliberate slips and their repair */
};

struct task_item {
    const struct task_family *family;
    struct task_ask ask;
    struct buf prompt, chain, answer, key;
    bool has_check, has_slip;
};

struct task_verdict {
    double score;
    bool tagged;        /* the answer stood in <answer> tags after the thinking */
    const char *reason; /* lives forever */
};

void task_item_init(struct task_item *it);
void task_item_release(struct task_item *it);

/* task_make - fills *it (initialised; earlier content is dropped).
 *
 * Fails: ERR_USAGE for a level, phrasing or variant the split does not allow; ERR_LIMIT when the
 * family cannot make such an item; ERR_MEMORY. */
int task_make(const struct task_family *f, const struct task_ask *ask, struct task_item *it,
              struct err *e) must_check;

/* Chooses variant and style as a training mixture does, from (seed, index): 93 % plain, 7 % ill;
 * 80 % steps, 10 % brief, 10 % bare. */
void task_ask_mix(const struct task_family *f, struct task_ask *ask);

/* "<think>\n" chain "</think>\n<answer>" answer "</answer>" */
void task_response(const struct task_item *it, struct buf *out);

/* "addition:1a2b3c4d:train:SEED:INDEX:LEVEL:plain:steps:-" and back. */
void task_id(const struct task_item *it, char out[128]);
int task_parse_id(const char *id, const struct task_family **f, struct task_ask *ask,
                  struct err *e) must_check;

/* task_check - score 1 or 0 with a reason; never more than bounded work on any text.
 *
 *   response   what the model wrote
 *   in_think   the prompt ended inside <think>, so the response starts there
 */
void task_check(const struct task_item *it, struct span response, bool in_think,
                struct task_verdict *v);

/* The text after the last </think>, or all of it when there is no thinking. False with *why set
 * when the thinking does not end. */
bool task_visible(struct span response, bool in_think, struct span *out, const char **why);

/* The one rule that finds an answer in a response: the text after the last </think>; in it the
 * last <answer>...</answer>, or all of it when there are no tags and it is one short line. Tags
 * that are nested, crossed or left open give no answer. False with *why set when there is none. */
bool task_extract(struct span response, bool in_think, struct span *answer, bool *tagged,
                  const char **why);

/* What a model that was not trained on these tasks must be told once. */
const char *task_instructions(void);

/* The registry: NULL-terminated, sorted as in docs/task.md. */
const struct task_family *const *task_list(void);
const struct task_family *task_find(struct span name);
/* Names of the families a small model should know first, with commas. */
const char *task_core(void);
uint32_t task_fingerprint(const struct task_family *f);

const char *task_split_name(enum task_split s);
const char *task_variant_name(enum task_variant v);
const char *task_style_name(enum task_style s);

/* JSON: {id, task, level, split, variant, style, prompt, think, answer, key, form, chance,
 * check, slip}. Reading needs task, answer and key, or id alone (the item is made again). */
json_t *task_item_to_json(const struct task_item *it) must_check; /* NULL: out of memory */
int task_item_from_json(const json_t *o, struct task_item *it, struct err *e) must_check;
/* One line of `tarn verify`: {task, item, response[, in_think]} to {"score":S,"reason":R}. */
int task_verify_line(struct span line, struct buf *out, struct err *e) must_check;

/* task_stress - the attack suite on n items of a family: answers in the right format that are
 * junk, other items' answers, operators and digits that sloppy parsers take, answers inside the
 * thinking, nested tags, floods. *tried and *passed count; every passed one is a hole, the first
 * is shown in `hole` (may be NULL). */
int task_stress(const struct task_family *f, size_t n, uint64_t seed, size_t *tried,
                size_t *passed, struct buf *hole, struct err *e) must_check;

#endif
