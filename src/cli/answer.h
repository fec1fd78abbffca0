/* answer.h - one answer in a terminal: submit, print as it comes, count, stop on Ctrl-C. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include <pthread.h>

#include "base/buf.h"
#include "cli/load.h"

/* Options of commands that sample; values in sampling_opts. */
extern const struct opt sampling_opt_table[];
struct sampling_opts {
    double temp, top_p, min_p, typical, repeat, presence, frequency, dry;
    int64_t top_k, seed, max_tokens, think_budget;
    const char *think; /* "off", "low", "high", "on", or a number of tokens */
    struct opt_list stop;
};
extern struct sampling_opts sampling_opts;

/* Request fields from the options; unset ones from the model's own advice, then the template's
 * (R1: 0.6 and 0.95). stop must hold 16 spans. */
int sampling_fill(struct gen_request *r, const struct source_sampling *advice,
                  enum chat_template t, struct span *stop, struct err *e) must_check;
/* The budget that --think or /think asks for, -1 for none. */
int sampling_budget(const char *how, int64_t *out, struct err *e) must_check;
/* The thinking switch of --think, for the template. */
enum chat_thinking sampling_thinking(void);

struct answer {
    struct buf text, reasoning;
    struct gen_counts counts;
    struct gen_times times;
    enum gen_reason reason;
    struct err err;
    bool failed, done;
    /* called as text arrives, on the engine thread; may be NULL */
    void (*show)(void *ctx, struct span text, bool thinking);
    /* called while the prompt is computed, on the engine thread; may be NULL */
    void (*reading)(void *ctx, int64_t done, int64_t total);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* Runs r to its end. The first Ctrl-C ends the thinking, the next one the answer. 0 also when it
 * was stopped or truncated (see reason). */
int answer_run(struct answer *a, struct engine *en, struct gen_request *r,
               struct err *e) must_check;
void answer_release(struct answer *a);

#endif
