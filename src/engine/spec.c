/* spec.c - drafting tokens to verify in one step.
 *
 * Prompt lookup: if the last tokens stood in the timeline before, what followed them then is the
 * draft. Longer agreement is preferred, and the latest place among equals. Verification is exact
 * (engine.c): a draft counts only when it equals the token that sampling chooses in its place, so
 * the text is the same with and without.
 *
 * Drafting costs rows. A moving average of the accepted share decides how long drafts are; when it
 * falls too low drafting rests and is tried again later.
 */
#include "engine/engine_int.h"

enum { NGRAM_MAX = 4, NGRAM_MIN = 2, LOOK_BACK = 4096, REST = 32 };

static const float LEARN = 0.2f, GIVE_UP = 0.3f;

void spec_draft(struct engine *en, struct seq *s, int most)
{
    (void)en;
    s->n_draft = 0;
    if (most <= 0 || s->n_tok < s->draft_again) return;
    int64_t room = s->n_limit - s->n_tok - 1;
    if (most > room) most = (int)room;
    const tok_id *end = s->tok + s->n_tok;
    int64_t from = s->n_tok > LOOK_BACK ? s->n_tok - LOOK_BACK : 0;
    int64_t best = -1;
    int best_len = NGRAM_MIN - 1;
    for (int64_t i = s->n_tok - 2; i >= from; i--) { /* i: place of a token equal to the last */
        if (s->tok[i] != end[-1]) continue;
        int len = 1;
        while (len < NGRAM_MAX && i - len >= 0 && s->tok[i - len] == end[-1 - len]) len++;
        if (len <= best_len) continue;
        best = i;
        best_len = len;
        if (len == NGRAM_MAX) break;
    }
    if (best < 0) return;
    for (int64_t i = best + 1; i < s->n_tok && s->n_draft < most; i++)
        s->draft[s->n_draft++] = s->tok[i];
}

void spec_learn(struct seq *s, int drafted, int accepted)
{
    float share = (float)accepted / (float)drafted;
    s->accept_rate += LEARN * (share - s->accept_rate);
    if (s->accept_rate >= GIVE_UP) return;
    s->draft_again = s->n_tok + REST;
    s->accept_rate = GIVE_UP + LEARN; /* the next try starts with a little credit */
}
