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
#include "model/model.h"
#include "text/detok.h"
#include "text/stop.h"
#include "text/think.h"

enum { MAX_CHOICES = 64, MAX_STOP = 16, MAX_BIAS = 1024, MAX_FORCED = 64 };

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

    /* this step */
    int64_t n_row; /* rows taken */
    int64_t first_row;
    tok_id draft[16];
    int n_draft;

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
    float accept_rate;   /* moving average of accepted drafts per drafted */
    int64_t draft_again; /* n_tok from which drafting is tried again */

    struct gen_counts counts;
    struct gen_times times;
    int64_t t_submit, t_scheduled, t_first, t_last;
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
    atomic_bool interrupt; /* a sequence of the running step was cancelled */
    struct sample_work *work;
    struct constraints *constraints; /* NULL without a vocabulary */

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

/* ---- spec.c -------------------------------------------------------------------------------- */

/* Drafts for a decoding sequence from its own past (prompt lookup): fills draft[], n_draft. */
void spec_draft(struct engine *en, struct seq *s, int most);
void spec_learn(struct seq *s, int drafted, int accepted);

#endif
