/* sched.c - who gets rows in the next step, and the blocks for them.
 *
 * Decoding sequences come first: one row each, and drafts while the budget lasts. What is left of
 * the budget goes to prompts in order of admission, in chunks. A waiting request is admitted when
 * there is a place and the cache can hold its prompt. When blocks run out, the youngest sequence
 * of the lowest priority is preempted: its tokens stay, its blocks go, it is computed again later
 * (mostly from the prefix tree), and gets the same bits.
 */
#include "base/log.h"
#include "base/size.h"
#include "engine/engine_int.h"
#include "kernel/attn.h"

static int64_t blocks_for(int64_t n_tok)
{
    return (n_tok + ATTN_BLOCK - 1) / ATTN_BLOCK;
}

void sched_release(struct engine *en, struct seq *s)
{
    /* Children before parents: the tree's leaves become idle first. */
    for (int32_t i = s->n_block; i-- > 0;) kv_unref(en->kv, s->block[i]);
    s->n_block = s->n_published = 0;
    s->n_done = 0;
}

void sched_publish(struct engine *en, struct seq *s)
{
    if (!en->o.share_prefixes) return;
    while ((int64_t)(s->n_published + 1) * ATTN_BLOCK <= s->n_done) {
        int32_t i = s->n_published++;
        s->block[i] = kv_publish(en->kv, s->r.cache_group, i ? s->block[i - 1] : KV_NONE,
                                 s->block[i], s->tok + (int64_t)i * ATTN_BLOCK);
    }
}

/* ---- waiting list -------------------------------------------------------------------------- */

static bool before(const struct seq *a, const struct seq *b)
{
    if (a->r.priority != b->r.priority) return a->r.priority > b->r.priority;
    return a->order < b->order;
}

static void wait_insert(struct engine *en, struct seq *s)
{
    struct seq **at = &en->wait;
    while (*at && !before(s, *at)) at = &(*at)->next;
    s->next = *at;
    *at = s;
}

static void preempt(struct engine *en, struct seq *s)
{
    struct seq **at = &en->run;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    en->n_run--;
    en->stats.preemptions++;
    log_info("engine", "request %llu: preempted at %lld tokens, the cache is full",
             (unsigned long long)s->id, (long long)s->n_tok);
    sched_release(en, s);
    s->n_row = 0;
    wait_insert(en, s);
}

/* The one to give way to `s`: the last in order among the others, if `s` comes before it. */
static struct seq *victim(struct engine *en, const struct seq *s)
{
    struct seq *worst = NULL;
    for (struct seq *q = en->run; q; q = q->next)
        if (q != s && (!worst || before(worst, q))) worst = q;
    return worst && before(s, worst) ? worst : NULL;
}

/* Blocks for a timeline of n tokens. False when there are none and nobody gives way. */
static bool reserve(struct engine *en, struct seq *s, int64_t n)
{
    int64_t want = blocks_for(n);
    while (s->n_block < want) {
        int32_t b = kv_take(en->kv);
        if (b == KV_NONE) {
            struct seq *v = victim(en, s);
            if (!v) return false;
            preempt(en, v);
            continue;
        }
        s->block[s->n_block++] = b;
    }
    return true;
}

bool sched_room(struct engine *en, struct seq *s, int64_t n)
{
    while (s->n_block < blocks_for(n)) {
        int32_t b = kv_take(en->kv);
        if (b == KV_NONE) return false;
        s->block[s->n_block++] = b;
    }
    return true;
}

/* ---- admission ----------------------------------------------------------------------------- */

/* Tokens that s and the running q have in common beyond what s finds in the cache, and that q is
 * about to compute: worth waiting for, the prefix is then computed once. */
static bool worth_waiting(const struct engine *en, const struct seq *s)
{
    if (!en->o.share_prefixes) return false;
    for (const struct seq *q = en->run; q; q = q->next) {
        if (q->r.cache_group != s->r.cache_group || q->n_done >= q->n_prompt) continue;
        int64_t same = 0, most = q->n_prompt < s->n_tok - 1 ? q->n_prompt : s->n_tok - 1;
        while (same < most && q->tok[same] == s->tok[same]) same++;
        if (same / ATTN_BLOCK > q->n_done / ATTN_BLOCK) return true;
    }
    return false;
}

static void log_match(const struct seq *s, const struct kv_match *m)
{
    static const char *const why[] = {
        [KV_MISS_NOTHING] = "the rest is new by rule: one token is always computed",
        [KV_MISS_NEW] = "nothing cached goes on from there (never seen, or evicted)",
        [KV_MISS_DIFFERS] = "a cached text differs there",
    };
    if (m->miss == KV_MISS_DIFFERS)
        log_info("cache",
                 "request %llu: %d of %lld tokens cached; token %lld: %s (cached %d, asked %d)",
                 (unsigned long long)s->id, m->n_block * ATTN_BLOCK, (long long)s->n_tok,
                 (long long)m->at, why[m->miss], m->cached, m->asked);
    else
        log_info("cache", "request %llu: %d of %lld tokens cached; token %lld: %s",
                 (unsigned long long)s->id, m->n_block * ATTN_BLOCK, (long long)s->n_tok,
                 (long long)m->at, why[m->miss]);
}

static bool admit(struct engine *en, struct seq *s)
{
    if (en->n_run >= en->o.n_parallel || worth_waiting(en, s)) return false;
    struct kv_match m = {0};
    /* Prompt scores need every prompt row computed. */
    if (en->o.share_prefixes && !s->r.sampling.prompt_logprobs) {
        kv_match(en->kv, s->r.cache_group, s->tok, s->n_tok, s->block, &m);
        s->n_block = s->n_published = m.n_block;
        s->n_done = (int64_t)m.n_block * ATTN_BLOCK;
    }
    if (blocks_for(s->n_tok + 1) - s->n_block > kv_available(en->kv) && en->n_run > 0) {
        sched_release(en, s);
        return false;
    }
    if (en->o.share_prefixes) log_match(s, &m);
    mtp_begin(s);
    restore_begin(en, s);
    if (!s->t_scheduled) {
        s->counts.cached_tokens = s->n_done < s->n_prompt ? s->n_done : s->n_prompt;
        en->stats.cached_tokens += (uint64_t)s->counts.cached_tokens;
    }
    struct seq **end = &en->run;
    while (*end) end = &(*end)->next;
    s->next = NULL;
    *end = s;
    en->n_run++;
    return true;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static bool decodes(const struct seq *s)
{
    return s->n_done + 1 == s->n_tok && s->n_tok > s->n_prompt;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of decoding sequences, then of prompts. Preemption may remove sequences of the list behind
 * the current one, or (never) the current one itself, so the walk goes by `next` after the work. */
static size_t take_rows(struct engine *en)
{
    size_t budget = en->max_rows, out = en->max_out, rows = 0;
    size_t n_decode = 0;
    for (struct seq *s = en->run; s; s = s->next) {
        s->n_row = s->n_draft = 0;
        n_decode += decodes(s);
    }
    size_t left = n_decode; /* sequences that still get their own row */
    for (struct seq *s = en->run; s; s = s->next) {
        if (!decodes(s) || budget == 0 || out == 0) continue;
        size_t spare = size_min(budget, out);
        spare = spare > left ? spare - left : 0;
        if (!s->n_forced && en->o.n_draft > 0)
            spec_draft(en, s, (int)min64(en->o.n_draft, (int64_t)spare), n_decode,
                       en->max_rows - budget + left);
        left--;
        if (s->n_draft && !reserve(en, s, s->n_tok + s->n_draft)) s->n_draft = 0;
        if (!reserve(en, s, s->n_tok)) continue;
        s->n_row = 1 + s->n_draft;
        budget -= (size_t)s->n_row;
        out -= (size_t)s->n_row;
    }
    budget = size_min(budget, (size_t)en->o.n_batch);
    for (struct seq *s = en->run; s; s = s->next) {
        if (decodes(s) || budget == 0 || out == 0) continue;
        if (s->restoring && restore_some(en, s)) continue;
        int64_t n = min64(s->n_tok - s->n_done, (int64_t)budget);
        if (s->r.sampling.prompt_logprobs && s->n_done < s->n_prompt)
            n = min64(n, (int64_t)out); /* every row gives logits */
        if (!reserve(en, s, s->n_done + n)) continue;
        s->n_row = n;
        budget -= (size_t)n;
        out -= s->r.sampling.prompt_logprobs ? (size_t)n : 1;
    }
    for (struct seq *s = en->run; s; s = s->next) rows += (size_t)s->n_row;
    return rows;
}

size_t sched_plan(struct engine *en, bool may_admit)
{
    for (struct seq **at = &en->wait; may_admit && *at;) {
        struct seq *s = *at, *next = s->next;
        if (!admit(en, s)) {
            if (en->n_run >= en->o.n_parallel) break;
            at = &s->next;
            continue;
        }
        *at = next;
    }
    return take_rows(en);
}
