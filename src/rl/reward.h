/* reward.h - what an answer is worth: the checker's score, and what else was asked for.
 *
 *   gate (default)   score where the form was kept, else 0: form alone earns nothing
 *   add              score + format_weight * form: R1-Zero's, kept for comparison
 *   none             score
 *
 * Form: the thinking is closed, the answer stands in its tags (or box), and the text ended by
 * itself. Then language_weight * the share of words in the wanted script (R1's language
 * consistency, summed), and the penalty for length near the limit (DAPO's soft punishment: 0 up to
 * longest - margin, falling to -1 at longest).
 *
 * A checker that failed gives no reward at all: `judged` is false, and the sample takes no part.
 *
 * Sources: training.md 10, 11, 13; reasoning.md 2.6.
 */
#ifndef RL_REWARD_H
#define RL_REWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum format_kind { FORMAT_GATE, FORMAT_ADD, FORMAT_NONE };
enum language { LANGUAGE_ANY, LANGUAGE_LATIN, LANGUAGE_HAN };

struct reward_opts {
    enum format_kind format;
    enum language language;
    double format_weight, language_weight;
    int64_t longest, margin; /* margin 0: no punishment for length */
};

struct reward_in {
    double score;
    bool errored, tagged, truncated;
    int64_t n_token;
    struct span thinking;
};

struct reward {
    double total, score, form, language, length;
    bool judged;
};

struct reward reward_of(const struct reward_opts *o, const struct reward_in *in);

/* Share of a text's words that are in the script; 1 when there are no words. A word is a run of
 * letters; each Han character is one. */
double reward_language(enum language want, struct span text);

#endif
