/* spend.h - what a run has cost so far: time, energy, money, also over stops.
 *
 * Energy comes from the processor's own counter (Linux powercap, package 0 and its likes) where it
 * can be read, else from the watts the recipe names, else it is unknown (0).
 */
#ifndef TRAIN_SPEND_H
#define TRAIN_SPEND_H

#include "base/json.h"

struct spend {
    double per_hour, watts; /* given; 0: unknown */
    double seconds, joules; /* of earlier parts of the run */
    int64_t begun_ns;
    double counter, counted_joules; /* last reading in joules, and what it has gone up */
    bool has_counter;
};

struct spent {
    double seconds, joules, dollars;
};

void spend_begin(struct spend *s, double per_hour, double watts);
/* The sums so far. Call it at least every few minutes: counters wrap. */
struct spent spend_now(struct spend *s);

/* Into and out of a checkpoint's state; missing keys count as 0. */
int spend_save(struct spend *s, json_t *state, struct err *e) must_check;
int spend_load(struct spend *s, const json_t *state, struct err *e) must_check;

#endif
