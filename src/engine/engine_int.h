/* engine_int.h - the engine's inside: sequences and the struct itself. Private to engine/.
 *
 * A sequence is a timeline of tokens: the prompt, then what was produced. `n_done` of them have
 * their keys and values in the cache; the next step computes rows from there on. Its states:
 *
 *   WAIT --admit--> RUN --finish--> gone
 *    ^               |
 *    +---preempt-----+   blocks given back (full ones stay in the prefix tree), tokens kept
 */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "engine/constraint.h"
#include "engine/engine.h"
#include "engine/kv.h"
#include "engine/sample.h"
#include "engine/snapshot.h"
#include "model/model.h"
#include "text/detok.h"
#include "text/stop.h"
#include "text/think.h"

enum {
    MAX_CHOICES = 64,
    MAX_STOP = 16,
    MAX_BIAS = 1024,
    MAX_FORCED = 64,
    DRAFT_MAX = 16,
    PACE_ROWS = 64 /* steps with more decoding rows do not draft */
};

enum draft_source { DRAFT_LOOKUP, DRAFT_MTP };

struct seq {
    struct seq *next;     /* in its list */
    uint64_t id;          /* the request's */
    int index;            /* the choice */
    uint64_t order;       /* arrival: decides among equal priorities */
    struct gen_request r; /* spans and arrays point into `own` */
    struct arena own;
    atomic_bool cancelled, answer_now;
    atomic_bool in_step; /* with many rows, in the step that runs now */
    bool started;

    tok_id *tok; /* (cap_tok) timeline */
    int64_t n_tok, n_prompt, cap_tok;
    int64_t n_done;   /* of them in the cache */
    int64_t n_limit;  /* the timeline may not grow past this */
    int64_t n_scored; /* prompt tokens already reported, with prompt_logprobs */
    int32_t *block;   /* block table */
    int32_t n_block, n_published;
    bool restoring;   /* blocks may still come from snapshots */
    uint64_t chain;   /* snapshots_chain of the blocks it has, while restoring */
    int64_t restored; /* tokens read from snapshots */

    /* this step */
    int64_t n_row; /* rows taken */
    int64_t first_row;
    int64_t out_row; /* the row of logits behind the timeline's end, -1: not in this step */
    bool has_ahead;  /* its token was sampled with the others', in `ahead` */
    struct sample_out ahead;
    int64_t began; /* n_done in front of the step */
    tok_id draft[DRAFT_MAX];
    int n_draft;
    enum draft_source draft_from;

    /* text */
    struct detok detok;
    struct think think;
    struct stop stop;
    bool has_stop;
    struct buf piece, reasoning, answer, shown;
    bool looping;
    tok_id forced[MAX_FORCED]; /* tokens to put instead of sampling */
    int n_forced, at_forced;
    int64_t checked_loop;            /* completion length at the last loop check */
    struct constraints *constraints; /* the engine's */
    struct constrained constrained;

    /* speculation */
    float lookup_right;          /* moving average of how often a looked-up token was right */
    int64_t lookup_again;        /* n_tok from which looking up is tried again */
    int lookup_rest;             /* tokens of the next rest */
    tok_id mtp_draft[DRAFT_MAX]; /* made at the end of the last step */
    int n_mtp;
    int64_t mtp_from, mtp_done; /* rows of the MTP layer's cache that are there; see mtp.c */
    int64_t mtp_row;            /* in its pass: the row that gives a draft, or -1 */
    int32_t mtp_seq;            /* in its pass: the sequence's place */

    struct gen_counts counts;
    struct gen_times times;
    int64_t t_submit, t_scheduled, t_first, t_last;
};

/* What steps cost, as measured: whether drafts pay is decided from it (spec.c). */
struct pace {
    float ns[PACE_ROWS + 1];    /* of a step that only decodes, by its rows */
    uint64_t at[PACE_ROWS + 1]; /* the step that was measured last; 0: none */
};

/* Drafting by the model's own multi-token-prediction layer (mtp.c). */
struct mtp {
    bool there;      /* the model has one and it is loaded */
    bool on;         /* sequences keep its cache rows up to date */
    float right;     /* moving average of how often a draft of it was right */
    float first_ns;  /* the rows of a decoding step and the first draft */
    float more_ns;   /* each further draft */
    int n_cold;      /* passes since it was switched on that were not measured */
    int64_t again;   /* completion tokens of the engine from which it is tried again */
    int64_t rest;    /* tokens of the next rest */
    float *h;        /* (max_rows, C) states that its rows start from */
    int32_t *row_at; /* (max_rows) places of the rows in the part of the cache that they see */
    struct kv_seq *seq; /* (n_parallel) that part */
};

struct engine {
    struct model *model;
    const struct vocab *vocab;
    struct pool *pool;
    struct engine_opts o;
    struct engine_iface iface;
    struct kv *kv;
    size_t n_sample_vocab; /* ids that may be sampled */

    /* step memory */
    struct arena arena, heads;
    struct step step;
    int32_t *row_id, *row_pos, *row_seq, *row_out; /* (max_rows) */
    struct kv_seq *kv_seq;                         /* (n_parallel) */
    size_t max_rows, max_out;
    atomic_bool interrupt;           /* a sequence of the running step was cancelled */
    struct sample_work **works;      /* one for each thread of the pool */
    struct sample_work *work;        /* the first */
    struct seq **ahead;              /* (n_parallel) */
    struct constraints *constraints; /* NULL without a vocabulary */
    struct pace pace;
    struct mtp mtp;
    struct snapshots *snapshots; /* NULL: none */
    int32_t n_pinned;            /* blocks held for snapshots that are being written */

    /* lists of the engine thread */
    struct seq *run;  /* in order of admission */
    struct seq *wait; /* best first */
    int n_run;

    /* shared with other threads, under `lock` */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    pthread_t thread;
    bool thread_started, stop;
    struct seq *inbox, **inbox_tail;
    int n_queued;       /* submitted and not yet running */
    int n_alive;        /* submitted and not finished */
    struct seq **alive; /* (cap_alive) for cancel and end_thinking */
    int cap_alive;
    uint64_t next_id, next_order;
    void (*exclusive)(void *ctx);
    void *exclusive_ctx;
    bool exclusive_done;
    bool forget, forget_all;
    uint64_t forget_group;
    struct engine_stats stats;
};

/* ---- sched.c ------------------------------------------------------------------------------- */

/* Admits waiting sequences (unless told not to) and decides each running one's rows for this step,
 * with blocks for them. Returns the number of rows. */
size_t sched_plan(struct engine *en, bool may_admit);
/* Puts full blocks into the prefix tree. */
void sched_publish(struct engine *en, struct seq *s);
/* Gives all blocks back. */
void sched_release(struct engine *en, struct seq *s);

/* ---- seq.c --------------------------------------------------------------------------------- */

int seq_create(struct engine *en, const struct gen_request *r, int index, struct seq **out,
               struct err *e) must_check;
void seq_free(struct seq *s);
/* Tokens that must come next whatever the model says: a budget that is used up, "answer now". */
void seq_force(struct engine *en, struct seq *s);
/* The prompt is computed and nothing is to be produced. Reports DONE; true. */
bool seq_scored(struct engine *en, struct seq *s);
/* A token was produced (or put there): text, events, counts. True when the sequence has ended and
 * its DONE has been reported. */
bool seq_push(struct engine *en, struct seq *s, const struct sample_out *t, bool forced);
void seq_report_start(struct engine *en, struct seq *s);
void seq_report_progress(struct engine *en, struct seq *s);
/* The prompt's token `at`, scored by the row before it. */
void seq_report_prompt_token(struct engine *en, struct seq *s, int64_t at,
                             const struct sample_out *t);
void seq_report_done(struct engine *en, struct seq *s, enum gen_reason why, struct span stop);
void seq_report_error(struct engine *en, struct seq *s, const struct err *e);

/* Blocks for a timeline of n tokens if they are to be had without preempting anybody. */
bool sched_room(struct engine *en, struct seq *s, int64_t n);

/* ---- restore.c ----------------------------------------------------------------------------- */

int restore_open(struct engine *en, struct err *e) must_check;
void restore_close(struct engine *en);
/* The weights have changed. */
void restore_rebind(struct engine *en);
/* Files of a group, or all of this model. */
void restore_forget(struct engine *en, bool all, uint64_t group);
/* An admitted sequence has what memory holds; may the rest come from disk? */
void restore_begin(struct engine *en, struct seq *s);
/* Reads some blocks. True while there may be more: the sequence then gets no rows yet. */
bool restore_some(struct engine *en, struct seq *s);
/* Hands the sequence's published blocks that are not on disk to the writer, if at least so many. */
void restore_save(struct engine *en, struct seq *s, int32_t at_least);
/* Gives back the blocks of snapshots that are written. */
void restore_collect(struct engine *en);

/* ---- spec.c -------------------------------------------------------------------------------- */

/* Drafts for a decoding sequence, at most `most`, in a step that has `rows` rows already: fills
 * draft[], n_draft. n_decode: sequences that decode in this step. */
void spec_draft(struct engine *en, struct seq *s, int most, size_t n_decode, size_t rows);
void spec_learn(struct engine *en, struct seq *s, int drafted, int accepted);
/* A step that only decoded took so long. */
void spec_measure(struct engine *en, size_t rows, int64_t ns);
/* How many drafts pay, each right with probability `right` if those before were, the i-th made for
 * first_ns or more_ns. 0: none. */
int spec_worth(const struct engine *en, float right, int most, size_t n_decode, size_t rows,
               float first_ns, float more_ns);

/* ---- mtp.c --------------------------------------------------------------------------------- */

int mtp_open(struct engine *en, struct err *e) must_check;
void mtp_close(struct engine *en);
/* Bytes of the buffers of mtp_open, and of a step through the layer; 0 without one. */
size_t mtp_bytes(const struct model *m, const struct engine_opts *o, size_t max_rows);
int mtp_step_bytes(const struct model *m, const struct engine_opts *o, struct pool *pool,
                   size_t max_rows, size_t *bytes, struct err *e) must_check;
/* A sequence begins, or begins again, with n_done tokens from the prefix tree. */
void mtp_begin(struct seq *s);
/* After the step's tokens are chosen: computes the MTP layer's rows of this step's positions, and
 * drafts for the next. hidden: the step's states; the step's memory is used again. */
void mtp_step(struct engine *en, const struct tensor *hidden);
void mtp_learn(struct engine *en, int drafted, int accepted);

#endif
