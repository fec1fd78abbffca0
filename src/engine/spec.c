/* spec.c - drafting tokens to verify in one step.
 *
 * Drafts come from two places. Prompt lookup: if the last tokens stood in the timeline before, what
 * followed them then is the draft; longer agreement is preferred, and the latest place among
 * equals. And the model's own multi-token-prediction layer, where it has one (mtp.c). Verification
 * is exact (engine.c): a draft counts only when it equals the token that sampling chooses in its
 * place, so the text is the same with and without.
 *
 * A draft costs a row, and what a row costs depends on the model, the machine and the neighbours.
 * So it is measured: times of decoding steps by their number of rows. A draft that is right saves
 * its sequence's share of a plain step. The i-th is made while
 *
 *     right^i * T(n) / n  >  T(rows + 1) - T(rows)  [+ the time to make it]
 *
 * with n sequences decoding and `right` a moving average. Plain steps are measured again now and
 * then; rows never measured are taken to be cheap, once. Where looking up does not pay it rests,
 * longer each time.
 */
#include "base/size.h"
#include "engine/engine_int.h"

enum {
    NGRAM_MAX = 4,
    NGRAM_MIN = 2,
    LOOK_BACK = 4096,
    REST_MIN = 32,
    REST_MAX = 512,
    PLAIN_AGE = 64, /* steps after which a plain step is measured again */
    ROW_AGE = 1024
};

static const float LEARN = 0.15f, START = 0.6f, TRY_AGAIN = 0.5f, MARGIN = 1.1f;

/* ---- what rows cost ------------------------------------------------------------------------ */

void spec_measure(struct engine *en, size_t rows, int64_t ns)
{
    if (rows == 0 || rows > PACE_ROWS) return;
    struct pace *p = &en->pace;
    float now = (float)ns, *t = &p->ns[rows];
    bool known = p->at[rows] && en->stats.steps - p->at[rows] <= ROW_AGE;
    if (known && now > 3 * *t) now = 3 * *t; /* somebody else had the processor */
    *t = known ? *t + 0.2f * (now - *t) : now;
    p->at[rows] = en->stats.steps + 1;
}

static bool known(const struct engine *en, size_t rows, uint64_t age)
{
    return en->pace.at[rows] && en->stats.steps + 1 - en->pace.at[rows] <= age;
}

/* Nanoseconds of a decoding step of so many rows: between its measured neighbours, as cheap as the
 * one below when there is none above; 0 when nothing is known. */
static float step_ns(const struct engine *en, size_t rows, uint64_t age)
{
    const float *ns = en->pace.ns;
    if (known(en, rows, age)) return ns[rows];
    size_t lo = rows, hi = rows;
    while (lo > 0 && !known(en, lo, ROW_AGE)) lo--;
    while (hi <= PACE_ROWS && !known(en, hi, ROW_AGE)) hi++;
    if (lo == 0 || lo == rows) return 0;
    if (hi > PACE_ROWS || ns[hi] < ns[lo]) return ns[lo];
    return ns[lo] + (ns[hi] - ns[lo]) * (float)(rows - lo) / (float)(hi - lo);
}

int spec_worth(const struct engine *en, float right, int most, size_t n_decode, size_t rows,
               float first_ns, float more_ns)
{
    if (en->o.draft_always) return most;
    if (n_decode == 0 || rows >= PACE_ROWS) return 0;
    float plain = known(en, n_decode, PLAIN_AGE) ? en->pace.ns[n_decode] : 0;
    if (plain <= 0) return 0; /* a plain step first, to know what a draft saves */
    float save = plain / (float)n_decode, chance = 1, sum = 0, best = 0;
    int k = 0;
    for (int i = 0; i < most && rows + (size_t)i + 1 <= PACE_ROWS; i++) {
        chance *= right;
        float row =
            step_ns(en, rows + (size_t)i + 1, ROW_AGE) - step_ns(en, rows + (size_t)i, ROW_AGE);
        sum += chance * save - MARGIN * ((row > 0 ? row : 0) + (i ? more_ns : first_ns));
        if (sum <= best) continue;
        best = sum;
        k = i + 1;
    }
    return k;
}

/* ---- looking up ---------------------------------------------------------------------------- */

/* Where the tokens stand that followed the timeline's end before, or -1. */
static int64_t look_up(const struct seq *s)
{
    const tok_id *end = s->tok + s->n_tok;
    int64_t from = s->n_tok > LOOK_BACK ? s->n_tok - LOOK_BACK : 0, best = -1;
    int best_len = NGRAM_MIN - 1;
    for (int64_t i = s->n_tok - 2; i >= from; i--) { /* i: place of a token equal to the last */
        if (s->tok[i] != end[-1]) continue;
        int len = 1;
        while (len < NGRAM_MAX && i - len >= 0 && s->tok[i - len] == end[-1 - len]) len++;
        if (len <= best_len) continue;
        best = i + 1;
        best_len = len;
        if (len == NGRAM_MAX) break;
    }
    return best;
}

static void rest(struct seq *s)
{
    s->lookup_again = s->n_tok + s->lookup_rest;
    s->lookup_rest = s->lookup_rest * 2 > REST_MAX ? REST_MAX : s->lookup_rest * 2;
    s->lookup_right = TRY_AGAIN; /* credit for the next try */
}

static bool draft_looked_up(struct engine *en, struct seq *s, int most, size_t n_decode,
                            size_t rows)
{
    if (s->lookup_rest == 0) {
        s->lookup_rest = REST_MIN;
        s->lookup_right = START;
    }
    if (s->n_tok < s->lookup_again && !en->o.draft_always) return false;
    if (s->n_mtp > 0 && s->lookup_right < en->mtp.right) return false;
    int64_t at = look_up(s);
    if (at < 0) return false;
    if (most > s->n_tok - at) most = (int)(s->n_tok - at);
    int n = spec_worth(en, s->lookup_right, most, n_decode, rows, 0, 0);
    if (n == 0) {
        if (known(en, n_decode, PLAIN_AGE)) rest(s);
        return false;
    }
    for (int i = 0; i < n; i++) s->draft[i] = s->tok[at + i];
    s->n_draft = n;
    s->draft_from = DRAFT_LOOKUP;
    return true;
}

/* ---- both ---------------------------------------------------------------------------------- */

void spec_draft(struct engine *en, struct seq *s, int most, size_t n_decode, size_t rows)
{
    s->n_draft = 0;
    int64_t room = s->n_limit - s->n_tok - 1;
    if (most > room) most = (int)room;
    if (most <= 0 || draft_looked_up(en, s, most, n_decode, rows) || s->n_mtp == 0) return;
    int n =
        spec_worth(en, en->mtp.right, most < s->n_mtp ? most : s->n_mtp, n_decode, rows, 0, 0);
    for (int i = 0; i < n; i++) s->draft[i] = s->mtp_draft[i];
    s->n_draft = n;
    s->draft_from = DRAFT_MTP;
}

void spec_learn(struct engine *en, struct seq *s, int drafted, int accepted)
{
    if (s->draft_from == DRAFT_MTP) {
        mtp_learn(en, drafted, accepted);
        return;
    }
    for (int i = 0; i < drafted && i <= accepted; i++)
        s->lookup_right += LEARN * ((i < accepted ? 1.0f : 0.0f) - s->lookup_right);
    if (accepted == drafted) s->lookup_rest = REST_MIN;
}
