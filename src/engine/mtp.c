/* mtp.c - drafts by the model's own multi-token-prediction layer.
 *
 * The layer predicts token t + 2 from the main model's state at t and token t + 1 (models.md, MTP;
 * DeepSeek-V3 report, section 2.2). Its attention has a cache of its own, which is one more layer
 * of the paged cache. After a step has chosen its tokens, the states of the rows that now stand in
 * the timeline go through the layer: that fills its cache and gives the first draft. Further drafts
 * take the layer's own result and draft as state and token. Where a model has several such layers
 * the first is used for all.
 *
 *   timeline     x0 x1 x2 x3 | x4        x4 was chosen in this step
 *   main cache   0  1  2  3
 *   MTP rows     0  1  2  3               row 3: state 3, token x4 -> draft for x5
 *
 * A draft can only be wrong, never change the text. So the layer need not see everything: of a
 * prompt only the last PROMPT_WINDOW tokens, and after a rest it begins anew. What it sees are the
 * blocks from mtp_from (a multiple of ATTN_BLOCK) on, through a block table that begins there;
 * rotary positions are the true ones. Blocks from the prefix tree are not looked at: whoever left
 * them may not have filled this layer.
 *
 * Rows are written before the blocks are published: a block in the tree never changes.
 *
 * Drafts are chosen as their tokens will be: with the request's own options and the random number
 * of that place. Where the two distributions are alike, so are the choices.
 *
 * Whether it pays is measured (spec.c). If not, the layer is left out altogether, for longer each
 * time, and for the whole engine: how well the layer predicts is a property of the model.
 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "engine/engine_int.h"
#include "kernel/attn.h"
#include "kernel/kernel.h"

enum { PROMPT_WINDOW = 256, REST_MIN = 512, REST_MAX = 1 << 15, ROWS_NEEDED = 8, COLD = 6 };

static const float LEARN = 0.05f, START = 0.7f, TRY_AGAIN = 0.6f;

/* ---- opening ------------------------------------------------------------------------------- */

static bool is_loaded(const struct model *m)
{
    return m->n_layer_all > m->c.n_layer && m->layer[m->c.n_layer].w[ROLE_MTP_PROJ].n_out > 0;
}

size_t mtp_bytes(const struct model *m, const struct engine_opts *o, size_t max_rows)
{
    if (o->n_draft == 0 || !is_loaded(m)) return 0;
    return max_rows * ((size_t)m->c.n_embd + 1) * sizeof(float);
}

int mtp_step_bytes(const struct model *m, const struct engine_opts *o, struct pool *pool,
                   size_t max_rows, size_t *bytes, struct err *e)
{
    *bytes = 0;
    if (o->n_draft == 0 || !is_loaded(m)) return 0;
    return model_mtp_bytes(m, kernels(), pool, max_rows, (size_t)o->n_parallel, bytes, e);
}

int mtp_open(struct engine *en, struct err *e)
{
    struct mtp *t = &en->mtp;
    if (en->o.n_draft == 0 || !is_loaded(en->model)) return 0;
    size_t c = (size_t)en->model->c.n_embd;
    t->h = mem_alloc(en->max_rows * c * sizeof *t->h);
    t->row_at = mem_alloc(en->max_rows * sizeof *t->row_at);
    t->seq = mem_alloc((size_t)en->o.n_parallel * sizeof *t->seq);
    if (!t->h || !t->row_at || !t->seq)
        return err_oom(e, "drafts", mtp_bytes(en->model, &en->o, en->max_rows));
    t->there = t->on = true;
    t->right = START;
    t->rest = REST_MIN;
    return 0;
}

void mtp_close(struct engine *en)
{
    mem_free(en->mtp.h);
    mem_free(en->mtp.row_at);
    mem_free(en->mtp.seq);
}

/* ---- whether it pays ----------------------------------------------------------------------- */

/* Its rows begin at the next block. */
static void begin_at(struct seq *s, int64_t at)
{
    s->mtp_from = s->mtp_done = (at + ATTN_BLOCK - 1) / ATTN_BLOCK * ATTN_BLOCK;
}

void mtp_begin(struct seq *s)
{
    s->n_mtp = 0;
    int64_t from = s->n_tok - PROMPT_WINDOW;
    begin_at(s, from > s->n_done ? from : s->n_done);
}

void mtp_learn(struct engine *en, int drafted, int accepted)
{
    struct mtp *t = &en->mtp;
    for (int i = 0; i < drafted && i <= accepted; i++)
        t->right += LEARN * ((i < accepted ? 1.0f : 0.0f) - t->right);
}

static int drafts_that_pay(const struct engine *en, size_t n_decode)
{
    const struct mtp *t = &en->mtp;
    float n = (float)n_decode;
    return spec_worth(en, t->right, en->o.n_draft, n_decode, n_decode, t->first_ns / n,
                      t->more_ns / n);
}

/* Switches the layer off and on. Off is decided only when a plain step is known. */
static bool is_on(struct engine *en, size_t n_decode, int *n_draft)
{
    struct mtp *t = &en->mtp;
    *n_draft = 0;
    if (en->o.draft_always) {
        *n_draft = en->o.n_draft;
        return true;
    }
    int64_t now = (int64_t)en->stats.completion_tokens;
    if (!t->on && now >= t->again) {
        t->on = true;
        t->right = t->right > TRY_AGAIN ? t->right : TRY_AGAIN;
        t->first_ns = t->more_ns = 0; /* measured anew */
        t->n_cold = 0;
    }
    if (!t->on || n_decode == 0) return t->on;
    bool plain_known = n_decode <= PACE_ROWS && en->pace.at[n_decode] != 0;
    *n_draft = plain_known ? drafts_that_pay(en, n_decode) : 1;
    if (*n_draft == 0 && plain_known && t->first_ns > 0 && n_decode <= PACE_ROWS &&
        en->stats.steps - en->pace.at[n_decode] < PACE_ROWS) {
        t->on = false;
        t->again = now + t->rest;
        t->rest = t->rest * 2 > REST_MAX ? REST_MAX : t->rest * 2;
        log_debug("engine", "MTP drafts do not pay (%.0f %% right), resting for %lld tokens",
                  (double)t->right * 100, (long long)(t->again - now));
    } else if (*n_draft > 0 && t->right > TRY_AGAIN) {
        t->rest = REST_MIN;
    }
    return t->on;
}

/* ---- a step -------------------------------------------------------------------------------- */

/* Gathers the rows of this step that are in the timeline now, with their next tokens. States are
 * copied out: the step's memory is used again. */
static size_t gather(struct engine *en, const struct tensor *hidden, size_t *n_seq)
{
    struct mtp *t = &en->mtp;
    size_t c = hidden->c, n = 0;
    *n_seq = 0;
    for (struct seq *s = en->run; s; s = s->next) {
        s->mtp_row = -1;
        if (!s->n_row) continue;
        if (s->mtp_done < s->began) begin_at(s, s->began); /* it rested */
        int64_t first = s->mtp_done > s->began ? s->mtp_done : s->began;
        if (first >= s->n_done) continue;
        size_t row = (size_t)(s->first_row + first - s->began);
        for (int64_t at = first; at < s->n_done; at++, row++, n++) {
            memcpy(t->h + n * c, hidden->v + row * c, c * sizeof *t->h);
            en->row_id[n] = s->tok[at + 1];
            en->row_pos[n] = (int32_t)at;
            t->row_at[n] = (int32_t)(at - s->mtp_from);
            en->row_seq[n] = (int32_t)*n_seq;
        }
        s->mtp_done = s->n_done;
        int32_t skip = (int32_t)(s->mtp_from / ATTN_BLOCK);
        t->seq[(*n_seq)++] = (struct kv_seq){s->block + skip, s->n_block - skip};
        bool decodes = s->n_done + 1 == s->n_tok && s->n_tok > s->n_prompt;
        bool ready = s->n_done - s->mtp_from >= ROWS_NEEDED || s->mtp_from == 0;
        s->mtp_row = decodes && ready && !s->n_forced ? (int64_t)n - 1 : -1;
        s->mtp_seq = (int32_t)*n_seq - 1;
    }
    return n;
}

static tok_id choose(struct engine *en, const struct seq *s, const float *logits)
{
    struct gen_sampling o = s->r.sampling;
    struct sample_out out;
    o.n_top = -1;
    struct sample_in in = {.logits = logits,
                           .n_vocab = en->n_sample_vocab,
                           .history = s->tok,
                           .n_history = s->n_tok,
                           .n_prompt = s->n_prompt,
                           .stream = (uint64_t)s->index,
                           .index = (uint64_t)(s->n_tok - s->n_prompt + s->n_mtp)};
    sample_token(en->work, en->step.k, &o, &in, &out);
    return out.id;
}

/* One pass of n rows. False when it failed: there are no drafts then, and the layer's rows count
 * as missing. */
static bool pass(struct engine *en, size_t n, size_t n_out, struct tensor **logits,
                 struct tensor **hidden)
{
    struct mtp *t = &en->mtp;
    struct kv_view kv = {.layout = kv_layout(en->kv),
                         .pool = kv_pool(en->kv),
                         .seq = t->seq,
                         .row_seq = en->row_seq,
                         .row_pos = t->row_at};
    struct batch b = {.n = n,
                      .id = en->row_id,
                      .pos = en->row_pos,
                      .out = en->row_out,
                      .n_out = n_out,
                      .kv = &kv};
    struct tensor h = {.v = t->h, .n = n, .c = (size_t)en->model->c.n_embd};
    struct err e;
    step_reset(&en->step);
    *logits = model_mtp(en->model, &en->step, &b, &h, 0, hidden);
    if (step_failed(&en->step, &e) == 0) return true;
    for (struct seq *s = en->run; s; s = s->next) s->n_mtp = 0, s->mtp_done = 0;
    return false;
}

/* Draft i of every sequence that still drafts, and the rows that the next pass starts from. */
static size_t take_drafts(struct engine *en, const struct tensor *logits,
                          const struct tensor *hidden, int i, int n_draft)
{
    struct mtp *t = &en->mtp;
    size_t at = 0, n = 0, c = hidden->c;
    for (struct seq *s = en->run; s; s = s->next) {
        if (s->mtp_row < 0) continue;
        size_t row = (size_t)s->mtp_row;
        tok_id id = choose(en, s, logits->v + at++ * logits->c);
        s->mtp_row = -1;
        if (id == TOK_NONE) continue;
        s->mtp_draft[s->n_mtp++] = id;
        int64_t pos = s->n_done + i; /* of the row that the next draft would need */
        if (i + 1 >= n_draft || s->n_tok + i + 2 >= s->n_limit || !sched_room(en, s, pos + 1))
            continue;
        memcpy(t->h + n * c, hidden->v + row * c, c * sizeof *t->h);
        int32_t skip = (int32_t)(s->mtp_from / ATTN_BLOCK);
        t->seq[s->mtp_seq] = (struct kv_seq){s->block + skip, s->n_block - skip};
        en->row_id[n] = id;
        en->row_pos[n] = (int32_t)pos;
        t->row_at[n] = (int32_t)(pos - s->mtp_from);
        en->row_seq[n] = s->mtp_seq;
        en->row_out[n] = (int32_t)n;
        s->mtp_row = (int64_t)n++;
    }
    return n;
}

static void average(float *to, int64_t ns)
{
    *to = *to > 0 ? *to + 0.2f * ((float)ns - *to) : (float)ns;
}

void mtp_step(struct engine *en, const struct tensor *hidden)
{
    struct mtp *t = &en->mtp;
    size_t n_decode = 0, n_seq, n_out = 0, rows = 0;
    int n_draft;
    for (struct seq *s = en->run; s; s = s->next) {
        n_decode += s->n_done + 1 == s->n_tok && s->n_tok > s->n_prompt;
        s->n_mtp = 0;
    }
    if (!t->there || !is_on(en, n_decode, &n_draft)) return;
    size_t n = gather(en, hidden, &n_seq);
    if (n == 0) return;
    for (struct seq *s = en->run; s; s = s->next) {
        if (n_draft == 0) s->mtp_row = -1;
        if (s->mtp_row >= 0) en->row_out[n_out++] = (int32_t)s->mtp_row;
    }
    bool decoding = n_out > 0 && n <= (size_t)(1 + DRAFT_MAX) * n_decode;
    struct tensor *logits, *h;
    for (int i = 0; n > 0; i++) {
        int64_t t0 = clock_ns();
        if (!pass(en, n, n_out, &logits, &h)) return;
        rows += n;
        n = n_out = n_out ? take_drafts(en, logits, h, i, n_draft) : 0;
        /* The first passes bring memory in and say little. */
        if (decoding && t->n_cold++ >= COLD)
            average(i ? &t->more_ns : &t->first_ns, clock_ns() - t0);
    }
    en->stats.mtp_rows += rows;
}
